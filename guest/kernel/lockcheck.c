/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of locks, held at every step:
 *
 *   order       who takes B while he holds A says that A comes before B; nobody may ever say the
 *               opposite, by whatever detour. So a deadlock is found without its happening.
 *   sleep       nobody gives up the CPU with a lock (but sched_lock, which is handed over)
 *   interrupts  nobody goes back to ring 3, or lets interrupts in, with a lock or a window
 *   ring 3      nor goes there with a mutex, or preemptible
 *
 * Locks of one name are one class, and of one class nobody holds two but by spin_lock_nested(). before[a] has a bit for
 * every class seen behind class a, and only grows; it is read and written without a lock. What a
 * CPU holds is in its struct cpu, and is its own. -DLOCK_CHECKS=0 builds a kernel without this.
 */
#include "kernel/kernel.h"

#ifndef LOCK_CHECKS
#define LOCK_CHECKS 1
#endif

#define MAX_CLASSES 32 /* class 0 is none */

static const char *names[MAX_CLASSES];
static u32 before[MAX_CLASSES];

/* The names are string literals: one of a file has one address. */
static u32 find_class(const char *name)
{
	for (u32 i = 1; i < MAX_CLASSES; i++) {
		const char *none = NULL;

		if (__atomic_compare_exchange_n(&names[i], &none, name, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST) ||
		    none == name)
			return i;
	}
	panic("too many classes of locks: %s", name);
}

static u32 class_of(struct spinlock *l)
{
	if (!l->name)
		panic("a lock has no name");
	if (!READ_ONCE(l->class))
		WRITE_ONCE(l->class, find_class(l->name));
	return l->class;
}

/* Does `to` come behind `from`, by any number of steps? */
static bool reaches(u32 from, u32 to)
{
	u32 seen = 0, next = 1U << from;

	while (next & ~seen) {
		u32 at = (u32)__builtin_ctz(next & ~seen);

		seen |= 1U << at;
		next |= atomic_load(&before[at]);
	}
	return next >> to & 1;
}

/* `l` is about to be taken. It and `outer` may be of one class; that is no order. */
void lock_before(struct spinlock *l, const struct spinlock *outer)
{
	struct cpu *c = this_cpu();
	u32 class;

	if (!LOCK_CHECKS)
		return;
	class = class_of(l);
	for (u32 i = 0; i < c->held_count; i++) {
		u32 held = c->held[i]->class;

		if (READ_ONCE(before[held]) >> class & 1 ||
		    (c->held[i] == outer && held == class))
			continue;
		if (reaches(class, held))
			panic("lock order: %s is taken under %s, and elsewhere before it",
			      l->name, c->held[i]->name);
		atomic_or(&before[held], 1U << class);
	}
}

void lock_taken(const struct spinlock *l)
{
	struct cpu *c = this_cpu();

	if (!LOCK_CHECKS)
		return;
	ASSERT(c->held_count < MAX_HELD);
	c->held[c->held_count++] = l;
}

/* Locks are released in any order. */
void lock_dropped(const struct spinlock *l)
{
	struct cpu *c = this_cpu();
	u32 i = c->held_count;

	if (!LOCK_CHECKS)
		return;
	while (i && c->held[i - 1] != l)
		i--;
	ASSERT(i);
	for (c->held_count--; i <= c->held_count; i++)
		c->held[i - 1] = c->held[i];
}

/* At a place where nobody may hold anything. */
void lock_check_bare(const char *where)
{
	const struct cpu *c = this_cpu();

	if (!LOCK_CHECKS)
		return;
	if (c->held_count)
		panic("lock %s is held after %s", c->held[0]->name, where);
	ASSERT(c->irq_depth == 0 && c->kmap_depth == 0);
	ASSERT(!c->proc->preemptible && !c->proc->preempt_depth);
	for (u32 r = 0; r < ARRAY_SIZE(c->proc->held); r++)
		if (c->proc->held[r])
			panic("a mutex of rank %u is held after %s", r, where);
}

/* On all CPUs; all others are idle. */
u32 locks_held(void)
{
	u32 n = 0;

	for (u32 i = 0; i < cpu_count; i++)
		n += cpus[i].held_count;
	return n;
}
