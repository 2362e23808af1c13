/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The XSAVE family for x87, SSE and AVX state, in the standard and the compacted format, which for
 * these three lay everything at the same place. A component counts as in use if it differs from its
 * initial configuration; XSAVEOPT leaves out what is initial and never what is merely unmodified.
 *
 * PKRU is no component: code at CPL 3 that saves and restores by itself must find what the guest has
 * in every one of them, and an engine may keep the guest's PKRU where the processor doesn't see it.
 *
 * Read first: fpu.h, fpu_image.c. Manual: SDM vol. 1, chapter 13; vol. 2, of each instruction.
 */
#include <stddef.h>
#include <string.h>

#include "vmm/interp/fpu.h"

#define X87 (1u << 0)
#define SSE (1u << 1)
#define AVX (1u << 2)

#define CPUID_D1_OPT	 (1u << 0)
#define CPUID_D1_COMPACT (1u << 1)
#define CPUID_D1_XGETBV1 (1u << 2)

#define COMPACTED (1ull << 63)

struct area {
	struct cpu_fpu legacy;
	uint64_t xstate_bv, xcomp_bv, reserved[6];
	uint8_t ymm_high[16][16];
};
_Static_assert(offsetof(struct area, ymm_high) == 576, "SDM vol. 1, section 13.4.2");

/* A part of the area that goes with a component; the last registers exist in 64-bit mode only. */
struct part {
	uint16_t at, len, len32;
};
static const struct part control = {0, 24, 24}; /* FCW to FDP */
static const struct part stack = {offsetof(struct cpu_fpu, st), 128, 128};
static const struct part mxcsr = {offsetof(struct cpu_fpu, mxcsr), 8, 8};
static const struct part xmm = {offsetof(struct cpu_fpu, xmm), 256, 128};
static const struct part ymm = {offsetof(struct area, ymm_high), 256, 128};
static const struct part bv = {offsetof(struct area, xstate_bv), 8, 8};
static const struct part both_bv = {offsetof(struct area, xstate_bv), 16, 16};
static const struct part header = {offsetof(struct area, xstate_bv), 64, 64};

static unsigned part_len(struct exec *x, const struct part *p)
{
	return cpu_64bit(exec_state(x)) ? p->len : p->len32;
}

static struct opnd part_operand(const struct exec *x, const struct part *p)
{
	struct opnd o = x->i->op[0];

	o.imm += p->at;
	return o;
}

static bool zero(const void *p, size_t len)
{
	const uint8_t *b = p;

	return !b[0] && !memcmp(b, b + 1, len - 1);
}

static bool x87_initial(const struct cpu_fpu *f)
{
	return f->fcw == 0x37f && !f->fsw && !f->ftw && !f->fop && !f->fip && !f->fdp &&
	       zero(f->st, sizeof(f->st));
}

static uint64_t in_use(const struct cpu_state *s)
{
	return (x87_initial(&s->fpu) ? 0 : X87) |
	       (zero(s->fpu.xmm, sizeof(s->fpu.xmm)) ? 0 : SSE) |
	       (zero(s->ymm_high, sizeof(s->ymm_high)) ? 0 : AVX);
}

/* To XSAVEC and XGETBV, MXCSR alone makes SSE state one in use (section 13.10); the standard format
 * saves it without. */
static uint64_t in_use_with_mxcsr(const struct cpu_state *s)
{
	return in_use(s) | (s->fpu.mxcsr == FPU_MXCSR_RESET ? 0 : SSE);
}

static uint32_t offered(struct exec *x)
{
	uint32_t out[4] = {0};

	x->c->ops->cpuid(x->c->m, exec_state(x), 0xd, 1, out);
	return out[0];
}

static uint64_t requested(struct exec *x)
{
	const struct cpu_state *s = exec_state(x);

	return s->xcr0 &
	       ((uint64_t)(uint32_t)s->gpr[CPU_RDX] << 32 | (uint32_t)s->gpr[CPU_RAX]);
}

static bool has_instruction(struct exec *x)
{
	if (x->h->arg & XSAVE_OPT)
		return offered(x) & CPUID_D1_OPT;
	return !(x->h->arg & XSAVE_COMPACT) || (offered(x) & CPUID_D1_COMPACT);
}

