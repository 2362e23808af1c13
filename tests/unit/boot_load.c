/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Valid images: where their bytes go, where the machine starts.
 */
#include "tests/unit/boot_test.h"

static void multiboot_elf32(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	gmem_fill(m.gm, GPA(0x100000), 0xee, 0x2000);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.protocol, BOOT_MULTIBOOT1);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x10000c);
	CU_ASSERT_EQUAL(m.r.image_low, 0x8000);
	CU_ASSERT_EQUAL(m.r.image_high, 0x101000);
	CU_ASSERT_EQUAL(peek32(&m, 0x100000), 0x1badb002);
	CU_ASSERT_EQUAL(peek32(&m, 0x10003c), 0x90909090);
	CU_ASSERT(all_zero(&m, 0x100040, 0xfc0)); /* bss, over what was there */
	CU_ASSERT_EQUAL(peek32(&m, 0x101000), 0xeeeeeeee);
	CU_ASSERT_EQUAL(peek32(&m, 0x800c), 0xcccccccc);
	CU_ASSERT_EQUAL(peek32(&m, 0x8010), 0);
	machine_close(&m);
}

static void virtual_entry(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	put32(&im, 24, 0xc010000c); /* e_entry as linked, not as loaded */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x10000c);
	machine_close(&m);
}

static void multiboot_wishes(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	put_flags(&im, SMALL_TEXT, 0xfffe0007); /* video mode, and offers nobody knows */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	put_flags(&im, SMALL_TEXT, 3);
	put32(&im, 4, 0x00000101); /* OS ABI and padding do not matter */
	put16(&im, 18, 62);	   /* 64-bit code in an ELF32 */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	machine_close(&m);
}

static void multiboot_wins_over_pvh(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_pvh(&im);
	put_flags(&im, BIG_TEXT, 0);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.protocol, BOOT_MULTIBOOT1);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x100000);
	put32(&im, BIG_TEXT + 8, 0); /* a bad checksum is no header */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.protocol, BOOT_PVH);
	machine_close(&m);
}

static void pvh_elf64(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_pvh(&im);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.protocol, BOOT_PVH);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x100010);
	CU_ASSERT_EQUAL(peek32(&m, 0x100000), 0x90909090);
	CU_ASSERT_EQUAL(peek32(&m, 0x8000), 0xcccccccc);
	machine_close(&m);
}

static void pvh_note_behind_others(void)
{
	/* Aligned to 8: a GNU note of 5 bytes, padded, then Xen's with a 64-bit entry. */
	static const uint32_t notes[] = {4, 5, 3, 0x00554e47, 1, 2, 4, 8, 18, 0x006e6558,
					 0x100020, 0};
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_pvh(&im);
	memcpy(im.bytes + BIG_NOTE, notes, sizeof(notes));
	im.len = BIG_NOTE + sizeof(notes);
	put64(&im, BIG_PHDR + BIG_PHDR_SIZE + 32, sizeof(notes));
	put64(&im, BIG_PHDR + BIG_PHDR_SIZE + 48, 8);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x100020);
	machine_close(&m);
}

static void flat_with_addresses(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_flat(&im);
	gmem_fill(m.gm, GPA(0x100000), 0xee, 0x2000);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x100004);
	CU_ASSERT_EQUAL(peek32(&m, 0x100010), 0x1badb002);
	CU_ASSERT_EQUAL(peek32(&m, 0x10003c), 0x90909090);
	CU_ASSERT(all_zero(&m, 0x100040, 0xfc0));
	CU_ASSERT_EQUAL(peek32(&m, 0x101000), 0xeeeeeeee);
	put32(&im, 36, 0); /* to the end of the file */
	put32(&im, 40, 0); /* and no bss */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.image_high, 0x100060);
	CU_ASSERT_EQUAL(peek32(&m, 0x10005c), 0x90909090);
	machine_close(&m);
}

