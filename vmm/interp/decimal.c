/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Decimal adjustment and SALC: 16 and 32-bit code only (the decoder refuses them elsewhere).
 *
 * Read first: exec.h. Manual: SDM vol. 2, the pseudocode of each instruction.
 */
#include "vmm/interp/exec.h"

static void set_ax(struct cpu_state *s, uint64_t v)
{
	gpr_set(s, CPU_RAX, 2, v);
}

/* AAA (arg 0), AAS (arg 1). */
enum cpu_result x_aaa(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	uint64_t ax = s->gpr[CPU_RAX] & 0xffff;
	bool adjust = (ax & 0xf) > 9 || (s->rflags & RFL_AF);

	if (adjust)
		ax = x->h->arg ? ax - 0x106 : ax + 0x106;
	set_ax(s, ax & 0xff0f);
	set_flags(&s->rflags, RFL_AF | RFL_CF, adjust ? RFL_AF | RFL_CF : 0);
	return CPU_OK;
}

/* DAA (arg 0), DAS (arg 1). */
enum cpu_result x_daa(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const uint64_t al = s->gpr[CPU_RAX] & 0xff;
	const bool cf = s->rflags & RFL_CF;
	const bool low = (al & 0xf) > 9 || (s->rflags & RFL_AF), high = al > 0x99 || cf;
	uint64_t delta = (low ? 6 : 0) + (high ? 0x60 : 0);
	uint64_t r = (x->h->arg ? al - delta : al + delta) & 0xff;
	/* DAS alone reports the borrow of its first subtraction. */
	bool carry = high || (x->h->arg && low && al < 6);

	gpr_set(s, CPU_RAX, 1, r);
	set_flags(&s->rflags, RFL_ARITH & ~RFL_OF,
		  flags_szp(r, 1) | (low ? RFL_AF : 0) | (carry ? RFL_CF : 0));
	return CPU_OK;
}

enum cpu_result x_aam(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	uint64_t al = s->gpr[CPU_RAX] & 0xff, base = x->i->op[0].imm & 0xff;

	if (!base)
		return cpu_fault(x->f, VEC_DE);
	set_ax(s, (al / base) << 8 | al % base);
	set_flags(&s->rflags, RFL_ARITH, flags_szp(al % base, 1));
	return CPU_OK;
}

enum cpu_result x_aad(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	uint64_t ax = s->gpr[CPU_RAX],
		 r = ((ax & 0xff) + (ax >> 8 & 0xff) * x->i->op[0].imm) & 0xff;

	set_ax(s, r);
	set_flags(&s->rflags, RFL_ARITH, flags_szp(r, 1));
	return CPU_OK;
}

/* SALC, which no manual documents and every processor has: AL becomes 0 or ff by CF. */
enum cpu_result x_salc(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	gpr_set(s, CPU_RAX, 1, s->rflags & RFL_CF ? 0xff : 0);
	return CPU_OK;
}
