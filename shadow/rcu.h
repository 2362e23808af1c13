/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Read-side sections (liburcu, memb flavour), and what ThreadSanitizer has to be told of them: it
 * does not see that a grace period orders everything a reader did before everything after it.
 * Internal. Read first: locks.h.
 */
#ifndef UMBRA_SHADOW_RCU_H
#define UMBRA_SHADOW_RCU_H

#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu/urcu-memb.h>

#include "shadow/maywait.h"

#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#else
static inline void __tsan_acquire(void *addr)
{
	(void)addr;
}
static inline void __tsan_release(void *addr)
{
	(void)addr;
}
#endif

extern char sh_rcu_tag; /* an address for the annotations, nothing more */

static inline void sh_read_lock(void)
{
	urcu_memb_read_lock();
}

static inline void sh_read_unlock(void)
{
	__tsan_release(&sh_rcu_tag);
	urcu_memb_read_unlock();
}

/* Waits for all readers that are in a section now. Never inside one. */
static inline void sh_read_wait(void)
{
	sh_may_wait();
	urcu_memb_synchronize_rcu();
	__tsan_acquire(&sh_rcu_tag);
}

#endif
