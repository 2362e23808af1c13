/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The stack: a cursor that leaves rSP alone until everything has succeeded, and the
 * instructions that push and pop.
 *
 * Read first: exec.h. Manual: SDM vol. 1, chapter 6.
 */
#include <string.h>

#include "vmm/cpu/system.h"
#include "vmm/cpu/v86.h"
#include "vmm/interp/exec.h"

/* Width of rSP as an address (SDM vol. 1, section 6.2.3). */
unsigned stack_size(const struct cpu_state *s)
{
	if (cpu_64bit(s))
		return 8;
	return s->seg[CPU_SS].attr & SEG_DB ? 4 : 2;
}

struct stack stack_begin(struct exec *x)
{
	return (struct stack){.x = x, .rsp = exec_state(x)->gpr[CPU_RSP]};
}

/* Moves rsp by delta within the width of the stack, the rest of the register stays. */
static uint64_t rsp_add(const struct cpu_state *s, uint64_t rsp, uint64_t delta)
{
	uint64_t m = size_mask(stack_size(s));

	return (rsp & ~m) | ((rsp + delta) & m);
}

static enum cpu_result stack_write(struct stack *st, unsigned len, const void *buf)
{
	struct exec *x = st->x;
	struct cpu_state *s = exec_state(x);
	uint64_t rsp = rsp_add(s, st->rsp, 0ull - len);
	gva_t va;
	enum cpu_result r = cpu_linear(x->c, CPU_SS, rsp & size_mask(stack_size(s)), len,
				       MEM_WRITE, &va, x->f);

	if (r == CPU_OK)
		r = exec_va_write(x, va, buf, len);
	if (r == CPU_OK)
		st->rsp = rsp;
	return r;
}

static enum cpu_result stack_read(struct stack *st, unsigned len, unsigned flags, void *buf)
{
	struct exec *x = st->x;
	struct cpu_state *s = exec_state(x);
	gva_t va;
	enum cpu_result r = cpu_linear(x->c, CPU_SS, st->rsp & size_mask(stack_size(s)), len,
				       flags, &va, x->f);

	if (r == CPU_OK)
		r = exec_va_read(x, va, buf, len, flags);
	if (r == CPU_OK)
		st->rsp = rsp_add(s, st->rsp, len);
	return r;
}

enum cpu_result stack_push(struct stack *st, unsigned size, uint64_t val)
{
	return stack_write(st, size, &val);
}

enum cpu_result stack_pop(struct stack *st, unsigned size, uint64_t *val)
{
	*val = 0;
	return stack_read(st, size, MEM_READ, val);
}

void stack_commit(const struct stack *st)
{
	exec_state(st->x)->gpr[CPU_RSP] = st->rsp;
}

enum cpu_result x_push(struct exec *x)
{
	const struct opnd *o = &x->i->op[0];
	struct stack st = stack_begin(x);
	uint64_t v;
	enum cpu_result r = CPU_OK;

	/* A pushed segment register takes a whole slot. */
	if (o->kind == OPND_SEG)
		v = exec_state(x)->seg[o->reg].selector;
	else
		r = exec_read(x, o, x->i->opsize, &v);
	if (r == CPU_OK)
		r = stack_push(&st, x->i->opsize, v);
	if (r == CPU_OK)
		stack_commit(&st);
	return r;
}

static enum cpu_result pop_seg(struct exec *x, unsigned seg, uint64_t sel)
{
	enum cpu_result r = cpu_load_seg(x->c, seg, (uint16_t)sel, x->f);

	if (r == CPU_OK && seg == CPU_SS)
		exec_ss_loaded(x);
	return r;
}

/* A destination addressed through rSP is addressed with rSP after the pop; a popped rSP is the
 * value popped. */
enum cpu_result x_pop(struct exec *x)
{
	const struct opnd *o = &x->i->op[0];
	const unsigned size = x->i->opsize;
	const bool is_reg = opnd_is_reg(o);
	struct stack st = stack_begin(x);
	uint64_t v;
	enum cpu_result r = stack_pop(&st, size, &v);

	if (r != CPU_OK)
		return r;
	if (is_reg)
		stack_commit(&st);
	x->sp_bias = size;
	r = o->kind == OPND_SEG ? pop_seg(x, o->reg, v) : exec_write(x, o, size, v);
	if (r == CPU_OK && !is_reg)
		stack_commit(&st);
	return r;
}

/* PUSHA as one write of eight slots, so that it happens whole or not at all. SP as pushed is
 * the one before. */
enum cpu_result x_pusha(struct exec *x)
{
	const unsigned size = x->h->arg;
	struct stack st = stack_begin(x);
	uint8_t buf[32];
	enum cpu_result r;

