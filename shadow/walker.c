/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Walkers: hold of the tables on the way to an address, outside of any section or lock. A table that
 * goes out of use meanwhile keeps its frame, its entries are cleared.
 * Read first: defer.h.
 */
#include "shadow/defer.h"

/* In a section: who frees p has yet to wait for us, and sees the reference then. */
static bool take(struct sh_walker *w, struct sh_page *p)
{
	if (atomic_load_explicit(&p->state, memory_order_acquire) != SH_PAGE_LIVE)
		return false;
	atomic_fetch_add(&p->walkers, 1);
	w->page[w->n++] = p;
	return true;
}

unsigned sh_walker_enter(struct sh_walker *w, struct sh_mmu *mmu, mfn_t root, gva_t gva)
{
	uint64_t frame = root.v - mmu->be.table_mfn.v;
	struct sh_page *p = frame < mmu->be.tables ? &mmu->pages[frame] : NULL;

	*w = (struct sh_walker){.mmu = mmu};
	sh_read_lock();
	while (p && w->n < SH_MAX_LEVEL && take(w, p)) {
		unsigned level = p->role.level;
		unsigned index = (gva.v >> sh_shadow_shift(level)) & (SH_ENTRIES - 1);
		uint64_t spte = atomic_load_explicit(&sh_page_table(mmu, p)[index],
						     memory_order_acquire);

		p = level > 1 && spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;
	}
	sh_read_unlock();
	return w->n;
}

static void let_go(struct sh_mmu *mmu, struct sh_page *p)
{
	struct sh_defer *d = mmu->defer;

	if (atomic_fetch_sub(&p->walkers, 1) != 1 || !p->kept)
		return;
	p->kept = false;
	d->in_kept--;
	sh_lru_del(p);
	sh_pool_free(mmu, p);
	d->freed++;
}

void sh_walker_leave(struct sh_walker *w)
{
	sh_may_wait();
	pthread_mutex_lock(&w->mmu->lock);
	while (w->n)
		let_go(w->mmu, w->page[--w->n]);
	sh_dmap_tables_freed(w->mmu, NULL);
	pthread_mutex_unlock(&w->mmu->lock);
}
