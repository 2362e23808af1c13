/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loading a kernel image: ELF32 or ELF64, by multiboot 1 or by PVH.
 *
 * An image is untrusted input: every offset, size and address is checked against the file and
 * against RAM before a byte of guest memory changes; overlapping, wrapping or out-of-RAM segments
 * are refused with one line that names the segment and what to do.
 *
 * Read first: shadow/gmem.h, vmm/cpu/state.h.
 */
#ifndef UMBRA_BOOT_H
#define UMBRA_BOOT_H

#include "shadow/gmem.h"
#include "vmm/cpu/state.h"

enum boot_protocol { BOOT_MULTIBOOT1, BOOT_PVH };

struct boot_params {
	const char *kernel; /* path */
	const char *initrd; /* path or NULL; becomes the first module */
	const char *
		append; /* command line or NULL, at most 4095 bytes. Multiboot puts the kernel's
			     * file name before it, as GRUB and QEMU do; PVH does not. */
	unsigned cpus;	/* 1 to 255: MP tables have 8-bit APIC ids */
};

struct boot_result {
	enum boot_protocol protocol;
	gpa_t entry;
	gpa_t info; /* multiboot info or hvm_start_info; what EBX holds at entry */
	uint64_t image_low, image_high; /* gpa range the image took */
};

/* Loads params->kernel into gm and builds the boot information: memory map, command line,
 * modules, ACPI-free MP tables (floating pointer and configuration table at 0xf0000..0xfffff, so
 * that a guest can count its CPUs). Image kind: a multiboot 1 header in the first 8192 bytes wins,
 * else a PVH note (XEN_ELFNOTE_PHYS32_ENTRY).
 * Returns 0; or -1 with one line without a newline in msg: what is wrong and what to do. */
int boot_load(struct gmem *gm, const struct boot_params *params, struct boot_result *out,
	      char *msg, size_t msg_len);

/* The same for a kernel image that is in memory already; name stands for it in messages and
 * params->kernel is not looked at. An initrd is still a path. */
int boot_load_image(struct gmem *gm, const void *img, size_t len, const char *name,
		    const struct boot_params *params, struct boot_result *out, char *msg,
		    size_t msg_len);

/* The boot processor's state at entry: 32-bit flat protected mode, paging off, EAX and EBX as the
 * protocol says (multiboot spec section 3.2; Xen's docs/misc/pvh). s comes from cpu_reset(); what
 * neither protocol names stays as it is there. */
void boot_cpu_state(const struct boot_result *r, struct cpu_state *s);

#endif
