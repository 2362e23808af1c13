/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the reading, decoding and marking of descriptors in the guest's GDT and LDT.
 *
 * Values are little-endian in guest memory, as on every host this runs on.
 * Read after: desc.h. Manual: SDM vol. 3, sections 3.4.5, 3.5 and 7.2.3 (long mode).
 */
#include "vmm/cpu/desc.h"

/* Finds the table that selector's TI bit names; false if it is the LDT and there is none. */
static bool table_of(const struct cpu_state *s, uint16_t selector, uint64_t *base,
		     uint32_t *limit)
{
	if (selector & SEL_TI) {
		*base = s->ldtr.base;
		*limit = s->ldtr.limit;
		return s->ldtr.attr & SEG_P;
	}
	*base = s->gdtr.base;
	*limit = s->gdtr.limit;
	return true;
}

enum cpu_result cpu_desc_read(struct cpu *c, uint16_t selector, uint8_t vec, struct cpu_desc *d,
			      struct cpu_fault *f)
{
	uint64_t base;
	uint32_t limit, offset = selector & 0xfff8;

	if (!table_of(&c->s, selector, &base, &limit) || offset + 7 > limit)
		return cpu_fault_sel(f, vec, selector);
	*d = (struct cpu_desc){.va = GVA(base + offset), .selector = selector};
	return cpu_read_table(c, d->va.v, &d->low, 8, f);
}

enum cpu_result cpu_desc_read_high(struct cpu *c, struct cpu_desc *d, struct cpu_fault *f)
{
	enum cpu_result r;
	uint64_t base;
	uint32_t limit;

	if (!cpu_long_mode(&c->s))
		return CPU_OK;
	table_of(&c->s, d->selector, &base, &limit);
	if ((d->selector & 0xfff8u) + 15 > limit)
		return cpu_fault_sel(f, VEC_GP, d->selector);
	r = cpu_read_table(c, d->va.v + 8, &d->high, 8, f);
	if (r == CPU_OK && ((d->high >> 40) & 0x1f))
		return cpu_fault_sel(f, VEC_GP, d->selector);
	return r;
}

struct cpu_segment cpu_desc_segment(const struct cpu_desc *d)
{
	uint16_t attr = cpu_desc_attr(d);
	uint32_t limit = (d->low & 0xffff) | ((d->low >> 32) & 0xf0000);
	uint64_t base = ((d->low >> 16) & 0xffffff) | ((d->low >> 32) & 0xff000000);

	if (attr & SEG_G)
		limit = (limit << 12) | 0xfff;
	if (attr & SEG_S)
		attr |= TYPE_ACCESSED;
	return (struct cpu_segment){
		.base = base | (d->high << 32),
		.limit = limit,
		.selector = d->selector,
		.attr = attr,
	};
}

/* Gives the descriptor in the guest's table a new value. */
static enum cpu_result replace(struct cpu *c, const struct cpu_desc *d, uint64_t desired,
			       struct cpu_fault *f)
{
	uint64_t expect = d->low;
	enum cpu_result r;
	bool done = false;

	if (expect == desired)
		return CPU_OK;
	/* cmpxchg takes its privilege from the state alone, and this is a supervisor access
	 * even when user code loads a segment: show it a state that is one, with AC=0 for SMAP.
	 */
	struct cpu_state super = c->s;
	super.rflags &= ~(RFL_VM | RFL_AC);
	super.seg[CPU_SS].attr &= ~(3u << SEG_DPL_SHIFT);
	r = c->ops->cmpxchg(c->m, &super, d->va, &expect, &desired, 8, &done, f);
	if (r == CPU_OK && !done)
		return CPU_RETRY;
	return r;
}

enum cpu_result cpu_desc_mark(struct cpu *c, const struct cpu_desc *d, unsigned bits,
			      struct cpu_fault *f)
{
	return replace(c, d, d->low | ((uint64_t)bits << 40), f);
}

enum cpu_result cpu_desc_unmark(struct cpu *c, const struct cpu_desc *d, unsigned bits,
				struct cpu_fault *f)
{
	return replace(c, d, d->low & ~((uint64_t)bits << 40), f);
}
