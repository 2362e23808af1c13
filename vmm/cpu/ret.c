/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns far RET, to the same or an outer level.
 *
 * Read after: transfer.h. Manual: SDM vol. 2, RET; vol. 3, section 5.8.6.
 */
#include "vmm/cpu/segment.h"
#include "vmm/cpu/transfer.h"

static enum cpu_result ret_real(struct cpu *c, const struct cpu_return *ret,
				const struct cpu_stack *st, struct cpu_fault *f)
{
	enum cpu_result r = cpu_jump_real(c, ret->cs, ret->rip, f);

	if (r == CPU_OK)
		cpu_stack_commit(&c->s, st);
	return r;
}

static enum cpu_result ret_outer(struct cpu *c, struct cpu_return *ret,
				 const struct cpu_desc *code, struct cpu_stack *st,
				 unsigned opsize, struct cpu_fault *f)
{
	uint64_t vals[2]; /* RSP, SS */
	enum cpu_result r = cpu_stack_pop_all(c, st, vals, 2, opsize, f);

	if (r != CPU_OK)
		return r;
	ret->rsp = vals[0];
	ret->ss = (uint16_t)vals[1];
	return cpu_return_stack(c, ret, code, f);
}

enum cpu_result cpu_far_ret(struct cpu *c, unsigned opsize, unsigned pop_bytes,
			    struct cpu_fault *f)
{
	struct cpu_stack st = cpu_stack_current(&c->s);
	uint64_t vals[2]; /* RIP, CS */
	struct cpu_desc code;
	enum cpu_result r = cpu_stack_pop_all(c, &st, vals, 2, opsize, f);

	if (r != CPU_OK)
		return r;
	/* The parameters lie on the inner stack and, after a call gate copied them, on the
	 * outer one too: both drop them. */
	st.sp = (st.sp + pop_bytes) & st.mask;
	struct cpu_return ret = {
		.rip = vals[0],
		.cs = (uint16_t)vals[1],
		.release = pop_bytes,
	};
	if (cpu_real_or_v86(&c->s))
		return ret_real(c, &ret, &st, f);
	r = cpu_return_code(c, &ret, &code, f);
	if (r != CPU_OK)
		return r;
	if (SEL_RPL(ret.cs) > cpu_cpl(&c->s))
		return ret_outer(c, &ret, &code, &st, opsize, f);
	return cpu_return_same(c, &ret, &code, &st, f);
}
