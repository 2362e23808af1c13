/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the control registers: what may be written when, and the entry to and exit from long
 * mode and PAE paging that follow from it.
 *
 * Order in every one: check all, load PDPTEs, tell the engine (ops->set_cr), then commit.
 * Read after: system.h, desc.h. Manual: SDM vol. 3, sections 2.5, 4.1.2, 4.4.1 and 9.8.5.
 */
#include <string.h>

#include "vmm/cpu/desc.h"
#include "vmm/cpu/system.h"

#define CR0_DEFINED                                                                       \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | \
	 CR0_CD | CR0_PG)
#define CR3_NO_FLUSH (1ull << 63)
#define CR3_PCID     0xfffull

/* Changes that reload the PDPTEs (section 4.4.1). */
#define CR0_PDPTE_BITS (CR0_CD | CR0_NW | CR0_PG)
#define CR4_PDPTE_BITS (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)

/* Paging state as it will be. */
struct paging {
	uint64_t cr0, cr3, cr4, efer;
};

static bool uses_pdptes(const struct paging *p)
{
	return (p->cr0 & CR0_PG) && (p->cr4 & CR4_PAE) && !(p->efer & EFER_LMA);
}

/* A present PDPTE may have P, PWT, PCD, AVL and an address. */
static uint64_t pdpte_reserved(const struct cpu_model *m)
{
	return (~0ull << m->maxphyaddr) | 0x1e6;
}

static enum cpu_result load_pdptes(struct cpu *c, const struct paging *p, uint64_t out[4],
				   struct cpu_fault *f)
{
	enum cpu_result r = c->ops->read_phys(c->m, p->cr3 & 0xffffffe0, out, 32);

	if (r != CPU_OK) {
		*f = (struct cpu_fault){.why = "PDPTEs can't be read"};
		return r;
	}
	for (int i = 0; i < 4; i++)
		if ((out[i] & 1) && (out[i] & pdpte_reserved(c->model)))
			return cpu_gp0(f);
	return CPU_OK;
}

/* Common end of all writes: reload says whether the PDPTEs are read anew where they count. */
static enum cpu_result commit(struct cpu *c, int reg, uint64_t val, const struct paging *p,
			      bool reload, struct cpu_fault *f)
{
	uint64_t pdpte[4];
	enum cpu_result r = CPU_OK;

	reload = reload && uses_pdptes(p);
	if (reload)
		r = load_pdptes(c, p, pdpte, f);
	if (r == CPU_OK)
		r = c->ops->set_cr(c->m, &c->s, reg, val, f);
	if (r != CPU_OK)
		return r;
	if (reload)
		memcpy(c->s.pdpte, pdpte, sizeof(pdpte));
	c->s.cr0 = p->cr0;
	c->s.cr3 = p->cr3;
	c->s.cr4 = p->cr4;
	c->s.efer = p->efer;
	return CPU_OK;
}

static struct paging paging_now(const struct cpu_state *s)
{
	return (struct paging){.cr0 = s->cr0, .cr3 = s->cr3, .cr4 = s->cr4, .efer = s->efer};
}

/* Turning PG on with LME set enters long mode, unless it can't be entered from here. */
static bool may_enter_long(const struct cpu_state *s)
{
	unsigned tr = SEG_TYPE(s->tr.attr);

	return (s->cr4 & CR4_PAE) && !(s->seg[CPU_CS].attr & SEG_L) &&
	       !(tr == SYS_TSS16 || tr == SYS_TSS16_BUSY);
}

static bool cr0_allowed(const struct cpu_state *s, uint64_t val)
{
	bool pg_on = (val & CR0_PG) && !(s->cr0 & CR0_PG);
	bool pg_off = !(val & CR0_PG) && (s->cr0 & CR0_PG);

	if (val >> 32)
		return false;
	if ((val & CR0_PG) && !(val & CR0_PE))
		return false;
	if ((val & CR0_NW) && !(val & CR0_CD))
		return false;
	if (pg_on && (s->efer & EFER_LME) && !may_enter_long(s))
		return false;
	return !pg_off || !((s->cr4 & CR4_PCIDE) || cpu_64bit(s));
}

