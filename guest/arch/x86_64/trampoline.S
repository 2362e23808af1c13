/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an application processor starts after SIPI: copied to TRAMPOLINE_PA by smp.c, which fills in
 * the three words at the end. Real mode -> 32-bit protected mode -> long mode on the boot tables.
 */
#include "layout.h"

#define T(sym) (TRAMPOLINE_PA + sym - trampoline_start)

	.section .rodata
	.globl trampoline_start, trampoline_end, trampoline_cr3, trampoline_stack, trampoline_entry
	.balign 16
trampoline_start:
	.code16
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl T(tramp_gdt_reg)
	movl $0x11, %eax /* ET, PE */
	movl %eax, %cr0
	ljmpl $0x18, $T(tramp32)

	.code32
tramp32:
	movl $SEL_KDATA, %eax
	movl %eax, %ds
	movl %eax, %ss
	movl $BOOT_CR4, %eax
	movl %eax, %cr4
	movl T(trampoline_cr3), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	movl $0x901, %eax /* SCE, LME, NXE */
	xorl %edx, %edx
	wrmsr
	movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
	movl %eax, %cr0
	ljmp $SEL_KCODE, $T(tramp64)

	.code64
tramp64:
	xorl %eax, %eax /* SS keeps 0x10; the other segments are null, as on CPU 0 */
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movq trampoline_stack(%rip), %rsp
	xorl %ebp, %ebp
	call *trampoline_entry(%rip)

	.balign 8
tramp_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08 code, 64-bit */
	.quad 0x00cf93000000ffff /* 0x10 data */
	.quad 0x00cf9b000000ffff /* 0x18 code, 32-bit */
tramp_gdt_reg:
	.word . - tramp_gdt - 1
	.long T(tramp_gdt)
	.balign 8
trampoline_cr3:		.quad 0
trampoline_stack:	.quad 0
trampoline_entry:	.quad 0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
