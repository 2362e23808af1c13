/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows on RAM that is not direct mapped. Owns the table under KMAP_BASE, which is the same in
 * every address space:
 *
 *   KMAP_BASE   CPU 0: LOCAL_SLOTS pages | CPU 1: ... | CPU MAX_CPUS - 1 | kmap_pool.c
 *
 * kmap_local() maps a frame for the calling CPU alone, in its next slot; kunmap_local() takes
 * the mappings back in the reverse order. So windows nest (source and destination of a copy, a
 * table and the page below it) and cost no lock and no shootdown: no other CPU uses a slot of
 * ours, and an entry it might have read ahead is never used. In return the holder stays on this
 * CPU: interrupts are off, it neither sleeps (sched_enter) nor allocates (frame_try), both of which
 * check. For a
 * direct-mapped frame all of this is the identity; LOW frames need no windows.
 */
#include "mm/mm.h"
#include "x86.h"

static pte_t *slots; /* all entries of the table */

_Static_assert(LOCAL_SLOTS *MAX_CPUS <= PT_ENTRIES, "one table has all windows");

void highmem_init(void)
{
	slots = walk(kernel_mm.root, KMAP_BASE, 1, PTE_TABLE);
}

static ulong slot_index(const struct cpu *c, u32 depth)
{
	return c->index * LOCAL_SLOTS + depth;
}

static bool is_window(const void *p)
{
	return (ulong)p - KMAP_BASE < LOCAL_SLOTS * MAX_CPUS * PAGE_SIZE;
}

void *kmap_local(pa_t pa)
{
	struct cpu *c;
	ulong i;

	if (pa < direct_end)
		return phys((ulong)pa);
	push_off(); /* the window is this CPU's */
	c = this_cpu();
	i = slot_index(c, c->kmap_depth);
	if (c->kmap_depth == LOCAL_SLOTS)
		panic("windows nest too deep");
	ASSERT(!(pte_load(&slots[i]) & PTE_P));
	pte_store(&slots[i], (pte_t)pa | PTE_KDATA);
	c->kmap_depth++;
	return (void *)(KMAP_BASE + i * PAGE_SIZE);
}

/* `p` is any address in the window, or NULL. */
void kunmap_local(const void *p)
{
	ulong i = ((ulong)p - KMAP_BASE) / PAGE_SIZE;
	struct cpu *c;

	if (!is_window(p))
		return;
	c = this_cpu();
	if (!c->kmap_depth || i != slot_index(c, c->kmap_depth - 1))
		panic("window %lu closed out of turn", i);
	pte_store(&slots[i], 0);
	invlpg(KMAP_BASE + i * PAGE_SIZE);
	c->kmap_depth--;
	pop_off();
}

void frame_zero(pa_t pa)
{
	void *p = kmap_local(pa);

	memset(p, 0, PAGE_SIZE);
	kunmap_local(p);
}

void frame_copy(pa_t to, pa_t from)
{
	void *dst = kmap_local(to), *src = kmap_local(from);

	memcpy(dst, src, PAGE_SIZE);
	kunmap_local(src);
	kunmap_local(dst);
}
