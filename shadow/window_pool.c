/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Persistent windows: a pool of slots that all threads share. One may be held across a wait and
 * closed by another thread, and any number of users share the one window of a frame.
 *
 * Each slot has a count:
 *   0      free and clean: maps nothing, no frame is looked up here
 *   1      no user, but it still maps its frame; a new user of that frame takes it as it is
 *   n > 1  n - 1 users
 * A count never goes from 1 to 0 but by a flush, and only a slot at 0 is given to another frame. A
 * flush happens when no slot is at 0. It takes the longest run of slots without users, guard pages
 * and all, in one system call: with nothing held that is the whole pool, so that P frames in turn
 * cost P maps and one flush. When every slot has users, the caller sleeps until one is released;
 * and then looks for its frame again before anything else, because whoever woke first may have
 * mapped it.
 *
 * Invariants: a frame has at most one slot with a count above 0. Locks: pool->lock around all of it;
 * innermost but for the wait on pool->released. Read first: window.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "shadow/gmem_internal.h"

#define NO_SLOT GMEM_POOL_MAX

int gmem_pool_init(struct gmem *gm, unsigned slots)
{
	struct window_pool *pool = &gm->pool;
	pthread_condattr_t attr;
	void *p;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->released, &attr);
	pthread_condattr_destroy(&attr);
	pool->have_lock = true;
	pool->slots = slots;
	if (gm->lowmem == gm->size)
		return 0;
	sh_may_wait();
	p = mmap(NULL, WINDOW_BYTES(slots), PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	pool->base = p;
	return 0;
}

void gmem_pool_fini(struct gmem *gm)
{
	struct window_pool *pool = &gm->pool;

	if (pool->base)
		munmap(pool->base, WINDOW_BYTES(pool->slots));
	if (!pool->have_lock)
		return;
	pthread_cond_destroy(&pool->released);
	pthread_mutex_destroy(&pool->lock);
}

static uint8_t *slot_at(const struct window_pool *pool, unsigned i)
{
	return pool->base + SH_PAGE_SIZE + i * WINDOW_STRIDE;
}

/* ---- frame -> slot; lock held ---- */
static uint8_t *bucket(struct window_pool *pool, uint64_t offset)
{
	return &pool->bucket[(offset >> SH_PAGE_SHIFT) % GMEM_POOL_MAX];
}

static unsigned find(struct window_pool *pool, uint64_t offset)
{
	for (unsigned n = *bucket(pool, offset); n; n = pool->next[n - 1])
		if (pool->offset[n - 1] == offset)
			return n - 1;
	return NO_SLOT;
}

static void enter(struct window_pool *pool, unsigned i, uint64_t offset)
{
	uint8_t *b = bucket(pool, offset);

	pool->offset[i] = offset;
	pool->next[i] = *b;
	*b = (uint8_t)(i + 1);
}

static void leave(struct window_pool *pool, unsigned i)
{
	uint8_t *b = bucket(pool, pool->offset[i]);

	while (*b != i + 1)
		b = &pool->next[*b - 1];
	*b = pool->next[i];
}

/* ---- slots; lock held ---- */

/* The longest run of slots without users: its first slot and length. */
static unsigned longest_run(const struct window_pool *pool, unsigned *first)
{
	unsigned best = 0, n = 0;

	for (unsigned i = 0; i < pool->slots; i++) {
		n = pool->count[i] <= 1 ? n + 1 : 0;
		if (n > best) {
			best = n;
			*first = i + 1 - n;
		}
	}
	return best;
}

static int flush(struct window_pool *pool)
{
	unsigned first = 0, n = longest_run(pool, &first);
	int err;

	if (!n)
		return -EAGAIN;
	err = window_hide(slot_at(pool, first), n * WINDOW_STRIDE - SH_PAGE_SIZE);
	if (err)
		return err;
	window_count(&pool->flushes);
	for (unsigned i = first; i < first + n; i++) {
		if (!pool->count[i])
			continue;
		leave(pool, i);
		pool->count[i] = 0;
	}
	pool->hand = first;
	return 0;
}

