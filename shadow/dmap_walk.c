/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The direct map's entries: what they are made of, where they stand, and the one store that changes a
 * leaf. Level-parameterised throughout.
 *
 * Invariant: the counts of pages and holes agree with the leaves, because dm_store(), the split and
 * the collapse are the only ones that write them.
 * Locks: dmap_internal.h. Read first: dmap_internal.h. Read next: dmap_change.c.
 */
#include "shadow/dmap_internal.h"
#include "shadow/spte.h"

#define FRAME 0x000ffffffffff000ull

/* Attributes and the bits of an entry that say the same of a page of any size. */
static const struct {
	unsigned attr;
	uint64_t bit;
} same_bit[] = {
	{SH_DM_P, PTE_P},     {SH_DM_U, PTE_U}, {SH_DM_PWT, PTE_PWT},
	{SH_DM_PCD, PTE_PCD}, {SH_DM_W, DM_W},	{SH_DM_PIN, DM_PIN},
};
#define SAME_BITS (sizeof(same_bit) / sizeof(same_bit[0]))

/* PAT is bit 7 of a 4-KByte page's entry and bit 12 of a large one's, where bit 7 is PS (SDM vol. 3,
 * section 4.9.2). */
static uint64_t pat_bit(unsigned level)
{
	if (sh_mutant(SH_MUT_DM_PAT_BIT))
		return DM_PAT_4K;
	return level > 1 ? DM_PAT_LARGE : DM_PAT_4K;
}

uint64_t dm_make(unsigned level, mfn_t mfn, unsigned attr, bool writable)
{
	uint64_t e = DM_LEAF | PTE_A | PTE_D | mfn.v << SH_PAGE_SHIFT;

	for (unsigned i = 0; i < SAME_BITS; i++)
		e |= attr & same_bit[i].attr ? same_bit[i].bit : 0;
	if (attr & SH_DM_PAT)
		e |= pat_bit(level);
	if (!(attr & SH_DM_X))
		e |= PTE_NX;
	if (attr & SH_DM_W && writable)
		e |= PTE_W;
	if (!(attr & SH_DM_P) && sh_mutant(SH_MUT_DM_HOLE_FORGETS))
		e &= ~(mfn.v << SH_PAGE_SHIFT);
	return e | (level > 1 ? PTE_PS : 0);
}

unsigned dm_attr(unsigned level, uint64_t leaf)
{
	unsigned attr = leaf & PTE_NX ? 0 : SH_DM_X;

	for (unsigned i = 0; i < SAME_BITS; i++)
		attr |= leaf & same_bit[i].bit ? same_bit[i].attr : 0;
	return attr | (leaf & pat_bit(level) ? SH_DM_PAT : 0);
}

mfn_t dm_mfn(unsigned level, uint64_t leaf)
{
	return MFN((leaf & FRAME) >> SH_PAGE_SHIFT & ~(dm_frames(level) - 1));
}

const struct dm_region *dm_region(const struct sh_dmap *dm, uint64_t f)
{
	for (unsigned i = 0; i < dm->regions; i++)
		if (f - dm->region[i].first < dm->region[i].frames)
			return &dm->region[i];
	return NULL;
}

static struct dm_at at_of(const struct sh_dmap *dm, struct sh_page *p, uint64_t f)
{
	struct dm_at at = {.p = p, .level = p->role.level};

	at.index = f >> (9 * (at.level - 1)) & (SH_ENTRIES - 1);
	at.entry = atomic_load_explicit(dm_entry(dm, &at), memory_order_acquire);
	return at;
}

static bool names_table(const struct dm_at *at)
{
	return at->entry & PTE_P && !(at->entry & DM_LEAF);
}

static struct sh_page *child_of(const struct sh_dmap *dm, uint64_t entry)
{
	return &dm->mmu->pages[((entry & FRAME) >> SH_PAGE_SHIFT) - dm->mmu->be.table_mfn.v];
}

/* The gate's entry stands in the top table, but no frame of RAM leads there. */
static bool reached(const struct sh_dmap *dm, uint64_t f)
{
	return f >> (9 * dm->root->role.level) == 0;
}

