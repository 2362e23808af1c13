/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves: MOV, MOVZX, MOVSX, LEA, and what depends on a condition without branching.
 *
 * Read first: fast.h.
 */
#include "vmm/interp/fast.h"

#define X_SIZES(X) X(1) X(2) X(4) X(8)
#define X_CONDITIONS(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

FAST_INLINE void load_into(struct fast_run *r, const struct fast_op *op, unsigned size,
			   unsigned to, bool sign)
{
	const uint8_t *p = fast_at(r, fast_ea(r, op), size, 0);
	uint64_t v;

	if (!p) {
		fast_leave(r, op);
		return;
	}
	v = fast_load(p, size);
	gpr_set(r->s, op->dst, to, sign ? (uint64_t)size_sext(v, size) : v);
	fast_next(r, op);
}

FAST_INLINE void store_from(struct fast_run *r, const struct fast_op *op, unsigned size,
			    uint64_t v)
{
	uint8_t *p = fast_at(r, fast_ea(r, op), size, TLB_W);

	if (!p) {
		fast_leave(r, op);
		return;
	}
	fast_store(p, size, v);
	fast_next(r, op);
}

#define MOVES(size)                                                             \
	static void mov_rr_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		gpr_set(r->s, op->dst, size, r->s->gpr[op->src]);               \
		fast_next(r, op);                                               \
	}                                                                       \
	static void mov_ri_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		gpr_set(r->s, op->dst, size, op->imm);                          \
		fast_next(r, op);                                               \
	}                                                                       \
	static void mov_rm_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		load_into(r, op, size, size, false);                            \
	}                                                                       \
	static void mov_mr_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		store_from(r, op, size, r->s->gpr[op->src]);                    \
	}                                                                       \
	static void mov_mi_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		store_from(r, op, size, op->imm);                               \
	}
X_SIZES(MOVES)

#define MOVE_ROW(size) \
	{mov_rr_##size, mov_ri_##size, mov_rm_##size, mov_mr_##size, mov_mi_##size},
static const fast_fn moves[4][5] = {X_SIZES(MOVE_ROW)};

static unsigned pick_mov(const struct insn *i, struct fast_op *op, fast_fn fn[2])
{
	static const uint8_t forms[OPND_OTHER + 1][OPND_OTHER + 1] = {
		[OPND_REG] = {[OPND_REG] = 1, [OPND_IMM] = 2, [OPND_MEM] = 3},
		[OPND_MEM] = {[OPND_REG] = 4, [OPND_IMM] = 5},
	};
	const struct opnd *dst = &i->op[0], *src = &i->op[1];
	unsigned form = forms[dst->kind][src->kind];

	if (!form)
		return 0;
	op->dst = dst->reg;
	op->src = src->reg;
	op->imm = src->imm;
	fn[0] = fn[1] = moves[fast_log2(dst->size)][form - 1];
	return form >= 3 ? FAST_LEAVES : 0;
}

/* ---- with an extension ---- */

#define EXTEND(size, to, sign)                                                       \
	static void extend_r_##size##_##to##_##sign(struct fast_run *r,              \
						    const struct fast_op *op)        \
	{                                                                            \
		uint64_t v = fast_reg(r, op->src, size);                             \
                                                                                     \
		gpr_set(r->s, op->dst, to, sign ? (uint64_t)size_sext(v, size) : v); \
		fast_next(r, op);                                                    \
	}                                                                            \
	static void extend_m_##size##_##to##_##sign(struct fast_run *r,              \
						    const struct fast_op *op)        \
	{                                                                            \
		load_into(r, op, size, to, sign);                                    \
	}
EXTEND(1, 4, 0)
EXTEND(1, 8, 0)
EXTEND(1, 4, 1)
EXTEND(1, 8, 1)
EXTEND(2, 4, 0)
EXTEND(2, 8, 0)
EXTEND(2, 4, 1)
EXTEND(2, 8, 1)
EXTEND(4, 8, 1)

#define EXTENSION(size, to, sign)                                                        \
	{                                                                                \
		size, to, sign,                                                          \
		{                                                                        \
			extend_r_##size##_##to##_##sign, extend_m_##size##_##to##_##sign \
		}                                                                        \
	}