static unsigned clean_slot(struct window_pool *pool)
{
	for (unsigned k = 0; k < pool->slots; k++) {
		unsigned i = (pool->hand + k) % pool->slots;

		if (!pool->count[i]) {
			pool->hand = (i + 1) % pool->slots;
			return i;
		}
	}
	return NO_SLOT;
}

/* With the bug: a slot without users is taken for clean, with no system call between two frames. */
static unsigned unflushed_slot(struct window_pool *pool, uint64_t offset)
{
	for (unsigned i = 0; i < pool->slots; i++)
		if (pool->count[i] == 1) {
			leave(pool, i);
			enter(pool, i, offset);
			return i;
		}
	return NO_SLOT;
}

/* A slot that maps offset, at count 1; -EAGAIN when all have users, or what the host says. */
static int take(struct gmem *gm, uint64_t offset, unsigned *slot)
{
	struct window_pool *pool = &gm->pool;
	unsigned i = clean_slot(pool);
	int err;

	if (window_refused(gm, SH_INJECT_POOL_MAP))
		return -ENOMEM;
	if (i == NO_SLOT && sh_mutant(SH_MUT_REUSE_UNFLUSHED)) {
		*slot = unflushed_slot(pool, offset);
		return *slot == NO_SLOT ? -EAGAIN : 0;
	}
	if (i == NO_SLOT) {
		err = flush(pool);
		if (err)
			return err;
		i = clean_slot(pool);
	}
	err = window_show(gm, slot_at(pool, i), offset);
	if (err)
		return err;
	enter(pool, i, offset);
	pool->count[i] = 1;
	*slot = i;
	return 0;
}

/* Sleeps until a slot is released. -ETIMEDOUT at the end of the caller's patience. */
static int wait_released(struct window_pool *pool, const struct timespec *until)
{
	int err;

	window_count(&pool->waits);
	sh_may_wait();
	err = pthread_cond_timedwait(&pool->released, &pool->lock, until);
	if (err)
		window_count(&pool->timeouts);
	return -err;
}

/* One more user for the slot of offset, which is found or made. */
static int use(struct gmem *gm, uint64_t offset, bool look, unsigned *slot)
{
	struct window_pool *pool = &gm->pool;
	int err;

	*slot = look ? find(pool, offset) : NO_SLOT;
	if (*slot != NO_SLOT) {
		window_count(&pool->hits);
	} else {
		err = take(gm, offset, slot);
		if (err)
			return err;
	}
	pool->count[*slot]++;
	return 0;
}

/* All n, or none. Lowmem needs no slot. */
static int use_all(struct gmem *gm, const uint64_t *offset, unsigned n, bool look,
		   unsigned *slot)
{
	for (unsigned k = 0; k < n; k++) {
		int err = 0;

		slot[k] = NO_SLOT;
		if (offset[k] >= gm->lowmem)
			err = use(gm, offset[k], look, &slot[k]);
		if (!err)
			continue;
		while (k-- > 0)
			if (slot[k] != NO_SLOT)
				gm->pool.count[slot[k]]--;
		return err;
	}
	return 0;
}

/* Nobody holds one slot while it waits for another, so waiters can't block each other. */
static int use_or_wait(struct gmem *gm, const uint64_t *offset, unsigned n, unsigned *slot)
{
	struct timespec until;
	bool look = true;
	int err = use_all(gm, offset, n, look, slot);

	if (err != -EAGAIN)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GMEM_POOL_PATIENCE;
	look = !sh_mutant(SH_MUT_NO_RECHECK);
	do {
		err = wait_released(&gm->pool, &until);
		if (!err)
			err = use_all(gm, offset, n, look, slot);
	} while (err == -EAGAIN);
	return err;
}

