/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ring 3: where a process enters it, with the program's number and argument in EBX and ECX, and the
 * system call.
 */
	.text
	.globl _start
_start:
	pushl %ecx
	pushl %ebx
	call user_main
	movl %eax, %ebx
	movl $1, %eax /* SYS_EXIT */
	int $0x80
	ud2

	/* long call6(long number, ulong a, b, c, d, e, f) */
	.globl call6
call6:
	pushl %ebp
	pushl %ebx
	pushl %esi
	pushl %edi
	movl 20(%esp), %eax
	movl 24(%esp), %ebx
	movl 28(%esp), %ecx
	movl 32(%esp), %edx
	movl 36(%esp), %esi
	movl 40(%esp), %edi
	movl 44(%esp), %ebp
	int $0x80
	popl %edi
	popl %esi
	popl %ebx
	popl %ebp
	ret

	/*
	 * long call_keeping(long number, ulong out[7]): a system call with known values in the
	 * registers it must keep; out: five of them afterwards, the address behind INT, the flags.
	 */
	.globl call_keeping, call_keeping_return
call_keeping:
	pushl %ebx
	pushl %ebp
	pushl %esi
	pushl %edi
	movl 20(%esp), %eax
	movl $0x11112222, %ebx
	leal 1(%ebx), %ebp
	leal 2(%ebx), %ecx
	leal 3(%ebx), %edx
	leal 4(%ebx), %esi
	int $0x80
call_keeping_return:
	movl 24(%esp), %edi
	movl %ebx, (%edi)
	movl %ebp, 4(%edi)
	movl %ecx, 8(%edi)
	movl %edx, 12(%edi)
	movl %esi, 16(%edi)
	movl $call_keeping_return, 20(%edi)
	pushfl
	popl 24(%edi)
	popl %edi
	popl %esi
	popl %ebp
	popl %ebx
	ret

	/* Where a signal's handler returns to. */
	.globl signal_restorer
signal_restorer:
	movl $0x1000, %eax /* SYS_SIGRETURN */
	int $0x80
	ud2

	.section .note.GNU-stack, "", @progbits
