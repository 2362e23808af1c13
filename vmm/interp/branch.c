/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Control transfers, near and far. Near ones check their target here; far ones are
 * vmm/cpu/segment.h's, which sets CS and RIP itself.
 *
 * Read first: exec.h.
 */
#include "vmm/interp/exec.h"

/* #GP(0) on the branch, not at its target (SDM vol. 2, JMP). */
static enum cpu_result near_target(struct exec *x, uint64_t rip, uint64_t *to)
{
	struct cpu_state *s = exec_state(x);

	rip &= size_mask(x->i->opsize);
	if (cpu_64bit(s) ? !cpu_canonical(s, rip) : rip > s->seg[CPU_CS].limit)
		return exec_gp(x);
	*to = rip;
	return CPU_OK;
}

static enum cpu_result jump_rel(struct exec *x, const struct opnd *o)
{
	return near_target(x, x->next + o->imm, &x->next);
}

enum cpu_result x_jcc(struct exec *x)
{
	if (!exec_cond(exec_state(x)->rflags, x->h->arg))
		return CPU_OK;
	return jump_rel(x, &x->i->op[0]);
}

enum cpu_result x_jcxz(struct exec *x)
{
	if (exec_state(x)->gpr[CPU_RCX] & size_mask(x->i->addrsize))
		return CPU_OK;
	return jump_rel(x, &x->i->op[0]);
}

/* LOOP, LOOPE, LOOPNE: arg is REP_NONE, REP_E or REP_NE. */
enum cpu_result x_loop(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const unsigned size = x->i->addrsize;
	uint64_t count = (s->gpr[CPU_RCX] - 1) & size_mask(size);
	bool zf = s->rflags & RFL_ZF;
	bool go = count && (x->h->arg == REP_NONE || zf == (x->h->arg == REP_E));
	enum cpu_result r = go ? jump_rel(x, &x->i->op[0]) : CPU_OK;

	if (r == CPU_OK)
		gpr_set(s, CPU_RCX, size, count);
	return r;
}

struct far_pointer {
	uint16_t sel;
	uint64_t off;
	unsigned opsize;
};

static enum cpu_result far_read(struct exec *x, struct far_pointer *p)
{
	const struct opnd *o = &x->i->op[0];
	uint8_t buf[10];
	enum cpu_result r;

	*p = (struct far_pointer){.sel = o->far_sel, .off = o->imm, .opsize = x->i->opsize};
	if (o->kind == OPND_FAR)
		return CPU_OK;
	r = exec_mem_read(x, o, buf, p->opsize + 2, MEM_READ);
	if (r != CPU_OK)
		return r;
	p->off = 0;
	__builtin_memcpy(&p->off, buf, p->opsize);
	__builtin_memcpy(&p->sel, buf + p->opsize, 2);
	return CPU_OK;
}

static enum cpu_result near_operand(struct exec *x, uint64_t *to)
{
	const struct opnd *o = &x->i->op[0];
	uint64_t v;
	enum cpu_result r;

	if (o->kind == OPND_IMM)
		return near_target(x, x->next + o->imm, to);
	r = exec_read(x, o, x->i->opsize, &v);
	return r == CPU_OK ? near_target(x, v, to) : r;
}

static enum cpu_result jmp_far(struct exec *x)
{
	struct far_pointer p;
	enum cpu_result r = far_read(x, &p);

	if (r == CPU_OK)
		r = cpu_far_jmp(x->c, p.sel, p.off, p.opsize, x->next, x->f);
	if (r == CPU_OK)
		x->next = exec_state(x)->rip;
	return r;
}

enum cpu_result x_jmp(struct exec *x)
{
	return x->i->far_branch ? jmp_far(x) : near_operand(x, &x->next);
}

static enum cpu_result call_far(struct exec *x)
{
	struct far_pointer p;
	enum cpu_result r = far_read(x, &p);

	if (r == CPU_OK)
		r = cpu_far_call(x->c, p.sel, p.off, p.opsize, x->next, x->f);
	if (r == CPU_OK)
		x->next = exec_state(x)->rip;
	return r;
}

enum cpu_result x_call(struct exec *x)
{
	struct stack st = stack_begin(x);
	uint64_t to;
	enum cpu_result r;

	if (x->i->far_branch)
		return call_far(x);
	r = near_operand(x, &to);
	if (r == CPU_OK)
		r = stack_push(&st, x->i->opsize, x->next);
	if (r != CPU_OK)
		return r;
	stack_commit(&st);
	x->next = to;
	return CPU_OK;
}

static uint64_t ret_bytes(const struct insn *i)
{
	return i->nops ? i->op[0].imm & 0xffff : 0;
}

static enum cpu_result ret_near(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	struct stack st = stack_begin(x);
	uint64_t v, to, m = size_mask(stack_size(s));
	enum cpu_result r = stack_pop(&st, x->i->opsize, &v);

	if (r == CPU_OK)
		r = near_target(x, v, &to);
	if (r != CPU_OK)
		return r;
	st.rsp = (st.rsp & ~m) | ((st.rsp + ret_bytes(x->i)) & m);
	stack_commit(&st);
	x->next = to;
	return CPU_OK;
}

enum cpu_result x_ret(struct exec *x)
{
	enum cpu_result r;

	if (!x->i->far_branch)
		return ret_near(x);
	r = cpu_far_ret(x->c, x->i->opsize, (unsigned)ret_bytes(x->i), x->f);
	if (r == CPU_OK)
		x->next = exec_state(x)->rip;
	return r;
}
