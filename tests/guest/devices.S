/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A kernel for the test of system_reset: says what it finds in the registers of Umbra's devices and of
 * its local APIC, whether something writes into its frames, and then leaves an interrupt pending and a
 * capture under way, for good. Flat, without paging, interrupts off.
 *
 * Built by the test: as --32, ld -m elf_i386 -N -Ttext 0x100000. Registers: docs/devices.md.
 */
	.set CAPTURE, 0xfec80000
	.set SWAP, 0xfec81000
	.set APIC, 0xfee00000
	.set LIST, 0x200000
	.set FRAMES, 0x400000 /* 1024 of them */
	.set VECTOR, 0x40

	.text
	.globl _start
	.long 0x1badb002, 0, -0x1badb002
_start:
	cli
	movl $0x180000, %esp

	/* ---- what there is ---- */
	movl $found, %esi
	call text
	movl $registers, %ebx
1:	movl (%ebx), %edx
	testl %edx, %edx
	jz 2f
	movl (%edx), %eax
	call hex
	addl $4, %ebx
	jmp 1b
2:
	/* Frames stay as they are written, for as long as all of them take. */
	call clear
	movl $64, %ecx
3:	call count
	testl %eax, %eax
	jnz 4f
	loop 3b
4:	call hex
	movl $end_of_line, %esi
	call text

	/* ---- an interrupt that stays pending ---- */
	movl $0x1ff, APIC + 0xf0
	movl $APIC, SWAP + 0x18
	movl $VECTOR, SWAP + 0x1c
	movl $0, SWAP + 0x100
	movl $FRAMES, SWAP + 0x104
	movl $0, SWAP + 0x108
	movl $2, SWAP + 0x10c
5:	testl $1, APIC + 0x200 + VECTOR / 32 * 16
	jz 5b

	/* ---- captures without end ---- */
	movl $LIST, %edi
	movl $FRAMES, %eax
	movl $1024, %ecx
6:	movl %eax, (%edi)
	movl $0, 4(%edi)
	addl $4096, %eax
	addl $8, %edi
	loop 6b
	movl $LIST, CAPTURE + 0x10
	movl $0, CAPTURE + 0x14
	movl $1024, CAPTURE + 0x18
	movl $APIC, CAPTURE + 0x28
	movl $VECTOR + 1, CAPTURE + 0x2c
	movl $1, CAPTURE + 0x08
	movl $armed, %esi
	call text
7:	testl $1, CAPTURE + 0x0c
	jnz 7b
	movl $1, CAPTURE + 0x08
	jmp 7b

/* The first word of each frame is 0. */
clear:
	pushl %ecx
	movl $FRAMES, %edi
	movl $1024, %ecx
1:	movl $0, (%edi)
	addl $4096, %edi
	loop 1b
	popl %ecx
	ret

/* EAX: how many frames' first words are not. */
count:
	pushl %ecx
	movl $FRAMES, %edi
	movl $1024, %ecx
	xorl %eax, %eax
1:	cmpl $0, (%edi)
	je 2f
	incl %eax
2:	addl $4096, %edi
	loop 1b
	popl %ecx
	ret

/* ---- the serial line ---- */
put:
	pushl %eax
	movw $0x3fd, %dx
1:	inb %dx, %al
	testb $0x20, %al
	jz 1b
	popl %eax
	movw $0x3f8, %dx
	outb %al, %dx
	ret

text:
	lodsb
	testb %al, %al
	jz 1f
	call put
	jmp text
1:	ret

/* A space and EAX. */
hex:
	pushl %ecx
	movl %eax, %edi
	movb $' ', %al
	call put
	movl $8, %ecx
1:	roll $4, %edi
	movl %edi, %eax
	andl $15, %eax
	movb digits(%eax), %al
	call put
	loop 1b
	popl %ecx
	ret

	.data
registers:
	.long CAPTURE + 0x00, CAPTURE + 0x0c, CAPTURE + 0x10, CAPTURE + 0x18, CAPTURE + 0x1c
	.long CAPTURE + 0x20, CAPTURE + 0x24, CAPTURE + 0x28, CAPTURE + 0x2c
	.long SWAP + 0x00, SWAP + 0x0c, SWAP + 0x18, SWAP + 0x1c, SWAP + 0x104, SWAP + 0x10c
	.long APIC + 0xf0, APIC + 0x200 + VECTOR / 32 * 16
	.long 0
found:
	.asciz "found"
armed:
	.asciz "armed\n"
end_of_line:
	.asciz "\n"
digits:
	.ascii "0123456789abcdef"
