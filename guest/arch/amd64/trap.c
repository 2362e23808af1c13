/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDT and what happens on each vector. A fault is, in this order: an interrupt, a page the
 * process is entitled to, the process's own end, an access with a fixup, a panic.
 * The fixup table holds pairs {address of the instruction the CPU reports, where to continue}.
 */
#include "mm/mm.h"
#include "x86.h"

#define VECTOR_DF    8
#define VECTOR_PF    14
#define FIRST_IRQ    32
#define GATE_PRESENT 0x8e00 /* interrupt gate, DPL 0 */
#define IST_DF	     1

struct gate {
	u16 offset0, selector, flags, offset1;
	u32 offset2, reserved;
};

struct fixup {
	u64 at, resume;
};

static struct gate idt[256] __attribute__((aligned(16)));
extern struct fixup __fixup_start[], __fixup_end[];

void trap_init(void)
{
	for (u64 i = 0; i < ARRAY_SIZE(idt); i++) {
		u64 at = (u64)vectors + 16 * i;

		idt[i] = (struct gate){
			.offset0 = (u16)at,
			.selector = SEL_KCODE,
			.flags = GATE_PRESENT | (i == VECTOR_DF ? IST_DF : 0),
			.offset1 = (u16)(at >> 16),
			.offset2 = (u32)(at >> 32),
		};
	}
}

void trap_load(void)
{
	struct table_reg reg = {sizeof(idt) - 1, (u64)idt};

	lidt(&reg);
}

static void interrupt(struct trapframe *tf)
{
	struct cpu *c = this_cpu();

	if (tf->vector == VEC_SPURIOUS)
		return;
	if (tf->vector == VEC_TIMER)
		c->ticks++;
	else if (tf->vector == VEC_TLB)
		tlb_serve();
	else if (tf->vector == VEC_TEST)
		atomic_add(&c->test_ipis, 1);
	else if (tf->vector != VEC_RESCHED)
		panic("unexpected interrupt 0x%lx", tf->vector);
	apic_eoi();
	if (tf->vector == VEC_TIMER && from_user(tf))
		sched_tick();
}

/* A fault of the kernel's own: is the instruction, or the call, one that expects it? */
static bool recover(struct trapframe *tf, u64 addr)
{
	struct cpu *c = this_cpu();
	u64 resume = 0;

	for (struct fixup *f = __fixup_start; f < __fixup_end; f++)
		if (f->at == tf->rip)
			resume = f->resume;
	if (!resume && c->exec_rsp) {
		tf->rsp = c->exec_rsp;
		resume = (u64)probe_exec_fault;
	}
	if (!resume)
		return false;
	c->fault = (struct fault){tf->vector, tf->error, addr};
	tf->rip = resume;
	return true;
}

static void exception(struct trapframe *tf)
{
	struct proc *p = this_cpu()->proc;
	u64 addr = tf->vector == VECTOR_PF ? read_cr2() : 0;

	if (tf->vector == VECTOR_PF && addr < USER_END && p && p->mm &&
	    mm_fault(p->mm, addr, tf->error))
		return;
	if (from_user(tf)) {
		if (p->retry && tf->vector == VECTOR_PF)
			sched_yield();
		else
			process_kill(tf->vector, tf->error, addr);
		return;
	}
	if (!recover(tf, addr))
		panic_trap(tf, addr);
}

void trap(struct trapframe *tf)
{
	struct cpu *c = this_cpu();
	bool on = c->irq_on;

	c->irq_on = false;
	if (tf->vector >= FIRST_IRQ)
		interrupt(tf);
	else
		exception(tf);
	/* A frame from user mode may have moved to another CPU, where the flag is clear as
	 * well. */
	if (!from_user(tf))
		c->irq_on = on;
}
