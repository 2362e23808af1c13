/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns RDMSR and WRMSR of the registers that lie in struct cpu_state. All others, those of the
 * local APIC and the TSC among them, are the engine's (ops->rdmsr, ops->wrmsr).
 *
 * Read after: system.h. Manual: SDM vol. 4, table 2-2; vol. 3, sections 11.11 and 11.12.
 */
#include "vmm/cpu/desc.h"
#include "vmm/cpu/system.h"

struct msr {
	uint32_t number;
	uint16_t offset; /* in struct cpu_state; NONE: a constant */
	enum cpu_result (*check)(const struct cpu *c, uint64_t val, struct cpu_fault *f);
	uint64_t constant;
};

#define NONE	 UINT16_MAX
#define FIELD(f) offsetof(struct cpu_state, f)

#define MTRRCAP_WC (1ull << 10) /* no variable and no fixed ranges */

static enum cpu_result any(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	(void)c, (void)val, (void)f;
	return CPU_OK;
}

static enum cpu_result read_only(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	(void)c, (void)val;
	return cpu_gp0(f);
}

static enum cpu_result low32(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	(void)c;
	return val >> 32 ? cpu_gp0(f) : CPU_OK;
}

static enum cpu_result canonical(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	return cpu_canonical(&c->s, val) ? CPU_OK : cpu_gp0(f);
}

static bool memory_type_ok(unsigned type, unsigned valid)
{
	return type < 8 && (valid & (1u << type));
}

/* Eight memory types: 2 and 3 are reserved. */
static enum cpu_result pat(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	(void)c;
	for (int i = 0; i < 64; i += 8)
		if (!memory_type_ok((val >> i) & 0xff, 0xf3))
			return cpu_gp0(f);
	return CPU_OK;
}

/* Default type, FE and E; a type that PAT has and MTRRs lack is UC-. */
static enum cpu_result mtrr_def_type(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	(void)c;
	if ((val & ~0xcffull) || !memory_type_ok(val & 0xff, 0x73))
		return cpu_gp0(f);
	return CPU_OK;
}

static enum cpu_result efer(const struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	if (val & ~(c->model->efer_allowed | EFER_LMA))
		return cpu_gp0(f);
	if (((val ^ c->s.efer) & EFER_LME) && (c->s.cr0 & CR0_PG))
		return cpu_gp0(f);
	return CPU_OK;
}

#define MSR_EFER 0xc0000080
#define MSR_PKRS 0x6e1

static const struct msr msrs[] = {
	{0x00000017, NONE, read_only, 0}, /* PLATFORM_ID */
	{0x0000008b, NONE, any, 0},	  /* BIOS_SIGN_ID: software writes 0 before CPUID */
	{0x000000fe, NONE, read_only, MTRRCAP_WC},
	{0x00000174, FIELD(msr_sysenter_cs), any, 0},
	{0x00000175, FIELD(msr_sysenter_esp), canonical, 0},
	{0x00000176, FIELD(msr_sysenter_eip), canonical, 0},
	{0x000001a0, FIELD(msr_misc_enable), any, 0},
	{0x00000277, FIELD(msr_pat), pat, 0},
	{0x000002ff, FIELD(msr_mtrr_def_type), mtrr_def_type, 0},
	{MSR_PKRS, FIELD(msr_pkrs), low32, 0},
	{MSR_EFER, FIELD(efer), efer, 0},
	{0xc0000081, FIELD(msr_star), any, 0},
	{0xc0000082, FIELD(msr_lstar), canonical, 0},
	{0xc0000083, FIELD(msr_cstar), canonical, 0},
	{0xc0000084, FIELD(msr_sfmask), low32, 0},
	{0xc0000100, FIELD(seg[CPU_FS].base), canonical, 0},
	{0xc0000101, FIELD(seg[CPU_GS].base), canonical, 0},
	{0xc0000102, FIELD(msr_kernel_gs_base), canonical, 0},
	{0xc0000103, FIELD(msr_tsc_aux), low32, 0},
};

static const struct msr *find(const struct cpu *c, uint32_t number)
{
	if (number == MSR_PKRS && !(c->model->cr4_allowed & CR4_PKS))
		return NULL;
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		if (msrs[i].number == number)
			return &msrs[i];
	return NULL;
}

static uint64_t *field(struct cpu_state *s, const struct msr *m)
{
	return (uint64_t *)((char *)s + m->offset);
}

/* Paging depends on EFER, so the engine hears of it first. LMA is not the guest's to write. */
static enum cpu_result write_efer(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	enum cpu_result r;

	val = (val & ~EFER_LMA) | (c->s.efer & EFER_LMA);
	r = c->ops->set_cr(c->m, &c->s, CPU_OP_EFER, val, f);
	if (r == CPU_OK)
		c->s.efer = val;
	return r;
}

/* Rights follow from it, as from PKRU. */
static enum cpu_result write_pkrs(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	enum cpu_result r = c->ops->set_cr(c->m, &c->s, CPU_OP_PKRS, val, f);

	if (r == CPU_OK)
		c->s.msr_pkrs = val;
	return r;
}

static enum cpu_result write_msr(struct cpu *c, uint32_t number, uint64_t val,
				 struct cpu_fault *f)
{
	const struct msr *m = find(c, number);
	enum cpu_result r;

	if (!m)
		return c->ops->wrmsr(c->m, &c->s, number, val, f);
	r = m->check(c, val, f);
	if (r != CPU_OK)
		return r;
	if (number == MSR_EFER)
		return write_efer(c, val, f);
	if (number == MSR_PKRS)
		return write_pkrs(c, val, f);
	if (m->offset != NONE)
		*field(&c->s, m) = val;
	return CPU_OK;
}

static enum cpu_result read_msr(struct cpu *c, uint32_t number, uint64_t *val,
				struct cpu_fault *f)
{
	const struct msr *m = find(c, number);

	if (!m)
		return c->ops->rdmsr(c->m, &c->s, number, val, f);
	*val = m->offset == NONE ? m->constant : *field(&c->s, m);
	return CPU_OK;
}

enum cpu_result cpu_rdmsr(struct cpu *c, struct cpu_fault *f)
{
	enum cpu_result r = cpu_require_cpl0(c, f);
	uint64_t val;

	if (r == CPU_OK)
		r = read_msr(c, (uint32_t)c->s.gpr[CPU_RCX], &val, f);
	if (r != CPU_OK)
		return r;
	c->s.gpr[CPU_RAX] = (uint32_t)val;
	c->s.gpr[CPU_RDX] = val >> 32;
	return CPU_OK;
}

enum cpu_result cpu_wrmsr(struct cpu *c, struct cpu_fault *f)
{
	uint64_t val = c->s.gpr[CPU_RDX] << 32 | (uint32_t)c->s.gpr[CPU_RAX];
	enum cpu_result r = cpu_require_cpl0(c, f);

	return r == CPU_OK ? write_msr(c, (uint32_t)c->s.gpr[CPU_RCX], val, f) : r;
}
