/* SPDX-License-Identifier: BSD-2-Clause
 *
 * BMI1 and BMI2: bit manipulation on general registers with VEX encoding. MULX is in muldiv.c,
 * ANDN to RORX here.
 *
 * Read first: exec.h. Manual: SDM vol. 2, each instruction.
 */
#include "vmm/interp/exec.h"

enum { LOGIC_ANDN, LOGIC_BLSI, LOGIC_BLSR, LOGIC_BLSMSK };

static uint64_t logic(unsigned kind, uint64_t a, uint64_t v)
{
	switch (kind) {
	case LOGIC_ANDN:
		return ~a & v;
	case LOGIC_BLSI:
		return v & (0 - v);
	case LOGIC_BLSR:
		return v & (v - 1);
	default:
		return v ^ (v - 1);
	}
}

/* CF: for BLSI a source other than 0, for BLSR and BLSMSK a source of 0, for ANDN clear. Flags
 * the manual leaves undefined are 0, here and below, as on the processors at hand. */
static uint64_t logic_flags(unsigned kind, uint64_t v, uint64_t r, unsigned size)
{
	uint64_t f = flags_szp(r, size) & (RFL_SF | RFL_ZF);

	if (kind == LOGIC_BLSI ? v != 0 : kind != LOGIC_ANDN && v == 0)
		f |= RFL_CF;
	return f;
}

enum cpu_result x_bmi_logic(struct exec *x)
{
	const unsigned kind = x->h->arg, size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t a = kind == LOGIC_ANDN ? reg_get(s, &x->i->op[1], size) : 0, v, res;
	enum cpu_result r = exec_read(x, &x->i->op[kind == LOGIC_ANDN ? 2 : 1], size, &v);

	if (r != CPU_OK)
		return r;
	res = logic(kind, a, v);
	reg_set(s, &x->i->op[0], size, res);
	set_flags(&s->rflags, RFL_ARITH, logic_flags(kind, v, res, size));
	return CPU_OK;
}

/* The low n bits of v, for any n. */
static uint64_t low_bits(uint64_t v, unsigned n)
{
	return n < 64 ? v & ((1ull << n) - 1) : v;
}

/* BEXTR (arg 0): start in bits 0-7 and length in 8-15 of the control. */
static uint64_t bextr(uint64_t v, uint64_t ctl)
{
	unsigned start = ctl & 0xff, len = ctl >> 8 & 0xff;

	return low_bits(start < 64 ? v >> start : 0, len);
}

/* BEXTR (arg 0), BZHI (arg 1). BZHI sets CF if the index is beyond the operand. */
enum cpu_result x_bmi_field(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t ctl = reg_get(s, &x->i->op[2], size), v, res, f;
	enum cpu_result r = exec_read(x, &x->i->op[1], size, &v);

	if (r != CPU_OK)
		return r;
	res = x->h->arg ? low_bits(v, ctl & 0xff) : bextr(v, ctl);
	reg_set(s, &x->i->op[0], size, res);
	f = flags_szp(res, size) & RFL_ZF;
	if (!x->h->arg) {
		set_flags(&s->rflags, RFL_ARITH, f);
		return CPU_OK;
	}
	f |= flags_szp(res, size) & RFL_SF;
	if ((ctl & 0xff) >= size * 8)
		f |= RFL_CF;
	set_flags(&s->rflags, RFL_ARITH, f);
	return CPU_OK;
}

static uint64_t deposit(uint64_t v, uint64_t mask)
{
	uint64_t r = 0;

	for (; mask; mask &= mask - 1, v >>= 1)
		if (v & 1)
			r |= mask & (0 - mask);
	return r;
}

static uint64_t extract(uint64_t v, uint64_t mask)
{
	uint64_t r = 0;

	for (unsigned k = 0; mask; mask &= mask - 1, k++)
		if (v & mask & (0 - mask))
			r |= 1ull << k;
	return r;
}

/* PDEP (arg 0), PEXT (arg 1); no flags. */
enum cpu_result x_bmi_deposit(struct exec *x)
{
	const unsigned size = x->i->op[0].size;
	struct cpu_state *s = exec_state(x);
	uint64_t v = reg_get(s, &x->i->op[1], size), mask;
	enum cpu_result r = exec_read(x, &x->i->op[2], size, &mask);

	if (r == CPU_OK)
		reg_set(s, &x->i->op[0], size, x->h->arg ? extract(v, mask) : deposit(v, mask));
	return r;
}

/* SHLX, SHRX, SARX, RORX (arg 0 to 3): the shifts of alu.h, with their flags thrown away. */
enum cpu_result x_bmi_shift(struct exec *x)
{
	static const alu_fn fns[] = {alu_shl, alu_shr, alu_sar, alu_ror};
	const unsigned size = x->i->op[0].size;
	struct alu_arg arg = {.size = size};
	uint64_t v, unused = 0;
	enum cpu_result r = exec_read(x, &x->i->op[1], size, &v);

	if (r == CPU_OK)
		r = exec_read(x, &x->i->op[2], 1, &arg.b);
	if (r == CPU_OK)
		reg_set(exec_state(x), &x->i->op[0], size, fns[x->h->arg](v, &arg, &unused));
	return r;
}
