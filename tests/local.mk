# SPDX-License-Identifier: BSD-2-Clause
# Every test speaks TAP, so that single cases show: programs (no extension), .bats and .sh files.
TEST_EXTENSIONS = .bats .sh
TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
LOG_DRIVER = $(TAP_DRIVER)
# bats and the shell scripts plan first: their exit status says nothing that the cases don't.
BATS_LOG_DRIVER = $(TAP_DRIVER) --ignore-exit
BATS_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-bats
SH_LOG_DRIVER = $(TAP_DRIVER) --ignore-exit
SH_LOG_COMPILER = bash
# What the scripts find: the sources, the build, and the program under test. One language: they look
# for words of other programs too.
AM_TESTS_ENVIRONMENT = \
	LC_ALL=C; export LC_ALL; \
	srcdir='$(abs_top_srcdir)'; export srcdir; \
	builddir='$(abs_top_builddir)'; export builddir; \
	BATS='$(BATS)'; export BATS; \
	CLANG_FORMAT='$(CLANG_FORMAT)'; export CLANG_FORMAT; \
	SPIN='$(SPIN)'; export SPIN; \
	UMBRA="$${UMBRA:-$(abs_top_builddir)/umbra}"; export UMBRA;
EXTRA_DIST += tests/run-bats tools/tap-table .ci/run

include tests/unit/local.mk
include tests/shadow.mk
include tests/fuzz/local.mk
include tests/lint/local.mk
include tests/models/local.mk

include tests/guest/local.mk
