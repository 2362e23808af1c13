/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The software processor's table of operations: its own memory, and everybody's rest with the vCPU
 * out of the guest where that may wait.
 *
 * Read first: soft.h, ../memops.h.
 */
#include <string.h>

#include "vmm/memops.h"
#include "vmm/soft/soft.h"

static enum cpu_result op_in(void *arg, uint16_t port, unsigned size, uint32_t *val)
{
	enum cpu_result r;

	soft_out(arg);
	r = vcpu_op_in(arg, port, size, val);
	soft_in(arg);
	return r;
}

static enum cpu_result op_out(void *arg, uint16_t port, unsigned size, uint32_t val)
{
	enum cpu_result r;

	soft_out(arg);
	r = vcpu_op_out(arg, port, size, val);
	soft_in(arg);
	return r;
}

static enum cpu_result op_invlpg(void *arg, struct cpu_state *s, gva_t va)
{
	enum cpu_result r;

	soft_out(arg);
	r = vcpu_op_invlpg(arg, s, va);
	soft_in(arg);
	return r;
}

static enum cpu_result op_invpcid(void *arg, struct cpu_state *s, unsigned type, uint64_t pcid,
				  gva_t va, struct cpu_fault *f)
{
	enum cpu_result r;

	soft_out(arg);
	r = vcpu_op_invpcid(arg, s, type, pcid, va, f);
	soft_in(arg);
	return r;
}

static enum cpu_result op_rdmsr(void *arg, struct cpu_state *s, uint32_t msr, uint64_t *val,
				struct cpu_fault *f)
{
	enum cpu_result r;

	soft_out(arg);
	r = vcpu_op_rdmsr(arg, s, msr, val, f);
	soft_in(arg);
	return r;
}

static enum cpu_result op_wrmsr(void *arg, struct cpu_state *s, uint32_t msr, uint64_t val,
				struct cpu_fault *f)
{
	enum cpu_result r;

	soft_out(arg);
	r = vcpu_op_wrmsr(arg, s, msr, val, f);
	soft_in(arg);
	return r;
}

const struct cpu_ops soft_ops = {
	.read = soft_read,
	.write = soft_write,
	.cmpxchg = soft_cmpxchg,
	.fetch = soft_fetch,
	.read_phys = vcpu_op_read_phys,
	.in = op_in,
	.out = op_out,
	.set_cr = vcpu_op_set_cr,
	.invlpg = op_invlpg,
	.invpcid = op_invpcid,
	.rdmsr = op_rdmsr,
	.wrmsr = op_wrmsr,
	.cpuid = vcpu_op_cpuid,
	.rdtsc = vcpu_op_rdtsc,
	.fpu = vcpu_op_fpu,
	.direct = soft_direct,
};
