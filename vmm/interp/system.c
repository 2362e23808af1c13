/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instructions that ask the machine or change a privileged bit: ports, IF and AC, HLT, CPUID,
 * time stamps, MSRs, bases, PKRU, XCR0, caches. Registers of the MMU are in sysreg.c.
 *
 * Read first: exec.h, ../cpu/system.h.
 */
#include <sys/random.h>

#include "vmm/cpu/system.h"
#include "vmm/cpu/v86.h"
#include "vmm/interp/exec.h"

enum cpu_result x_cli(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	switch (cpu_if_for_cli(s)) {
	case IF_REAL:
		s->rflags &= ~RFL_IF;
		return CPU_OK;
	case IF_VIRTUAL:
		s->rflags &= ~RFL_VIF;
		return CPU_OK;
	default:
		return exec_gp(x);
	}
}

/* A virtual interrupt that waits for VIF is the monitor's to deliver. */
static enum cpu_result sti_virtual(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	if (s->rflags & RFL_VIP)
		return exec_gp(x);
	s->rflags |= RFL_VIF;
	return CPU_OK;
}

/* The instruction behind an STI that sets IF still runs uninterrupted. */
enum cpu_result x_sti(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	switch (cpu_if_for_cli(s)) {
	case IF_REAL:
		x->shadow = !(s->rflags & RFL_IF);
		s->rflags |= RFL_IF;
		return CPU_OK;
	case IF_VIRTUAL:
		return sti_virtual(x);
	default:
		return exec_gp(x);
	}
}

/* CLAC, STAC: #UD rather than #GP above CPL 0. */
enum cpu_result x_ac(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	if (cpu_cpl(s) || !(x->c->model->cr4_allowed & CR4_SMAP))
		return exec_ud(x);
	set_flags(&s->rflags, RFL_AC, x->h->arg ? RFL_AC : 0);
	return CPU_OK;
}

static uint16_t port_of(struct exec *x, const struct opnd *o)
{
	if (o->kind == OPND_IMM)
		return (uint8_t)o->imm;
	return (uint16_t)exec_state(x)->gpr[CPU_RDX];
}

enum cpu_result x_in(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	uint16_t port = port_of(x, &x->i->op[1]);
	uint32_t v = 0;
	enum cpu_result r = cpu_check_io(x->c, port, dst->size, x->f);

	if (r == CPU_OK)
		r = exec_port_in(x, port, dst->size, &v);
	if (r == CPU_OK)
		reg_set(exec_state(x), dst, dst->size, v);
	return r;
}

enum cpu_result x_out(struct exec *x)
{
	const struct opnd *src = &x->i->op[1];
	uint16_t port = port_of(x, &x->i->op[0]);
	enum cpu_result r = cpu_check_io(x->c, port, src->size, x->f);

	if (r != CPU_OK)
		return r;
	return exec_port_out(x, port, src->size,
			     (uint32_t)reg_get(exec_state(x), src, src->size));
}

enum cpu_result x_hlt(struct exec *x)
{
	exec_state(x)->activity = CPU_HALTED;
	return CPU_OK;
}

enum cpu_result x_cpuid(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	uint32_t out[4] = {0};

	x->c->ops->cpuid(x->c->m, s, (uint32_t)s->gpr[CPU_RAX], (uint32_t)s->gpr[CPU_RCX], out);
	s->gpr[CPU_RAX] = out[0];
	s->gpr[CPU_RBX] = out[1];
	s->gpr[CPU_RCX] = out[2];
	s->gpr[CPU_RDX] = out[3];
	return CPU_OK;
}

static void edx_eax(struct cpu_state *s, uint64_t v)
{
	s->gpr[CPU_RAX] = (uint32_t)v;
	s->gpr[CPU_RDX] = v >> 32;
}

/* RDTSC, and RDTSCP (arg 1), which also says where it ran. */
enum cpu_result x_rdtsc(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	if ((s->cr4 & CR4_TSD) && cpu_cpl(s))
		return exec_gp(x);
	edx_eax(s, x->c->ops->rdtsc(x->c->m, s));
	if (x->h->arg)
		s->gpr[CPU_RCX] = (uint32_t)s->msr_tsc_aux;
	return CPU_OK;
}

/* RDRAND and RDSEED. A host with nothing to give yet is a failure that software must expect: CF=0
 * and a destination of 0. */
enum cpu_result x_rdrand(struct exec *x)
{
	const struct opnd *dst = &x->i->op[0];
	uint64_t v = 0;
	bool ok = getrandom(&v, sizeof(v), GRND_NONBLOCK) == (ssize_t)sizeof(v);

	if (!opnd_is_reg(dst))
		return exec_not_emulated(x);
	reg_set(exec_state(x), dst, dst->size, ok ? v : 0);
	set_flags(&exec_state(x)->rflags, RFL_ARITH, ok ? RFL_CF : 0);
	return CPU_OK;
}

enum cpu_result x_rdmsr(struct exec *x)
{
	return cpu_rdmsr(x->c, x->f);
}

enum cpu_result x_wrmsr(struct exec *x)
{
	return cpu_wrmsr(x->c, x->f);
}

/* Instructions whose every use is refused, such as RDPMC without performance counters. */
enum cpu_result x_gp(struct exec *x)
{
	return exec_gp(x);
}

enum cpu_result x_swapgs(struct exec *x)
{
	return cpu_swapgs(x->c, x->f);
}

/* RDFSBASE and its three kin: arg is the segment, and FSGSBASE_WRITE for the writing two. */
enum cpu_result x_fsgsbase(struct exec *x)
{
	const struct opnd *o = &x->i->op[0];
	struct cpu_state *s = exec_state(x);
	struct cpu_segment *seg = &s->seg[x->h->arg & ~FSGSBASE_WRITE];
	uint64_t v;

	if (!cpu_64bit(s) || !(s->cr4 & CR4_FSGSBASE))
		return exec_ud(x);
	if (!(x->h->arg & FSGSBASE_WRITE)) {
		reg_set(s, o, o->size, seg->base);
		return CPU_OK;
	}
	v = reg_get(s, o, o->size);
	if (!cpu_canonical(s, v))
		return exec_gp(x);
	seg->base = v;
	return CPU_OK;
}

/* ECX must be 0, and for the write EDX as well (SDM vol. 2). */
enum cpu_result x_rdpkru(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	if (!(s->cr4 & CR4_PKE))
		return exec_ud(x);
	if ((uint32_t)s->gpr[CPU_RCX])
		return exec_gp(x);
	edx_eax(s, s->pkru);
	return CPU_OK;
}

enum cpu_result x_wrpkru(struct exec *x)
{
	struct cpu_state *s = exec_state(x);

	if (!(s->cr4 & CR4_PKE))
		return exec_ud(x);
	if ((uint32_t)s->gpr[CPU_RCX] || (uint32_t)s->gpr[CPU_RDX])
		return exec_gp(x);
	return cpu_set_pkru(x->c, (uint32_t)s->gpr[CPU_RAX], x->f);
}

enum cpu_result x_xsetbv(struct exec *x)
{
	return cpu_xsetbv(x->c, x->f);
}

/* CLFLUSH and its kin fault as a load of one byte. */
enum cpu_result x_clflush(struct exec *x)
{
	uint8_t b;

	return exec_mem_read(x, &x->i->op[0], &b, 1, MEM_READ);
}
