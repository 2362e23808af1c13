/* SPDX-License-Identifier: BSD-2-Clause
 *
 * MMX: the same registers as x87's, by physical number and all of them valid.
 *
 * Read first: sse.c. Manual: SDM vol. 1, section 9.6; vol. 3, chapter 12.
 */
#include "vmm/interp/fpu.h"

/* CVTPI2PS and CVTPI2PD with memory are SSE alone: processors keep TOP and tags (SDM vol. 2 says so
 * of CVTPI2PD). */
bool mmx_involved(const struct insn *i)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == OPND_MM)
			return true;
	return false;
}

enum cpu_result mmx_ready(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	enum cpu_result r;

	if (s->cr0 & CR0_EM)
		return exec_ud(x);
	if (s->cr0 & CR0_TS)
		return cpu_fault(x->f, VEC_NM);
	r = fpu_take(x, true);
	if (r != CPU_OK)
		return r;
	return s->fpu.fsw & FPU_FSW_ES ? cpu_fault(x->f, VEC_MF) : CPU_OK;
}

/* TOP becomes 0, so ST(i) is physical register i: the image turns with it. */
void mmx_enter(struct cpu_fpu *f)
{
	cpu_fpu_set_top(f, 0);
	f->ftw = 0xff;
}

enum cpu_result x_emms(struct exec *x)
{
	enum cpu_result r = mmx_ready(x);

	if (r != CPU_OK)
		return r;
	mmx_enter(&exec_state(x)->fpu);
	exec_state(x)->fpu.ftw = 0;
	return CPU_OK;
}
