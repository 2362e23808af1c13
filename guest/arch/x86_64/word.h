/* SPDX-License-Identifier: BSD-2-Clause */
/* What the word size alone decides: directives, gates. */
#ifndef GUEST_WORD_H
#define GUEST_WORD_H

#include "layout.h"

#define ASM_WORD ".quad"

struct gate {
	u16 offset0, selector, flags, offset1;
	u32 offset2, reserved;
};

#define GATE_KERNEL 0x8e00 /* interrupt gate, DPL 0 */
#define GATE_USER   0xee00
#define GATE_DF	    (GATE_KERNEL | 1) /* a stack of its own: IST 1 */
#define GATE_LOOP   (GATE_KERNEL | 1)

static inline struct gate gate_make(ulong at, u16 flags)
{
	return (struct gate){(u16)at, SEL_KCODE, flags, (u16)(at >> 16), (u32)(at >> 32), 0};
}

#endif
