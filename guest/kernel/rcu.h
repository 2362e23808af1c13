/* SPDX-License-Identifier: BSD-2-Clause */
/* Freeing tables only after everybody who may be reading them without a lock has left: rcu.c. */
#ifndef GUEST_RCU_H
#define GUEST_RCU_H

#include "mm/mm.h"

struct rcu_stats {
	ulong periods, freed;
};
extern struct rcu_stats rcu_stats;
extern ulong rcu_waiting; /* CPUs the running grace period waits for */

void rcu_free_table(pa_t pa);
void rcu_pass(void);
void rcu_barrier(void);
bool rcu_pending(void); /* tables wait for their grace period */

/* A reader stays on its CPU and doesn't sleep; interrupts may come. */
static inline void rcu_read_lock(void)
{
	preempt_off();
}
static inline void rcu_read_unlock(void)
{
	preempt_on();
}

/* The calling CPU is reading nothing: it comes from user mode, or chooses its next process. */
static inline void rcu_quiescent(void)
{
	if (READ_ONCE(rcu_waiting) >> cpu_read(index) & 1)
		rcu_pass();
}

#endif