int gmem_pool_map_n(struct gmem *gm, gfn_t gfn, unsigned n, void *p[])
{
	struct window_pool *pool = &gm->pool;
	uint64_t offset[GMEM_POOL_AT_ONCE];
	unsigned slot[GMEM_POOL_AT_ONCE], low = 0;
	int err = 0;

	if (n > GMEM_POOL_AT_ONCE)
		return -EINVAL;
	for (unsigned k = 0; k < n; k++) {
		if (!gmem_offset(gm, GFN(gfn.v + k), &offset[k]))
			return -EFAULT;
		slot[k] = NO_SLOT;
		low += offset[k] < gm->lowmem;
	}
	if (low < n) {
		if (window_refused(gm, SH_INJECT_POOL))
			return -ETIMEDOUT;
		sh_may_wait();
		pthread_mutex_lock(&pool->lock);
		window_count(&pool->maps);
		err = use_or_wait(gm, offset, n, slot);
		pthread_mutex_unlock(&pool->lock);
	}
	for (unsigned k = 0; k < n && !err; k++)
		p[k] = slot[k] == NO_SLOT ? gm->low + offset[k] : slot_at(pool, slot[k]);
	return err;
}

void *gmem_pool_map(struct gmem *gm, gfn_t gfn)
{
	void *p;

	return gmem_pool_map_n(gm, gfn, 1, &p) ? NULL : p;
}

/* Nobody holds it, and from now on nobody can reach its frame through it. */
static void hide_closed(struct window_pool *pool, unsigned i)
{
	if (window_hide(slot_at(pool, i), SH_PAGE_SIZE))
		return;
	leave(pool, i);
	pool->count[i] = 0;
}

/* Slot of a pointer that gmem_pool_map() gave out, else NO_SLOT. */
static unsigned slot_of(const struct window_pool *pool, const void *p)
{
	uintptr_t d = (uintptr_t)p - (uintptr_t)pool->base - SH_PAGE_SIZE;

	if (!pool->base || d % WINDOW_STRIDE || d / WINDOW_STRIDE >= pool->slots)
		return NO_SLOT;
	return (unsigned)(d / WINDOW_STRIDE);
}

void gmem_pool_unmap(struct gmem *gm, void *p)
{
	struct window_pool *pool = &gm->pool;
	unsigned i;

	if (gmem_is_low(gm, p))
		return;
	i = slot_of(pool, p);
	sh_may_wait();
	pthread_mutex_lock(&pool->lock);
	if (i == NO_SLOT || pool->count[i] < 2) {
		window_count(&pool->errors);
	} else if (--pool->count[i] == 1) {
		if (gm->debug)
			hide_closed(pool, i);
		pthread_cond_broadcast(&pool->released);
	}
	pthread_mutex_unlock(&pool->lock);
}

static gfn_t frame_of(const struct gmem *gm, uint64_t offset)
{
	for (unsigned i = 0; i < gm->regions; i++) {
		uint64_t d = (offset - gm->region[i].offset) >> SH_PAGE_SHIFT;

		if (offset >= gm->region[i].offset && d < gm->region[i].frames)
			return GFN(gm->region[i].gfn.v + d);
	}
	return GFN(UINT64_MAX);
}

void gmem_pool_purge(struct gmem *gm, gfn_t gfn, uint64_t frames)
{
	struct window_pool *pool = &gm->pool;

	if (!pool->base || sh_mutant(SH_MUT_WINDOWS_OUTLIVE))
		return;
	sh_may_wait();
	pthread_mutex_lock(&pool->lock);
	for (unsigned i = 0; i < pool->slots; i++)
		if (pool->count[i] == 1 && frame_of(gm, pool->offset[i]).v - gfn.v < frames)
			hide_closed(pool, i);
	pthread_mutex_unlock(&pool->lock);
}

uint32_t gmem_pool_count(struct gmem *gm, const void *p)
{
	struct window_pool *pool = &gm->pool;
	unsigned i = slot_of(pool, p);
	uint32_t n;

	sh_may_wait();
	pthread_mutex_lock(&pool->lock);
	n = i == NO_SLOT ? 0 : pool->count[i];
	pthread_mutex_unlock(&pool->lock);
	return n;
}
