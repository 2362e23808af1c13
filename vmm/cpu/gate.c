/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns entry into a handler through a gate of the IDT: 16-bit and 32-bit gates, and the 64-bit
 * ones of long mode with their IST. Task gates lead to task.c.
 *
 * Registers change only after the last push.
 * Read after: entry.h. Manual: SDM vol. 3, sections 6.11, 6.12 and 6.14; vol. 2, INT n.
 */
#include "vmm/cpu/entry.h"
#include "vmm/cpu/task.h"

#define IDT_BIT 2u /* of an error code: the index is the IDT's */

struct idt_gate {
	unsigned attr; /* type, S, DPL, P as in a descriptor */
	uint16_t selector;
	uint64_t off;
	unsigned ist;
	unsigned size; /* of each push */
};

static enum cpu_result idt_fault(struct cpu_fault *f, uint8_t vec, const struct cpu_entry *en)
{
	return cpu_fault_ec(f, vec, en->e->vector * 8u | IDT_BIT);
}

static enum cpu_result fetch_gate(struct cpu *c, const struct cpu_entry *en, uint64_t raw[2],
				  struct cpu_fault *f)
{
	unsigned size = cpu_long_mode(&c->s) ? 16 : 8, offset = en->e->vector * size;

	raw[1] = 0;
	if (offset + size - 1 > c->s.idtr.limit)
		return idt_fault(f, VEC_GP, en);
	return cpu_read_table(c, c->s.idtr.base + offset, raw, size, f);
}

static void decode_gate(const struct cpu_state *s, const uint64_t raw[2], struct idt_gate *g)
{
	bool lm = cpu_long_mode(s), wide;

	*g = (struct idt_gate){.attr = (raw[0] >> 40) & 0xff,
			       .selector = (raw[0] >> 16) & 0xffff};
	wide = g->attr & 8;
	g->off = (raw[0] & 0xffff) | (wide ? (raw[0] >> 32) & 0xffff0000 : 0) | raw[1] << 32;
	g->ist = lm ? (raw[0] >> 32) & 7 : 0;
	g->size = lm ? 8 : wide ? 4 : 2;
}

static bool gate_type_ok(const struct cpu_state *s, unsigned attr)
{
	const unsigned wide = 1u << SYS_INT | 1u << SYS_TRAP;
	const unsigned legacy = 1u << SYS_INT16 | 1u << SYS_TRAP16 | 1u << SYS_TASK_GATE;
	unsigned types = cpu_long_mode(s) ? wide : wide | legacy;

	return !(attr & SEG_S) && (types & (1u << SEG_TYPE(attr)));
}

static enum cpu_result read_gate(struct cpu *c, const struct cpu_entry *en, struct idt_gate *g,
				 struct cpu_fault *f)
{
	uint64_t raw[2];
	enum cpu_result r = fetch_gate(c, en, raw, f);

	if (r != CPU_OK)
		return r;
	decode_gate(&c->s, raw, g);
	if (!gate_type_ok(&c->s, g->attr))
		return idt_fault(f, VEC_GP, en);
	if (en->check_dpl && SEG_DPL(g->attr) < cpu_cpl(&c->s))
		return idt_fault(f, VEC_GP, en);
	if (!(g->attr & SEG_P))
		return idt_fault(f, VEC_NP, en);
	return CPU_OK;
}

/* The handler's code segment, which must not be an outer one. */
static enum cpu_result read_handler(struct cpu *c, const struct idt_gate *g, struct cpu_desc *d,
				    struct cpu_fault *f)
{
	enum cpu_result r = cpu_read_code(c, g->selector, d, f);
	unsigned attr;

	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(d);
	/* Virtual-8086 code can only be interrupted to CPL 0. */
	if ((c->s.rflags & RFL_VM) && (SEG_DPL(attr) || attr_is_conforming(attr)))
		return cpu_fault_sel(f, VEC_GP, g->selector);
	if (SEG_DPL(attr) > cpu_cpl(&c->s) || (cpu_long_mode(&c->s) && !(attr & SEG_L)))
		return cpu_fault_sel(f, VEC_GP, g->selector);
	return attr & SEG_P ? CPU_OK : cpu_fault_sel(f, VEC_NP, g->selector);
}

/* Long mode's own stack rules: 64-bit pushes whatever the interrupted code was, from an aligned
 * RSP; an IST stack even without a change of level, and then SS stays. */
static enum cpu_result choose_stack(struct cpu *c, const struct idt_gate *g, unsigned cpl,
				    struct cpu_stack *st, struct cpu_fault *f)
{
	bool switched = cpl != cpu_cpl(&c->s);
	enum cpu_result r = CPU_OK;

