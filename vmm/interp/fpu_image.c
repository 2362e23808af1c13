/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FXSAVE and FXRSTOR, and how images come out of the guest's memory and into it.
 *
 * Read first: fpu.h. Read next: xsave.c. Manual: SDM vol. 2, FXSAVE, FXRSTOR; vol. 1, section 10.5.
 */
#include <stddef.h>
#include <string.h>

#include "vmm/cpu/linear.h"
#include "vmm/interp/fpu.h"

#define PIECE	     64u  /* what cpu_ops moves at once */
#define IMAGE_READ   416u /* FXRSTOR looks at no more */
#define IMAGE_LEGACY 288u /* without XMM8 to XMM15 */

static enum cpu_result block_linear(struct exec *x, const struct opnd *o, unsigned len,
				    unsigned flags, gva_t *va)
{
	return cpu_linear(x->c, o->seg, exec_ea(x, o), len, flags, va, x->f);
}

enum cpu_result fpu_read_block(struct exec *x, const struct opnd *o, void *buf, unsigned len)
{
	struct cpu *c = x->c;
	gva_t va;
	enum cpu_result r = block_linear(x, o, len, MEM_READ, &va);

	for (unsigned at = 0; at < len && r == CPU_OK; at += PIECE)
		r = c->ops->read(c->m, &c->s, GVA(va.v + at), (uint8_t *)buf + at,
				 len - at < PIECE ? len - at : PIECE, MEM_READ, x->f);
	return r;
}

enum cpu_result fpu_check_block(struct exec *x, const struct opnd *o, unsigned len)
{
	const unsigned rw = MEM_READ | MEM_WRITE;
	struct cpu *c = x->c;
	uint8_t unused;
	gva_t va;
	enum cpu_result r = block_linear(x, o, len, MEM_WRITE, &va);

	if (r == CPU_OK)
		r = c->ops->read(c->m, &c->s, va, &unused, 1, rw, x->f);
	if (r == CPU_OK)
		r = c->ops->read(c->m, &c->s, GVA(va.v + len - 1), &unused, 1, rw, x->f);
	return r;
}

enum cpu_result fpu_write_block(struct exec *x, const struct opnd *o, const void *buf,
				unsigned len)
{
	struct cpu *c = x->c;
	gva_t va;
	enum cpu_result r = fpu_check_block(x, o, len);

	if (r == CPU_OK)
		r = block_linear(x, o, len, MEM_WRITE, &va);
	for (unsigned at = 0; at < len && r == CPU_OK; at += PIECE)
		r = c->ops->write(c->m, &c->s, GVA(va.v + at), (const uint8_t *)buf + at,
				  len - at < PIECE ? len - at : PIECE, MEM_WRITE, x->f);
	return r;
}

static enum cpu_result image_ready(struct exec *x, bool write)
{
	const struct cpu_state *s = exec_state(x);
	const struct opnd *o = &x->i->op[0];
	struct opnd sixteen = *o;

	sixteen.size = 16;
	if (s->cr0 & CR0_EM)
		return exec_ud(x);
	if (s->cr0 & CR0_TS)
		return cpu_fault(x->f, VEC_NM);
	if (sse_misaligned(x, &sixteen))
		return exec_gp(x);
	return fpu_take(x, write);
}

static unsigned image_bytes(const struct cpu_state *s)
{
	return cpu_64bit(s) ? IMAGE_READ : IMAGE_LEGACY;
}

/* arg 1: FXSAVE64, with the pointers in 64 bits; else they have 32 and a selector, which is 0. */
enum cpu_result x_fxsave(struct exec *x)
{
	enum cpu_result r = image_ready(x, false);
	struct cpu_fpu image;

	if (r != CPU_OK)
		return r;
	image = exec_state(x)->fpu;
	image.reserved1 = 0;
	if (!x->h->arg) {
		image.fip = (uint32_t)image.fip;
		image.fdp = (uint32_t)image.fdp;
	}
	return fpu_write_block(x, &x->i->op[0], &image, image_bytes(exec_state(x)));
}

enum cpu_result x_fxrstor(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	enum cpu_result r = image_ready(x, true);
	struct cpu_fpu f;

	if (r != CPU_OK)
		return r;
	f = s->fpu;
	r = fpu_read_block(x, &x->i->op[0], &f, image_bytes(s));
	if (r != CPU_OK)
		return r;
	if (f.mxcsr & ~FPU_MXCSR_MASK)
		return exec_gp(x);
	f.mxcsr_mask = FPU_MXCSR_MASK;
	if (!x->h->arg) {
		f.fip = (uint32_t)f.fip;
		f.fdp = (uint32_t)f.fdp;
	}
	fpu_canonical(&f);
	s->fpu = f;
	return CPU_OK;
}
