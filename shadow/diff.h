/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where shadow and guest differ, and whether that is as it should be: the verdict on one shadow entry,
 * by the rules of spte.c, while vCPUs run.
 *
 * An entry that looks wrong may be one whose change is under way on some vCPU. So it is looked at
 * again, entry and guest entry together, until a look saw no change anywhere (inspect.h): only what is
 * wrong then is wrong.
 *
 * Locks: none; RCU read-side sections. Read first: inspect.h.
 */
#ifndef UMBRA_SHADOW_DIFF_H
#define UMBRA_SHADOW_DIFF_H

#include "shadow/inspect.h"

enum sh_verdict {
	SH_VERDICT_EMPTY, /* nothing there, and nothing could be */
	SH_VERDICT_SAME,  /* all that the guest allows */
	SH_VERDICT_LAZY,  /* missing, or less than the guest allows: a hidden fault makes it */
	SH_VERDICT_TRACKED, /* not writable, because the frame is shadowed as a table */
	SH_VERDICT_HELD,    /* not writable or not there, because the direct map withholds it */
	SH_VERDICT_UNSYNC,  /* made from what an unsync table held at the last flush */
	SH_VERDICT_WRONG,   /* more than the guest allows */
	SH_VERDICT_UNSETTLED, /* looked wrong, and changed at each look */
	SH_VERDICTS
};

/* Entries of one live shadow table that are not zero on either side, from *index on, which is moved
 * behind the last one looked at. Returns how many were written; at most n. */
struct sh_entry {
	unsigned index;
	uint64_t spte, gpte; /* gpte: 0 where no guest entry stands behind it */
	enum sh_verdict verdict;
};
unsigned sh_table_entries(struct sh_mmu *mmu, mfn_t table, unsigned *index, struct sh_entry *e,
			  unsigned n);

/* The same along an address space: spans of one entry each, in order of address, EMPTY ones left out.
 * Set scan.at, scan.last and scan.steps, and call until it returns false (see sh_scan_shadow()). */
struct sh_diff {
	struct sh_scan scan; /* gva, size, level and entry (the shadow's) are set */
	uint64_t gpte;	     /* the guest's leaf, or the entry that ends its walk */
	enum sh_verdict verdict;
};
bool sh_diff_next(struct sh_mmu *mmu, mfn_t root, const struct sh_mode *mode,
		  const struct sh_regs *regs, struct sh_diff *d);

/* All entries of all shadow tables but the direct map's. Returns the number of wrong ones; the first few
 * are described in buf. */
struct sh_live {
	uint64_t tables, entries, unsync, unsettled;
};
unsigned sh_audit_live(struct sh_mmu *mmu, char *buf, size_t n, struct sh_live *out);

#endif