	*st = cpu_stack_current(&c->s);
	if (switched || g->ist)
		r = cpu_stack_inner(c, cpl, g->ist, st, f);
	if (r != CPU_OK || !cpu_long_mode(&c->s))
		return r;
	if (!switched) {
		st->ss = c->s.seg[CPU_SS];
		st->flat = true;
		st->mask = UINT64_MAX;
	}
	st->sp &= ~0xfull;
	return CPU_OK;
}

static enum cpu_result push_v86_data(struct cpu *c, unsigned size, struct cpu_stack *st,
				     struct cpu_fault *f)
{
	const struct cpu_segment *seg = c->s.seg;
	uint64_t vals[] = {seg[CPU_GS].selector, seg[CPU_FS].selector, seg[CPU_DS].selector,
			   seg[CPU_ES].selector};

	return cpu_stack_push_all(c, st, vals, 4, size, f);
}

static enum cpu_result push_frame(struct cpu *c, const struct cpu_entry *en, unsigned size,
				  bool with_stack, struct cpu_stack *st, struct cpu_fault *f)
{
	const struct cpu_state *s = &c->s;
	uint64_t frame[] = {
		s->seg[CPU_SS].selector, s->gpr[CPU_RSP], en->rflags,
		s->seg[CPU_CS].selector, s->rip,	  en->e->error,
	};
	unsigned first = with_stack ? 0 : 2, end = en->e->has_error ? 6 : 5;
	enum cpu_result r = s->rflags & RFL_VM ? push_v86_data(c, size, st, f) : CPU_OK;

	if (r != CPU_OK)
		return r;
	return cpu_stack_push_all(c, st, frame + first, end - first, size, f);
}

/* The handler finds null selectors where the 8086 program had paragraphs (section 20.2.3). */
static void drop_v86_data(struct cpu_state *s)
{
	static const enum cpu_seg data[] = {CPU_ES, CPU_DS, CPU_FS, CPU_GS};

	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		s->seg[data[i]] = (struct cpu_segment){0};
}

static void clear_flags(struct cpu_state *s, unsigned gate_attr)
{
	s->rflags &= ~(RFL_TF | RFL_NT | RFL_RF | RFL_VM);
	/* An interrupt gate's type is even, a trap gate's odd. */
	if (!(gate_attr & 1))
		s->rflags &= ~RFL_IF;
}

static enum cpu_result enter_handler(struct cpu *c, const struct cpu_entry *en,
				     const struct idt_gate *g, const struct cpu_desc *d,
				     struct cpu_fault *f)
{
	unsigned attr = cpu_desc_attr(d), old = cpu_cpl(&c->s);
	unsigned cpl = attr_is_conforming(attr) ? old : SEG_DPL(attr);
	struct cpu_stack st;
	struct cpu_segment cs;
	enum cpu_result r = choose_stack(c, g, cpl, &st, f);

	if (r == CPU_OK)
		r = cpu_check_rip(c, d, g->off, f);
	if (r == CPU_OK)
		r = push_frame(c, en, g->size, cpl != old || cpu_long_mode(&c->s), &st, f);
	if (r == CPU_OK)
		r = cpu_take_code(c, d, cpl, &cs, f);
	if (r != CPU_OK)
		return r;
	if (c->s.rflags & RFL_VM)
		drop_v86_data(&c->s);
	c->s.seg[CPU_CS] = cs;
	c->s.rip = g->off;
	cpu_stack_commit(&c->s, &st);
	clear_flags(&c->s, g->attr);
	return CPU_OK;
}

static enum cpu_result enter_task(struct cpu *c, const struct cpu_entry *en,
				  const struct idt_gate *g, struct cpu_fault *f)
{
	const struct cpu_task t = {
		.how = TASK_EVENT,
		.tss = g->selector,
		.rip = c->s.rip,
		.rflags = en->rflags,
		.has_error = en->e->has_error,
		.error = en->e->error,
	};

	return cpu_task_switch(c, &t, f);
}

enum cpu_result cpu_enter_gate(struct cpu *c, const struct cpu_entry *en, struct cpu_fault *f)
{
	struct idt_gate g;
	struct cpu_desc d;
	enum cpu_result r;

	r = read_gate(c, en, &g, f);
	if (r == CPU_OK && SEG_TYPE(g.attr) == SYS_TASK_GATE)
		return enter_task(c, en, &g, f);
	if (r == CPU_OK)
		r = read_handler(c, &g, &d, f);
	if (r == CPU_OK)
		r = enter_handler(c, en, &g, &d, f);
	return r;
}
