/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring-3 side: system calls and helpers. A program returns 0, or the line of the failed
 * check. */
#ifndef GUEST_USER_H
#define GUEST_USER_H

#include "layout.h"
#include "kernel/types.h"
#include "user/abi.h"
#include "user/signal.h"
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

static inline __attribute__((noreturn)) void exit_with(ulong code)
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

void handle(ulong signal, void (*fn)(struct sigframe *));
long fork_child(void (*fn)(ulong), ulong arg);
ulong format_number(char *to, ulong n);

static inline unsigned long long rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (unsigned long long)hi << 32 | lo;
}

/* programs_exec.c */
ulong exec_main(ulong program, const struct exec_block *b);

/* start.S */
extern void signal_restorer(void);
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
ulong prog_file(ulong arg);
ulong prog_msync(ulong arg);
ulong prog_rmap(ulong arg);
ulong prog_migrate(ulong arg);
ulong prog_gather(ulong arg);
ulong prog_gather_count(ulong arg);
ulong prog_gup(ulong arg);
ulong prog_truncate(ulong arg);
ulong prog_all_locks(ulong arg);
ulong prog_share_flush(ulong arg);
ulong prog_mremap(ulong arg);
ulong prog_mremap_fail(ulong arg);
ulong prog_smp_mremap(ulong arg);
ulong prog_exec(ulong arg);
ulong prog_exec_storm(ulong arg);
ulong prog_madvise(ulong arg);
ulong prog_brk_shrink(ulong arg);
ulong prog_pipe(ulong arg);
ulong prog_pipe_end(ulong arg);
ulong prog_pipeline(ulong arg);
ulong prog_smp_pipe(ulong arg);
ulong prog_signal_fault(ulong arg);
ulong prog_signal_nested(ulong arg);
ulong prog_signal_bad(ulong arg);
ulong prog_signal_registers(ulong arg);
ulong prog_kill(ulong arg);
ulong prog_sleep(ulong arg);
ulong prog_roam(ulong arg);
ulong prog_mm_storm(ulong arg);
ulong prog_smp_storm(ulong arg);
ulong prog_micro(ulong arg);
ulong prog_swap(ulong arg);
ulong prog_swap_fork(ulong arg);
ulong prog_swap_threads(ulong arg);
ulong prog_swap_clock(ulong arg);
ulong prog_swap_pin(ulong arg);
ulong prog_swap_oom(ulong arg);
ulong prog_reserved(ulong arg);
ulong prog_reserved_fork(ulong arg);
ulong prog_reserved_oom(ulong arg);
ulong prog_remap_fail(ulong arg);
ulong prog_capture(ulong arg);
ulong prog_capture_registers(ulong arg);

#endif
