/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways into and out of the kernel: 256 vectors, of which INT 0x80 is the system call, the return to
 * user mode, and the context switch. All gates are interrupt gates, so the kernel is entered with
 * IF clear. DS and ES are loaded on the way in, whatever the user had there, and GS with struct
 * cpu; on the way out to ring 3 the CPU makes GS null by itself, since its DPL is 0.
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
	pushl $0
	.endif
	pushl $v
	jmp trap_entry
	.set v, v + 1
	.endr

	.balign 16
trap_entry:
	pushl %eax
	pushl %ecx
	pushl %edx
	pushl %ebx
	pushl %ebp
	pushl %esi
	pushl %edi
	movl $SEL_KDATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl $SEL_PERCPU, %eax
	movl %eax, %gs
	cld
	pushl %esp
	call trap
	addl $4, %esp
	.globl trap_return
trap_return:
	testb $3, 40(%esp) /* saved CS: seven registers, vector, error, ip, cs */
	jz 1f
	movl $SEL_UDATA, %eax
	movl %eax, %ds
	movl %eax, %es
1:	popl %edi
	popl %esi
	popl %ebp
	popl %ebx
	popl %edx
	popl %ecx
	popl %eax
	addl $8, %esp
	iret

	/* void swtch(struct context **save, struct context *next): see struct context */
	.globl swtch
swtch:
	movl 4(%esp), %eax
	movl 8(%esp), %edx
	pushl %ebp
	pushl %ebx
	pushl %esi
	pushl %edi
	movl %esp, (%eax)
	movl %edx, %esp
	popl %edi
	popl %esi
	popl %ebx
	popl %ebp
	ret

	/* A new process starts here with the scheduler lock held and its frame on top of the stack. */
	.globl process_entry
process_entry:
	call sched_first_run
	jmp trap_return

	/*
	 * void probe_exec(ulong target): call target; a fault on the very first fetch comes back here.
	 * trap.c continues at probe_exec_fault; the stack pointer is in struct cpu.
	 */
	.globl probe_exec, probe_exec_fault
probe_exec:
	movl 4(%esp), %eax
	pushl %ebp
	pushl %ebx
	pushl %esi
	pushl %edi
	movl %esp, %gs:CPU_EXEC_SP
	call *%eax
probe_exec_fault:
	movl %gs:CPU_EXEC_SP, %esp
	movl $0, %gs:CPU_EXEC_SP
	popl %edi
	popl %esi
	popl %ebx
	popl %ebp
	ret

	.section .note.GNU-stack, "", @progbits
