/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns far JMP and CALL: direct, and through call gates.
 *
 * To a TSS or a task gate it is a task switch (task.c), which long mode does not have: #GP.
 * Read after: transfer.h. Manual: SDM vol. 2, JMP and CALL; vol. 3,
 * sections 5.8.2 to 5.8.5.
 */
#include "vmm/cpu/segment.h"
#include "vmm/cpu/task.h"
#include "vmm/cpu/transfer.h"

struct far {
	bool call; /* else a jump */
	unsigned size;
	uint64_t next_rip;
};

/* Return address of a call, on st. */
static enum cpu_result push_return(struct cpu *c, struct cpu_stack *st, const struct far *how,
				   struct cpu_fault *f)
{
	uint64_t vals[] = {c->s.seg[CPU_CS].selector, how->next_rip};

	return cpu_stack_push_all(c, st, vals, 2, how->size, f);
}

/* To code at the same privilege: everything but the privilege checks. */
static enum cpu_result enter_same(struct cpu *c, const struct cpu_desc *d, uint64_t off,
				  const struct far *how, struct cpu_fault *f)
{
	struct cpu_stack st = cpu_stack_current(&c->s);
	struct cpu_segment cs;
	enum cpu_result r = cpu_check_rip(c, d, off, f);

	if (r == CPU_OK && how->call)
		r = push_return(c, &st, how, f);
	if (r == CPU_OK)
		r = cpu_take_code(c, d, cpu_cpl(&c->s), &cs, f);
	if (r != CPU_OK)
		return r;
	c->s.seg[CPU_CS] = cs;
	c->s.rip = off;
	if (how->call)
		cpu_stack_commit(&c->s, &st);
	return CPU_OK;
}

static enum cpu_result far_direct(struct cpu *c, const struct cpu_desc *d, uint64_t off,
				  const struct far *how, struct cpu_fault *f)
{
	unsigned attr = cpu_desc_attr(d), dpl = SEG_DPL(attr), cpl = cpu_cpl(&c->s);
	bool ok = attr_is_conforming(attr) ? dpl <= cpl
					   : dpl == cpl && SEL_RPL(d->selector) <= cpl;

	if (!ok)
		return cpu_fault_sel(f, VEC_GP, d->selector);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, VEC_NP, d->selector);
	return enter_same(c, d, off, how, f);
}

struct gate {
	uint16_t selector;
	uint64_t off;
	unsigned size;
	unsigned params;
};

static enum cpu_result read_gate(struct cpu *c, struct cpu_desc *d, struct gate *g,
				 struct cpu_fault *f)
{
	unsigned attr = cpu_desc_attr(d), dpl = SEG_DPL(attr);
	bool wide = SEG_TYPE(attr) == SYS_CALL, lm = cpu_long_mode(&c->s);
	enum cpu_result r;

	if (dpl < cpu_cpl(&c->s) || dpl < SEL_RPL(d->selector))
		return cpu_fault_sel(f, VEC_GP, d->selector);
	r = cpu_desc_read_high(c, d, f);
	if (r != CPU_OK)
		return r;
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, VEC_NP, d->selector);
	g->selector = (d->low >> 16) & 0xffff;
	g->off = (d->low & 0xffff) | (wide ? (d->low >> 32) & 0xffff0000 : 0) | d->high << 32;
	g->size = lm ? 8 : wide ? 4 : 2;
	g->params = lm ? 0 : (d->low >> 32) & 0x1f;
	return CPU_OK;
}

/* The code segment behind a gate. A jump may not change privilege, a call only inwards. */
static enum cpu_result read_gate_code(struct cpu *c, const struct gate *g, bool call,
				      struct cpu_desc *d, struct cpu_fault *f)
{
	unsigned cpl = cpu_cpl(&c->s), attr;
	enum cpu_result r = cpu_read_code(c, g->selector, d, f);

	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(d);
	if (SEG_DPL(attr) > cpl || (cpu_long_mode(&c->s) && !(attr & SEG_L)) ||
	    (!call && !attr_is_conforming(attr) && SEG_DPL(attr) != cpl))
		return cpu_fault_sel(f, VEC_GP, g->selector);
	return attr & SEG_P ? CPU_OK : cpu_fault_sel(f, VEC_NP, g->selector);
}

/* Copies a gate's parameters from the old stack, so that they lie in the same order. */
static enum cpu_result copy_params(struct cpu *c, struct cpu_stack *st, const struct gate *g,
				   struct cpu_fault *f)
{
	struct cpu_stack old = cpu_stack_current(&c->s);
	uint64_t vals[31];
	enum cpu_result r = cpu_stack_pop_all(c, &old, vals, g->params, g->size, f);

