/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Atomic windows: temporary mappings of guest frames in this process, for one thread, from map to
 * unmap without a wait between.
 *
 * The lowmem span is one mapping, so a window on it is an addition. Above it each thread has a
 * range of slots with an inaccessible guard page before, between and behind them; a window maps the
 * frame over a slot. A closed slot keeps its mapping until it is needed for another frame, and a
 * later window on the same frame reuses it: the mapping is of a memfd frame that lives as long as
 * the machine, so it can't go stale. A frame has a set of ways it may be in, so that a guest walk of
 * four levels finds all four after the first time (measured with lowmem 0: 11 us a walk with one
 * slot per depth, 0.1 us with this). In debug mode a closed slot is unmapped at once.
 *
 * Invariants: at most GMEM_SLOTS windows are open, on distinct slots; they close in reverse order.
 * Locks: none; a slot belongs to its thread. The list of threads grows by exchange.
 * Read first: gmem.h. Read next: window_pool.c, window_switch.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shadow/gmem_internal.h"

#define FAST_TLS __thread __attribute__((tls_model("initial-exec")))

FAST_TLS struct sh_held sh_held;
static FAST_TLS uint64_t refused;
/* The slots this thread used last, and of which memory, by its id: an address may be reused. */
static FAST_TLS struct {
	uint64_t id;
	struct window_thread *t;
} last;

void sh_waited_in_window(const char *where)
{
	struct gmem *gm = sh_held.gm;

	atomic_fetch_add_explicit(&gm->wait_violations, 1, memory_order_relaxed);
	atomic_store_explicit(&gm->violator, where, memory_order_relaxed);
}

void gmem_set_inject(struct gmem *gm, struct sh_inject *in)
{
	atomic_store(&gm->inject, in);
}

bool window_refused(struct gmem *gm, enum sh_inject_point p)
{
	struct sh_inject *in = atomic_load_explicit(&gm->inject, memory_order_relaxed);

	return in && sh_inject(in, p);
}

int window_show(struct gmem *gm, uint8_t *at, uint64_t offset)
{
	if (mmap(at, SH_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, gm->fd,
		 (off_t)offset) == MAP_FAILED)
		return -errno;
	madvise(at, SH_PAGE_SIZE, MADV_DONTDUMP);
	return 0;
}

