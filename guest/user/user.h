/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring-3 side: system calls and helpers. A program returns 0, or the line of the failed
 * check. */
#ifndef GUEST_USER_H
#define GUEST_USER_H

#include "layout.h"
#include "kernel/types.h"
#include "user/abi.h"
#include "usercall.h"

#define PAGE  4096UL
#define WORDS (PAGE / sizeof(ulong)) /* in a page */
#define CHECK(cond)                      \
	do {                             \
		if (!(cond))             \
			return __LINE__; \
	} while (0)

#define CALL0(n)	     call6(n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a)	     call6(n, (ulong)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b)	     call6(n, (ulong)(a), (ulong)(b), 0, 0, 0, 0)
#define CALL4(n, a, b, c, d) call6(n, (ulong)(a), (ulong)(b), (ulong)(c), (ulong)(d), 0, 0)
#define CALL3(n, a, b, c)    call6(n, (ulong)(a), (ulong)(b), (ulong)(c), 0, 0, 0)

static inline void exit_with(ulong code)
{
	CALL1(SYS_EXIT, code);
	__builtin_unreachable();
}

static inline void *map(ulong pages, ulong prot, ulong flags)
{
	long r = CALL3(SYS_MMAP, pages * PAGE, prot, flags);

	return r == -1 ? (void *)0 : (void *)r;
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}

/* main.c */
#define MAX_THREADS 16
long wait_all_ok(int expected);
long start_thread(void (*fn)(ulong), ulong slot);

/* start.S */
extern long call_keeping(long number, ulong out[7]);
extern char call_keeping_return[];

/* programs_*.c: one function per row of main.c */
ulong prog_exit(ulong arg);
ulong prog_null_calls(ulong arg);
ulong prog_arguments(ulong arg);
ulong prog_demand(ulong arg);
ulong prog_bench_fault(ulong arg);
ulong prog_cow(ulong arg);
ulong prog_fork_tree(ulong arg);
ulong prog_fork_storm(ulong arg);
ulong prog_fault(ulong arg);
ulong prog_preempt(ulong arg);
ulong prog_sched_many(ulong arg);
ulong prog_mprotect(ulong arg);
ulong prog_mmap_churn(ulong arg);
ulong prog_brk(ulong arg);
ulong prog_ad_bits(ulong arg);
ulong prog_smp_fork(ulong arg);
ulong prog_smp_atomic(ulong arg);
ulong prog_smp_threads(ulong arg);
ulong prog_smp_mprotect(ulong arg);
ulong prog_share_zap(ulong arg);
ulong prog_walk(ulong arg);
ulong prog_tables(ulong arg);
ulong prog_mremap(ulong arg);
ulong prog_mremap_fail(ulong arg);
ulong prog_smp_mremap(ulong arg);
ulong prog_swap(ulong arg);
ulong prog_swap_fork(ulong arg);
ulong prog_swap_threads(ulong arg);
ulong prog_swap_clock(ulong arg);
ulong prog_swap_oom(ulong arg);
ulong prog_reserved(ulong arg);
ulong prog_reserved_fork(ulong arg);
ulong prog_reserved_oom(ulong arg);
ulong prog_remap_fail(ulong arg);
ulong prog_capture(ulong arg);
ulong prog_capture_registers(ulong arg);

#endif