static const struct {
	uint8_t size, to;
	bool sign;
	fast_fn fn[2];
} extensions[] = {
	EXTENSION(1, 4, 0), EXTENSION(1, 8, 0), EXTENSION(1, 4, 1),
	EXTENSION(1, 8, 1), EXTENSION(2, 4, 0), EXTENSION(2, 8, 0),
	EXTENSION(2, 4, 1), EXTENSION(2, 8, 1), EXTENSION(4, 8, 1),
};

static unsigned pick_extension(const struct insn *i, bool sign, struct fast_op *op,
			       fast_fn fn[2])
{
	const struct opnd *dst = &i->op[0], *src = &i->op[1];
	const bool mem = src->kind == OPND_MEM;

	if (!mem && src->kind != OPND_REG)
		return 0;
	op->dst = dst->reg;
	op->src = src->reg;
	for (unsigned k = 0; k < sizeof(extensions) / sizeof(extensions[0]); k++)
		if (extensions[k].size == src->size && extensions[k].to == dst->size &&
		    extensions[k].sign == sign)
			fn[0] = fn[1] = extensions[k].fn[mem];
	return mem ? FAST_LEAVES : 0;
}

/* ---- addresses ---- */

static void lea4(struct fast_run *r, const struct fast_op *op)
{
	gpr_set(r->s, op->dst, 4, fast_offset(r, op));
	fast_next(r, op);
}

static void lea8(struct fast_run *r, const struct fast_op *op)
{
	r->s->gpr[op->dst] = fast_offset(r, op);
	fast_next(r, op);
}

static void nothing(struct fast_run *r, const struct fast_op *op)
{
	fast_next(r, op);
}

static unsigned pick_lea(const struct insn *i, struct fast_op *op, fast_fn fn[2])
{
	if (i->op[0].size < 4)
		return 0;
	op->dst = i->op[0].reg;
	fn[0] = fn[1] = i->op[0].size == 8 ? lea8 : lea4;
	return 0;
}

/* ---- conditions ---- */

/* Both are read first: waiting for the condition to know what to read would take longer. */
FAST_INLINE uint64_t chosen(const struct fast_run *r, const struct fast_op *op, unsigned cc)
{
	const uint64_t mask = 0 - (uint64_t)fast_cond(r->fl, cc);

	return (r->s->gpr[op->src] & mask) | (r->s->gpr[op->dst] & ~mask);
}

#define CONDITIONAL(cc)                                                      \
	static void cmov4_##cc(struct fast_run *r, const struct fast_op *op) \
	{                                                                    \
		gpr_set(r->s, op->dst, 4, chosen(r, op, cc));                \
		fast_next(r, op);                                            \
	}                                                                    \
	static void cmov8_##cc(struct fast_run *r, const struct fast_op *op) \
	{                                                                    \
		r->s->gpr[op->dst] = chosen(r, op, cc);                      \
		fast_next(r, op);                                            \
	}                                                                    \
	static void set_##cc(struct fast_run *r, const struct fast_op *op)   \
	{                                                                    \
		gpr_set(r->s, op->dst, 1, fast_cond(r->fl, cc));             \
		fast_next(r, op);                                            \
	}
X_CONDITIONS(CONDITIONAL)

#define CONDITION_ROW(cc) {cmov4_##cc, cmov8_##cc, set_##cc},
static const fast_fn conditionals[16][3] = {X_CONDITIONS(CONDITION_ROW)};

static unsigned pick_conditional(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const struct opnd *dst = &p->i->op[0], *src = &p->i->op[1];
	const bool cmov = p->h->fn == x_cmov;

	if (dst->kind != OPND_REG || (cmov && (src->kind != OPND_REG || dst->size < 4)))
		return 0;
	op->dst = dst->reg;
	op->src = src->reg;
	fn[0] = fn[1] = conditionals[p->h->arg][cmov ? dst->size == 8 : 2];
	return FAST_READS;
}

unsigned fast_pick_move(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const exec_fn h = p->h->fn;

	if (h == x_mov)
		return pick_mov(p->i, op, fn);
	if (h == x_movzx || h == x_movsx)
		return pick_extension(p->i, h == x_movsx, op, fn);
	if (h == x_lea)
		return pick_lea(p->i, op, fn);
	if (h == x_cmov || h == x_setcc)
		return pick_conditional(p, op, fn);
	/* The engine wants to hear of a PAUSE. */
	if (h == x_nop && p->i->mnemonic != ZYDIS_MNEMONIC_PAUSE)
		fn[0] = fn[1] = nothing;
	return 0;
}
