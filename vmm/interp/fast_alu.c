/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arithmetic, by operation, size, kinds of operands, and whether anybody can see the flags. The
 * flags of the frequent ones are those of the host's own instruction; AF of a logic operation, which
 * no manual defines, is 0 as in alu.c. The others apply the functions of alu.h.
 *
 * Read first: fast.h.
 */
#include "vmm/interp/fast.h"

enum kind { ADD, OR, AND, SUB, XOR, CMP, TEST, KINDS };
enum form { RR, RI, RM, MR, MI, FORMS };

/* LAHF has SF, ZF, AF, PF and CF where RFLAGS has them, and bit 1 set; OF is bit 11. */
FAST_INLINE uint64_t collect(uint64_t ax)
{
	return (ax >> 8 & (RFL_ARITH & 0xff)) | (ax & 1) << 11;
}

#define HOST(insn, x, y, ax)                            \
	__asm__(insn " %[b], %[a]\n\tlahf\n\tseto %%al" \
		: [a] "+r"(x), "=&a"(ax)                \
		: [b] "r"(y)                            \
		: "cc")

#define HOST_ALU(name, type)                                                         \
	FAST_INLINE uint64_t name(enum kind k, uint64_t x, uint64_t y, uint64_t *fl) \
	{                                                                            \
		type a = (type)x, b = (type)y;                                       \
		uint64_t ax;                                                         \
                                                                                     \
		if (k == ADD)                                                        \
			HOST("add", a, b, ax);                                       \
		else if (k == SUB || k == CMP)                                       \
			HOST("sub", a, b, ax);                                       \
		else if (k == OR)                                                    \
			HOST("or", a, b, ax);                                        \
		else if (k == XOR)                                                   \
			HOST("xor", a, b, ax);                                       \
		else                                                                 \
			HOST("and", a, b, ax);                                       \
		*fl = collect(ax);                                                   \
		if (k != ADD && k != SUB && k != CMP)                                \
			*fl &= ~RFL_AF;                                              \
		return a;                                                            \
	}
HOST_ALU(host1, uint8_t)
HOST_ALU(host2, uint16_t)
HOST_ALU(host4, uint32_t)
HOST_ALU(host8, uint64_t)

FAST_INLINE uint64_t plain(enum kind k, uint64_t x, uint64_t y)
{
	switch (k) {
	case ADD:
		return x + y;
	case OR:
		return x | y;
	case XOR:
		return x ^ y;
	case SUB:
	case CMP:
		return x - y;
	default:
		return x & y;
	}
}

FAST_INLINE uint64_t apply(enum kind k, unsigned size, bool flags, uint64_t x, uint64_t y,
			   uint64_t *fl)
{
	if (!flags)
		return plain(k, x, y);
	switch (size) {
	case 1:
		return host1(k, x, y, fl);
	case 2:
		return host2(k, x, y, fl);
	case 4:
		return host4(k, x, y, fl);
	default:
		return host8(k, x, y, fl);
	}
}

FAST_INLINE uint64_t source(const struct fast_run *r, const struct fast_op *op, enum form form)
{
	return form == RI || form == MI ? op->imm : r->s->gpr[op->src];
}

FAST_INLINE void alu_reg(struct fast_run *r, const struct fast_op *op, enum kind k,
			 unsigned size, enum form form, bool flags)
{
	uint64_t y = source(r, op, form), v;

	if (form == RM) {
		const uint8_t *p = fast_at(r, fast_ea(r, op), size, 0);

		if (!p) {
			fast_leave(r, op);
			return;
		}
		y = fast_load(p, size);
	}
	v = apply(k, size, flags, r->s->gpr[op->dst], y, &r->fl);
	if (k != CMP && k != TEST)
		gpr_set(r->s, op->dst, size, v);
	fast_next(r, op);
}

FAST_INLINE void alu_mem(struct fast_run *r, const struct fast_op *op, enum kind k,
			 unsigned size, enum form form, bool flags)
{
	const bool stores = k != CMP && k != TEST;
	uint8_t *p = fast_at(r, fast_ea(r, op), size, stores ? TLB_W : 0);
	uint64_t v;

	if (!p) {
		fast_leave(r, op);
		return;
	}
	v = apply(k, size, flags, fast_load(p, size), source(r, op, form), &r->fl);
	if (stores)
		fast_store(p, size, v);
	fast_next(r, op);
}

