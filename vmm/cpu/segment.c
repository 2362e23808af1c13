/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the loading of data segments, SS, LDTR and TR.
 *
 * Checks come before the accessed or busy bit is set, and that before any register changes.
 * Read after: segment.h, desc.h. Manual: SDM vol. 2, MOV, LLDT, LTR; vol. 3, sections 5.5, 5.6.
 */
#include "vmm/cpu/desc.h"
#include "vmm/cpu/segment.h"

static void load_real(struct cpu_state *s, enum cpu_seg seg, uint16_t selector)
{
	if (s->rflags & RFL_VM) {
		s->seg[seg] = cpu_v86_segment(selector);
		return;
	}
	/* Real mode keeps limit and attributes: big real mode lives on that. */
	s->seg[seg].selector = selector;
	s->seg[seg].base = (uint64_t)selector << 4;
}

/* A null selector makes the segment unusable. SS keeps its DPL, which is the CPL; it may be
 * null only in 64-bit mode outside ring 3. */
static enum cpu_result load_null(struct cpu *c, enum cpu_seg seg, uint16_t selector,
				 struct cpu_fault *f)
{
	unsigned cpl = cpu_cpl(&c->s);
	struct cpu_segment g = {.selector = selector};

	if (seg == CPU_SS) {
		if (!cpu_64bit(&c->s) || cpl == 3 || SEL_RPL(selector) != cpl)
			return cpu_gp0(f);
		g.attr = (uint16_t)(cpl << SEG_DPL_SHIFT);
	}
	c->s.seg[seg] = g;
	return CPU_OK;
}

static bool stack_allowed(uint16_t selector, unsigned attr, unsigned cpl)
{
	return SEL_RPL(selector) == cpl && attr_is_writable(attr) && SEG_DPL(attr) == cpl;
}

/* Conforming code may be read from anywhere; all else only from where DPL says. */
static bool data_allowed(uint16_t selector, unsigned attr, unsigned cpl)
{
	if (!attr_is_readable(attr))
		return false;
	if (attr_is_conforming(attr))
		return true;
	return SEL_RPL(selector) <= SEG_DPL(attr) && cpl <= SEG_DPL(attr);
}

enum cpu_result cpu_load_seg(struct cpu *c, enum cpu_seg seg, uint16_t selector,
			     struct cpu_fault *f)
{
	unsigned cpl = cpu_cpl(&c->s);
	struct cpu_desc d;
	enum cpu_result r;

	if (cpu_real_or_v86(&c->s)) {
		load_real(&c->s, seg, selector);
		return CPU_OK;
	}
	if (SEL_NULL(selector))
		return load_null(c, seg, selector, f);
	r = cpu_desc_read(c, selector, VEC_GP, &d, f);
	if (r != CPU_OK)
		return r;

	unsigned attr = cpu_desc_attr(&d);
	if (!(seg == CPU_SS ? stack_allowed : data_allowed)(selector, attr, cpl))
		return cpu_fault_sel(f, VEC_GP, selector);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, seg == CPU_SS ? VEC_SS : VEC_NP, selector);
	r = cpu_desc_mark(c, &d, TYPE_ACCESSED, f);
	if (r == CPU_OK)
		c->s.seg[seg] = cpu_desc_segment(&d);
	return r;
}

/* LLDT and LTR: the descriptor of a system segment, whose type must be in the mask types. */
static enum cpu_result read_system(struct cpu *c, uint16_t selector, unsigned types,
				   struct cpu_desc *d, struct cpu_fault *f)
{
	enum cpu_result r;
	unsigned attr;

	if (selector & SEL_TI)
		return cpu_fault_sel(f, VEC_GP, selector);
	r = cpu_desc_read(c, selector, VEC_GP, d, f);
	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(d);
	if ((attr & SEG_S) || !(types & (1u << SEG_TYPE(attr))))
		return cpu_fault_sel(f, VEC_GP, selector);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, VEC_NP, selector);
	r = cpu_desc_read_high(c, d, f);
	if (r == CPU_OK && !cpu_canonical(&c->s, cpu_desc_segment(d).base))
		return cpu_fault_sel(f, VEC_GP, selector);
	return r;
}

static enum cpu_result check_system(struct cpu *c, struct cpu_fault *f)
{
	if (cpu_real_or_v86(&c->s))
		return cpu_fault(f, VEC_UD);
	return cpu_require_cpl0(c, f);
}

enum cpu_result cpu_load_ldtr(struct cpu *c, uint16_t selector, struct cpu_fault *f)
{
	enum cpu_result r = check_system(c, f);
	struct cpu_desc d;

	if (r != CPU_OK)
		return r;
	if (SEL_NULL(selector)) {
		c->s.ldtr = (struct cpu_segment){.selector = selector};
		return CPU_OK;
	}
	r = read_system(c, selector, 1u << SYS_LDT, &d, f);
	if (r == CPU_OK)
		c->s.ldtr = cpu_desc_segment(&d);
	return r;
}

enum cpu_result cpu_load_tr(struct cpu *c, uint16_t selector, struct cpu_fault *f)
{
	unsigned types = 1u << SYS_TSS | (cpu_long_mode(&c->s) ? 0 : 1u << SYS_TSS16);
	enum cpu_result r = check_system(c, f);
	struct cpu_desc d;

	if (r != CPU_OK)
		return r;
	if (SEL_NULL(selector))
		return cpu_gp0(f);
	r = read_system(c, selector, types, &d, f);
	if (r == CPU_OK)
		r = cpu_desc_mark(c, &d, SYS_TSS_BUSY ^ SYS_TSS, f);
	if (r != CPU_OK)
		return r;
	c->s.tr = cpu_desc_segment(&d);
	c->s.tr.attr |= SYS_TSS_BUSY ^ SYS_TSS;
	return CPU_OK;
}
