/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The test machine of interp_machine.h: its memory, ports and CPU set-ups.
 */
#include <stdlib.h>
#include <string.h>

#include "interp_machine.h"

static enum cpu_result page_fault(struct cpu_state *s, uint64_t va, unsigned flags,
				  bool present, struct cpu_fault *f)
{
	uint32_t e = (present ? PFERR_P : 0) | (flags & MEM_WRITE ? PFERR_W : 0) |
		     (flags & MEM_FETCH ? PFERR_I : 0) |
		     (cpu_cpl(s) == 3 && !(flags & MEM_IMPLICIT) ? PFERR_U : 0);

	*f = (struct cpu_fault){.vector = VEC_PF, .has_error = true, .error = e, .cr2 = va};
	return CPU_FAULT;
}

static unsigned needed(unsigned flags)
{
	return (flags & MEM_READ ? PAGE_R : 0) | (flags & MEM_WRITE ? PAGE_W : 0) |
	       (flags & MEM_FETCH ? PAGE_X : 0);
}

static enum cpu_result check_range(struct machine *m, struct cpu_state *s, uint64_t va,
				   unsigned len, unsigned flags, struct cpu_fault *f)
{
	const uint64_t last = va + len - 1;
	const unsigned need = needed(flags);

	for (uint64_t at = va; at <= last; at = (at | (SH_PAGE_SIZE - 1)) + 1) {
		uint64_t off = at - m->base;
		unsigned perm = off < MACHINE_SIZE ? m->perm[off / SH_PAGE_SIZE] : 0;

		if ((perm & need) != need)
			return page_fault(s, at, flags, perm, f);
	}
	return last >= va ? CPU_OK : page_fault(s, va, flags, false, f);
}

static enum cpu_result mach_read(void *p, struct cpu_state *s, gva_t va, void *buf,
				 unsigned len, unsigned flags, struct cpu_fault *f)
{
	struct machine *m = p;
	enum cpu_result r = check_range(m, s, va.v, len, flags, f);

	m->reads++;
	if (r == CPU_OK)
		memcpy(buf, m->ram + (va.v - m->base), len);
	return r;
}

static enum cpu_result mach_write(void *p, struct cpu_state *s, gva_t va, const void *buf,
				  unsigned len, unsigned flags, struct cpu_fault *f)
{
	struct machine *m = p;
	enum cpu_result r = check_range(m, s, va.v, len, flags | MEM_WRITE, f);

	m->writes++;
	if (r == CPU_OK)
		memcpy(m->ram + (va.v - m->base), buf, len);
	return r;
}

static enum cpu_result mach_cmpxchg(void *p, struct cpu_state *s, gva_t va, void *expect,
				    const void *desired, unsigned len, bool *done,
				    struct cpu_fault *f)
{
	struct machine *m = p;
	uint8_t *at = m->ram + (va.v - m->base);
	enum cpu_result r = check_range(m, s, va.v, len, MEM_READ | MEM_WRITE, f);

	m->cmpxchgs++;
	if (r != CPU_OK)
		return r;
	if (m->lose) {
		m->lose--;
		at[0]++;
	}
	*done = !memcmp(at, expect, len);
	if (*done)
		memcpy(at, desired, len);
	else
		memcpy(expect, at, len);
	return CPU_OK;
}

static enum cpu_result mach_fetch(void *p, struct cpu_state *s, gva_t va, uint8_t buf[15],
				  unsigned *got, struct cpu_fault *f)
{
	struct machine *m = p;
	struct cpu_fault ignored;
	enum cpu_result r = check_range(m, s, va.v, 1, MEM_FETCH, f);

	if (r != CPU_OK)
		return r;
	*got = (unsigned)(SH_PAGE_SIZE - gva_offset(va));
	if (*got > 15 || check_range(m, s, va.v, 15, MEM_FETCH, &ignored) == CPU_OK)
		*got = 15;
	memcpy(buf, m->ram + (va.v - m->base), *got);
	return CPU_OK;
}

static enum cpu_result mach_in(void *p, uint16_t port, unsigned size, uint32_t *val)
{
	struct machine *m = p;

	m->ins++;
	m->last_port = port;
	m->last_size = size;
	*val = m->in_value++;
	return CPU_OK;
}

static enum cpu_result mach_out(void *p, uint16_t port, unsigned size, uint32_t val)
{
	struct machine *m = p;

