/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every structure and cross-file function of kernel/, grouped by the file that owns it.
 *
 * Interrupts: the kernel runs with IF clear. It is set in user mode, in the idle loop, between
 * irq_enable() and irq_disable() in scenario code, and in what may be preempted (preempt.c),
 * outside spinlocks. Nobody reads IF: struct cpu keeps
 * its own copy. Whoever waits with IF clear does so through cpu_relax(), which serves pending
 * TLB shootdowns; so a CPU that waits for acknowledgements never waits for one that waits for
 * it.
 *
 * Lock order: mutexes by rank (mutex.h), then mm->lock, pipe, shootdown lock, sched_lock, frame
 * lock, print lock; lockcheck.c holds everybody to it.
 */
#ifndef GUEST_KERNEL_H
#define GUEST_KERNEL_H

#include "frame.h"
#include "layout.h"
#include "kernel/types.h"
#include "user/abi.h"

#define MAX_CPUS  16
#define MAX_PROCS 320
#define MAX_HELD  8

struct mm;
struct proc;

/* What a fault recovered by a fixup looked like; vector is NO_FAULT when there was none. */
#define NO_FAULT 0x1ffUL
struct fault {
	ulong vector, error, addr;
};

/* spinlock.c */
struct spinlock {
	u32 held;
	u32 owner; /* 1 + index of the CPU that holds it, 0 for none */
	const char *name;
	u32 class; /* of lockcheck.c; 0: not known yet */
};

/* cpu.c: per-CPU state, found through GS while in the kernel */
struct cpu {
	struct cpu *self;
	ulong kstack;  /* where SYSCALL begins to push; also TSS.RSP0 */
	ulong user_sp; /* scratch of the SYSCALL entry */
	ulong exec_sp; /* non-zero while probe_exec() is calling its target */
	u32 index;
	u32 online;

	bool irq_on;   /* the software copy of IF */
	bool irq_save; /* irq_on before the outermost push_off() */
	u32 irq_depth;

	struct proc *proc;
	struct context *sched_ctx;
	struct mm *mm; /* whose tables CR3 holds; counts as a reference */
	struct fault fault;

	u32 kmap_depth; /* windows in use: kmap_local() */
	u32 held_count; /* locks it holds: lockcheck.c */
	const struct spinlock *held[MAX_HELD];
	u32 tlb_pending;
	u32 rcu_idle; /* asleep: rcu.c */
	ulong ticks;
	ulong test_ipis;
	void (*call_fn)(void *arg); /* smp_run(): non-NULL while the work is pending */
	void *call_arg;
};

extern struct cpu cpus[MAX_CPUS];
extern u32 cpu_count;
static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	asm volatile("mov %%gs:0, %0" : "=r"(c));
	return c;
}
/* One instruction: true of the CPU it ran on, even where the process may then go to another. */
#define cpu_read(field)                                           \
	({                                                        \
		__typeof__(((struct cpu *)0)->field) v_;          \
		asm volatile("mov %%gs:%c1, %0"                   \
			     : "=q"(v_)                           \
			     : "i"(offsetof(struct cpu, field))); \
		v_;                                               \
	})
/* The process this code runs for, whichever CPU it is on; NULL: none. */
static inline struct proc *current(void)
{
	return cpu_read(proc);
}
void cpu_init(struct cpu *c, u32 index);
void cpu_set_kstack(struct cpu *c, ulong top);
void print_registers(const struct trapframe *tf);

