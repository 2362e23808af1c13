/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DEBUG_PAGEALLOC: what is free is not mapped, so that a use after free is a fault at the page.
 *
 * Two kinds of memory. Guest frames that somebody hands out: the caller says so. And the pool's own
 * tables: in this mode the direct map also covers the pool, at linear address = machine address, for
 * the gate only (U=0, not executable), and the pool reports every table that comes and goes.
 *
 * The second is the recursion of this kind of debugging: to unmap a table that is given back may take
 * a split, and a split takes a table. It takes it from the reserve (dmap_split.c); with the reserve
 * empty the very table that is given back is kept for it, mapped. So giving back never takes, and the
 * nesting of these calls, which is counted, never exceeds one.
 *
 * Locks: mmu->lock held for the pool's part. Read first: dmap_split.c.
 */
#include "shadow/dmap_internal.h"

void dm_debug_region(struct sh_dmap *dm)
{
	const struct sh_backend *be = &dm->mmu->be;

	if (dm->cfg.pagealloc)
		dm->region[dm->regions++] = (struct dm_region){
			be->table_mfn.v, be->tables, be->table_mfn, SH_DM_P | SH_DM_W};
}

static struct sh_dmap *debugged(struct sh_mmu *mmu)
{
	struct sh_dmap *dm = dm_of(mmu);

	return dm && dm->cfg.pagealloc ? dm : NULL;
}

static void toggle(struct sh_dmap *dm, struct sh_vcpu *v, const struct sh_page *p, unsigned set,
		   unsigned clear)
{
	struct sh_dmap_req req = {.set = set, .clear = clear};

	if (++dm->depth > dm->deepest)
		dm->deepest = dm->depth;
	if (dm_change(dm, v, sh_page_mfn(dm->mmu, p).v, 1, &req, true))
		dm_count(dm, DM_MISSED, 1);
	dm->depth--;
}

void sh_dmap_table_used(struct sh_mmu *mmu, const struct sh_page *p)
{
	struct sh_dmap *dm = debugged(mmu);

	if (dm)
		toggle(dm, NULL, p, SH_DM_P, 0);
}

/* Splits wanted to unmap one page of p's leaf: one for each level above the first. */
static bool keep(const struct sh_dmap *dm, const struct sh_page *p)
{
	return dm_walk(dm, sh_page_mfn(dm->mmu, p).v).level - 1 > dm->reserved &&
	       !sh_mutant(SH_MUT_DM_SPLIT_ALLOCATES) && !sh_mutant(SH_MUT_DM_FREE_TAKES);
}

bool sh_dmap_table_freed(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	struct sh_dmap *dm = debugged(mmu);

	if (!dm)
		return false;
	if (keep(dm, p)) {
		dm_count(dm, DM_KEPT, 1);
		dm->reserve[dm->reserved++] = p;
		return true;
	}
	toggle(dm, v, p, 0, SH_DM_P);
	return false;
}

void sh_dmap_tables_freed(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	if (debugged(mmu))
		sh_flush_drops(mmu, v);
}

static int frames(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t n, unsigned set,
		  unsigned clear)
{
	struct sh_dmap_req req = {.set = set, .clear = clear, .alias = true};

	if (!debugged(mmu) || sh_mutant(SH_MUT_DM_FREE_STAYS_MAPPED))
		return 0;
	return sh_dmap_change(mmu, v, first, n, &req);
}

int sh_dmap_frames_freed(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t n)
{
	return frames(mmu, v, first, n, 0, SH_DM_P);
}

int sh_dmap_frames_used(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t n)
{
	return frames(mmu, v, first, n, SH_DM_P, 0);
}
