/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames taken back by the host. Read first: unmap.h, gather.h.
 */
#include <errno.h>

#include "shadow/gather.h"
#include "shadow/reserve.h"

unsigned sh_release_frame(struct sh_mmu *mmu, const struct sh_release *rel, gfn_t gfn)
{
	if (rel && rel->fn)
		return rel->fn(rel->ctx, gfn);
	return gmem_discard(mmu->gm, gfn, 1) == 0;
}

static int check(struct sh_mmu *mmu, const struct sh_range *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (uint64_t k = 0; k < r[i].frames; k++)
			if (mfn_eq(gmem_mfn(mmu->gm, GFN(r[i].first.v + k)), MFN_NONE))
				return -EINVAL;
	return 0;
}

static void gather_range(struct sh_gather *g, const struct sh_range *r)
{
	for (uint64_t k = 0; k < r->frames; k++) {
		if (sh_reserved_run(g->mmu, GFN(r->first.v + k)))
			g->out->reserved++;
		else if (!sh_gather_frame(g, GFN(r->first.v + k)))
			g->out->busy++;
	}
}

int sh_unmap_ranges(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_range *r, unsigned n,
		    const struct sh_release *rel, struct sh_unmapped *out)
{
	struct sh_gather g;
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_UNMAP);

	*out = (struct sh_unmapped){0};
	if (check(mmu, r, n))
		return -EINVAL;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	sh_gather_begin(&g, mmu, v, rel, out);
	for (unsigned i = 0; i < n; i++)
		gather_range(&g, &r[i]);
	sh_gather_finish(&g);
	pthread_mutex_unlock(&mmu->lock);
	return 0;
}

int sh_unmap_frames(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t frames,
		    const struct sh_release *rel, struct sh_unmapped *out)
{
	struct sh_range r = {first, frames};

	return sh_unmap_ranges(mmu, v, &r, 1, rel, out);
}
