/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The direct map recounted: every table walked, every frame accounted for, and the counters held
 * against what is there.
 *
 *   - every frame of RAM is mapped exactly once, by its own machine frame, in a leaf that lies in one
 *     region and is as large as its level says; nothing else is mapped
 *   - an entry has W only if W is asked for and no frame of it is tracked
 *   - 4-KByte pages + 512 * 2-MByte + 262144 * 1-GByte + holes = frames; gauges equal the recount
 *   - tables are live, open, and as many as were counted
 *   - no shadow leaf grants what a mark of its frame withholds
 *
 * Locks: mmu->lock held by sh_audit(), vCPUs at rest. Read first: audit.c, dmap_internal.h.
 */
#include "shadow/audit_report.h"
#include "shadow/dmap_internal.h"

struct recount {
	struct sh_dmap *dm;
	struct sh_report *rep;
	uint64_t pages[SH_DM_LEVELS + 1], holes, total, tables;
};

static void check_leaf(struct recount *c, const struct dm_at *at, uint64_t f)
{
	const struct dm_region *r = dm_region(c->dm, f);
	sh_slot_t slot = sh_slot(c->dm->mmu, at->p, at->index);
	uint64_t n = dm_frames(at->level);

	if (at->level > c->dm->largest || !(at->entry & DM_LEAF)) {
		sh_report(c->rep, "direct map: no leaf where one must be", slot, at->entry);
		return;
	}
	if (!r || f - r->first + n > r->frames ||
	    dm_mfn(at->level, at->entry).v != r->mfn.v + (f - r->first))
		sh_report(c->rep, "direct map: leaf maps another frame", slot, at->entry);
	if (!(at->entry & PTE_PS) != (at->level == 1) && at->level > 1)
		sh_report(c->rep, "direct map: leaf of the wrong size", slot, at->entry);
	if (at->entry & PTE_W && (!(at->entry & DM_W) || dm_tracked(c->dm, f, at->level)))
		sh_report(c->rep, "direct map: writable, and must not be", slot, at->entry);
	c->total += n;
	if (at->entry & PTE_P)
		c->pages[at->level]++;
	else
		c->holes += n;
}

static void check_table(struct recount *c, struct sh_page *t, uint64_t base);

static void check_entry(struct recount *c, const struct dm_at *at, uint64_t f)
{
	struct sh_page *child;

	if (at->level == 1 || at->entry & DM_LEAF || !(at->entry & PTE_P)) {
		check_leaf(c, at, f);
		return;
	}
	child = sh_spte_child(c->dm->mmu, at->entry);
	if (!child || child->state != SH_PAGE_LIVE || child->role.level != at->level - 1)
		sh_report(c->rep, "direct map: entry names no table of its own",
			  sh_slot(c->dm->mmu, at->p, at->index), at->entry);
	else
		check_table(c, child, f);
}

static void check_table(struct recount *c, struct sh_page *t, uint64_t base)
{
	struct dm_at at = {.p = t, .level = t->role.level};
	struct sh_mmu *mmu = c->dm->mmu;

	c->tables++;
	if (atomic_load(&t->invalid))
		sh_report(c->rep, "direct map: table is closed", sh_slot(mmu, t, 0), base);
	for (at.index = 0; at.index < SH_ENTRIES; at.index++) {
		at.entry = atomic_load(dm_entry(c->dm, &at));
		if (!at.entry || (at.index == 256 && t == c->dm->root && mmu->be.gate_entry))
			continue;
		check_entry(c, &at, base + at.index * dm_frames(at.level));
	}
}

static uint64_t total_of(const struct sh_dmap *dm)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < dm->regions; i++)
		n += dm->region[i].frames;
	return n;
}

static void compare(struct recount *c)
{
	struct sh_dmap *dm = c->dm;

	for (unsigned l = 1; l <= SH_DM_LEVELS; l++)
		if (c->pages[l] != atomic_load(&dm->by_level[DM_PAGES][l]))
			sh_report(c->rep, "direct map: count of pages is wrong", SH_SLOT_NONE,
				  c->pages[l]);
	if (c->holes != atomic_load(&dm->n[DM_HOLES]))
		sh_report(c->rep, "direct map: count of holes is wrong", SH_SLOT_NONE,
			  c->holes);
	if (c->total != total_of(dm))
		sh_report(c->rep, "direct map: frames got lost", SH_SLOT_NONE, c->total);
	if (c->tables != atomic_load(&dm->tables))
		sh_report(c->rep, "direct map: count of tables is wrong", SH_SLOT_NONE,
			  c->tables);
}

struct held {
	struct sh_mmu *mmu;
	struct sh_report *rep;
	uint64_t marks;
};

static void check_held(void *ctx, sh_slot_t s)
{
	struct held *h = ctx;
	uint64_t spte = atomic_load(sh_slot_ptr(h->mmu, s));

	if (h->marks & SH_SET_NO_ACCESS || (h->marks & SH_SET_NO_WRITE && spte & PTE_W))
		sh_report(h->rep, "leaf grants what the direct map withholds", s, spte);
}

void sh_dmap_audit(struct sh_mmu *mmu, struct sh_report *rep)
{
	struct sh_dmap *dm = dm_of(mmu);
	struct recount c = {.dm = dm, .rep = rep};
	struct held h = {.mmu = mmu, .rep = rep};

	if (!dm)
		return;
	check_table(&c, dm->root, 0);
	compare(&c);
	for (uint64_t f = 0; f < mmu->rmap_frames; f++) {
		h.marks = atomic_load_explicit(&mmu->rmap[f], memory_order_relaxed);
		if (h.marks & SH_SET_HELD)
			sh_set_each(&mmu->rmap[f], check_held, &h);
	}
}

static uint64_t counted(const struct sh_dmap *dm, enum dm_count c)
{
	return atomic_load_explicit(&dm->n[c], memory_order_relaxed);
}

static void by_level(const struct sh_dmap *dm, enum dm_level_count c, uint64_t *out)
{
	for (unsigned l = 1; l <= SH_DM_LEVELS; l++)
		out[l] = atomic_load_explicit(&dm->by_level[c][l], memory_order_relaxed);
}

bool sh_dmap_stats(struct sh_mmu *mmu, struct sh_dmap_stats *out)
{
	struct sh_dmap *dm = dm_of(mmu);

	if (!dm)
		return false;
	*out = (struct sh_dmap_stats){.checked = counted(dm, DM_CHECKED),
				      .holes = counted(dm, DM_HOLES),
				      .total = total_of(dm),
				      .tables = atomic_load(&dm->tables),
				      .splits_lost = counted(dm, DM_SPLITS_LOST),
				      .flushes = counted(dm, DM_FLUSHES),
				      .cache_lines = counted(dm, DM_CACHE_LINES),
				      .cache_flushes = counted(dm, DM_CACHE_FLUSHES),
				      .alias_leaves = counted(dm, DM_ALIAS_LEAVES),
				      .pagealloc_missed = counted(dm, DM_MISSED),
				      .pagealloc_kept = counted(dm, DM_KEPT)};
	by_level(dm, DM_SAMEPROT, out->sameprot);
	by_level(dm, DM_PRESERVED, out->preserved);
	by_level(dm, DM_SPLITS, out->splits);
	by_level(dm, DM_COLLAPSES, out->collapses);
	by_level(dm, DM_PAGES, out->pages);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	out->reserve = dm->reserved;
	out->depth = dm->deepest;
	pthread_mutex_unlock(&mmu->lock);
	return true;
}
