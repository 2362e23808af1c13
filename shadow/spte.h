/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The one place that decides what a shadow entry is: from a page's key and the guest entry, either
 * the key of the page below, or a leaf. Internal. Read first: page.h. Locks: none, pure functions.
 */
#ifndef UMBRA_SHADOW_SPTE_H
#define UMBRA_SHADOW_SPTE_H

#include "shadow/page.h"

/* What the entry at some index of a shadow page stands for. */
struct sh_expect {
	enum { SH_EXPECT_NONE, SH_EXPECT_TABLE, SH_EXPECT_LEAF } kind;
	gfn_t gfn;	     /* TABLE: of the guest table below; LEAF: of the page */
	struct sh_role role; /* TABLE */
	unsigned access;     /* LEAF: accumulated, own bits included */
	bool dirty;	     /* LEAF */
};

/* Entry index of a page (gfn, role), whose guest entry reads gpte (ignored where none stands behind
 * it). NONE if the guest entry is absent, malformed, or not yet marked accessed: then the hardware
 * must fault so that the walk sets A; and where no address of the guest's leads through it. */
struct sh_expect sh_expect(const struct sh_mmu *mmu, gfn_t gfn, struct sh_role role,
			   unsigned index, uint64_t gpte);

/* Which entry of the guest's table the shadow entry at index is made from. */
unsigned sh_guest_index(struct sh_role role, unsigned index);

/* Reads the guest entry (or register) behind index of p now; 0 where there is none. */
uint64_t sh_page_gpte(const struct sh_mmu *mmu, const struct sh_page *p, unsigned index);

/* Access of everything a direct page of this role maps, its key's share included. */
unsigned sh_direct_access(struct sh_role role);

/* A leaf in a page of this role. 0 if this view may not map it at all. writable false holds W back
 * for reasons that are ours (tracked). */
uint64_t sh_spte_leaf(struct sh_role role, unsigned access, bool dirty, bool writable,
		      mfn_t mfn);

/* An upper entry: permissions live in the leaves only. */
uint64_t sh_spte_table(mfn_t table);

/* Whether the hardware permits an access of kind flags (walk.h) by a leaf; all code runs at CPL 3. */
bool sh_spte_permits(uint64_t spte, unsigned flags);

/* Whether old permits something that new does not, or maps another frame. */
bool sh_spte_narrows(uint64_t old, uint64_t new);

static inline mfn_t sh_spte_mfn(uint64_t spte)
{
	return MFN((spte & 0x000ffffffffff000ull) >> SH_PAGE_SHIFT);
}

#endif
