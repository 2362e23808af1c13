/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Branches, which end a block, and the stack. Slots are as wide as the mode: 8 bytes in 64-bit code,
 * 4 in 32-bit code.
 *
 * Read first: fast.h.
 */
#include "vmm/interp/fast.h"

/* Canonical with 48 bits: with CR4.LA57 more are, and interp_step() knows. */
FAST_INLINE bool canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static void jump(struct fast_run *r, const struct fast_op *op)
{
	r->rip = op->imm;
}

static void jump_reg(struct fast_run *r, const struct fast_op *op)
{
	uint64_t to = r->s->gpr[op->src] & r->ea_mask;

	if (!canonical(to))
		fast_leave(r, op);
	else
		r->rip = to;
}

#define X_CONDITIONS(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define JUMP_IF(cc)                                                            \
	static void jump_if_##cc(struct fast_run *r, const struct fast_op *op) \
	{                                                                      \
		r->rip = fast_cond(r->fl, cc) ? op->imm : op->disp;            \
	}
X_CONDITIONS(JUMP_IF)
#define ENTRY(cc) jump_if_##cc,
static const fast_fn jumps_if[16] = {X_CONDITIONS(ENTRY)};

/* ---- the stack ---- */

FAST_INLINE bool push(struct fast_run *r, unsigned size, uint64_t v)
{
	uint64_t sp = (r->s->gpr[CPU_RSP] - size) & r->ea_mask;
	uint8_t *p = fast_at(r, sp, size, TLB_W);

	if (!p)
		return false;
	fast_store(p, size, v);
	gpr_set(r->s, CPU_RSP, size, sp);
	return true;
}

FAST_INLINE const uint8_t *top(const struct fast_run *r, unsigned size)
{
	return fast_at(r, r->s->gpr[CPU_RSP] & r->ea_mask, size, 0);
}

FAST_INLINE void push_op(struct fast_run *r, const struct fast_op *op, unsigned size,
			 uint64_t v)
{
	if (push(r, size, v))
		fast_next(r, op);
	else
		fast_leave(r, op);
}

/* A popped rSP is the value popped. */
FAST_INLINE void pop_op(struct fast_run *r, const struct fast_op *op, unsigned size)
{
	const uint8_t *p = top(r, size);
	uint64_t v;

	if (!p) {
		fast_leave(r, op);
		return;
	}
	v = fast_load(p, size);
	gpr_set(r->s, CPU_RSP, size, r->s->gpr[CPU_RSP] + size);
	gpr_set(r->s, op->dst, size, v);
	fast_next(r, op);
}

FAST_INLINE void call_op(struct fast_run *r, const struct fast_op *op, unsigned size,
			 uint64_t to)
{
	if (canonical(to) && push(r, size, op->disp))
		r->rip = to;
	else
		fast_leave(r, op);
}

/* imm: bytes of arguments that RET drops. */
FAST_INLINE void ret_op(struct fast_run *r, const struct fast_op *op, unsigned size)
{
	const uint8_t *p = top(r, size);
	uint64_t to = p ? fast_load(p, size) : 0;

	if (!p || !canonical(to)) {
		fast_leave(r, op);
		return;
	}
	gpr_set(r->s, CPU_RSP, size, r->s->gpr[CPU_RSP] + size + op->imm);
	r->rip = to;
}

FAST_INLINE void leave_op(struct fast_run *r, const struct fast_op *op, unsigned size)
{
	uint64_t sp = r->s->gpr[CPU_RBP] & r->ea_mask;
	const uint8_t *p = fast_at(r, sp, size, 0);

	if (!p) {
		fast_leave(r, op);
		return;
	}
	gpr_set(r->s, CPU_RSP, size, sp + size);
	gpr_set(r->s, CPU_RBP, size, fast_load(p, size));
	fast_next(r, op);
}

