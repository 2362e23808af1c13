/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One random vector or x87 instruction with the state it finds: what interp_vector.c and the maker
 * of VEX encodings share.
 */
#ifndef TESTS_INTERP_VECTOR_H
#define TESTS_INTERP_VECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "interp_native.h"
#include "vmm/cpu/state.h"

#define DATA_LEN 1024u
#define MIDDLE	 (NATIVE_DATA + DATA_LEN / 2)

struct gen {
	uint64_t rng;
	uint8_t bytes[15];
	unsigned len;
	bool x87;
	struct native_regs regs;
	struct cpu_fpu fpu;
	uint8_t ymm_high[16][16];
	uint8_t data[DATA_LEN];
};

uint64_t vector_rnd(struct gen *g);
unsigned vector_pick(struct gen *g, unsigned n);
void vector_put(struct gen *g, unsigned byte);
/* ModRM and what belongs to it; imm: an immediate of one byte will follow. */
void vector_put_modrm(struct gen *g, bool imm);
#define rnd	  vector_rnd
#define pick	  vector_pick
#define put	  vector_put
#define put_modrm vector_put_modrm

/* Whether the host has all that CPUID can offer with VEX. */
bool vector_has_avx(void);

/* interp_vector_vex.c: bytes, then what registers they need. */
void vector_vex(struct gen *g);
void vector_vex_registers(struct gen *g);
/* Every mnemonic of the families must have run. */
void vector_vex_coverage(void);

#endif
