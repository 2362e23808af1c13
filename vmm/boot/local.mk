# SPDX-License-Identifier: BSD-2-Clause
boot_sources = \
	vmm/boot/boot.h \
	vmm/boot/elf.c \
	vmm/boot/entry.c \
	vmm/boot/file.c \
	vmm/boot/image.c \
	vmm/boot/image.h \
	vmm/boot/load.c \
	vmm/boot/memmap.c \
	vmm/boot/mptable.c \
	vmm/boot/multiboot.c \
	vmm/boot/pvh.c
