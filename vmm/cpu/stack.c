/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns pushes and pops of control transfers and the choice of an inner stack from the TSS.
 *
 * Values go to memory one at a time, as a CPU pushes them, so that CR2 of a fault in the middle
 * is what hardware reports.
 * Read after: stack.h. Manual: SDM vol. 3, sections 5.8.5, 6.12.1, 6.14.4, 6.14.5 and 7.2, 7.7.
 */
#include "vmm/cpu/linear.h"
#include "vmm/cpu/stack.h"

#define TSS_RSP0 4u
#define TSS_IST1 36u

struct cpu_stack cpu_stack_current(const struct cpu_state *s)
{
	struct cpu_stack st = {.ss = s->seg[CPU_SS], .flat = cpu_64bit(s)};

	st.mask = cpu_stack_mask(st.flat, st.ss.attr);
	st.sp = s->gpr[CPU_RSP] & st.mask;
	return st;
}

static enum cpu_result locate(const struct cpu *c, const struct cpu_stack *st, uint64_t sp,
			      unsigned size, unsigned flags, gva_t *va, struct cpu_fault *f)
{
	struct cpu_segment g = st->ss;

	if (st->flat)
		g.base = 0;
	if (cpu_segment_linear(&c->s, &g, st->flat, sp, size, flags, va))
		return CPU_OK;
	return cpu_fault_ec(f, VEC_SS, st->error);
}

enum cpu_result cpu_stack_push(struct cpu *c, struct cpu_stack *st, uint64_t val, unsigned size,
			       struct cpu_fault *f)
{
	uint64_t sp = (st->sp - size) & st->mask;
	enum cpu_result r;
	gva_t va;

	r = locate(c, st, sp, size, MEM_WRITE, &va, f);
	if (r == CPU_OK)
		r = c->ops->write(c->m, &c->s, va, &val, size, MEM_WRITE | st->flags, f);
	if (r == CPU_OK)
		st->sp = sp;
	return r;
}

enum cpu_result cpu_stack_pop(struct cpu *c, struct cpu_stack *st, uint64_t *val, unsigned size,
			      struct cpu_fault *f)
{
	enum cpu_result r;
	gva_t va;

	*val = 0;
	r = locate(c, st, st->sp, size, MEM_READ, &va, f);
	if (r == CPU_OK)
		r = c->ops->read(c->m, &c->s, va, val, size, MEM_READ | st->flags, f);
	if (r == CPU_OK)
		st->sp = (st->sp + size) & st->mask;
	return r;
}

enum cpu_result cpu_stack_push_all(struct cpu *c, struct cpu_stack *st, const uint64_t *vals,
				   unsigned n, unsigned size, struct cpu_fault *f)
{
	enum cpu_result r = CPU_OK;

	for (unsigned i = 0; i < n && r == CPU_OK; i++)
		r = cpu_stack_push(c, st, vals[i], size, f);
	return r;
}

enum cpu_result cpu_stack_pop_all(struct cpu *c, struct cpu_stack *st, uint64_t *vals,
				  unsigned n, unsigned size, struct cpu_fault *f)
{
	enum cpu_result r = CPU_OK;

	for (unsigned i = 0; i < n && r == CPU_OK; i++)
		r = cpu_stack_pop(c, st, &vals[i], size, f);
	return r;
}

void cpu_stack_commit(struct cpu_state *s, const struct cpu_stack *st)
{
	uint64_t keep = st->mask == UINT16_MAX ? s->gpr[CPU_RSP] & ~st->mask : 0;

	s->gpr[CPU_RSP] = keep | (st->sp & st->mask);
	s->seg[CPU_SS] = st->ss;
}

/* Reads len bytes of the TSS; #TS(TSS selector) if they lie beyond its limit. */
static enum cpu_result read_tss(struct cpu *c, unsigned offset, void *buf, unsigned len,
				struct cpu_fault *f)
{
	const struct cpu_segment *tr = &c->s.tr;

