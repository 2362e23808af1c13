/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SSE to SSE4.2 and MMX by the host's own unit: operands into the stub's registers, the stub, the
 * exceptions the guest wants, results out of them.
 *
 * SIMD exceptions. The stub runs with all of them masked and its flags clear. An unmasked one found
 * in the flags afterwards is #XM, the destination unchanged (SDM vol. 1, section 11.5.2): those
 * found before computing (IE, DE, ZE) hide those found after it. Unmasked underflow is of tiny
 * results, exact ones too, while masked underflow is of inexact ones (section 4.9.1.5): a second
 * run with flush-to-zero, which looks for tiny results alone, tells.
 *
 * Known limits. Beside unmasked overflow and underflow MXCSR.PE is that of the infinite or denormal
 * result, where a processor means the one before that: it can be 1 too often. DPPS and DPPD compute in stages; where the multiplication has an unmasked exception a
 * processor never adds, so here MXCSR may get flags of the addition beside or instead of its own.
 *
 * Read first: fpu.h, fpu_host.S. Manual: SDM vol. 1, chapters 10 and 11; vol. 3, section 2.5 and
 * tables of exception conditions in section 22.25 (legacy SIMD).
 */
#include <string.h>

#include "vmm/interp/fpu.h"

#define PRE_EXCEPTIONS (FPU_IE | FPU_DE | FPU_ZE)
#define MXCSR_MASKS    (FPU_EXCEPTIONS << FPU_MASKS_SHIFT)

enum cpu_result fpu_take(struct exec *x, bool write)
{
	struct cpu *c = x->c;

	return c->ops->fpu ? c->ops->fpu(c->m, &c->s, write, x->f) : CPU_OK;
}

enum cpu_result sse_ready(struct exec *x)
{
	const struct cpu_state *s = exec_state(x);

	if ((s->cr0 & CR0_EM) || !(s->cr4 & CR4_OSFXSR))
		return exec_ud(x);
	return s->cr0 & CR0_TS ? cpu_fault(x->f, VEC_NM) : CPU_OK;
}

enum cpu_result vec_ready(struct exec *x)
{
	return x->i->vex ? avx_ready(x) : sse_ready(x);
}

bool sse_misaligned(const struct exec *x, const struct opnd *o)
{
	const struct cpu_state *s = &x->c->s;
	uint64_t va = exec_ea(x, o);

	if (!cpu_64bit(s) || o->seg == CPU_FS || o->seg == CPU_GS)
		va += s->seg[o->seg].base;
	return va & (o->size - 1u);
}

/* Every 16-byte operand in memory but these (SDM vol. 1, section 11.6.10 and vol. 2, of each). */
static bool aligned_only(const struct insn *i, const struct opnd *o)
{
	if (o->size != 16)
		return false;
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU:
	case ZYDIS_MNEMONIC_PCMPESTRI:
	case ZYDIS_MNEMONIC_PCMPESTRM:
	case ZYDIS_MNEMONIC_PCMPISTRI:
	case ZYDIS_MNEMONIC_PCMPISTRM:
		return false;
	default:
		return true;
	}
}

/* ---- operands in ---- */

static unsigned slot_of(const struct opnd *o)
{
	return o->role & ROLE_RM ? FPU_SLOT_RM : FPU_SLOT_REG;
}

static bool in_slot(const struct opnd *o)
{
	return o->role & (ROLE_RM | ROLE_REG);
}

static enum cpu_result load(struct exec *x, const struct opnd *o, struct fpu_host *h)
{
	const struct cpu_state *s = exec_state(x);

	switch (o->kind) {
	case OPND_VEC:
		memcpy(h->xmm[slot_of(o)], s->fpu.xmm[o->reg], 16);
		return CPU_OK;
	case OPND_MM:
		memcpy(h->fx.st[slot_of(o)], s->fpu.st[(o->reg - FPU_FSW_TOP(s->fpu.fsw)) & 7],
		       16);
		return CPU_OK;
	case OPND_REG:
		*(o->role & ROLE_RM ? &h->rcx : &h->rdx) = s->gpr[o->reg];
		return CPU_OK;
	case OPND_MEM:
		if (aligned_only(x->i, o) && sse_misaligned(x, o))
			return exec_gp(x);
		return o->role & ROLE_READ ? exec_mem_read(x, o, h->mem, o->size, MEM_READ)
					   : CPU_OK;
	default:
		return CPU_OK;
	}
}

static enum cpu_result load_operands(struct exec *x, struct fpu_host *h)
{
	const struct cpu_state *s = exec_state(x);
	enum cpu_result r = CPU_OK;

	memset(h, 0, sizeof(*h));
	memcpy(h->xmm[FPU_SLOT_IMPLICIT], s->fpu.xmm[0], 16);
	h->rax = s->gpr[CPU_RAX];
	h->rcx = s->gpr[CPU_RCX];
	h->rdx = s->gpr[CPU_RDX];
	h->flags = s->rflags & FPU_FLAGS;
	for (unsigned k = 0; k < x->i->nops && r == CPU_OK; k++)
		if (x->i->op[k].kind == OPND_MEM || in_slot(&x->i->op[k]))
			r = load(x, &x->i->op[k], h);
	return r;
}

/* ---- execution ---- */

