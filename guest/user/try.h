/* SPDX-License-Identifier: BSD-2-Clause */
/* An instruction that may fault, with skip_fault() for the handler of SIG_FAULT: it goes on behind
 * it, and counts. */
#ifndef GUEST_TRY_H
#define GUEST_TRY_H

#include "user/user.h"

/* programs_signal.c */
extern volatile u32 resume_at; /* text lies below 4 GiB on every image */
extern volatile ulong faults;
void skip_fault(struct sigframe *f);

#define TRY(insn, va)                               \
	asm volatile("movl $1f, %0\n\t" insn "\n1:" \
		     : "=m"(resume_at)              \
		     : "r"(va)                      \
		     : "eax", "edx", "memory", "cc")
#define READ  "movl (%1), %%eax"
#define WRITE "movl $1, (%1)"

#endif