static enum cpu_result ready(struct exec *x, bool write)
{
	const struct cpu_state *s = exec_state(x);
	struct opnd all = x->i->op[0];

	all.size = 64;
	if (!(s->cr4 & CR4_OSXSAVE) || !has_instruction(x))
		return exec_ud(x);
	if (s->cr0 & CR0_TS)
		return cpu_fault(x->f, VEC_NM);
	if (sse_misaligned(x, &all))
		return exec_gp(x);
	return fpu_take(x, write);
}

/* ---- saving ---- */

struct plan {
	const struct part *part[6];
	unsigned n;
};

static void add(struct plan *p, bool wanted, const struct part *part)
{
	if (wanted)
		p->part[p->n++] = part;
}

/* XSAVE writes what is asked for, the others what of it is in use; MXCSR goes with SSE and AVX, and
 * with SSE alone in the compacted format (sections 13.7, 13.9, 13.10). */
static void make_plan(struct exec *x, uint64_t rfbm, uint64_t used, struct plan *p)
{
	const bool compact = x->h->arg & XSAVE_COMPACT;
	const uint64_t saved = x->h->arg & (XSAVE_OPT | XSAVE_COMPACT) ? used : rfbm;

	p->n = 0;
	add(p, saved & X87, &control);
	add(p, saved & X87, &stack);
	add(p, compact ? saved & SSE : rfbm & (SSE | AVX), &mxcsr);
	add(p, saved & SSE, &xmm);
	add(p, saved & AVX, &ymm);
	add(p, true, compact ? &both_bv : &bv);
}

static enum cpu_result write_parts(struct exec *x, const struct plan *p, const struct area *a)
{
	enum cpu_result r = CPU_OK;

	for (unsigned k = 0; k < p->n && r == CPU_OK; k++) {
		struct opnd o = part_operand(x, p->part[k]);

		r = fpu_check_block(x, &o, part_len(x, p->part[k]));
	}
	for (unsigned k = 0; k < p->n && r == CPU_OK; k++) {
		struct opnd o = part_operand(x, p->part[k]);

		r = fpu_write_block(x, &o, (const uint8_t *)a + p->part[k]->at,
				    part_len(x, p->part[k]));
	}
	return r;
}

static void fill(const struct exec *x, struct area *a)
{
	const struct cpu_state *s = &x->c->s;

	a->legacy = s->fpu;
	a->legacy.reserved1 = 0;
	if (!(x->h->arg & XSAVE_64)) {
		a->legacy.fip = (uint32_t)a->legacy.fip;
		a->legacy.fdp = (uint32_t)a->legacy.fdp;
	}
	memcpy(a->ymm_high, s->ymm_high, sizeof(a->ymm_high));
}

/* The old XSTATE_BV; the compacted format has none. */
static enum cpu_result old_bv(struct exec *x, uint64_t *val)
{
	const struct opnd o = part_operand(x, &bv);

	*val = 0;
	return x->h->arg & XSAVE_COMPACT ? CPU_OK : fpu_read_block(x, &o, val, sizeof(*val));
}

enum cpu_result x_xsave(struct exec *x)
{
	const struct cpu_state *s = exec_state(x);
	enum cpu_result r = ready(x, false);
	uint64_t rfbm, used, old;
	struct plan plan;
	struct area a;

	if (r == CPU_OK)
		r = old_bv(x, &old);
	if (r != CPU_OK)
		return r;
	rfbm = requested(x);
	used = rfbm & (x->h->arg & XSAVE_COMPACT ? in_use_with_mxcsr(s) : in_use(s));
	fill(x, &a);
	a.xstate_bv = (old & ~rfbm) | used;
	a.xcomp_bv = rfbm | COMPACTED;
	make_plan(x, rfbm, used, &plan);
	return write_parts(x, &plan, &a);
}

/* ---- restoring ---- */

/* Sections 13.8.1 and 13.8.2. */
static bool header_good(struct exec *x, const struct area *a)
{
	const uint64_t xcr0 = exec_state(x)->xcr0, comp = a->xcomp_bv & ~COMPACTED;

	if (!(a->xcomp_bv & COMPACTED))
		return !(a->xstate_bv & ~xcr0) && !a->xcomp_bv && !a->reserved[0];
	return (offered(x) & CPUID_D1_COMPACT) && !(comp & ~xcr0) && !(a->xstate_bv & ~comp) &&
	       zero(a->reserved, sizeof(a->reserved));
}

