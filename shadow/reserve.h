/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reserved frames: mapped to the guest, but not the host's to take: devices' frames, pinned ones. The
 * mark is on ranges, not on frames, so nothing is left behind when a range ends.
 *
 *   SH_RESERVED_RAW      frames by number alone: nobody counts them, their end releases nothing
 *   SH_RESERVED_COUNTED  each holds a reference of the caller's, given back once when the range ends
 *
 * A sweep for memory steps over a whole range without a look at its entries, and says that it freed
 * nothing there. What it freed is what the host says has become free, not what a release returned.
 *
 * Locks: mmu->lock, taken inside. Read first: unmap.h.
 */
#ifndef UMBRA_SHADOW_RESERVE_H
#define UMBRA_SHADOW_RESERVE_H

#include "shadow/unmap.h"

#define SH_RESERVED_MAX 32u

enum sh_reserved_kind { SH_RESERVED_RAW, SH_RESERVED_COUNTED };

/* 0; -EINVAL without RAM or frames, -EEXIST over another range, -ENOSPC with SH_RESERVED_MAX ranges. */
int sh_reserve_frames(struct sh_mmu *mmu, gfn_t first, uint64_t frames,
		      enum sh_reserved_kind kind);
/* Ends the range that begins at first: unmapped, flushed, and if counted released, each frame once. The
 * tables that mapped nothing else go. -ENOENT: there is none. */
int sh_unreserve_frames(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first,
			const struct sh_release *rel, struct sh_unmapped *out);

struct sh_swept {
	uint64_t freed;	   /* frames that the host has back, as it says itself */
	uint64_t claimed;  /* frames whose release said so */
	uint64_t looked;   /* frames looked at */
	uint64_t reserved; /* stepped over */
	uint64_t kicks;
};
/* Looks for want frames to free, once round RAM from where the last sweep ended. 0, or -ENOMEM: not one
 * was freed. */
int sh_sweep_frames(struct sh_mmu *mmu, struct sh_vcpu *v, uint64_t want,
		    const struct sh_release *rel, struct sh_swept *out);

/* For unmap.c: frames from gfn on that are reserved; 0 if gfn is not. mmu->lock held. */
uint64_t sh_reserved_run(const struct sh_mmu *mmu, gfn_t gfn);

#endif