#define ONE(k, size, form, flags)                                           \
	static void k##_##size##_##form##_##flags(struct fast_run *r,       \
						  const struct fast_op *op) \
	{                                                                   \
		if (form < MR)                                              \
			alu_reg(r, op, k, size, form, flags);               \
		else                                                        \
			alu_mem(r, op, k, size, form, flags);               \
	}
#define BOTH(k, size, form) ONE(k, size, form, 0) ONE(k, size, form, 1)
#define ALL_FORMS(k, size) \
	BOTH(k, size, RR)  \
	BOTH(k, size, RI) BOTH(k, size, RM) BOTH(k, size, MR) BOTH(k, size, MI)
#define ALL(k) ALL_FORMS(k, 1) ALL_FORMS(k, 2) ALL_FORMS(k, 4) ALL_FORMS(k, 8)
ALL(ADD)
ALL(OR)
ALL(AND)
ALL(SUB)
ALL(XOR)
ALL(CMP)
ALL(TEST)

#define PAIR(k, size, form)                                      \
	{                                                        \
		k##_##size##_##form##_0, k##_##size##_##form##_1 \
	}
#define ROW(k, size)                                                                        \
	{                                                                                   \
		PAIR(k, size, RR), PAIR(k, size, RI), PAIR(k, size, RM), PAIR(k, size, MR), \
			PAIR(k, size, MI)                                                   \
	}
#define ROWS(k)                                            \
	{                                                  \
		ROW(k, 1), ROW(k, 2), ROW(k, 4), ROW(k, 8) \
	}
static const fast_fn alu_table[KINDS][4][FORMS][2] = {
	ROWS(ADD), ROWS(OR), ROWS(AND), ROWS(SUB), ROWS(XOR), ROWS(CMP), ROWS(TEST),
};

/* ---- any function of alu.h ---- */

static uint64_t any_load(const uint8_t *p, unsigned size)
{
	switch (size) {
	case 1:
		return fast_load(p, 1);
	case 2:
		return fast_load(p, 2);
	case 4:
		return fast_load(p, 4);
	default:
		return fast_load(p, 8);
	}
}

static void any_store(uint8_t *p, unsigned size, uint64_t v)
{
	switch (size) {
	case 1:
		fast_store(p, 1, v);
		break;
	case 2:
		fast_store(p, 2, v);
		break;
	case 4:
		fast_store(p, 4, v);
		break;
	default:
		fast_store(p, 8, v);
		break;
	}
}

/* Flags in front are part of the operation (CF of ADC, a count of 0), so there is one variant. */
FAST_INLINE void any(struct fast_run *r, const struct fast_op *op, bool mem, bool imm)
{
	const struct alu_arg arg = {
		.b = imm ? op->imm : fast_reg(r, op->src, op->size),
		.size = op->size,
	};
	uint8_t *p = mem ? fast_at(r, fast_ea(r, op), arg.size, TLB_W) : NULL;
	uint64_t v;

	if (mem && !p) {
		fast_leave(r, op);
		return;
	}
	v = op->alu(mem ? any_load(p, arg.size) : fast_reg(r, op->dst, arg.size), &arg, &r->fl);
	if (mem)
		any_store(p, arg.size, v);
	else
		gpr_set(r->s, op->dst, arg.size, v);
	fast_next(r, op);
}

static void any_rr(struct fast_run *r, const struct fast_op *op)
{
	any(r, op, false, false);
}

static void any_ri(struct fast_run *r, const struct fast_op *op)
{
	any(r, op, false, true);
}

static void any_mr(struct fast_run *r, const struct fast_op *op)
{
	any(r, op, true, false);
}

static void any_mi(struct fast_run *r, const struct fast_op *op)
{
	any(r, op, true, true);
}

/* ---- shifts by a constant, and products, whose flags nobody sees ---- */

FAST_INLINE uint64_t shifted(alu_fn how, unsigned size, uint64_t x, unsigned n)
{
	if (how == alu_shl)
		return x << n;
	if (how == alu_shr)
		return (x & size_mask(size)) >> n;
	return (uint64_t)(size_sext(x, size) >> n);
}

