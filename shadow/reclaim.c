/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reclaim under the limit, and the flush that covers what was dropped.
 *
 * Second chance over the list of live pages; pinned roots are passed over. What is taken comes
 * back only after a shootdown and a grace period, so several are taken at a time.
 * Locks: mmu->lock held. Callers must not hold a pointer to an unpinned page across a call.
 * Read first: pool.c, page.c.
 */
#include <errno.h>

#include "shadow/defer.h"
#include "shadow/shootdown.h"

/* With batches of so many, the next ones are queued before the last table is gone. */
#define LOW_WATER_FROM 8u

void sh_flush_drops(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	unsigned kicks;

	if (atomic_load(&mmu->drops) == atomic_load(&mmu->drops_flushed) + mmu->sd->settled)
		return;
	kicks = sh_shootdown_all(mmu, v);
	sh_count(mmu, v, SH_ST_REMOTE_FLUSH, 1);
	sh_count(mmu, v, SH_ST_KICKS, kicks);
}

static uint32_t available(const struct sh_mmu *mmu)
{
	uint32_t room = mmu->limit - mmu->used - mmu->dying;

	return room < mmu->free ? room : mmu->free;
}

/* One turn of the clock's hand: takes the page there or gives it its second chance. */
static bool take_oldest(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	if (atomic_load(&p->pins) && !sh_mutant(SH_MUT_RECLAIM_IGNORES_PINS))
		return false;
	if (atomic_exchange(&p->used, 0))
		return false;
	sh_page_zap(mmu, v, p);
	sh_count(mmu, v, SH_ST_RECYCLED, 1);
	return true;
}

static void take_some(struct sh_mmu *mmu, struct sh_vcpu *v, uint32_t want)
{
	/* Twice round: the first turn may only clear marks. */
	for (uint32_t turns = 2 * mmu->used, taken = 0; turns && taken < want; turns--) {
		struct sh_page *p = mmu->lru.list_next;

		if (p == &mmu->lru)
			return;
		if (take_oldest(mmu, v, p)) {
			taken++;
			continue;
		}
		sh_lru_del(p);
		sh_lru_add(mmu, p);
	}
}

/* Tables on their way: those that are dying, and if these are too few, some that live. */
static void refill(struct sh_mmu *mmu, struct sh_vcpu *v, uint32_t want)
{
	if (mmu->dying < want)
		take_some(mmu, v, want - mmu->dying);
	sh_pool_reap(mmu, v);
}

static bool press(struct sh_mmu *mmu)
{
	mmu->defer->pressed++;
	return sh_defer_now(mmu);
}

int sh_reclaim_reserve(struct sh_mmu *mmu, struct sh_vcpu *v, unsigned n)
{
	uint32_t batch = mmu->limit / 16;

	if (available(mmu) >= n) {
		if (batch >= LOW_WATER_FROM && available(mmu) < n + batch / 2)
			refill(mmu, v, batch);
		return 0;
	}
	refill(mmu, v, n > batch ? n : batch);
	while (available(mmu) < n && press(mmu))
		;
	return available(mmu) >= n ? 0 : -ENOMEM;
}
