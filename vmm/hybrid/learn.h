/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What was learned of guest addresses: whether interpreting on from there paid.
 *
 * A stretch begins at an address, after an exit or after an instruction that would have been one,
 * and ends at the next such instruction (a hit) or when its limit is used up (a miss). Everything
 * is counted in cheap instructions: those that run without an exit. A hit that came after n of them
 * is worth the cost of an exit less n, a miss costs its n. An address whose running mean of that is
 * not above 0 is left to the hardware, and tried again once in LEARN_RETRY times, as code and data
 * change.
 * A direct-mapped table; two addresses in one slot take turns. No locks: one vCPU's own.
 */
#ifndef UMBRA_HYBRID_LEARN_H
#define UMBRA_HYBRID_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#define LEARN_SLOTS 4096u
#define LEARN_RETRY 64u

struct learn_slot {
	uint64_t rip;
	int32_t worth;	  /* running mean, in 1/16 of a cheap instruction */
	uint16_t reach;	  /* cheap instructions that hits lately took, at most */
	uint8_t declined; /* times since it was last tried */
	bool known;
};

struct learn {
	struct learn_slot slot[LEARN_SLOTS];
};

/* How many cheap instructions to interpret from rip: 0 to most, which is what an exit costs.
 * eager: an address never seen before is tried. */
unsigned learn_limit(struct learn *l, uint64_t rip, unsigned most, bool eager);
/* What became of it: `cheap` instructions, then one that would have exited (hit), or not. */
void learn_result(struct learn *l, uint64_t rip, unsigned most, unsigned cheap, bool hit);

#endif