	if (offset + len - 1 > tr->limit)
		return cpu_fault_sel(f, VEC_TS, tr->selector);
	return cpu_read_table(c, tr->base + offset, buf, len, f);
}

static enum cpu_result inner_long(struct cpu *c, unsigned dpl, unsigned ist,
				  struct cpu_stack *st, struct cpu_fault *f)
{
	unsigned offset = ist ? TSS_IST1 + (ist - 1) * 8 : TSS_RSP0 + dpl * 8;
	enum cpu_result r = read_tss(c, offset, &st->sp, 8, f);

	if (r != CPU_OK)
		return r;
	if (!cpu_canonical(&c->s, st->sp))
		return cpu_fault_ec(f, VEC_SS, 0);
	st->flat = true;
	st->mask = UINT64_MAX;
	st->ss = (struct cpu_segment){
		.selector = (uint16_t)dpl,
		.attr = (uint16_t)(dpl << SEG_DPL_SHIFT),
	};
	return CPU_OK;
}

/* SS:SP of level dpl out of a 32-bit or 16-bit TSS. */
static enum cpu_result read_tss_stack(struct cpu *c, unsigned dpl, uint16_t *ss, uint64_t *sp,
				      struct cpu_fault *f)
{
	bool wide = SEG_TYPE(c->s.tr.attr) & 8;
	unsigned size = wide ? 4 : 2, offset = wide ? 4 + dpl * 8 : 2 + dpl * 4;
	uint8_t raw[6];
	enum cpu_result r = read_tss(c, offset, raw, size + 2, f);

	if (r != CPU_OK)
		return r;
	*sp = (uint64_t)raw[0] | (uint64_t)raw[1] << 8;
	if (wide)
		*sp |= (uint64_t)raw[2] << 16 | (uint64_t)raw[3] << 24;
	*ss = (uint16_t)(raw[size] | raw[size + 1] << 8);
	return CPU_OK;
}

static enum cpu_result load_inner_ss(struct cpu *c, unsigned dpl, uint16_t sel,
				     struct cpu_segment *ss, struct cpu_fault *f)
{
	struct cpu_desc d;
	enum cpu_result r;
	unsigned attr;

	if (SEL_NULL(sel) || SEL_RPL(sel) != dpl)
		return cpu_fault_sel(f, VEC_TS, sel);
	r = cpu_desc_read(c, sel, VEC_TS, &d, f);
	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(&d);
	if (SEG_DPL(attr) != dpl || !attr_is_writable(attr))
		return cpu_fault_sel(f, VEC_TS, sel);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, VEC_SS, sel);
	*ss = cpu_desc_segment(&d);
	return cpu_desc_mark(c, &d, TYPE_ACCESSED, f);
}

static enum cpu_result inner_legacy(struct cpu *c, unsigned dpl, struct cpu_stack *st,
				    struct cpu_fault *f)
{
	uint16_t sel;
	enum cpu_result r = read_tss_stack(c, dpl, &sel, &st->sp, f);

	if (r == CPU_OK)
		r = load_inner_ss(c, dpl, sel, &st->ss, f);
	if (r != CPU_OK)
		return r;
	st->mask = cpu_stack_mask(false, st->ss.attr);
	st->sp &= st->mask;
	st->error = sel & 0xfffc;
	return CPU_OK;
}

enum cpu_result cpu_stack_inner(struct cpu *c, unsigned dpl, unsigned ist, struct cpu_stack *st,
				struct cpu_fault *f)
{
	*st = (struct cpu_stack){0};
	/* Privilege is that of the level being entered, which the state does not show yet. At
	 * the same level (IST) AC counts as for any push. */
	if (dpl < 3 && cpu_cpl(&c->s) != dpl)
		st->flags = MEM_IMPLICIT;
	if (cpu_long_mode(&c->s))
		return inner_long(c, dpl, ist, st, f);
	return inner_legacy(c, dpl, st, f);
}
