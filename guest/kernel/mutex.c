/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mutexes. An unlock hands the mutex to the process that waits longest, so nobody starves and
 * nobody wakes in vain. Owns the counts of what a process holds by rank (struct proc, only its
 * own process reads or writes them) and their total, which is 0 between scenarios.
 * Locks: the mutex's spinlock, then sched_lock.
 */
#include "kernel/mutex.h"

struct mutex_waiter {
	struct mutex_waiter *next;
	bool granted;
};

static ulong held_total;

void mutex_init(struct mutex *m, enum lock_rank rank, const char *name)
{
	*m = (struct mutex)MUTEX_INIT(*m, rank, name);
}

/* Whoever comes here may have to wait, even if it doesn't today. */
void may_sleep(void)
{
	if (!current() || cpu_read(irq_depth) || cpu_read(kmap_depth) ||
	    current()->preempt_depth)
		panic("sleeping is not allowed here");
}

bool mutex_held(const struct mutex *m)
{
	return READ_ONCE(m->owner) == current();
}

static void check_order(const struct mutex *m, u32 first_forbidden)
{
	const struct proc *p = current();

	if (mutex_held(m))
		panic("mutex %s taken twice", m->name);
	for (u32 r = first_forbidden; r < RANK_COUNT; r++)
		if (p->held[r])
			panic("mutex %s after one of rank %u", m->name, r);
}

static void count_held(const struct mutex *m, int by)
{
	current()->held[m->rank] = (u8)(current()->held[m->rank] + by);
	atomic_add(&held_total, (ulong)(slong)by);
}

/* Under m->lock. */
static void wait_for(struct mutex *m)
{
	struct mutex_waiter w = {NULL, false};

	*m->tail = &w;
	m->tail = &w.next;
	while (!w.granted)
		sleep_on(&w, &m->lock);
	ASSERT(m->owner == current());
}

static void take(struct mutex *m)
{
	spin_lock(&m->lock);
	if (m->owner)
		wait_for(m);
	else
		WRITE_ONCE(m->owner, current());
	spin_unlock(&m->lock);
	count_held(m, 1);
}

void mutex_lock(struct mutex *m)
{
	may_sleep();
	check_order(m, m->rank);
	take(m);
}

/* One more of a rank, by the one process that may: it holds `outer`. It takes them in an order
 * of its choice; everybody else has one of them at most. */
void mutex_lock_nested(struct mutex *m, const struct mutex *outer)
{
	may_sleep();
	ASSERT(mutex_held(outer) && outer->rank < m->rank);
	check_order(m, m->rank + 1U);
	take(m);
}

/* Not a wait, so in any order; but a lock taken after it is checked against it. */
bool mutex_trylock(struct mutex *m)
{
	bool got;

	ASSERT(current());
	spin_lock(&m->lock);
	got = !m->owner;
	if (got)
		WRITE_ONCE(m->owner, current());
	spin_unlock(&m->lock);
	if (got)
		count_held(m, 1);
	return got;
}

static void grant(struct mutex *m, struct mutex_waiter *w)
{
	m->head = w->next;
	if (!m->head)
		m->tail = &m->head;
	spin_lock(&sched_lock);
	WRITE_ONCE(m->owner, sleeper_on(w));
	ASSERT(m->owner);
	w->granted = true;
	sched_make_ready(m->owner);
	spin_unlock(&sched_lock);
}

void mutex_unlock(struct mutex *m)
{
	if (!mutex_held(m))
		panic("mutex %s released but not held", m->name);
	count_held(m, -1);
	spin_lock(&m->lock);
	if (m->head)
		grant(m, m->head);
	else
		WRITE_ONCE(m->owner, NULL);
	spin_unlock(&m->lock);
}

ulong mutexes_held(void)
{
	return atomic_load(&held_total);
}
