/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows that may be kept over a sleep: one pool for all CPUs, behind those of highmem.c.
 * counts[i] is 0: the slot is free, and no TLB has it; 1: nobody uses it, but a TLB may still have
 * it, and the next kmap() of the same frame finds it; n: it has n - 1 users. The way from 1 to 0 is
 * one shootdown for all such slots, each time the search for a slot has gone round. Who finds
 * none sleeps, and afterwards looks again whether somebody else has mapped the frame meanwhile:
 * a frame never has two slots. Lock: pool_lock; flushed and slept under, as this kernel may.
 */
#include "mm/mm.h"

#define POOL	  8
#define POOL_BASE (KMAP_BASE + LOCAL_SLOTS * MAX_CPUS * PAGE_SIZE)

_Static_assert(LOCAL_SLOTS *MAX_CPUS + POOL <= PT_ENTRIES, "one table has all windows");

struct kmap_stats kmap_stats;
static struct spinlock pool_lock = {.name = "kmap pool"};
static u32 counts[POOL], last;
static pa_t frames[POOL];

static ulong va_of(u32 i)
{
	return POOL_BASE + i * PAGE_SIZE;
}

static void flush_unused(void)
{
	for (u32 i = 0; i < POOL; i++)
		if (counts[i] == 1) {
			pte_store(walk(kernel_mm.root, va_of(i), 1, 0), 0);
			counts[i] = 0;
			frames[i] = 0;
		}
	tlb_flush_kernel(POOL_BASE, va_of(POOL));
	kmap_stats.flushes++;
}

/* The slot of `pa`, or POOL. */
static u32 find(pa_t pa)
{
	u32 i = 0;

	while (i < POOL && frames[i] != pa)
		i++;
	return i;
}

/* A free slot, or POOL if all are in use. */
static u32 take_slot(void)
{
	for (u32 left = 2 * POOL; left; left--) {
		last = (last + 1) % POOL;
		if (last == 0)
			flush_unused();
		if (!counts[last])
			return last;
	}
	return POOL;
}

/* May sleep. */
void *kmap(pa_t pa)
{
	u32 i, slot;

	if (pa < direct_end)
		return phys((ulong)pa);
	spin_lock(&pool_lock);
	while ((i = find(pa)) == POOL) {
		slot = take_slot();
		if (slot < POOL) {
			pte_store(walk(kernel_mm.root, va_of(slot), 1, 0),
				  (pte_t)pa | PTE_KDATA);
			frames[slot] = pa;
			counts[slot] = 1;
		} else {
			kmap_stats.waits++;
			sleep_on(&pool_lock, &pool_lock);
		}
	}
	counts[i]++;
	spin_unlock(&pool_lock);
	return (void *)va_of(i);
}

void kunmap(const void *p)
{
	u32 i = (u32)(((ulong)p - POOL_BASE) / PAGE_SIZE);

	if ((ulong)p - POOL_BASE >= POOL * PAGE_SIZE)
		return;
	spin_lock(&pool_lock);
	ASSERT(counts[i] > 1);
	if (--counts[i] == 1) {
		spin_lock(&sched_lock);
		wake_all(&pool_lock);
		spin_unlock(&sched_lock);
	}
	spin_unlock(&pool_lock);
}