#define STACK(size)                                                             \
	static void push_r_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		push_op(r, op, size, r->s->gpr[op->src]);                       \
	}                                                                       \
	static void push_i_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		push_op(r, op, size, op->imm);                                  \
	}                                                                       \
	static void pop_##size(struct fast_run *r, const struct fast_op *op)    \
	{                                                                       \
		pop_op(r, op, size);                                            \
	}                                                                       \
	static void call_i_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		call_op(r, op, size, op->imm);                                  \
	}                                                                       \
	static void call_r_##size(struct fast_run *r, const struct fast_op *op) \
	{                                                                       \
		call_op(r, op, size, r->s->gpr[op->src] & r->ea_mask);          \
	}                                                                       \
	static void ret_##size(struct fast_run *r, const struct fast_op *op)    \
	{                                                                       \
		ret_op(r, op, size);                                            \
	}                                                                       \
	static void leave_##size(struct fast_run *r, const struct fast_op *op)  \
	{                                                                       \
		leave_op(r, op, size);                                          \
	}
STACK(4)
STACK(8)

enum { PUSH_R, PUSH_I, POP, CALL_I, CALL_R, RET, LEAVE, STACK_OPS };

#define STACK_ROW(size)                                                                 \
	{                                                                               \
		push_r_##size, push_i_##size, pop_##size, call_i_##size, call_r_##size, \
			ret_##size, leave_##size                                        \
	}
static const fast_fn stack_ops[2][STACK_OPS] = {STACK_ROW(4), STACK_ROW(8)};

/* ---- choosing ---- */

static uint64_t target(const struct fast_pick *p)
{
	uint64_t to = p->next + p->i->op[0].imm;

	return p->long64 ? to : (uint32_t)to;
}

/* A target that can't be is interp_step()'s to refuse. */
static unsigned pick_jump(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const struct opnd *o = &p->i->op[0];

	if (o->kind == OPND_REG) {
		op->src = o->reg;
		fn[0] = fn[1] = jump_reg;
	} else if (o->kind == OPND_IMM && canonical(target(p))) {
		op->imm = target(p);
		op->disp = p->next;
		fn[0] = fn[1] = p->h->fn == x_jmp ? jump : jumps_if[p->h->arg];
	}
	return FAST_ENDS | FAST_READS;
}

static unsigned pick_call(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const struct opnd *o = &p->i->op[0];

	op->src = o->reg;
	op->disp = p->next;
	if (o->kind == OPND_REG)
		fn[0] = fn[1] = stack_ops[p->long64][CALL_R];
	else if (o->kind == OPND_IMM) {
		op->imm = target(p);
		fn[0] = fn[1] = stack_ops[p->long64][CALL_I];
	}
	return FAST_ENDS | FAST_LEAVES;
}

static unsigned pick_stack(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const struct opnd *o = &p->i->op[0];
	const exec_fn h = p->h->fn;

	op->src = op->dst = o->reg;
	op->imm = o->imm;
	if (h == x_leave)
		fn[0] = fn[1] = stack_ops[p->long64][LEAVE];
	else if (o->kind == OPND_REG)
		fn[0] = fn[1] = stack_ops[p->long64][h == x_push ? PUSH_R : POP];
	else if (o->kind == OPND_IMM && h == x_push)
		fn[0] = fn[1] = stack_ops[p->long64][PUSH_I];
	return FAST_LEAVES;
}

unsigned fast_pick_flow(const struct fast_pick *p, struct fast_op *op, fast_fn fn[2])
{
	const exec_fn h = p->h->fn;

	if (p->i->far_branch || p->i->opsize != (p->long64 ? 8 : 4))
		return 0;
	if (h == x_jmp || h == x_jcc)
		return pick_jump(p, op, fn);
	if (h == x_call)
		return pick_call(p, op, fn);
	if (h == x_push || h == x_pop || h == x_leave)
		return pick_stack(p, op, fn);
	if (h == x_ret) {
		op->imm = p->i->nops ? p->i->op[0].imm & 0xffff : 0;
		fn[0] = fn[1] = stack_ops[p->long64][RET];
		return FAST_ENDS | FAST_LEAVES;
	}
	return 0;
}