static void elf_with_addresses(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	put_flags(&im, SMALL_TEXT, 0x10003); /* the addresses win over the segments */
	put32(&im, SMALL_TEXT + 12, 0x200000);
	put32(&im, SMALL_TEXT + 16, 0x200000);
	put32(&im, SMALL_TEXT + 20, 0x200040);
	put32(&im, SMALL_TEXT + 24, 0);
	put32(&im, SMALL_TEXT + 28, 0x200020);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.entry.v, 0x200020);
	CU_ASSERT_EQUAL(m.r.image_low, 0x200000);
	CU_ASSERT_EQUAL(peek32(&m, 0x200000), 0x1badb002);
	CU_ASSERT(all_zero(&m, 0x100000, 64));
	machine_close(&m);
}

static void header_at_the_last_place(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	memset(im.bytes + SMALL_TEXT, 0, 12);
	im.len = 9000;
	put_flags(&im, 8192 - 12, 0);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	memset(im.bytes + 8192 - 12, 0, 12);
	put_flags(&im, 8192 - 8, 0); /* sticks out of the first 8192 bytes */
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	memset(im.bytes + 8192 - 8, 0, 12);
	put_flags(&im, 8190 - 100, 0); /* not at a multiple of 4 */
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	machine_close(&m);
}

static void segment_above_4_gib(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 4096 * MIB);
	image_pvh(&im);
	put64(&im, BIG_PHDR + 2 * BIG_PHDR_SIZE + 24, 0x100000000);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(peek32(&m, 0x100000000), 0xcccccccc);
	CU_ASSERT_EQUAL(m.r.image_high, 0x100000010);
	machine_close(&m);
}

static void entry_state(void)
{
	const struct boot_result mb = {BOOT_MULTIBOOT1, {0x100020}, {0x9000}, 0, 0};
	const struct boot_result pvh = {BOOT_PVH, {0x100020}, {0x9000}, 0, 0};
	struct cpu_state s;

	memset(&s, 0xff, sizeof(s));
	boot_cpu_state(&mb, &s);
	CU_ASSERT_EQUAL(s.gpr[CPU_RAX], 0x2badb002);
	CU_ASSERT_EQUAL(s.gpr[CPU_RBX], 0x9000);
	CU_ASSERT_EQUAL(s.gpr[CPU_RSP], 0);
	CU_ASSERT_EQUAL(s.rip, 0x100020);
	CU_ASSERT_EQUAL(s.rflags, 2);
	CU_ASSERT_EQUAL(s.cr0, 0x11);
	CU_ASSERT_EQUAL(s.cr3 | s.cr4 | s.efer | s.cr8, 0);
	CU_ASSERT_EQUAL(s.seg[CPU_CS].attr, 0xc09b);
	CU_ASSERT_EQUAL(s.seg[CPU_CS].limit, 0xffffffff);
	CU_ASSERT_EQUAL(s.seg[CPU_CS].base, 0);
	CU_ASSERT_EQUAL(s.seg[CPU_SS].attr, 0xc093);
	CU_ASSERT_EQUAL(s.seg[CPU_GS].base, 0);
	CU_ASSERT_EQUAL(s.tr.attr, 0x8b);
	CU_ASSERT_EQUAL(s.tr.limit, 0x67);
	CU_ASSERT_EQUAL(s.activity, CPU_RUNNING);
	CU_ASSERT_FALSE(s.int_shadow);
	boot_cpu_state(&pvh, &s);
	CU_ASSERT_EQUAL(s.gpr[CPU_RAX], 0);
	CU_ASSERT_EQUAL(s.gpr[CPU_RBX], 0x9000);
}

const struct tap_case load_tests[] = {
	{"multiboot, ELF32", multiboot_elf32},
	{"virtual entry", virtual_entry},
	{"multiboot flags that may be ignored", multiboot_wishes},
	{"multiboot wins over PVH", multiboot_wins_over_pvh},
	{"PVH, ELF64", pvh_elf64},
	{"PVH note behind others", pvh_note_behind_others},
	{"no ELF, load addresses", flat_with_addresses},
	{"ELF, load addresses", elf_with_addresses},
	{"where a header may be", header_at_the_last_place},
	{"a segment above 4 GiB", segment_above_4_gib},
	{"state at entry", entry_state},
	TAP_NO_CASE,
};
