/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The operations emulated instructions are made of (cpu/ops.h), on a vCPU of this machine: linear
 * memory through the guest walk, RAM through its one door, device memory and ports on the bus.
 *
 * Every write to RAM goes through sh_write(), so that shadow tables follow.
 * Locks: split_lock around a LOCKed access that crosses a boundary; nothing else is held.
 * Read first: cpu/ops.h, shadow/mmu.h.
 */
#include <string.h>

#include "vmm/machine.h"
#include "vmm/memops.h"

static struct sh_regs shadow_regs(const struct cpu_state *s)
{
	struct sh_regs r = {.cr0 = s->cr0,
			    .cr3 = s->cr3,
			    .cr4 = s->cr4,
			    .efer = s->efer,
			    .pkru = s->pkru,
			    .pkrs = (uint32_t)s->msr_pkrs};

	memcpy(r.pdpte, s->pdpte, sizeof(r.pdpte));
	return r;
}

void vcpu_sync_regs(struct vcpu *v)
{
	struct sh_regs r;

	if (!v->regs_stale)
		return;
	r = shadow_regs(&v->cpu.s);
	v->roots = 0;
	sh_set_regs(v->sh, &r, v->regs_drops);
	v->regs_stale = false;
	v->regs_drops = SH_FLUSH_NONE;
}

static unsigned shadow_flags(const struct cpu_state *s, unsigned flags)
{
	unsigned f = 0;

	if (flags & MEM_WRITE)
		f |= SH_WRITE;
	if (flags & MEM_FETCH)
		f |= SH_FETCH;
	if (flags & MEM_IMPLICIT)
		f |= SH_IMPLICIT;
	else if (cpu_cpl(s) == 3)
		f |= SH_USER;
	if (s->rflags & RFL_AC)
		f |= SH_AC;
	return f;
}

/* A piece of an access that lies in one page. */
struct piece {
	gpa_t gpa;
	unsigned len;
	bool ram;
};

static enum cpu_result translate(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned flags,
				 struct piece *p, struct cpu_fault *f)
{
	struct sh_walk w;

	vcpu_sync_regs(v);
	switch (sh_translate(v->sh, va, shadow_flags(s, flags), &w)) {
	case SH_WALK_OK:
		p->gpa = w.gpa;
		p->ram = gmem_valid(v->m->gm, w.gpa, 1);
		return CPU_OK;
	case SH_WALK_FAULT:
		cpu_fault_ec(f, VEC_PF, w.error);
		f->cr2 = va.v;
		return CPU_FAULT;
	case SH_WALK_HOST:
		return CPU_HOST;
	default:
		return cpu_fault_ec(f, VEC_GP, 0);
	}
}

/* Cuts an access into at most two pieces, all of which permit it. */
static enum cpu_result pieces(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned len,
			      unsigned flags, struct piece p[2], struct cpu_fault *f)
{
	unsigned room = SH_PAGE_SIZE - (unsigned)gva_offset(va);
	enum cpu_result r;

	p[0].len = len < room ? len : room;
	p[1].len = len - p[0].len;
	r = translate(v, s, va, flags, &p[0], f);
	if (r == CPU_OK && p[1].len)
		r = translate(v, s, GVA(va.v + p[0].len), flags, &p[1], f);
	return r;
}

/* Device memory takes naturally sized accesses; anything else goes byte by byte. */
static unsigned unit(const struct piece *p)
{
	bool whole = (p->len == 1 || p->len == 2 || p->len == 4 || p->len == 8) &&
		     !(p->gpa.v & (p->len - 1));

	return whole ? p->len : 1;
}

static enum cpu_result read_piece(struct vcpu *v, const struct piece *p, uint8_t *buf)
{
	unsigned n = unit(p);

	if (p->ram)
		return gmem_read(v->m->gm, p->gpa, buf, p->len) ? CPU_HOST : CPU_OK;
	v->stats.kind = XC_MMIO;
	for (unsigned i = 0; i < p->len; i += n) {
		uint64_t val = bus_read(v->m->bus, v->index, GPA(p->gpa.v + i), n);

		memcpy(buf + i, &val, n);
	}
	return CPU_OK;
}

static enum cpu_result write_piece(struct vcpu *v, const struct piece *p, const uint8_t *buf)
{
	unsigned n = unit(p);

	if (p->ram)
		return vcpu_write(v, p->gpa, buf, p->len) ? CPU_HOST : CPU_OK;
	v->stats.kind = XC_MMIO;
	for (unsigned i = 0; i < p->len; i += n) {
		uint64_t val = 0;

		memcpy(&val, buf + i, n);
		bus_write(v->m->bus, v->index, GPA(p->gpa.v + i), n, val);
	}
	return CPU_OK;
}

