/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finds blocks and runs them one after the other.
 *
 * Read first: fast.h.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cpu/debugger.h"
#include "vmm/interp/fast.h"

#define BLOCKS 2048u /* a power of two; about 2.5 MB per vCPU if all are in use */

struct fast_cache {
	struct fast_block blocks[BLOCKS];
};

struct fast_cache *fast_create(void)
{
	return calloc(1, sizeof(struct fast_cache));
}

void fast_destroy(struct fast_cache *f)
{
	free(f);
}

#define TYPE_DOWN  (1u << 2)
#define TYPE_WRITE (1u << 1)

/* Base 0 and 4 GBytes, of a kind that allows what the code may do with it. */
static bool flat(const struct cpu_segment *g, bool data)
{
	const unsigned kind = SEG_P | SEG_S | (data ? TYPE_WRITE : 0);

	return !g->base && g->limit == UINT32_MAX && (g->attr & kind) == kind &&
	       (!data || !(g->attr & (1u << 3 | TYPE_DOWN)));
}

static bool flat32(const struct cpu_state *s)
{
	return !cpu_real_mode(s) && (s->seg[CPU_CS].attr & SEG_DB) &&
	       (s->seg[CPU_SS].attr & SEG_DB) && flat(&s->seg[CPU_CS], false) &&
	       flat(&s->seg[CPU_SS], true) && flat(&s->seg[CPU_DS], true);
}

/* Nothing is due between instructions, and the mode is one that blocks are made for. */
static bool ordinary(const struct cpu_state *s)
{
	if (s->activity != CPU_RUNNING || (s->rflags & (RFL_TF | RFL_RF | RFL_VM)) ||
	    s->int_shadow || s->db_shadow || s->db_held || (s->dr[7] & DR7_ENABLES))
		return false;
	if ((s->rflags & RFL_AC) && (s->cr0 & CR0_AM) && cpu_cpl(s) == 3)
		return false;
	return cpu_64bit(s) || flat32(s);
}

/* At least 8 bytes: whole words, the last one overlapping. */
static bool same(const uint8_t *a, const uint8_t *b, unsigned len)
{
	uint64_t x, y, diff = 0;
	unsigned k = 0;

	if (len < 8)
		return !memcmp(a, b, len);
	for (; k + 8 < len; k += 8) {
		memcpy(&x, a + k, 8);
		memcpy(&y, b + k, 8);
		diff |= x ^ y;
	}
	memcpy(&x, a + len - 8, 8);
	memcpy(&y, b + len - 8, 8);
	return !(diff | (x ^ y));
}

static inline bool fits(const struct fast_block *b, const struct fast_run *r,
			enum decode_mode mode)
{
	return b->rip == r->rip && b->host == r->code + (r->rip & (SH_PAGE_SIZE - 1)) &&
	       b->mode == mode && same(b->bytes, b->host, b->len);
}

/* The block at r->rip, or NULL. */
static struct fast_block *find(struct fast_cache *f, const struct decoders *d,
			       enum decode_mode mode, struct fast_run *r)
{
	const struct tlb_entry *e = direct_hit(&r->d, r->rip, TLB_X);
	uint64_t off = r->rip & (SH_PAGE_SIZE - 1);
	struct fast_block *b;

	if (!e || !e->host || (r->debug && cpu_debug_page(r->debug, r->rip)))
		return NULL;
	r->code = e->host;
	b = &f->blocks[(r->rip ^ r->rip >> 11 ^ (uintptr_t)r->code >> 12) % BLOCKS];
	if (fits(b, r, mode))
		return b;
	b->host = r->code + off;
	b->rip = r->rip;
	b->mode = (uint8_t)mode;
	b->follows = b;
	if (fast_build(b, d, (unsigned)(SH_PAGE_SIZE - off)))
		return b;
	b->host = NULL;
	return NULL;
}

/* The block behind b, which was completed. Blocks change no translations: one in the same page needs
 * no look at them. */
static inline struct fast_block *behind(struct fast_cache *f, const struct decoders *d,
					enum decode_mode mode, struct fast_run *r,
					struct fast_block *b)
{
	if ((r->rip ^ b->rip) >> SH_PAGE_SHIFT)
		return find(f, d, mode, r);
	if (!fits(b->follows, r, mode)) {
		struct fast_block *next = find(f, d, mode, r);

		if (!next)
			return NULL;
		b->follows = next;
	}
	return b->follows;
}

/* Runs blocks until something else has to come. Returns how many operations were done. */
static unsigned run(struct fast_cache *f, const struct decoders *d, struct fast_run *r,
		    enum decode_mode mode, unsigned budget, const _Atomic uint32_t *stop,
		    const struct fast_block **tail)
{
	struct fast_block *b = find(f, d, mode, r);
	unsigned n = 0;

	while (b && b->count <= budget - n &&
	       !atomic_load_explicit(stop, memory_order_relaxed)) {
		b->ops[0].fn(r, b->ops);
		if (r->left) {
			r->rip = b->rip + r->left->at;
			return n + r->left->n;
		}
		n += b->count;
		if (b->tail) {
			*tail = b;
			break;
		}
		b = behind(f, d, mode, r, b);
	}
	return n;
}

unsigned fast_go(struct fast_cache *f, const struct decoders *d, struct cpu *c, unsigned budget,
		 const _Atomic uint32_t *stop, const struct fast_block **tail)
{
	struct cpu_state *s = &c->s;
	struct fast_run r = {
		.s = s, .rip = s->rip, .fl = s->rflags & RFL_ARITH, .debug = c->debug};
	unsigned n;

	*tail = NULL;
	if (!ordinary(s) || (c->debug && c->debug->watches) || !c->ops->direct(c->m, s, &r.d))
		return 0;
	r.ea_mask = cpu_64bit(s) ? UINT64_MAX : UINT32_MAX;
	n = run(f, d, &r, decode_mode_of(s), budget, stop, tail);
	s->rip = r.rip;
	s->rflags = (s->rflags & ~RFL_ARITH) | r.fl;
	return n;
}
