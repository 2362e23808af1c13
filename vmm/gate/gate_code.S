/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The gate's code: position independent, copied into the VM by gate.c. Read first: gate.h.
 *
 * Every instruction here may cost 0.7 us (a host that interprets ring 0), so the common ways back
 * have an entry of their own and carry their operand in a register the frame restores.
 */
#include "vmm/gate/gate.h"

	.section .rodata.gate, "a"
	.balign 4096
	.globl gate_code_start, gate_code_end, gate_iret, gate_touch_iret, gate_invlpg_iret
	.globl gate_work, gate_pop_iret, gate_done, gate_syscall, gate_stubs
	.code64

gate_code_start:

/* One stub of 4 bytes per exception vector: leave with the vector as the port. What follows the
 * OUT is never reached: the monitor always sets RIP. */
gate_stubs:
	.set vector, 0
	.rept 32
	out	%al, $vector
	jmp	.
	.set vector, vector + 1
	.endr

/* LSTAR: some hosts enter here on SYSCALL whatever EFER.SCE says. No stack is used. */
gate_syscall:
	out	%al, $GATE_PORT_SYSCALL
	jmp	.

/* RSP: struct gate_frame. */
gate_iret:
	iretq

/* RDI: slot to touch. RSP: guest RDI, then the frame. */
gate_touch_iret:
	lock orq $0, (%rdi)
	pop	%rdi
	iretq

/* RDI: address to invalidate. RSP as above. */
gate_invlpg_iret:
	invlpg	(%rdi)
	pop	%rdi
	iretq

/* RSI: list of 8-byte items: RCX slots to touch, then RDX tables to touch by one byte (a store
 * that fits no entry makes a shadowing host drop its copy of the whole table; at byte 0 it would
 * pass for an update of entry 0), then RBX
 * addresses to invalidate. RBP: 0, or the value to load into CR3. RSP: where to go on (gate_done or
 * gate_pop_iret). */
gate_work:
	jrcxz	2f
1:	lodsq
	lock orq $0, (%rax)
	loop	1b
2:	mov	%rdx, %rcx
	jrcxz	4f
3:	lodsq
	lock orb $0, 1(%rax)
	loop	3b
4:	mov	%rbx, %rcx
	jrcxz	6f
5:	lodsq
	invlpg	(%rax)
	loop	5b
6:	test	%rbp, %rbp
	jz	7f
	mov	%rbp, %cr3
7:	ret

gate_pop_iret:
	pop	%rax
	pop	%rbx
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rbp
	iretq

gate_done:
	out	%al, $GATE_PORT_DONE
	jmp	.

gate_code_end:
	.section .note.GNU-stack, "", @progbits
