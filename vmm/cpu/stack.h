/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stack on which a control transfer works before it commits: pushes and pops move a private
 * stack pointer, so a fault in the middle leaves the registers alone. Private to vmm/cpu.
 *
 * Read first: desc.h. Manual: SDM vol. 1, section 6.2; vol. 3, sections 5.8.5 and 6.14.
 */
#ifndef UMBRA_CPU_STACK_H
#define UMBRA_CPU_STACK_H

#include "vmm/cpu/desc.h"

struct cpu_stack {
	struct cpu_segment ss; /* what SS is to hold on commit */
	uint64_t sp;
	uint64_t mask;	/* of sp: 16, 32 or 64 bits */
	unsigned flags; /* MEM_IMPLICIT for an inner stack, else 0 */
	uint32_t error; /* code of the #SS that a push beyond the stack raises */
	bool flat;	/* 64-bit pushes: no limit, but a canonical address */
};

/* The stack the CPU is on. */
struct cpu_stack cpu_stack_current(const struct cpu_state *s);

/* The stack the guest's TSS holds for level dpl, or, in long mode with ist != 0, for that IST
 * entry; checked (#TS, #SS, #NP) and marked accessed. In long mode SS becomes null. */
enum cpu_result cpu_stack_inner(struct cpu *c, unsigned dpl, unsigned ist, struct cpu_stack *st,
				struct cpu_fault *f);

/* size is 2, 4 or 8. A pop zero-extends. */
enum cpu_result cpu_stack_push(struct cpu *c, struct cpu_stack *st, uint64_t val, unsigned size,
			       struct cpu_fault *f);
enum cpu_result cpu_stack_pop(struct cpu *c, struct cpu_stack *st, uint64_t *val, unsigned size,
			      struct cpu_fault *f);

/* Several values of one size: vals[0] is pushed, or popped, first. */
enum cpu_result cpu_stack_push_all(struct cpu *c, struct cpu_stack *st, const uint64_t *vals,
				   unsigned n, unsigned size, struct cpu_fault *f);
enum cpu_result cpu_stack_pop_all(struct cpu *c, struct cpu_stack *st, uint64_t *vals,
				  unsigned n, unsigned size, struct cpu_fault *f);

/* Makes st the stack of s: SS and as much of RSP as the stack is wide. */
void cpu_stack_commit(struct cpu_state *s, const struct cpu_stack *st);

/* The width that a stack segment gives the stack pointer. */
static inline uint64_t cpu_stack_mask(bool flat, unsigned attr)
{
	return flat ? UINT64_MAX : attr & SEG_DB ? UINT32_MAX : UINT16_MAX;
}

#endif
