/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns entry into a handler through the real-mode vector table.
 *
 * Read after: entry.h. Manual: SDM vol. 3, section 20.1.4; vol. 2, INT n.
 */
#include "vmm/cpu/entry.h"

enum cpu_result cpu_enter_real(struct cpu *c, const struct cpu_entry *en, struct cpu_fault *f)
{
	struct cpu_stack st = cpu_stack_current(&c->s);
	uint64_t frame[] = {en->rflags, c->s.seg[CPU_CS].selector, c->s.rip};
	uint16_t vec[2]; /* offset, segment */
	enum cpu_result r;

	if (en->e->vector * 4u + 3 > c->s.idtr.limit)
		return cpu_fault_ec(f, VEC_GP, en->e->vector * 8u | 2);
	r = cpu_read_table(c, c->s.idtr.base + en->e->vector * 4u, vec, 4, f);
	if (r == CPU_OK)
		r = cpu_stack_push_all(c, &st, frame, 3, 2, f);
	if (r == CPU_OK)
		r = cpu_jump_real(c, vec[1], vec[0], f);
	if (r != CPU_OK)
		return r;
	cpu_stack_commit(&c->s, &st);
	c->s.rflags &= ~(RFL_IF | RFL_TF | RFL_AC | RFL_RF);
	return CPU_OK;
}