	m->outs++;
	m->last_port = port;
	m->last_size = size;
	m->last_out = val;
	return CPU_OK;
}

static enum cpu_result mach_set_cr(void *p, struct cpu_state *s, int reg, uint64_t val,
				   struct cpu_fault *f)
{
	(void)p, (void)s, (void)reg, (void)val, (void)f;
	return CPU_OK;
}

static enum cpu_result mach_invlpg(void *p, struct cpu_state *s, gva_t va)
{
	(void)s;
	((struct machine *)p)->invlpg = va.v;
	return CPU_OK;
}

static enum cpu_result mach_invpcid(void *p, struct cpu_state *s, unsigned type, uint64_t pcid,
				    gva_t va, struct cpu_fault *f)
{
	(void)s, (void)type, (void)pcid, (void)f;
	((struct machine *)p)->invlpg = va.v;
	return CPU_OK;
}

static enum cpu_result mach_rdmsr(void *p, struct cpu_state *s, uint32_t msr, uint64_t *val,
				  struct cpu_fault *f)
{
	(void)p, (void)s, (void)msr, (void)val;
	return cpu_fault_ec(f, VEC_GP, 0);
}

static enum cpu_result mach_wrmsr(void *p, struct cpu_state *s, uint32_t msr, uint64_t val,
				  struct cpu_fault *f)
{
	(void)p, (void)s, (void)msr, (void)val;
	return cpu_fault_ec(f, VEC_GP, 0);
}

static void mach_cpuid(void *p, const struct cpu_state *s, uint32_t leaf, uint32_t subleaf,
		       uint32_t out[4])
{
	(void)p, (void)s;
	if (leaf == 0xd) { /* x87, SSE, AVX; XSAVEOPT, XSAVEC, XGETBV of 1 */
		out[0] = 7;
		out[1] = out[2] = out[3] = 0;
		return;
	}
	out[0] = leaf + 1;
	out[1] = subleaf + 2;
	out[2] = 3;
	out[3] = 4;
}

static uint64_t mach_rdtsc(void *p, const struct cpu_state *s)
{
	(void)p, (void)s;
	return 0x1122334455667788;
}

static bool mach_direct(void *p, const struct cpu_state *s, struct cpu_direct *d)
{
	struct machine *m = p;
	uint64_t first = m->base >> SH_PAGE_SHIFT;

	(void)s;
	for (unsigned k = 0; k < MACHINE_PAGES; k++)
		m->tlb[(first + k) % MACHINE_PAGES] = (struct tlb_entry){
			.page = first + k,
			.tag = m->perm[k] & PAGE_R ? 1 : 0,
			.rights = (uint8_t)((m->perm[k] & PAGE_W ? TLB_W : 0) |
					    (m->perm[k] & PAGE_X ? TLB_X : 0)),
			.host = m->ram + k * SH_PAGE_SIZE,
		};
	*d = (struct cpu_direct){m->tlb, MACHINE_PAGES - 1, 1};
	return m->fast;
}

static const struct cpu_ops mach_ops = {
	.read = mach_read,
	.write = mach_write,
	.cmpxchg = mach_cmpxchg,
	.fetch = mach_fetch,
	.in = mach_in,
	.out = mach_out,
	.set_cr = mach_set_cr,
	.invlpg = mach_invlpg,
	.invpcid = mach_invpcid,
	.rdmsr = mach_rdmsr,
	.wrmsr = mach_wrmsr,
	.cpuid = mach_cpuid,
	.rdtsc = mach_rdtsc,
	.direct = mach_direct,
};

static const struct cpu_model mach_model = {
	.maxphyaddr = 46,
	.cr4_allowed = 0x77ffff & ~(CR4_LA57 | (1ull << 13) | (1ull << 14)),
	.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
	.invpcid = true,
};

struct machine *machine_create(uint64_t base)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	m->base = base;
	m->ram = aligned_alloc(SH_PAGE_SIZE, MACHINE_SIZE);
	m->in = interp_create();
	if (!m->ram || !m->in)
		abort();
	memset(m->ram, 0, MACHINE_SIZE);
	memset(m->perm, PAGE_RWX, sizeof(m->perm));
	m->cpu.ops = &mach_ops;
	m->cpu.model = &mach_model;
	m->cpu.m = m;
	return m;
}

void machine_destroy(struct machine *m)
{
	interp_destroy(m->in);
	free(m->ram);
	free(m);
}

