/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The oracle of staleness: histories of memory, of registers and of events that drop, and a search
 * through what a walk may have read when.
 *
 * The search lets the reference MMU translate again and again; its reads of entries are answered
 * with one value after another out of each word's history. Events that drop the paging-structure
 * caches cut time into spans, and the reads of one translation all lie within one span.
 * Invariants: a word without a history was never written; times grow by one with each thing told.
 * Read first: stale.h.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/model/stale.h"

#define BIT(n) (1ull << (n))
#define PG     BIT(31)
#define PSE    BIT(4)
#define PAE    BIT(5)
#define PGE    BIT(7)
#define LA57   BIT(12)
#define PCIDE  BIT(17)
#define SMEP   BIT(20)
#define LMA    BIT(10)
#define NXE    BIT(11)

#define FOREVER UINT64_MAX
#define ANY	UINT32_MAX /* PCID */

/* One value a word had, from some time to that of the next newer one. */
struct version {
	uint64_t value, from;
	uint32_t older; /* 0: none */
};

/* Registers as they were for a while. */
struct context {
	struct mm_cpu cpu;
	uint64_t from, to;
};

/* An event and what it drops, of one PCID or ANY. */
struct drop {
	uint64_t when;
	uint32_t pcid;
	bool page;  /* translations of va only */
	bool whole; /* all of them of a large page it is in */
	uint64_t va;
	bool tlb, global; /* non-global and global translations */
	bool psc, psc_va; /* paging-structure caches: all, or those used for va */
};

struct vcpu {
	uint64_t base; /* everything was dropped */
	struct context *context;
	size_t contexts, context_room; /* the last one is now */
	struct drop *drop;
	size_t drops, drop_room;
};

struct stale {
	uint64_t now, bytes;
	uint32_t *newest; /* of each 8-byte word */
	struct version *version;
	uint32_t versions, version_room, unused; /* unused: list of free ones */
	unsigned vcpus;
	struct vcpu vcpu[];
};

/* Tests have nothing to fall back on. */
static void *grown(void *array, size_t *room, size_t used, size_t each)
{
	if (used < *room)
		return array;
	*room = *room ? 2 * *room : 64;
	array = realloc(array, *room * each);
	if (!array)
		abort();
	return array;
}

struct stale *stale_create(unsigned vcpus, uint64_t bytes)
{
	struct stale *s = calloc(1, sizeof(*s) + vcpus * sizeof(s->vcpu[0]));

	if (!s)
		return NULL;
	s->bytes = bytes & ~7ull;
	s->vcpus = vcpus;
	s->versions = 1;
	s->newest = calloc(bytes / 8 + 1, sizeof(*s->newest));
	if (!s->newest) {
		free(s);
		return NULL;
	}
	return s;
}

void stale_destroy(struct stale *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->vcpus; i++) {
		free(s->vcpu[i].context);
		free(s->vcpu[i].drop);
	}
	free(s->version);
	free(s->newest);
	free(s);
}

static uint64_t oldest_base(const struct stale *s)
{
	uint64_t base = FOREVER;

	for (unsigned i = 0; i < s->vcpus; i++)
		base = s->vcpu[i].base < base ? s->vcpu[i].base : base;
	return base;
}

/* Lets go of versions that every vCPU has dropped since. */
static void prune(struct stale *s, uint32_t v)
{
	uint64_t base = oldest_base(s);

	while (v && s->version[v].from > base)
		v = s->version[v].older;
	while (v && s->version[v].older) {
		uint32_t old = s->version[v].older;

		s->version[v].older = s->version[old].older;
		s->version[old].older = s->unused;
		s->unused = old;
	}
}

static uint32_t new_version(struct stale *s)
{
	uint32_t v = s->unused;
	size_t room = s->version_room;

	if (v) {
		s->unused = s->version[v].older;
		return v;
	}
	s->version = grown(s->version, &room, s->versions, sizeof(*s->version));
	s->version_room = (uint32_t)room;
	return s->versions++;
}

static void set_word(struct stale *s, uint64_t index, uint64_t value, uint64_t when)
{
	uint32_t v = new_version(s);

	s->version[v] = (struct version){value, when, s->newest[index]};
	s->newest[index] = v;
}

static uint64_t word_now(const struct stale *s, uint64_t index)
{
	return s->newest[index] ? s->version[s->newest[index]].value : 0;
}

