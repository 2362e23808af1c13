/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls: number in RAX, arguments in RDI RSI RDX R10 R8 R9, result in RAX; RCX and R11
 * are lost to the CPU. One function per call, one table. Runs with IF clear, on the caller's
 * stack.
 */
#include "mm/mm.h"
#include "x86.h"

static struct mm *my_mm(void)
{
	return this_cpu()->proc->mm;
}

static s64 sys_null(struct trapframe *tf)
{
	(void)tf;
	return 0;
}

static s64 sys_exit(struct trapframe *tf)
{
	process_exit(tf->rdi);
}

static s64 sys_fork(struct trapframe *tf)
{
	return (int)process_fork(tf);
}

static s64 sys_wait(struct trapframe *tf)
{
	struct exit_info info;

	if (!process_wait(&info))
		return -1;
	if (tf->rdi && !copy_to_user(tf->rdi, &info, sizeof(info)))
		return -1;
	return info.pid;
}

static s64 sys_getpid(struct trapframe *tf)
{
	(void)tf;
	return this_cpu()->proc->pid;
}

static s64 sys_yield(struct trapframe *tf)
{
	(void)tf;
	sched_yield();
	return 0;
}

static s64 sys_mmap(struct trapframe *tf)
{
	return mm_map(my_mm(), tf->rdi, (u32)tf->rsi, (u32)tf->rdx);
}

static s64 sys_munmap(struct trapframe *tf)
{
	return mm_unmap(my_mm(), tf->rdi, tf->rsi);
}

static s64 sys_mprotect(struct trapframe *tf)
{
	return mm_protect(my_mm(), tf->rdi, tf->rsi, (u32)tf->rdx);
}

static s64 sys_brk(struct trapframe *tf)
{
	return mm_brk(my_mm(), tf->rdi);
}

static s64 sys_mix(struct trapframe *tf)
{
	return (s64)(tf->rdi + 3 * tf->rsi + 5 * tf->rdx + 7 * tf->r10 + 11 * tf->r8 +
		     13 * tf->r9);
}

/* Move to a CPU of the mask; if this one is not in it, that takes a trip through the queue. */
static s64 sys_pin(struct trapframe *tf)
{
	struct proc *p = this_cpu()->proc;
	u64 all = (1UL << cpu_count) - 1;

	if (tf->rdi && !(tf->rdi & all))
		return -1;
	spin_lock(&sched_lock);
	p->affinity = tf->rdi ? tf->rdi : ~0UL;
	if (!(p->affinity >> this_cpu()->index & 1)) {
		sched_make_ready(p);
		sched_enter();
	}
	spin_unlock(&sched_lock);
	return this_cpu()->index;
}

static s64 sys_cpus(struct trapframe *tf)
{
	(void)tf;
	return cpu_count;
}

static s64 sys_thread(struct trapframe *tf)
{
	return (int)process_thread(tf, tf->rdi, tf->rsi, tf->rdx);
}

/* The last-level entry of a user address, or NULL. Under mm->lock. */
static pte_t *user_pte(struct mm *mm, u64 va)
{
	int level;
	pte_t *e;

	if (va >= USER_END)
		return NULL;
	e = lookup(mm->root, va, &level);
	return level == 1 && (pte_read(e) & PTE_P) ? e : NULL;
}

static s64 sys_pte(struct trapframe *tf)
{
	struct mm *mm = my_mm();
	pte_t *e;
	s64 r;

	spin_lock(&mm->lock);
	e = user_pte(mm, tf->rdi);
	r = e ? (s64)(pte_read(e) & (PAGE_SIZE - 1)) : 0;
	spin_unlock(&mm->lock);
	return r;
}

static s64 sys_clean(struct trapframe *tf)
{
	my_mm()->clean_ptes = tf->rdi;
	return 0;
}

static s64 sys_clear_ad(struct trapframe *tf)
{
	struct mm *mm = my_mm();
	u64 va = ALIGN_DOWN(tf->rdi, PAGE_SIZE);
	pte_t *e;

	spin_lock(&mm->lock);
	e = user_pte(mm, va);
	if (e) {
		atomic_and(e, ~(PTE_A | PTE_D));
		tlb_flush_mm(mm, va, va + PAGE_SIZE);
	}
	spin_unlock(&mm->lock);
	return e ? 0 : -1;
}

static s64 sys_sum(struct trapframe *tf)
{
	u8 buf[256];
	s64 sum = 0;
	u64 n;

	for (u64 at = 0; at < tf->rsi; at += n) {
		n = tf->rsi - at < sizeof(buf) ? tf->rsi - at : sizeof(buf);
		if (!copy_from_user(buf, tf->rdi + at, n))
			return -1;
		for (u64 i = 0; i < n; i++)
			sum += buf[i];
	}
	return sum;
}

static s64 sys_random(struct trapframe *tf)
{
	(void)tf;
	return (s64)(random_next() >> 1);
}

static s64 sys_retry(struct trapframe *tf)
{
	this_cpu()->proc->retry = tf->rdi;
	return 0;
}

static s64 (*const table[SYS_COUNT])(struct trapframe *) = {
	[SYS_NULL] = sys_null,	   [SYS_EXIT] = sys_exit,	  [SYS_FORK] = sys_fork,
	[SYS_WAIT] = sys_wait,	   [SYS_GETPID] = sys_getpid,	  [SYS_YIELD] = sys_yield,
	[SYS_MMAP] = sys_mmap,	   [SYS_MUNMAP] = sys_munmap,	  [SYS_MPROTECT] = sys_mprotect,
	[SYS_BRK] = sys_brk,	   [SYS_MIX] = sys_mix,		  [SYS_PIN] = sys_pin,
	[SYS_CPUS] = sys_cpus,	   [SYS_THREAD] = sys_thread,	  [SYS_PTE] = sys_pte,
	[SYS_CLEAN] = sys_clean,   [SYS_CLEAR_AD] = sys_clear_ad, [SYS_SUM] = sys_sum,
	[SYS_RANDOM] = sys_random, [SYS_RETRY] = sys_retry,
};

void syscall(struct trapframe *tf)
{
	if (tf->rax < SYS_COUNT)
		tf->rax = (u64)table[tf->rax](tf);
	else
		tf->rax = ~0UL;
}
