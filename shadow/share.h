/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shared tables: what a shadow table costs the roots that share it, and taking entries away from
 * one root only.
 *
 * A shadow table is found by its key, so any number of upper entries, in any number of roots, point
 * at the one table of a key. Its *share count* is the number of those entries. A table is one root's
 * own if no table on the way to it has a count above 1.
 *
 *   a whole entry is zapped    the table below loses one from its count, and nothing in it is
 *                              written; the last one to go takes the table out of use
 *   a part of it is zapped     a shared table is copied first, for this entry alone; the zap is then
 *                              done in the copy, and the others see nothing of it
 *
 * A zapped translation is no longer used by any vCPU when the call returns, through this root. The
 * guest's tables are not changed: its next access there faults and gets its translation anew.
 *
 * Locks: both calls take mmu->lock. Neither needs memory to succeed: where a copy can't be had, the
 * root loses the whole of the shared table instead. Read first: mmu.h. Read next: share.c.
 */
#ifndef UMBRA_SHADOW_SHARE_H
#define UMBRA_SHADOW_SHARE_H

#include "shadow/mmu.h"

/* What a zap did, and so what it cost. */
struct sh_zap {
	uint64_t entries;  /* entries taken away, leaves and upper ones */
	uint64_t tables;   /* tables that were this root's own and went out of use */
	uint64_t released; /* shared tables that lost one entry, and nothing else */
	uint64_t unshared; /* shared tables that were copied for this root */
	uint64_t syncs; /* grace periods this takes, which others wait for; 0: no table went */
};

/* Everything below the root with this key, as sh_roots() lists it. The top table itself stays if a
 * vCPU runs on it. v is NULL on a thread that is no vCPU. 0, or -ENOENT: no such root. */
int sh_zap_root(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn, struct sh_role role,
		struct sh_zap *z);

/* The pages from first to last, and where those are parts of a large leaf, all of it. 0, -ENOENT, or
 * -EINVAL: last is below first. */
int sh_zap_range(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn, struct sh_role role,
		 gva_t first, gva_t last, struct sh_zap *z);

#endif
