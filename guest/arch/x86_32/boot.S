/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's 32-bit flat protected mode to kernel_main() with paging on, by multiboot 1 or PVH.
 * Owns the boot tables: the first GiB in large pages, seen at 0 and at KBASE. They stay for the
 * AP trampoline and are left by every CPU as soon as it runs on the kernel's own tables.
 */
#include "layout.h"

#define PHYS(sym) (sym - KBASE)
#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x00000003 /* page-align modules, memory map wanted */
#define ENTRY_SIZE (4096 >> PT_BITS)
#define HUGE_SHIFT (12 + PT_BITS)

	.section .multiboot, "a"
	.balign 4
	.long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18 /* name size, desc size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long PHYS(boot32)

	.section .boot, "ax"
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

	/* Large pages: present, writable, accessed, dirty. With two levels the table is the root,
	 * and has them twice; with three, the root has the table twice. */
	movl $PHYS(boot_large), %edi
	movl $0xe3, %eax
	movl $(1 << (30 - HUGE_SHIFT)), %ecx
1:	movl %eax, (%edi)
	.if PT_LEVELS == 2
	movl %eax, SLOT_DIRECT * ENTRY_SIZE(%edi)
	.endif
	addl $(1 << HUGE_SHIFT), %eax
	addl $ENTRY_SIZE, %edi
	loop 1b
	.if PT_LEVELS == 3
	movl $(PHYS(boot_large) + 1), PHYS(boot_root)
	movl $(PHYS(boot_large) + 1), PHYS(boot_root) + SLOT_DIRECT * ENTRY_SIZE
	.endif

	movl $BOOT_CR4, %eax
	movl %eax, %cr4
	movl $PHYS(boot_root), %eax
	movl %eax, %cr3
	.if PT_LEVELS == 3
	movl $0xc0000080, %ecx
	movl $0x800, %eax /* NXE */
	xorl %edx, %edx
	wrmsr
	.endif
	lgdt PHYS(boot_gdt_reg)
	movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
	movl %eax, %cr0
	ljmp $SEL_KCODE, $boot_high

	.text
boot_high:
	movl $SEL_KDATA, %eax
	movl %eax, %ss
	movl %eax, %ds
	movl %eax, %es
	xorl %eax, %eax /* FS stays null; GS is the kernel's from cpu_init() on */
	movl %eax, %fs
	movl %eax, %gs
	movl $boot_stack_top, %esp
	xorl %ebp, %ebp
	call kernel_main
2:	hlt
	jmp 2b

	.section .data
	.balign 8
	.globl boot_magic, boot_info
boot_magic:	.long 0
boot_info:	.long 0
boot_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff /* 0x08 code, DPL 0 */
	.quad 0x00cf93000000ffff /* 0x10 data, DPL 0 */
boot_gdt_reg:
	.word . - boot_gdt - 1
	.long PHYS(boot_gdt)

	.section .bss
	.balign 4096
	.globl boot_root, boot_stack_top
	.if PT_LEVELS == 2
boot_large:
boot_root:	.skip 4096
	.else
boot_large:	.skip 4096
boot_root:	.skip 4096
	.endif
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
