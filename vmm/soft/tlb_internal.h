/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the TLBs share with each other: the walk, and the interface behind which a kind stands.
 *
 * Read first: tlb.h. Read next: tlb_walk.c, tlb_plain.c, tlb_adversarial.c.
 */
#ifndef UMBRA_SOFT_TLB_INTERNAL_H
#define UMBRA_SOFT_TLB_INTERNAL_H

#include "shadow/format.h"
#include "vmm/soft/tlb.h"

#define TLB_FRAME      0x000ffffffffff000ull
#define TLB_MAX_LEVEL  5
#define TLB_LARGEST    3  /* level of the largest page, 1 GiB */
#define TLB_TAG_BITS   40 /* a frame number has as many */
#define TLB_ALL_RIGHTS (TLB_W | TLB_X)

/* A kind of TLB. */
struct tlb_model {
	struct tlb_entry *(*lookup)(struct tlb *t, mfn_t root, gva_t va, unsigned flags);
	void (*invlpg)(struct tlb *t, gva_t va);
	void (*flush)(struct tlb *t);
	void (*tracked_store)(struct tlb *t, const struct tlb_entry *e);
	void (*counts)(const struct tlb *t, struct tlb_counts *out);
	void (*destroy)(struct tlb *t);
};

int tlb_plain_create(const struct tlb_config *cfg, struct tlb **out);
int tlb_adversarial_create(const struct tlb_config *cfg, struct tlb **out);

/* One entry of a walk: what was read, where, and the table's generation just before. */
struct tlb_step {
	mfn_t table;
	unsigned index;
	uint32_t generation;
	uint64_t entry;
};

enum tlb_end {
	TLB_MAPPED,	/* leaf, frame and rights are good */
	TLB_ABSENT,	/* an entry is not present or malformed */
	TLB_NOT_CANON,	/* nothing is read */
	TLB_SUPERVISOR, /* U=0 on the way, or the gate's slot */
	TLB_NO_TABLE, /* an entry leads to a frame that can't be a table: nothing is read there */
};

/* A walk under way: table is the one to be read at level. Rights are what the entries above leave.
 * step[] holds the entries read, by level. */
struct tlb_path {
	gva_t va;
	unsigned level;
	mfn_t table;
	unsigned rights;
	mfn_t frame; /* of the 4-KByte page, also inside a large one */
	struct tlb_step step[TLB_MAX_LEVEL + 1];
};

void tlb_path_root(const struct tlb_tables *tt, mfn_t root, gva_t va, struct tlb_path *p);
/* Goes on from p->level at p->table. At TLB_MAPPED p->level is the leaf's. */
enum tlb_end tlb_path_walk(const struct tlb_tables *tt, struct tlb_path *p);

static inline bool tlb_is_table(const struct tlb_tables *tt, mfn_t mfn)
{
	return mfn.v - tt->mfn.v < tt->tables;
}

/* Rights an entry leaves. */
static inline unsigned tlb_rights(uint64_t entry)
{
	return (entry & PTE_W ? TLB_W : 0) | (entry & PTE_NX ? 0 : TLB_X);
}

/* Rights an access needs. */
static inline unsigned tlb_need(unsigned flags)
{
	return (flags & SH_WRITE ? TLB_W : 0) | (flags & SH_FETCH ? TLB_X : 0);
}

#endif