void stale_write(struct stale *s, uint64_t pa, const void *from, size_t n)
{
	const uint8_t *p = from;

	s->now++;
	while (n && pa < s->bytes) {
		size_t at = pa & 7, room = n < 8 - at ? n : 8 - at;
		uint64_t old = word_now(s, pa / 8), value = old;

		memcpy((uint8_t *)&value + at, p, room);
		if (value != old) {
			if (!s->newest[pa / 8])
				set_word(s, pa / 8, 0, 0);
			set_word(s, pa / 8, value, s->now);
			prune(s, s->newest[pa / 8]);
		}
		p += room;
		pa += room;
		n -= room;
	}
}

void stale_read(const struct stale *s, uint64_t pa, void *to, size_t n)
{
	uint8_t *p = to;

	while (n) {
		size_t at = pa & 7, room = n < 8 - at ? n : 8 - at;
		uint64_t word = pa < s->bytes ? word_now(s, pa / 8) : FOREVER;

		memcpy(p, (uint8_t *)&word + at, room);
		p += room;
		pa += room;
		n -= room;
	}
}

static const struct mm_cpu *cpu_now(const struct vcpu *v)
{
	static const struct mm_cpu reset;

	return v->contexts ? &v->context[v->contexts - 1].cpu : &reset;
}

static uint32_t pcid_of(const struct mm_cpu *cpu)
{
	return cpu->cr4 & PCIDE ? cpu->cr3 & 0xfff : 0;
}

/* Outside of long mode linear addresses have 32 bits (vol. 1, section 3.3.7). */
static uint64_t linear(const struct mm_cpu *cpu, uint64_t va)
{
	return cpu->efer & LMA ? va : (uint32_t)va;
}

static bool same_paging(const struct mm_cpu *a, const struct mm_cpu *b)
{
	return !((a->cr0 ^ b->cr0) & PG) && !((a->cr4 ^ b->cr4) & (PAE | LA57)) &&
	       !((a->efer ^ b->efer) & LMA);
}

/* Whether walks read the same with both. */
static bool same_walks(const struct mm_cpu *a, const struct mm_cpu *b)
{
	return same_paging(a, b) && a->cr3 == b->cr3 && pcid_of(a) == pcid_of(b) &&
	       !((a->cr4 ^ b->cr4) & PSE) && !((a->efer ^ b->efer) & NXE) &&
	       !memcmp(a->pdpte, b->pdpte, sizeof(a->pdpte));
}

static void add_drop(struct stale *s, unsigned vcpu, struct drop d)
{
	struct vcpu *v = &s->vcpu[vcpu];

	d.when = ++s->now;
	v->drop = grown(v->drop, &v->drop_room, v->drops, sizeof(d));
	v->drop[v->drops++] = d;
}

void stale_flush_all(struct stale *s, unsigned vcpu)
{
	struct vcpu *v = &s->vcpu[vcpu];

	v->base = ++s->now;
	v->drops = 0;
	if (v->contexts) {
		v->context[0] = v->context[v->contexts - 1];
		v->context[0].from = s->now;
		v->contexts = 1;
	}
}

static void load(struct stale *s, unsigned vcpu, const struct mm_cpu *now)
{
	struct vcpu *v = &s->vcpu[vcpu];
	struct context c = {.cpu = *now, .from = ++s->now, .to = FOREVER};

	if (v->contexts && same_walks(cpu_now(v), now)) {
		v->context[v->contexts - 1].cpu = *now;
		return;
	}
	if (v->contexts)
		v->context[v->contexts - 1].to = s->now;
	v->context = grown(v->context, &v->context_room, v->contexts, sizeof(c));
	v->context[v->contexts++] = c;
}

void stale_regs(struct stale *s, unsigned vcpu, const struct mm_cpu *now)
{
	const struct mm_cpu old = *cpu_now(&s->vcpu[vcpu]);
	uint64_t changed = old.cr4 ^ now->cr4;

	load(s, vcpu, now);
	/* Section 4.10.4.1, MOV to CR0 and MOV to CR4. */
	if (old.cr0 & ~now->cr0 & PG || changed & PGE || changed & old.cr4 & PCIDE)
		stale_flush_all(s, vcpu);
	else if (changed & PAE || changed & now->cr4 & SMEP)
		add_drop(s, vcpu,
			 (struct drop){.pcid = pcid_of(now), .tlb = true, .psc = true});
}

