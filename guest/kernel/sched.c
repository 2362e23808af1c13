/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round-robin scheduling of all processes over all CPUs. Owns the run queue and idle_cpus.
 * Lock: sched_lock, for these and for state, chan, parent, next of every process. It is held
 * across swtch(): the side that is switched to releases it, so nobody can pick up, or reap, a
 * process whose context is not saved yet. A tick takes the CPU from user mode, and from the
 * kernel where that is allowed: preempt.c.
 */
#include "kernel/rcu.h"
#include "x86.h"

struct spinlock sched_lock = {.name = "sched"};
ulong idle_cpus;
static struct proc *queue_head, **queue_tail = &queue_head;

/* Wake one idle CPU that may run `p`; a second process must not count on the same one. */
static void kick(const struct proc *p)
{
	ulong mask = idle_cpus & p->affinity & ~(1UL << this_cpu()->index);

	if (!mask)
		return;
	idle_cpus &= ~(mask & -mask);
	apic_send((u32)__builtin_ctzl(mask), VEC_RESCHED);
}

void sched_make_ready(struct proc *p)
{
	ASSERT(spin_held(&sched_lock));
	p->state = PROC_READY;
	p->next = NULL;
	*queue_tail = p;
	queue_tail = &p->next;
	kick(p);
}

/* The first in the queue that may run here, or NULL; `take` removes it. */
static struct proc *next_for(u32 cpu, bool take)
{
	struct proc **at = &queue_head, *p;

	while (*at && !((*at)->affinity >> cpu & 1))
		at = &(*at)->next;
	p = *at;
	if (p && take) {
		*at = p->next;
		if (!*at)
			queue_tail = at;
	}
	return p;
}

static void run(struct cpu *c, struct proc *p)
{
	p->state = PROC_RUNNING;
	c->proc = p;
	if (p->kstack)
		cpu_set_kstack(c, (ulong)phys(p->kstack) + PAGE_SIZE);
	mm_switch(p->mm ? p->mm : &kernel_mm);
	swtch(&c->sched_ctx, p->ctx);
	/* Stacks come zeroed: the lowest word tells whether this one was ever full. */
	ASSERT(!p->kstack || *(ulong *)phys(p->kstack) == 0);
	c->proc = NULL;
}

/*
 * IF is clear from before the queue was found empty until HLT, so a wake-up in between is
 * pending when HLT begins and ends it.
 */
static void idle(struct cpu *c)
{
	if (READ_ONCE(c->tlb_pending))
		tlb_serve();
	if (atomic_load(&c->call_fn))
		return;
	atomic_store(&c->rcu_idle, 1);
	rcu_quiescent();
	c->irq_on = true;
	sti_hlt_cli();
	atomic_store(&c->rcu_idle, 0);
	c->irq_on = false;
}

void sched_loop(void)
{
	struct cpu *c = this_cpu();
	ulong bit = 1UL << c->index;

	for (;;) {
		struct proc *p;

		smp_serve(c);
		rcu_quiescent();
		spin_lock(&sched_lock);
		idle_cpus &= ~bit;
		p = next_for(c->index, true);
		if (p) {
			run(c, p);
		} else {
			mm_switch(&kernel_mm);
			idle_cpus |= bit;
		}
		spin_unlock(&sched_lock);
		if (!p)
			idle(c);
	}
}

/* Give up the CPU: sched_lock is held, the state is not RUNNING any more. */
void sched_enter(void)
{
	struct proc *p = this_cpu()->proc;
	bool save = this_cpu()->irq_save;

	ASSERT(this_cpu()->kmap_depth == 0); /* the windows are the CPU's, not ours */
	ASSERT(spin_held(&sched_lock) && this_cpu()->irq_depth == 1);
	ASSERT(p->state != PROC_RUNNING && !p->preempt_depth);
	swtch(&p->ctx, this_cpu()->sched_ctx);
	this_cpu()->irq_save = save;
}

/* The first thing a new process does, on its own stack. */
void sched_first_run(void)
{
	this_cpu()->irq_save = false;
	spin_unlock(&sched_lock);
}

void sched_yield(void)
{
	spin_lock(&sched_lock);
	sched_make_ready(this_cpu()->proc);
	sched_enter();
	spin_unlock(&sched_lock);
}

/* A tick in user mode, or where the kernel may be preempted. With nobody waiting for this CPU there is nothing to do. */
void sched_tick(void)
{
	spin_lock(&sched_lock);
	if (next_for(this_cpu()->index, false)) {
		sched_make_ready(this_cpu()->proc);
		sched_enter();
	}
	spin_unlock(&sched_lock);
}

static void doze(struct proc *p, const void *chan, bool may_interrupt)
{
	p->chan = chan;
	p->may_interrupt = may_interrupt;
	p->state = PROC_SLEEPING;
	sched_enter();
	p->chan = NULL;
}

static void sleep(const void *chan, struct spinlock *l, bool may_interrupt)
{
	struct proc *p = this_cpu()->proc;

	if (l != &sched_lock) {
		spin_lock(&sched_lock);
		spin_unlock(l);
	}
	/* Signals are sent under sched_lock: one that comes now finds the process asleep. */
	if (!may_interrupt || !signal_pending())
		doze(p, chan, may_interrupt);
	if (l != &sched_lock) {
		spin_unlock(&sched_lock);
		spin_lock(l);
	}
}

/* Release `l`, sleep until wake_all(chan), take `l` again. No wake-up is lost. */
void sleep_on(const void *chan, struct spinlock *l)
{
	sleep(chan, l, false);
}

/* The same, or until a signal comes: then false. */
bool sleep_or_signal(const void *chan, struct spinlock *l)
{
	sleep(chan, l, true);
	return !signal_pending();
}

/* wake_all() for who does not hold sched_lock. */
void wake(const void *chan)
{
	spin_lock(&sched_lock);
	wake_all(chan);
	spin_unlock(&sched_lock);
}
