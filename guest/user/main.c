/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of ring-3 programs, and the helpers they share. */
#include "user/user.h"

static ulong (*const programs[USER_COUNT])(ulong) = {
	[USER_EXIT] = prog_exit,
	[USER_NULL_CALLS] = prog_null_calls,
	[USER_ARGUMENTS] = prog_arguments,
	[USER_DEMAND] = prog_demand,
	[USER_COW] = prog_cow,
	[USER_FORK_TREE] = prog_fork_tree,
	[USER_FORK_STORM] = prog_fork_storm,
	[USER_FAULT] = prog_fault,
	[USER_PREEMPT] = prog_preempt,
	[USER_SCHED_MANY] = prog_sched_many,
	[USER_MPROTECT] = prog_mprotect,
	[USER_MMAP_CHURN] = prog_mmap_churn,
	[USER_BRK] = prog_brk,
	[USER_AD_BITS] = prog_ad_bits,
	[USER_SMP_FORK] = prog_smp_fork,
	[USER_SMP_ATOMIC] = prog_smp_atomic,
	[USER_SMP_THREADS] = prog_smp_threads,
	[USER_SMP_MPROTECT] = prog_smp_mprotect,
	[USER_MREMAP] = prog_mremap,
	[USER_MREMAP_FAIL] = prog_mremap_fail,
	[USER_FILE] = prog_file,
	[USER_MSYNC] = prog_msync,
	[USER_RMAP] = prog_rmap,
	[USER_MIGRATE] = prog_migrate,
	[USER_GATHER] = prog_gather,
	[USER_GATHER_COUNT] = prog_gather_count,
	[USER_GUP] = prog_gup,
	[USER_TRUNCATE] = prog_truncate,
	[USER_ALL_LOCKS] = prog_all_locks,
	[USER_SHARE_FLUSH] = prog_share_flush,
	[USER_BENCH_FAULT] = prog_bench_fault,
	[USER_SHARE_ZAP] = prog_share_zap,
	[USER_WALK] = prog_walk,
	[USER_TABLES] = prog_tables,
	[USER_SMP_MREMAP] = prog_smp_mremap,
	[USER_EXEC] = prog_exec,
	[USER_EXEC_STORM] = prog_exec_storm,
	[USER_MADVISE] = prog_madvise,
	[USER_BRK_SHRINK] = prog_brk_shrink,
	[USER_PIPE] = prog_pipe,
	[USER_PIPE_END] = prog_pipe_end,
	[USER_PIPELINE] = prog_pipeline,
	[USER_SMP_PIPE] = prog_smp_pipe,
	[USER_SIGNAL_FAULT] = prog_signal_fault,
	[USER_SIGNAL_NESTED] = prog_signal_nested,
	[USER_SIGNAL_BAD] = prog_signal_bad,
	[USER_SIGNAL_REGISTERS] = prog_signal_registers,
	[USER_KILL] = prog_kill,
	[USER_SLEEP] = prog_sleep,
	[USER_ROAM] = prog_roam,
	[USER_MM_STORM] = prog_mm_storm,
	[USER_SMP_STORM] = prog_smp_storm,
	[USER_MICRO] = prog_micro,
	[USER_SWAP] = prog_swap,
	[USER_SWAP_FORK] = prog_swap_fork,
	[USER_SWAP_THREADS] = prog_swap_threads,
	[USER_SWAP_CLOCK] = prog_swap_clock,
	[USER_SWAP_PIN] = prog_swap_pin,
	[USER_SWAP_OOM] = prog_swap_oom,
	[USER_RESERVED] = prog_reserved,
	[USER_RESERVED_FORK] = prog_reserved_fork,
	[USER_RESERVED_OOM] = prog_reserved_oom,
	[USER_REMAP_FAIL] = prog_remap_fail,
	[USER_CAPTURE] = prog_capture,
	[USER_CAPTURE_REGISTERS] = prog_capture_registers,
};

ulong user_main(ulong program, ulong arg);
ulong user_main(ulong program, ulong arg)
{
	if (program >= USER_COUNT)
		return exec_main(program - USER_COUNT, (const struct exec_block *)arg);
	return programs[program](arg);
}

/* Wait for `expected` children; 0 if each exited with 0, else the first bad code. */
long wait_all_ok(int expected)
{
	struct exit_info info;
	long bad = 0;

	while (expected--) {
		if (CALL1(SYS_WAIT, &info) <= 0)
			return __LINE__;
		if (!bad && (info.killed || info.code))
			bad = info.killed ? (long)(10000 + info.vector) : (long)info.code;
	}
	return bad;
}

/* A thread of this address space; its stack is kept for the next one of the same slot. */
long start_thread(void (*fn)(ulong), ulong slot)
{
	static char *stack[MAX_THREADS];

	if (slot >= MAX_THREADS)
		return -1;
	if (!stack[slot])
		stack[slot] = map(2, PROT_R | PROT_W, 0);
	if (!stack[slot])
		return -1;
	/* Whichever of the two the ABI wants it in: here, or in a register by SYS_THREAD. */
	*(ulong *)(stack[slot] + 2 * PAGE - sizeof(ulong)) = slot;
	return CALL3(SYS_THREAD, fn, stack[slot] + 2 * PAGE - 8, slot);
}

void handle(ulong signal, void (*fn)(struct sigframe *))
{
	CALL3(SYS_SIGNAL, signal, fn, signal_restorer);
}

/* A child that calls fn(arg) and ends with 0. */
long fork_child(void (*fn)(ulong), ulong arg)
{
	long pid = CALL0(SYS_FORK);

	if (pid)
		return pid;
	fn(arg);
	exit_with(0);
}

/* In decimal, with its end; the length without. */
ulong format_number(char *to, ulong n)
{
	ulong len = 1;

	for (ulong x = n; x >= 10; x /= 10)
		len++;
	to[len] = 0;
	for (ulong i = len; i--; n /= 10)
		to[i] = (char)('0' + n % 10);
	return len;
}

void *memcpy(void *dst, const void *src, ulong n);
void *memcpy(void *dst, const void *src, ulong n)
{
	void *d = dst;

	asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

void *memset(void *dst, int v, ulong n);
void *memset(void *dst, int v, ulong n)
{
	void *d = dst;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(v) : "memory");
	return dst;
}