/* string.c */
void *memset(void *dst, int v, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
bool strneq(const char *a, const char *b, size_t n);

/* serial.c */
void serial_init(void);
void serial_write(const char *s, size_t n);

/* print.c */
int vformat(char *buf, size_t size, const char *fmt, va_list ap);
int format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void print_panic_mode(void);

/* panic.c */
#define EXIT_PASSED 0x10
#define EXIT_FAILED 0x11
#define EXIT_PANIC  0x12
void machine_exit(u32 code) __attribute__((noreturn));
void panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void panic_trap(const struct trapframe *tf, ulong addr) __attribute__((noreturn));
#define ASSERT(cond)                                                   \
	do {                                                           \
		if (!(cond))                                           \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

/* spinlock.c */
void cpu_relax(void);
void spin_lock(struct spinlock *l);
void spin_lock_nested(struct spinlock *l, const struct spinlock *outer);
void spin_unlock(struct spinlock *l);
bool spin_held(const struct spinlock *l);
void push_off(void);
void pop_off(void);
void irq_enable(void);
void irq_disable(void);

/* lockcheck.c */
void lock_before(struct spinlock *l, const struct spinlock *outer);
void lock_taken(const struct spinlock *l);
void lock_dropped(const struct spinlock *l);
void lock_check_bare(const char *where);
u32 locks_held(void);

/* bootinfo.c */
struct ram {
	pa_t start, end;
};
#define MAX_RAM 16
struct bootinfo {
	const char *protocol;
	char cmdline[512];
	struct ram ram[MAX_RAM];
	u32 ram_count;
};
extern struct bootinfo bootinfo;
void bootinfo_read(void);
u64 bootinfo_ram_total(void);

/* options.c */
struct options {
	char scenario[384];
	u32 cpus; /* 0: not given */
	u64 seed;
	ulong size;   /* how many times as large storms and benchmarks are */
	ulong lowmem; /* bytes of RAM in the direct map; 0: all there is room for */
	bool quiet;
	bool share_tables; /* fork shares page tables */
	enum { PAGEALLOC_OFF, PAGEALLOC_4K, PAGEALLOC_SPLIT } pagealloc;
};
extern struct options options;
void options_parse(const char *line);
u64 random_next(void);

/* madt.c */
u32 madt_count_cpus(void);

/* apic.c */
void apic_init(void);
void apic_eoi(void);
void apic_send(u32 cpu, u32 vector);
void apic_send_others(u32 vector);
void apic_send_self(u32 vector);
void apic_start_ap(u32 cpu, ulong entry);
void apic_timer_start(void);
u32 apic_id(void);
u32 apic_errors(void);

/* trap.c */
void trap_init(void);
void trap_load(void);
void trap(struct trapframe *tf);
extern void vectors(void);

/* probe.c: accesses that may fault; each returns true when nothing did, else fills *f */
bool probe_read(ulong va, ulong *value, struct fault *f);
bool probe_write(ulong va, ulong value, struct fault *f);
bool probe_call(ulong va, struct fault *f);
bool probe_wrmsr(u32 msr, u64 value, struct fault *f);
bool probe_rdmsr(u32 msr, u64 *value, struct fault *f);
bool probe_write_cr0(ulong value, struct fault *f);
bool probe_write_cr3(ulong value, struct fault *f);
bool probe_write_cr4(ulong value, struct fault *f);
bool probe_load_es(ulong selector, struct fault *f);
bool probe_load_fs(ulong selector, struct fault *f);
bool probe_load_ldt(ulong selector, struct fault *f);
bool probe_load_tr(ulong selector, struct fault *f);
bool probe_ud(struct fault *f);
bool probe_int3(struct fault *f);
bool probe_divide(struct fault *f);
bool copy_from_user(void *dst, ulong src, size_t n);
bool copy_to_user(ulong dst, const void *src, size_t n);

/* sched.c */
extern struct spinlock sched_lock;
extern ulong idle_cpus;
void sched_loop(void) __attribute__((noreturn));
void sched_enter(void);
void sched_first_run(void);
void sched_make_ready(struct proc *p);
void sched_yield(void);
void sched_tick(void);
void sleep_on(const void *chan, struct spinlock *l);
bool sleep_or_signal(const void *chan, struct spinlock *l);
void wake(const void *chan);
void wake_all(const void *chan);
struct proc *sleeper_on(const void *chan);

/* pipe.c */
struct descriptor {
	struct pipe *pipe; /* NULL: not open */
	bool writes;
};
slong pipe_open(struct descriptor *reader, struct descriptor *writer);
void fd_get(const struct descriptor *f);
void fd_put(struct descriptor *f);
slong fd_read(const struct descriptor *f, ulong to, ulong n);
slong fd_write(const struct descriptor *f, ulong from, ulong n);
u32 pipes_open(void);

/* process.c */
enum proc_state { PROC_FREE, PROC_NEW, PROC_READY, PROC_RUNNING, PROC_SLEEPING, PROC_ZOMBIE };
struct proc {
	enum proc_state state;
	u32 pid;
	ulong affinity; /* mask of CPUs it may run on */
	struct proc *parent, *next;
	struct mm *mm; /* NULL: a kernel thread */
	pa_t kstack;   /* physical frame, 0 for the runner */
	struct context *ctx;
	const void *chan;
	bool retry;				/* SYS_RETRY */
	bool no_memory;				/* its last fault failed for that */
	pa_t held_page;				/* SYS_HOLD */
	u32 dawdle;				/* gup.c */
	bool wander, resched, starve, at_table; /* preempt.c */
	bool meets;				/* meet.c */
	u32 preemptible, preempt_depth;		/* preempt.c */
	u8 held[8];				/* mutexes, by rank: mutex.c */
	bool may_interrupt;			/* sleeping, and a signal ends that */
	u32 pending;		   /* mask of signals that were not delivered yet */
	u32 blocked;		   /* and of those whose handlers have not returned */
	ulong handler[SIG_COUNT];  /* or SIG_DEFAULT, SIG_IGNORE */
	ulong restorer[SIG_COUNT]; /* where the handler returns to */
	struct descriptor fd[MAX_FDS];
	struct exit_info exit;
};
void process_start_runner(void (*fn)(void), ulong stack_top);
u32 process_spawn(u32 program, ulong arg);
u32 process_fork(const struct trapframe *tf);
u32 process_thread(const struct trapframe *tf, ulong entry, ulong stack, ulong arg);
void process_exit(ulong code) __attribute__((noreturn));
void process_kill(ulong vector, ulong error, ulong addr) __attribute__((noreturn));
void process_end_by(u32 signal) __attribute__((noreturn));
struct proc *process_find(u32 pid);
u32 processes(void);
bool process_wait(struct exit_info *out);
void process_reap_all(void);

/* exec.c */
slong process_exec(struct trapframe *tf, ulong name, ulong argv);

/* signal.c */
slong signal_set(u32 signal, ulong handler, ulong restorer);
slong signal_send(u32 pid, u32 signal);
void signal_raise(u32 signal);
u32 signal_pending(void);
bool signal_fault(struct trapframe *tf, ulong addr);
void signal_deliver(struct trapframe *tf);
void signal_return(struct trapframe *tf);

/* timer.c */
ulong timer_now(void);
void timer_tick(void);
slong timer_sleep(ulong ticks);

/* report.c */
#define MAX_ROUNDS 16
struct report {
	u32 rounds;
	u64 cycles[MAX_ROUNDS];
	ulong count; /* operations in a round */
};
extern struct report report;
slong report_round(u64 cycles, ulong count);

/* calls.c: the system calls that are not about memory or the life of a process */
slong sys_exec(struct trapframe *tf);
slong sys_madvise(struct trapframe *tf);
slong sys_pipe(struct trapframe *tf);
slong sys_close(struct trapframe *tf);
slong sys_read(struct trapframe *tf);
slong sys_write(struct trapframe *tf);
slong sys_signal(struct trapframe *tf);
slong sys_kill(struct trapframe *tf);
slong sys_sleep(struct trapframe *tf);
slong sys_ticks(struct trapframe *tf);
slong sys_report(struct trapframe *tf);

/* syscall.c */
bool syscall(struct trapframe *tf);

/* syscall_vm.c */
slong sys_file(struct trapframe *tf);
slong sys_msync(struct trapframe *tf);
slong sys_gup(struct trapframe *tf);
slong sys_hold(struct trapframe *tf);
slong sys_migrate(struct trapframe *tf);
slong sys_rmap(struct trapframe *tf);
slong sys_hard(struct trapframe *tf);
slong sys_barrier(struct trapframe *tf);
slong sys_stat(struct trapframe *tf);

/* smp.c */
bool smp_start(char *why, size_t size);
void smp_run(u32 cpu, void (*fn)(void *), void *arg);
bool smp_done(u32 cpu);
void smp_wait_all(void);
void smp_quiesce(void);
void smp_serve(struct cpu *c);
void delay_cycles(u64 n);

/* runner.c */
void runner_main(void) __attribute__((noreturn));
const char *fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* entry.S */
extern void trap_return(void);
extern void syscall_entry(void);
extern void process_entry(void);
extern void probe_exec(ulong target);
extern char probe_exec_fault[];
extern void swtch(struct context **save, struct context *next);

#endif
