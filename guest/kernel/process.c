/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes: birth, end, and the waiting for it. Owns the process table.
 * Process 1 is the runner, a kernel thread bound to CPU 0; whoever loses its parent becomes its
 * child. Locks: sched_lock for the table. A process that is NEW belongs to its creator alone,
 * one that is ZOMBIE has left its stack and its address space.
 */
#include "mm/mm.h"
#include "x86.h"

static struct proc procs[MAX_PROCS];
static u32 last_pid;
static struct proc *const runner = &procs[0];

void wake_all(const void *chan)
{
	ASSERT(spin_held(&sched_lock));
	for (struct proc *p = procs; p < procs + MAX_PROCS; p++)
		if (p->state == PROC_SLEEPING && p->chan == chan)
			sched_make_ready(p);
}

/* Under sched_lock: the one process that sleeps there, or NULL. */
struct proc *sleeper_on(const void *chan)
{
	for (struct proc *p = procs; p < procs + MAX_PROCS; p++)
		if (p->state == PROC_SLEEPING && p->chan == chan)
			return p;
	return NULL;
}

static struct proc *alloc_proc(struct proc *parent)
{
	struct proc *p;

	spin_lock(&sched_lock);
	for (p = procs; p < procs + MAX_PROCS && p->state != PROC_FREE; p++)
		;
	if (p == procs + MAX_PROCS) {
		p = NULL;
	} else {
		*p = (struct proc){.state = PROC_NEW, .pid = ++last_pid, .parent = parent};
		p->affinity = ~0UL;
	}
	spin_unlock(&sched_lock);
	return p;
}

/* A context that will leave the kernel through `tf` when first switched to. */
static void make_stack(struct proc *p, const struct trapframe *tf)
{
	struct trapframe *frame;

	p->kstack = frame_alloc();
	frame = phys(p->kstack + PAGE_SIZE - sizeof(*frame));
	*frame = *tf;
	p->ctx = (struct context *)frame - 1;
	*p->ctx = (struct context){.ip = (ulong)process_entry};
}

/* What a new process has from the one that makes it. */
static void inherit(struct proc *p, const struct proc *from)
{
	memcpy(p->handler, from->handler, sizeof(p->handler));
	memcpy(p->restorer, from->restorer, sizeof(p->restorer));
	p->blocked = from->blocked;
	memcpy(p->fd, from->fd, sizeof(p->fd));
	for (u32 i = 0; i < MAX_FDS; i++)
		fd_get(&p->fd[i]);
}

static u32 start(struct proc *p)
{
	u32 pid = p->pid;

	spin_lock(&sched_lock);
	sched_make_ready(p);
	spin_unlock(&sched_lock);
	return pid;
}

void process_start_runner(void (*fn)(void), ulong stack_top)
{
	struct proc *p = alloc_proc(NULL);

	ASSERT(p == runner);
	p->affinity = 1;
	/* One word lower: fn is entered by RET, as if called. */
	p->ctx = (struct context *)(stack_top - 8) - 1;
	*p->ctx = (struct context){.ip = (ulong)fn};
	start(p);
}

/* A fresh process that enters the user image with (program, arg); child of the caller. */
u32 process_spawn(u32 program, ulong arg)
{
	struct proc *p = alloc_proc(this_cpu()->proc);
	struct trapframe tf = {.cs = SEL_UCODE, .ss = SEL_UDATA};

	if (!p)
		panic("out of processes");
	tf.ip = mm_image_entry();
	tf.sp = USER_STACK_TOP - 8;
	tf.flags = RFLAGS_FIXED | RFLAGS_IF;
	tf.START0 = program;
	tf.START1 = arg;
	p->mm = mm_create();
	mm_load_image(p->mm);
	make_stack(p, &tf);
	return start(p);
}

