/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The SSE and AVX instructions with which kernels clear and copy pages: whole-register moves,
 * MOVD, MOVQ, and exclusive or (mostly of a register with itself). Everything else vector is
 * not emulated, nor is any of it on an engine without access to the registers.
 *
 * Read first: exec.h. Manual: SDM vol. 1, sections 13.1 and 14.3; vol. 2, table 2-16 and on.
 */
#include <string.h>

#include "vmm/interp/exec.h"

#define VEC_BYTES 32
#define XCR0_AVX  6u /* SSE and AVX state, both needed */

/* What must hold before any of these runs. */
static enum cpu_result vector_ready(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	if (x->i->vex) {
		if (!(s->cr4 & CR4_OSXSAVE) || (s->xcr0 & XCR0_AVX) != XCR0_AVX)
			return exec_ud(x);
	} else if ((s->cr0 & CR0_EM) || !(s->cr4 & CR4_OSFXSR)) {
		return exec_ud(x);
	}
	if (s->cr0 & CR0_TS)
		return cpu_fault(x->f, VEC_NM);
	return x->c->ops->get_vec && x->c->ops->set_vec ? CPU_OK : exec_not_emulated(x);
}

/* Without VEX the bits above the operand survive; with it they become 0. */
static enum cpu_result vec_store(struct exec *x, const struct opnd *dst, const uint8_t *val,
				 unsigned len)
{
	uint8_t reg[VEC_BYTES] = {0};
	enum cpu_result r = CPU_OK;

	if (!x->i->vex)
		r = x->c->ops->get_vec(x->c->m, dst->reg, reg);
	if (r != CPU_OK)
		return r;
	memcpy(reg, val, len);
	return x->c->ops->set_vec(x->c->m, dst->reg, reg);
}

static bool misaligned(struct exec *x, const struct opnd *o)
{
	const struct cpu_state *s = exec_state(x);
	uint64_t va = exec_ea(x, o);

	if (!(x->h->arg & VMOV_ALIGNED) || o->kind != OPND_MEM)
		return false;
	if (!cpu_64bit(s) || o->seg == CPU_FS || o->seg == CPU_GS)
		va += s->seg[o->seg].base;
	return va & (o->size - 1u);
}

static enum cpu_result vec_load(struct exec *x, const struct opnd *o, uint8_t val[VEC_BYTES])
{
	memset(val, 0, VEC_BYTES);
	if (o->kind == OPND_VEC)
		return x->c->ops->get_vec(x->c->m, o->reg, val);
	if (o->kind != OPND_MEM)
		return exec_not_emulated(x);
	return exec_mem_read(x, o, val, o->size, MEM_READ);
}

/* MOVAPS to MOVDQU and the non-temporal ones, 16 or 32 bytes. */
enum cpu_result x_vmov(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	uint8_t val[VEC_BYTES];
	enum cpu_result r = vector_ready(x);

	if (r != CPU_OK)
		return r;
	if (misaligned(x, dst) || misaligned(x, src))
		return exec_gp(x);
	r = vec_load(x, src, val);
	if (r != CPU_OK)
		return r;
	if (dst->kind == OPND_MEM)
		return exec_mem_write(x, dst, val, dst->size);
	return vec_store(x, dst, val, dst->size);
}

/* MOVD and MOVQ: the low 4 or 8 bytes, zero-extended to 16 in a vector register. The operand
 * that isn't the whole vector register tells the width. */
enum cpu_result x_vmovd(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *src = &x->i->op[1];
	const unsigned len = dst->size < src->size ? dst->size : src->size;
	uint8_t val[VEC_BYTES] = {0};
	uint64_t low = 0;
	enum cpu_result r = vector_ready(x);

	if (r != CPU_OK)
		return r;
	if (dst->kind == OPND_OTHER || src->kind == OPND_OTHER)
		return exec_not_emulated(x); /* MMX */
	r = src->kind == OPND_VEC ? x->c->ops->get_vec(x->c->m, src->reg, val)
				  : exec_read(x, src, len, &low);
	if (r != CPU_OK)
		return r;
	if (src->kind == OPND_VEC)
		memcpy(&low, val, len);
	if (dst->kind != OPND_VEC)
		return exec_write(x, dst, len, low);
	memset(val, 0, sizeof(val));
	memcpy(val, &low, len);
	return vec_store(x, dst, val, 16);
}

/* PXOR, XORPS, XORPD: legacy forms have two operands, VEX ones three. */
enum cpu_result x_vxor(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0], *a = &x->i->op[x->i->nops - 2];
	const struct opnd *b = &x->i->op[x->i->nops - 1];
	uint8_t va[VEC_BYTES], vb[VEC_BYTES];
	enum cpu_result r = vector_ready(x);

	if (r != CPU_OK)
		return r;
	if (dst->kind != OPND_VEC)
		return exec_not_emulated(x); /* MMX */
	if (!x->i->vex && b->kind == OPND_MEM && misaligned(x, b))
		return exec_gp(x);
	r = vec_load(x, a, va);
	if (r == CPU_OK)
		r = vec_load(x, b, vb);
	if (r != CPU_OK)
		return r;
	for (unsigned k = 0; k < VEC_BYTES; k++)
		va[k] ^= vb[k];
	return vec_store(x, dst, va, dst->size);
}

/* Two mnemonics shared with string instructions, which have no visible operands. */
enum cpu_result x_movsd(struct exec *x)
{
	return x->i->nops ? exec_not_emulated(x) : x_movs(x);
}

enum cpu_result x_cmpsd(struct exec *x)
{
	return x->i->nops ? exec_not_emulated(x) : x_cmps(x);
}
