/* SPDX-License-Identifier: BSD-2-Clause */
/* Deliberate bugs: `mutant=NAME` on the command line switches one on, and a scenario must notice.
 * What each does is in mutant.c. */
#ifndef GUEST_MUTANT_H
#define GUEST_MUTANT_H

#include "kernel/kernel.h"

enum mutant {
	MUTANT_NONE,
	NO_SHOOTDOWN,
	FREE_BEFORE_FLUSH,
	GATHER_PER_CPU,
	GATHER_DROPS,
	NO_GRACE,
	GUP_NO_RECHECK,
	GUP_NO_ZERO_CHECK,
	GUP_PREEMPTED,
	RMAP_CHILD_FIRST,
	RMAP_OFFSET_LOST,
	TRUNCATE_NO_FLUSH,
	MSYNC_NO_FLUSH,
	UNMAP_LOSES_DIRTY,
	MIGRATE_NO_PINS,
	ANON_NO_REF,
	ALL_LOCKS_UNGUARDED,
	SLEEP_IN_SPINLOCK,
	MREMAP_NO_FLUSH,
	MREMAP_NO_NULL_CHECK,
	MREMAP_WINDOW_ORDER,
	MREMAP_ALLOC_IN_WINDOW,
	WALK_IN_WINDOW,
	SHARE_ZAP_IN_PLACE,
	SHARE_LOST_COUNT,
	SHARE_KEEPS_WRITE,
	CPA_NO_FLUSH,
	CPA_PAT_BIT,
	CPA_NO_RELOOK,
	COLLAPSE_BLIND,
	PAGEALLOC_STAYS,
	MUTANT_COUNT
};

extern enum mutant mutant_on;
void mutant_choose(const char *name, size_t len);
static inline bool mutant(enum mutant m)
{
	return __builtin_expect(mutant_on == m, 0);
}

#endif
