/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an application processor starts after SIPI: copied to TRAMPOLINE_PA by smp.c, which fills in
 * the three words at the end. Real mode -> protected mode -> paging on the boot tables.
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
	ljmpl $SEL_KCODE, $T(tramp32)

	.code32
tramp32:
	movl $SEL_KDATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movl $BOOT_CR4, %eax
	movl %eax, %cr4
	movl T(trampoline_cr3), %eax
	movl %eax, %cr3
	.if PT_LEVELS == 3
	movl $0xc0000080, %ecx
	movl $0x800, %eax /* NXE */
	xorl %edx, %edx
	wrmsr
	.endif
	movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
	movl %eax, %cr0
	movl T(trampoline_stack), %esp
	xorl %ebp, %ebp
	call *T(trampoline_entry)

	.balign 8
tramp_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff /* 0x08 code */
	.quad 0x00cf93000000ffff /* 0x10 data */
tramp_gdt_reg:
	.word . - tramp_gdt - 1
	.long T(tramp_gdt)
	.balign 4
trampoline_cr3:		.long 0
trampoline_stack:	.long 0
trampoline_entry:	.long 0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
