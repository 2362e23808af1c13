/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls from ring 3: SYSCALL. */
#ifndef GUEST_USERCALL_H
#define GUEST_USERCALL_H

static inline long call6(long n, ulong a, ulong b, ulong c, ulong d, ulong e, ulong f)
{
	register ulong r10 asm("r10") = d;
	register ulong r8 asm("r8") = e;
	register ulong r9 asm("r9") = f;
	long r;

	asm volatile("syscall"
		     : "=a"(r)
		     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return r;
}

/* The first of the values call_keeping() leaves in registers. */
#define KEEP_PATTERN 0x1111222233334444UL

/* A read that ends in #GP(0). */
static inline void read_gp(void)
{
	(void)*(volatile ulong *)NONCANONICAL_VA;
}

/* Go somewhere with the stack pointer anywhere. */
static inline void jump_on_stack(ulong to, ulong sp)
{
	asm volatile("mov %0, %%rsp; jmp *%1" : : "r"(sp), "r"(to) : "memory");
	__builtin_unreachable();
}

#endif
