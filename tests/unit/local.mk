# SPDX-License-Identifier: BSD-2-Clause
# CUnit tests that report in TAP. A folder adds its own program like the ones below.
if HAVE_CUNIT
noinst_LTLIBRARIES += libtest-tap.la
libtest_tap_la_SOURCES = tests/unit/tap.c tests/unit/tap.h
libtest_tap_la_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS)
libtest_tap_la_LIBADD = $(CUNIT_LIBS)

FRONT_UNIT_TESTS = tests/unit/test_sizes tests/unit/test_options
check_PROGRAMS += $(FRONT_UNIT_TESTS)
TESTS += $(FRONT_UNIT_TESTS)
tests_unit_test_sizes_SOURCES = tests/unit/test_sizes.c
tests_unit_test_sizes_LDADD = libtest-tap.la libumbra-front.la
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_LDADD = libtest-tap.la libumbra-front.la
endif
