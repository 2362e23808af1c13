/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host takes guest frames back: ballooning, discarding, sweeping for memory; and the frames it
 * must leave alone.
 *
 * A frame is unmapped everywhere, every vCPU has forgotten it, and only then is it released: by the
 * caller's function, or by punching a hole in RAM. Nobody gets a new translation of it in between.
 * What a guest finds there afterwards is what its release left: zeroes, after a hole.
 *
 * Locks: taken inside; any thread but inside an RCU read-side section or with a window held.
 * Read first: mmu.h. Read next: gather.h.
 */
#ifndef UMBRA_SHADOW_UNMAP_H
#define UMBRA_SHADOW_UNMAP_H

#include "shadow/mmu.h"

/* Called once for each frame, the MMU's lock held: must not call back. Returns whether the frame was
 * given up. NULL fn: a hole is punched. */
struct sh_release {
	bool (*fn)(void *ctx, gfn_t gfn);
	void *ctx;
};

struct sh_unmapped {
	uint64_t released; /* frames really given up */
	uint64_t busy;	   /* tables of roots in use: left as they were */
	uint64_t reserved; /* passed over */
	uint64_t flushes, kicks;
};

struct sh_range {
	gfn_t first;
	uint64_t frames;
};

/* All the ranges in one gather: at most one kick of a vCPU for each batch. 0, -EINVAL for frames
 * that are no RAM. v: the vCPU on whose thread the call is made, or NULL. */
int sh_unmap_ranges(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_range *r, unsigned n,
		    const struct sh_release *rel, struct sh_unmapped *out);
int sh_unmap_frames(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t first, uint64_t frames,
		    const struct sh_release *rel, struct sh_unmapped *out);

/* For gather.c: 1 if the frame was given up. */
unsigned sh_release_frame(struct sh_mmu *mmu, const struct sh_release *rel, gfn_t gfn);

#endif
