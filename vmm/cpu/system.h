/* SPDX-License-Identifier: BSD-2-Clause
 *
 * System instructions' semantics on operands the interpreter has already fetched: control and
 * debug registers, MSRs, descriptor tables, INVLPG, INVPCID. Each checks privilege and reserved
 * bits itself and says #GP or #UD as the manual does.
 *
 * Read first: ops.h, segment.h.
 */
#ifndef UMBRA_CPU_SYSTEM_H
#define UMBRA_CPU_SYSTEM_H

#include "vmm/cpu/ops.h"

enum cpu_result cpu_read_cr(struct cpu *c, int reg, uint64_t *val, struct cpu_fault *f);
/* MOV to CRn with every check of SDM vol. 3 section 2.5 and 4.1.2: entering and leaving long
 * mode sets EFER.LMA and CS; PAE loads the PDPTEs. */
enum cpu_result cpu_write_cr(struct cpu *c, int reg, uint64_t val, struct cpu_fault *f);
/* The load of CR3 that a task switch does, whatever the CPL. */
enum cpu_result cpu_switch_cr3(struct cpu *c, uint64_t val, struct cpu_fault *f);
enum cpu_result cpu_lmsw(struct cpu *c, uint16_t val, struct cpu_fault *f);
enum cpu_result cpu_clts(struct cpu *c, struct cpu_fault *f);
enum cpu_result cpu_read_dr(struct cpu *c, int reg, uint64_t *val, struct cpu_fault *f);
enum cpu_result cpu_write_dr(struct cpu *c, int reg, uint64_t val, struct cpu_fault *f);
/* ECX in, EDX:EAX in or out. */
enum cpu_result cpu_rdmsr(struct cpu *c, struct cpu_fault *f);
enum cpu_result cpu_wrmsr(struct cpu *c, struct cpu_fault *f);
enum cpu_result cpu_swapgs(struct cpu *c, struct cpu_fault *f);
enum cpu_result cpu_invlpg(struct cpu *c, gva_t va, struct cpu_fault *f);
/* type from the register operand, descriptor from memory. */
enum cpu_result cpu_invpcid(struct cpu *c, uint64_t type, const uint64_t desc[2],
			    struct cpu_fault *f);
/* Every write of PKRU (WRPKRU, XRSTOR) goes through here: rights change with it. */
enum cpu_result cpu_set_pkru(struct cpu *c, uint32_t val, struct cpu_fault *f);
enum cpu_result cpu_xsetbv(struct cpu *c, struct cpu_fault *f);
/* CLI, STI, POPF and the like: whether IF may change at this CPL and IOPL. */
bool cpu_may_change_if(const struct cpu_state *s);

#endif