static uint32_t run_sse(struct fpu_host *h, const void *stub, uint32_t mxcsr)
{
	h->mxcsr = mxcsr;
	fpu_host_sse(h, stub);
	return h->mxcsr & FPU_EXCEPTIONS;
}

/* MMX registers are loaded as part of the whole image. */
static uint32_t run_mmx(struct fpu_host *h, const void *stub, uint32_t mxcsr)
{
	h->fx.mxcsr = mxcsr;
	h->fx.fcw = 0x37f;
	h->fx.ftw = 0xff;
	memcpy(h->fx.xmm, h->xmm, sizeof(h->xmm));
	fpu_host_all(h, stub);
	memcpy(h->xmm, h->fx.xmm, sizeof(h->xmm));
	return h->fx.mxcsr & FPU_EXCEPTIONS;
}

uint32_t simd_masked(struct fpu_host *h, const void *stub, simd_run run, uint32_t guest,
		     bool *due)
{
	const uint32_t want = ~(guest >> FPU_MASKS_SHIFT) & FPU_EXCEPTIONS;
	const uint32_t modes = (guest & ~FPU_EXCEPTIONS) | MXCSR_MASKS;
	struct fpu_host again;
	uint32_t flags;

	if (!(want & FPU_UE)) {
		flags = run(h, stub, modes);
	} else { /* flush-to-zero works on masked underflow only */
		again = *h;
		flags = run(h, stub, modes & ~FPU_MXCSR_FTZ) & ~FPU_UE;
		flags |= run(&again, stub, modes | FPU_MXCSR_FTZ) & FPU_UE;
	}
	*due = flags & want;
	return flags & want & PRE_EXCEPTIONS ? flags & PRE_EXCEPTIONS : flags;
}

/* #UD if the system doesn't handle #XM (SDM vol. 3, section 2.5, CR4.OSXMMEXCPT). */
enum cpu_result simd_exception(struct exec *x, uint32_t flags)
{
	struct cpu_state *s = exec_state(x);

	s->fpu.mxcsr |= flags;
	return cpu_fault(x->f, s->cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

/* ---- results out ---- */

static void store(struct exec *x, const struct opnd *o, const struct fpu_host *h)
{
	struct cpu_state *s = exec_state(x);

	if (!(o->role & ROLE_WRITE) || !in_slot(o))
		return;
	if (o->kind == OPND_VEC)
		memcpy(s->fpu.xmm[o->reg], h->xmm[slot_of(o)], 16);
	else if (o->kind == OPND_MM) /* TOP is 0 by now */
		memcpy(s->fpu.st[o->reg], h->fx.st[slot_of(o)], 16);
	else if (o->kind == OPND_REG)
		reg_set(s, o, o->size, o->role & ROLE_RM ? h->rcx : h->rdx);
}

/* PCMPxSTRI answers in ECX, PCMPxSTRM in XMM0. */
static void store_implicit(struct exec *x, const struct fpu_host *h)
{
	struct cpu_state *s = exec_state(x);

	if (x->i->map != 3 || (x->i->opcode & 0xfc) != 0x60)
		return;
	if (x->i->opcode & 1)
		gpr_set(s, CPU_RCX, 4, h->rcx);
	else
		memcpy(s->fpu.xmm[0], h->xmm[FPU_SLOT_IMPLICIT], 16);
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

static void commit(struct exec *x, const struct fpu_host *h, uint32_t flags, bool mmx)
{
	struct cpu_state *s = exec_state(x);

	if (mmx)
		mmx_enter(&s->fpu);
	for (unsigned k = 0; k < x->i->nops; k++)
		store(x, &x->i->op[k], h);
	store_implicit(x, h);
	s->fpu.mxcsr |= flags;
	set_flags(&s->rflags, FPU_FLAGS, h->flags & FPU_FLAGS);
}

static enum cpu_result simd_ready(struct exec *x, bool mmx)
{
	enum cpu_result r = CPU_OK;
	bool vec = !mmx;

	if (x->i->unit == UNIT_SIMD_NEW && !__builtin_cpu_supports("sse4.2"))
		return exec_ud(x);
	for (unsigned k = 0; k < x->i->nops; k++)
		vec |= x->i->op[k].kind == OPND_VEC;
	if (vec)
		r = sse_ready(x);
	if (r == CPU_OK && mmx)
		return mmx_ready(x);
	return r == CPU_OK ? fpu_take(x, true) : r;
}

enum cpu_result x_simd(struct exec *x)
{
	const bool mmx = mmx_involved(x->i);
	const void *stub = fpu_stub_simd(x->i);
	struct fpu_host h;
	uint32_t flags;
	bool due;
	enum cpu_result r = simd_ready(x, mmx);

	if (r == CPU_OK && !stub)
		r = exec_not_emulated(x);
	if (r == CPU_OK)
		r = load_operands(x, &h);
	if (r != CPU_OK)
		return r;
	flags = simd_masked(&h, stub, mmx ? run_mmx : run_sse, exec_state(x)->fpu.mxcsr, &due);
	if (due && mmx) /* conversions to MMX have changed over by then */
		mmx_enter(&exec_state(x)->fpu);
	if (due)
		return simd_exception(x, flags);
	r = store_memory(x, &h);
	if (r == CPU_OK)
		commit(x, &h, flags, mmx);
	return r;
}
