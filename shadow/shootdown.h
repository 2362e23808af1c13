/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shootdown: who must forget what, and how each vCPU learns of it.
 *
 * A request names translations (some addresses, or everything) of some roots. It concerns the vCPUs
 * that may hold them: each vCPU has the set of roots it may hold anything of, 64 bits hashed from
 * the frames of its top-level tables. A vCPU that a request concerns gets a generation further (due
 * -> want), and the engine makes it leave the guest if it is there; before it enters again it calls
 * sh_catch_up(). That forgets the single addresses only if exactly one request has come since it
 * last caught up; whoever is further behind forgets everything, because only the last request is
 * kept. So a vCPU that is halted or outside costs no kick, and one on other roots costs nothing.
 *
 * The precise way needs to know all that was dropped. Entries also go by ways that do not say which
 * addresses led to them (leaf.c, link.c): those are counted (struct sh_mmu, drops), and while any
 * such drop is pending, a flush is one of everything on every vCPU.
 *
 * Order: entries unhooked and touched -> want and held read (sequentially consistent) -> kicks. A
 * vCPU adds to held before its hardware can walk the root. One of the two sees the other.
 * Locks: mmu->lock for requests; a due's own spin lock, innermost. Read first: backend.h, locks.h.
 */
#ifndef UMBRA_SHADOW_SHOOTDOWN_H
#define UMBRA_SHADOW_SHOOTDOWN_H

#include <pthread.h>
#include <stdatomic.h>

#include "shadow/mmu.h"

#define SH_FORGET_MAX	   64u /* single addresses of a request, whatever the backend says */
#define SH_CEILING_DEFAULT 16u

struct sh_page;

/* What is to be forgotten. */
struct sh_forget {
	uint64_t roots; /* sh_root_bit()s */
	bool all;
	unsigned n;
	gva_t gva[SH_FORGET_MAX]; /* any address of each page */
};

struct sh_due {
	pthread_spinlock_t lock; /* last, and want to change */
	_Atomic uint64_t want, done;
	_Atomic uint64_t held;
	struct sh_forget last;
	/* Catch-ups by single addresses, and by everything. */
	_Atomic uint64_t partial, full;
} __attribute__((aligned(64)));

struct sh_shootdowns {
	struct sh_due due[64];
	/* Drops made by gathers since everything was last flushed; those of them flushed since,
	 * precisely; times everything was. mmu->lock. */
	uint64_t precise, settled, epoch;
	_Atomic uint64_t requests, late;
	sh_late_fn *late_fn;
	void *late_ctx;
};

int sh_shootdown_init(struct sh_mmu *mmu);
void sh_shootdown_fini(struct sh_mmu *mmu);

/* mmu->lock held: every vCPU that may hold what f names has forgotten it, or will before its next
 * instruction. Returns the number kicked. f->gva beyond the ceiling: everything. */
unsigned sh_shootdown(struct sh_mmu *mmu, struct sh_vcpu *cur, struct sh_forget *f);
/* Whether the backend can do that; else everything is all there is. */
static inline bool sh_shootdown_can_choose(const struct sh_backend *be)
{
	return be->shootdown_some;
}
/* Everything, everywhere. */
unsigned sh_shootdown_all(struct sh_mmu *mmu, struct sh_vcpu *cur);
/* The vCPUs that may hold something of these roots. */
uint64_t sh_holders(const struct sh_mmu *mmu, uint64_t roots);

/* A vCPU with this index begins: it holds nothing. */
void sh_shootdown_fresh(struct sh_mmu *mmu, unsigned vcpu);
uint64_t sh_root_bit(const struct sh_mmu *mmu, const struct sh_page *root);
/* v may run on root from now on: before anybody can load it. */
void sh_hold(struct sh_vcpu *v, const struct sh_page *root);
/* v's hardware forgets everything before its next instruction. v's thread. */
void sh_forget_all(struct sh_vcpu *v);
unsigned sh_ceiling(const struct sh_mmu *mmu);

#endif
