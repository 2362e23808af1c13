/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addition, subtraction and logic with their flags (SDM vol. 1, section 3.4.3.1). AF after a
 * logic operation is undefined by the manual; it is 0 here as on the processors at hand.
 *
 * Read first: alu.h.
 */
#include "vmm/interp/alu.h"

/* Carries out of every bit of a + b (+ 1) = r, without needing a wider type. */
static uint64_t add_flags(uint64_t a, uint64_t b, uint64_t r, unsigned size)
{
	uint64_t f = flags_szp(r, size);

	if (size_msb((a & b) | ((a | b) & ~r), size))
		f |= RFL_CF;
	if (size_msb((a ^ r) & (b ^ r), size))
		f |= RFL_OF;
	return f | ((a ^ b ^ r) & RFL_AF);
}

static uint64_t sub_flags(uint64_t a, uint64_t b, uint64_t r, unsigned size)
{
	uint64_t f = flags_szp(r, size);

	if (size_msb((~a & b) | (~(a ^ b) & r), size))
		f |= RFL_CF;
	if (size_msb((a ^ b) & (a ^ r), size))
		f |= RFL_OF;
	return f | ((a ^ b ^ r) & RFL_AF);
}

uint64_t alu_add(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a + arg->b;

	set_flags(rfl, RFL_ARITH, add_flags(a, arg->b, r, arg->size));
	return r;
}

uint64_t alu_adc(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a + arg->b + (*rfl & RFL_CF);

	set_flags(rfl, RFL_ARITH, add_flags(a, arg->b, r, arg->size));
	return r;
}

uint64_t alu_sub(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a - arg->b;

	set_flags(rfl, RFL_ARITH, sub_flags(a, arg->b, r, arg->size));
	return r;
}

uint64_t alu_sbb(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a - arg->b - (*rfl & RFL_CF);

	set_flags(rfl, RFL_ARITH, sub_flags(a, arg->b, r, arg->size));
	return r;
}

uint64_t alu_and(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a & arg->b;

	set_flags(rfl, RFL_ARITH, flags_szp(r, arg->size));
	return r;
}

uint64_t alu_or(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a | arg->b;

	set_flags(rfl, RFL_ARITH, flags_szp(r, arg->size));
	return r;
}

uint64_t alu_xor(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a ^ arg->b;

	set_flags(rfl, RFL_ARITH, flags_szp(r, arg->size));
	return r;
}

/* INC and DEC leave CF alone. */
uint64_t alu_inc(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a + 1;

	set_flags(rfl, RFL_ARITH & ~RFL_CF, add_flags(a, 1, r, arg->size) & ~RFL_CF);
	return r;
}

uint64_t alu_dec(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = a - 1;

	set_flags(rfl, RFL_ARITH & ~RFL_CF, sub_flags(a, 1, r, arg->size) & ~RFL_CF);
	return r;
}

uint64_t alu_neg(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = 0 - a;

	set_flags(rfl, RFL_ARITH, sub_flags(0, a, r, arg->size));
	return r;
}

uint64_t alu_not(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	(void)arg;
	(void)rfl;
	return ~a;
}

/* The exchange of XCHG. */
uint64_t alu_mov(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	(void)a;
	(void)rfl;
	return arg->b;
}

/* CMPXCHG writes the destination in either case: with its own value if they differ. */
uint64_t alu_cmpxchg(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	uint64_t r = arg->c - a;

	set_flags(rfl, RFL_ARITH, sub_flags(arg->c, a, r, arg->size));
	return *rfl & RFL_ZF ? arg->b : a;
}
