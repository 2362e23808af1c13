/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Meetings. What goes wrong only if two processes are at two places of the kernel at once would be
 * a matter of luck; with its `meets` set a process waits at such a place until another one has
 * passed the place that belongs to it:
 *
 *   who forks                                  who truncates
 *   MEET_FORK_JOINED    child is a member --> (begins when told by STAT_FORKS_JOINED)
 *         waits ...                        <-- MEET_CUT_ONE       the first space is unmapped
 *   MEET_FORK_COPIED    child has entries -->       waits ...     the others follow
 *
 * Nothing but time is added: each could have been preempted there. Nobody waits for ever, as the
 * other one may be waiting for a lock. No locks; `met` only grows.
 */
#include "kernel/mutex.h"

#define PATIENCE 5000 /* times that others run */

static ulong met[MEET_COUNT];

ulong meet_count(enum meeting at)
{
	return atomic_load(&met[at]);
}

/* At `here`, where it may be preempted. The count is read before our coming is known. */
void meet(enum meeting here, enum meeting other)
{
	ulong before = meet_count(other);

	may_sleep();
	atomic_add(&met[here], 1);
	if (!current()->meets)
		return;
	for (u32 i = 0; i < PATIENCE && meet_count(other) == before; i++)
		sched_yield();
}

/* The same without a wait. */
void meet_pass(enum meeting here)
{
	atomic_add(&met[here], 1);
}