static enum cpu_result op_read(void *arg, struct cpu_state *s, gva_t va, void *buf,
			       unsigned len, unsigned flags, struct cpu_fault *f)
{
	struct piece p[2];
	enum cpu_result r = pieces(arg, s, va, len, flags, p, f);

	if (r == CPU_OK)
		r = read_piece(arg, &p[0], buf);
	if (r == CPU_OK && p[1].len)
		r = read_piece(arg, &p[1], (uint8_t *)buf + p[0].len);
	return r;
}

static enum cpu_result op_write(void *arg, struct cpu_state *s, gva_t va, const void *buf,
				unsigned len, unsigned flags, struct cpu_fault *f)
{
	struct piece p[2];
	enum cpu_result r = pieces(arg, s, va, len, flags | MEM_WRITE, p, f);

	if (r == CPU_OK)
		r = write_piece(arg, &p[0], buf);
	if (r == CPU_OK && p[1].len)
		r = write_piece(arg, &p[1], (const uint8_t *)buf + p[0].len);
	return r;
}

/* What no single host instruction does atomically on guest RAM: 16 bytes, misaligned, device
 * memory. Atomic against other such accesses only; a processor's split lock is as rare. */
static enum cpu_result split_cmpxchg(struct vcpu *v, const struct piece p[2], void *expect,
				     const void *desired, unsigned len, bool *done)
{
	uint8_t now[16];
	enum cpu_result r;

	pthread_mutex_lock(&v->m->split_lock);
	r = read_piece(v, &p[0], now);
	if (r == CPU_OK && p[1].len)
		r = read_piece(v, &p[1], now + p[0].len);
	*done = r == CPU_OK && !memcmp(now, expect, len);
	if (*done)
		r = write_piece(v, &p[0], desired);
	if (r == CPU_OK && *done && p[1].len)
		r = write_piece(v, &p[1], (const uint8_t *)desired + p[0].len);
	pthread_mutex_unlock(&v->m->split_lock);
	if (r == CPU_OK && !*done)
		memcpy(expect, now, len);
	return r;
}

static enum cpu_result op_cmpxchg(void *arg, struct cpu_state *s, gva_t va, void *expect,
				  const void *desired, unsigned len, bool *done,
				  struct cpu_fault *f)
{
	struct vcpu *v = arg;
	struct piece p[2];
	enum cpu_result r = pieces(v, s, va, len, MEM_READ | MEM_WRITE, p, f);
	uint64_t old = 0, new = 0;
	int x;

	if (r != CPU_OK)
		return r;
	if (!p[0].ram || len > 8 || va.v & (len - 1))
		return split_cmpxchg(v, p, expect, desired, len, done);
	memcpy(&old, expect, len);
	memcpy(&new, desired, len);
	x = sh_cmpxchg(v->m->mmu, v->sh, p[0].gpa, &old, new, len);
	if (x < 0)
		return CPU_HOST;
	*done = x == 1;
	memcpy(expect, &old, len);
	return CPU_OK;
}

static enum cpu_result op_fetch(void *arg, struct cpu_state *s, gva_t va, uint8_t buf[15],
				unsigned *got, struct cpu_fault *f)
{
	struct piece p = {.len = SH_PAGE_SIZE - (unsigned)gva_offset(va)};
	enum cpu_result r = translate(arg, s, va, MEM_FETCH, &p, f);
	struct cpu_fault second;

	if (r != CPU_OK)
		return r;
	if (p.len > 15)
		p.len = 15;
	r = read_piece(arg, &p, buf);
	*got = p.len;
	if (r != CPU_OK || p.len == 15)
		return r;
	/* The rest lies in the next page, and may be beyond the instruction. */
	p = (struct piece){.len = 15 - *got};
	if (translate(arg, s, GVA(va.v + *got), MEM_FETCH, &p, &second) == CPU_OK &&
	    read_piece(arg, &p, buf + *got) == CPU_OK)
		*got = 15;
	return CPU_OK;
}

enum cpu_result vcpu_op_read_phys(void *arg, uint64_t gpa, void *buf, unsigned len)
{
	struct vcpu *v = arg;

	if (gmem_read(v->m->gm, GPA(gpa), buf, len))
		memset(buf, 0xff, len);
	return CPU_OK;
}

enum cpu_result vcpu_op_in(void *arg, uint16_t port, unsigned size, uint32_t *val)
{
	struct vcpu *v = arg;

	v->stats.kind = XC_PORT_IO;
	*val = bus_in(v->m->bus, port, size);
	return CPU_OK;
}

