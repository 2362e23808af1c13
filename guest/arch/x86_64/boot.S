/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the loader's 32-bit flat protected mode to kernel_main() in long mode, by multiboot 1 or PVH.
 * Owns the boot tables: 1 GiB of 2 MiB pages, seen at 0 and at KBASE, below four levels or five. They
 * stay for the AP trampoline and are left by every CPU as soon as it runs on the kernel's own.
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

	/* CPUID 7:ECX bit 16, in an image that needs it. */
	.if PT_LEVELS == 5
	movl $7, %eax
	xorl %ecx, %ecx
	cpuid
	btl $16, %ecx
	jnc no_la57
	.endif

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
	/* Above them a chain of tables, each with the one below it in its first entry; the root has
	 * it a second time, in the slot of KBASE. */
	movl $PHYS(boot_pd), %eax
	movl $PHYS(boot_chain), %edi
	movl $(PT_LEVELS - 2), %ecx
1:	addl $0x23, %eax
	movl %eax, (%edi)
	movl %eax, %edx
	movl %edi, %eax
	addl $4096, %edi
	loop 1b
	movl %edx, SLOT_DIRECT * 8(%eax)
	movl %eax, %cr3
	movl $BOOT_CR4, %eax
	movl %eax, %cr4
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

	/* Say so on COM1, and that nothing was run: there is nothing this image could do here. */
	.if PT_LEVELS == 5
	.code32
no_la57:
	movl $PHYS(no_la57_text), %esi
1:	movw $0x3fd, %dx
2:	inb %dx, %al
	testb $0x20, %al
	jz 2b
	lodsb
	testb %al, %al
	jz 3f
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 1b
3:	movl $0x10, %eax
	movw $0xf4, %dx
	outl %eax, %dx
4:	hlt
	jmp 4b
no_la57_text:
	.asciz "TAP version 13\n1..0 # SKIP the CPU has no 5-level paging\n"
	.endif

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
	.globl boot_root, boot_stack_top
boot_pd:	.skip 4096
boot_chain:	.skip (PT_LEVELS - 3) * 4096
boot_root:	.skip 4096
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
