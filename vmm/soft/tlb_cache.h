/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Storage of the adversarial TLB: as many entries as there are, each with the walk it was made by.
 * One cache holds translations, another the entries of paging structures (SDM vol. 3, section
 * 4.10.3): both are found by tag, level and the address bits that level leaves.
 *
 * Entries move when others are dropped or added: a pointer is good until then.
 * Locks: none, the vCPU's thread only. Read first: tlb_internal.h.
 */
#ifndef UMBRA_SOFT_TLB_CACHE_H
#define UMBRA_SOFT_TLB_CACHE_H

#include "vmm/soft/tlb_internal.h"

#define TLB_BUCKETS 4096u

/* A translation of level 1 to 3 (its size), or what an entry of level 2 and above leads to. */
struct tlb_node {
	struct tlb_entry e; /* first; page and frame: the first of what it covers, or the table
			     * below; rights: of the whole way */
	unsigned level;
	unsigned low, top; /* levels of the entries in step[]; low > level: a piece */
	uint32_t next;	   /* in its bucket: 1 + number; 0: the last */
	struct tlb_step step[TLB_MAX_LEVEL + 1];
};

struct tlb_cache {
	struct tlb_node *node;
	uint32_t n, room;
	uint32_t pieces; /* of large pages */
	uint32_t bucket[TLB_BUCKETS];
};

void tlb_cache_fini(struct tlb_cache *c);
struct tlb_node *tlb_cache_find(struct tlb_cache *c, uint64_t tag, gva_t va, unsigned level);
/* Adds a copy of n in the place of what has its tag, level and address. Without memory for it, n
 * takes the place of an entry that seed chooses, or is left out. */
void tlb_cache_put(struct tlb_cache *c, const struct tlb_node *n, uint64_t seed);
void tlb_cache_drop(struct tlb_cache *c, struct tlb_node *n);
/* Drops what translates va, pieces of a large page it lies in included; of one tag, or 0: of all. */
void tlb_cache_forget(struct tlb_cache *c, uint64_t tag, gva_t va);
void tlb_cache_clear(struct tlb_cache *c);

/* First page of what an entry of this level covers. */
static inline uint64_t tlb_base(uint64_t page, unsigned level)
{
	return page >> (9 * (level - 1)) << (9 * (level - 1));
}

#endif
