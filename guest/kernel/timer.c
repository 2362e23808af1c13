/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time, in ticks of CPU 0, and sleeping for some of it. Every sleeper waits on one channel; the
 * tick that reaches the earliest due time wakes all, and those that are not due lie down again.
 * Lock: sched_lock, for `due`.
 */
#include "kernel/kernel.h"

#define NEVER (~0UL)

static ulong due = NEVER;

ulong timer_now(void)
{
	return atomic_load(&cpus[0].ticks);
}

/* On CPU 0, from its timer interrupt. Without sleepers no lock is taken. */
void timer_tick(void)
{
	if (atomic_load(&due) > timer_now())
		return;
	spin_lock(&sched_lock);
	atomic_store(&due, NEVER);
	wake_all(&due);
	spin_unlock(&sched_lock);
}

/* A tick that comes before `due` is set finds it at the next one. */
slong timer_sleep(ulong ticks)
{
	ulong until = timer_now() + ticks;
	bool more = true;

	spin_lock(&sched_lock);
	while (more && timer_now() < until) {
		if (until < due)
			atomic_store(&due, until);
		more = sleep_or_signal(&due, &sched_lock);
	}
	spin_unlock(&sched_lock);
	return more ? 0 : ERR_INTR;
}
