/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bit tests, scans and counts, BSWAP, CRC32.
 *
 * Read first: exec.h, alu.h.
 */
#include "vmm/interp/exec.h"

static uint64_t bit_of(const struct alu_arg *arg)
{
	return 1ull << (arg->b & (arg->size * 8 - 1));
}

/* Only CF is defined, and the processors at hand change no other. */
uint64_t alu_bt(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	set_flags(rfl, RFL_CF, a & bit_of(arg) ? RFL_CF : 0);
	return a;
}

uint64_t alu_bts(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	return alu_bt(a, arg, rfl) | bit_of(arg);
}

uint64_t alu_btr(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	return alu_bt(a, arg, rfl) & ~bit_of(arg);
}

uint64_t alu_btc(uint64_t a, const struct alu_arg *arg, uint64_t *rfl)
{
	return alu_bt(a, arg, rfl) ^ bit_of(arg);
}

/* A bit offset in a register addresses a bit string in memory: the signed number of whole
 * operands it spans moves the address (SDM vol. 2, BT). */
static struct opnd bit_string(const struct opnd *dst, uint64_t offset)
{
	struct opnd o = *dst;
	int64_t bits = size_sext(offset, dst->size);
	unsigned shift = (unsigned)__builtin_ctz(dst->size * 8u);

	o.imm += (uint64_t)(bits >> shift) * dst->size;
	return o;
}

enum cpu_result x_bit_test(struct exec *x)
{
	const struct opnd *src = &x->i->op[1];
	struct opnd dst = x->i->op[0];
	struct alu_arg arg = {.size = dst.size};
	uint64_t old;
	enum cpu_result r = exec_read(x, src, arg.size, &arg.b);

	if (r != CPU_OK)
		return r;
	if (dst.kind == OPND_MEM && src->kind == OPND_REG)
		dst = bit_string(&dst, arg.b);
	if (x->h->alu != alu_bt)
		return exec_rmw(x, &dst, x->h->alu, &arg, x->i->lock, &old);
	r = exec_read(x, &dst, arg.size, &old);
	if (r == CPU_OK)
		alu_bt(old, &arg, &exec_state(x)->rflags);
	return r;
}

/* BSF (arg 0), BSR (arg 1). With a source of 0 the destination keeps all its bits, as the
 * processors do and as software has come to expect. */
enum cpu_result x_bit_scan(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	uint64_t v;
	enum cpu_result r = exec_read(x, &x->i->op[1], dst->size, &v);

	if (r != CPU_OK)
		return r;
	if (!v) {
		set_flags(&s->rflags, RFL_ARITH, RFL_ZF | RFL_PF);
		return CPU_OK;
	}
	v = (uint64_t)(x->h->arg ? 63 - __builtin_clzll(v) : __builtin_ctzll(v));
	set_flags(&s->rflags, RFL_ARITH, __builtin_parity((unsigned)v) ? 0 : RFL_PF);
	reg_set(s, dst, dst->size, v);
	return CPU_OK;
}

static uint64_t count_bits(uint64_t v, unsigned kind, unsigned bits)
{
	if (kind == 2)
		return (uint64_t)__builtin_popcountll(v);
	if (!v)
		return bits;
	return kind ? (uint64_t)__builtin_clzll(v) - (64 - bits) : (uint64_t)__builtin_ctzll(v);
}

/* TZCNT, LZCNT, POPCNT (arg 0, 1, 2). The first two set CF for a source of 0 and ZF for a count
 * of 0; POPCNT sets ZF for a source of 0. */
enum cpu_result x_bit_count(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	uint64_t v, n, f = 0;
	enum cpu_result r = exec_read(x, &x->i->op[1], dst->size, &v);

	if (r != CPU_OK)
		return r;
	n = count_bits(v, x->h->arg, dst->size * 8u);
	if (!n)
		f |= RFL_ZF;
	if (x->h->arg != 2 && !v)
		f |= RFL_CF;
	reg_set(s, dst, dst->size, n);
	set_flags(&s->rflags, RFL_ARITH, f);
	return CPU_OK;
}

/* Of a 16-bit register the manual says undefined; the processors make it 0. */
enum cpu_result x_bswap(struct exec *x)
{
	const struct opnd *o = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	uint64_t v = __builtin_bswap64(reg_get(s, o, o->size)) >> (64 - o->size * 8);

	reg_set(s, o, o->size, o->size == 2 ? 0 : v);
	return CPU_OK;
}

/* CRC-32C, bit by bit: nobody's hot path. */
static uint32_t crc32c(uint32_t crc, uint64_t v, unsigned bits)
{
	for (unsigned k = 0; k < bits; k++) {
		bool out = (crc ^ (uint32_t)(v >> k)) & 1;

		crc = crc >> 1 ^ (out ? 0x82f63b78u : 0);
	}
	return crc;
}

enum cpu_result x_crc32(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	struct cpu_state *s = exec_state(x);
	uint64_t v;
	enum cpu_result r = exec_read(x, src, src->size, &v);

	if (r == CPU_OK)
		reg_set(s, dst, dst->size,
			crc32c((uint32_t)s->gpr[dst->reg], v, src->size * 8u));
	return r;
}
