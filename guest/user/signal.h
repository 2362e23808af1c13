/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a handler gets, on the stack of the process it interrupts:
 *
 *   | regs | blocked | addr | error | vector | signal |   <- frame    pointer to it, return address   <- SP
 *
 * It is called as a function with the frame's address for its argument, and returns to the
 * restorer, which does SYS_SIGRETURN: then all registers are those in the frame.
 */
#ifndef GUEST_SIGNAL_H
#define GUEST_SIGNAL_H

#include "frame.h"

struct sigframe {
	ulong signal;
	ulong vector, error, addr; /* of SIG_FAULT */
	ulong blocked;		   /* signals whose handlers it interrupts; they wait */
	struct trapframe regs;	   /* selectors and system flags are not taken back */
};

#endif
