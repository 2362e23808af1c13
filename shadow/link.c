/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Upper entries: a shadow page under a parent.
 *
 * Invariant: an upper entry points at p exactly if its slot is in p->parents. Large leaves stand among
 * them and come and go by the same door; what is special about them is in large.c.
 * Locks: mmu->lock held throughout; the parent's page lock around the entry itself.
 * Read first: page.h. Read next: large.c.
 */
#include "shadow/spte.h"
#include "shadow/unsync.h"

int sh_link(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *parent, unsigned index,
	    struct sh_page *child)
{
	_Atomic uint64_t *entry = &sh_page_table(mmu, parent)[index];
	int err;

	/* Whatever stood here goes first, with its record: an entry is never overwritten. */
	if (atomic_load(entry) & PTE_P && !sh_mutant(SH_MUT_LINK_OVERWRITES))
		sh_unlink(mmu, v, parent, index);
	/* Not present -> present needs no flush of the guest's, so what lies below must be in step. */
	sh_unsync_sync_below(mmu, v, child);
	err = sh_set_add(mmu, &child->parents, sh_slot(mmu, parent, index));
	if (err)
		return err;
	pthread_spin_lock(&parent->lock);
	sh_change_begin(mmu, v);
	atomic_store_explicit(entry, sh_spte_table(sh_page_mfn(mmu, child)),
			      memory_order_release);
	sh_change_end(mmu, v);
	atomic_fetch_add(&parent->present, 1);
	atomic_store(&parent->flood, 0);
	pthread_spin_unlock(&parent->lock);
	sh_trace(mmu, v, set_spte, parent->role.level,
		 sh_slot_mpa(mmu, sh_slot(mmu, parent, index)).v, 0, atomic_load(entry),
		 child->gfn.v);
	return 0;
}

/* Pieces of a large page of the guest's may be cached one by one: sh_invlpg(). Below a table of an
 * upper level there may be one. */
static void count_large(struct sh_mmu *mmu, const struct sh_page *parent, uint64_t old)
{
	const struct sh_page *child = sh_spte_child(mmu, old);

	if (!parent->role.direct && (!child || child->role.direct || child->role.level > 1))
		atomic_fetch_add(&mmu->large_drops, 1);
}

void sh_unlink(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *parent, unsigned index)
{
	_Atomic uint64_t *entry = &sh_page_table(mmu, parent)[index];
	sh_slot_t slot = sh_slot(mmu, parent, index);
	uint64_t old;

	pthread_spin_lock(&parent->lock);
	sh_change_begin(mmu, v);
	old = atomic_exchange(entry, 0);
	sh_change_end(mmu, v);
	if (old & PTE_P)
		count_large(mmu, parent, old);
	pthread_spin_unlock(&parent->lock);
	if (!(old & PTE_P))
		return;
	sh_trace(mmu, v, drop_spte, parent->role.level, sh_slot_mpa(mmu, slot).v, old);
	atomic_fetch_sub(&parent->present, 1);
	if (sh_spte_is_large(old))
		sh_large_unlinked(mmu, parent, index, old);
	else
		sh_set_del(mmu, &sh_spte_child(mmu, old)->parents, slot);
	mmu->be.touch(mmu->be.ctx, v, sh_slot_mpa(mmu, slot));
	if (!(sh_spte_is_large(old) && sh_mutant(SH_MUT_SPLIT_NOT_COUNTED)))
		sh_dropped(mmu);
}
