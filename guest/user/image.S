/* SPDX-License-Identifier: BSD-2-Clause */
/* The user image inside the kernel's rodata; USER_BIN is its path in the build folder. */
	.section .rodata
	.balign 16
	.globl user_image
user_image:
	.incbin USER_BIN

	.section .note.GNU-stack, "", @progbits
