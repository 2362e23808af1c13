/* SPDX-License-Identifier: BSD-2-Clause */
/* What the word size alone decides: directives, gates. */
#ifndef GUEST_WORD_H
#define GUEST_WORD_H

#include "layout.h"

#define ASM_WORD ".long"

struct gate {
	u16 offset0, selector, flags, offset1;
};

#define GATE_KERNEL 0x8e00 /* interrupt gate, DPL 0 */
#define GATE_USER   0xee00
#define GATE_DF	    GATE_KERNEL
#define GATE_LOOP   GATE_KERNEL

static inline struct gate gate_make(ulong at, u16 flags)
{
	return (struct gate){(u16)at, SEL_KCODE, flags, (u16)(at >> 16)};
}

#endif