enum cpu_result vcpu_op_out(void *arg, uint16_t port, unsigned size, uint32_t val)
{
	struct vcpu *v = arg;

	v->stats.kind = XC_PORT_IO;
	bus_out(v->m->bus, port, size, val);
	return CPU_OK;
}

/* The new value is not in s yet: the shadow MMU hears of it when it is next asked. */
enum cpu_result vcpu_op_set_cr(void *arg, struct cpu_state *s, int reg, uint64_t val,
			       struct cpu_fault *f)
{
	struct vcpu *v = arg;
	static const enum sh_flush_reg regs[] = {SH_REG_CR0, 0, 0, SH_REG_CR3, SH_REG_CR4};
	struct sh_regs before = shadow_regs(s);

	(void)f;
	if (reg == 8) {
		apic_set_tpr(v->m->apic, v->index, (uint8_t)(val << 4));
		return CPU_OK;
	}
	v->regs_stale = true;
	/* Rights, not translations: nothing is dropped (SDM vol. 3, section 4.6.2). */
	if (reg == CPU_OP_PKRU || reg == CPU_OP_PKRS)
		return CPU_OK;
	v->regs_drops |=
		sh_flush_of(&before, reg == CPU_OP_EFER ? SH_REG_EFER : regs[reg], val);
	return CPU_OK;
}

enum cpu_result vcpu_op_invlpg(void *arg, struct cpu_state *s, gva_t va)
{
	struct vcpu *v = arg;

	(void)s;
	sh_invlpg(v->sh, va);
	return CPU_OK;
}

enum cpu_result vcpu_op_invpcid(void *arg, struct cpu_state *s, unsigned type, uint64_t pcid,
				gva_t va, struct cpu_fault *f)
{
	struct vcpu *v = arg;

	(void)s;
	(void)f;
	sh_invpcid(v->sh, type, (uint16_t)pcid, va);
	return CPU_OK;
}

uint64_t vcpu_op_rdtsc(void *arg, const struct cpu_state *s)
{
	struct vcpu *v = arg;

	return machine_tsc(v->m) + s->msr_tsc_offset;
}

#define MSR_TSC 0x10u

enum cpu_result vcpu_op_rdmsr(void *arg, struct cpu_state *s, uint32_t msr, uint64_t *val,
			      struct cpu_fault *f)
{
	struct vcpu *v = arg;

	if (msr == MSR_TSC) {
		*val = vcpu_op_rdtsc(arg, s);
		return CPU_OK;
	}
	if (apic_rdmsr(v->m->apic, v->index, msr, val) == 0)
		return CPU_OK;
	return cpu_fault_ec(f, VEC_GP, 0);
}

enum cpu_result vcpu_op_wrmsr(void *arg, struct cpu_state *s, uint32_t msr, uint64_t val,
			      struct cpu_fault *f)
{
	struct vcpu *v = arg;

	if (msr == MSR_TSC) {
		s->msr_tsc_offset = val - machine_tsc(v->m);
		return CPU_OK;
	}
	if (apic_wrmsr(v->m->apic, v->index, msr, val, vcpu_op_rdtsc(arg, s), v->m->tsc_khz) ==
	    0)
		return CPU_OK;
	return cpu_fault_ec(f, VEC_GP, 0);
}

void vcpu_op_cpuid(void *arg, const struct cpu_state *s, uint32_t leaf, uint32_t subleaf,
		   uint32_t out[4])
{
	(void)s;
	machine_cpuid(arg, leaf, subleaf, out);
}

enum cpu_result vcpu_op_fpu(void *arg, struct cpu_state *s, bool write, struct cpu_fault *f)
{
	struct vcpu *v = arg;
	int err = v->m->engine->fpu ? v->m->engine->fpu(v, write) : 0;

	(void)s;
	if (!err)
		return CPU_OK;
	*f = (struct cpu_fault){.host_errno = -err};
	return CPU_HOST;
}

const struct cpu_ops vcpu_ops = {
	.read = op_read,
	.write = op_write,
	.cmpxchg = op_cmpxchg,
	.fetch = op_fetch,
	.read_phys = vcpu_op_read_phys,
	.in = vcpu_op_in,
	.out = vcpu_op_out,
	.set_cr = vcpu_op_set_cr,
	.invlpg = vcpu_op_invlpg,
	.invpcid = vcpu_op_invpcid,
	.rdmsr = vcpu_op_rdmsr,
	.wrmsr = vcpu_op_wrmsr,
	.cpuid = vcpu_op_cpuid,
	.rdtsc = vcpu_op_rdtsc,
	.fpu = vcpu_op_fpu,
};
