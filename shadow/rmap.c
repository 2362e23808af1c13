/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reverse maps: for a guest frame the set of leaf entries that map it, for a shadow page the set
 * of upper entries that point at it. One representation for both.
 *
 * A set is one word: empty, a single slot inline (the common case), or a chain of 64-byte
 * descriptors of 13 slots. Only the first descriptor of a chain is ever partly full. Bits 1 to 5 of
 * the word belong to the set's owner (track.c, dmap_alias.c, gather.c) and are left alone here.
 *
 * Locks: the caller holds what guards the set (locks.h); the descriptor reserve has a spin lock of
 * its own that is taken innermost. Nothing is allocated while a set is changed: the reserve is
 * filled before (design rule: reserve the worst case first).
 * Read first: page.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shadow/page.h"

#define SET_ONE	    (1ull << 0)
#define SET_OWNER   (31ull << 1)
#define DESC_SLOTS  13u
#define SLAB_DESCS  1024u
#define MAX_THREADS 65u /* 64 vCPUs and one more may stand between reserve and use */

struct sh_desc {
	uint32_t slot[DESC_SLOTS];
	uint32_t count;
	struct sh_desc *next;
} __attribute__((aligned(64)));

struct desc_slab {
	struct desc_slab *next;
	struct sh_desc desc[] __attribute__((aligned(64)));
};

struct sh_desc_pool {
	pthread_spinlock_t lock;
	struct sh_desc *free;
	_Atomic uint64_t nfree, live; /* written under lock */
	struct desc_slab *slabs;
};

struct sh_stripe *sh_stripe(struct sh_mmu *mmu, gfn_t gfn)
{
	return &mmu->stripes[(gfn.v ^ gfn.v >> 10) % SH_STRIPES];
}

static void slab_add(struct sh_desc_pool *pool, struct desc_slab *slab)
{
	slab->next = pool->slabs;
	pool->slabs = slab;
	for (unsigned i = 0; i < SLAB_DESCS; i++) {
		slab->desc[i].next = pool->free;
		pool->free = &slab->desc[i];
	}
	pool->nfree += SLAB_DESCS;
}

int sh_desc_reserve(struct sh_mmu *mmu, unsigned n)
{
	struct sh_desc_pool *pool = mmu->descs;
	uint64_t want = (uint64_t)n * MAX_THREADS;

	sh_may_wait();
	while (atomic_load_explicit(&pool->nfree, memory_order_relaxed) < want) {
		struct desc_slab *slab = aligned_alloc(
			64, sizeof(*slab) + 64 + SLAB_DESCS * sizeof(struct sh_desc));

		if (!slab)
			return -ENOMEM;
		pthread_spin_lock(&pool->lock);
		slab_add(pool, slab);
		pthread_spin_unlock(&pool->lock);
	}
	return 0;
}

static struct sh_desc *desc_get(struct sh_desc_pool *pool)
{
	struct sh_desc *d;

	pthread_spin_lock(&pool->lock);
	d = pool->free;
	if (d) {
		pool->free = d->next;
		pool->nfree--;
		pool->live++;
	}
	pthread_spin_unlock(&pool->lock);
	return d;
}

static void desc_put(struct sh_desc_pool *pool, struct sh_desc *d)
{
	pthread_spin_lock(&pool->lock);
	d->next = pool->free;
	pool->free = d;
	pool->nfree++;
	pool->live--;
	pthread_spin_unlock(&pool->lock);
}

uint64_t sh_desc_live(const struct sh_mmu *mmu)
{
	return atomic_load_explicit(&mmu->descs->live, memory_order_relaxed);
}

static uint64_t get(const sh_set_t *set)
{
	return atomic_load_explicit(set, memory_order_relaxed) & ~SET_OWNER;
}

/* Writers hold the set's guard, so the owner's bits can't change between load and store. */
static void put(sh_set_t *set, uint64_t val)
{
	uint64_t owner = atomic_load_explicit(set, memory_order_relaxed) & SET_OWNER;

	atomic_store_explicit(set, val | owner, memory_order_release);
}

static struct sh_desc *chain(uint64_t val)
{
	return val & SET_ONE ? NULL : (struct sh_desc *)(uintptr_t)val;
}

