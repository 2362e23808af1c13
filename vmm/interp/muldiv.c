/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Multiplication and division. The manual defines only CF and OF of a product and no flag of a
 * quotient; as on the processors at hand, ZF and AF of a product are 0, SF and PF follow its
 * low half, and a quotient leaves all flags alone.
 *
 * Read first: exec.h.
 */
#include "vmm/interp/exec.h"

typedef unsigned __int128 u128;
typedef __int128 s128;

static void mul_flags(struct cpu_state *s, bool overflow, uint64_t low, unsigned size)
{
	uint64_t f = flags_szp(low, size) & (RFL_SF | RFL_PF);

	set_flags(&s->rflags, RFL_ARITH, f | (overflow ? RFL_CF | RFL_OF : 0));
}

/* The pair of registers an accumulator operation works on: AH:AL, DX:AX, EDX:EAX, RDX:RAX. */
static u128 pair_get(const struct cpu_state *s, unsigned size)
{
	if (size == 1)
		return s->gpr[CPU_RAX] & 0xffff;
	return (u128)(s->gpr[CPU_RDX] & size_mask(size)) << (size * 8) |
	       (s->gpr[CPU_RAX] & size_mask(size));
}

static void pair_set(struct cpu_state *s, unsigned size, uint64_t hi, uint64_t lo)
{
	if (size == 1) {
		gpr_set(s, CPU_RAX, 2, (hi & 0xff) << 8 | (lo & 0xff));
		return;
	}
	gpr_set(s, CPU_RAX, size, lo);
	gpr_set(s, CPU_RDX, size, hi);
}

enum cpu_result x_mul(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t b;
	enum cpu_result r = exec_read(x, &x->i->op[0], size, &b);

	if (r != CPU_OK)
		return r;

	u128 p = (u128)(s->gpr[CPU_RAX] & size_mask(size)) * b;
	uint64_t lo = (uint64_t)p & size_mask(size), hi = (uint64_t)(p >> (size * 8));

	pair_set(s, size, hi, lo);
	mul_flags(s, hi != 0, lo, size);
	return CPU_OK;
}

static enum cpu_result imul_pair(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t b;
	enum cpu_result r = exec_read(x, &x->i->op[0], size, &b);

	if (r != CPU_OK)
		return r;

	s128 p = (s128)size_sext(s->gpr[CPU_RAX], size) * size_sext(b, size);

	pair_set(s, size, (uint64_t)(p >> (size * 8)), (uint64_t)p);
	mul_flags(s, p != size_sext((uint64_t)p, size), (uint64_t)p, size);
	return CPU_OK;
}

/* One, two or three operands. */
enum cpu_result x_imul(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	const unsigned size = dst->size, nops = x->i->nops;
	struct cpu_state *s = exec_state(x);
	uint64_t a, b;
	enum cpu_result r;

	if (nops == 1)
		return imul_pair(x);
	r = exec_read(x, &x->i->op[nops - 2], size, &a);
	if (r == CPU_OK)
		r = exec_read(x, &x->i->op[nops - 1], size, &b);
	if (r != CPU_OK)
		return r;

	s128 p = (s128)size_sext(a, size) * size_sext(b, size);

	reg_set(s, dst, size, (uint64_t)p);
	mul_flags(s, p != size_sext((uint64_t)p, size), (uint64_t)p, size);
	return CPU_OK;
}

enum cpu_result x_div(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t b;
	enum cpu_result r = exec_read(x, &x->i->op[0], size, &b);

	if (r != CPU_OK)
		return r;

	u128 a = pair_get(s, size);

	if (!b || a / b > size_mask(size))
		return cpu_fault(x->f, VEC_DE);
	pair_set(s, size, (uint64_t)(a % b), (uint64_t)(a / b));
	return CPU_OK;
}

/* On magnitudes: the most negative dividend divided by -1 would overflow in the host, too. */
enum cpu_result x_idiv(struct exec *x)
{
	const unsigned size = x->i->op[0].size, shift = 128 - (size == 1 ? 16 : size * 16);
	struct cpu_state *s = exec_state(x);
	uint64_t b;
	enum cpu_result r = exec_read(x, &x->i->op[0], size, &b);

	if (r != CPU_OK)
		return r;

	s128 a = (s128)(pair_get(s, size) << shift) >> shift;
	int64_t d = size_sext(b, size);
	u128 ua = a < 0 ? -(u128)a : (u128)a, ud = d < 0 ? -(u128)(s128)d : (u128)d;
	bool negative = (a < 0) != (d < 0);
	u128 limit = (u128)(size_mask(size) >> 1) + (negative ? 1 : 0);

	if (!d || ua / ud > limit)
		return cpu_fault(x->f, VEC_DE);

	uint64_t q = (uint64_t)(ua / ud), m = (uint64_t)(ua % ud);

	pair_set(s, size, a < 0 ? 0 - m : m, negative ? 0 - q : q);
	return CPU_OK;
}

/* MULX: high and low half by name, no flags. The high half wins if both are the same. */
enum cpu_result x_mulx(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t b;
	enum cpu_result r = exec_read(x, &x->i->op[2], size, &b);

	if (r != CPU_OK)
		return r;

	u128 p = (u128)(s->gpr[CPU_RDX] & size_mask(size)) * b;

	reg_set(s, &x->i->op[1], size, (uint64_t)p);
	reg_set(s, &x->i->op[0], size, (uint64_t)(p >> (size * 8)));
	return CPU_OK;
}