u32 process_fork(const struct trapframe *tf)
{
	struct proc *me = this_cpu()->proc, *p = alloc_proc(me);
	struct trapframe child = *tf;

	if (!p)
		return ~0U;
	child.CALL_RESULT = 0;
	p->affinity = me->affinity;
	inherit(p, me);
	p->mm = mm_fork(me->mm);
	make_stack(p, &child);
	return start(p);
}

u32 process_thread(const struct trapframe *tf, ulong entry, ulong stack, ulong arg)
{
	struct proc *me = this_cpu()->proc, *p = alloc_proc(me);
	struct trapframe child = *tf;

	if (!p)
		return ~0U;
	child.ip = entry;
	child.sp = stack;
	child.START0 = arg;
	p->retry = me->retry;
	inherit(p, me);
	p->mm = mm_get(me->mm);
	make_stack(p, &child);
	return start(p);
}

static void finish(struct proc *p)
{
	struct mm *mm = p->mm;

	for (u32 i = 0; i < MAX_FDS; i++)
		fd_put(&p->fd[i]);
	p->mm = NULL;
	push_off();
	mm_switch(&kernel_mm);
	pop_off();
	mm_put(mm);

	p->exit.pid = p->pid;
	spin_lock(&sched_lock);
	for (struct proc *c = procs; c < procs + MAX_PROCS; c++)
		if (c->state != PROC_FREE && c->parent == p) {
			c->parent = runner;
			if (c->state == PROC_ZOMBIE)
				wake_all(runner);
		}
	wake_all(p->parent);
	p->state = PROC_ZOMBIE;
	sched_enter();
	panic("a zombie runs");
}

void process_exit(ulong code)
{
	struct proc *p = current();

	p->exit.code = code;
	finish(p);
	__builtin_unreachable();
}

void process_kill(ulong vector, ulong error, ulong addr)
{
	struct proc *p = current();

	p->exit =
		(struct exit_info){.killed = 1, .vector = vector, .error = error, .addr = addr};
	finish(p);
	__builtin_unreachable();
}

void process_end_by(u32 signal)
{
	struct proc *p = current();

	p->exit = (struct exit_info){.killed = 2, .code = signal};
	finish(p);
	__builtin_unreachable();
}

/* Under sched_lock: the process of this number that may still run in ring 3, or NULL. */
struct proc *process_find(u32 pid)
{
	for (struct proc *p = procs + 1; p < procs + MAX_PROCS; p++)
		if (p->pid == pid && p->state != PROC_FREE && p->state != PROC_NEW &&
		    p->state != PROC_ZOMBIE)
			return p;
	return NULL;
}

/* How many there are, whatever their state. */
u32 processes(void)
{
	u32 n = 0;

	spin_lock(&sched_lock);
	for (struct proc *p = procs; p < procs + MAX_PROCS; p++)
		n += p->state != PROC_FREE;
	spin_unlock(&sched_lock);
	return n;
}

/* Under sched_lock: a child that has ended, else NULL; *any tells whether there is a child at
 * all. */
static struct proc *ended_child(const struct proc *parent, bool *any)
{
	*any = false;
	for (struct proc *p = procs; p < procs + MAX_PROCS; p++) {
		if (p->state == PROC_FREE || p->parent != parent)
			continue;
		*any = true;
		if (p->state == PROC_ZOMBIE)
			return p;
	}
	return NULL;
}

/* Wait for one child to end; false without children, or if a signal came first. */
bool process_wait(struct exit_info *out)
{
	struct proc *me = this_cpu()->proc, *p;
	pa_t kstack = 0;
	bool any;

	spin_lock(&sched_lock);
	while (!(p = ended_child(me, &any)) && any && sleep_or_signal(me, &sched_lock))
		;
	if (p) {
		*out = p->exit;
		kstack = p->kstack;
		p->state = PROC_FREE;
	}
	spin_unlock(&sched_lock);
	if (p)
		frame_put(kstack);
	return p;
}

void process_reap_all(void)
{
	struct exit_info info;

	while (process_wait(&info))
		;
}
