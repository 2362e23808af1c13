/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a process enters ring 3: program number and argument in RDI, RSI; exit with what it returns. */
	.text
	.globl _start
_start:
	call user_main
	movq %rax, %rdi
	movl $1, %eax /* SYS_EXIT */
	syscall
	ud2

	/*
	 * long call_keeping(long number, unsigned long out[7]): a system call with known values in the
	 * registers it must keep; out: rbx rbp r12 r13 r14 rcx r11 afterwards.
	 */
	.globl call_keeping, call_keeping_return
call_keeping:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsi, %r15
	movq %rdi, %rax
	movabs $0x1111222233334444, %rbx
	leaq 1(%rbx), %rbp
	leaq 2(%rbx), %r12
	leaq 3(%rbx), %r13
	leaq 4(%rbx), %r14
	syscall
call_keeping_return:
	movq %rbx, (%r15)
	movq %rbp, 8(%r15)
	movq %r12, 16(%r15)
	movq %r13, 24(%r15)
	movq %r14, 32(%r15)
	movq %rcx, 40(%r15)
	movq %r11, 48(%r15)
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	/* Where a signal's handler returns to. */
	.globl signal_restorer
signal_restorer:
	movl $0x1000, %eax /* SYS_SIGRETURN */
	syscall
	ud2

	.section .note.GNU-stack, "", @progbits
