/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest RAM given back to the host: holes. A window on such a frame shows zeroes at once, and so does
 * every other mapping of it. Read first: gmem.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shadow/gmem_internal.h"

int gmem_discard(struct gmem *gm, gfn_t gfn, uint64_t frames)
{
	for (unsigned i = 0; i < gm->regions; i++) {
		const struct gmem_region *r = &gm->region[i];
		uint64_t at = gfn.v - r->gfn.v;

		if (gfn.v < r->gfn.v || at >= r->frames || frames > r->frames - at)
			continue;
		if (fallocate(gm->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(r->offset + (at << SH_PAGE_SHIFT)),
			      (off_t)(frames << SH_PAGE_SHIFT)) < 0)
			return -errno;
		return 0;
	}
	return -EFAULT;
}

uint64_t gmem_resident(const struct gmem *gm)
{
	struct stat st;

	return fstat(gm->fd, &st) < 0 ? 0 : (uint64_t)st.st_blocks / (SH_PAGE_SIZE / 512);
}
