/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's AVX unit at work for the guest, in the manner of fpu_host.S: ModRM.reg is register 2,
 * ModRM.rm register 1 or the memory at RSI, VEX.vvvv register 3, a register in an immediate is
 * register 0. Upper halves of the vector registers are the caller's to lose (System V ABI), and are
 * cleared, so that SSE code that follows runs at full speed.
 *
 * The layout of struct fpu_host is known here. Read first: fpu_host.S, avx_ops.h.
 */
#include "vmm/interp/avx_ops.h"
#include "vmm/interp/fpu_ops.h"

#define H_MEM	     512
#define H_RAX	     688
#define H_RCX	     696
#define H_RDX	     704
#define H_FLAGS	     712
#define H_MXCSR	     720
#define H_HOST_MXCSR 724
#define H_YMM	     736

	.text

/* void fpu_host_avx(struct fpu_host *h, const void *stub): YMM0 to YMM3, MXCSR, general registers
 * and flags of *h. */
	.globl	fpu_host_avx
	.type	fpu_host_avx, @function
	.balign	16
fpu_host_avx:
	push	%rbx
	push	%r12
	mov	%rdi, %rbx
	mov	%rsi, %r12
	stmxcsr	H_HOST_MXCSR(%rbx)
	ldmxcsr	H_MXCSR(%rbx)
	vmovdqu	H_YMM(%rbx), %ymm0
	vmovdqu	H_YMM+32(%rbx), %ymm1
	vmovdqu	H_YMM+64(%rbx), %ymm2
	vmovdqu	H_YMM+96(%rbx), %ymm3
	lea	H_MEM(%rbx), %rsi
	mov	H_RAX(%rbx), %rax
	mov	H_RCX(%rbx), %rcx
	mov	H_RDX(%rbx), %rdx
	push	H_FLAGS(%rbx)
	popfq
	call	*%r12
	pushfq
	pop	H_FLAGS(%rbx)
	mov	%rax, H_RAX(%rbx)
	mov	%rcx, H_RCX(%rbx)
	mov	%rdx, H_RDX(%rbx)
	vmovdqu	%ymm0, H_YMM(%rbx)
	vmovdqu	%ymm1, H_YMM+32(%rbx)
	vmovdqu	%ymm2, H_YMM+64(%rbx)
	vmovdqu	%ymm3, H_YMM+96(%rbx)
	vzeroupper
	stmxcsr	H_MXCSR(%rbx)
	ldmxcsr	H_HOST_MXCSR(%rbx)
	pop	%r12
	pop	%rbx
	ret
	.size	fpu_host_avx, . - fpu_host_avx

/* Eight bytes at most. */
	.macro	vstub	prefix, w, l, v, map, op, modrm, imm=-1
	.balign	8, 0xcc
	.set	pp, (\prefix == 0x66) * -1 + (\prefix == 0xf3) * -2 + (\prefix == 0xf2) * -3
	.byte	0xc4, 0xe0 + \map
	.byte	\w * 128 + (15 - 3 * \v) * 8 + \l * 4 + pp
	.byte	\op, \modrm
	.if	\imm >= 0
	.byte	\imm
	.endif
	ret
	.endm

/* Register and memory form; with W, with L, with vvvv. */
	.macro	vstubs	prefix, map, op
	.irp	v, 0, 1
	.irp	l, 0, 1
	.irp	w, 0, 1
	vstub	\prefix, \w, \l, \v, \map, \op, 0xd1
	vstub	\prefix, \w, \l, \v, \map, \op, 0x16
	.endr
	.endr
	.endr
	.endm

	.section .text.avx_stubs, "ax", @progbits
	.globl	avx_stubs_0f, avx_stubs_38, avx_stubs_imm
	.balign	64
avx_stubs_0f:
	.irp	op, FPU_OPS_0F
	vstubs	0, 1, \op
	vstubs	0x66, 1, \op
	vstubs	0xf2, 1, \op
	vstubs	0xf3, 1, \op
	.endr

	.balign	64, 0xcc
avx_stubs_38:
	.irp	op, AVX_OPS_38
	vstubs	0x66, 2, \op
	.endr

/* For each row the register form with every immediate, then the memory form. */
	.macro	vstubs_imm prefix, map, op, reg, w, l, v
	.set	imm, 0
	.rept	256
	vstub	\prefix, \w, \l, \v, \map, \op, (0xc1 + \reg * 8), imm
	.set	imm, imm + 1
	.endr
	.set	imm, 0
	.rept	256
	vstub	\prefix, \w, \l, \v, \map, \op, (0x06 + \reg * 8), imm
	.set	imm, imm + 1
	.endr
	.endm

	.balign	64, 0xcc
avx_stubs_imm:
#define VSTUBS_IMM(prefix, map, op, reg, w, l, v) vstubs_imm prefix, map, op, reg, w, l, v;
	AVX_OPS_IMM(VSTUBS_IMM)

	.section .note.GNU-stack, "", @progbits
