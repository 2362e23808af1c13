/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pool of shadow pages: free, live and dying ones.
 *
 * Invariants: a free table is all zeroes; used + dying never exceed the limit; a dying page becomes
 * free only in sh_pool_free(), after a shootdown and a grace period (defer.h).
 * Locks: mmu->lock for everything here. Read first: page.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shadow/defer.h"

char sh_rcu_tag;

static void list_init(struct sh_page *head)
{
	head->list_next = head->list_prev = head;
}

static void list_add_tail(struct sh_page *head, struct sh_page *p)
{
	p->list_next = head;
	p->list_prev = head->list_prev;
	head->list_prev->list_next = p;
	head->list_prev = p;
}

static void list_del(struct sh_page *p)
{
	p->list_prev->list_next = p->list_next;
	p->list_next->list_prev = p->list_prev;
}

void sh_lru_add(struct sh_mmu *mmu, struct sh_page *p)
{
	list_add_tail(&mmu->lru, p);
}

void sh_lru_del(struct sh_page *p)
{
	list_del(p);
}

int sh_pool_init(struct sh_mmu *mmu)
{
	sh_may_wait();
	mmu->pages = aligned_alloc(64, mmu->be.tables * sizeof(*mmu->pages));
	if (!mmu->pages)
		return -ENOMEM;
	memset(mmu->pages, 0, mmu->be.tables * sizeof(*mmu->pages));
	list_init(&mmu->free_list);
	list_init(&mmu->dying_list);
	list_init(&mmu->lru);
	for (uint32_t i = 0; i < mmu->be.tables; i++) {
		pthread_spin_init(&mmu->pages[i].lock, PTHREAD_PROCESS_PRIVATE);
		list_add_tail(&mmu->free_list, &mmu->pages[i]);
	}
	mmu->free = mmu->be.tables;
	return 0;
}

void sh_pool_fini(struct sh_mmu *mmu)
{
	free(mmu->pages);
}

static void tell(const struct sh_mmu *mmu, const struct sh_page *p, enum sh_table_event e)
{
	if (mmu->be.table_event)
		mmu->be.table_event(mmu->be.ctx, sh_page_mfn(mmu, p), e);
}

/* p is on no list. */
static void take(struct sh_mmu *mmu, struct sh_page *p)
{
	mmu->used++;
	atomic_store(&p->parents, 0);
	atomic_store(&p->pins, 0);
	atomic_store(&p->present, 0);
	atomic_store(&p->flood, 0);
	atomic_store(&p->used, 1);
	p->unsync = NULL;
	atomic_store(&p->heat, 0);
	if (!sh_mutant(SH_MUT_INHERIT_INVALID))
		atomic_store(&p->invalid, 0);
	tell(mmu, p, SH_TABLE_LIVE);
}

struct sh_page *sh_pool_get(struct sh_mmu *mmu)
{
	struct sh_page *p = mmu->free_list.list_next;

	if (p == &mmu->free_list || mmu->used + mmu->dying >= mmu->limit)
		return NULL;
	list_del(p);
	mmu->free--;
	take(mmu, p);
	sh_dmap_table_used(mmu, p);
	return p;
}

void sh_pool_dying(struct sh_mmu *mmu, struct sh_page *p)
{
	p->state = SH_PAGE_DYING;
	list_add_tail(&mmu->dying_list, p);
	tell(mmu, p, SH_TABLE_UNUSED);
	mmu->used--;
	mmu->dying++;
}

void sh_pool_free(struct sh_mmu *mmu, struct sh_page *p)
{
	p->state = SH_PAGE_FREE;
	mmu->dying--;
	tell(mmu, p, SH_TABLE_FREE);
	if (sh_dmap_table_freed(mmu, NULL, p)) {
		take(mmu, p);
		return;
	}
	list_add_tail(&mmu->free_list, p);
	mmu->free++;
}

void sh_pool_reap(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	if (mmu->dying_list.list_next == &mmu->dying_list)
		return;
	if (!sh_mutant(SH_MUT_FREE_WITHOUT_FLUSH)) {
		sh_dropped(mmu); /* the dying tables themselves may be cached */
		sh_flush_drops(mmu, v);
	}
	sh_defer_dying(mmu);
}
