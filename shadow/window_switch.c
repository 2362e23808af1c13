/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Taking a walker's open windows away and giving them back, and the counters of all windows.
 *
 * A thread that carries several walkers (an engine that runs more than one vCPU on a thread, a
 * monitor that is interrupted) parks the windows of one before it turns to another: the other finds
 * all slots free, whatever it does to them, and afterwards the first finds its frames again at the
 * addresses where it left them.
 * Locks: none; a thread's slots are its own. Counters are read while they change.
 * Read first: window.c.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "shadow/gmem_internal.h"

void gmem_park(struct gmem *gm, struct gmem_parked *out)
{
	struct window_thread *t = pthread_getspecific(gm->slots_key);

	out->depth = t ? t->depth : 0;
	for (unsigned d = 0; d < out->depth; d++) {
		unsigned i = t->open[d];

		out->slot[d] = (uint8_t)i;
		out->offset[d] = t->offset[i];
		t->in_use[i] = false;
		/* What still points here faults until the windows are back. */
		t->offset[i] = WINDOW_NOTHING;
		window_hide(window_slot(t->base, i), SH_PAGE_SIZE);
	}
	if (t)
		t->depth = 0;
	sh_held.depth -= out->depth;
}

int gmem_unpark(struct gmem *gm, const struct gmem_parked *in)
{
	struct window_thread *t = pthread_getspecific(gm->slots_key);

	if (!in->depth)
		return 0;
	if (!t || t->depth)
		return -EBUSY;
	for (unsigned d = 0; d < in->depth; d++) {
		unsigned i = in->slot[d];

		if (t->offset[i] == in->offset[d] || sh_mutant(SH_MUT_UNPARK_BLINDLY))
			continue;
		t->offset[i] = WINDOW_NOTHING;
		if (window_refused(gm, SH_INJECT_WINDOW) ||
		    window_show(gm, window_slot(t->base, i), in->offset[d]))
			return -ENOMEM;
		t->offset[i] = in->offset[d];
	}
	for (unsigned d = 0; d < in->depth; d++) {
		t->open[d] = in->slot[d];
		t->in_use[in->slot[d]] = true;
	}
	t->depth = in->depth;
	sh_held.depth += in->depth;
	sh_held.gm = gm;
	return 0;
}

void gmem_windows_steal(struct gmem *gm, gfn_t gfn)
{
	struct window_thread *t = pthread_getspecific(gm->slots_key);
	uint64_t offset;

	if (!t || !gmem_offset(gm, gfn, &offset))
		return;
	for (unsigned i = 0; i < WINDOW_CACHE; i++) {
		window_show(gm, window_slot(t->base, i), offset);
		t->offset[i] = WINDOW_NOTHING;
	}
}

static uint64_t get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

void gmem_stats(const struct gmem *gm, struct gmem_stats *out)
{
	const struct window_thread *t =
		atomic_load_explicit(&gm->threads, memory_order_acquire);
	const struct window_pool *p = &gm->pool;

	*out = (struct gmem_stats){
		.pool_maps = get(&p->maps),
		.pool_hits = get(&p->hits),
		.pool_flushes = get(&p->flushes),
		.pool_waits = get(&p->waits),
		.pool_timeouts = get(&p->timeouts),
		.pool_errors = get(&p->errors),
		.wait_violations = get(&gm->wait_violations),
		.violator = atomic_load_explicit(&gm->violator, memory_order_relaxed),
	};
	for (; t; t = t->next) {
		uint64_t depth = get(&t->max_depth);

		out->maps_slot += get(&t->maps);
		out->slot_misses += get(&t->misses);
		out->exhausted += get(&t->exhausted);
		out->lifo_errors += get(&t->lifo_errors);
		out->max_depth = depth > out->max_depth ? depth : out->max_depth;
	}
}
