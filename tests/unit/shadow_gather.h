/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the suites about gathers share: frames released by a function that looks whether any
 * processor could still reach them. Read first: shadow_fixture.h, shadow/gather.h.
 */
#ifndef UMBRA_TESTS_SHADOW_GATHER_H
#define UMBRA_TESTS_SHADOW_GATHER_H

#include "shadow/gather.h"
#include "tests/unit/shadow_fixture.h"

#define GATHER_MAX 16384u

struct released {
	struct fake *f;
	uint64_t n;
	gfn_t frame[GATHER_MAX]; /* in order, as far as there is room */
	unsigned stale;		 /* released while a TLB or table still led there */
	bool look;
};

/* A release that fills the frame with 0xcc, as its next owner might. */
struct sh_release gather_release(struct fake *f, struct released *r);
/* Whether vCPU i's TLB has a translation to gfn, whoever may still use it. */
bool gather_in_tlb(struct fake *f, unsigned i, uint64_t gfn);
/* Unmaps; 0 expected. */
struct sh_unmapped gather_unmap(struct fake *f, struct released *r, unsigned vcpu,
				uint64_t first, uint64_t n);
/* A machine of n vCPUs on the ready-made address space. */
void gather_start(struct fake *f, unsigned vcpus);
/* The same with room for pages mapped from va 0 on, and all of them accessed by each vCPU. */
void gather_start_big(struct fake *f, unsigned vcpus, unsigned pages);
#define GATHER_BIG 2048u /* first frame of those pages */

#endif
