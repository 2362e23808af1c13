/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preemption inside the kernel. Between preempt_begin() and preempt_end() a process runs with IF
 * set wherever it holds no spinlock and no window; there a tick may take its CPU away, and it may
 * go on on another one. What it must not keep over any such place: the address of a struct cpu or
 * anything found through it. preempt_off() makes a stretch of it stay where it is; interrupts
 * still come.
 *
 * With a process's `wander` set each preempt_point() makes it go on on the next CPU: what
 * preemption does now and then happens every time, and at the same places on every machine.
 */
#include "kernel/mutex.h"

struct preempt_stats preempt_stats;

/* Nests. The process is in a system call, a fault of its own, or its end. */
void preempt_begin(void)
{
	struct proc *p = current();

	if (p->preemptible++ == 0)
		irq_enable();
}

void preempt_end(void)
{
	struct proc *p = current();

	ASSERT(p->preemptible && !p->preempt_depth);
	if (--p->preemptible == 0)
		irq_disable();
}

/* By any kernel code; outside processes nothing is preempted anyway. */
void preempt_off(void)
{
	struct proc *p = current();

	if (p)
		p->preempt_depth++;
}

void preempt_on(void)
{
	struct proc *p = current();

	if (!p)
		return;
	ASSERT(p->preempt_depth);
	p->preempt_depth--;
}

/* A tick in the kernel, IF being clear again: may the process lose its CPU here? If not, it is
 * asked to give it up as soon as it can. */
bool preempt_tick(bool irq_was_on)
{
	struct proc *p = this_cpu()->proc;

	if (!p || !p->preemptible)
		return false;
	if (irq_was_on && !p->preempt_depth) {
		preempt_stats.ticks++;
		return true;
	}
	p->resched = true;
	return false;
}

/* sched_lock is not held. Back on the next CPU that it may run on. */
static void wander(struct proc *p)
{
	ulong affinity = p->affinity, all = (1UL << cpu_count) - 1;
	u32 next;

	spin_lock(&sched_lock);
	next = this_cpu()->index;
	do
		next = (next + 1) % cpu_count;
	while (!(affinity & all) >> next & 1);
	p->affinity = 1UL << next;
	sched_make_ready(p);
	sched_enter();
	p->affinity = affinity;
	spin_unlock(&sched_lock);
}

/* In a long loop, where nothing of a CPU's is held. */
void preempt_point(void)
{
	struct proc *p = current();

	may_sleep();
	if (!p->wander && !p->resched)
		return;
	p->resched = false;
	atomic_add(&preempt_stats.points, 1);
	if (p->wander)
		wander(p);
	else
		sched_yield();
}
