/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls: which registers hold the number, the arguments and the result is in frame.h. One
 * function per call, one table. Runs with IF clear, on the caller's stack.
 */
#include "dev/dev.h"
#include "kernel/rcu.h"
#include "x86.h"

static struct mm *my_mm(void)
{
	return current()->mm;
}

static slong sys_null(struct trapframe *tf)
{
	(void)tf;
	return 0;
}

static slong sys_exit(struct trapframe *tf)
{
	process_exit(tf->ARG0);
}

static slong sys_fork(struct trapframe *tf)
{
	return (int)process_fork(tf);
}

static slong sys_wait(struct trapframe *tf)
{
	struct exit_info info;

	if (!process_wait(&info))
		return signal_pending() ? ERR_INTR : ERR;
	if (tf->ARG0 && !copy_to_user(tf->ARG0, &info, sizeof(info)))
		return -1;
	return info.pid;
}

static slong sys_getpid(struct trapframe *tf)
{
	(void)tf;
	return current()->pid;
}

static slong sys_yield(struct trapframe *tf)
{
	(void)tf;
	sched_yield();
	return 0;
}

static slong sys_mmap(struct trapframe *tf)
{
	return mm_map(my_mm(), tf->ARG0, (u32)tf->ARG1, (u32)tf->ARG2);
}

static slong sys_munmap(struct trapframe *tf)
{
	return mm_unmap(my_mm(), tf->ARG0, tf->ARG1);
}

static slong sys_mprotect(struct trapframe *tf)
{
	return mm_protect(my_mm(), tf->ARG0, tf->ARG1, (u32)tf->ARG2);
}

static slong sys_brk(struct trapframe *tf)
{
	return mm_brk(my_mm(), tf->ARG0);
}

static slong sys_mix(struct trapframe *tf)
{
	return (slong)(tf->ARG0 + 3 * tf->ARG1 + 5 * tf->ARG2 + 7 * tf->ARG3 + 11 * tf->ARG4 +
		       13 * tf->ARG5);
}

/* Move to a CPU of the mask; if this one is not in it, that takes a trip through the queue. */
static slong sys_pin(struct trapframe *tf)
{
	struct proc *p = current();
	ulong all = (1UL << cpu_count) - 1;

	if (tf->ARG0 && !(tf->ARG0 & all))
		return -1;
	spin_lock(&sched_lock);
	p->affinity = tf->ARG0 ? tf->ARG0 : ~0UL;
	if (!(p->affinity >> this_cpu()->index & 1)) {
		sched_make_ready(p);
		sched_enter();
	}
	spin_unlock(&sched_lock);
	return this_cpu()->index;
}

static slong sys_cpus(struct trapframe *tf)
{
	(void)tf;
	return cpu_count;
}

static slong sys_thread(struct trapframe *tf)
{
	if (tf->ARG0 >= USER_END || tf->ARG1 > USER_END)
		return ERR;
	return (int)process_thread(tf, tf->ARG0, tf->ARG1, tf->ARG2);
}

/* The last-level entry of a user address, mapped, or NULL. Under mm->lock. */
static pte_t *user_pte(struct mm *mm, ulong va)
{
	int level;
	pte_t *e;

	if (va >= USER_END)
		return NULL;
	e = lookup(mm->root, va, &level);
	if (level == 1 && (pte_load(e) & PTE_P))
		return e;
	pte_unmap(e);
	return NULL;
}

static slong sys_pte(struct trapframe *tf)
{
	struct mm *mm = my_mm();
	pte_t *e;
	slong r;

	spin_lock(&mm->lock);
	e = user_pte(mm, tf->ARG0);
	r = e ? (slong)(pte_load(e) & (PAGE_SIZE - 1)) : 0;
	pte_unmap(e);
	spin_unlock(&mm->lock);
	return r;
}

static slong sys_clean(struct trapframe *tf)
{
	my_mm()->clean_ptes = tf->ARG0;
	return 0;
}

static slong sys_clear_ad(struct trapframe *tf)
{
	struct mm *mm = my_mm();
	ulong va = ALIGN_DOWN(tf->ARG0, PAGE_SIZE);
	pte_t *e;

	spin_lock(&mm->lock);
	mm_own(mm, va, false);
	e = user_pte(mm, va);
	if (e) {
		pte_clear_bits(e, PTE_A | PTE_D);
		tlb_flush_mm(mm, va, va + PAGE_SIZE);
		pte_unmap(e);
	}
	spin_unlock(&mm->lock);
	return e ? 0 : -1;
}

static slong sys_sum(struct trapframe *tf)
{
	u8 buf[256];
	slong sum = 0;
	ulong n;

	for (ulong at = 0; at < tf->ARG1; at += n) {
		n = tf->ARG1 - at < sizeof(buf) ? tf->ARG1 - at : sizeof(buf);
		if (!copy_from_user(buf, tf->ARG0 + at, n))
			return -1;
		for (ulong i = 0; i < n; i++)
			sum += buf[i];
	}
	return sum;
}

