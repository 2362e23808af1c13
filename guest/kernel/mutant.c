/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of the deliberate bugs, and what each is. */
#include "kernel/mutant.h"

enum mutant mutant_on;

static const char *const names[MUTANT_COUNT] = {
	/* reclaim.c: a driver's callback unmaps its area and calls that progress */
	[RECLAIM_RESERVED] = "reclaim-reserved",
	/* reclaim.c: pages unmapped count, not frames freed */
	[RECLAIM_TRUSTS] = "reclaim-trusts",
	/* reclaim.c: A is cleared, but the CPU need not set it again */
	[RECLAIM_A_UNFLUSHED] = "reclaim-a-unflushed",
	/* swap.c: an entry without a reference gives one back */
	[RESERVED_PUTS] = "reserved-puts",
	/* remap.c: a driver's area grows */
	[RESERVED_GROWS] = "reserved-grows",
	/* reserved.c: what was mapped before the error stays */
	[REMAP_LEAVES_PART] = "remap-leaves-part",
	/* reserved.c: a driver's RAM is dumped */
	[DUMP_READS_RESERVED] = "dump-reads-reserved",
	/* reclaim.c: a page is written out while CPUs may write to it */
	[SWAP_NO_FLUSH] = "swap-no-flush",
	/* swap.c: fork copies a swap entry, but not its count */
	[SWAP_COPY_UNCOUNTED] = "swap-copy-uncounted",
	/* swap.c: what is unmapped keeps its slot */
	[SWAP_SLOT_LEAKS] = "swap-slot-leaks",
};

void mutant_choose(const char *name, size_t len)
{
	for (u32 i = 1; i < MUTANT_COUNT; i++)
		if (strlen(names[i]) == len && strneq(names[i], name, len))
			mutant_on = (enum mutant)i;
}
