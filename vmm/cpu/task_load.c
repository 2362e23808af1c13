/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the load of a task's state and the checks of its selectors, which happen when the switch
 * can no longer be undone.
 *
 * Read after: task_load.h. Manual: SDM vol. 3, section 7.3 and table 7-1.
 */
#include "vmm/cpu/system.h"
#include "vmm/cpu/task_load.h"
#include "vmm/cpu/transfer.h"

#define DR7_LOCAL 0x155u /* L0 to L3 and LE: breakpoints of one task only */
#define EFLAGS_KNOWN                                                                      \
	(RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_TF | RFL_IF | RFL_DF | RFL_OF | \
	 RFL_IOPL | RFL_NT | RFL_RF | RFL_VM | RFL_AC | RFL_VIF | RFL_VIP | RFL_ID)

/* Selectors without their descriptors: unusable, but the CPL is already the new task's. */
static void load_plain(struct cpu_state *s, const struct cpu_tss *t)
{
	unsigned cpl = t->eflags & RFL_VM ? 3 : SEL_RPL(t->seg[CPU_CS]);

	for (int i = 0; i < 8; i++)
		s->gpr[i] = t->gpr[i];
	s->rip = t->eip;
	s->rflags = (t->eflags & EFLAGS_KNOWN) | RFL_FIXED;
	for (int i = 0; i < CPU_SEGS; i++)
		s->seg[i] = (struct cpu_segment){.selector = t->seg[i]};
	s->seg[CPU_SS].attr = (uint16_t)(cpl << SEG_DPL_SHIFT);
	s->ldtr = (struct cpu_segment){.selector = t->ldt};
	s->cr0 |= CR0_TS;
	s->dr[7] &= ~(uint64_t)DR7_LOCAL;
}

static enum cpu_result load_ldt(struct cpu *c, uint16_t sel, struct cpu_fault *f)
{
	struct cpu_desc d;
	enum cpu_result r;
	unsigned attr;

	if (SEL_NULL(sel))
		return CPU_OK;
	if (sel & SEL_TI)
		return cpu_fault_sel(f, VEC_TS, sel);
	r = cpu_desc_read(c, sel, VEC_TS, &d, f);
	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(&d);
	if ((attr & SEG_S) || SEG_TYPE(attr) != SYS_LDT || !(attr & SEG_P))
		return cpu_fault_sel(f, VEC_TS, sel);
	c->s.ldtr = cpu_desc_segment(&d);
	return CPU_OK;
}

/* Whether a descriptor may go into seg, at the privilege its selector asks for. */
static bool fits(enum cpu_seg seg, uint16_t sel, unsigned attr, unsigned cpl)
{
	unsigned dpl = SEG_DPL(attr), rpl = SEL_RPL(sel);

	if (seg == CPU_CS)
		return attr_is_code(attr) &&
		       (attr_is_conforming(attr) ? dpl <= rpl : dpl == rpl);
	if (seg == CPU_SS)
		return attr_is_writable(attr) && dpl == cpl && rpl == cpl;
	if (!attr_is_readable(attr))
		return false;
	return attr_is_conforming(attr) || (dpl >= cpl && dpl >= rpl);
}

/* As cpu_load_seg(), but what is wrong with the selector is #TS. */
static enum cpu_result load_seg(struct cpu *c, enum cpu_seg seg, struct cpu_fault *f)
{
	uint16_t sel = c->s.seg[seg].selector;
	struct cpu_desc d;
	enum cpu_result r;
	unsigned attr;

	if (SEL_NULL(sel))
		return seg == CPU_CS || seg == CPU_SS ? cpu_fault_sel(f, VEC_TS, sel) : CPU_OK;
	r = cpu_desc_read(c, sel, VEC_TS, &d, f);
	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(&d);
	if (!fits(seg, sel, attr, cpu_cpl(&c->s)))
		return cpu_fault_sel(f, VEC_TS, sel);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, seg == CPU_SS ? VEC_SS : VEC_NP, sel);
	do {
		r = cpu_desc_mark(c, &d, TYPE_ACCESSED, f);
		/* There is no way back, so a lost race is run again here. */
		if (r == CPU_RETRY && cpu_desc_read(c, sel, VEC_TS, &d, f) != CPU_OK)
			return CPU_FAULT;
	} while (r == CPU_RETRY);
	if (r == CPU_OK)
		c->s.seg[seg] = cpu_desc_segment(&d);
	return r;
}

enum cpu_result cpu_task_load(struct cpu *c, const struct cpu_tss *t, struct cpu_fault *f)
{
	static const enum cpu_seg order[] = {CPU_SS, CPU_CS, CPU_ES, CPU_DS, CPU_FS, CPU_GS};
	enum cpu_result r = CPU_OK;

	load_plain(&c->s, t);
	if ((c->s.cr0 & CR0_PG) && cpu_tss_wide(c->s.tr.attr))
		r = cpu_switch_cr3(c, t->cr3, f);
	if (r == CPU_OK)
		r = load_ldt(c, t->ldt, f);
	for (unsigned i = 0; i < CPU_SEGS && r == CPU_OK; i++)
		if (c->s.rflags & RFL_VM)
			c->s.seg[i] = cpu_v86_segment(t->seg[i]);
		else
			r = load_seg(c, order[i], f);
	if (r == CPU_OK && c->s.rip > c->s.seg[CPU_CS].limit)
		return cpu_gp0(f);
	return r;
}
