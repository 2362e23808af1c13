/* SPDX-License-Identifier: BSD-2-Clause */
/* Deliberate bugs: `mutant=NAME` on the command line switches one on, and a scenario must notice.
 * What each does is in mutant.c. */
#ifndef GUEST_MUTANT_H
#define GUEST_MUTANT_H

#include "kernel/kernel.h"

enum mutant {
	MUTANT_NONE,
	RECLAIM_RESERVED,
	RECLAIM_TRUSTS,
	RECLAIM_A_UNFLUSHED,
	RESERVED_PUTS,
	RESERVED_GROWS,
	REMAP_LEAVES_PART,
	DUMP_READS_RESERVED,
	SWAP_NO_FLUSH,
	SWAP_COPY_UNCOUNTED,
	SWAP_SLOT_LEAKS,
	MUTANT_COUNT
};

extern enum mutant mutant_on;
void mutant_choose(const char *name, size_t len);
static inline bool mutant(enum mutant m)
{
	return __builtin_expect(mutant_on == m, 0);
}

#endif
