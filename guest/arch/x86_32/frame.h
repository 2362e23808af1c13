/* SPDX-License-Identifier: BSD-2-Clause */
/* What the entry code leaves on the kernel stack; in the order of entry.S, lowest first. The
 * fields ip, sp and flags, and the names below, are the same on every image. */
#ifndef GUEST_FRAME_H
#define GUEST_FRAME_H

#include "kernel/types.h"

struct trapframe {
	ulong edi, esi, ebp, ebx, edx, ecx, eax;
	ulong vector, error;
	ulong ip, cs, flags;
	ulong sp, ss; /* only if from_user() */
};

/* A system call: its number and then its result, and its arguments. */
#define CALL_NUMBER eax
#define CALL_RESULT eax
#define ARG0	    ebx
#define ARG1	    ecx
#define ARG2	    edx
#define ARG3	    esi
#define ARG4	    edi
#define ARG5	    ebp

/* What a new process or thread finds in its registers: start.S. */
#define START0 ebx
#define START1 ecx

/* Callee-saved registers of a context that is not running; swtch() in entry.S. */
struct context {
	ulong edi, esi, ebx, ebp, ip;
};

static inline bool from_user(const struct trapframe *tf)
{
	return (tf->cs & 3) == 3;
}

#endif
