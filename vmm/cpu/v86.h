/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Virtual-8086 mode: the ways in and out of it that are not a task switch, and what CR4.VME and
 * CR4.PVI make of the interrupt flag.
 *
 * Read first: desc.h, stack.h. Manual: SDM vol. 3, chapter 20.
 */
#ifndef UMBRA_CPU_V86_H
#define UMBRA_CPU_V86_H

#include "vmm/cpu/stack.h"

/* IRET executed in virtual-8086 mode. */
enum cpu_result cpu_v86_iret(struct cpu *c, unsigned opsize, struct cpu_fault *f);

/* IRETD at CPL 0 whose flags image has VM=1: st stands behind EFLAGS, frame holds EIP, CS and
 * EFLAGS. */
enum cpu_result cpu_v86_enter(struct cpu *c, struct cpu_stack *st, const uint64_t frame[3],
			      struct cpu_fault *f);

/* Section 20.3, table 20-2: INT n in virtual-8086 mode. Sets *done if the 8086 program's own
 * handler was entered; if not, and CPU_OK, the IDT is to be used. */
enum cpu_result cpu_v86_int(struct cpu *c, uint8_t vector, uint64_t next_rip, bool *done,
			    struct cpu_fault *f);

/* What CLI, STI, PUSHF and POPF act on. */
enum cpu_if {
	IF_REAL,    /* IF itself */
	IF_VIRTUAL, /* VIF stands for it */
	IF_REFUSED, /* #GP(0) */
};

/* For CLI and STI in any mode. */
enum cpu_if cpu_if_for_cli(const struct cpu_state *s);

/* For PUSHF, POPF and IRET in virtual-8086 mode, with this operand size. */
enum cpu_if cpu_if_in_v86(const struct cpu_state *s, unsigned opsize);

/* POPF and IRET where VIF stands for IF: whether these 16 flags may be loaded (section 20.3.3.4),
 * and their load. */
bool cpu_vif_accepts(const struct cpu_state *s, uint64_t flags);
void cpu_vif_load(struct cpu_state *s, uint64_t flags);

/* FLAGS as such code pushes it: IOPL reads 3, IF is VIF. */
uint64_t cpu_vif_flags(const struct cpu_state *s);

#endif
