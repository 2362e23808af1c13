/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The auditor's part about large leaves.
 *
 *   - a large leaf is what its page's key and the guest entry allow, or less, over RAM only
 *   - no large leaf has a tracked frame inside
 *   - large leaves and the sets of their regions are a bijection; the gauges agree
 *   - a region's count of tracked frames, and of those the direct map holds something of, is what
 *     counting them gives
 *
 * Locks: mmu->lock held, vCPUs at rest. Read first: audit.c, large.c.
 */
#include "shadow/audit_report.h"
#include "shadow/spte.h"

static uint64_t frames_of(unsigned level)
{
	return 1ull << (9 * (level - 1));
}

static bool all_ram(const struct sh_mmu *mmu, gfn_t gfn, mfn_t mfn, uint64_t frames)
{
	for (uint64_t i = 0; i < frames; i++)
		if (!mfn_eq(gmem_mfn(mmu->gm, GFN(gfn.v + i)), MFN(mfn.v + i)))
			return false;
	return true;
}

void sh_audit_large_leaf(struct sh_mmu *mmu, struct sh_report *rep, struct sh_page *p,
			 unsigned i, uint64_t spte)
{
	struct sh_expect e = sh_expect(mmu, p->gfn, p->role, i, sh_page_gpte(mmu, p, i));
	sh_slot_t slot = sh_slot(mmu, p, i);
	unsigned level = p->role.level;
	mfn_t mfn = sh_spte_mfn(spte);
	uint64_t most;

	if (level < SH_LARGE_FIRST || level > SH_LARGE_LAST ||
	    (level == 3 && !mmu->be.gb_pages)) {
		sh_report(rep, "large leaf at a level without", slot, spte);
		return;
	}
	if (e.kind != SH_EXPECT_TABLE || !e.role.direct ||
	    !gfn_eq(e.gfn, gmem_gfn(mmu->gm, mfn))) {
		sh_report(rep, "large leaf is not what the guest entry says", slot, spte);
		return;
	}
	if ((e.gfn.v | mfn.v) & (frames_of(level) - 1) ||
	    !all_ram(mmu, e.gfn, mfn, frames_of(level)))
		sh_report(rep, "large leaf maps more than RAM", slot, spte);
	if (atomic_load(&sh_region(mmu, level, e.gfn)->tracked))
		sh_report(rep, "large leaf over a tracked frame", slot, spte);
	most = sh_spte_leaf(e.role, sh_direct_access(e.role), e.role.dirty, true, mfn);
	if (sh_spte_narrows(spte, most))
		sh_report(rep, "large leaf permits more than the guest", slot, spte);
}

struct set_check {
	struct sh_mmu *mmu;
	struct sh_report *rep;
	mfn_t want;
	unsigned level;
	uint64_t count;
};

static void check_slot(void *ctx, sh_slot_t s)
{
	struct set_check *c = ctx;
	uint64_t spte = atomic_load(sh_slot_ptr(c->mmu, s));

	c->count++;
	if (!sh_spte_is_large(spte) || !mfn_eq(sh_spte_mfn(spte), c->want) ||
	    sh_slot_page(c->mmu, s)->role.level != c->level)
		sh_report(c->rep, "region's set names an entry that maps elsewhere", s, spte);
}

static uint32_t tracked_in(struct sh_mmu *mmu, uint64_t first, uint64_t frames)
{
	uint32_t n = 0;

	for (uint64_t f = first; f < first + frames && f < mmu->rmap_frames; f++)
		n += sh_tracked(mmu, GFN(f)) + !!(atomic_load(&mmu->rmap[f]) & SH_SET_HELD);
	return n;
}

static uint64_t check_level(struct sh_mmu *mmu, struct sh_report *rep, unsigned level)
{
	struct set_check c = {.mmu = mmu, .rep = rep, .level = level};

	for (uint64_t i = 0; i < sh_regions(mmu, level); i++) {
		gfn_t gfn = GFN(i * frames_of(level));
		struct sh_region *r = sh_region(mmu, level, gfn);

		c.want = gmem_mfn(mmu->gm, gfn);
		sh_set_each(&r->leaves, check_slot, &c);
		if (atomic_load(&r->tracked) != tracked_in(mmu, gfn.v, frames_of(level)))
			sh_report(rep, "region's count of tracked frames is wrong",
				  SH_SLOT_NONE, gfn.v);
	}
	if (c.count != atomic_load(&mmu->large_pages[level - SH_LARGE_FIRST]))
		sh_report(rep, "large leaves and their gauge differ in number", SH_SLOT_NONE,
			  c.count);
	return c.count;
}

uint64_t sh_audit_regions(struct sh_mmu *mmu, struct sh_report *rep)
{
	uint64_t n = 0;

	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++)
		n += check_level(mmu, rep, l);
	return n;
}
