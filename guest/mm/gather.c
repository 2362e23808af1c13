/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unhooked frames, pages and tables alike, wait here until every CPU has forgotten them: flush
 * first, free after. The caller holds mm->lock from the first entry to gather_end().
 */
#include "kernel/mutant.h"
#include "mm/swap.h"

#define IS_TABLE  1
#define IS_SHARED 2

void gather_begin(struct gather *g, struct mm *mm)
{
	g->mm = mm;
	g->start = ~0UL;
	g->end = 0;
	g->count = 0;
}

void gather_range(struct gather *g, ulong start, ulong end)
{
	if (start < g->start)
		g->start = start;
	if (end > g->end)
		g->end = end;
}

void gather_frame(struct gather *g, pa_t pa)
{
	if (g->count == GATHER_MAX) {
		struct mm *mm = g->mm;

		gather_end(g);
		gather_begin(g, mm);
		/* What is unhooked but not in the array yet still has to be flushed. */
		gather_range(g, 0, USER_END);
	}
	g->frame[g->count++] = pa;
}

/* A page, by the entry it had. If that held no reference there is nothing to let go of. */
void gather_page(struct gather *g, pte_t e)
{
	if (!(e & PTE_PFN) || mutant(RESERVED_PUTS))
		gather_frame(g, e & PTE_ADDR);
}

/* A table, unhooked empty. The mark is in a bit that no frame's address has. */
void gather_table(struct gather *g, pa_t pa)
{
	gather_frame(g, pa | IS_TABLE);
}

/* A table, unhooked as it is, that may have other owners. */
void gather_shared(struct gather *g, pa_t pa)
{
	gather_frame(g, pa | IS_SHARED);
}

void gather_end(struct gather *g)
{
	if (g->start < g->end)
		tlb_flush_mm(g->mm, g->start, g->end);
	for (u32 i = 0; i < g->count; i++)
		if (g->frame[i] & IS_TABLE)
			table_put(g->frame[i] & ~(pa_t)IS_TABLE);
		else if (g->frame[i] & IS_SHARED)
			share_drop(g->frame[i] & ~(pa_t)IS_SHARED);
		else
			frame_put(g->frame[i]);
}
