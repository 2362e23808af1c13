/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rings, their writers and their readers.
 *
 * A writer marks its slot busy, takes the next number, puts it beside the mark, stores the words and then
 * the number alone. Each store after the mark is a release, so whoever has read one of the words (by an
 * acquire) and then finds the number it found before has read one record. A ring of a vCPU has one writer;
 * the last one has several, and one that finds its slot still busy after a whole turn of the ring gives
 * its number up: the record counts as lost.
 *
 * A reader takes the newest number first. Who has taken a number up to it had marked its slot before, so
 * such a record is in its slot, or being written, or lost: nothing else. It looks no further than the
 * first that is being written.
 *
 * Locks: none. Read first: trace.h, trace_hook.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "shadow/page.h"

/* Looks at a slot that is marked and has no number yet: its writer is between two instructions. */
#define SPINS 2000u

const struct sh_trace_event sh_trace_events[SH_TRACES] = {
#define X(event, text, level, ...) \
	[SH_TR_##event] = {        \
		.name = #event, .help = text, .has_level = level, .field = {__VA_ARGS__}},
	SH_TRACE_EVENTS(X)
#undef X
};
_Static_assert(SH_TRACES <= 64, "one bit for each event");
_Static_assert(SH_TRACE_OTHERS == SH_MAX_VCPUS, "one ring for each vCPU");

const char *const sh_trace_why_names[SH_WHYS] = {
	[SH_WHY_NONE] = "",	  [SH_WHY_FAULT] = "fault", [SH_WHY_PREFETCH] = "prefetch",
	[SH_WHY_WRITE] = "write", [SH_WHY_SYNC] = "sync",   [SH_WHY_ZAP] = "zap",
	[SH_WHY_TRACK] = "track", [SH_WHY_UNMAP] = "unmap", [SH_WHY_ATTR] = "attribute",
};

enum sh_trace_id sh_trace_find(const char *name)
{
	unsigned i = 0;

	while (i < SH_TRACES && strcmp(sh_trace_events[i].name, name) != 0)
		i++;
	return (enum sh_trace_id)i;
}

/* ---- on and off ---- */

static int make_rings(struct sh_mmu *mmu)
{
	struct sh_trace *t = &mmu->trace;
	struct sh_trace_ring *rings, *none = NULL;
	size_t bytes = SH_TRACE_RINGS * sizeof(*rings);

	if (atomic_load(&t->rings))
		return 0;
	if (t->given) {
		atomic_store(&t->rings, t->given);
		return 0;
	}
	if (sh_inject(&mmu->inject, SH_INJECT_TRACE))
		return -ENOMEM;
	sh_may_wait();
	rings = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (rings == MAP_FAILED)
		return -ENOMEM;
	if (!atomic_compare_exchange_strong(&t->rings, &none, rings))
		munmap(rings, bytes); /* another thread was faster */
	return 0;
}

int sh_trace_set(struct sh_mmu *mmu, uint64_t events)
{
	struct sh_trace *t = &mmu->trace;
	int err = events ? make_rings(mmu) : 0;

	if (err)
		return err;
	if (!atomic_load(&t->mask) && !atomic_load(&t->last))
		sh_trace_filter(mmu, &SH_TRACE_ALL);
	atomic_store(&t->mask, events & ((1ull << SH_TRACES) - 1));
	return 0;
}

uint64_t sh_trace_get(const struct sh_mmu *mmu)
{
	return atomic_load(&mmu->trace.mask);
}

void sh_trace_filter(struct sh_mmu *mmu, const struct sh_trace_filter *f)
{
	struct sh_trace *t = &mmu->trace;

	atomic_store(&t->vcpus, f->vcpus);
	atomic_store(&t->others, f->others);
	atomic_store(&t->first, f->first);
	atomic_store(&t->last, f->last);
}

void sh_trace_clock(struct sh_mmu *mmu, uint64_t (*now)(void *ctx), void *ctx)
{
	mmu->trace.now_ctx = ctx;
	mmu->trace.now = now;
}

void sh_vcpu_rip(struct sh_vcpu *v, const uint64_t *rip)
{
	v->rip = rip;
}

void sh_trace_fini(struct sh_mmu *mmu)
{
	struct sh_trace_ring *rings = atomic_exchange(&mmu->trace.rings, NULL);

	if (rings && rings != mmu->trace.given)
		munmap(rings, SH_TRACE_RINGS * sizeof(*rings));
}

uint64_t sh_trace_newest(const struct sh_mmu *mmu)
{
	return atomic_load(&mmu->trace.seq);
}

uint64_t sh_trace_now(const struct sh_trace *t)
{
	struct timespec ts;

	if (t->now)
		return t->now(t->now_ctx);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- the filter ---- */

static uint64_t span_of(enum sh_trace_type type, uint64_t *value)
{
	if (type != SH_TF_GFN)
		return 1;
	*value <<= SH_PAGE_SHIFT;
	return SH_PAGE_SIZE;
}

static bool in_range(uint64_t first, uint64_t last, const struct sh_trace_record *r)
{
	const struct sh_trace_event *e = &sh_trace_events[r->event];

	if (first == 0 && last == UINT64_MAX)
		return true;
	for (unsigned i = 0; i < SH_TRACE_ARGS && e->field[i].name; i++) {
		enum sh_trace_type type = e->field[i].type;
		uint64_t at = r->arg[i], span;

		if (type != SH_TF_GVA && type != SH_TF_GPA && type != SH_TF_GFN)
			continue;
		span = span_of(type, &at);
		if (at <= last && at + (span - 1) >= first)
			return true;
	}
	return false;
}

bool sh_trace_match(const struct sh_trace_filter *f, const struct sh_trace_record *r)
{
	bool who = r->vcpu < SH_TRACE_OTHERS ? f->vcpus >> r->vcpu & 1 : f->others;

	return who && f->events >> r->event & 1 && in_range(f->first, f->last, r);
}

static bool wanted(struct sh_trace *t, const struct sh_trace_record *r)
{
	struct sh_trace_filter f = {
		.events = UINT64_MAX,
		.vcpus = atomic_load_explicit(&t->vcpus, memory_order_relaxed),
		.others = atomic_load_explicit(&t->others, memory_order_relaxed),
		.first = atomic_load_explicit(&t->first, memory_order_relaxed),
		.last = atomic_load_explicit(&t->last, memory_order_relaxed)};

	return sh_trace_match(&f, r);
}

/* ---- writers ---- */

static struct sh_trace_ring *ring_of(struct sh_trace *t, const struct sh_vcpu *v)
{
	struct sh_trace_ring *rings = atomic_load_explicit(&t->rings, memory_order_acquire);

	return rings ? &rings[v ? v->index : SH_TRACE_OTHERS] : NULL;
}

static uint64_t meta_of(const struct sh_trace_record *r)
{
	return r->event | (uint64_t)r->vcpu << 8 | (uint64_t)r->why << 16 |
	       (uint64_t)r->level << 24;
}

static void store_words(struct sh_trace_slot *s, const struct sh_trace_record *r)
{
	atomic_store_explicit(&s->word[0], r->ns, memory_order_release);
	atomic_store_explicit(&s->word[1], r->rip, memory_order_release);
	atomic_store_explicit(&s->word[2], meta_of(r), memory_order_release);
	for (unsigned i = 0; i < SH_TRACE_ARGS; i++)
		atomic_store_explicit(&s->word[3 + i], r->arg[i], memory_order_release);
}

static void put(struct sh_trace *t, struct sh_trace_ring *ring, const struct sh_trace_record *r)
{
	uint64_t at = atomic_fetch_add_explicit(&ring->head, 1, memory_order_relaxed);
	struct sh_trace_slot *s = &ring->slot[at % SH_TRACE_SLOTS];
	uint64_t old = atomic_load_explicit(&s->stamp, memory_order_relaxed), seq;
	bool mine = !(old & SH_TRACE_BUSY) &&
		    atomic_compare_exchange_strong(&s->stamp, &old, SH_TRACE_BUSY);

	seq = atomic_fetch_add(&t->seq, 1) + 1;
	if (!mine)
		return; /* lost, and seen to be by its number */
	atomic_store_explicit(&s->stamp, SH_TRACE_BUSY | seq, memory_order_release);
	store_words(s, r);
	atomic_store_explicit(&s->stamp, seq, memory_order_release);
}

void sh_trace_put(struct sh_trace *t, struct sh_vcpu *v, enum sh_trace_id event, unsigned level,
		  const uint64_t arg[SH_TRACE_ARGS])
{
	struct sh_trace_ring *ring = ring_of(t, v);
	struct sh_trace_record r = {.rip = v && v->rip ? *v->rip : 0,
				    .event = (uint8_t)event,
				    .vcpu = (uint8_t)(v ? v->index : SH_TRACE_OTHERS),
				    .level = (uint8_t)level};

	if (!ring)
		return;
	memcpy(r.arg, arg, sizeof(r.arg));
	if (!wanted(t, &r))
		return;
	r.why = (uint8_t)atomic_load_explicit(&ring->why, memory_order_relaxed);
	r.ns = sh_trace_now(t);
	put(t, ring, &r);
}

struct sh_trace_scope sh_trace_enter(struct sh_trace *t, const struct sh_vcpu *v,
				     enum sh_trace_why why)
{
	struct sh_trace_scope s = {.ring = ring_of(t, v)};

	if (s.ring)
		s.before = atomic_exchange_explicit(&s.ring->why, why, memory_order_relaxed);
	return s;
}

/* ---- readers ---- */

/* The numbers begin < n <= end; those of them that were found go to out[n - begin - 1]. */
struct window {
	uint64_t begin, end;
	uint64_t beyond; /* the lowest number found after them */
	struct sh_trace_record *out;
};

void sh_trace_load(const struct sh_trace_slot *s, struct sh_trace_record *r)
{
	uint64_t meta;

	r->ns = atomic_load_explicit(&s->word[0], memory_order_acquire);
	r->rip = atomic_load_explicit(&s->word[1], memory_order_acquire);
	meta = atomic_load_explicit(&s->word[2], memory_order_acquire);
	for (unsigned i = 0; i < SH_TRACE_ARGS; i++)
		r->arg[i] = atomic_load_explicit(&s->word[3 + i], memory_order_acquire);
	r->event = (uint8_t)meta;
	r->vcpu = (uint8_t)(meta >> 8);
	r->why = (uint8_t)(meta >> 16);
	r->level = (uint8_t)(meta >> 24);
}

/* The number of a slot; 0 if it has none. Numbers being written lower *settled to below them; one that is
 * not known yet, to 0. */
static uint64_t number_of(struct sh_trace_slot *s, uint64_t *settled)
{
	uint64_t n = atomic_load_explicit(&s->stamp, memory_order_acquire);

	for (unsigned i = 0; n == SH_TRACE_BUSY && i < SPINS; i++)
		n = atomic_load_explicit(&s->stamp, memory_order_acquire);
	if (!(n & SH_TRACE_BUSY))
		return n;
	n &= ~SH_TRACE_BUSY;
	if ((n ? n - 1 : 0) < *settled)
		*settled = n ? n - 1 : 0;
	return 0;
}

static void take(struct window *w, struct sh_trace_slot *s, uint64_t n)
{
	struct sh_trace_record r;

	if (n > w->end && n < w->beyond)
		w->beyond = n;
	if (n <= w->begin || n > w->end)
		return;
	sh_trace_load(s, &r);
	if (atomic_load_explicit(&s->stamp, memory_order_relaxed) != n)
		return; /* overwritten meanwhile */
	r.seq = n;
	w->out[n - w->begin - 1] = r;
}

/* From the newest backwards; a vCPU's numbers only fall that way, but for slots that its writer reaches
 * while we look. Returns up to where nothing is being written. */
static void scan_ring(struct sh_trace_ring *ring, bool one_writer, uint64_t newest,
		      struct window *w, uint64_t *settled)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	for (uint64_t i = 0; i < SH_TRACE_SLOTS && i <= head; i++) {
		struct sh_trace_slot *s = &ring->slot[(head - i) % SH_TRACE_SLOTS];
		uint64_t n = number_of(s, settled);

		/* The first one looked at is the oldest, if it is not the newest. */
		if (one_writer && i && n && n <= newest && n <= w->begin)
			return;
		if (n)
			take(w, s, n);
	}
}

static uint64_t scan(struct sh_trace_ring *rings, uint64_t newest, struct window *w)
{
	uint64_t settled = newest;

	w->beyond = UINT64_MAX;
	memset(w->out, 0, (size_t)(w->end - w->begin) * sizeof(*w->out));
	for (unsigned i = 0; i < SH_TRACE_RINGS; i++)
		scan_ring(&rings[i], i != SH_TRACE_OTHERS, newest, w, &settled);
	return settled;
}

/* Keeps what was found, settled and wanted; counts what was not found. */
static unsigned compact(struct window *w, uint64_t end, const struct sh_trace_filter *f,
			uint64_t *lost)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < end - w->begin; i++) {
		if (!w->out[i].seq)
			*lost += !sh_mutant(SH_MUT_TRACE_LOST_UNSAID);
		else if (sh_trace_match(f, &w->out[i]))
			w->out[n++] = w->out[i];
	}
	return n;
}

unsigned sh_trace_read(struct sh_mmu *mmu, struct sh_trace_read *rd,
		       const struct sh_trace_filter *f, struct sh_trace_record *out,
		       unsigned max)
{
	struct sh_trace_ring *rings = atomic_load(&mmu->trace.rings);
	struct window w = {.begin = rd->since, .out = out};
	uint64_t newest = atomic_load(&mmu->trace.seq), settled, end;
	unsigned n;

	rd->next = rd->since;
	rd->lost = 0;
	rd->more = false;
	if (!rings || newest <= rd->since || !max)
		return 0;
	w.end = newest - rd->since < max ? newest : rd->since + max;
	settled = scan(rings, newest, &w);
	if (settled <= w.begin)
		return 0; /* the writer will be through soon */
	end = w.end < settled ? w.end : settled;
	n = compact(&w, end, f, &rd->lost);
	/* All that are left of a long gap: go on behind it. */
	if (rd->lost == end - w.begin && w.beyond != UINT64_MAX && w.beyond - 1 > end &&
	    w.beyond - 1 <= settled) {
		rd->lost = w.beyond - 1 - w.begin;
		end = w.beyond - 1;
	}
	rd->next = end;
	rd->more = end < settled;
	return n;
}