static enum cpu_result read_part(struct exec *x, const struct part *p, struct area *a)
{
	const struct opnd o = part_operand(x, p);

	return fpu_read_block(x, &o, (uint8_t *)a + p->at, part_len(x, p));
}

static enum cpu_result restore_x87(struct exec *x, bool initial, struct area *a)
{
	enum cpu_result r = CPU_OK;

	if (initial) {
		memset(&a->legacy, 0, control.len);
		memset(a->legacy.st, 0, sizeof(a->legacy.st));
		a->legacy.fcw = 0x37f;
		return CPU_OK;
	}
	r = read_part(x, &control, a);
	if (r == CPU_OK)
		r = read_part(x, &stack, a);
	if (!(x->h->arg & XSAVE_64)) {
		a->legacy.fip = (uint32_t)a->legacy.fip;
		a->legacy.fdp = (uint32_t)a->legacy.fdp;
	}
	if (r == CPU_OK)
		fpu_canonical(&a->legacy);
	return r;
}

/* In the standard format it is loaded whether or not SSE state is initial. */
static enum cpu_result restore_mxcsr(struct exec *x, uint64_t rfbm, struct area *a)
{
	const bool compact = a->xcomp_bv & COMPACTED;
	enum cpu_result r = CPU_OK;

	if (!(rfbm & (compact ? SSE : SSE | AVX)))
		return CPU_OK;
	if (compact && !(a->xstate_bv & SSE))
		a->legacy.mxcsr = FPU_MXCSR_RESET;
	else
		r = read_part(x, &mxcsr, a);
	if (r == CPU_OK && (a->legacy.mxcsr & ~FPU_MXCSR_MASK))
		r = exec_gp(x);
	a->legacy.mxcsr_mask = FPU_MXCSR_MASK;
	return r;
}

static enum cpu_result restore_part(struct exec *x, const struct part *p, bool initial,
				    struct area *a)
{
	if (!initial)
		return read_part(x, p, a);
	memset((uint8_t *)a + p->at, 0, part_len(x, p));
	return CPU_OK;
}

enum cpu_result x_xrstor(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	enum cpu_result r = ready(x, true);
	uint64_t rfbm;
	struct area a;

	if (r == CPU_OK)
		r = read_part(x, &header, &a);
	if (r == CPU_OK && !header_good(x, &a))
		r = exec_gp(x);
	if (r != CPU_OK)
		return r;
	rfbm = requested(x);
	a.legacy = s->fpu;
	memcpy(a.ymm_high, s->ymm_high, sizeof(a.ymm_high));
	if (rfbm & X87)
		r = restore_x87(x, !(a.xstate_bv & X87), &a);
	if (r == CPU_OK)
		r = restore_mxcsr(x, rfbm, &a);
	if (r == CPU_OK && (rfbm & SSE))
		r = restore_part(x, &xmm, !(a.xstate_bv & SSE), &a);
	if (r == CPU_OK && (rfbm & AVX))
		r = restore_part(x, &ymm, !(a.xstate_bv & AVX), &a);
	if (r != CPU_OK)
		return r;
	s->fpu = a.legacy;
	memcpy(s->ymm_high, a.ymm_high, sizeof(a.ymm_high));
	return CPU_OK;
}

/* ECX = 1: of the enabled ones, those in use. */
enum cpu_result x_xgetbv(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const uint32_t which = (uint32_t)s->gpr[CPU_RCX];
	enum cpu_result r = CPU_OK;
	uint64_t val = s->xcr0;

	if (!(s->cr4 & CR4_OSXSAVE))
		return exec_ud(x);
	if (which > 1 || (which && !(offered(x) & CPUID_D1_XGETBV1)))
		return exec_gp(x);
	if (which) {
		r = fpu_take(x, false);
		val &= in_use_with_mxcsr(s);
	}
	if (r != CPU_OK)
		return r;
	gpr_set(s, CPU_RAX, 4, (uint32_t)val);
	gpr_set(s, CPU_RDX, 4, val >> 32);
	return CPU_OK;
}
