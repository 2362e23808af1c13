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
};

ulong user_main(ulong program, ulong arg);
ulong user_main(ulong program, ulong arg)
{
	return program < USER_COUNT ? programs[program](arg) : __LINE__;
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
