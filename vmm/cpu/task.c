/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns hardware task switches: their conditions, the busy bits, the link, and the point of no
 * return.
 *
 * Order: check the new TSS, read it, save the old task, link, clear the old busy bit, set the new
 * one. That last step is the only one that can't simply be done again, so nothing that may fail
 * comes between it and the new registers.
 * Read after: task.h, tss.h. Read next: task_load.c. Manual: SDM vol. 3, sections 7.2 to 7.4.
 */
#include "vmm/cpu/stack.h"
#include "vmm/cpu/task.h"
#include "vmm/cpu/task_load.h"

#define BUSY   (SYS_TSS_BUSY ^ SYS_TSS)
#define DR6_BT (1ull << 15)

static bool is_tss(unsigned attr)
{
	unsigned type = SEG_TYPE(attr) & ~BUSY;

	return !(attr & SEG_S) && (type == SYS_TSS16 || type == SYS_TSS);
}

/* What is wrong with the selector or type: #TS on the way back, #GP on the way in. */
static uint8_t wrong_vector(const struct cpu_task *t)
{
	return t->how == TASK_IRET ? VEC_TS : VEC_GP;
}

static enum cpu_result find_tss(struct cpu *c, const struct cpu_task *t, struct cpu_desc *d,
				struct cpu_fault *f)
{
	uint8_t vec = wrong_vector(t);
	enum cpu_result r;
	unsigned attr;

	if (SEL_NULL(t->tss) || (t->tss & SEL_TI))
		return cpu_fault_sel(f, vec, t->tss);
	r = cpu_desc_read(c, t->tss, vec, d, f);
	if (r != CPU_OK)
		return r;
	attr = cpu_desc_attr(d);
	if (!is_tss(attr) || !(SEG_TYPE(attr) & BUSY) != (t->how != TASK_IRET))
		return cpu_fault_sel(f, vec, t->tss);
	if (!(attr & SEG_P))
		return cpu_fault_sel(f, VEC_NP, t->tss);
	if (cpu_desc_segment(d).limit < cpu_tss_min_limit(cpu_tss_wide(attr)))
		return cpu_fault_sel(f, VEC_TS, t->tss);
	return CPU_OK;
}

/* The outgoing task's state. IRET leaves a task that nobody will return to as nested. */
static enum cpu_result save_old(struct cpu *c, const struct cpu_task *t, struct cpu_fault *f)
{
	const struct cpu_state *s = &c->s;
	struct cpu_tss old = {.eip = (uint32_t)t->rip, .eflags = (uint32_t)t->rflags};

	if (t->how == TASK_IRET)
		old.eflags &= ~(uint32_t)RFL_NT;
	for (int i = 0; i < 8; i++)
		old.gpr[i] = (uint32_t)s->gpr[i];
	for (int i = 0; i < CPU_SEGS; i++)
		old.seg[i] = s->seg[i].selector;
	return cpu_tss_save(c, &s->tr, &old, f);
}

static bool nests(const struct cpu_task *t)
{
	return t->how == TASK_CALL || t->how == TASK_EVENT;
}

/* The descriptor of the current TSS loses its busy bit, unless the task is to be returned to. */
static enum cpu_result release_old(struct cpu *c, const struct cpu_task *t, struct cpu_fault *f)
{
	struct cpu_desc d;
	enum cpu_result r;

	if (nests(t))
		return CPU_OK;
	r = cpu_desc_read(c, c->s.tr.selector, VEC_TS, &d, f);
	return r == CPU_OK ? cpu_desc_unmark(c, &d, BUSY, f) : r;
}

/* Everything up to the point of no return. */
static enum cpu_result leave(struct cpu *c, const struct cpu_task *t, const struct cpu_desc *d,
			     struct cpu_tss *new, struct cpu_fault *f)
{
	struct cpu_segment tss = cpu_desc_segment(d);
	enum cpu_result r = cpu_tss_read(c, &tss, new, f);

	if (r == CPU_OK)
		r = save_old(c, t, f);
	if (r == CPU_OK && nests(t))
		r = cpu_tss_write_link(c, &tss, c->s.tr.selector, f);
	if (r == CPU_OK)
		r = release_old(c, t, f);
	if (r == CPU_OK)
		r = cpu_desc_mark(c, d, BUSY, f);
	return r;
}

static enum cpu_result push_error(struct cpu *c, const struct cpu_task *t, struct cpu_fault *f)
{
	struct cpu_stack st = cpu_stack_current(&c->s);
	enum cpu_result r;

	if (!t->has_error)
		return CPU_OK;
	r = cpu_stack_push(c, &st, t->error, cpu_tss_wide(c->s.tr.attr) ? 4 : 2, f);
	if (r == CPU_OK)
		cpu_stack_commit(&c->s, &st);
	return r;
}

/* The new task's own troubles. */
static enum cpu_result enter(struct cpu *c, const struct cpu_task *t, const struct cpu_tss *new,
			     struct cpu_fault *f)
{
	enum cpu_result r = cpu_task_load(c, new, f);

	if (r == CPU_OK)
		r = push_error(c, t, f);
	if (r == CPU_OK && new->trap) {
		c->s.dr[6] |= DR6_BT;
		r = cpu_fault(f, VEC_DB);
	}
	if (r == CPU_FAULT)
		f->in_new_task = true;
	return r;
}

enum cpu_result cpu_task_switch(struct cpu *c, const struct cpu_task *t, struct cpu_fault *f)
{
	struct cpu_desc d;
	struct cpu_tss new;
	enum cpu_result r = find_tss(c, t, &d, f);

	if (r == CPU_OK)
		r = leave(c, t, &d, &new, f);
	if (r != CPU_OK)
		return r;
	if (nests(t))
		new.eflags |= RFL_NT;
	c->s.tr = cpu_desc_segment(&d);
	c->s.tr.attr |= BUSY;
	return enter(c, t, &new, f);
}

enum cpu_result cpu_task_far(struct cpu *c, const struct cpu_desc *d, bool call,
			     uint64_t next_rip, struct cpu_fault *f)
{
	unsigned attr = cpu_desc_attr(d), dpl = SEG_DPL(attr);
	struct cpu_task t = {
		.how = call ? TASK_CALL : TASK_JMP,
		.tss = d->selector,
		.rip = next_rip,
		.rflags = c->s.rflags,
	};

	if (dpl < cpu_cpl(&c->s) || dpl < SEL_RPL(d->selector))
		return cpu_fault_sel(f, VEC_GP, d->selector);
	if (SEG_TYPE(attr) == SYS_TASK_GATE) {
		if (!(attr & SEG_P))
			return cpu_fault_sel(f, VEC_NP, d->selector);
		t.tss = (uint16_t)(d->low >> 16);
	}
	return cpu_task_switch(c, &t, f);
}

enum cpu_result cpu_task_return(struct cpu *c, uint64_t next_rip, struct cpu_fault *f)
{
	struct cpu_task t = {.how = TASK_IRET, .rip = next_rip, .rflags = c->s.rflags};
	enum cpu_result r = cpu_tss_read_link(c, &c->s.tr, &t.tss, f);

	return r == CPU_OK ? cpu_task_switch(c, &t, f) : r;
}
