/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables for the direct map, and the split of a large page into one.
 *
 * Split -> flush -> change: the new table says of each page exactly what the large page said, and is
 * closed to changes (`invalid`) until every vCPU has forgotten the large page. Only then may one of
 * its entries differ.
 *
 * The reserve. A split takes its table from a few that were taken out of the pool before, never from
 * the pool itself: with DEBUG_PAGEALLOC taking a table out of the pool, or giving one back, changes
 * the direct map, which may take a split, which would take a table... The reserve is filled where no
 * such change is under way; and giving back never takes: where a split is wanted and the reserve is
 * empty, the table given back becomes the reserve (dmap_debug.c).
 *
 * Locks: mmu->lock for all of it. Read first: dmap_internal.h. Read next: dmap_collapse.c.
 */
#include <errno.h>

#include "shadow/dmap_internal.h"
#include "shadow/spte.h"

static void adopt(struct sh_dmap *dm, struct sh_page *p, unsigned level, uint64_t f)
{
	p->gfn = GFN(f & ~(dm_frames(level + 1) - 1));
	p->role = (struct sh_role){.level = level & 7, .format = SH_FMT_NONE, .direct = 1};
	atomic_store_explicit(&p->state, SH_PAGE_LIVE, memory_order_release);
	atomic_fetch_add_explicit(&dm->tables, 1, memory_order_relaxed);
}

struct sh_page *dm_table_get(struct sh_dmap *dm, unsigned level, uint64_t f)
{
	struct sh_page *p = NULL;

	if (sh_inject(&dm->mmu->inject, SH_INJECT_SPLIT))
		return NULL;
	if (dm->reserved && !sh_mutant(SH_MUT_DM_SPLIT_ALLOCATES))
		p = dm->reserve[--dm->reserved];
	else if (sh_mutant(SH_MUT_DM_SPLIT_ALLOCATES) || sh_mutant(SH_MUT_DM_FREE_TAKES))
		p = sh_pool_get(dm->mmu);
	if (p)
		adopt(dm, p, level, f);
	return p;
}

/* Never seen by a vCPU, and still zeroed but for what is cleared here. */
static void put_back(struct sh_dmap *dm, struct sh_page *p)
{
	_Atomic uint64_t *table = sh_page_table(dm->mmu, p);

	for (unsigned i = 0; i < SH_ENTRIES; i++)
		atomic_store_explicit(&table[i], 0, memory_order_relaxed);
	atomic_store(&p->invalid, 0);
	atomic_store(&p->present, 0);
	atomic_fetch_sub_explicit(&dm->tables, 1, memory_order_relaxed);
	if (dm->reserved < DM_RESERVE)
		dm->reserve[dm->reserved++] = p;
	else
		sh_pool_dying(dm->mmu, p);
}

void dm_table_dying(struct sh_dmap *dm, struct sh_vcpu *v, struct sh_page *p)
{
	struct sh_mmu *mmu = dm->mmu;
	_Atomic uint64_t *table = sh_page_table(mmu, p);

	for (unsigned i = 0; i < SH_ENTRIES; i++)
		atomic_store_explicit(&table[i], 0, memory_order_relaxed);
	mmu->be.touch_table(mmu->be.ctx, v, sh_page_mfn(mmu, p));
	atomic_fetch_sub_explicit(&dm->tables, 1, memory_order_relaxed);
	sh_pool_dying(mmu, p);
}

/* What the pool gives may be given back first: sh_reclaim_reserve() reaps, and that may fill the
 * reserve on its own. */
void dm_refill(struct sh_dmap *dm, struct sh_vcpu *v)
{
	if (dm->reserved >= DM_RESERVE / 2)
		return;
	sh_reclaim_reserve(dm->mmu, v, DM_RESERVE - dm->reserved);
	while (dm->reserved < DM_RESERVE) {
		struct sh_page *p = sh_pool_get(dm->mmu);

		if (!p)
			return;
		dm->reserve[dm->reserved++] = p;
	}
}

/* The entries a large page's leaf becomes: the same, page by page. */
static void fill(struct sh_dmap *dm, struct sh_page *t, const struct dm_at *big, uint64_t f,
		 const struct sh_dmap_req *early)
{
	unsigned level = big->level - 1, attr = dm_attr(big->level, big->entry);
	uint64_t mfn = dm_mfn(big->level, big->entry).v, step = dm_frames(level);
	_Atomic uint64_t *table = sh_page_table(dm->mmu, t);
	unsigned own = f >> (9 * (level - 1)) & (SH_ENTRIES - 1);

	for (unsigned i = 0; i < SH_ENTRIES; i++) {
		unsigned a = attr;

		if (i == own && early && sh_mutant(SH_MUT_DM_CHANGE_IN_SPLIT))
			a = (a & ~early->clear) | early->set;
		atomic_store_explicit(
			&table[i], dm_make(level, MFN(mfn + i * step), a, big->entry & PTE_W),
			memory_order_relaxed);
	}
	atomic_store(&t->present, SH_ENTRIES);
	atomic_store(&t->invalid, 1);
}

static void count_split(struct sh_dmap *dm, const struct dm_at *big)
{
	dm_count_at(dm, DM_SPLITS, big->level, 1);
	if (!(big->entry & PTE_P))
		return;
	dm_count_at(dm, DM_PAGES, big->level, -1ull);
	dm_count_at(dm, DM_PAGES, big->level - 1, SH_ENTRIES - sh_mutant(SH_MUT_DM_COUNT_LOST));
}

/* Puts t where the leaf at big was. */
static void hang(struct sh_dmap *dm, struct sh_vcpu *v, struct sh_page *t, struct dm_at *big,
		 uint64_t f, const struct sh_dmap_req *early)
{
	struct sh_mmu *mmu = dm->mmu;

	pthread_spin_lock(&big->p->lock);
	big->entry = atomic_load(dm_entry(dm, big));
	fill(dm, t, big, f, early);
	atomic_store_explicit(dm_entry(dm, big), sh_spte_table(sh_page_mfn(mmu, t)),
			      memory_order_release);
	sh_trace(mmu, v, dmap_split, big->level, dm_first(big), dm_slot(dm, big).v, big->entry,
		 sh_page_mfn(mmu, t).v);
	count_split(dm, big);
	if (sh_mutant(SH_MUT_DM_FLUSH_LOCKED)) {
		sh_dropped(mmu);
		sh_flush_drops(mmu, v);
	}
	pthread_spin_unlock(&big->p->lock);
	if (!(big->entry & PTE_P))
		return;
	mmu->be.touch(mmu->be.ctx, v, dm_slot(dm, big));
	sh_dropped(mmu);
}

/* The table is taken first: whoever comes second finds no large page and gives it back. */
int dm_split(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t f, unsigned level,
	     const struct sh_dmap_req *early)
{
	struct sh_page *t = dm_table_get(dm, level - 1, f);
	struct dm_at big = dm_walk(dm, f);

	if (!t)
		return big.level == level ? -ENOMEM : 0;
	if (big.level != level) {
		if (!sh_mutant(SH_MUT_DM_LOSER_LEAKS))
			put_back(dm, t);
		dm_count(dm, DM_SPLITS_LOST, 1);
		return 0;
	}
	hang(dm, v, t, &big, f, early);
	if (!sh_mutant(SH_MUT_DM_SPLIT_UNFLUSHED))
		sh_flush_drops(dm->mmu, v);
	atomic_store(&t->invalid, 0);
	return 0;
}
