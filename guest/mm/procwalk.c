/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk through the tables of a space that gives up the CPU in the middle of each, as reading
 * /proc/PID/smaps does. mm->lock is not held meanwhile; what holds the table is a reference to its
 * frame and a window of the pool, as one of the CPU's own would not survive the sleep. The table
 * may be emptied, moved or unlinked; it is not freed, so every entry in it is 0 or a page of the
 * user's.
 */
#include "kernel/mutant.h"
#include "mm/swap.h"

/* The last-level table for the first address from *va on that has one, with a reference; 0 at the
 * end. */
static pa_t next_table(struct mm *mm, ulong *va)
{
	pa_t table = 0;

	spin_lock(&mm->lock);
	while (*va < USER_END && !table) {
		int level;

		pte_unmap(lookup(mm->root, *va, &level));
		if (level == 1) {
			table = pte_load(walk(mm->root, *va, 2, 0)) & PTE_ADDR;
			frame_get(table);
		}
		level = level > 2 ? level : 2;
		*va = ALIGN_DOWN(*va, PT_SPAN(level)) + PT_SPAN(level);
	}
	spin_unlock(&mm->lock);
	return table;
}

/* Present entries; -1 if one is none of a user's. */
static slong count(const pte_t *table)
{
	slong n = 0;

	for (int i = 0; i < PT_ENTRIES; i++) {
		pte_t e;

		if (i == PT_ENTRIES / 2)
			sched_yield();
		e = pte_load(&table[i]);
		if (e && !entry_is_swap(e) && (e & (PTE_P | PTE_U | PTE_G)) != (PTE_P | PTE_U))
			return -1;
		n += e & PTE_P;
	}
	return n;
}

slong mm_count_pages(struct mm *mm)
{
	slong n = 0, sum = 0;
	ulong va = 0;
	pa_t table;

	while (n >= 0 && (table = next_table(mm, &va))) {
		pte_t *t = mutant(WALK_IN_WINDOW) ? kmap_local(table) : kmap(table);

		n = count(t);
		sum += n;
		kunmap(t);
		frame_put(table);
	}
	return n < 0 ? -1 : sum;
}
