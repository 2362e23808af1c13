/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The boot processor at the kernel's first instruction. Both protocols ask for the same machine
 * (multiboot 0.6.96 section 3.2, Xen's docs/misc/pvh.pandoc): 32-bit flat protected mode, paging
 * and interrupts off, EBX = information. They differ in EAX.
 *
 * Read first: boot.h.
 */
#include "vmm/boot/boot.h"

#include <string.h>

#define MULTIBOOT_EAX 0x2badb002u

/* The selectors name nothing: neither protocol promises a GDT, a kernel loads its own. */
#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10

#define FLAT_ATTR (SEG_S | SEG_P | SEG_DB | SEG_G)
#define TYPE_CODE 0xb /* execute, read, accessed */
#define TYPE_DATA 0x3 /* read, write, accessed */
#define TYPE_TSS  0xb /* 32-bit, busy */

static void set_segments(struct cpu_state *s)
{
	static const struct cpu_segment data = {
		.limit = UINT32_MAX,
		.selector = DATA_SELECTOR,
		.attr = TYPE_DATA | FLAT_ATTR,
	};
	unsigned i;

	for (i = 0; i < CPU_SEGS; i++)
		s->seg[i] = data;
	s->seg[CPU_CS].selector = CODE_SELECTOR;
	s->seg[CPU_CS].attr = TYPE_CODE | FLAT_ATTR;
	/* PVH: "tr: must be a 32-bit TSS (active) with a base of 0 and a limit of 0x67". */
	s->tr = (struct cpu_segment){.limit = 0x67, .attr = TYPE_TSS | SEG_P};
	s->gdtr = s->idtr = (struct cpu_table){0};
}

void boot_cpu_state(const struct boot_result *r, struct cpu_state *s)
{
	memset(s->gpr, 0, sizeof(s->gpr));
	s->gpr[CPU_RAX] = r->protocol == BOOT_MULTIBOOT1 ? MULTIBOOT_EAX : 0;
	s->gpr[CPU_RBX] = r->info.v;
	s->rip = r->entry.v;
	s->rflags = RFL_FIXED;
	s->cr0 = CR0_PE | CR0_ET;
	s->cr2 = s->cr3 = s->cr4 = s->cr8 = 0;
	s->efer = 0;
	set_segments(s);
	s->activity = CPU_RUNNING;
	s->int_shadow = false;
}
