/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's 32-bit flat protected mode to kernel_main() in long mode, by multiboot 1 or PVH.
 * Owns the boot tables: 1 GiB of 2 MiB pages, seen at 0 and at KBASE. They stay for the AP
 * trampoline and are left by every CPU as soon as it runs on the kernel's own tables.
 */
#include "layout.h"

#define PHYS(sym) (sym - KBASE)
#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x00000003 /* page-align modules, memory map wanted */

	.section .multiboot, "a"
	.balign 4
	.long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18 /* name size, desc size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long PHYS(boot32)

	.section .boot, "ax"
	.code32
	.globl boot32
boot32:
	cli
	cld
	movl %eax, PHYS(boot_magic)
	movl %ebx, PHYS(boot_info)

	movl $PHYS(__bss_start), %edi
	movl $PHYS(__bss_end), %ecx
	subl %edi, %ecx
	shrl $2, %ecx
	xorl %eax, %eax
	rep stosl

	/* 512 entries of 2 MiB: present, writable, accessed, dirty, large. */
	movl $PHYS(boot_pd), %edi
	movl $0xe3, %eax
	movl $512, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	movl $(PHYS(boot_pd) + 0x23), PHYS(boot_pdpt)
	movl $(PHYS(boot_pdpt) + 0x23), PHYS(boot_pml4)
	movl $(PHYS(boot_pdpt) + 0x23), PHYS(boot_pml4) + SLOT_DIRECT * 8

	movl $0xa0, %eax /* PAE, PGE */
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	movl $0x901, %eax /* SCE, LME, NXE */
	xorl %edx, %edx
	wrmsr
	lgdt PHYS(boot_gdt_reg)
	movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
	movl %eax, %cr0
	ljmp $SEL_KCODE, $PHYS(boot64)

	.code64
boot64:
	movl $SEL_KDATA, %eax
	movl %eax, %ss
	xorl %eax, %eax /* the other segments are null: 64-bit code has no use for them */
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movabs $boot_stack_top, %rsp
	movabs $kernel_main, %rax
	xorl %ebp, %ebp
	call *%rax
2:	hlt
	jmp 2b

	.section .data
	.balign 8
	.globl boot_magic, boot_info
boot_magic:	.long 0
boot_info:	.long 0
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 0x08 code, 64-bit, DPL 0 */
	.quad 0x00cf93000000ffff /* 0x10 data, DPL 0 */
boot_gdt_reg:
	.word . - boot_gdt - 1
	.long PHYS(boot_gdt)

	.section .bss
	.balign 4096
	.globl boot_pml4, boot_stack_top
boot_pml4:	.skip 4096
boot_pdpt:	.skip 4096
boot_pd:	.skip 4096
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
