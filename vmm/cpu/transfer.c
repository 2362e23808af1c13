/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the checks that all changes of CS share, and the completion of returns.
 *
 * Read after: transfer.h. Manual: SDM vol. 2, RET and IRET; vol. 3, sections 5.8.1 and 5.8.6.
 */
#include "vmm/cpu/transfer.h"

enum cpu_result cpu_check_code(const struct cpu *c, const struct cpu_desc *d,
			       struct cpu_fault *f)
{
	unsigned attr = cpu_desc_attr(d);

	if (!attr_is_code(attr) || (cpu_is_code64(&c->s, attr) && (attr & SEG_DB)))
		return cpu_fault_sel(f, VEC_GP, d->selector);
	return CPU_OK;
}

enum cpu_result cpu_read_code(struct cpu *c, uint16_t selector, struct cpu_desc *d,
			      struct cpu_fault *f)
{
	enum cpu_result r;

	if (SEL_NULL(selector))
		return cpu_gp0(f);
	r = cpu_desc_read(c, selector, VEC_GP, d, f);
	return r == CPU_OK ? cpu_check_code(c, d, f) : r;
}

enum cpu_result cpu_check_rip(const struct cpu *c, const struct cpu_desc *d, uint64_t rip,
			      struct cpu_fault *f)
{
	bool ok = cpu_is_code64(&c->s, cpu_desc_attr(d)) ? cpu_canonical(&c->s, rip)
							 : rip <= cpu_desc_segment(d).limit;

	return ok ? CPU_OK : cpu_gp0(f);
}

enum cpu_result cpu_take_code(struct cpu *c, const struct cpu_desc *d, unsigned cpl,
			      struct cpu_segment *cs, struct cpu_fault *f)
{
	*cs = cpu_desc_segment(d);
	cs->selector = (uint16_t)((d->selector & 0xfffc) | cpl);
	return cpu_desc_mark(c, d, TYPE_ACCESSED, f);
}

enum cpu_result cpu_jump_real(struct cpu *c, uint16_t selector, uint64_t rip,
			      struct cpu_fault *f)
{
	struct cpu_segment *cs = &c->s.seg[CPU_CS];

	if (rip > cs->limit)
		return cpu_gp0(f);
	cs->selector = selector;
	cs->base = (uint64_t)selector << 4;
	c->s.rip = rip;
	return CPU_OK;
}

enum cpu_result cpu_return_code(struct cpu *c, const struct cpu_return *ret, struct cpu_desc *d,
				struct cpu_fault *f)
{
	unsigned rpl = SEL_RPL(ret->cs), attr, dpl;
	enum cpu_result r = cpu_read_code(c, ret->cs, d, f);

	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(d);
	dpl = SEG_DPL(attr);
	if (rpl < cpu_cpl(&c->s))
		return cpu_fault_sel(f, VEC_GP, ret->cs);
	if (attr_is_conforming(attr) ? dpl > rpl : dpl != rpl)
		return cpu_fault_sel(f, VEC_GP, ret->cs);
	return attr & SEG_P ? CPU_OK : cpu_fault_sel(f, VEC_NP, ret->cs);
}

/* The SS of level cpl that a frame names. Null is for 64-bit code outside ring 3 only. */
static enum cpu_result return_ss(struct cpu *c, uint16_t sel, unsigned cpl, bool to64,
				 struct cpu_segment *ss, struct cpu_fault *f)
{
	struct cpu_desc d;
	enum cpu_result r;
	unsigned attr;

	if (SEL_NULL(sel)) {
		*ss = (struct cpu_segment){.selector = sel,
					   .attr = (uint16_t)(cpl << SEG_DPL_SHIFT)};
		return to64 && cpl != 3 && SEL_RPL(sel) == cpl ? CPU_OK : cpu_gp0(f);
	}
	r = cpu_desc_read(c, sel, VEC_GP, &d, f);
	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(&d);
	if (SEL_RPL(sel) != cpl || !attr_is_writable(attr) || SEG_DPL(attr) != cpl)
		return cpu_fault_sel(f, VEC_GP, sel);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, VEC_SS, sel);
	*ss = cpu_desc_segment(&d);
	return cpu_desc_mark(c, &d, TYPE_ACCESSED, f);
}

/* Inner segments must not stay usable in an outer level. The base stays, as it does on CPUs:
 * FS and GS bases outlive it in 64-bit mode. */
static void drop_inner_data(struct cpu_state *s, unsigned cpl)
{
	static const enum cpu_seg data[] = {CPU_ES, CPU_FS, CPU_GS, CPU_DS};

	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		struct cpu_segment *g = &s->seg[data[i]];

		if (!(g->attr & SEG_P) || attr_is_conforming(g->attr) ||
		    SEG_DPL(g->attr) >= cpl)
			continue;
		g->selector = 0;
		g->attr = 0;
	}
}

static enum cpu_result finish(struct cpu *c, const struct cpu_return *ret,
			      const struct cpu_desc *code, const struct cpu_stack *st,
			      struct cpu_fault *f)
{
	unsigned old = cpu_cpl(&c->s), cpl = SEL_RPL(ret->cs);
	struct cpu_segment cs;
	enum cpu_result r = cpu_check_rip(c, code, ret->rip, f);

	if (r == CPU_OK)
		r = cpu_take_code(c, code, cpl, &cs, f);
	if (r != CPU_OK)
		return r;
	c->s.seg[CPU_CS] = cs;
	c->s.rip = ret->rip;
	cpu_stack_commit(&c->s, st);
	if (cpl > old)
		drop_inner_data(&c->s, cpl);
	return CPU_OK;
}

enum cpu_result cpu_return_stack(struct cpu *c, const struct cpu_return *ret,
				 const struct cpu_desc *code, struct cpu_fault *f)
{
	bool to64 = cpu_is_code64(&c->s, cpu_desc_attr(code));
	struct cpu_stack st = {.flat = to64};
	enum cpu_result r = return_ss(c, ret->ss, SEL_RPL(ret->cs), to64, &st.ss, f);

	if (r != CPU_OK)
		return r;
	st.mask = cpu_stack_mask(to64, st.ss.attr);
	st.sp = ret->rsp + ret->release;
	return finish(c, ret, code, &st, f);
}

enum cpu_result cpu_return_same(struct cpu *c, const struct cpu_return *ret,
				const struct cpu_desc *code, const struct cpu_stack *st,
				struct cpu_fault *f)
{
	return finish(c, ret, code, st, f);
}
