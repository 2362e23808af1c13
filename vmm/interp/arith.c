/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instructions that apply one pure function of alu.h to a destination: ADD to XOR, INC to NOT,
 * shifts, and the exchanges XADD, XCHG, CMPXCHG.
 *
 * Read first: exec.h, alu.h.
 */
#include "vmm/interp/exec.h"

/* INC, DEC, NEG, NOT. */
enum cpu_result x_rmw1(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	struct alu_arg arg = {.size = dst->size};
	uint64_t old;

	return exec_rmw(x, dst, x->h->alu, &arg, x->i->lock, &old);
}

/* dst = dst op src. A shift's count has 8 bits whatever the operand size. */
enum cpu_result x_rmw2(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	struct alu_arg arg = {.size = dst->size};
	unsigned size = x->h->arg ? x->h->arg : arg.size;
	enum cpu_result r = exec_read(x, src, size, &arg.b);
	uint64_t old;

	if (r != CPU_OK)
		return r;
	return exec_rmw(x, dst, x->h->alu, &arg, x->i->lock, &old);
}

/* CMP and TEST: flags only. */
enum cpu_result x_compare(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	struct alu_arg arg = {.size = dst->size};
	uint64_t a;
	enum cpu_result r = exec_read(x, dst, arg.size, &a);

	if (r == CPU_OK)
		r = exec_read(x, &x->i->op[1], arg.size, &arg.b);
	if (r == CPU_OK)
		x->h->alu(a, &arg, &exec_state(x)->rflags);
	return r;
}

/* SHLD, SHRD. */
enum cpu_result x_shift_double(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	struct alu_arg arg = {.size = dst->size};
	uint64_t old;
	enum cpu_result r = exec_read(x, &x->i->op[1], arg.size, &arg.b);

	if (r == CPU_OK)
		r = exec_read(x, &x->i->op[2], 1, &arg.c);
	if (r != CPU_OK)
		return r;
	return exec_rmw(x, dst, x->h->alu, &arg, false, &old);
}

/* The sum goes in last, so that XADD of a register with itself doubles it. */
enum cpu_result x_xadd(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	struct cpu_state *s = exec_state(x);
	struct alu_arg arg = {.size = dst->size, .b = reg_get(s, src, dst->size)};
	uint64_t old;
	enum cpu_result r = exec_rmw(x, dst, alu_add, &arg, x->i->lock, &old);

	if (r != CPU_OK)
		return r;
	reg_set(s, src, arg.size, old);
	if (opnd_is_reg(dst))
		reg_set(s, dst, arg.size, old + arg.b);
	return CPU_OK;
}

/* XCHG with memory is locked without the prefix (SDM vol. 2). The memory operand may stand on
 * either side. */
enum cpu_result x_xchg(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	struct cpu_state *s = exec_state(x);

	if (!opnd_is_reg(src)) {
		dst = src;
		src = &x->i->op[0];
	}

	struct alu_arg arg = {.size = dst->size, .b = reg_get(s, src, dst->size)};
	uint64_t old;
	enum cpu_result r = exec_rmw(x, dst, alu_mov, &arg, true, &old);

	if (r == CPU_OK)
		reg_set(s, src, arg.size, old);
	return r;
}

enum cpu_result x_cmpxchg(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	struct cpu_state *s = exec_state(x);
	const unsigned size = dst->size;
	const uint64_t rax = s->gpr[CPU_RAX], wide = opnd_is_reg(dst) ? s->gpr[dst->reg] : 0;
	struct alu_arg arg = {
		.b = reg_get(s, src, size), .c = rax & size_mask(size), .size = size};
	uint64_t old;
	enum cpu_result r = exec_rmw(x, dst, alu_cmpxchg, &arg, x->i->lock, &old);

	if (r != CPU_OK || (s->rflags & RFL_ZF))
		return r;
	/* A register that stays as it is keeps its upper half, too. */
	if (opnd_is_reg(dst))
		s->gpr[dst->reg] = wide;
	gpr_set(s, CPU_RAX, size, old);
	return CPU_OK;
}

static void wide_halves(const struct cpu_state *s, unsigned hi, unsigned lo, unsigned half,
			uint8_t buf[16])
{
	__builtin_memcpy(buf, &s->gpr[lo], half);
	__builtin_memcpy(buf + half, &s->gpr[hi], half);
}

static void wide_fail(struct cpu_state *s, const uint8_t buf[16], unsigned half)
{
	uint64_t lo = 0, hi = 0;

	__builtin_memcpy(&lo, buf, half);
	__builtin_memcpy(&hi, buf + half, half);
	gpr_set(s, CPU_RAX, half, lo);
	gpr_set(s, CPU_RDX, half, hi);
	s->rflags &= ~RFL_ZF;
}

/* CMPXCHG8B, CMPXCHG16B. Through the locked operation even without LOCK: atomic is a special
 * case of not atomic. */
enum cpu_result x_cmpxchg_wide(struct exec *x)
{
	const unsigned len = x->h->arg;
	const struct opnd *o = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	uint8_t expect[16], desired[16];
	bool done = false;
	gva_t va;
	enum cpu_result r =
		cpu_linear(x->c, o->seg, exec_ea(x, o), len, MEM_READ | MEM_WRITE, &va, x->f);

	if (r != CPU_OK)
		return r;
	if (len == 16 && (va.v & 15))
		return exec_gp(x);
	wide_halves(s, CPU_RDX, CPU_RAX, len / 2, expect);
	wide_halves(s, CPU_RCX, CPU_RBX, len / 2, desired);
	r = exec_va_cmpxchg(x, va, expect, desired, len, &done);
	if (r != CPU_OK)
		return r;
	if (done)
		s->rflags |= RFL_ZF;
	else
		wide_fail(s, expect, len / 2);
	return CPU_OK;
}

/* ADCX carries through CF only, ADOX through OF only. */
enum cpu_result x_adx(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	const uint64_t flag = x->h->arg ? RFL_OF : RFL_CF;
	struct cpu_state *s = exec_state(x);
	const unsigned size = dst->size;
	uint64_t b;
	enum cpu_result r = exec_read(x, &x->i->op[1], size, &b);

	if (r != CPU_OK)
		return r;

	unsigned __int128 sum =
		(unsigned __int128)reg_get(s, dst, size) + b + (s->rflags & flag ? 1 : 0);

	reg_set(s, dst, size, (uint64_t)sum);
	set_flags(&s->rflags, flag, sum >> (size * 8) ? flag : 0);
	return CPU_OK;
}