static void set_segments(struct cpu_state *s, uint16_t code, uint16_t data, uint32_t limit)
{
	for (int k = 0; k < CPU_SEGS; k++)
		s->seg[k] =
			(struct cpu_segment){.limit = limit, .attr = data, .selector = 0x10};
	s->seg[CPU_CS].attr = code;
	s->seg[CPU_CS].selector = 0x08;
}

#define ATTR_CODE 0x9b /* present, S, execute/read, accessed */
#define ATTR_DATA 0x93

void machine_long(struct machine *m, uint64_t rip)
{
	struct cpu_state *s = &m->cpu.s;

	*s = (struct cpu_state){.rip = rip, .rflags = RFL_FIXED};
	cpu_fpu_reset(&s->fpu);
	cpu_fpu_init(&s->fpu);
	set_segments(s, ATTR_CODE | SEG_L | SEG_G, ATTR_DATA | SEG_DB | SEG_G, UINT32_MAX);
	s->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_MP | CR0_WP;
	s->cr4 = CR4_PAE | CR4_OSFXSR;
	s->efer = EFER_LME | EFER_LMA | EFER_NXE;
	s->gpr[CPU_RSP] = m->base + 0x8000;
}

void machine_flat32(struct machine *m, uint32_t eip)
{
	struct cpu_state *s = &m->cpu.s;

	*s = (struct cpu_state){.rip = eip, .rflags = RFL_FIXED};
	cpu_fpu_reset(&s->fpu);
	cpu_fpu_init(&s->fpu);
	set_segments(s, ATTR_CODE | SEG_DB | SEG_G, ATTR_DATA | SEG_DB | SEG_G, UINT32_MAX);
	s->cr0 = CR0_PE | CR0_ET;
	s->gpr[CPU_RSP] = m->base + 0x8000;
}

void machine_real(struct machine *m, uint16_t ip)
{
	struct cpu_state *s = &m->cpu.s;

	*s = (struct cpu_state){.rip = ip, .rflags = RFL_FIXED};
	cpu_fpu_reset(&s->fpu);
	cpu_fpu_init(&s->fpu);
	set_segments(s, ATTR_CODE, ATTR_DATA, 0xffff);
	for (int k = 0; k < CPU_SEGS; k++)
		s->seg[k].selector = 0;
	s->cr0 = CR0_ET;
	s->idtr.limit = 0x3ff;
	s->gpr[CPU_RSP] = 0x8000;
}

void machine_set_cpl(struct machine *m, unsigned cpl)
{
	struct cpu_state *s = &m->cpu.s;

	for (int k = 0; k < CPU_SEGS; k++) {
		s->seg[k].attr = (uint16_t)((s->seg[k].attr & ~(3u << SEG_DPL_SHIFT)) |
					    cpl << SEG_DPL_SHIFT);
		s->seg[k].selector = (uint16_t)((s->seg[k].selector & ~3u) | cpl);
	}
}

void machine_poke(struct machine *m, uint64_t va, const void *data, size_t len)
{
	memcpy(m->ram + (va - m->base), data, len);
}

uint64_t machine_peek(const struct machine *m, uint64_t va, unsigned len)
{
	uint64_t v = 0;

	memcpy(&v, m->ram + (va - m->base), len);
	return v;
}

unsigned machine_code(struct machine *m, uint64_t va, const char *hex)
{
	uint8_t bytes[512];
	unsigned n = 0;

	while (*hex && n < sizeof(bytes)) {
		char two[3] = {hex[0], hex[1], 0};

		if (*hex == ' ') {
			hex++;
			continue;
		}
		bytes[n++] = (uint8_t)strtoul(two, NULL, 16);
		hex += 2;
	}
	machine_poke(m, va, bytes, n);
	return n;
}

enum cpu_result machine_step(struct machine *m)
{
	return interp_step(m->in, &m->cpu, ~0u, &m->info, &m->fault);
}

enum cpu_result machine_step_hex(struct machine *m, const char *hex)
{
	const struct cpu_state *s = &m->cpu.s;

	machine_code(m, s->rip + (cpu_64bit(s) ? 0 : s->seg[CPU_CS].base), hex);
	return machine_step(m);
}

enum cpu_result machine_run(struct machine *m, unsigned n)
{
	enum cpu_result r = CPU_OK;

	while (n-- && r == CPU_OK && m->cpu.s.activity == CPU_RUNNING)
		r = interp_step_deliver(m->in, &m->cpu, ~0u, &m->info, &m->fault);
	return r;
}
