/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way back from a split: a table that attr.c made becomes a large page again once all its
 * entries are present, consecutive and equal in everything but A and D. Every CPU forgets the
 * table before it is freed. Under attr_lock, so nobody stands in the table; only readers of the
 * direct map that hold it, too, may go there.
 */
#include "kernel/mutant.h"
#include "mm/attr.h"

/* A table that is linked nowhere goes where attr.c got it from. */
void attr_table_put(pa_t table)
{
	if (pagealloc_on)
		pagealloc_table_put(table);
	else
		frame_put(table);
}

/* What all entries of the table have in common, with A and D of any; 0 if they differ. */
static pte_t common(const pte_t *t, int level)
{
	pte_t first = pte_load(&t[0]), ad = 0;

	if (attr_pa(first, level) & (PT_SPAN(level + 1) - 1))
		return 0;
	for (int i = 0; i < PT_ENTRIES; i++) {
		pte_t e = pte_load(&t[i]), want = first + (pte_t)i * PT_SPAN(level);

		if (mutant(COLLAPSE_BLIND))
			continue;
		if (!(e & PTE_P) || ((e ^ want) & ~(PTE_A | PTE_D)))
			return 0;
		ad |= e & (PTE_A | PTE_D);
	}
	return first | ad;
}

/* The last-level table under `e`, if it can go; the entry is then the large page's. */
static pa_t collapse_one(pte_t *e, ulong va)
{
	pte_t old = pte_load(e), all;
	pa_t table = old & PTE_ADDR;

	if ((old & (PTE_P | PTE_PS | PTE_SOFT)) != (PTE_P | PTE_SOFT))
		return 0;
	all = common(phys((ulong)table), 1);
	if (!all)
		return 0;
	pte_store(e, attr_entry(attr_pa(all, 1), attr_flags(all, 1), 2));
	kmap_publish(va, 2);
	return table;
}

/* Collapse what can be in [va, va + len), which is rounded to large pages. Returns how many. */
ulong attr_collapse(ulong va, ulong len)
{
	ulong end = ALIGN_UP(va + len, HUGE_SIZE), n = 0;

	spin_lock(&attr_lock);
	for (va = ALIGN_DOWN(va, HUGE_SIZE); va != end; va += HUGE_SIZE) {
		pte_t *e = walk(kernel_mm.root, va, 2, 0);
		pa_t table = e ? collapse_one(e, va) : 0;

		if (!table)
			continue;
		attr_stats.flushes++;
		tlb_flush_kernel(va, va + HUGE_SIZE);
		attr_table_put(table);
		attr_stats.collapses++;
		n++;
	}
	spin_unlock(&attr_lock);
	return n;
}