int window_hide(uint8_t *at, size_t n)
{
	void *p = mmap(at, n, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static void thread_release(void *arg)
{
	struct window_thread *t = arg;

	munmap(t->base, WINDOW_BYTES(WINDOW_CACHE));
	t->base = NULL;
	sh_held.depth -= t->depth;
	t->depth = 0;
	if (last.t == t)
		last.id = 0;
	atomic_store_explicit(&t->owned, false, memory_order_release);
}

static int map_lowmem(struct gmem *gm)
{
	void *p;

	if (!gm->lowmem)
		return 0;
	sh_may_wait();
	p = mmap(NULL, gm->lowmem, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, gm->fd,
		 0);
	if (p == MAP_FAILED)
		return -errno;
	gm->low = p;
	/* Guest memory has no business in a core dump of the monitor. */
	madvise(gm->low, gm->lowmem, MADV_DONTDUMP);
	return 0;
}

int gmem_windows_init(struct gmem *gm)
{
	int err = pthread_key_create(&gm->slots_key, thread_release);

	if (err)
		return -err;
	gm->have_key = true;
	return map_lowmem(gm);
}

void gmem_windows_fini(struct gmem *gm)
{
	struct window_thread *t, *next;

	gmem_thread_exit(gm);
	if (gm->have_key)
		pthread_key_delete(gm->slots_key);
	for (t = atomic_load(&gm->threads); t; t = next) {
		next = t->next;
		if (t->base)
			munmap(t->base, WINDOW_BYTES(WINDOW_CACHE));
		free(t);
	}
	if (gm->low)
		munmap(gm->low, gm->lowmem);
}

/* The record of a thread that has ended, or a new one; owned by the caller. */
static struct window_thread *record_get(struct gmem *gm)
{
	struct window_thread *t = atomic_load_explicit(&gm->threads, memory_order_acquire);

	for (; t; t = t->next)
		if (!atomic_load_explicit(&t->owned, memory_order_relaxed) &&
		    !atomic_exchange_explicit(&t->owned, true, memory_order_acquire))
			return t;
	sh_may_wait();
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	atomic_store_explicit(&t->owned, true, memory_order_relaxed);
	t->next = atomic_load_explicit(&gm->threads, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(
		&gm->threads, &t->next, t, memory_order_release, memory_order_relaxed))
		;
	return t;
}

static struct window_thread *thread_new(struct gmem *gm)
{
	struct window_thread *t = window_refused(gm, SH_INJECT_THREAD) ? NULL : record_get(gm);
	void *base;

	if (!t)
		return NULL;
	sh_may_wait();
	base = mmap(NULL, WINDOW_BYTES(WINDOW_CACHE), PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		atomic_store_explicit(&t->owned, false, memory_order_release);
		return NULL;
	}
	t->base = base;
	memset(t->in_use, 0, sizeof(t->in_use));
	memset(t->offset, 0xff, sizeof(t->offset));
	if (pthread_setspecific(gm->slots_key, t)) {
		thread_release(t);
		return NULL;
	}
	return t;
}

static struct window_thread *thread_slots(struct gmem *gm)
{
	struct window_thread *t;

	if (last.id == gm->id)
		return last.t;
	t = pthread_getspecific(gm->slots_key);
	if (!t)
		t = thread_new(gm);
	if (t) {
		last.id = gm->id;
		last.t = t;
	}
	return t;
}

unsigned gmem_thread_exit(struct gmem *gm)
{
	struct window_thread *t = gm->have_key ? pthread_getspecific(gm->slots_key) : NULL;
	unsigned held;

	if (!t)
		return 0;
	held = t->depth;
	pthread_setspecific(gm->slots_key, NULL);
	thread_release(t);
	return held;
}

unsigned gmem_held(struct gmem *gm)
{
	struct window_thread *t = pthread_getspecific(gm->slots_key);

	return t ? t->depth : 0;
}

static unsigned set_of(uint64_t offset)
{
	uint64_t frame = offset >> SH_PAGE_SHIFT;

	return (unsigned)(frame ^ frame >> 3 ^ frame >> 9) % WINDOW_SETS;
}

/* A closed slot that maps offset already, else one to give up. */
static unsigned pick_slot(struct window_thread *t, uint64_t offset)
{
	unsigned set = set_of(offset), first = set * WINDOW_WAYS;

	for (unsigned i = first; i < first + WINDOW_WAYS; i++)
		if (t->offset[i] == offset && !t->in_use[i])
			return i;
	do
		t->hand[set] = (uint8_t)((t->hand[set] + 1) % WINDOW_WAYS);
	while (t->in_use[first + t->hand[set]]);
	return first + t->hand[set];
}

static void *slot_map(struct gmem *gm, struct window_thread *t, uint64_t offset)
{
	unsigned i = pick_slot(t, offset);
	uint8_t *at = window_slot(t->base, i);

	window_count(&t->maps);
	if (t->offset[i] != offset) {
		window_count(&t->misses);
		t->offset[i] = WINDOW_NOTHING;
		if (window_refused(gm, SH_INJECT_WINDOW) || window_show(gm, at, offset))
			return NULL;
		t->offset[i] = offset;
	}
	t->in_use[i] = true;
	t->open[t->depth++] = (uint8_t)i;
	sh_held.depth++;
	sh_held.gm = gm;
	if (t->depth > atomic_load_explicit(&t->max_depth, memory_order_relaxed))
		atomic_store_explicit(&t->max_depth, t->depth, memory_order_relaxed);
	return at;
}

void *gmem_map(struct gmem *gm, gfn_t gfn)
{
	struct window_thread *t;
	uint64_t offset;
	void *p = NULL;

	if (gfn.v < gm->low_frames)
		return gm->low + (gfn.v << SH_PAGE_SHIFT);
	if (!gmem_offset(gm, gfn, &offset))
		return NULL;
	if (offset < gm->lowmem)
		return gm->low + offset;
	t = thread_slots(gm);
	if (t && t->depth == GMEM_SLOTS)
		window_count(&t->exhausted);
	else if (t)
		p = slot_map(gm, t, offset);
	refused += !p;
	return p;
}

uint64_t gmem_refused(void)
{
	return refused;
}

void gmem_unmap(struct gmem *gm, void *p)
{
	struct window_thread *t;
	unsigned i;

	if (gmem_is_low(gm, p))
		return;
	t = thread_slots(gm);
	if (!t)
		return;
	if (!t->depth || p != window_slot(t->base, t->open[t->depth - 1])) {
		window_count(&t->lifo_errors);
		return;
	}
	i = t->open[--t->depth];
	t->in_use[i] = false;
	sh_held.depth--;
	if (!gm->debug)
		return;
	t->offset[i] = WINDOW_NOTHING;
	/* If the host refuses this, a stray use is not caught; nothing else is wrong. */
	window_hide(p, SH_PAGE_SIZE);
}