static uint64_t one(sh_slot_t s)
{
	return (uint64_t)s << 32 | SET_ONE;
}

int sh_set_add(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s)
{
	uint64_t val = get(set);
	struct sh_desc *d = chain(val);

	if (!val) {
		put(set, one(s));
		return 0;
	}
	if (!d || d->count == DESC_SLOTS) {
		struct sh_desc *head = desc_get(mmu->descs);

		if (!head)
			return -ENOMEM;
		head->count = 0;
		head->next = d;
		if (!d)
			head->slot[head->count++] = (sh_slot_t)(val >> 32);
		d = head;
	}
	d->slot[d->count++] = s;
	put(set, (uint64_t)(uintptr_t)d);
	return 0;
}

/* The first descriptor gives up its last slot; an emptied or inlineable one is returned. */
static void shrink(struct sh_mmu *mmu, sh_set_t *set, struct sh_desc *head)
{
	if (--head->count == 0) {
		put(set, (uint64_t)(uintptr_t)head->next);
		desc_put(mmu->descs, head);
	} else if (head->count == 1 && !head->next) {
		put(set, one(head->slot[0]));
		desc_put(mmu->descs, head);
	}
}

bool sh_set_del(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s)
{
	uint64_t val = get(set);
	struct sh_desc *head = chain(val);

	if (!head) {
		if (val != one(s))
			return false;
		put(set, 0);
		return true;
	}
	for (struct sh_desc *d = head; d; d = d->next)
		for (unsigned i = 0; i < d->count; i++)
			if (d->slot[i] == s) {
				d->slot[i] = head->slot[head->count - 1];
				shrink(mmu, set, head);
				return true;
			}
	return false;
}

unsigned sh_set_count(const sh_set_t *set)
{
	uint64_t val = get(set);
	unsigned n = 0;

	if (!chain(val))
		return val ? 1 : 0;
	for (struct sh_desc *d = chain(val); d; d = d->next)
		n += d->count;
	return n;
}

sh_slot_t sh_set_at(const sh_set_t *set, unsigned i)
{
	uint64_t val = get(set);

	if (!chain(val))
		return val && !i ? (sh_slot_t)(val >> 32) : SH_SLOT_NONE;
	for (struct sh_desc *d = chain(val); d; d = d->next) {
		if (i < d->count)
			return d->slot[i];
		i -= d->count;
	}
	return SH_SLOT_NONE;
}

void sh_set_each(const sh_set_t *set, void (*fn)(void *ctx, sh_slot_t s), void *ctx)
{
	uint64_t val = get(set);

	if (!chain(val)) {
		if (val)
			fn(ctx, (sh_slot_t)(val >> 32));
		return;
	}
	for (struct sh_desc *d = chain(val); d; d = d->next)
		for (unsigned i = 0; i < d->count; i++)
			fn(ctx, d->slot[i]);
}

static void *reserve_map(size_t bytes)
{
	sh_may_wait();
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int sh_rmap_init(struct sh_mmu *mmu)
{
	mmu->rmap_frames = gmem_end(mmu->gm).v;
	mmu->rmap = reserve_map(mmu->rmap_frames * sizeof(sh_set_t));
	sh_may_wait();
	mmu->stripes = aligned_alloc(64, SH_STRIPES * sizeof(struct sh_stripe));
	sh_may_wait();
	mmu->descs = calloc(1, sizeof(*mmu->descs));
	if (!mmu->rmap || !mmu->stripes || !mmu->descs || !sh_large_init(mmu))
		return -ENOMEM;
	for (unsigned i = 0; i < SH_STRIPES; i++)
		pthread_spin_init(&mmu->stripes[i].lock, PTHREAD_PROCESS_PRIVATE);
	pthread_spin_init(&mmu->descs->lock, PTHREAD_PROCESS_PRIVATE);
	return 0;
}

void sh_rmap_fini(struct sh_mmu *mmu)
{
	if (mmu->rmap)
		munmap(mmu->rmap, mmu->rmap_frames * sizeof(sh_set_t));
	sh_large_fini(mmu);
	free(mmu->stripes);
	while (mmu->descs && mmu->descs->slabs) {
		struct desc_slab *s = mmu->descs->slabs;

		mmu->descs->slabs = s->next;
		free(s);
	}
	free(mmu->descs);
}
