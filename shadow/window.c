/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Windows: temporary mappings of guest frames in this process.
 *
 * The lowmem span is one mapping, so a window on it is an addition. Above it each thread has a
 * reserved range of SLOTS pages with an inaccessible guard page behind each; a window maps the
 * frame over a slot. A closed slot keeps its mapping until it is needed for another frame, and a
 * later window on the same frame reuses it: the mapping is of a memfd frame that lives as long as
 * the machine, so it can't go stale. A frame has a set of WAYS slots it may be in, so that a guest
 * walk of four levels finds all four after the first time (measured with lowmem 0: 11 us a walk
 * with one slot per depth, 0.2 us with this).
 *
 * Invariants: at most GMEM_SLOTS windows are open, on distinct slots; they close in reverse order.
 * Locks: none; a slot belongs to its thread.
 * Read first: gmem.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shadow/gmem_internal.h"

#define SLOT_STRIDE (2 * SH_PAGE_SIZE)
#define WAYS	    GMEM_SLOTS /* all open windows may fall into one set */
#define SETS	    8u
#define SLOTS	    (SETS * WAYS)

static __thread uint64_t refused;

struct window_thread {
	uint8_t *base; /* SLOTS * SLOT_STRIDE reserved bytes */
	unsigned depth;
	uint8_t open[GMEM_SLOTS]; /* slot of each open window */
	bool in_use[SLOTS];
	uint8_t hand[SETS];	/* next slot to give up */
	uint64_t offset[SLOTS]; /* what each slot maps; UINT64_MAX for nothing */
};

static void thread_free(void *arg)
{
	struct window_thread *t = arg;

	munmap(t->base, SLOTS * SLOT_STRIDE);
	free(t);
}

int gmem_windows_init(struct gmem *gm)
{
	int err = pthread_key_create(&gm->slots_key, thread_free);

	if (err)
		return -err;
	gm->have_key = true;
	if (!gm->lowmem)
		return 0;
	gm->low = mmap(NULL, gm->lowmem, PROT_READ | PROT_WRITE, MAP_SHARED, gm->fd, 0);
	if (gm->low == MAP_FAILED) {
		gm->low = NULL;
		return -errno;
	}
	/* Guest memory has no business in a core dump of the monitor. */
	madvise(gm->low, gm->lowmem, MADV_DONTDUMP);
	return 0;
}

void gmem_windows_fini(struct gmem *gm)
{
	gmem_thread_exit(gm);
	if (gm->have_key)
		pthread_key_delete(gm->slots_key);
	if (gm->low)
		munmap(gm->low, gm->lowmem);
}

static struct window_thread *thread_slots(struct gmem *gm)
{
	struct window_thread *t = pthread_getspecific(gm->slots_key);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	memset(t->offset, 0xff, sizeof(t->offset));
	t->base = mmap(NULL, SLOTS * SLOT_STRIDE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->base == MAP_FAILED || pthread_setspecific(gm->slots_key, t)) {
		if (t->base != MAP_FAILED)
			munmap(t->base, SLOTS * SLOT_STRIDE);
		free(t);
		return NULL;
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
	thread_free(t);
	return held;
}

static unsigned set_of(uint64_t offset)
{
	uint64_t frame = offset >> SH_PAGE_SHIFT;

	return (unsigned)(frame ^ frame >> 3 ^ frame >> 9) % SETS;
}

/* A closed slot that maps offset already, else one to give up. */
static unsigned pick_slot(struct window_thread *t, uint64_t offset)
{
	unsigned set = set_of(offset), first = set * WAYS;

	for (unsigned i = first; i < first + WAYS; i++)
		if (t->offset[i] == offset && !t->in_use[i])
			return i;
	do
		t->hand[set] = (uint8_t)((t->hand[set] + 1) % WAYS);
	while (t->in_use[first + t->hand[set]]);
	return first + t->hand[set];
}

static void *slot_map(struct gmem *gm, struct window_thread *t, uint64_t offset)
{
	unsigned i = pick_slot(t, offset);
	uint8_t *at = t->base + i * SLOT_STRIDE;

	atomic_fetch_add_explicit(&gm->maps_slot, 1, memory_order_relaxed);
	if (t->offset[i] != offset) {
		atomic_fetch_add_explicit(&gm->slot_misses, 1, memory_order_relaxed);
		t->offset[i] = UINT64_MAX;
		if (mmap(at, SH_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 gm->fd, (off_t)offset) == MAP_FAILED)
			return NULL;
		madvise(at, SH_PAGE_SIZE, MADV_DONTDUMP);
		t->offset[i] = offset;
	}
	t->in_use[i] = true;
	t->open[t->depth++] = (uint8_t)i;
	return at;
}

void *gmem_map(struct gmem *gm, gfn_t gfn)
{
	struct window_thread *t;
	uint64_t offset;
	void *p = NULL;

	if (!gmem_offset(gm, gfn, &offset))
		return NULL;
	if (offset < gm->lowmem)
		return gm->low + offset;
	t = thread_slots(gm);
	if (t && t->depth == GMEM_SLOTS)
		atomic_fetch_add_explicit(&gm->exhausted, 1, memory_order_relaxed);
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

	if (gm->low && (uint8_t *)p >= gm->low && (uint8_t *)p < gm->low + gm->lowmem)
		return;
	t = pthread_getspecific(gm->slots_key);
	if (!t || !t->depth || (uint8_t *)p != t->base + t->open[t->depth - 1] * SLOT_STRIDE) {
		atomic_fetch_add_explicit(&gm->lifo_errors, 1, memory_order_relaxed);
		return;
	}
	t->in_use[t->open[--t->depth]] = false;
}

void gmem_stats(const struct gmem *gm, struct gmem_stats *out)
{
	*out = (struct gmem_stats){
		.maps_slot = atomic_load_explicit(&gm->maps_slot, memory_order_relaxed),
		.slot_misses = atomic_load_explicit(&gm->slot_misses, memory_order_relaxed),
		.exhausted = atomic_load_explicit(&gm->exhausted, memory_order_relaxed),
		.lifo_errors = atomic_load_explicit(&gm->lifo_errors, memory_order_relaxed),
	};
}
