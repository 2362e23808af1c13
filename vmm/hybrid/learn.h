/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What was learned of places in the guest's code: whether interpreting on from there paid.
 *
 * A stretch begins at a place, after an exit or after an instruction that would have been one,
 * and ends at the next such instruction (a hit) or when its limit is used up (a miss). Everything
 * is counted in cheap instructions: those that run without an exit. A hit that came after n of them
 * is worth the cost of an exit less n, a miss costs its n. A place whose running mean of that is
 * not above 0 is left to the hardware, and tried again after LEARN_SOON times, then after more and more up
 * to LEARN_RETRY, as code and data change: a few times in a row, since hits may be near and far by turns. Such a place pays if it does on
 * average, so a hit may be waited for longer than an exit takes; giving up half way would cost both.
 * A direct-mapped table; two places in one slot take turns. No locks: one vCPU's own.
 */
#ifndef UMBRA_HYBRID_LEARN_H
#define UMBRA_HYBRID_LEARN_H

#include <stdbool.h>
#include <stdint.h>

#define LEARN_SLOTS 4096u
#define LEARN_SOON  8u
#define LEARN_RETRY 250u

struct learn_slot {
	uint64_t place;
	int32_t worth;	  /* running mean, in 1/16 of a cheap instruction */
	uint32_t reach;	  /* cheap instructions that hits lately took, at most */
	uint8_t declined; /* times since it was last tried */
	uint8_t wait;	  /* so many before it is tried again */
	uint8_t trial;	  /* stretches until the mean decides */
	bool known;
};

struct learn {
	struct learn_slot slot[LEARN_SLOTS];
};

/* How many cheap instructions to interpret from there: 0 to a few times most, which is what an exit
 * costs.
 * eager: a place never seen before is tried. */
unsigned learn_limit(struct learn *l, uint64_t place, unsigned most, bool eager);
/* What became of it: `cheap` instructions, then one that would have exited (hit), or not. */
void learn_result(struct learn *l, uint64_t place, unsigned most, unsigned cheap, bool hit);

#endif
