/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Segmentation: descriptors out of the guest's GDT and LDT, checks of selectors, and control
 * transfers that change CS (far JMP, CALL, RET, IRET, SYSCALL, SYSRET, SYSENTER, SYSEXIT).
 *
 * Every function either completes or returns a fault and has changed no register.
 * Read first: ops.h. Manual: SDM vol. 3, chapters 3, 5 and 7; vol. 2 for each instruction.
 */
#ifndef UMBRA_CPU_SEGMENT_H
#define UMBRA_CPU_SEGMENT_H

#include "vmm/cpu/ops.h"

/* Loads seg (not CS) with selector as MOV or POP does, all modes (real, protected, long). */
enum cpu_result cpu_load_seg(struct cpu *c, enum cpu_seg seg, uint16_t selector,
			     struct cpu_fault *f);
enum cpu_result cpu_load_ldtr(struct cpu *c, uint16_t selector, struct cpu_fault *f);
enum cpu_result cpu_load_tr(struct cpu *c, uint16_t selector, struct cpu_fault *f);

/* Linear address of len bytes at offset in seg, checked for limit, type and canonical form.
 * flags as in ops.h. #GP or #SS on violation. */
enum cpu_result cpu_linear(struct cpu *c, enum cpu_seg seg, uint64_t offset, unsigned len,
			   unsigned flags, gva_t *va, struct cpu_fault *f);

/* Far transfers. opsize is 2, 4 or 8 bytes; next_rip the RIP behind the instruction. Outside long
 * mode they may switch tasks (task.h): a fault with in_new_task then comes after the registers
 * have changed and belongs to the new task. */
enum cpu_result cpu_far_jmp(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize,
			    uint64_t next_rip, struct cpu_fault *f);
enum cpu_result cpu_far_call(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize,
			     uint64_t next_rip, struct cpu_fault *f);
enum cpu_result cpu_far_ret(struct cpu *c, unsigned opsize, unsigned pop_bytes,
			    struct cpu_fault *f);
/* Unblocks NMIs, also if it faults. */
enum cpu_result cpu_iret(struct cpu *c, unsigned opsize, uint64_t next_rip,
			 struct cpu_fault *f);
enum cpu_result cpu_syscall(struct cpu *c, uint64_t next_rip, struct cpu_fault *f);
enum cpu_result cpu_sysret(struct cpu *c, unsigned opsize, struct cpu_fault *f);
enum cpu_result cpu_sysenter(struct cpu *c, struct cpu_fault *f);
enum cpu_result cpu_sysexit(struct cpu *c, unsigned opsize, struct cpu_fault *f);

/* #GP(0) unless the I/O permission bitmap of the guest's TSS or IOPL allows size bytes at port
 * (SDM vol. 1, section 19.5). */
enum cpu_result cpu_check_io(struct cpu *c, uint16_t port, unsigned size, struct cpu_fault *f);

#endif
