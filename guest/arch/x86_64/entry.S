/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways into and out of the kernel: 256 vectors, SYSCALL, the return to user mode, and the context
 * switch. All gates are interrupt gates, so the kernel is entered with IF clear. GS is the user's
 * exactly while CPL is 3: whether to swap it is read from the CS the CPU saved.
 */
#include "layout.h"

	.text
	.globl vectors
	.balign 16
vectors: /* each entry is 16 bytes: push 0 (unless the CPU pushed an error code), push vector, jmp */
	.set v, 0
	.rept 256
	.balign 16
	.if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)
	pushq $0
	.endif
	pushq $v
	jmp trap_entry
	.set v, v + 1
	.endr

	.macro PUSH_REGS
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro POP_REGS
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
	.endm

	.balign 16
trap_entry:
	testb $3, 24(%rsp) /* saved CS: vector, error, rip, cs */
	jz 1f
	swapgs
1:	PUSH_REGS
	cld
	movq %rsp, %rdi
	movabs $trap, %rax
	call *%rax
	.globl trap_return
trap_return:
	POP_REGS
	addq $16, %rsp
	testb $3, 8(%rsp)
	jz 1f
	swapgs
1:	iretq

	.globl syscall_entry
	.balign 16
syscall_entry:
	swapgs
	movq %rsp, %gs:CPU_USER_SP
	movq %gs:CPU_KSTACK, %rsp
	pushq $SEL_UDATA
	pushq %gs:CPU_USER_SP
	pushq %r11
	pushq $SEL_UCODE
	pushq %rcx
	pushq $0
	pushq $TRAP_SYSCALL
	PUSH_REGS
	movq %rsp, %rdi
	movabs $syscall, %rax
	call *%rax
	testb %al, %al /* all registers: RCX and R11, which SYSRETQ needs, are the user's too */
	jnz trap_return
	POP_REGS
	movq 16(%rsp), %rcx
	movq 32(%rsp), %r11
	movq 40(%rsp), %rsp
	swapgs
	sysretq

	/* void swtch(struct context **save, struct context *next): see struct context */
	.globl swtch
swtch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

	/* A new process starts here with the scheduler lock held and its frame on top of the stack. */
	.globl process_entry
process_entry:
	movabs $sched_first_run, %rax
	call *%rax
	jmp trap_return

	/*
	 * void probe_exec(ulong target): call target; a fault on the very first fetch comes back here.
	 * trap.c continues at probe_exec_fault; the stack pointer is in struct cpu.
	 */
	.globl probe_exec, probe_exec_fault
probe_exec:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %gs:CPU_EXEC_SP
	call *%rdi
probe_exec_fault:
	movq %gs:CPU_EXEC_SP, %rsp
	movq $0, %gs:CPU_EXEC_SP
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

	.section .note.GNU-stack, "", @progbits
