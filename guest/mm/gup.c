/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reference to the page under a user's address, without any lock, while others unmap. The tables
 * on the way stay, since they are freed by RCU only; the page may be freed and used for something
 * else at any time. So: read the entry, take a reference unless there is none left to share, and
 * read the entry, and the one above it, again. If they are as they were, the page was mapped there
 * when it got our reference. Nothing is held against interrupts.
 */
#include "kernel/mutant.h"
#include "kernel/rcu.h"
#include "mm/rmap.h"
#include "mm/swap.h"

struct gup_stats gup_stats;
ulong gup_events;

static void wait_a_little(void)
{
	if (mutant(GUP_PREEMPTED) && !cpu_read(kmap_depth))
		sched_yield();
	else
		cpu_relax();
}

/* A breath between looking at an entry and going by it, in which others get far: what the checks
 * are for. Until the entry has changed and then something was mapped and unmapped, or long
 * enough. */
static void dawdle(const pte_t *e, pte_t seen, bool at_table)
{
	const struct proc *p = current();
	u32 left = p && cpu_count > 1 && p->at_table == at_table ? p->dawdle : 0;
	ulong begin;

	while (left && pte_load(e) == seen) {
		wait_a_little();
		left--;
	}
	begin = atomic_load(&gup_events);
	while (left && atomic_load(&gup_events) - begin < 9) {
		wait_a_little();
		left--;
	}
}

static bool same(pte_t a, pte_t b)
{
	return !((a ^ b) & ~(PTE_A | PTE_D));
}

/* With the entry above, which may have been unlinked together with its table. */
static pa_t take_page(const pte_t *upper, pte_t table, const pte_t *e)
{
	pte_t seen = pte_load(e);
	pa_t pa = seen & PTE_ADDR;

	if ((seen & (PTE_P | PTE_U | PTE_PFN)) != (PTE_P | PTE_U))
		return 0;
	dawdle(e, seen, false);
	if (!frame_pin(pa)) {
		atomic_add(&gup_stats.lost, 1);
		return 0;
	}
	if (mutant(GUP_NO_RECHECK) || (same(pte_load(e), seen) && same(pte_load(upper), table)))
		return pa;
	atomic_add(&gup_stats.lost, 1);
	frame_unpin(pa);
	return 0;
}

static void gup_lock(void)
{
	if (!mutant(GUP_PREEMPTED))
		rcu_read_lock();
}

static void gup_unlock(void)
{
	if (!mutant(GUP_PREEMPTED))
		rcu_read_unlock();
}

/* The caller ends with frame_unpin(). 0: not mapped, or not so for long enough, or a driver's. The space is the caller's, or held: mm_hold(). */
pa_t gup_fast(struct mm *mm, ulong va)
{
	pte_t *e, *upper, table;
	pa_t pa = 0;

	if (va >= USER_END)
		return 0;
	gup_lock();
	upper = walk(mm->root, va, 2, 0);
	table = upper ? pte_load(upper) : 0;
	if ((table & PTE_P) && !(table & PTE_PS)) {
		dawdle(upper, table, true);
		e = table_map(table, 1);
		pa = take_page(upper, table, &e[PT_INDEX(va, 1)]);
		pte_unmap(e);
	}
	gup_unlock();
	return pa;
}

/* The same with the page faulted in if need be. By a process, for its own space. */
pa_t gup(struct mm *mm, ulong va)
{
	pa_t pa;

	for (int i = 0; i < 100; i++) {
		pa = gup_fast(mm, va);
		if (pa) {
			atomic_add(&gup_stats.fast, 1);
			return pa;
		}
		atomic_add(&gup_stats.slow, 1);
		if (!mm_fault(mm, va, PF_U))
			return 0;
	}
	return 0;
}