#define SHIFT(how, size)                                                            \
	static void how##_##size(struct fast_run *r, const struct fast_op *op)      \
	{                                                                           \
		gpr_set(r->s, op->dst, size,                                        \
			shifted(how, size, r->s->gpr[op->dst], (unsigned)op->imm)); \
		fast_next(r, op);                                                   \
	}
SHIFT(alu_shl, 4)
SHIFT(alu_shl, 8)
SHIFT(alu_shr, 4)
SHIFT(alu_shr, 8)
SHIFT(alu_sar, 4)
SHIFT(alu_sar, 8)

static const struct {
	alu_fn alu;
	fast_fn by_size[2];
} shifts[] = {
	{alu_shl, {alu_shl_4, alu_shl_8}},
	{alu_shr, {alu_shr_4, alu_shr_8}},
	{alu_sar, {alu_sar_4, alu_sar_8}},
};

/* Flags of a product as in muldiv.c. */
FAST_INLINE void product(struct fast_run *r, const struct fast_op *op, unsigned size, bool imm,
			 bool flags)
{
	int64_t a = size_sext(r->s->gpr[op->src], size);
	int64_t b = imm ? (int64_t)op->imm : size_sext(r->s->gpr[op->base], size);
	int64_t low;
	bool over = __builtin_mul_overflow(a, b, &low);

	if (flags) {
		if (size == 4)
			over = low != (int32_t)low;
		r->fl = (flags_szp((uint64_t)low, size) & (RFL_SF | RFL_PF)) |
			(over ? RFL_CF | RFL_OF : 0);
	}
	gpr_set(r->s, op->dst, size, (uint64_t)low);
	fast_next(r, op);
}

#define PRODUCT(size, imm, flags)                                              \
	static void product_##size##_##imm##_##flags(struct fast_run *r,       \
						     const struct fast_op *op) \
	{                                                                      \
		product(r, op, size, imm, flags);                              \
	}
PRODUCT(4, 0, 0)
PRODUCT(4, 0, 1)
PRODUCT(4, 1, 0)
PRODUCT(4, 1, 1)
PRODUCT(8, 0, 0)
PRODUCT(8, 0, 1)
PRODUCT(8, 1, 0)
PRODUCT(8, 1, 1)

static const fast_fn products[2][2][2] = {
	{{product_4_0_0, product_4_0_1}, {product_4_1_0, product_4_1_1}},
	{{product_8_0_0, product_8_0_1}, {product_8_1_0, product_8_1_1}},
};

/* INC and DEC keep CF. */
#define STEP(name, insn, type, size)                                   \
	static void name(struct fast_run *r, const struct fast_op *op) \
	{                                                              \
		type a = (type)r->s->gpr[op->dst];                     \
		uint64_t ax;                                           \
                                                                       \
		HOST(insn, a, (type)1, ax);                            \
		r->fl = (r->fl & RFL_CF) | (collect(ax) & ~RFL_CF);    \
		gpr_set(r->s, op->dst, size, a);                       \
		fast_next(r, op);                                      \
	}
STEP(inc4, "add", uint32_t, 4)
STEP(inc8, "add", uint64_t, 8)
STEP(dec4, "sub", uint32_t, 4)
STEP(dec8, "sub", uint64_t, 8)

/* ---- choosing ---- */

static const struct {
	alu_fn alu;
	exec_fn fn;
	enum kind kind;
} kinds[] = {
	{alu_add, x_rmw2, ADD},	    {alu_or, x_rmw2, OR},   {alu_and, x_rmw2, AND},
	{alu_sub, x_rmw2, SUB},	    {alu_xor, x_rmw2, XOR}, {alu_sub, x_compare, CMP},
	{alu_and, x_compare, TEST},
};

static bool known_kind(const struct handler *h, enum kind *k)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].alu == h->alu && kinds[i].fn == h->fn) {
			*k = kinds[i].kind;
			return true;
		}
	return false;
}