	for (unsigned k = 0; k < 8; k++)
		memcpy(buf + (7 - k) * size, &exec_state(x)->gpr[k], size);
	r = stack_write(&st, 8 * size, buf);
	if (r == CPU_OK)
		stack_commit(&st);
	return r;
}

enum cpu_result x_popa(struct exec *x)
{
	const unsigned size = x->h->arg;
	struct stack st = stack_begin(x);
	uint8_t buf[32];
	enum cpu_result r = stack_read(&st, 8 * size, MEM_READ, buf);

	if (r != CPU_OK)
		return r;
	for (unsigned k = 0; k < 8; k++) {
		uint64_t v = 0;

		memcpy(&v, buf + (7 - k) * size, size);
		if (k != CPU_RSP)
			gpr_set(exec_state(x), k, size, v);
	}
	stack_commit(&st);
	return CPU_OK;
}

enum cpu_result x_pushf(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	struct stack st = stack_begin(x);
	enum cpu_if how = cpu_if_in_v86(s, x->h->arg);
	enum cpu_result r;

	if (how == IF_REFUSED)
		return exec_gp(x);
	r = stack_push(&st, x->h->arg,
		       how == IF_VIRTUAL ? cpu_vif_flags(s) : s->rflags & ~(RFL_VM | RFL_RF));
	if (r == CPU_OK)
		stack_commit(&st);
	return r;
}

static uint64_t popf_mask(const struct cpu_state *s, unsigned size)
{
	uint64_t m = RFL_ARITH | RFL_TF | RFL_DF | RFL_NT | RFL_AC | RFL_ID;

	if (cpu_may_change_if(s))
		m |= RFL_IF;
	if (cpu_cpl(s) == 0)
		m |= RFL_IOPL;
	return m & size_mask(size);
}

enum cpu_result x_popf(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	struct stack st = stack_begin(x);
	uint64_t v, m = popf_mask(s, x->h->arg);
	enum cpu_if how = cpu_if_in_v86(s, x->h->arg);
	enum cpu_result r;

	if (how == IF_REFUSED)
		return exec_gp(x);
	r = stack_pop(&st, x->h->arg, &v);
	if (r != CPU_OK)
		return r;
	if (how == IF_VIRTUAL && !cpu_vif_accepts(s, v))
		return exec_gp(x);
	stack_commit(&st);
	if (how == IF_VIRTUAL)
		cpu_vif_load(s, v);
	else
		set_flags(&s->rflags, m, v & m);
	return CPU_OK;
}

/* The copies of outer frame pointers that ENTER makes for a nesting level above 0. */
static enum cpu_result enter_display(struct stack *st, unsigned level, uint64_t frame)
{
	struct exec *x = st->x;
	const unsigned size = x->i->opsize;
	struct stack outer = {.x = x, .rsp = exec_state(x)->gpr[CPU_RBP]};
	enum cpu_result r = CPU_OK;

	for (unsigned k = 1; k < level && r == CPU_OK; k++) {
		struct stack at;
		uint64_t v;

		outer.rsp = rsp_add(exec_state(x), outer.rsp, 0ull - size);
		at = outer;
		r = stack_pop(&at, size, &v);
		if (r == CPU_OK)
			r = stack_push(st, size, v);
	}
	return r == CPU_OK && level ? stack_push(st, size, frame) : r;
}

enum cpu_result x_enter(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const unsigned size = x->i->opsize;
	struct stack st = stack_begin(x);
	enum cpu_result r = stack_push(&st, size, s->gpr[CPU_RBP]);
	const uint64_t frame = st.rsp;
	uint8_t probe;
	struct stack at;

	if (r == CPU_OK)
		r = enter_display(&st, (unsigned)x->i->op[1].imm & 31, frame);
	if (r != CPU_OK)
		return r;
	st.rsp = rsp_add(s, st.rsp, 0ull - (x->i->op[0].imm & 0xffff));
	/* The new top of stack must be writable, or ENTER faults (SDM vol. 2). */
	at = (struct stack){.x = x, .rsp = st.rsp};
	r = stack_read(&at, 1, MEM_READ | MEM_WRITE, &probe);
	if (r != CPU_OK)
		return r;
	stack_commit(&st);
	gpr_set(s, CPU_RBP, cpu_64bit(s) ? 8 : size, frame);
	return CPU_OK;
}

enum cpu_result x_leave(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	uint64_t m = size_mask(stack_size(s)), v;
	struct stack st = {.x = x, .rsp = (s->gpr[CPU_RSP] & ~m) | (s->gpr[CPU_RBP] & m)};
	enum cpu_result r = stack_pop(&st, x->i->opsize, &v);

	if (r != CPU_OK)
		return r;
	stack_commit(&st);
	gpr_set(s, CPU_RBP, x->i->opsize, v);
	return CPU_OK;
}
