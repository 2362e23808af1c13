/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tracking: a guest frame that is shadowed as a table is writable to no vCPU, so that every write
 * to it comes to write.c.
 *
 * Order in sh_track(): mark the frame (no new writable entry from here on) -> take W from the
 * entries that exist, drop the large leaves around it -> shootdown -> only then may the guest's
 * entries be read for shadowing. A write that was under way natively has landed by then; one by an
 * emulated instruction stores first and looks at the mark after (write.c), so one of the two sees
 * the other.
 * Locks: mmu->lock held; the frame's stripe inside. Read first: leaf.c. Read next: large.c.
 */
#include "shadow/page.h"

struct protect {
	struct sh_mmu *mmu;
	struct sh_vcpu *v;
	unsigned narrowed;
};

static void take_write(void *ctx, sh_slot_t s)
{
	struct protect *pr = ctx;
	uint64_t old;

	if (sh_mutant(SH_MUT_NO_WRITE_PROTECT))
		return;
	old = atomic_fetch_and(sh_slot_ptr(pr->mmu, s), ~PTE_W);
	if (!(old & PTE_W))
		return;
	pr->narrowed++;
	sh_trace(pr->mmu, pr->v, set_spte, 1, sh_slot_mpa(pr->mmu, s).v, old, old & ~PTE_W);
	pr->mmu->be.touch(pr->mmu->be.ctx, pr->v, sh_slot_mpa(pr->mmu, s));
}

void sh_track(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct protect pr = {.mmu = mmu, .v = v};
	struct sh_stripe *st;
	bool before;
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_TRACK);

	if (gfn.v >= mmu->rmap_frames)
		return; /* no RAM there: nobody can write it */
	st = sh_stripe(mmu, gfn);
	sh_change_begin(mmu, v);
	pthread_spin_lock(&st->lock);
	before = atomic_fetch_or(&mmu->rmap[gfn.v], SH_SET_TRACKED) & SH_SET_TRACKED;
	sh_set_each(&mmu->rmap[gfn.v], take_write, &pr);
	pthread_spin_unlock(&st->lock);
	if (!before)
		sh_large_track(mmu, v, gfn);
	sh_dmap_track(mmu, v, gfn);
	sh_trace(mmu, v, track_page, 0, gfn.v, pr.narrowed);
	sh_change_end(mmu, v);
	if (sh_mutant(SH_MUT_NO_FLUSH_ON_TRACK))
		return;
	if (pr.narrowed)
		sh_dropped(mmu);
	sh_flush_drops(mmu, v);
}

void sh_untrack(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	struct sh_stripe *st;
	bool before;

	if (gfn.v >= mmu->rmap_frames)
		return;
	st = sh_stripe(mmu, gfn);
	pthread_spin_lock(&st->lock);
	before = atomic_fetch_and(&mmu->rmap[gfn.v], ~SH_SET_TRACKED) & SH_SET_TRACKED;
	pthread_spin_unlock(&st->lock);
	if (before) {
		sh_large_untrack(mmu, gfn);
		sh_trace(mmu, v, untrack_page, 0, gfn.v);
	}
	sh_dmap_untrack(mmu, v, gfn);
}
