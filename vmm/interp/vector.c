/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The moves with which kernels clear and copy pages, done here because they are the frequent ones,
 * and of AVX those that go with them: whole-register moves, VMOVD, VMOVQ and exclusive or.
 * Everything else vector is the host's work (sse.c, avx.c).
 *
 * Read first: exec.h, fpu.h. Manual: SDM vol. 1, section 14.3; vol. 2, table 2-16 and on.
 */
#include <string.h>

#include "vmm/interp/fpu.h"

static enum cpu_result vector_ready(struct exec *x, bool write)
{
	enum cpu_result r = vec_ready(x);

	return r == CPU_OK ? fpu_take(x, write) : r;
}

/* Without VEX the bits above the operand survive; with it they become 0. */
static void vec_store(struct exec *x, const struct opnd *dst, const uint8_t *val, unsigned len)
{
	struct cpu_state *s = exec_state(x);
	uint8_t reg[VEC_BYTES] = {0};

	if (!x->i->vex)
		vec_get(s, dst->reg, reg);
	memcpy(reg, val, len);
	vec_set(s, dst->reg, reg);
}

static bool misaligned(struct exec *x, const struct opnd *o)
{
	return (x->h->arg & VMOV_ALIGNED) && o->kind == OPND_MEM && sse_misaligned(x, o);
}

static enum cpu_result vec_load(struct exec *x, const struct opnd *o, uint8_t val[VEC_BYTES])
{
	memset(val, 0, VEC_BYTES);
	if (o->kind == OPND_MEM)
		return exec_mem_read(x, o, val, o->size, MEM_READ);
	if (o->kind != OPND_VEC)
		return exec_not_emulated(x);
	vec_get(exec_state(x), o->reg, val);
	return CPU_OK;
}

/* MOVAPS to MOVDQU and the non-temporal ones, 16 or 32 bytes. */
enum cpu_result x_vmov(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	uint8_t val[VEC_BYTES];
	enum cpu_result r = vector_ready(x, dst->kind == OPND_VEC);

	if (r != CPU_OK)
		return r;
	if (misaligned(x, dst) || misaligned(x, src))
		return exec_gp(x);
	r = vec_load(x, src, val);
	if (r != CPU_OK)
		return r;
	if (dst->kind == OPND_MEM)
		return exec_mem_write(x, dst, val, dst->size);
	vec_store(x, dst, val, dst->size);
	return CPU_OK;
}

/* VMOVD and VMOVQ: the low 4 or 8 bytes, zero-extended to 16 in a vector register. The operand
 * that isn't the whole vector register tells the width. */
enum cpu_result x_vmovd(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	const unsigned len = dst->size < src->size ? dst->size : src->size;
	uint8_t val[VEC_BYTES] = {0};
	uint64_t low = 0;
	enum cpu_result r = vector_ready(x, dst->kind == OPND_VEC);

	if (r != CPU_OK)
		return r;
	if (src->kind == OPND_VEC)
		memcpy(&low, exec_state(x)->fpu.xmm[src->reg], len);
	else
		r = exec_read(x, src, len, &low);
	if (r != CPU_OK)
		return r;
	if (dst->kind != OPND_VEC)
		return exec_write(x, dst, len, low);
	memcpy(val, &low, len);
	vec_store(x, dst, val, 16);
	return CPU_OK;
}

/* VPXOR, VXORPS, VXORPD. */
enum cpu_result x_vxor(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *a = &x->i->op[1], *b = &x->i->op[2];
	uint8_t va[VEC_BYTES], vb[VEC_BYTES];
	enum cpu_result r = vector_ready(x, dst->kind == OPND_VEC);

	if (r != CPU_OK)
		return r;
	r = vec_load(x, a, va);
	if (r == CPU_OK)
		r = vec_load(x, b, vb);
	if (r != CPU_OK)
		return r;
	for (unsigned k = 0; k < VEC_BYTES; k++)
		va[k] ^= vb[k];
	vec_store(x, dst, va, dst->size);
	return CPU_OK;
}

/* Two mnemonics shared with string instructions, which have no visible operands. */
enum cpu_result x_movsd(struct exec *x)
{
	return x->i->nops ? x_simd(x) : x_movs(x);
}

enum cpu_result x_cmpsd(struct exec *x)
{
	return x->i->nops ? x_simd(x) : x_cmps(x);
}
