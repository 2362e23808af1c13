/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's own vector and x87 units at work for the guest: two ways to load operands around a
 * stub, and the stubs, one instruction and a RET each. All are assembled here: nothing is written
 * at run time, so no page need ever be writable and executable, and only what fpu_ops.h lists
 * exists. An instruction finds its operands in fixed places: ModRM.reg is register 2, ModRM.rm is
 * register 1 or the memory at RSI; RAX and XMM0 are the implicit ones.
 *
 * The layout of struct fpu_host is known here. Read first: fpu.h, fpu_ops.h.
 */
#include "vmm/interp/fpu_ops.h"

#define H_MEM	     512
#define H_XMM	     640
#define H_RAX	     688
#define H_RCX	     696
#define H_RDX	     704
#define H_FLAGS	     712
#define H_MXCSR	     720
#define H_HOST_MXCSR 724
#define H_HOST_FCW   728

	.text

/* Calls the stub at R12 with the general registers and flags of *RBX. */
	.macro	call_stub
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
	.endm

/* void fpu_host_sse(struct fpu_host *h, const void *stub): XMM0 to XMM2 and MXCSR. */
	.globl	fpu_host_sse
	.type	fpu_host_sse, @function
	.balign	16
fpu_host_sse:
	push	%rbx
	push	%r12
	mov	%rdi, %rbx
	mov	%rsi, %r12
	stmxcsr	H_HOST_MXCSR(%rbx)
	ldmxcsr	H_MXCSR(%rbx)
	movaps	H_XMM(%rbx), %xmm0
	movaps	H_XMM+16(%rbx), %xmm1
	movaps	H_XMM+32(%rbx), %xmm2
	call_stub
	movaps	%xmm0, H_XMM(%rbx)
	movaps	%xmm1, H_XMM+16(%rbx)
	movaps	%xmm2, H_XMM+32(%rbx)
	stmxcsr	H_MXCSR(%rbx)
	ldmxcsr	H_HOST_MXCSR(%rbx)
	pop	%r12
	pop	%rbx
	ret
	.size	fpu_host_sse, . - fpu_host_sse

/* void fpu_host_all(struct fpu_host *h, const void *stub): everything in h->fx. An x87 exception
 * that the stub leaves pending is saved, then dropped by FNINIT: none of these waits. */
	.globl	fpu_host_all
	.type	fpu_host_all, @function
	.balign	16
fpu_host_all:
	push	%rbx
	push	%r12
	mov	%rdi, %rbx
	mov	%rsi, %r12
	stmxcsr	H_HOST_MXCSR(%rbx)
	fnstcw	H_HOST_FCW(%rbx)
	fxrstor64 (%rbx)
	call_stub
	fxsave64 (%rbx)
	fninit
	fldcw	H_HOST_FCW(%rbx)
	ldmxcsr	H_HOST_MXCSR(%rbx)
	pop	%r12
	pop	%rbx
	ret
	.size	fpu_host_all, . - fpu_host_all

/* Eight bytes at most. */
	.macro	stub	prefix, w, map, op, modrm, imm=-1
	.balign	8, 0xcc
	.if	\prefix
	.byte	\prefix
	.endif
	.if	\w
	.byte	0x48
	.endif
	.byte	0x0f
	.if	\map == 2
	.byte	0x38
	.endif
	.if	\map == 3
	.byte	0x3a
	.endif
	.byte	\op, \modrm
	.if	\imm >= 0
	.byte	\imm
	.endif
	ret
	.endm

/* Register and memory form, then both with REX.W, for no prefix, 66, F2, F3. */
	.macro	stubs	map, op
	.irp	prefix, 0, 0x66, 0xf2, 0xf3
	stub	\prefix, 0, \map, \op, 0xd1
	stub	\prefix, 0, \map, \op, 0x16
	stub	\prefix, 1, \map, \op, 0xd1
	stub	\prefix, 1, \map, \op, 0x16
	.endr
	.endm

	.section .text.fpu_stubs, "ax", @progbits
	.balign	64
	.globl	fpu_stubs_0f, fpu_stubs_38, fpu_stubs_imm, fpu_stubs_x87, fpu_stubs_x87_mem
	.globl	fpu_stub_ret
fpu_stub_ret:
	ret

	.balign	64, 0xcc
fpu_stubs_0f:
	.irp	op, FPU_OPS_0F
	stubs	1, \op
	.endr

	.balign	64, 0xcc
fpu_stubs_38:
	.irp	op, FPU_OPS_38
	stubs	2, \op
	.endr

/* For each row the register form with every immediate, then the memory form. */
	.macro	stubs_imm prefix, map, op, reg, w
	.set	imm, 0
	.rept	256
	stub	\prefix, \w, \map, \op, (0xc1 + \reg * 8), imm
	.set	imm, imm + 1
	.endr
	.set	imm, 0
	.rept	256
	stub	\prefix, \w, \map, \op, (0x06 + \reg * 8), imm
	.set	imm, imm + 1
	.endr
	.endm

	.balign	64, 0xcc
fpu_stubs_imm:
#define STUBS_IMM(prefix, map, op, reg, w) stubs_imm prefix, map, op, reg, w;
	FPU_OPS_IMM(STUBS_IMM)

/* D8 to DF with every ModRM of two registers, then with every reg field and memory. */
	.macro	stub_x87 op, modrm
	.balign	4, 0xcc
	.byte	\op, \modrm
	ret
	.endm

	.balign	64, 0xcc
fpu_stubs_x87:
	.set	n, 0
	.rept	512
	stub_x87 (0xd8 + n / 64), (0xc0 + n % 64)
	.set	n, n + 1
	.endr

	.balign	64, 0xcc
fpu_stubs_x87_mem:
	.set	n, 0
	.rept	64
	stub_x87 (0xd8 + n / 8), (0x06 + (n % 8) * 8)
	.set	n, n + 1
	.endr

	.section .note.GNU-stack, "", @progbits
