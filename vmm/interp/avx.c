/* SPDX-License-Identifier: BSD-2-Clause
 *
 * AVX, AVX2, FMA and F16C by the host's own unit, in the manner of sse.c; and the instructions that
 * clear registers. The result has the upper half that the host gave it: zero after a 128-bit one.
 *
 * XCR0 has the bit of AVX only if CPUID offers AVX, which it does only if the host has it.
 *
 * Read first: sse.c, avx_host.S. Manual: SDM vol. 1, chapter 14; vol. 2, section 2.4 (exception
 * classes of VEX).
 */
#include <string.h>

#include "vmm/interp/fpu.h"

#define XCR0_AVX 6u /* SSE and AVX state, both needed */

static bool unit_offered(unsigned unit)
{
	switch (unit) {
	case UNIT_AVX2:
		return __builtin_cpu_supports("avx2");
	case UNIT_FMA:
		return __builtin_cpu_supports("fma");
	case UNIT_F16C:
		return __builtin_cpu_supports("f16c");
	default:
		return true;
	}
}

/* Real and virtual-8086 mode know no VEX (SDM vol. 2, section 2.3.5). */
enum cpu_result avx_ready(struct exec *x)
{
	const struct cpu_state *s = exec_state(x);

	if (cpu_real_mode(s) || (s->rflags & RFL_VM) || !unit_offered(x->i->unit))
		return exec_ud(x);
	if (!(s->cr4 & CR4_OSXSAVE) || (s->xcr0 & XCR0_AVX) != XCR0_AVX)
		return exec_ud(x);
	return s->cr0 & CR0_TS ? cpu_fault(x->f, VEC_NM) : CPU_OK;
}

void vec_get(const struct cpu_state *s, unsigned reg, uint8_t val[VEC_BYTES])
{
	memcpy(val, s->fpu.xmm[reg], 16);
	memcpy(val + 16, s->ymm_high[reg], 16);
}

void vec_set(struct cpu_state *s, unsigned reg, const uint8_t val[VEC_BYTES])
{
	memcpy(s->fpu.xmm[reg], val, 16);
	memcpy(s->ymm_high[reg], val + 16, 16);
}

/* VZEROUPPER and VZEROALL (arg 1), of the registers that the mode has. */
enum cpu_result x_vzero(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const unsigned n = cpu_64bit(s) ? 16 : 8;
	enum cpu_result r = avx_ready(x);

	if (r == CPU_OK)
		r = fpu_take(x, true);
	if (r != CPU_OK)
		return r;
	memset(s->ymm_high, 0, 16 * n);
	if (x->h->arg)
		memset(s->fpu.xmm, 0, 16 * n);
	return CPU_OK;
}

/* ---- operands in and out ---- */

static unsigned slot_of(const struct opnd *o)
{
	if (o->role & ROLE_RM)
		return FPU_SLOT_RM;
	if (o->role & ROLE_REG)
		return FPU_SLOT_REG;
	return o->role & ROLE_VVVV ? FPU_SLOT_VVVV : FPU_SLOT_IS4;
}

static enum cpu_result load_operands(struct exec *x, struct fpu_host *h)
{
	const struct cpu_state *s = exec_state(x);
	enum cpu_result r = CPU_OK;

	memset(h->ymm, 0, sizeof(h->ymm));
	memset(h->mem, 0, VEC_BYTES);
	h->rax = s->gpr[CPU_RAX];
	h->rcx = s->gpr[CPU_RCX];
	h->rdx = s->gpr[CPU_RDX];
	h->flags = s->rflags & FPU_FLAGS;
	for (unsigned k = 0; k < x->i->nops && r == CPU_OK; k++) {
		const struct opnd *o = &x->i->op[k];

		if (o->kind == OPND_VEC)
			vec_get(s, o->reg, h->ymm[slot_of(o)]);
		else if (o->kind == OPND_REG)
			*(o->role & ROLE_RM ? &h->rcx : &h->rdx) = s->gpr[o->reg];
		else if (o->kind == OPND_MEM && (o->role & ROLE_READ))
			r = exec_mem_read(x, o, h->mem, o->size, MEM_READ);
	}
	return r;
}

/* VPCMPxSTRI answers in ECX, VPCMPxSTRM in XMM0. */
static void store_implicit(struct exec *x, const struct fpu_host *h)
{
	struct cpu_state *s = exec_state(x);

	if (x->i->map != 3 || (x->i->opcode & 0xfc) != 0x60)
		return;
	if (x->i->opcode & 1)
		gpr_set(s, CPU_RCX, 4, h->rcx);
	else
		vec_set(s, 0, h->ymm[FPU_SLOT_IMPLICIT]);
}

static enum cpu_result store_memory(struct exec *x, const struct fpu_host *h)
{
	for (unsigned k = 0; k < x->i->nops; k++) {
		const struct opnd *o = &x->i->op[k];

		if (o->kind == OPND_MEM && (o->role & ROLE_WRITE))
			return exec_mem_write(x, o, h->mem, o->size);
	}
	return CPU_OK;
}

static void commit(struct exec *x, const struct fpu_host *h, uint32_t flags)
{
	struct cpu_state *s = exec_state(x);

	for (unsigned k = 0; k < x->i->nops; k++) {
		const struct opnd *o = &x->i->op[k];

		if (!(o->role & ROLE_WRITE))
			continue;
		if (o->kind == OPND_VEC)
			vec_set(s, o->reg, h->ymm[slot_of(o)]);
		else if (o->kind == OPND_REG)
			reg_set(s, o, o->size, o->role & ROLE_RM ? h->rcx : h->rdx);
	}
	store_implicit(x, h);
	s->fpu.mxcsr |= flags;
	set_flags(&s->rflags, FPU_FLAGS, h->flags & FPU_FLAGS);
}

/* ---- execution ---- */

static uint32_t run(struct fpu_host *h, const void *stub, uint32_t mxcsr)
{
	h->mxcsr = mxcsr;
	fpu_host_avx(h, stub);
	return h->mxcsr & FPU_EXCEPTIONS;
}

enum cpu_result x_avx(struct exec *x)
{
	const void *stub = fpu_stub_avx(x->i);
	struct fpu_host h;
	uint32_t flags;
	bool due;
	enum cpu_result r = avx_ready(x);

	if (r == CPU_OK && !stub)
		r = exec_not_emulated(x);
	if (r == CPU_OK)
		r = fpu_take(x, true);
	if (r == CPU_OK)
		r = load_operands(x, &h);
	if (r != CPU_OK)
		return r;
	flags = simd_masked(&h, stub, run, exec_state(x)->fpu.mxcsr, &due);
	if (due)
		return simd_exception(x, flags);
	r = store_memory(x, &h);
	if (r == CPU_OK)
		commit(x, &h, flags);
	return r;
}
