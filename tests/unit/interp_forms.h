/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The instruction forms of the differential test, as a table of encodings.
 */
#ifndef TESTS_INTERP_FORMS_H
#define TESTS_INTERP_FORMS_H

#include <stdint.h>

#define F_BYTE	(1u << 0) /* 8-bit operands: no operand-size prefix, no REX.W */
#define F_LOCK	(1u << 1) /* may take LOCK with a memory operand */
#define F_MEM	(1u << 2) /* memory operand only */
#define F_REG	(1u << 3) /* register operand only */
#define F_BITS	(1u << 4) /* register operand is a bit offset into memory */
#define F_NO66	(1u << 5) /* no operand-size prefix */
#define F_NOW	(1u << 6) /* no REX.W */
#define F_VEX	(1u << 7)
#define F_ACC	(1u << 8)  /* prefers a small rDX, so that division succeeds at times */
#define F_ALIGN (1u << 9)  /* memory operand aligned to 16 bytes */
#define F_STACK (1u << 10) /* rSP points into the data page */
#define F_STR	(1u << 11) /* rSI and rDI point into the data page, rCX is small */
#define F_W	(1u << 12) /* always REX.W */

#define F_OF1	 (1u << 13) /* OF is compared after a count of 1 only */
#define F_BRANCH (1u << 14) /* relative: goes where a taken branch lands */
#define F_TARGET (1u << 15) /* its operand is where a taken branch lands */
#define F_RETURN (1u << 16) /* the top of the stack is */
#define F_POPF	 (1u << 17) /* the top of the stack is fit for RFLAGS */
#define F_XLAT	 (1u << 18) /* rBX points into the data page */

/* modrm: how the ModRM byte is made. */
enum { M_NONE = -2, M_ANY = -1 }; /* 0..7: that value in the reg field */

enum form_imm { I_NONE, I_8, I_Z, I_V, I_16, I_W, I_REL8, I_REL32 };

struct form {
	const char *name;
	uint8_t map; /* 0, 1: 0F, 2: 0F38, 3: 0F3A */
	uint8_t op;
	uint8_t prefix; /* mandatory 66, F2 or F3 */
	int8_t modrm;
	uint8_t imm;	 /* enum form_imm */
	uint8_t op_regs; /* this many opcodes from op on: a register in its low bits, or a cc */
	uint32_t flags;	 /* F_ */
	uint32_t undefined; /* RFLAGS bits not compared */
};

extern const struct form forms[];
extern const unsigned nforms;

#endif
