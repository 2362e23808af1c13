/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Leaf entries and their reverse map, kept in step.
 *
 * Invariant: a leaf entry maps gfn exactly if its slot is in rmap[gfn].
 * Locks: the page's lock is held by the caller; the stripe of the frame is taken here.
 * Read first: spte.h, locks.h.
 */
#include "shadow/gather.h"
#include "shadow/spte.h"

/* The stripe is held from the entry to the count of the drop: sh_track() of this frame, which takes
 * the stripe too, either still finds the entry or sees that there is something to flush. The touch
 * comes before the count, so that whoever flushes because of the count finds it queued. */
static void drop_locked(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
			unsigned index, gfn_t gfn)
{
	if (sh_mutant(SH_MUT_RMAP_FIRST)) {
		sh_set_del(mmu, &mmu->rmap[gfn.v], sh_slot(mmu, p, index));
		mmu->be.touch(mmu->be.ctx, v, sh_slot_mpa(mmu, sh_slot(mmu, p, index)));
	}
	sh_change_begin(mmu, v);
	atomic_store(&sh_page_table(mmu, p)[index], 0);
	sh_change_end(mmu, v);
	mmu->be.touch(mmu->be.ctx, v, sh_slot_mpa(mmu, sh_slot(mmu, p, index)));
	if (!sh_mutant(SH_MUT_STALE_RMAP))
		sh_set_del(mmu, &mmu->rmap[gfn.v], sh_slot(mmu, p, index));
	if (!sh_mutant(SH_MUT_DROP_NOT_COUNTED))
		sh_dropped(mmu);
}

void sh_leaf_drop(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index)
{
	uint64_t old = atomic_load(&sh_page_table(mmu, p)[index]);
	struct sh_stripe *st;
	gfn_t gfn;

	if (!(old & PTE_P))
		return;
	gfn = gmem_gfn(mmu->gm, sh_spte_mfn(old));
	st = sh_stripe(mmu, gfn);
	pthread_spin_lock(&st->lock);
	drop_locked(mmu, v, p, index, gfn);
	pthread_spin_unlock(&st->lock);
	atomic_fetch_sub(&p->present, 1);
	sh_count_leaf(mmu, v, -1ull);
	sh_trace(mmu, v, drop_spte, 1, sh_slot_mpa(mmu, sh_slot(mmu, p, index)).v, old);
}

/* Stores new over old with the stripe of the frame held. */
static enum sh_fault_result store(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
				  unsigned index, gfn_t gfn, uint64_t old, uint64_t new)
{
	sh_slot_t slot = sh_slot(mmu, p, index);

	if (old == new)
		return SH_FAULT_SPURIOUS;
	if (!(old & PTE_P)) {
		if (sh_set_add(mmu, &mmu->rmap[gfn.v], slot))
			return SH_FAULT_HOST;
		atomic_fetch_add(&p->present, 1);
		sh_count_leaf(mmu, v, 1);
	}
	sh_change_begin(mmu, v);
	atomic_store_explicit(&sh_page_table(mmu, p)[index], new, memory_order_release);
	sh_change_end(mmu, v);
	if (old & PTE_P && !sh_mutant(SH_MUT_TOUCH_LOST))
		mmu->be.touch(mmu->be.ctx, v, sh_slot_mpa(mmu, slot));
	if (sh_spte_narrows(old, new))
		sh_dropped(mmu);
	sh_trace(mmu, v, set_spte, 1, sh_slot_mpa(mmu, slot).v, old, new, gfn.v);
	return SH_FAULT_RESUME;
}

enum sh_fault_result sh_leaf_set(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
				 unsigned index, gfn_t gfn, unsigned acc, bool dirty,
				 bool write)
{
	_Atomic uint64_t *entry = &sh_page_table(mmu, p)[index];
	mfn_t mfn = gmem_mfn(mmu->gm, gfn);
	struct sh_stripe *st = sh_stripe(mmu, gfn);
	enum sh_fault_result r;
	uint64_t old, new, held;
	bool tracked;

	old = atomic_load_explicit(entry, memory_order_relaxed);
	new = mfn_eq(mfn, MFN_NONE) ? 0 : sh_spte_leaf(p->role, acc, dirty, true, mfn);
	if (old & PTE_P && (!new || !mfn_eq(sh_spte_mfn(old), mfn)) &&
	    !sh_mutant(SH_MUT_LEAF_OVERWRITTEN))
		sh_leaf_drop(mmu, v, p, index);
	if (!new)
		return SH_FAULT_NO_RAM;
	pthread_spin_lock(&st->lock);
	/* Again, under the stripe: track() may have taken W away meanwhile. */
	old = atomic_load_explicit(entry, memory_order_relaxed);
	if (sh_frame_held(mmu, gfn)) {
		pthread_spin_unlock(&st->lock);
		return SH_FAULT_SPURIOUS; /* the caller waits: fault.c */
	}
	tracked = sh_tracked(mmu, gfn);
	held = atomic_load_explicit(&mmu->rmap[gfn.v], memory_order_relaxed);
	if ((tracked && !sh_mutant(SH_MUT_NEW_LEAF_WRITABLE)) || held & SH_SET_NO_WRITE)
		new &= ~PTE_W;
	r = held & SH_SET_NO_ACCESS ? SH_FAULT_HOST : store(mmu, v, p, index, gfn, old, new);
	if (write && held & SH_SET_NO_WRITE)
		r = SH_FAULT_HOST;
	pthread_spin_unlock(&st->lock);
	if (write && tracked && r != SH_FAULT_HOST)
		return SH_FAULT_TRACKED;
	return r;
}
