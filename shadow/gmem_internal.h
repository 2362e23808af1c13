/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shared by gmem*.c and window*.c only, and by the tests of windows. Read first: gmem.h.
 */
#ifndef UMBRA_SHADOW_GMEM_INTERNAL_H
#define UMBRA_SHADOW_GMEM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "shadow/gmem.h"
#include "shadow/inject.h"
#include "shadow/maywait.h"
#include "shadow/mutant.h"

#define WINDOW_STRIDE (2 * SH_PAGE_SIZE) /* a slot and the guard page behind it */
/* Bytes of n slots with a guard page before, between and behind them: 2n + 1 pages. */
#define WINDOW_BYTES(n) (((n)*2ul + 1) * SH_PAGE_SIZE)
#define WINDOW_WAYS	GMEM_SLOTS /* all open windows may fall into one set */
#define WINDOW_SETS	8u
#define WINDOW_CACHE	(WINDOW_SETS * WINDOW_WAYS)
#define WINDOW_NOTHING	UINT64_MAX /* as an offset: the slot maps nothing */

/* Slots of one thread. A record stays until the memory goes, so that statistics need no lock: one
 * whose thread has ended is taken over by the next thread. */
struct window_thread {
	struct window_thread *next; /* fixed once it is listed */
	_Atomic bool owned;
	uint8_t *base; /* WINDOW_BYTES(WINDOW_CACHE), NULL without an owner */
	unsigned depth;
	uint8_t open[GMEM_SLOTS]; /* slot of each open window */
	bool in_use[WINDOW_CACHE];
	uint8_t hand[WINDOW_SETS];     /* next slot to give up */
	uint64_t offset[WINDOW_CACHE]; /* what each slot maps */
	/* Written by the owner alone. */
	_Atomic uint64_t maps, misses, exhausted, lifo_errors, max_depth;
};

/* The persistent windows; all under lock, the counters readable without it. */
struct window_pool {
	pthread_mutex_t lock;
	pthread_cond_t released; /* a slot lost its last user */
	bool have_lock;
	uint8_t *base; /* WINDOW_BYTES(slots), NULL where all RAM is lowmem */
	unsigned slots, hand;
	/* 0: free, maps nothing. 1: no user, still maps offset. n: n - 1 users. */
	uint32_t count[GMEM_POOL_MAX];
	uint64_t offset[GMEM_POOL_MAX];
	uint8_t bucket[GMEM_POOL_MAX], next[GMEM_POOL_MAX]; /* slot + 1 by offset; 0 ends */
	_Atomic uint64_t maps, hits, flushes, waits, timeouts, errors;
};

struct gmem {
	int fd;
	uint64_t id; /* no other struct gmem of this process has or had it */
	uint64_t size, lowmem;
	uint64_t
		low_frames; /* of the first region that are lowmem: gpa and offset are one there */
	bool debug;
	struct gmem_region region[GMEM_MAX_REGIONS];
	unsigned regions;

	uint8_t *low;		 /* lowmem bytes of the memfd from offset 0, or NULL */
	pthread_key_t slots_key; /* struct window_thread of the calling thread */
	bool have_key;
	_Atomic(struct window_thread *) threads; /* grows only */
	struct window_pool pool;
	_Atomic(struct sh_inject *) inject; /* of the MMU on this memory; NULL: none */
	_Atomic uint64_t wait_violations;
	_Atomic(const char *) violator;
};

/* Offset in the memfd of the frame; false if there is no RAM. */
static inline bool gmem_offset(const struct gmem *gm, gfn_t gfn, uint64_t *offset)
{
	for (unsigned i = 0; i < gm->regions; i++) {
		const struct gmem_region *r = &gm->region[i];
		uint64_t d = gfn.v - r->gfn.v; /* wraps below the region: then >= frames */

		if (d < r->frames) {
			*offset = r->offset + (d << SH_PAGE_SHIFT);
			return true;
		}
	}
	return false;
}
int gmem_windows_init(struct gmem *gm);
void gmem_windows_fini(struct gmem *gm);
int gmem_pool_init(struct gmem *gm, unsigned slots);
void gmem_pool_fini(struct gmem *gm);

void gmem_set_inject(struct gmem *gm, struct sh_inject *in);
bool window_refused(struct gmem *gm, enum sh_inject_point p);

/* Shows the frame at offset in the slot at at, or nothing (no access) at n bytes from at. 0 or
 * -errno. */
int window_show(struct gmem *gm, uint8_t *at, uint64_t offset);
int window_hide(uint8_t *at, size_t n);

static inline uint8_t *window_slot(uint8_t *base, unsigned i)
{
	return base + SH_PAGE_SIZE + i * WINDOW_STRIDE;
}
static inline bool gmem_is_low(const struct gmem *gm, const void *p)
{
	return (uintptr_t)p - (uintptr_t)gm->low < gm->lowmem;
}
/* By its only writer. */
static inline void window_count(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* For tests: the count of a persistent slot; and what happens to the slots of a thread that waits
 * while it holds some: every one of them now shows gfn. */
uint32_t gmem_pool_count(struct gmem *gm, const void *p);
void gmem_windows_steal(struct gmem *gm, gfn_t gfn);

#endif