struct dm_at dm_walk_to(const struct sh_dmap *dm, uint64_t f, unsigned level)
{
	struct dm_at at = {.p = NULL};

	if (!reached(dm, f) || !dm_region(dm, f))
		return at;
	at = at_of(dm, dm->root, f);
	while (at.level > level && names_table(&at))
		at = at_of(dm, child_of(dm, at.entry), f);
	if (at.level > level)
		at.p = NULL;
	return at;
}

struct dm_at dm_walk(const struct sh_dmap *dm, uint64_t f)
{
	struct dm_at at = {.p = NULL};

	if (!reached(dm, f) || !dm_region(dm, f))
		return at;
	at = at_of(dm, dm->root, f);
	while (at.level > 1 && names_table(&at))
		at = at_of(dm, child_of(dm, at.entry), f);
	return at;
}

bool dm_tracked(const struct sh_dmap *dm, uint64_t f, unsigned level)
{
	uint64_t n = dm_frames(level);

	f &= ~(n - 1);
	if (f >= dm->mmu->rmap_frames || sh_mutant(SH_MUT_DM_TRACKED_WRITABLE))
		return false;
	if (level > 1 && !atomic_load(&sh_region(dm->mmu, level, GFN(f))->tracked))
		return false;
	for (uint64_t i = f; i < f + n; i++) /* it counts what is withheld, too */
		if (sh_tracked(dm->mmu, GFN(i)))
			return true;
	return false;
}

static void recount(struct sh_dmap *dm, unsigned level, uint64_t old, uint64_t new)
{
	if (!((old ^ new) & PTE_P))
		return;
	dm_count_at(dm, DM_PAGES, level, new &PTE_P ? 1 : -1ull);
	dm_count(dm, DM_HOLES, new &PTE_P ? -dm_frames(level) : dm_frames(level));
}

/* Whether a translation made from old may be used where new no longer allows it. A change of the
 * memory type counts: the old one must not be used beside the new. */
static bool narrows(unsigned level, uint64_t old, uint64_t new)
{
	if (sh_spte_narrows(old, new))
		return true;
	if (!(old & PTE_P))
		return false;
	return (old & PTE_U && !(new &PTE_U)) ||
	       (dm_attr(level, old) ^ dm_attr(level, new)) & SH_DM_TYPE;
}

void dm_store(struct sh_dmap *dm, struct sh_vcpu *v, const struct dm_at *at, uint64_t new)
{
	struct sh_mmu *mmu = dm->mmu;
	uint64_t old = at->entry;

	sh_change_begin(mmu, v);
	atomic_store_explicit(dm_entry(dm, at), new, memory_order_release);
	sh_change_end(mmu, v);
	sh_trace(mmu, v, dmap_change, at->level, dm_first(at), dm_slot(dm, at).v, old, new);
	recount(dm, at->level, old, new);
	if (old & PTE_P)
		mmu->be.touch(mmu->be.ctx, v, dm_slot(dm, at));
	/* After the touch, so that whoever flushes for the count finds it queued. */
	if (narrows(at->level, old, new))
		sh_dropped(mmu);
}

bool sh_dmap_look(struct sh_mmu *mmu, gfn_t gfn, struct sh_dmap_page *out)
{
	struct sh_dmap *dm = dm_of(mmu);
	struct dm_at at = {.p = NULL};

	if (!dm)
		return false;
	sh_read_lock();
	at = dm_walk(dm, gfn.v);
	sh_read_unlock();
	if (!at.p || !(at.entry & DM_LEAF))
		return false;
	*out = (struct sh_dmap_page){
		.level = at.level,
		.attr = dm_attr(at.level, at.entry),
		.writable = at.entry & PTE_W,
		.mfn = MFN(dm_mfn(at.level, at.entry).v + (gfn.v & (dm_frames(at.level) - 1))),
		.entry = at.entry,
		.table = sh_page_mfn(mmu, at.p)};
	return true;
}
