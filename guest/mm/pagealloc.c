/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DEBUG_PAGEALLOC: a free frame is not mapped, so whoever still uses it faults at once. Two ways:
 * pagealloc=4k on the command line maps all of lowmem in small pages at boot, and nothing is ever
 * split; pagealloc=split, and the scenario, split large pages as frames in them are freed.
 *
 * Freeing a frame must not allocate the table for the split: that could be told to unmap and split
 * in its turn, without end. The tables come from a pool that is filled before the first frame
 * goes, one for each large page of lowmem. `depth` sees to it that no call comes from within
 * another on the same CPU.
 * Only this CPU forgets an unmapped frame: an IPI would have to be waited for under every lock
 * under which frames are freed. On another CPU a stray access may still succeed for a while.
 */
#include "kernel/mutant.h"
#include "mm/attr.h"

extern char __rodata_end[];
bool pagealloc_on;
static u32 depth[MAX_CPUS];
static ulong pool; /* frames chained through their first word; 0 ends it */
static struct spinlock pool_lock = {.name = "pagealloc pool"};

static ulong va_of(pa_t pa)
{
	return KBASE + (ulong)pa;
}

void pagealloc_table_put(pa_t table)
{
	spin_lock(&pool_lock);
	*(ulong *)phys((ulong)table) = pool;
	pool = (ulong)table;
	spin_unlock(&pool_lock);
}

/* A table for attr.c; 0 if the pool is empty. */
pa_t pagealloc_table(void)
{
	ulong table;

	spin_lock(&pool_lock);
	table = pool;
	if (table)
		pool = *(ulong *)phys(table);
	spin_unlock(&pool_lock);
	return table;
}

static bool fill_pool(void)
{
	for (ulong pa = 0; pa < frames_low_end(); pa += HUGE_SIZE) {
		pte_t *e = walk(kernel_mm.root, va_of(pa), 2, 0);
		pa_t table;

		if (!e || !(pte_load(e) & PTE_PS))
			continue;
		table = frame_try(ZONE_LOW);
		if (!table)
			return false;
		pagealloc_table_put(table);
	}
	return true;
}

static void drain_pool(void)
{
	pa_t table;

	while ((table = pagealloc_table()))
		frame_put(table);
}

static void set_present(pa_t pa, bool present)
{
	u32 *d;

	push_off();
	d = &depth[this_cpu()->index];
	ASSERT(*d == 0);
	++*d;
	if (!attr_change_local(va_of(pa), present ? ATTR_PRESENT : ATTR_NOT_PRESENT))
		panic("pagealloc: no table for a split");
	--*d;
	pop_off();
}

void pagealloc_map(pa_t pa)
{
	if (pagealloc_on && pa < direct_end)
		set_present(pa, true);
}

void pagealloc_unmap(pa_t pa)
{
	if (pagealloc_on && pa < direct_end && !mutant(PAGEALLOC_STAYS))
		set_present(pa, false);
}

/* From now on. False, and nothing has changed, if there are not frames enough for the pool. */
bool pagealloc_start(void)
{
	if (!fill_pool()) {
		drain_pool();
		return false;
	}
	pagealloc_on = true;
	return true;
}

/* All of lowmem is there again, in large pages as before. The other CPUs are idle. */
void pagealloc_stop(void)
{
	ulong start = ALIGN_UP((ulong)__rodata_end, PAGE_SIZE);

	pagealloc_on = false;
	if (!attr_change(start, (va_of(frames_low_end()) - start) / PAGE_SIZE, ATTR_PRESENT))
		panic("pagealloc: a split to make pages present");
	attr_collapse(start, va_of(frames_low_end()) - start);
	drain_pool();
}
