/* SPDX-License-Identifier: BSD-2-Clause */
/* What the entry code leaves on the kernel stack; in the order of entry.S, lowest first. The
 * fields ip, sp and flags, and the names below, are the same on every image. */
#ifndef GUEST_FRAME_H
#define GUEST_FRAME_H

#include "kernel/types.h"

struct trapframe {
	ulong r15, r14, r13, r12, r11, r10, r9, r8;
	ulong rbp, rdi, rsi, rdx, rcx, rbx, rax;
	ulong vector, error;
	ulong ip, cs, flags, sp, ss;
};

/* A system call: its number and then its result, and its arguments. */
#define CALL_NUMBER rax
#define CALL_RESULT rax
#define ARG0	    rdi
#define ARG1	    rsi
#define ARG2	    rdx
#define ARG3	    r10
#define ARG4	    r8
#define ARG5	    r9

/* What a new process or thread finds in its registers, or on its stack: start.S. */
#define START0 rdi
#define START1 rsi

/* Callee-saved registers of a context that is not running; swtch() in entry.S. */
struct context {
	ulong r15, r14, r13, r12, rbx, rbp, ip;
};

static inline bool from_user(const struct trapframe *tf)
{
	return (tf->cs & 3) == 3;
}

#endif
