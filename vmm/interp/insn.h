/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One decoded instruction, reduced to what execution needs: small enough to be cached, and free
 * of pointers into the guest or the decoder. Only decode.c knows Zydis' own structures.
 *
 * Read first: interp.h. Read next: exec.h.
 */
#ifndef UMBRA_INTERP_INSN_H
#define UMBRA_INTERP_INSN_H

#include <Zydis/Zydis.h>

#include "vmm/cpu/ops.h"

#define INSN_MAX_LEN 15
#define INSN_OPNDS   4 /* no instruction of ours has more visible operands */

enum opnd_kind {
	OPND_NONE,
	OPND_REG,   /* low size bytes of general register reg */
	OPND_REG8H, /* AH, CH, DH, BH: bits 8-15 of general register reg */
	OPND_MEM,
	OPND_IMM, /* sign- or zero-extended to 64 bits as the manual says */
	OPND_FAR, /* ptr16:16 or ptr16:32: far_sel and imm */
	OPND_SEG,
	OPND_CR,
	OPND_DR,
	OPND_VEC, /* XMM or YMM, by size */
	OPND_MM,
	OPND_VSIB,  /* memory, by a vector of indices: reg of index */
	OPND_OTHER, /* x87 registers, mask and such: nothing reads these as an operand */
};

#define REG_NONE 0xff
#define REG_RIP	 0xfe

struct opnd {
	uint8_t kind;  /* enum opnd_kind */
	uint8_t size;  /* in bytes; 0 where the size has no meaning */
	uint8_t reg;   /* number in its file */
	uint8_t seg;   /* OPND_MEM: enum cpu_seg */
	uint8_t base;  /* OPND_MEM: general register, REG_NONE or REG_RIP */
	uint8_t index; /* OPND_MEM: general register or REG_NONE */
	uint8_t shift; /* OPND_MEM: log2 of the scale */
	uint8_t role;  /* ROLE_ */
	uint16_t far_sel;
	uint64_t imm; /* immediate, far offset, or displacement */
};

/* What an operand is for and where its number is encoded. */
#define ROLE_READ  (1u << 0)
#define ROLE_WRITE (1u << 1)
#define ROLE_REG   (1u << 2) /* ModRM.reg */
#define ROLE_RM	   (1u << 3) /* ModRM.rm */
#define ROLE_VVVV  (1u << 4) /* VEX.vvvv */
#define ROLE_IS4   (1u << 5) /* bits 7 to 4 of an immediate */

/* Families of instructions executed alike, without an entry each in table.c. */
enum insn_unit {
	UNIT_NONE,
	UNIT_ABSENT, /* not offered in CPUID */
	UNIT_X87,
	UNIT_SIMD,     /* MMX, SSE, SSE2 */
	UNIT_SIMD_NEW, /* SSE3 to SSE4.2: CPUID offers them if the host has them */
	UNIT_AVX,      /* with VEX, and offered if the host has them */
	UNIT_AVX2,
	UNIT_FMA,
	UNIT_F16C,
	UNITS
};

enum insn_rep { REP_NONE, REP_E, REP_NE };

struct insn {
	uint16_t mnemonic;
	uint8_t len;
	uint8_t opsize;	  /* effective operand size in bytes */
	uint8_t addrsize; /* effective address size in bytes */
	uint8_t nops;	  /* visible operands */
	uint8_t rep;	  /* REP_E also stands for plain REP */
	uint8_t seg;	  /* override, or CPU_SEGS: for implicit operands only */
	bool lock;
	bool rex_w;	 /* or VEX.W; false where the mode has no use for it */
	bool far_branch; /* JMP, CALL and RET are one mnemonic for near and far */
	bool vex;	 /* VEX encoded */
	bool evex;
	bool wide;    /* an operand has 32 bytes */
	uint8_t unit; /* enum insn_unit */
	uint8_t map;  /* opcode map: 0, 1 for 0F, 2 for 0F38, 3 for 0F3A */
	uint8_t opcode;
	uint8_t modrm;	/* 0 if there is none */
	uint8_t prefix; /* mandatory prefix or 0 */
	uint8_t imm8;
	struct opnd op[INSN_OPNDS];
};

/* What is wrong with the bytes. */
enum decode_status {
	DECODE_OK,
	DECODE_MORE,	/* the instruction goes on behind them */
	DECODE_INVALID, /* #UD */
	DECODE_LONG,	/* more than 15 bytes: #GP(0) */
};

/* Decoders by how code is read (SDM vol. 3, section 3.4.5, D and L flags). */
enum decode_mode {
	DECODE_LONG64,
	DECODE_COMPAT32,
	DECODE_COMPAT16,
	DECODE_LEGACY32,
	DECODE_LEGACY16,
	DECODE_REAL16,
	DECODE_MODES
};

struct decoders {
	ZydisDecoder by_mode[DECODE_MODES];
};

/* False if the library refuses, which it never does for the modes above. */
bool decoders_init(struct decoders *d);
enum decode_mode decode_mode_of(const struct cpu_state *s);
enum decode_status decode_insn(const struct decoders *d, enum decode_mode mode,
			       const uint8_t *bytes, unsigned len, struct insn *out);

#endif
