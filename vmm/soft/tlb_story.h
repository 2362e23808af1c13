/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lives of shadow tables, and reports in words.
 *
 * A generation is the number of lives that have ended, times four, plus 1 + the last event; 0: never
 * in use. So two generations of one table belong to the same life if they differ in the low bits
 * only. Read first: tlb_internal.h.
 */
#ifndef UMBRA_SOFT_TLB_STORY_H
#define UMBRA_SOFT_TLB_STORY_H

#include "vmm/soft/tlb_cache.h"

#define TLB_EVENTS 6 /* kept by table */

struct tlb_event {
	uint64_t clock;
	enum sh_table_event what;
};

struct tlb_history {
	unsigned n;
	struct tlb_event event[TLB_EVENTS];
};

static inline uint32_t tlb_generation_after(uint32_t old, enum sh_table_event e)
{
	uint32_t lives = (old >> 2) + (e == SH_TABLE_FREE);

	return lives << 2 | (1u + (uint32_t)e);
}

static inline bool tlb_same_life(uint32_t a, uint32_t b)
{
	return a >> 2 == b >> 2;
}

/* Whether a table of this generation may be walked: it is in use, or was until a flush still to
 * come. */
static inline bool tlb_in_use(uint32_t generation)
{
	uint32_t last = generation & 3;

	return last == 1u + SH_TABLE_LIVE || last == 1u + SH_TABLE_UNUSED;
}

/* What a report is about. */
struct tlb_story {
	const struct tlb_tables *tt;
	unsigned vcpu;
	uint64_t now;
	const char *what; /* the vCPU does */
	const struct tlb_node *made;
	mfn_t table; /* whose history to tell, or MFN_NONE */
};

/* Both stories: how the entry was made, and what has become of the table. Good until this thread
 * asks again. */
const char *tlb_story_text(const struct tlb_story *s);

#endif
