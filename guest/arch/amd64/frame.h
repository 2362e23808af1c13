/* SPDX-License-Identifier: BSD-2-Clause */
/* What the entry code leaves on the kernel stack; in the order of entry.S, lowest first. */
#ifndef GUEST_FRAME_H
#define GUEST_FRAME_H

#include "kernel/types.h"

struct trapframe {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* Callee-saved registers of a context that is not running; swtch() in entry.S. */
struct context {
	u64 r15, r14, r13, r12, rbx, rbp, rip;
};

static inline bool from_user(const struct trapframe *tf)
{
	return (tf->cs & 3) == 3;
}

#endif
