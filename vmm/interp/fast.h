/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The short way through frequent instructions: stretches of code without anything unusual in them,
 * prepared once ("blocks") and then executed operation by operation, with no fetch, no decoding and
 * no test of what cannot have changed.
 *
 * A block holds up to FAST_OPS operations of flat 64-bit or flat 32-bit code, all in one page. It may
 * end in a branch, and in front of an instruction that interp_step() has to do (its "tail"). Nothing
 * in a block changes translations, privilege, IF or the mode; what might is a tail.
 * Validity. A block is found by linear address, host address and mode, and believed only if the bytes
 * there are those it was made from: whoever wrote the code, and by whatever address, the next block
 * is right. An operation that stores into the page its block is in is left to interp_step().
 * Exactness. An operation that needs more than its block knows (a miss, a fault, an address that is
 * not canonical) changes nothing and leaves the block in front of itself: interp_step() does it.
 * Flags. Operations whose flags nobody can see come in a variant that makes none; r->fl holds the
 * arithmetic flags, s->rflags the rest.
 *
 * Read first: exec.h, ../cpu/direct.h. Read next: fast_run.c, fast_build.c, fast_alu.c.
 */
#ifndef UMBRA_INTERP_FAST_H
#define UMBRA_INTERP_FAST_H

#include "vmm/interp/exec.h"

#define FAST_OPS   16u
#define FAST_BYTES 96u

struct fast_run;
struct fast_op;
typedef void (*fast_fn)(struct fast_run *r, const struct fast_op *op);

struct fast_op {
	fast_fn fn;
	uint64_t imm;  /* immediate; where a branch goes */
	uint64_t disp; /* of an address; where a branch not taken, or a call returns, goes */
	alu_fn alu;    /* of operations that apply any */
	uint8_t dst, src;
	uint8_t base, index, shift, seg;
	int8_t base_mask, index_mask, seg_mask; /* 0 or -1: whether it is part of the address */
	uint8_t size;
	uint8_t at; /* from the start of the block, in bytes */
	uint8_t n;  /* operations in front of it */
};

struct fast_run {
	struct cpu_state *s;
	uint64_t fl; /* arithmetic flags */
	uint64_t rip;
	uint64_t ea_mask;
	struct cpu_direct d;
	const struct cpu_debug *debug; /* no blocks in the pages of its points */
	const uint8_t *code;	    /* host address of the page of the block */
	const struct fast_op *left; /* that could not be done; NULL: the block was completed */
};

struct fast_block {
	const uint8_t *host; /* NULL: empty */
	uint64_t rip;
	uint8_t mode, len, count;
	bool tail;		    /* insn comes behind the operations */
	struct fast_block *follows; /* what came after it last time, if in the same page */
	uint8_t bytes[FAST_BYTES + 16];
	struct fast_op ops[FAST_OPS + 1];
	struct insn insn;
};

struct fast_cache;

/* fast_build.c. Fills in a block of the code at b->host, of which room bytes lie in the page. False if
 * the first instruction has to be fetched the long way. */
bool fast_build(struct fast_block *b, const struct decoders *d, unsigned room);

/* fast_run.c. NULL when out of memory. */
struct fast_cache *fast_create(void);
void fast_destroy(struct fast_cache *f);
/* What interp_ahead() does; *tail is the instruction at RIP, if that is known. */
unsigned fast_go(struct fast_cache *f, const struct decoders *d, struct cpu *c, unsigned budget,
		 const _Atomic uint32_t *stop, const struct fast_block **tail);

/* What else an operation needs to know when it is chosen. */
struct fast_pick {
	const struct insn *i;
	const struct handler *h;
	uint64_t next; /* RIP behind it */
	bool long64;
};

/* What an operation has to do with the flags. */
enum fast_flags {
	FAST_SETS = 1 << 0,   /* all of them */
	FAST_READS = 1 << 1,  /* or keeps some */
	FAST_LEAVES = 1 << 2, /* may leave the block: those before it must be right */
	FAST_ENDS = 1 << 3,   /* a branch */
};

/* Each chooses the operation for an instruction: both variants (without flags, with flags) in fn, what
 * it does with flags returned; 0 with fn[1] NULL if it has none. op has addresses filled in. */
unsigned fast_pick_alu(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2]);
unsigned fast_pick_move(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2]);
unsigned fast_pick_flow(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2]);

/* ---- for operations ---- */

#define FAST_INLINE static inline __attribute__((always_inline))

FAST_INLINE void fast_next(struct fast_run *r, const struct fast_op *op)
{
	op[1].fn(r, op + 1);
}

FAST_INLINE void fast_leave(struct fast_run *r, const struct fast_op *op)
{
	r->left = op;
}

FAST_INLINE uint64_t fast_offset(const struct fast_run *r, const struct fast_op *op)
{
	const uint64_t *g = r->s->gpr;

	return (op->disp + (g[op->base] & (uint64_t)(int64_t)op->base_mask) +
		((g[op->index] & (uint64_t)(int64_t)op->index_mask) << op->shift)) &
	       r->ea_mask;
}

FAST_INLINE uint64_t fast_ea(const struct fast_run *r, const struct fast_op *op)
{
	return fast_offset(r, op) + (r->s->seg[op->seg].base & (uint64_t)(int64_t)op->seg_mask);
}

/* The host address of size bytes at ea in one page, if translations at hand allow the access. */
FAST_INLINE uint8_t *fast_at(const struct fast_run *r, uint64_t ea, unsigned size,
			     unsigned need)
{
	const struct tlb_entry *e = direct_hit(&r->d, ea, need);
	uint64_t off = ea & (SH_PAGE_SIZE - 1);

	if (!e || !e->host || off > SH_PAGE_SIZE - size)
		return NULL;
	if (need && e->host == r->code)
		return NULL;
	return (uint8_t *)e->host + off;
}

/* Aligned words whole, as other vCPUs see them. */
FAST_INLINE uint64_t fast_load(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	if ((uintptr_t)p & (size - 1)) {
		__builtin_memcpy(&v, p, size);
		return v;
	}
	switch (size) {
	case 1:
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)(const void *)p, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_ACQUIRE);
	}
}

FAST_INLINE void fast_store(uint8_t *p, unsigned size, uint64_t v)
{
	if ((uintptr_t)p & (size - 1)) {
		__builtin_memcpy(p, &v, size);
		return;
	}
	switch (size) {
	case 1:
		__atomic_store_n(p, (uint8_t)v, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)(void *)p, (uint16_t)v, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)(void *)p, (uint32_t)v, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)(void *)p, v, __ATOMIC_RELEASE);
		break;
	}
}

FAST_INLINE uint64_t fast_reg(const struct fast_run *r, unsigned reg, unsigned size)
{
	return r->s->gpr[reg] & size_mask(size);
}

FAST_INLINE bool fast_cond(uint64_t fl, unsigned cc)
{
	const bool less = !(fl & RFL_SF) != !(fl & RFL_OF);
	bool holds;

	switch (cc >> 1) {
	case 0:
		holds = fl & RFL_OF;
		break;
	case 1:
		holds = fl & RFL_CF;
		break;
	case 2:
		holds = fl & RFL_ZF;
		break;
	case 3:
		holds = fl & (RFL_CF | RFL_ZF);
		break;
	case 4:
		holds = fl & RFL_SF;
		break;
	case 5:
		holds = fl & RFL_PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || (fl & RFL_ZF);
		break;
	}
	return holds != (cc & 1);
}

/* For tables by size: 1, 2, 4, 8 to 0..3. */
static inline unsigned fast_log2(unsigned size)
{
	return (unsigned)__builtin_ctz(size);
}

#endif
