/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an access would do now, and why.
 *
 * No rule about permissions stands here. The outcome is what sh_walk(), sh_expect() and sh_spte_leaf()
 * say; a reason is found by asking the rule again (sh_access_ok()) with one thing changed: what turns
 * "refused" into "permitted" is to blame. If no single thing does, all that any two of them do together
 * are named.
 *
 * Locks: none; RCU read-side sections. Nothing is changed. Read first: walk.h, inspect.h.
 */
#ifndef UMBRA_SHADOW_EXPLAIN_H
#define UMBRA_SHADOW_EXPLAIN_H

#include "shadow/inspect.h"

enum sh_outcome {
	SH_OUT_HIT,	  /* the shadow permits it, and the guest too */
	SH_OUT_STALE_HIT, /* the shadow still permits it, the guest's tables no more */
	SH_OUT_HIDDEN,	  /* a hidden fault makes or widens the entry */
	SH_OUT_TRUE,	  /* page fault for the guest */
	SH_OUT_NOT_CANON,
	SH_OUT_TRACKED, /* the frame is shadowed as a table: emulated */
	SH_OUT_EMULATE, /* no shadow entry can express it */
	SH_OUT_GATE,	/* the gate's slot hides it: emulated */
	SH_OUT_NO_RAM,	/* a device, or nobody */
	SH_OUTCOMES
};

/* What is to blame: a bit of an entry, or of a register. */
enum sh_blame {
	SH_BLAME_P,
	SH_BLAME_RSVD,
	SH_BLAME_W,
	SH_BLAME_U,
	SH_BLAME_NX,
	SH_BLAME_SMEP,
	SH_BLAME_SMAP,
	SH_BLAME_KEY_AD,
	SH_BLAME_KEY_WD,
	SH_BLAME_ROOT,	   /* shadow: there is no tree for this view yet */
	SH_BLAME_MISSING,  /* shadow: no entry yet */
	SH_BLAME_DIRTY,	   /* shadow: not writable while the guest's D is 0 */
	SH_BLAME_TRACKED,  /* shadow: not writable, the frame is a page table */
	SH_BLAME_HELD,	   /* shadow: the direct map withholds it */
	SH_BLAME_NARROWER, /* shadow: less than the guest permits by now */
	SH_BLAME_VIEW,	   /* shadow: no entry of this view can express it */
	SH_BLAMES
};

struct sh_reason {
	bool guest; /* else the shadow */
	enum sh_blame blame;
	unsigned level; /* 0: none in particular */
	uint64_t entry;
};
#define SH_MAX_REASONS 8u

struct sh_explanation {
	enum sh_outcome outcome;
	enum sh_view view;
	enum sh_walk_result walked;
	struct sh_walk w; /* unless not canonical */
	bool rooted;	  /* path is set */
	struct sh_path path;
	mfn_t root;
	unsigned reasons;
	struct sh_reason reason[SH_MAX_REASONS];
	/* By level: the A and D bits the access would set. */
	bool sets_a[SH_MAX_LEVEL + 1], sets_d[SH_MAX_LEVEL + 1];
};

/* An access of kind flags (walk.h) by the vCPU with this index and these registers. */
void sh_explain(struct sh_mmu *mmu, unsigned vcpu, const struct sh_regs *regs, gva_t gva,
		unsigned flags, struct sh_explanation *x);

#endif
