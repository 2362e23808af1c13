/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring-3 side: system calls and helpers. A program returns 0, or the line of the failed
 * check. */
#ifndef GUEST_USER_H
#define GUEST_USER_H

#include "user/abi.h"

typedef unsigned long u64;
typedef unsigned char u8;

#define PAGE 4096UL
#define CHECK(cond)                      \
	do {                             \
		if (!(cond))             \
			return __LINE__; \
	} while (0)

static inline long call6(long n, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 asm("r10") = d;
	register u64 r8 asm("r8") = e;
	register u64 r9 asm("r9") = f;
	long r;

	asm volatile("syscall"
		     : "=a"(r)
		     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return r;
}

#define CALL0(n)	  call6(n, 0, 0, 0, 0, 0, 0)
#define CALL1(n, a)	  call6(n, (u64)(a), 0, 0, 0, 0, 0)
#define CALL2(n, a, b)	  call6(n, (u64)(a), (u64)(b), 0, 0, 0, 0)
#define CALL3(n, a, b, c) call6(n, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

static inline void exit_with(u64 code)
{
	CALL1(SYS_EXIT, code);
	__builtin_unreachable();
}

static inline void *map(u64 pages, u64 prot, u64 flags)
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
long start_thread(void (*fn)(u64), u64 slot);

/* start.S */
extern long call_keeping(long number, u64 out[7]);
extern char call_keeping_return[];

/* programs_*.c: one function per row of main.c */
u64 prog_exit(u64 arg);
u64 prog_null_calls(u64 arg);
u64 prog_arguments(u64 arg);
u64 prog_demand(u64 arg);
u64 prog_cow(u64 arg);
u64 prog_fork_tree(u64 arg);
u64 prog_fork_storm(u64 arg);
u64 prog_fault(u64 arg);
u64 prog_preempt(u64 arg);
u64 prog_sched_many(u64 arg);
u64 prog_mprotect(u64 arg);
u64 prog_mmap_churn(u64 arg);
u64 prog_brk(u64 arg);
u64 prog_ad_bits(u64 arg);
u64 prog_smp_fork(u64 arg);
u64 prog_smp_atomic(u64 arg);
u64 prog_smp_threads(u64 arg);
u64 prog_smp_mprotect(u64 arg);

#endif
