/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the handlers of vector and x87 instructions share.
 *
 * Arithmetic is done by the host's own units: an operand more or less exotic rounds, raises and
 * reports as on a processor, because it is one. The stubs (fpu_host.S) take their operands from
 * fixed registers and a bounce buffer, never from guest memory or guest registers.
 *
 * The host is never trapped. SSE runs with all exceptions masked; what the guest doesn't mask is
 * found in the flags (sse.c). x87 runs with the guest's own masks: it traps in the *next* waiting
 * instruction, and that one is never executed (x87.c).
 *
 * Read first: exec.h, ../cpu/fpu.h. Read next: sse.c, fpu_x87.c.
 */
#ifndef UMBRA_INTERP_FPU_H
#define UMBRA_INTERP_FPU_H

#include "vmm/interp/exec.h"

/* The layout is known to fpu_host.S. */
struct fpu_host {
	struct cpu_fpu fx; /* fpu_host_all() */
	_Alignas(16) uint8_t mem[128];
	uint8_t xmm[3][16]; /* fpu_host_sse() */
	uint64_t rax, rcx, rdx, flags;
	uint32_t mxcsr; /* fpu_host_sse() */
	uint32_t host_mxcsr;
	uint16_t host_fcw;
	_Alignas(8) uint8_t ymm[4][32]; /* fpu_host_avx() */
};

/* Registers a stub's operands are in. */
enum { FPU_SLOT_IMPLICIT, FPU_SLOT_RM, FPU_SLOT_REG, FPU_SLOT_VVVV };
#define FPU_SLOT_IS4 FPU_SLOT_IMPLICIT

#define FPU_FLAGS (RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_OF)

void fpu_host_sse(struct fpu_host *h, const void *stub);
void fpu_host_all(struct fpu_host *h, const void *stub);
void fpu_host_avx(struct fpu_host *h, const void *stub);
extern const char fpu_stub_ret[];

/* fpu_stub.c. NULL if there is none. */
const void *fpu_stub_simd(const struct insn *i);
const void *fpu_stub_avx(const struct insn *i);
const void *fpu_stub_x87(const struct insn *i);

/* sse.c */
enum cpu_result fpu_take(struct exec *x, bool write); /* makes x->c->s.fpu the guest's own */
enum cpu_result sse_ready(struct exec *x);
bool sse_misaligned(const struct exec *x, const struct opnd *o);
enum cpu_result x_simd(struct exec *x);
/* Whether this vector instruction, with VEX or without, can be executed. */
enum cpu_result vec_ready(struct exec *x);
/* Runs a stub by run, which returns the flags it raised, with the exceptions masked that the guest
 * has not: returns the flags to set, and in *due whether an exception is. */
typedef uint32_t (*simd_run)(struct fpu_host *h, const void *stub, uint32_t mxcsr);
uint32_t simd_masked(struct fpu_host *h, const void *stub, simd_run run, uint32_t guest,
		     bool *due);
/* Sets the flags; #XM or #UD. */
enum cpu_result simd_exception(struct exec *x, uint32_t flags);
enum cpu_result x_ldmxcsr(struct exec *x);
enum cpu_result x_stmxcsr(struct exec *x);
enum cpu_result x_maskmov(struct exec *x);

/* avx.c */
#define VEC_BYTES 32
enum cpu_result avx_ready(struct exec *x);
void vec_get(const struct cpu_state *s, unsigned reg, uint8_t val[VEC_BYTES]);
void vec_set(struct cpu_state *s, unsigned reg, const uint8_t val[VEC_BYTES]);
enum cpu_result x_avx(struct exec *x);
enum cpu_result x_vzero(struct exec *x);

/* avx_mask.c */
enum cpu_result x_vmaskmov(struct exec *x);
enum cpu_result x_gather(struct exec *x);

/* sse_mmx.c */
enum cpu_result mmx_ready(struct exec *x);
bool mmx_involved(const struct insn *i);
void mmx_enter(struct cpu_fpu *f);
enum cpu_result x_emms(struct exec *x);

/* fpu_x87.c */
enum cpu_result x_x87(struct exec *x);
enum cpu_result x_wait(struct exec *x);
/* Lets the host put FSW in order after an image came from the guest's memory. */
void fpu_canonical(struct cpu_fpu *f);

/* fpu_env.c */
enum cpu_result x_fpu_store_env(struct exec *x, const struct opnd *o);
enum cpu_result x_fpu_load_env(struct exec *x, const struct opnd *o);

/* fpu_image.c */
enum cpu_result fpu_read_block(struct exec *x, const struct opnd *o, void *buf, unsigned len);
enum cpu_result fpu_write_block(struct exec *x, const struct opnd *o, const void *buf,
				unsigned len);
/* Finds both ends, and so every page, writable: a store that follows does not stop in between. */
enum cpu_result fpu_check_block(struct exec *x, const struct opnd *o, unsigned len);
enum cpu_result x_fxsave(struct exec *x);
enum cpu_result x_fxrstor(struct exec *x);

/* xsave.c */
enum cpu_result x_xsave(struct exec *x);
enum cpu_result x_xrstor(struct exec *x);
enum cpu_result x_xgetbv(struct exec *x);

#endif
