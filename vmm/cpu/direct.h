/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of translations that an engine with translation hardware of its own lets instruction
 * code look into, so that a load or a store that hits needs no call.
 *
 * Locks: none, the vCPU's thread only. Read first: shadow/addr.h. Users: ../soft/tlb.h, which owns
 * what the entries mean, and ../interp/fast.h.
 */
#ifndef UMBRA_CPU_DIRECT_H
#define UMBRA_CPU_DIRECT_H

#include "shadow/addr.h"

struct tlb_entry {
	uint64_t page;	/* va >> 12 */
	uint64_t tag;	/* root mfn + 1, and above bit 40 the flushes there were; 0: empty */
	mfn_t frame;	/* of this 4-KByte page */
	uint8_t rights; /* TLB_W, TLB_X; readable always */
	void *host; /* the owner's: host address of the page if it has a lasting one; NULL when
		     * the entry is made */
	uint64_t filled; /* adversarial: its clock when made */
};
#define TLB_W (1u << 0)
#define TLB_X (1u << 1)

/* Good for accesses of the CPL and EFLAGS.AC it was asked for, and until the next operation of
 * struct cpu_ops other than a read, write or fetch that hits. */
struct cpu_direct {
	struct tlb_entry *slot; /* direct-mapped by the low bits of the page number */
	uint64_t mask;
	uint64_t tag;
};

static inline struct tlb_entry *direct_hit(const struct cpu_direct *d, uint64_t va,
					   unsigned need)
{
	uint64_t page = va >> SH_PAGE_SHIFT;
	struct tlb_entry *e = &d->slot[page & d->mask];

	return e->page == page && e->tag == d->tag && !(need & ~e->rights) ? e : NULL;
}

#endif
