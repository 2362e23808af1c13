/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals: faults of the process's own, and what others send. A signal that is sent becomes a bit
 * in `pending`, under sched_lock; the process delivers it to itself on its way back to ring 3, by
 * laying a frame on its own stack (user/signal.h). Handlers nest: each starts with the stack of
 * what it interrupts; but a signal that was sent waits while its own handler runs, or one that
 * comes often enough would fill any stack. A stack that cannot take the frame, or a frame that makes no sense, ends
 * the process.
 */
#include "mm/mm.h"
#include "x86.h"
#include "user/signal.h"

/* Of the flags in a frame, the arithmetic ones and DF are taken back. */
#define FLAGS_BACK 0xcd5UL

slong signal_set(u32 signal, ulong handler, ulong restorer)
{
	struct proc *p = current();

	if (signal == SIG_NONE || signal >= SIG_KILL || handler >= USER_END ||
	    restorer >= USER_END)
		return ERR;
	p->handler[signal] = handler;
	p->restorer[signal] = restorer;
	return 0;
}

/* Under sched_lock. Its CPU is interrupted, its sleep ended: it will look. */
static void notify(struct proc *p)
{
	if (p->state == PROC_SLEEPING && p->may_interrupt)
		sched_make_ready(p);
	for (u32 i = 0; i < cpu_count; i++)
		if (cpus[i].proc == p && i != this_cpu()->index)
			apic_send(i, VEC_RESCHED);
}

slong signal_send(u32 pid, u32 signal)
{
	struct proc *p;

	if (signal <= SIG_FAULT || signal >= SIG_COUNT)
		return ERR;
	spin_lock(&sched_lock);
	p = process_find(pid);
	if (p && p->handler[signal] != SIG_IGNORE) {
		atomic_or(&p->pending, 1U << signal);
		if (!(p->blocked >> signal & 1))
			notify(p);
	}
	spin_unlock(&sched_lock);
	return p ? 0 : ERR;
}

/* Of the caller: what it will have to do before it is back in ring 3. */
u32 signal_pending(void)
{
	struct proc *p = current();

	return atomic_load(&p->pending) & ~p->blocked;
}

/* To the caller itself. */
void signal_raise(u32 signal)
{
	struct proc *p = current();

	if (p->handler[signal] != SIG_IGNORE)
		atomic_or(&p->pending, 1U << signal);
}

/* Make `tf` the entry of the handler; false if the stack is no good. */
static bool push(struct trapframe *tf, const struct sigframe *f)
{
	const struct proc *p = current();
	ulong at = ALIGN_DOWN(tf->sp - sizeof(*f), 16UL);
	ulong sp = at - 3 * sizeof(ulong); /* aligned as after a call */
	ulong entry[3] = {p->restorer[f->signal], at, 0};

	if (!copy_to_user(at, f, sizeof(*f)) || !copy_to_user(sp, entry, sizeof(entry)))
		return false;
	tf->ip = p->handler[f->signal];
	tf->sp = sp;
	tf->flags = RFLAGS_FIXED | RFLAGS_IF;
	tf->START0 = at;
	return true;
}

/* An exception in ring 3: true if a handler will see to it. */
bool signal_fault(struct trapframe *tf, ulong addr)
{
	const struct proc *p = current();
	struct sigframe f = {SIG_FAULT, tf->vector, tf->error, addr, p->blocked, *tf};

	return p->handler[SIG_FAULT] > SIG_IGNORE && push(tf, &f);
}

static void deliver(struct trapframe *tf, u32 signal)
{
	struct proc *p = current();
	struct sigframe f = {.signal = signal, .blocked = p->blocked, .regs = *tf};
	ulong handler = p->handler[signal];

	if (handler == SIG_IGNORE)
		return;
	if (handler == SIG_DEFAULT || !push(tf, &f))
		process_end_by(signal);
	WRITE_ONCE(p->blocked, p->blocked | 1U << signal);
}

/* On the way back to ring 3. The last one laid on the stack runs first. */
void signal_deliver(struct trapframe *tf)
{
	struct proc *p = current();
	u32 pending;

	while ((pending = signal_pending())) {
		u32 signal = 31 - (u32)__builtin_clz(pending); /* SIG_KILL before all others */

		atomic_and(&p->pending, ~(1U << signal));
		deliver(tf, signal);
	}
}

/* The stack is as the handler's return left it: the frame's address is on top. */
void signal_return(struct trapframe *tf)
{
	struct trapframe old = *tf;
	struct sigframe f;
	ulong at;

	if (!copy_from_user(&at, tf->sp, sizeof(at)) || !copy_from_user(&f, at, sizeof(f)) ||
	    f.regs.ip >= USER_END || f.regs.sp >= USER_END)
		process_end_by(SIG_FAULT);
	*tf = f.regs;
	/* Nobody can block SIG_KILL. */
	WRITE_ONCE(current()->blocked, (u32)f.blocked & ~(1U << SIG_KILL));
	tf->vector = old.vector;
	tf->error = old.error;
	tf->cs = old.cs;
	tf->ss = old.ss;
	tf->flags = (f.regs.flags & FLAGS_BACK) | RFLAGS_FIXED | RFLAGS_IF;
}
