/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shadow entries for a whole range of guest addresses at once, before anybody touches them: for
 * ranges whose frames somebody has pinned, and whoever must not take a fault later.
 *
 * What is mapped is what the guest's tables say, with all that a fault at each page would do: A and D,
 * tracking, unsync. All of it, or nothing: where a page can't be mapped, the range takes itself down,
 * and when the error is returned no vCPU can use any of it, so that the frames may be given back.
 * Entries of the range that were there before go as well; an access makes them again.
 *
 * Locks: those of a fault, and mmu->lock to take down. Read first: mmu.h. Read next: map.c.
 */
#ifndef UMBRA_SHADOW_MAP_H
#define UMBRA_SHADOW_MAP_H

#include "shadow/mmu.h"

struct sh_mapped {
	uint64_t pages;	 /* mapped; on an error: how far it came */
	uint64_t faults; /* of those, not there before */
	uint64_t taken;	 /* entries taken down after an error */
	uint64_t flushes, kicks;
};

/* Maps pages 4-KByte pages from first on for accesses of kind flags (walk.h), on v's thread and its
 * address space. 0; -EFAULT: the guest's tables don't permit it, or there is no RAM; -EPERM: a page is a
 * guest table and the access a write, or an address that the gate hides; -ENOMEM and the like from the
 * host. */
int sh_map_range(struct sh_vcpu *v, gva_t first, uint64_t pages, unsigned flags,
		 struct sh_mapped *out);

#endif
