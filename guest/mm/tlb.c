/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making every CPU forget. One shootdown at a time, under shoot_lock: the initiator writes the
 * request, sets tlb_pending of each target, sends the IPI and waits until all have cleared it.
 * A target serves the request from the interrupt, or from cpu_relax() if it is waiting with IF
 * clear. Who is a target: mm->cpus is set before CR3 is loaded and cleared after another root
 * is, and it is read after the tables were changed; so a CPU that is not asked has not seen the
 * old entries.
 */
#include "kernel/mutant.h"
#include "mm/mm.h"
#include "x86.h"

#define FLUSH_ONE_BY_ONE 16 /* pages; beyond that CR3 is cheaper */

struct tlb_stats tlb_stats;
static struct spinlock shoot_lock = {.name = "shootdown"};
static ulong request_start, request_end;
static bool request_kernel;

static void flush_global(void)
{
	ulong cr4 = read_cr4();

	write_cr4(cr4 & ~CR4_PGE);
	write_cr4(cr4);
}

static void flush_here(ulong start, ulong end, bool kernel)
{
	if (end - start <= FLUSH_ONE_BY_ONE * PAGE_SIZE)
		for (ulong va = start; va < end; va += PAGE_SIZE)
			invlpg(va);
	else if (kernel)
		flush_global();
	else
		write_cr3(read_cr3());
}

void tlb_serve(void)
{
	struct cpu *c;

	/* No interrupt in between: a second request must not be taken for the first. */
	push_off();
	c = this_cpu();
	if (atomic_load(&c->tlb_pending)) {
		flush_here(request_start, request_end, request_kernel);
		atomic_store(&c->tlb_pending, 0);
	}
	pop_off();
}

static void shoot(ulong targets, ulong start, ulong end, bool kernel)
{
	spin_lock(&shoot_lock);
	request_start = start;
	request_end = end;
	request_kernel = kernel;
	for (u32 i = 0; i < cpu_count; i++) {
		if (!(targets >> i & 1))
			continue;
		atomic_store(&cpus[i].tlb_pending, 1);
		tlb_stats.ipis++;
		apic_send(i, VEC_TLB);
	}
	for (u32 i = 0; i < cpu_count; i++)
		while (targets >> i & 1 && atomic_load(&cpus[i].tlb_pending))
			cpu_relax();
	spin_unlock(&shoot_lock);
}

static void flush(ulong mask, ulong start, ulong end, bool kernel)
{
	ulong self = 1UL << this_cpu()->index;

	atomic_add(&tlb_stats.flushes, 1);
	if (mutant(NO_SHOOTDOWN))
		mask &= self;
	if (mask & self)
		flush_here(start, end, kernel);
	if (mask & ~self)
		shoot(mask & ~self, start, end, kernel);
}

/* On return no CPU has an entry for [start, end) of `mm` older than the call. */
void tlb_flush_mm(struct mm *mm, ulong start, ulong end)
{
	push_off();
	flush(atomic_or(&mm->cpus, 0), start, end, false);
	pop_off();
}

/* The same for kernel addresses, global entries included, on every CPU that is up. */
void tlb_flush_kernel(ulong start, ulong end)
{
	ulong mask = 0;

	push_off();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (u32 i = 0; i < cpu_count; i++)
		mask |= (ulong)atomic_load(&cpus[i].online) << i;
	flush(mask, start, end, true);
	pop_off();
}
