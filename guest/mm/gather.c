/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unhooked frames, pages and tables alike, wait here until every CPU has forgotten them: flush
 * first, free after. Tables wait longer: rcu.c.
 *
 *   struct gather, on the stack     8 frames | first ---> page of 500 | next ---> page of 500 ...
 *
 * Nothing of it belongs to a CPU, so its owner may be preempted and go on elsewhere. More room
 * is had a page at a time, while no lock is held; if none can be had, a flush empties what there
 * is. The owner sees to it that nobody hooks a page in at an address that waits to be flushed:
 * all that unmap hold mm->sem or, for pages of a file, the file's mutex until gather_end().
 */
#include "kernel/mutant.h"
#include "kernel/rcu.h"
#include "mm/swap.h"

#define IS_TABLE    1
#define IS_SHARED   2
#define MAX_BATCHES 19 /* more would keep one flush's frees too long */

struct gather_batch {
	struct gather_batch *next;
	u32 count;
	pa_t frame[(PAGE_SIZE - 2 * sizeof(pa_t)) / sizeof(pa_t)];
};
_Static_assert(sizeof(struct gather_batch) <= PAGE_SIZE, "a batch is a frame");

struct gather_stats gather_stats;
static u32 per_cpu_count[MAX_CPUS]; /* GATHER_PER_CPU */
static pa_t per_cpu[MAX_CPUS][GATHER_LOCAL];

static void reset(struct gather *g)
{
	g->start = ~0UL;
	g->end = 0;
	g->count = 0;
}

void gather_begin(struct gather *g, struct mm *mm)
{
	*g = (struct gather){.mm = mm};
	reset(g);
}

void gather_range(struct gather *g, ulong start, ulong end)
{
	if (start < g->start)
		g->start = start;
	if (end > g->end)
		g->end = end;
}

static u32 room(const struct gather *g)
{
	if (g->last)
		return (u32)ARRAY_SIZE(g->last->frame) - g->last->count;
	return GATHER_LOCAL - g->count;
}

/* How many frames there is room for, after an attempt to make more if there is little. 0: flush
 * first. Takes a frame, so no lock is held. */
u32 gather_room(struct gather *g)
{
	struct gather_batch *b;
	pa_t pa;

	if (room(g))
		return room(g);
	if (g->batches == MAX_BATCHES)
		return 0;
	pa = current()->starve ? 0 : frame_try(ZONE_LOW);
	if (!pa) {
		atomic_add(&gather_stats.no_memory, 1);
		return mutant(GATHER_DROPS) ? 1 : 0;
	}
	b = phys((ulong)pa);
	if (g->last)
		g->last->next = b;
	else
		g->first = b;
	g->last = b;
	g->batches++;
	atomic_add(&gather_stats.batches, 1);
	return room(g);
}

static void add_per_cpu(pa_t pa)
{
	u32 *n;

	push_off();
	n = &per_cpu_count[this_cpu()->index];
	if (*n < GATHER_LOCAL)
		per_cpu[this_cpu()->index][(*n)++] = pa;
	pop_off();
}

void gather_frame(struct gather *g, pa_t pa)
{
	if (mutant(GATHER_PER_CPU)) {
		add_per_cpu(pa);
		return;
	}
	if (mutant(GATHER_DROPS) && !room(g))
		return;
	ASSERT(room(g));
	if (g->last)
		g->last->frame[g->last->count++] = pa;
	else
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

static void free_frames(const pa_t *frame, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (frame[i] & IS_TABLE)
			rcu_free_table(frame[i] & ~(pa_t)IS_TABLE);
		else if (frame[i] & IS_SHARED)
			share_drop(frame[i] & ~(pa_t)IS_SHARED);
		else
			frame_put(frame[i]);
}

static void free_all(struct gather *g)
{
	free_frames(g->frame, g->count);
	for (struct gather_batch *b = g->first; b; b = b->next) {
		free_frames(b->frame, b->count);
		b->count = 0;
		preempt_point();
	}
	if (mutant(GATHER_PER_CPU)) {
		push_off();
		free_frames(per_cpu[this_cpu()->index], per_cpu_count[this_cpu()->index]);
		per_cpu_count[this_cpu()->index] = 0;
		pop_off();
	}
}

static void give_back(struct gather *g)
{
	struct gather_batch *b;

	while ((b = g->first)) {
		g->first = b->next;
		frame_put((ulong)b - KBASE);
	}
	g->last = NULL;
	g->batches = 0;
}

/* Nothing unhooked, nothing to do. By who may sleep; the gather is empty afterwards. */
void gather_flush(struct gather *g)
{
	bool early = mutant(FREE_BEFORE_FLUSH);

	preempt_point();
	if (early)
		free_all(g);
	if (g->start < g->end) {
		tlb_flush_mm(g->mm, g->start, g->end);
		atomic_add(&gather_stats.flushes, 1);
	}
	preempt_point();
	if (!early)
		free_all(g);
	give_back(g);
	reset(g);
}

void gather_end(struct gather *g)
{
	gather_flush(g);
}
