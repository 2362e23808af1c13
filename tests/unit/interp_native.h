/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs one instruction on the processor the test runs on: the oracle of the differential test.
 */
#ifndef TESTS_INTERP_NATIVE_H
#define TESTS_INTERP_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

/* The layout is known to the assembly in interp_native.c. */
struct native_regs {
	uint64_t gpr[16]; /* in the order of their encoding, RSP included */
	uint64_t rflags;  /* CF PF AF ZF SF DF OF only go in */
};

/* One linear region for both sides: a page of code, then a page of data. */
#define NATIVE_BASE 0x10000000ull
#define NATIVE_CODE NATIVE_BASE
#define NATIVE_DATA (NATIVE_BASE + 0x1000)

/* Maps the region and takes over SIGFPE, SIGILL and SIGSEGV. False if it can't be had. */
bool native_open(void);
void native_close(void);

/* The FXSAVE64 image at the fault that native_run() returned. */
extern uint8_t native_fault_fpu[512];
extern uint8_t native_fault_ymm[16][16]; /* and bits 128 to 255 of the vector registers */

/* A branch that goes this far lands where it is seen to be taken. */
#define NATIVE_BRANCH 14u
extern uint8_t native_taken;

/* Executes the bytes at NATIVE_CODE. Returns 0, or the signal it raised with *r as it was then.
 */
int native_run(const uint8_t *bytes, unsigned len, struct native_regs *r);

#endif
