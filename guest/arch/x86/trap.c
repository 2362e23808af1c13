/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDT and what happens on each vector. A fault is, in this order: an interrupt, a page the
 * process is entitled to, the process's own end, an access with a fixup, a panic.
 * The fixup table holds pairs {address of the instruction the CPU reports, where to continue}.
 */
#include "dev/dev.h"
#include "kernel/rcu.h"
#include "x86.h"
#include "word.h"

#define VECTOR_DF 8
#define VECTOR_PF 14
#define FIRST_IRQ 32

struct fixup {
	ulong at, resume;
};

static struct gate idt[256] __attribute__((aligned(16)));
extern struct fixup __fixup_start[], __fixup_end[];

void trap_init(void)
{
	for (ulong i = 0; i < ARRAY_SIZE(idt); i++) {
		ulong at = (ulong)vectors + 16 * i;

		idt[i] = gate_make(at, i == VECTOR_DF	  ? GATE_DF
				       : i == VEC_SYSCALL ? GATE_USER
							  : GATE_KERNEL);
	}
}

void trap_load(void)
{
	struct table_reg reg = {sizeof(idt) - 1, (ulong)idt};

	lidt(&reg);
}

static void interrupt(struct trapframe *tf, bool was_on)
{
	struct cpu *c = this_cpu();

	if (tf->vector == VEC_SPURIOUS)
		return;
	if (tf->vector == VEC_TIMER) {
		c->ticks++;
		if (c->index == 0)
			timer_tick();
	} else if (tf->vector == VEC_TLB)
		tlb_serve();
	else if (tf->vector == VEC_TEST)
		atomic_add(&c->test_ipis, 1);
	else if (tf->vector == VEC_SWAP)
		swapdev_interrupt();
	else if (tf->vector == VEC_CAPTURE)
		capture_interrupt();
	else if (tf->vector != VEC_RESCHED)
		panic("unexpected interrupt 0x%lx", tf->vector);
	apic_eoi();
	if (tf->vector == VEC_TIMER && (from_user(tf) || preempt_tick(was_on)))
		sched_tick();
}

/* A fault of the kernel's own: is the instruction, or the call, one that expects it? */
static bool recover(struct trapframe *tf, ulong addr)
{
	struct cpu *c = this_cpu();
	ulong resume = 0;

	for (struct fixup *f = __fixup_start; f < __fixup_end; f++)
		if (f->at == tf->ip)
			resume = f->resume;
	if (!resume && c->exec_sp)
		resume = (ulong)probe_exec_fault;
	if (!resume)
		return false;
	c->fault = (struct fault){tf->vector, tf->error, addr};
	tf->ip = resume;
	return true;
}

static void exception(struct trapframe *tf)
{
	struct proc *p = this_cpu()->proc;
	ulong addr = tf->vector == VECTOR_PF ? read_cr2() : 0;

	if (p)
		p->no_memory = false;
	if (tf->vector == VECTOR_PF && addr < USER_END && p && p->mm &&
	    mm_fault(p->mm, addr, tf->error))
		return;
	if (from_user(tf)) {
		if (p->no_memory)
			process_kill(KILLED_NO_MEMORY, tf->error, addr);
		else if (p->retry && tf->vector == VECTOR_PF)
			sched_yield();
		else if (!signal_fault(tf, addr))
			process_kill(tf->vector, tf->error, addr);
		return;
	}
	if (!recover(tf, addr))
		panic_trap(tf, addr);
}

void trap(struct trapframe *tf)
{
	bool on = this_cpu()->irq_on;

	this_cpu()->irq_on = false;
	if (from_user(tf))
		rcu_quiescent();
	if (tf->vector == VEC_SYSCALL && from_user(tf)) {
		syscall(tf);
		return;
	}
	if (tf->vector >= FIRST_IRQ)
		interrupt(tf, on);
	else
		exception(tf);
	/* We may be on another CPU by now. In user mode the flag is clear. */
	if (from_user(tf)) {
		signal_deliver(tf);
		lock_check_bare("a trap");
	} else {
		this_cpu()->irq_on = on;
	}
}
