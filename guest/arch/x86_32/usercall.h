/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls from ring 3: INT 0x80. */
#ifndef GUEST_USERCALL_H
#define GUEST_USERCALL_H

/* start.S: the sixth argument is in EBP, which no constraint can name. */
extern long call6(long n, ulong a, ulong b, ulong c, ulong d, ulong e, ulong f);

/* The first of the values call_keeping() leaves in registers. */
#define KEEP_PATTERN 0x11112222UL

/* A read that ends in #GP(0): not of an address, as there are none that do. */
static inline void read_gp(void)
{
	ulong v;

	asm volatile("mov %%cr0, %0" : "=r"(v));
}

/* Go somewhere with the stack pointer anywhere. */
static inline void jump_on_stack(ulong to, ulong sp)
{
	asm volatile("mov %0, %%esp; jmp *%1" : : "r"(sp), "r"(to) : "memory");
	__builtin_unreachable();
}

#endif
