/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shifts and rotates. Counts are taken modulo 32, or 64 for 64-bit operands; a count of 0
 * leaves the flags alone. The manual defines OF for counts of 1 only, and AF not at all: OF
 * follows the formula for 1 throughout, AF becomes 0 as on the processors at hand.
 *
 * Read first: alu.h.
 */
#include "vmm/interp/alu.h"

static unsigned masked_count(uint64_t count, unsigned size)
{
	return (unsigned)count & (size == 8 ? 63 : 31);
}

static void shift_flags(uint64_t *rfl, uint64_t r, unsigned size, bool cf, bool of)
{
	set_flags(rfl, RFL_ARITH, flags_szp(r, size) | (cf ? RFL_CF : 0) | (of ? RFL_OF : 0));
}

static void rotate_flags(uint64_t *rfl, bool cf, bool of)
{
	set_flags(rfl, RFL_CF | RFL_OF, (cf ? RFL_CF : 0) | (of ? RFL_OF : 0));
}

uint64_t alu_shl(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned n = masked_count(arg->b, arg->size);

	if (!n)
		return a;

	uint64_t last =
		a << (n - 1); /* one short of the result: its top bit is what falls out */
	bool cf = size_msb(last, arg->size);
	uint64_t r = last << 1;

	shift_flags(rfl, r, arg->size, cf, cf ^ size_msb(r, arg->size));
	return r;
}

uint64_t alu_shr(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned n = masked_count(arg->b, arg->size);

	if (!n)
		return a;

	uint64_t last = a >> (n - 1);

	shift_flags(rfl, last >> 1, arg->size, last & 1, size_msb(a, arg->size));
	return last >> 1;
}

uint64_t alu_sar(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned n = masked_count(arg->b, arg->size);

	if (!n)
		return a;

	int64_t last = size_sext(a, arg->size) >> (n - 1);

	shift_flags(rfl, (uint64_t)(last >> 1), arg->size, last & 1, false);
	return (uint64_t)(last >> 1);
}

uint64_t alu_rol(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned bits = arg->size * 8, n = masked_count(arg->b, arg->size);
	unsigned k = n % bits;
	uint64_t r = k ? (a << k) | (a >> (bits - k)) : a;

	if (n)
		rotate_flags(rfl, r & 1, (r & 1) ^ size_msb(r, arg->size));
	return r;
}

uint64_t alu_ror(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned bits = arg->size * 8, n = masked_count(arg->b, arg->size);
	unsigned k = n % bits;
	uint64_t r = k ? (a >> k) | (a << (bits - k)) : a;
	bool top = size_msb(r, arg->size);

	if (n)
		rotate_flags(rfl, top, top ^ ((r >> (bits - 2)) & 1));
	return r;
}

/* RCL and RCR turn a number one bit wider than the operand, with CF on top. */
static uint64_t rotate_carry(uint64_t a, unsigned left, unsigned size, bool *cf)
{
	unsigned bits = size * 8;
	unsigned __int128 wide = a | (unsigned __int128)*cf << bits;
	unsigned __int128 r = left ? wide << left | wide >> (bits + 1 - left) : wide;

	*cf = r >> bits & 1;
	return (uint64_t)r & size_mask(size);
}

uint64_t alu_rcl(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned n = masked_count(arg->b, arg->size) % (arg->size * 8 + 1);
	bool cf = *rfl & RFL_CF;

	if (!n)
		return a;

	uint64_t r = rotate_carry(a, n, arg->size, &cf);

	rotate_flags(rfl, cf, cf ^ size_msb(r, arg->size));
	return r;
}

uint64_t alu_rcr(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned bits = arg->size * 8;
	unsigned n = masked_count(arg->b, arg->size) % (bits + 1);
	bool cf = *rfl & RFL_CF;

	if (!n)
		return a;

	uint64_t r = rotate_carry(a, bits + 1 - n, arg->size, &cf);

	rotate_flags(rfl, cf, size_msb(r, arg->size) ^ ((r >> (bits - 2)) & 1));
	return r;
}

/* SHLD and SHRD. With 16-bit operands and a count above 16 the manual leaves everything
 * undefined; the processors at hand go on shifting in the destination itself: a:b:a. */
uint64_t alu_shld(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned bits = arg->size * 8, n = masked_count(arg->c, arg->size);

	if (!n)
		return a;

	unsigned __int128 wide = (unsigned __int128)a << bits | arg->b;
	uint64_t r, last;

	if (bits == 16)
		wide = wide << 16 | a;
	last = (uint64_t)(wide << (n - 1) >> (bits == 16 ? 32 : bits));
	r = (uint64_t)(wide << n >> (bits == 16 ? 32 : bits));
	shift_flags(rfl, r, arg->size, size_msb(last, arg->size),
		    size_msb(last ^ r, arg->size));
	return r;
}

uint64_t alu_shrd(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	unsigned bits = arg->size * 8, n = masked_count(arg->c, arg->size);

	if (!n)
		return a;

	unsigned __int128 wide = (unsigned __int128)arg->b << bits | a;

	if (bits == 16)
		wide |= (unsigned __int128)a << 32;

	uint64_t last = (uint64_t)(wide >> (n - 1)), r = (uint64_t)(wide >> n);

	shift_flags(rfl, r, arg->size, last & 1, size_msb(last ^ r, arg->size));
	return r;
}
