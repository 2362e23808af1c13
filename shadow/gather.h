/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A gather: what one operation has unhooked, until every vCPU has forgotten it. Three batches, kept
 * apart because they are not one to one and end differently:
 *   frames         guest frames that may be released once the flush is through: 8 on the stack, and
 *                  pages of 510 behind them as long as the host has memory. Full: flush, release,
 *                  go on; so it makes progress with the 8 alone
 *   invalidations  an address and the entry that stood there for each way that led to it, up to the
 *                  ceiling; from there on everything. A large leaf is one, whatever its size: the
 *                  stride is the leaf's
 *   tables         shadow pages taken out of use. They queue in the pool (pool.c), need no memory
 *                  here, make the flush one of everything, and wait for readers after it (defer.h)
 *
 * Order, for each frame: held back (no new entry for it) -> unhooked -> flushed -> released -> no
 * longer held back. All state is the gather's own; two on one MMU do not share a word, and nothing
 * belongs to a thread or processor.
 * Locks: mmu->lock from sh_gather_begin() to sh_gather_finish(). Read first: shootdown.h.
 */
#ifndef UMBRA_SHADOW_GATHER_H
#define UMBRA_SHADOW_GATHER_H

#include "shadow/page.h"
#include "shadow/shootdown.h"
#include "shadow/unmap.h"

#define SH_GATHER_STACK 8u
#define SH_BATCH_FRAMES 510u /* one page of memory */
#define SH_BATCHES	19u  /* 9,698 frames in all, so that no flush is too long in coming */

struct sh_batch {
	struct sh_batch *next;
	uint64_t n;
	gfn_t frame[SH_BATCH_FRAMES];
};

struct sh_inval {
	gva_t gva;
	uint64_t old;
	uint8_t level;
};

struct sh_gather {
	struct sh_mmu *mmu;
	struct sh_vcpu *cur;
	const struct sh_release *rel;
	struct sh_unmapped *out;

	gfn_t frame[SH_GATHER_STACK];
	unsigned frames;
	struct sh_batch *first, *last;
	unsigned batches;

	struct sh_inval inval[SH_FORGET_MAX];
	unsigned invals;
	bool all, tables, cleared;
	uint64_t roots;
	uint64_t drops; /* of the MMU's count, those made by this gather and not flushed */
	uint64_t epoch; /* of struct sh_shootdowns when they were */
	uint64_t requests;
	gva_t start, last_gva; /* range of the invalidations */
	unsigned levels;       /* bit set of the levels cleared */
};

void sh_gather_begin(struct sh_gather *g, struct sh_mmu *mmu, struct sh_vcpu *cur,
		     const struct sh_release *rel, struct sh_unmapped *out);
/* Drops all leaves that map gfn and holds it back; flushes first if there is no room. False: it is
 * the table of a root in use and stays. */
bool sh_gather_frame(struct sh_gather *g, gfn_t gfn);
/* Drops the leaf at index of p, which may be a large one. */
void sh_gather_leaf(struct sh_gather *g, struct sh_page *p, unsigned index);
/* Takes p out of use. Not pinned. */
void sh_gather_table(struct sh_gather *g, struct sh_page *p);
/* Flush what has been unhooked, release the frames. */
void sh_gather_flush(struct sh_gather *g);
void sh_gather_finish(struct sh_gather *g);

/* In rmap[gfn]: held back by a gather. */
static inline bool sh_frame_held(struct sh_mmu *mmu, gfn_t gfn)
{
	return gfn.v < mmu->rmap_frames &&
	       atomic_load_explicit(&mmu->rmap[gfn.v], memory_order_acquire) & SH_SET_BACK;
}

#endif
