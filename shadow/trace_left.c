/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rings in memory that the caller gave, and what is found there when their writers have gone, or while
 * they go on.
 *
 * Nothing in such memory is believed: it may come from a file. A record is what has a number and names an
 * event, a reason and a vCPU that there are.
 *
 * Locks: none. Read first: trace.c.
 */
#include <string.h>

#include "shadow/page.h"

size_t sh_trace_bytes(void)
{
	return SH_TRACE_RINGS * sizeof(struct sh_trace_ring);
}

void sh_trace_memory(struct sh_mmu *mmu, void *mem)
{
	mmu->trace.given = mem;
}

void sh_trace_part(unsigned vcpu, size_t *at, size_t *bytes)
{
	*at = vcpu * sizeof(struct sh_trace_ring);
	*bytes = sizeof(struct sh_trace_ring);
}

/* False: there is none, or a writer is at it. */
static bool load(const struct sh_trace_slot *s, struct sh_trace_record *r)
{
	uint64_t n = atomic_load_explicit(&s->stamp, memory_order_acquire);

	if (!n || n & SH_TRACE_BUSY)
		return false;
	sh_trace_load(s, r);
	r->seq = n;
	return atomic_load_explicit(&s->stamp, memory_order_relaxed) == n &&
	       r->event < SH_TRACES && r->why < SH_WHYS && r->vcpu <= SH_TRACE_OTHERS;
}

/* Calls found() for each record. */
static void each(const struct sh_trace_ring *rings,
		 void (*found)(void *arg, const struct sh_trace_record *r), void *arg)
{
	struct sh_trace_record r;

	for (unsigned i = 0; i < SH_TRACE_RINGS; i++) {
		bool used = atomic_load_explicit(&rings[i].head, memory_order_relaxed);

		for (unsigned k = 0; used && k < SH_TRACE_SLOTS; k++)
			if (load(&rings[i].slot[k], &r))
				found(arg, &r);
	}
}

struct left {
	uint64_t newest, begin;
	struct sh_trace_record *out; /* number n at n - begin - 1 */
};

static void find_newest(void *arg, const struct sh_trace_record *r)
{
	struct left *l = arg;

	if (r->seq > l->newest)
		l->newest = r->seq;
}

static void keep(void *arg, const struct sh_trace_record *r)
{
	struct left *l = arg;

	if (r->seq > l->begin && r->seq <= l->newest)
		l->out[r->seq - l->begin - 1] = *r;
}

unsigned sh_trace_left(const void *mem, struct sh_trace_record *out, unsigned max,
		       uint64_t *lost)
{
	struct left l = {.out = out};
	uint64_t first = 0;
	unsigned n = 0;

	each(mem, find_newest, &l);
	l.begin = l.newest > max ? l.newest - max : 0;
	memset(out, 0, (size_t)(l.newest - l.begin) * sizeof(*out));
	each(mem, keep, &l);
	for (uint64_t i = 0; i < l.newest - l.begin; i++)
		if (out[i].seq) {
			first = n ? first : out[i].seq;
			out[n++] = out[i];
		}
	*lost = n ? l.newest - first + 1 - n : 0;
	return n;
}
