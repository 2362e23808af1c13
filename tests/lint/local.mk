# SPDX-License-Identifier: BSD-2-Clause
TESTS += tests/lint/lint.sh tests/lint/quickstart.bats tests/lint/install.sh tests/lint/usdt.sh
EXTRA_DIST += tests/lint/lint.sh tests/lint/quickstart.bats tests/lint/install.sh tests/lint/usdt.sh

# Brings every C file into the shape that the lint test wants.
.PHONY: format
format:
	find $(top_srcdir)/shadow $(top_srcdir)/vmm $(top_srcdir)/guest $(top_srcdir)/tools \
		$(top_srcdir)/tests $(top_srcdir)/examples -name '*.[ch]' -exec $(CLANG_FORMAT) -i {} +
