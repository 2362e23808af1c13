/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping locks, and the sections in which a process may be preempted inside the kernel. Each
 * mutex has a rank; a process takes them in the order of ranks, which is checked, and two of one
 * rank only by mutex_lock_nested() while it holds the one that makes it the only such process.
 * All of these are called by processes, without a spinlock and without a window.
 */
#ifndef GUEST_MUTEX_H
#define GUEST_MUTEX_H

#include "kernel/kernel.h"

/* In the order in which they may be taken. */
enum lock_rank {
	RANK_ALL,  /* who takes several of one rank: all_locks */
	RANK_MM,   /* struct mm: its areas */
	RANK_FILE, /* struct file: its size, its pages, who maps them */
	RANK_ANON, /* struct anon_vma: who maps its pages */
	RANK_DEV,  /* of one driver */
	RANK_COUNT
};

struct mutex_waiter;
struct mutex {
	struct spinlock lock; /* of what follows */
	struct proc *owner;
	struct mutex_waiter *head, **tail; /* first come, first served */
	enum lock_rank rank;
	const char *name;
};
#define MUTEX_INIT(m, r, n)                                                        \
	{                                                                          \
		.lock = {.name = "mutex"}, .tail = &(m).head, .rank = r, .name = n \
	}

/* mutex.c */
void mutex_init(struct mutex *m, enum lock_rank rank, const char *name);
void mutex_lock(struct mutex *m);
void mutex_lock_nested(struct mutex *m, const struct mutex *outer);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m);
void may_sleep(void);
ulong mutexes_held(void);

/* preempt.c */
struct preempt_stats {
	ulong ticks, points; /* how often a process lost its CPU in the kernel, by what */
};
extern struct preempt_stats preempt_stats;
void preempt_begin(void);
void preempt_end(void);
void preempt_off(void);
void preempt_on(void);
void preempt_point(void);
bool preempt_tick(bool irq_was_on);

/* meet.c */
enum meeting { MEET_FORK_JOINED, MEET_FORK_COPIED, MEET_CUT_ONE, MEET_COUNT };
ulong meet_count(enum meeting at);
void meet(enum meeting here, enum meeting other);
void meet_pass(enum meeting here);

#endif
