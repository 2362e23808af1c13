/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 512 neighbours become one large page again.
 *
 * They must be present, alike in every bit but the frame, their frames consecutive and the first one
 * aligned; a pinned page is unlike an ordinary one only in its mark, and 512 pinned ones stay, too.
 *
 * Order: the table is closed to changes -> what was narrowed in it is flushed, so that no vCPU
 * remembers a small page that differs -> the leaf takes the table's place -> flush, for the table
 * itself is cached by paging-structure caches -> grace period, for a reader may stand in it -> the
 * table is cleared and dies like any other (pool.c: one more flush and grace period before reuse,
 * which an engine that must be told of the cleared entries needs).
 *
 * Locks: mmu->lock; the table's own lock around the look at its entries. Read first: dmap_split.c.
 */
#include "shadow/dmap_internal.h"
#include "shadow/spte.h"

static uint64_t frame_step(unsigned level)
{
	return dm_frames(level) << SH_PAGE_SHIFT;
}

static uint64_t entry_of(const struct sh_dmap *dm, const struct sh_page *t, unsigned i)
{
	return atomic_load_explicit(&sh_page_table(dm->mmu, t)[i], memory_order_relaxed);
}

/* The first entry if all are as it says, else 0. */
static uint64_t alike(const struct sh_dmap *dm, const struct sh_page *t)
{
	unsigned level = t->role.level;
	uint64_t first = entry_of(dm, t, 0), step = frame_step(level);
	uint64_t ignored = sh_mutant(SH_MUT_DM_COLLAPSE_IGNORES_NX) ? PTE_NX : 0;

	if (!(first & PTE_P) || !(first & DM_LEAF))
		return 0;
	if (first & DM_PIN && !sh_mutant(SH_MUT_DM_COLLAPSE_PINNED))
		return 0;
	if (dm_mfn(level, first).v & (dm_frames(level + 1) - 1))
		return 0;
	for (unsigned i = 1; i < SH_ENTRIES; i++)
		if ((entry_of(dm, t, i) ^ (first + i * step)) & ~ignored)
			return 0;
	return first;
}

/* The table below entry at of a given level, or NULL. */
static struct sh_page *table_below(const struct sh_dmap *dm, const struct dm_at *at)
{
	if (!at->p || !(at->entry & PTE_P) || at->entry & DM_LEAF)
		return NULL;
	return sh_spte_child(dm->mmu, at->entry);
}

static void replace(struct sh_dmap *dm, struct sh_vcpu *v, const struct dm_at *at,
		    uint64_t small)
{
	struct sh_mmu *mmu = dm->mmu;
	unsigned attr = dm_attr(at->level - 1, small);
	uint64_t big = dm_make(at->level, dm_mfn(at->level - 1, small), attr & ~SH_DM_PIN,
			       small & PTE_W);

	atomic_store_explicit(dm_entry(dm, at), big, memory_order_release);
	mmu->be.touch(mmu->be.ctx, v, dm_slot(dm, at));
	sh_dropped(mmu);
	dm_count_at(dm, DM_COLLAPSES, at->level, 1);
	dm_count_at(dm, DM_PAGES, at->level, 1);
	dm_count_at(dm, DM_PAGES, at->level - 1, -(uint64_t)SH_ENTRIES);
}

static uint64_t close_table(const struct sh_dmap *dm, struct sh_page *t)
{
	uint64_t small;

	pthread_spin_lock(&t->lock);
	small = alike(dm, t);
	if (small)
		atomic_store(&t->invalid, 1);
	pthread_spin_unlock(&t->lock);
	return small;
}

bool dm_collapse(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t f, unsigned level)
{
	struct dm_at at = dm_walk_to(dm, f, level);
	struct sh_page *t = table_below(dm, &at);
	uint64_t small = t ? close_table(dm, t) : 0;

	if (!small)
		return false;
	sh_flush_drops(dm->mmu, v);
	replace(dm, v, &at, small);
	if (!sh_mutant(SH_MUT_DM_COLLAPSE_FREES_EARLY)) {
		sh_flush_drops(dm->mmu, v);
		sh_inject(&dm->mmu->inject, SH_INJECT_GRACE);
		sh_read_wait();
	}
	dm_table_dying(dm, v, t);
	return true;
}

uint64_t dm_collapse_around(struct sh_dmap *dm, struct sh_vcpu *v, uint64_t f)
{
	uint64_t n = 0;

	for (unsigned level = 2; level <= dm->largest; level++)
		n += dm_collapse(dm, v, f, level);
	return n;
}

/* Stops at the first entry that is unlike the first one. */
bool dm_collapsible(struct sh_dmap *dm, uint64_t f)
{
	struct dm_at at;
	bool is;

	sh_read_lock();
	at = dm_walk(dm, f);
	is = at.level < dm->largest && at.entry & PTE_P && alike(dm, at.p);
	sh_read_unlock();
	return is;
}

uint64_t sh_dmap_collapse(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	struct sh_dmap *dm = dm_of(mmu);
	uint64_t n = 0;

	if (!dm)
		return 0;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	for (unsigned level = 2; level <= dm->largest; level++)
		for (unsigned r = 0; r < dm->regions; r++) {
			uint64_t end = dm->region[r].first + dm->region[r].frames;

			for (uint64_t f = dm->region[r].first; f < end; f += dm_frames(level))
				n += dm_collapse(dm, v, f, level);
		}
	pthread_mutex_unlock(&mmu->lock);
	return n;
}