/* FORMS if there is none. */
static enum form form_of(const struct opnd *dst, const struct opnd *src)
{
	static const enum form forms[OPND_OTHER + 1][OPND_OTHER + 1] = {
		[OPND_REG] = {[OPND_REG] = RR + 1, [OPND_IMM] = RI + 1, [OPND_MEM] = RM + 1},
		[OPND_MEM] = {[OPND_REG] = MR + 1, [OPND_IMM] = MI + 1},
	};
	enum form f = forms[dst->kind][src->kind];

	return f ? f - 1 : FORMS;
}

static unsigned pick_kind(enum kind k, const struct insn *i, struct fast_op *op, fast_fn fn[2])
{
	enum form form = form_of(&i->op[0], &i->op[1]);

	if (form == FORMS)
		return 0;
	op->dst = i->op[0].reg;
	op->src = i->op[1].reg;
	op->imm = i->op[1].imm;
	fn[0] = alu_table[k][fast_log2(i->op[0].size)][form][0];
	fn[1] = alu_table[k][fast_log2(i->op[0].size)][form][1];
	return FAST_SETS | (form >= RM ? FAST_LEAVES : 0);
}

/* A shift or rotation by a constant. A shift sets all flags unless it shifts by nothing. */
static unsigned pick_shift(struct fast_op *op, fast_fn fn[2])
{
	if (op->size < 4)
		return FAST_READS;
	op->imm &= op->size * 8u - 1;
	if (!op->imm)
		return FAST_READS;
	for (unsigned k = 0; k < sizeof(shifts) / sizeof(shifts[0]); k++)
		if (shifts[k].alu == op->alu) {
			fn[0] = shifts[k].by_size[op->size == 8];
			return FAST_SETS;
		}
	return FAST_READS;
}

static unsigned pick_step(const struct fast_op *op, fast_fn fn[2])
{
	if (op->alu == alu_inc && op->size >= 4)
		fn[0] = fn[1] = op->size == 8 ? inc8 : inc4;
	if (op->alu == alu_dec && op->size >= 4)
		fn[0] = fn[1] = op->size == 8 ? dec8 : dec4;
	return FAST_READS;
}

static unsigned pick_any(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const struct opnd *dst = &p->i->op[0], *src = &p->i->op[1];
	const bool one = p->h->fn == x_rmw1, imm = one || src->kind == OPND_IMM;

	if ((dst->kind != OPND_REG && dst->kind != OPND_MEM) || (!imm && src->kind != OPND_REG))
		return 0;
	op->alu = p->h->alu;
	op->size = dst->size;
	op->dst = dst->reg;
	op->src = src->reg;
	op->imm = one ? 0 : src->imm & size_mask(p->h->arg ? p->h->arg : dst->size);
	if (dst->kind == OPND_MEM) {
		fn[0] = fn[1] = imm ? any_mi : any_mr;
		return FAST_READS | FAST_LEAVES;
	}
	fn[0] = fn[1] = imm ? any_ri : any_rr;
	if (one)
		return pick_step(op, fn);
	return imm && p->h->arg ? pick_shift(op, fn) : FAST_READS;
}

static unsigned pick_product(const struct insn *i, struct fast_op *op, fast_fn fn[2])
{
	const bool three = i->nops == 3, imm = three;
	const struct opnd *a = &i->op[three], *b = &i->op[three + 1];

	if (i->nops < 2 || i->op[0].size < 4 || (imm && b->kind != OPND_IMM) ||
	    a->kind != OPND_REG || (!imm && b->kind != OPND_REG))
		return 0;
	op->dst = i->op[0].reg;
	op->src = a->reg;
	op->base = b->reg;
	op->imm = i->op[0].size == 4 ? (uint64_t)(int32_t)b->imm : b->imm;
	fn[0] = products[i->op[0].size == 8][imm][0];
	fn[1] = products[i->op[0].size == 8][imm][1];
	return FAST_SETS;
}

unsigned fast_pick_alu(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const struct handler *h = p->h;
	enum kind k;

	if (known_kind(h, &k))
		return pick_kind(k, p->i, op, fn);
	if (h->fn == x_rmw1 || h->fn == x_rmw2)
		return pick_any(p, op, fn);
	return h->fn == x_imul ? pick_product(p->i, op, fn) : 0;
}
