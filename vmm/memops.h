/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The operations of cpu/ops.h that don't depend on how an engine reaches memory, for the engines'
 * tables of them. The first argument is the struct vcpu.
 *
 * Read first: cpu/ops.h. Locks: invlpg and invpcid take the shadow MMU's, in and out a device's.
 */
#ifndef UMBRA_MEMOPS_H
#define UMBRA_MEMOPS_H

#include "vmm/cpu/ops.h"

enum cpu_result vcpu_op_read_phys(void *arg, uint64_t gpa, void *buf, unsigned len);
enum cpu_result vcpu_op_in(void *arg, uint16_t port, unsigned size, uint32_t *val);
enum cpu_result vcpu_op_out(void *arg, uint16_t port, unsigned size, uint32_t val);
enum cpu_result vcpu_op_set_cr(void *arg, struct cpu_state *s, int reg, uint64_t val,
			       struct cpu_fault *f);
enum cpu_result vcpu_op_invlpg(void *arg, struct cpu_state *s, gva_t va);
enum cpu_result vcpu_op_invpcid(void *arg, struct cpu_state *s, unsigned type, uint64_t pcid,
				gva_t va, struct cpu_fault *f);
uint64_t vcpu_op_rdtsc(void *arg, const struct cpu_state *s);
enum cpu_result vcpu_op_rdmsr(void *arg, struct cpu_state *s, uint32_t msr, uint64_t *val,
			      struct cpu_fault *f);
enum cpu_result vcpu_op_wrmsr(void *arg, struct cpu_state *s, uint32_t msr, uint64_t val,
			      struct cpu_fault *f);
void vcpu_op_cpuid(void *arg, const struct cpu_state *s, uint32_t leaf, uint32_t subleaf,
		   uint32_t out[4]);
/* The engine's fpu(), if it has one. */
enum cpu_result vcpu_op_fpu(void *arg, struct cpu_state *s, bool write, struct cpu_fault *f);

#endif
