/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grace periods. A table that was unlinked waits until each CPU has been seen reading nothing:
 * between two processes, in user mode, or idle.
 *
 *   rcu_free_table() --> queued --(a period begins)--> expiring --(all CPUs passed)--> table_put()
 *
 * A period begins with the CPUs that are up and don't idle; one that leaves idle later finds the
 * tables unlinked already. Readers are not preempted (rcu_read_lock()) but may be interrupted, so
 * interrupts being off is nothing that anybody relies on. The lists are linked through struct
 * frame, so that there is always memory to wait with. Lock: rcu_lock; frees happen outside it.
 */
#include "kernel/rcu.h"
#include "kernel/mutant.h"

#define MANY 256 /* tables that wait before CPUs are asked to come by */

struct rcu_stats rcu_stats;
ulong rcu_waiting;
static struct spinlock rcu_lock = {.name = "rcu"};
static u32 queued, expiring; /* lists: frame_push() */
static ulong unfreed;

/* Under rcu_lock. First all are waited for, and then not those that idle: who goes idle in between
 * finds that he is waited for. */
static void begin_period(void)
{
	ulong mask = 0;

	if (expiring || !queued)
		return;
	expiring = queued;
	queued = 0;
	rcu_stats.periods++;
	for (u32 i = 0; i < cpu_count; i++)
		mask |= (ulong)atomic_load(&cpus[i].online) << i;
	atomic_store(&rcu_waiting, mask);
	for (u32 i = 0; i < cpu_count; i++)
		if (atomic_load(&cpus[i].rcu_idle))
			mask &= ~(1UL << i);
	atomic_store(&rcu_waiting, mask);
}

static void hurry(void)
{
	ulong mask = atomic_load(&rcu_waiting);

	push_off();
	for (u32 i = 0; i < cpu_count; i++)
		if (mask >> i & 1 && i != this_cpu()->index)
			apic_send(i, VEC_RESCHED);
	pop_off();
}

void rcu_free_table(pa_t pa)
{
	if (mutant(NO_GRACE)) {
		table_put(pa);
		return;
	}
	spin_lock(&rcu_lock);
	frame_push(&queued, pa);
	begin_period();
	spin_unlock(&rcu_lock);
	if (atomic_add(&unfreed, 1) % MANY == 0)
		hurry();
}

bool rcu_pending(void)
{
	return atomic_load(&unfreed);
}

/* Whoever passes last frees, and begins the next period. */
void rcu_pass(void)
{
	u32 done = 0;
	pa_t pa;

	spin_lock(&rcu_lock);
	atomic_and(&rcu_waiting, ~(1UL << this_cpu()->index));
	if (!rcu_waiting) {
		done = expiring;
		expiring = 0;
		begin_period();
	}
	spin_unlock(&rcu_lock);
	while ((pa = frame_pop(&done))) {
		table_put(pa);
		rcu_stats.freed++;
		atomic_sub(&unfreed, 1);
	}
}

/* All tables are free that were to be freed before the call. By processes that hold nothing. */
void rcu_barrier(void)
{
	may_sleep();
	while (atomic_load(&unfreed)) {
		hurry();
		rcu_pass();
		sched_yield();
	}
}
