/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the chain of events: what becomes of a fault in the delivery of an event, up to double
 * and triple fault. One delivery is in gate.c (IDT) or deliver_real.c (vector table).
 *
 * Read after: deliver.h, entry.h. Manual: SDM vol. 3, sections 6.13 to 6.15, tables 6-4, 6-5.
 */
#include "vmm/cpu/entry.h"

#define BIT(v)	(1u << (v))
#define DR7_GD	(1ull << 13)
#define EXT_BIT 1u

/* The longest chain is benign, contributory, page fault, double fault, triple fault. */
#define CHAIN_MAX 8

/* Classes of table 6-4. */
#define CONTRIBUTORY (BIT(VEC_DE) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP))

/* Exceptions that push RF=1: the faults (table 6-1). #DB is not among them, because only its
 * instruction breakpoints are faults, and those push RF as it is. */
#define FAULTS                                                                               \
	(BIT(VEC_DE) | BIT(VEC_BR) | BIT(VEC_UD) | BIT(VEC_NM) | BIT(VEC_TS) | BIT(VEC_NP) | \
	 BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | BIT(VEC_MF) | BIT(VEC_AC) | BIT(VEC_XM))

static bool in_class(uint32_t set, uint8_t vector)
{
	return vector < 32 && (set & BIT(vector));
}

static bool is_exception(const struct cpu_event *e)
{
	return e->kind == EVENT_EXCEPTION;
}

/* An event that the program did not ask for: sets EXT in error codes of its delivery. */
static bool is_external(const struct cpu_event *e)
{
	return e->kind != EVENT_SOFT_INT && e->kind != EVENT_SOFT_EXC;
}

/* Table 6-5: whether the second exception makes a double fault of the first. */
static bool makes_double(const struct cpu_event *first, uint8_t second)
{
	if (!is_exception(first))
		return false;
	if (in_class(CONTRIBUTORY, first->vector))
		return in_class(CONTRIBUTORY, second);
	return first->vector == VEC_PF && (second == VEC_PF || in_class(CONTRIBUTORY, second));
}

/* The event that follows from fault f in the delivery of e; false: triple fault. */
static bool next_event(struct cpu_event *e, const struct cpu_fault *f)
{
	if (is_exception(e) && e->vector == VEC_DF)
		return false;
	if (makes_double(e, f->vector)) {
		*e = (struct cpu_event){
			.kind = EVENT_EXCEPTION,
			.vector = VEC_DF,
			.has_error = true,
		};
		return true;
	}
	*e = (struct cpu_event){
		.kind = EVENT_EXCEPTION,
		.vector = f->vector,
		.has_error = f->has_error,
		.error = f->error,
	};
	return true;
}

/* One delivery: prepares what is pushed, and cleans up after success. */
static enum cpu_result deliver_once(struct cpu *c, const struct cpu_event *e,
				    struct cpu_fault *f)
{
	struct cpu_entry en = {
		.e = e,
		.rflags = c->s.rflags,
		.check_dpl = !is_external(e),
	};
	enum cpu_result r;

	if (is_exception(e) && in_class(FAULTS, e->vector))
		en.rflags |= RFL_RF;
	r = cpu_real_mode(&c->s) ? cpu_enter_real(c, &en, f) : cpu_enter_gate(c, &en, f);
	if (r == CPU_FAULT && f->vector != VEC_PF && f->has_error && is_external(e))
		f->error |= EXT_BIT;
	if (r != CPU_OK)
		return r;
	c->s.rflags |= RFL_FIXED;
	c->s.int_shadow = false;
	c->s.db_shadow = false;
	c->s.activity = CPU_RUNNING;
	if (e->kind == EVENT_NMI)
		c->s.nmi_blocked = true;
	if (is_exception(e) && e->vector == VEC_DB)
		c->s.dr[7] &= ~DR7_GD;
	return CPU_OK;
}

static enum cpu_result triple_fault(struct cpu *c, struct cpu_fault *f)
{
	c->s.activity = CPU_SHUTDOWN;
	return cpu_broken(f, "triple fault");
}

enum cpu_result cpu_deliver(struct cpu *c, const struct cpu_event *first, uint64_t insn_start,
			    struct cpu_fault *f)
{
	uint64_t rip = c->s.rip, cr2 = c->s.cr2;
	struct cpu_event e = *first;
	enum cpu_result r = CPU_FAULT;
	bool more = true, switched = false;

	if (is_exception(first) && first->vector == VEC_PF)
		c->s.cr2 = first->cr2;
	for (int i = 0; i < CHAIN_MAX && more; i++) {
		r = deliver_once(c, &e, f);
		if (r != CPU_FAULT)
			break;
		/* Even where it becomes a double fault: handlers look there for a stack
		 * overflow. */
		if (f->vector == VEC_PF)
			c->s.cr2 = f->cr2;
		switched |= f->in_new_task;
		/* The fault belongs to the instruction that asked for the interrupt. */
		if (!is_external(&e) && !f->in_new_task)
			c->s.rip = insn_start;
		more = next_event(&e, f);
	}
	if (r == CPU_OK)
		return CPU_OK;
	if (!switched) {
		c->s.rip = rip;
		c->s.cr2 = cr2;
	}
	return r == CPU_FAULT ? triple_fault(c, f) : r;
}