void stale_mov_cr3(struct stale *s, unsigned vcpu, const struct mm_cpu *now, bool keep)
{
	load(s, vcpu, now);
	if (!keep)
		add_drop(s, vcpu,
			 (struct drop){.pcid = pcid_of(now), .tlb = true, .psc = true});
}

void stale_invlpg(struct stale *s, unsigned vcpu, uint64_t va)
{
	const struct mm_cpu *cpu = cpu_now(&s->vcpu[vcpu]);

	add_drop(s, vcpu,
		 (struct drop){.pcid = pcid_of(cpu),
			       .page = true,
			       .whole = true,
			       .va = linear(cpu, va),
			       .tlb = true,
			       .global = true,
			       .psc = true});
}

static void drop_address(struct stale *s, unsigned vcpu, uint32_t pcid, uint64_t va, bool whole)
{
	add_drop(s, vcpu,
		 (struct drop){.pcid = pcid,
			       .page = true,
			       .whole = whole,
			       .va = linear(cpu_now(&s->vcpu[vcpu]), va),
			       .tlb = true,
			       .psc_va = true});
}

void stale_invpcid(struct stale *s, unsigned vcpu, unsigned type, unsigned pcid, uint64_t va)
{
	switch (type) {
	case 0:
		drop_address(s, vcpu, pcid, va, true);
		break;
	case 1:
		add_drop(s, vcpu, (struct drop){.pcid = pcid, .tlb = true, .psc = true});
		break;
	case 2:
		stale_flush_all(s, vcpu);
		break;
	default:
		add_drop(s, vcpu, (struct drop){.pcid = ANY, .tlb = true, .psc = true});
		break;
	}
}

void stale_fault(struct stale *s, unsigned vcpu, uint64_t va)
{
	drop_address(s, vcpu, pcid_of(cpu_now(&s->vcpu[vcpu])), va, false);
}

#define MAX_READS 5