static slong sys_random(struct trapframe *tf)
{
	(void)tf;
	return (slong)((ulong)random_next() >> 1);
}

static slong sys_retry(struct trapframe *tf)
{
	current()->retry = tf->ARG0;
	return 0;
}

static slong sys_mremap(struct trapframe *tf)
{
	return mm_remap(my_mm(), tf->ARG0, tf->ARG1, tf->ARG2, tf->ARG3);
}

static slong sys_fail(struct trapframe *tf)
{
	return (slong)frame_fail_after(tf->ARG0);
}

static slong sys_walk(struct trapframe *tf)
{
	(void)tf;
	return mm_count_pages(my_mm());
}

static slong sys_capture(struct trapframe *tf)
{
	switch ((enum capture_op)tf->ARG0) {
	case CAPTURE_NOPAGE:
		return reserved_map(my_mm(), &capture_buffers, RESERVE_NOPAGE);
	case CAPTURE_REMAP:
		return reserved_map(my_mm(), &capture_buffers, RESERVE_REMAP);
	case CAPTURE_REGISTERS:
		return capture_present()
			       ? reserved_map(my_mm(), &capture_registers, RESERVE_REMAP)
			       : -1;
	case CAPTURE_RUN:
		return capture_run();
	case CAPTURE_PAGES:
		return CAPTURE_FRAMES;
	case CAPTURE_FAULTS:
		return (slong)capture_buffers.faults;
	case CAPTURE_READS:
		return (slong)capture_reads();
	}
	return -1;
}

static slong sys_dump(struct trapframe *tf)
{
	struct dump d;
	struct dump_info info;

	mm_dump(my_mm(), &d);
	info = (struct dump_info){d.pages, d.sum, d.skipped};
	return copy_to_user(tf->ARG0, &info, sizeof(info)) ? 0 : -1;
}

static slong (*const table[SYS_COUNT])(struct trapframe *) = {
	[SYS_NULL] = sys_null,	       [SYS_EXIT] = sys_exit,
	[SYS_FORK] = sys_fork,	       [SYS_WAIT] = sys_wait,
	[SYS_GETPID] = sys_getpid,     [SYS_YIELD] = sys_yield,
	[SYS_MMAP] = sys_mmap,	       [SYS_MUNMAP] = sys_munmap,
	[SYS_MPROTECT] = sys_mprotect, [SYS_BRK] = sys_brk,
	[SYS_MIX] = sys_mix,	       [SYS_PIN] = sys_pin,
	[SYS_CPUS] = sys_cpus,	       [SYS_THREAD] = sys_thread,
	[SYS_PTE] = sys_pte,	       [SYS_CLEAN] = sys_clean,
	[SYS_CLEAR_AD] = sys_clear_ad, [SYS_SUM] = sys_sum,
	[SYS_RANDOM] = sys_random,     [SYS_RETRY] = sys_retry,
	[SYS_MREMAP] = sys_mremap,     [SYS_FAIL] = sys_fail,
	[SYS_WALK] = sys_walk,	       [SYS_EXEC] = sys_exec,
	[SYS_MADVISE] = sys_madvise,   [SYS_PIPE] = sys_pipe,
	[SYS_CLOSE] = sys_close,       [SYS_READ] = sys_read,
	[SYS_WRITE] = sys_write,       [SYS_SIGNAL] = sys_signal,
	[SYS_KILL] = sys_kill,	       [SYS_SLEEP] = sys_sleep,
	[SYS_TICKS] = sys_ticks,       [SYS_REPORT] = sys_report,
	[SYS_FILE] = sys_file,	       [SYS_MSYNC] = sys_msync,
	[SYS_GUP] = sys_gup,	       [SYS_HOLD] = sys_hold,
	[SYS_MIGRATE] = sys_migrate,   [SYS_RMAP] = sys_rmap,
	[SYS_HARD] = sys_hard,	       [SYS_BARRIER] = sys_barrier,
	[SYS_STAT] = sys_stat,	       [SYS_CAPTURE] = sys_capture,
	[SYS_DUMP] = sys_dump,
};

/* Returns whether all registers are those of `tf`, not only those that a call keeps. */
bool syscall(struct trapframe *tf)
{
	bool all = tf->CALL_NUMBER == SYS_SIGRETURN;

	rcu_quiescent();
	if (all)
		signal_return(tf);
	else if (tf->CALL_NUMBER < SYS_COUNT && table[tf->CALL_NUMBER])
		tf->CALL_RESULT = (ulong)table[tf->CALL_NUMBER](tf);
	else
		tf->CALL_RESULT = ~0UL;
	signal_deliver(tf);
	lock_check_bare("a system call");
	return all;
}
