/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What all changes of CS have in common: checks of the target, and of the frame a return pops.
 * Private to vmm/cpu.
 *
 * Read first: desc.h, stack.h. Manual: SDM vol. 3, section 5.8; vol. 2, JMP, CALL, RET, IRET.
 */
#ifndef UMBRA_CPU_TRANSFER_H
#define UMBRA_CPU_TRANSFER_H

#include "vmm/cpu/desc.h"
#include "vmm/cpu/stack.h"

/* #GP(selector) unless d is a code segment that does not claim to be 64-bit and 32-bit at once.
 * Privilege and presence are the caller's. */
enum cpu_result cpu_check_code(const struct cpu *c, const struct cpu_desc *d,
			       struct cpu_fault *f);

/* Reads the descriptor that selector names, #GP(0) if null, and checks it so. */
enum cpu_result cpu_read_code(struct cpu *c, uint16_t selector, struct cpu_desc *d,
			      struct cpu_fault *f);

/* Whether code with these attributes runs in 64-bit mode. */
static inline bool cpu_is_code64(const struct cpu_state *s, unsigned attr)
{
	return cpu_long_mode(s) && (attr & SEG_L);
}

/* #GP(0) if rip is beyond the limit of d, or not canonical. */
enum cpu_result cpu_check_rip(const struct cpu *c, const struct cpu_desc *d, uint64_t rip,
			      struct cpu_fault *f);

/* Marks d accessed and gives the CS that holds it at level cpl. The last thing that can fail. */
enum cpu_result cpu_take_code(struct cpu *c, const struct cpu_desc *d, unsigned cpl,
			      struct cpu_segment *cs, struct cpu_fault *f);

/* Real and virtual-8086 mode: #GP(0) if rip is beyond the limit, else CS:RIP change. */
enum cpu_result cpu_jump_real(struct cpu *c, uint16_t selector, uint64_t rip,
			      struct cpu_fault *f);

/* A frame that RET or IRET has popped. */
struct cpu_return {
	uint64_t rip, rsp;
	uint16_t cs, ss;
	unsigned release; /* bytes of parameters the outer stack drops */
};

/* Descriptor of the CS a return goes to: ret->cs.RPL is the new CPL, not below the old one. */
enum cpu_result cpu_return_code(struct cpu *c, const struct cpu_return *ret, struct cpu_desc *d,
				struct cpu_fault *f);

/* Completes a return that pops SS:RSP too. */
enum cpu_result cpu_return_stack(struct cpu *c, const struct cpu_return *ret,
				 const struct cpu_desc *code, struct cpu_fault *f);

/* Completes a return that stays on its stack st. */
enum cpu_result cpu_return_same(struct cpu *c, const struct cpu_return *ret,
				const struct cpu_desc *code, const struct cpu_stack *st,
				struct cpu_fault *f);

#endif