static enum cpu_result write_cr0(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	struct paging p = paging_now(&c->s);

	if (!cr0_allowed(&c->s, val))
		return cpu_gp0(f);
	/* Reserved bits below 32 are ignored, ET is always 1. */
	p.cr0 = (val & CR0_DEFINED) | CR0_ET;
	p.efer &= ~EFER_LMA;
	if ((p.cr0 & CR0_PG) && (p.efer & EFER_LME))
		p.efer |= EFER_LMA;
	return commit(c, 0, p.cr0, &p, (p.cr0 ^ c->s.cr0) & CR0_PDPTE_BITS, f);
}

static enum cpu_result write_cr3(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	struct paging p = paging_now(&c->s);
	uint64_t addr = val, reserved = ~0ull << c->model->maxphyaddr;

	if (p.cr4 & CR4_PCIDE)
		addr &= ~CR3_NO_FLUSH;
	if (addr & reserved)
		return cpu_gp0(f);
	p.cr3 = addr;
	return commit(c, 3, val, &p, true, f);
}

enum cpu_result cpu_switch_cr3(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	return write_cr3(c, val, f);
}

static bool cr4_ok(const struct cpu *c, uint64_t val)
{
	const struct cpu_state *s = &c->s;
	uint64_t changed = val ^ s->cr4;

	if (val & ~c->model->cr4_allowed)
		return false;
	if (cpu_long_mode(s) && (!(val & CR4_PAE) || (changed & CR4_LA57)))
		return false;
	if ((val & changed & CR4_PCIDE) && (!cpu_long_mode(s) || (s->cr3 & CR3_PCID)))
		return false;
	return true;
}

static enum cpu_result write_cr4(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	struct paging p = paging_now(&c->s);

	if (!cr4_ok(c, val))
		return cpu_gp0(f);
	p.cr4 = val;
	return commit(c, 4, val, &p, (val ^ c->s.cr4) & CR4_PDPTE_BITS, f);
}

static enum cpu_result write_cr8(struct cpu *c, uint64_t val, struct cpu_fault *f)
{
	enum cpu_result r;

	if (val & ~0xfull)
		return cpu_gp0(f);
	r = c->ops->set_cr(c->m, &c->s, 8, val, f);
	if (r == CPU_OK)
		c->s.cr8 = val;
	return r;
}

enum cpu_result cpu_read_cr(struct cpu *c, int reg, uint64_t *val, struct cpu_fault *f)
{
	const struct cpu_state *s = &c->s;
	const uint64_t *from[] = {
		[0] = &s->cr0, [2] = &s->cr2, [3] = &s->cr3, [4] = &s->cr4, [8] = &s->cr8};
	enum cpu_result r;

	if (reg < 0 || reg > 8 || !from[reg])
		return cpu_fault(f, VEC_UD);
	r = cpu_require_cpl0(c, f);
	if (r == CPU_OK)
		*val = *from[reg];
	return r;
}

enum cpu_result cpu_write_cr(struct cpu *c, int reg, uint64_t val, struct cpu_fault *f)
{
	enum cpu_result r = cpu_require_cpl0(c, f);

	if (reg < 0 || reg > 8 || !((1u << reg) & 0x11d))
		return cpu_fault(f, VEC_UD);
	if (r != CPU_OK)
		return r;
	switch (reg) {
	case 0:
		return write_cr0(c, val, f);
	case 2:
		c->s.cr2 = val;
		return CPU_OK;
	case 3:
		return write_cr3(c, val, f);
	case 4:
		return write_cr4(c, val, f);
	default:
		return write_cr8(c, val, f);
	}
}

enum cpu_result cpu_lmsw(struct cpu *c, uint16_t val, struct cpu_fault *f)
{
	const uint64_t msw = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
	uint64_t keep_pe = c->s.cr0 & CR0_PE; /* LMSW can set PE but not clear it */

	return cpu_write_cr(c, 0, (c->s.cr0 & ~msw) | (val & msw) | keep_pe, f);
}

enum cpu_result cpu_clts(struct cpu *c, struct cpu_fault *f)
{
	return cpu_write_cr(c, 0, c->s.cr0 & ~CR0_TS, f);
}
