/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking out what is mapped in a range of addresses, table by table. mm->lock is held for one
 * table at a time; in between, and while frames are freed, the process may be preempted. What
 * makes that right is a mutex the caller holds: no page comes in meanwhile.
 * Read first: gather.c.
 */
#include "kernel/mutant.h"
#include "kernel/mutex.h"
#include "mm/swap.h"

/* Clear entries of one table from *va on, at most `room` pages; *va is where it ended. A page of a
 * file remembers that it was written. Under mm->lock. */
static void zap_entries(struct gather *g, ulong *va, ulong end, u32 room)
{
	pte_t *e = walk(g->mm->root, *va, 1, 0), *at = e;

	for (; at && *va < end && room; *va += PAGE_SIZE, at++) {
		pte_t old = pte_load(at);

		if (!old)
			continue;
		old = pte_swap(at, 0);
		if (entry_is_swap(old)) { /* in no TLB */
			entry_drop(old);
			continue;
		}
		if (!mutant(UNMAP_LOSES_DIRTY))
			entry_keep_dirty(old);
		gather_range(g, *va, *va + PAGE_SIZE);
		gather_page(g, old);
		room--;
	}
	if (!e)
		*va = end;
	pte_unmap(e);
}

/* The table goes as it is if all of it goes and it has, or had, other owners. */
static bool zap_shared(struct gather *g, ulong va, ulong end)
{
	pte_t *e = walk(g->mm->root, va, 2, 0);

	if (!e || !share_is(pte_load(e)))
		return false;
	if (va % PT_SPAN(2) || end - va < PT_SPAN(2)) {
		if (!mutant(SHARE_ZAP_IN_PLACE))
			share_break(g->mm, e, va, false);
		return false;
	}
	gather_range(g, va, va + PT_SPAN(2));
	gather_shared(g, pte_swap(e, 0) & PTE_ADDR);
	return true;
}

/* [va, end) lies under one last-level table. */
static void zap_table(struct gather *g, ulong va, ulong end)
{
	while (va < end) {
		u32 room = gather_room(g);

		if (!room) {
			gather_flush(g);
			room = gather_room(g);
		}
		spin_lock(&g->mm->lock);
		if (zap_shared(g, va, end))
			va = end;
		else
			zap_entries(g, &va, end, room);
		spin_unlock(&g->mm->lock);
		preempt_point();
	}
}

static bool is_empty(pte_t entry, int level)
{
	pte_t *table = table_map(entry, level - 1);
	int i = 0;

	while (i < PT_ENTRIES && !pte_load(&table[i]))
		i++;
	pte_unmap(table);
	return i == PT_ENTRIES;
}

/* If the table under the entry of `level` is empty, it goes. */
static void unlink_empty(struct gather *g, ulong va, int level)
{
	pte_t *e;

	if (level == PT_LEVELS && PT_ROOT_FIXED)
		return;
	if (!gather_room(g))
		gather_flush(g);
	spin_lock(&g->mm->lock);
	e = walk(g->mm->root, va, level, 0);
	if (e && (pte_load(e) & PTE_P) && !share_is(pte_load(e)) &&
	    is_empty(pte_load(e), level)) {
		gather_table(g, pte_swap(e, 0) & PTE_ADDR);
		/* Any address below it: that is enough for the caches of upper entries. */
		gather_range(g, va, va + PAGE_SIZE);
	}
	spin_unlock(&g->mm->lock);
}

/* How far nothing, or one last-level table, is mapped from `va` on. */
static ulong next_boundary(struct mm *mm, ulong va, int *level)
{
	spin_lock(&mm->lock);
	pte_unmap(lookup(mm->root, va, level));
	spin_unlock(&mm->lock);
	return ALIGN_DOWN(va, PT_SPAN(*level > 2 ? *level : 2)) +
	       PT_SPAN(*level > 2 ? *level : 2);
}

/* The pages of [va, end), gathered; `tables`: and the tables left empty. */
void zap_range(struct gather *g, ulong va, ulong end, bool tables)
{
	while (va < end) {
		int level;
		ulong next = next_boundary(g->mm, va, &level);

		if (level == 1)
			zap_table(g, va, next < end ? next : end);
		for (int l = 2; tables && l <= PT_LEVELS; l++)
			if (next >= end || next % PT_SPAN(l) == 0)
				unlink_empty(g, va, l);
		va = next;
	}
}

/* Take out what is mapped in the range, and the tables left empty. Under mm->sem. */
void mm_clear(struct mm *mm, ulong va, ulong len)
{
	struct gather g;

	ASSERT(mutex_held(&mm->sem));
	gather_begin(&g, mm);
	zap_range(&g, va, va + len, true);
	gather_end(&g);
}
