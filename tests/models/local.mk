# SPDX-License-Identifier: BSD-2-Clause
# Models of what threads do to each other, searched by spin; skipped where there is none.
TESTS += tests/models/models.sh
EXTRA_DIST += tests/models/README.md tests/models/models.sh tests/models/defer.pml tests/models/generation.pml \
	tests/models/share.pml tests/models/shootdown.pml tests/models/track.pml \
	tests/models/unsync.pml tests/models/window.pml