/* One translation: by walks of one PCID, from the table one context names, within one span. */
struct search {
	const struct stale *s;
	const struct vcpu *v;
	const struct context *root;
	uint64_t span_end;
	/* The walk so far: when its last entry may first and not last have been read, and that. */
	unsigned reads;
	uint64_t first, end, entry;
	bool none; /* a word had no value in the time that is left */
	/* Which of the values that fit, newest first, and whether there are more. */
	unsigned choice[MAX_READS];
	bool more[MAX_READS];
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first time from..end at which the vCPU may have read an entry of this depth, or FOREVER: it
 * reads that of the top table while CR3 names it, others while it has the PCID. */
static uint64_t first_time(const struct search *q, unsigned depth, uint64_t from, uint64_t end)
{
	for (size_t i = 0; i < q->v->contexts; i++) {
		const struct context *c = &q->v->context[i];
		uint64_t t = later(from, c->from);

		if (depth ? !same_paging(&c->cpu, &q->root->cpu) ||
				    pcid_of(&c->cpu) != pcid_of(&q->root->cpu)
			  : c != q->root)
			continue;
		if (t < earlier(end, c->to))
			return t;
	}
	return FOREVER;
}

/* Counts the values a word had when it may have been read, and takes the chosen one. */
static uint64_t choose(struct search *q, unsigned depth, uint32_t v)
{
	uint64_t since = q->first, end = q->span_end, value = 0;
	unsigned n = 0;

	q->none = true;
	for (; v && end > since; v = q->s->version[v].older) {
		const struct version *w = &q->s->version[v];
		uint64_t t = first_time(q, depth, later(since, w->from), end);

		if (t != FOREVER && n++ == q->choice[depth]) {
			q->first = t;
			q->end = end;
			value = w->value;
			q->none = false;
		}
		end = earlier(end, w->from);
	}
	q->more[depth] = n > q->choice[depth] + 1;
	return value;
}

static uint64_t read_then(void *ctx, uint64_t pa, unsigned bytes)
{
	struct search *q = ctx;
	unsigned depth = q->reads++;
	bool ram = pa < q->s->bytes;
	uint64_t value;

	if (ram && q->s->newest[pa / 8]) {
		value = choose(q, depth, q->s->newest[pa / 8]);
	} else {
		q->first = first_time(q, depth, q->first, q->span_end);
		q->none = q->first == FOREVER;
		q->end = q->span_end;
		q->more[depth] = false;
		value = ram ? 0 : FOREVER;
	}
	if (bytes == 4)
		value = (uint32_t)(value >> (pa & 4) * 8);
	q->entry = value;
	return q->none ? 0 : value;
}

static bool next_choice(struct search *q)
{
	for (unsigned d = q->reads; d--;) {
		if (q->more[d]) {
			q->choice[d]++;
			return true;
		}
		q->choice[d] = 0;
	}
	return false;
}

/* When translations of the page were last dropped. */
static uint64_t last_drop(const struct vcpu *v, uint32_t pcid, bool global, uint64_t va,
			  uint64_t page_bytes)
{
	for (size_t i = v->drops; i--;) {
		const struct drop *d = &v->drop[i];

		if (d->page && (d->va ^ va) & ~((d->whole ? page_bytes : 4096) - 1))
			continue;
		if (global ? d->global : d->tlb && (d->pcid == ANY || d->pcid == pcid))
			return d->when;
	}
	return v->base;
}

/* Whether what was just walked may still be used. */
static bool usable(const struct search *q, const struct mm_cpu *cpu, const struct mm_access *a,
		   const struct mm_result *m)
{
	bool own = pcid_of(&q->root->cpu) == pcid_of(cpu_now(q->v));
	bool global = cpu->cr4 & PGE && q->entry & BIT(8);
	uint64_t since;

	if (!own && !global)
		return false;
	since = last_drop(q->v, pcid_of(&q->root->cpu), global, a->va, m->page_bytes);
	return first_time(q, q->reads - 1, later(q->first, since), q->end) != FOREVER;
}

static bool search_span(struct search *q, const struct mm_access *a, uint64_t pa, uint64_t from)
{
	struct mm_cpu cpu = *cpu_now(q->v);

	cpu.cr3 = q->root->cpu.cr3;
	memcpy(cpu.pdpte, q->root->cpu.pdpte, sizeof(cpu.pdpte));
	cpu.cr4 = (cpu.cr4 & ~PSE) | (q->root->cpu.cr4 & PSE);
	cpu.efer = (cpu.efer & ~NXE) | (q->root->cpu.efer & NXE);
	cpu.read = read_then;
	cpu.ctx = q;
	memset(q->choice, 0, sizeof(q->choice));
	do {
		struct mm_result m;

		q->reads = 0;
		q->first = from;
		q->none = false;
		m = mm_translate(&cpu, a);
		if (m.kind == MM_OK && !m.marks && m.pa == pa && q->reads && !q->none &&
		    usable(q, &cpu, a, &m))
			return true;
	} while (next_choice(q));
	return false;
}

static bool cuts(const struct drop *d, uint32_t pcid, uint64_t va)
{
	if (d->pcid != ANY && d->pcid != pcid)
		return false;
	return d->psc || (d->psc_va && !((d->va ^ va) & ~4095ull));
}

static bool search_from(const struct stale *s, const struct vcpu *v, const struct context *root,
			const struct mm_access *a, uint64_t pa)
{
	uint32_t pcid = pcid_of(&root->cpu);
	struct search q = {.s = s, .v = v, .root = root, .span_end = s->now + 1};
	uint64_t oldest = last_drop(v, pcid, false, a->va, 4096);

	if (cpu_now(v)->cr4 & PGE)
		oldest = earlier(oldest, last_drop(v, pcid, true, a->va, 4096));
	for (size_t i = v->drops; i-- && q.span_end > oldest;) {
		if (!cuts(&v->drop[i], pcid, a->va))
			continue;
		if (search_span(&q, a, pa, v->drop[i].when))
			return true;
		q.span_end = v->drop[i].when;
	}
	return q.span_end > oldest && search_span(&q, a, pa, v->base);
}

bool stale_permits(const struct stale *s, unsigned vcpu, const struct mm_access *a, uint64_t pa)
{
	const struct vcpu *v = &s->vcpu[vcpu];
	const struct mm_cpu *cpu = cpu_now(v);
	struct mm_access at = *a;

	at.va = linear(cpu, a->va);
	if (!(cpu->cr0 & PG))
		return pa == at.va;
	for (size_t i = v->contexts; i--;) {
		const struct context *c = &v->context[i];

		if (!same_paging(&c->cpu, cpu))
			continue;
		if (pcid_of(&c->cpu) != pcid_of(cpu) && !(cpu->cr4 & PGE))
			continue;
		if (search_from(s, v, c, &at, pa))
			return true;
	}
	return false;
}
