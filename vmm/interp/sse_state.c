/* SPDX-License-Identifier: BSD-2-Clause
 *
 * MXCSR, and the stores of selected bytes.
 *
 * Read first: fpu.h. Manual: SDM vol. 1, section 10.2.3; vol. 2, LDMXCSR, MASKMOVDQU.
 */
#include <string.h>

#include "vmm/interp/fpu.h"

enum cpu_result x_ldmxcsr(struct exec *x)
{
	uint64_t v;
	enum cpu_result r = vec_ready(x);

	if (r == CPU_OK)
		r = exec_read(x, &x->i->op[0], 4, &v);
	if (r == CPU_OK && (v & ~(uint64_t)FPU_MXCSR_MASK))
		r = exec_gp(x);
	if (r == CPU_OK)
		r = fpu_take(x, true);
	if (r == CPU_OK)
		exec_state(x)->fpu.mxcsr = (uint32_t)v;
	return r;
}

enum cpu_result x_stmxcsr(struct exec *x)
{
	enum cpu_result r = vec_ready(x);

	if (r == CPU_OK)
		r = fpu_take(x, false);
	if (r != CPU_OK)
		return r;
	return exec_write(x, &x->i->op[0], 4, exec_state(x)->fpu.mxcsr);
}

struct bytes {
	uint8_t val[16], mask[16];
	unsigned len;
};

static void take_bytes(const struct exec *x, struct bytes *b)
{
	const struct cpu_fpu *f = &x->c->s.fpu;
	const struct opnd *o = x->i->op; /* the last two are the value and the mask */
	unsigned val = o[x->i->nops - 2].reg, mask = o[x->i->nops - 1].reg;
	unsigned top = FPU_FSW_TOP(f->fsw);

	b->len = x->h->arg;
	memcpy(b->val, b->len == 16 ? f->xmm[val] : f->st[(val - top) & 7], b->len);
	memcpy(b->mask, b->len == 16 ? f->xmm[mask] : f->st[(mask - top) & 7], b->len);
}

/* Where the bytes go: DS:rDI, or another segment by prefix. */
static struct opnd destination(const struct exec *x)
{
	return (struct opnd){.kind = OPND_MEM,
			     .size = 1,
			     .base = CPU_RDI,
			     .index = REG_NONE,
			     .seg = x->i->seg == CPU_SEGS ? CPU_DS : x->i->seg};
}

/* Writable from the first to the last selected byte: so that a fault comes before any store. */
static enum cpu_result check_bytes(struct exec *x, const struct bytes *b)
{
	struct opnd o = destination(x);
	unsigned first = 0, last = b->len;
	uint8_t unused[16];

	while (first < b->len && !(b->mask[first] & 0x80))
		first++;
	if (first == b->len)
		return CPU_OK;
	while (!(b->mask[last - 1] & 0x80))
		last--;
	o.imm = first;
	return exec_mem_read(x, &o, unused, last - first, MEM_READ | MEM_WRITE);
}

enum cpu_result x_maskmov(struct exec *x)
{
	struct opnd o = destination(x);
	struct bytes b;
	enum cpu_result r = x->h->arg == 8 ? mmx_ready(x) : vec_ready(x);

	if (r == CPU_OK)
		r = fpu_take(x, x->h->arg == 8);
	if (r != CPU_OK)
		return r;
	take_bytes(x, &b);
	r = check_bytes(x, &b);
	for (unsigned k = 0; k < b.len && r == CPU_OK; k++) {
		o.imm = k;
		if (b.mask[k] & 0x80)
			r = exec_mem_write(x, &o, &b.val[k], 1);
	}
	if (r == CPU_OK && b.len == 8)
		mmx_enter(&exec_state(x)->fpu);
	return r;
}