	for (unsigned i = g->params; i-- > 0 && r == CPU_OK;)
		r = cpu_stack_push(c, st, vals[i], g->size, f);
	return r;
}

static enum cpu_result call_inner(struct cpu *c, const struct cpu_desc *d, const struct gate *g,
				  const struct far *how, struct cpu_fault *f)
{
	unsigned dpl = SEG_DPL(cpu_desc_attr(d));
	uint64_t old[] = {c->s.seg[CPU_SS].selector, c->s.gpr[CPU_RSP]};
	struct cpu_stack st;
	struct cpu_segment cs;
	enum cpu_result r = cpu_stack_inner(c, dpl, 0, &st, f);

	if (r == CPU_OK)
		r = cpu_check_rip(c, d, g->off, f);
	if (r == CPU_OK)
		r = cpu_stack_push_all(c, &st, old, 2, g->size, f);
	if (r == CPU_OK)
		r = copy_params(c, &st, g, f);
	if (r == CPU_OK)
		r = push_return(c, &st, how, f);
	if (r == CPU_OK)
		r = cpu_take_code(c, d, dpl, &cs, f);
	if (r != CPU_OK)
		return r;
	c->s.seg[CPU_CS] = cs;
	c->s.rip = g->off;
	cpu_stack_commit(&c->s, &st);
	return CPU_OK;
}

static enum cpu_result far_gate(struct cpu *c, struct cpu_desc *gd, const struct far *direct,
				struct cpu_fault *f)
{
	struct far how = *direct;
	struct cpu_desc d;
	struct gate g;
	enum cpu_result r = read_gate(c, gd, &g, f);

	if (r == CPU_OK)
		r = read_gate_code(c, &g, how.call, &d, f);
	if (r != CPU_OK)
		return r;
	how.size = g.size;
	unsigned attr = cpu_desc_attr(&d);
	if (!attr_is_conforming(attr) && SEG_DPL(attr) < cpu_cpl(&c->s))
		return call_inner(c, &d, &g, &how, f);
	return enter_same(c, &d, g.off, &how, f);
}

static enum cpu_result far_system(struct cpu *c, struct cpu_desc *d, const struct far *how,
				  struct cpu_fault *f)
{
	bool lm = cpu_long_mode(&c->s);

	switch (SEG_TYPE(cpu_desc_attr(d))) {
	case SYS_CALL:
		return far_gate(c, d, how, f);
	case SYS_CALL16:
		if (!lm)
			return far_gate(c, d, how, f);
		break;
	case SYS_TASK_GATE:
	case SYS_TSS16:
	case SYS_TSS16_BUSY:
	case SYS_TSS:
	case SYS_TSS_BUSY:
		if (!lm)
			return cpu_task_far(c, d, how->call, how->next_rip, f);
		break;
	}
	return cpu_fault_sel(f, VEC_GP, d->selector);
}

static enum cpu_result far_protected(struct cpu *c, uint16_t sel, uint64_t off,
				     const struct far *how, struct cpu_fault *f)
{
	struct cpu_desc d;
	enum cpu_result r;

	if (SEL_NULL(sel))
		return cpu_gp0(f);
	r = cpu_desc_read(c, sel, VEC_GP, &d, f);
	if (r != CPU_OK)
		return r;
	if (!(cpu_desc_attr(&d) & SEG_S))
		return far_system(c, &d, how, f);
	r = cpu_check_code(c, &d, f);
	return r == CPU_OK ? far_direct(c, &d, off, how, f) : r;
}

static uint64_t truncate(uint64_t off, unsigned opsize)
{
	return opsize == 8 ? off : off & ((1ull << (opsize * 8)) - 1);
}

enum cpu_result cpu_far_jmp(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize,
			    uint64_t next_rip, struct cpu_fault *f)
{
	struct far how = {.size = opsize, .next_rip = next_rip};

	off = truncate(off, opsize);
	if (cpu_real_or_v86(&c->s))
		return cpu_jump_real(c, sel, off, f);
	return far_protected(c, sel, off, &how, f);
}

enum cpu_result cpu_far_call(struct cpu *c, uint16_t sel, uint64_t off, unsigned opsize,
			     uint64_t next_rip, struct cpu_fault *f)
{
	struct far how = {.call = true, .size = opsize, .next_rip = next_rip};
	struct cpu_stack st = cpu_stack_current(&c->s);
	enum cpu_result r;

	off = truncate(off, opsize);
	if (!cpu_real_or_v86(&c->s))
		return far_protected(c, sel, off, &how, f);
	if (off > c->s.seg[CPU_CS].limit)
		return cpu_gp0(f);
	r = push_return(c, &st, &how, f);
	if (r != CPU_OK)
		return r;
	cpu_stack_commit(&c->s, &st);
	return cpu_jump_real(c, sel, off, f);
}
