/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Integer operations as pure functions of operands and flags: no memory, no registers. They are
 * pure so that a LOCKed instruction can compute again when its compare-and-exchange loses.
 *
 * Read next: alu.c (add and logic), shift.c, bits.c. Users: rmw.c.
 */
#ifndef UMBRA_INTERP_ALU_H
#define UMBRA_INTERP_ALU_H

#include "vmm/cpu/state.h"

#define RFL_ARITH (RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_OF)

struct alu_arg {
	uint64_t b;    /* second operand, zero-extended from size; a shift's count */
	uint64_t c;    /* third operand: the count of SHLD, the accumulator of CMPXCHG */
	unsigned size; /* 1, 2, 4 or 8 bytes */
};

/* a is zero-extended from arg->size, the result may have anything above it. *rfl is RFLAGS,
 * of which only the flags the instruction defines are changed. */
typedef uint64_t (*alu_fn)(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);

static inline uint64_t size_mask(unsigned size)
{
	return size >= 8 ? ~0ull : (1ull << (size * 8)) - 1;
}

static inline bool size_msb(uint64_t v, unsigned size)
{
	return (v >> (size * 8 - 1)) & 1;
}

static inline int64_t size_sext(uint64_t v, unsigned size)
{
	unsigned k = 64 - size * 8;

	return (int64_t)(v << k) >> k;
}

/* SF, ZF and PF of a result. */
static inline uint64_t flags_szp(uint64_t r, unsigned size)
{
	uint64_t f = __builtin_parity((uint8_t)r) ? 0 : RFL_PF;

	if (!(r & size_mask(size)))
		f |= RFL_ZF;
	return size_msb(r, size) ? f | RFL_SF : f;
}

static inline void set_flags(uint64_t *rfl, uint64_t which, uint64_t value)
{
	*rfl = (*rfl & ~which) | value;
}

uint64_t alu_add(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_adc(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_sub(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_sbb(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_and(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_or(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_xor(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_inc(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_dec(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_neg(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_not(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_mov(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_cmpxchg(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);

uint64_t alu_shl(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_shr(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_sar(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_rol(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_ror(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_rcl(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_rcr(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_shld(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_shrd(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);

uint64_t alu_bt(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_bts(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_btr(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);
uint64_t alu_btc(uint64_t a, const struct alu_arg *arg, uint64_t *rfl);

#endif
