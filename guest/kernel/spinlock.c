/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks and the software interrupt flag.
 * Invariants: struct cpu.irq_on always equals IF while in the kernel; a held lock implies IF
 * clear on its owner. CLI and STI are issued only when they change something. A waiter serves
 * TLB shootdowns, so a lock may be held across one.
 */
#include "kernel/kernel.h"
#include "mm/mm.h"
#include "x86.h"

void irq_enable(void)
{
	struct cpu *c = this_cpu();

	ASSERT(c->irq_depth == 0);
	c->irq_on = true;
	sti();
}

void irq_disable(void)
{
	cli();
	this_cpu()->irq_on = false;
}

void push_off(void)
{
	bool on = cpu_read(irq_on);
	struct cpu *c;

	if (on)
		irq_disable();
	c = this_cpu(); /* not before: only now we stay here */
	if (c->irq_depth++ == 0)
		c->irq_save = on;
}

void pop_off(void)
{
	struct cpu *c = this_cpu();

	ASSERT(c->irq_depth > 0 && !c->irq_on);
	if (--c->irq_depth == 0 && c->irq_save)
		irq_enable();
}

void cpu_relax(void)
{
	pause();
	if (cpu_read(tlb_pending))
		tlb_serve();
}

bool spin_held(const struct spinlock *l)
{
	return READ_ONCE(l->held) && READ_ONCE(l->owner) == cpu_read(index) + 1;
}

static void lock(struct spinlock *l, const struct spinlock *outer)
{
	push_off();
	if (spin_held(l))
		panic("lock %s taken twice", l->name);
	lock_before(l, outer);
	while (atomic_xchg(&l->held, 1))
		while (READ_ONCE(l->held))
			cpu_relax();
	WRITE_ONCE(l->owner, this_cpu()->index + 1);
	lock_taken(l);
}

void spin_lock(struct spinlock *l)
{
	lock(l, NULL);
}

/* One more of the class of `outer`, by who holds that and is the only one who can have two. */
void spin_lock_nested(struct spinlock *l, const struct spinlock *outer)
{
	ASSERT(spin_held(outer));
	lock(l, outer);
}

void spin_unlock(struct spinlock *l)
{
	if (!spin_held(l))
		panic("lock %s released but not held", l->name);
	lock_dropped(l);
	WRITE_ONCE(l->owner, 0);
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
	pop_off();
}
