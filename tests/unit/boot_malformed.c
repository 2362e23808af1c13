/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Malformed images: each is a valid one with one thing changed, and must be refused by exactly
 * this line and without a trace in guest memory.
 */
#include "tests/unit/boot_test.h"

#include <stdio.h>

struct malformed {
	void (*base)(struct image *im);
	unsigned at, width; /* width 0: cut the file at at */
	uint64_t val;
	const char *msg; /* behind "dir/k.elf: " */
};

#define ELF32  image_multiboot
#define ELF64  image_pvh
#define FLAT   image_flat
#define PH32   SMALL_PHDR
#define PH32_2 (SMALL_PHDR + SMALL_PHDR_SIZE)
#define PH64   BIG_PHDR
#define PH64_3 (BIG_PHDR + 2 * BIG_PHDR_SIZE)

static const struct malformed table[] = {
	{ELF32, 0, 0, 0,
	 "is not an ELF file and has no multiboot header; build the kernel as an ELF "
	 "executable"},
	{ELF64, 3, 0, 0,
	 "is not an ELF file and has no multiboot header; build the kernel as an ELF "
	 "executable"},
	{ELF64, 0, 1, 'x',
	 "is not an ELF file and has no multiboot header; build the kernel as an ELF "
	 "executable"},
	{ELF32, 0, 1, 'x',
	 "is not an ELF file and its multiboot header has no load addresses; "
	 "build it as ELF or set flag 16"},
	{ELF64, 63, 0, 0, "is cut off inside the ELF header; build or copy it again"},
	{ELF64, 4, 0, 0, "is cut off inside the ELF header; build or copy it again"},
	{ELF64, 4, 1, 3, "has ELF class 3; build it as ELF32 or ELF64"},
	{ELF64, 5, 1, 2, "is a big-endian ELF file; build it for x86"},
	{ELF64, 18, 2, 183, "is for ELF machine 183; build it for i386 or x86-64"},
	{ELF64, 18, 2, 3, "is for ELF machine 3; build it for i386 or x86-64"},
	{ELF32, 18, 2, 40, "is for ELF machine 40; build it for i386 or x86-64"},
	{ELF32, 16, 2, 1, "is not an executable (ELF type 1); link it"},
	{ELF64, 56, 2, 0, "has no program headers; link it as an executable"},
	{ELF64, 56, 2, 65, "has 65 program headers; link it with at most 64"},
	{ELF64, 56, 2, 0xffff, "has 65535 program headers; link it with at most 64"},
	{ELF64, 54, 2, 32, "has program headers of 32 bytes, not 56; link it again"},
	{ELF64, 32, 8, 0x200,
	 "has its program headers outside the file; build or copy it again"},
	{ELF64, 32, 8, UINT64_MAX,
	 "has its program headers outside the file; build or copy it again"},
	{ELF64, 56, 2, 64, "has its program headers outside the file; build or copy it again"},
	{ELF32, 28, 4, 0xffffffe0,
	 "has its program headers outside the file; build or copy it again"},
	{ELF32, PH32 + 20, 4, 63,
	 "segment 0 has more bytes in the file than in memory; link it again"},
	{ELF32, SMALL_LOW, 0, 0, "segment 1 ends outside the file; build or copy it again"},
	{ELF64, PH64 + 8, 8, UINT64_MAX - 8,
	 "segment 0 ends outside the file; build or copy it again"},
	{ELF64, PH64 + 24, 8, UINT64_MAX - 0xffe,
	 "segment 0 wraps around the address space; link it at a lower address"},
	{ELF64, PH64 + 40, 8, UINT64_MAX,
	 "segment 0 wraps around the address space; link it at a lower address"},
	{ELF32, PH32 + 12, 4, 0x8008, "segments 0 and 1 overlap in memory; link it again"},
	{ELF64, PH64_3 + 24, 8, 0x100fff, "segments 0 and 2 overlap in memory; link it again"},
	{ELF32, PH32 + 12, 4, 0xfff001,
	 "segment 0 (0xfff001 to 0x1000001) lies outside RAM; raise "
	 "--memory or link it lower"},
	{ELF32, PH32_2 + 12, 4, 0xfffffff0,
	 "segment 1 (0xfffffff0 to 0x100000000) lies outside RAM; "
	 "raise --memory or link it lower"},
	{ELF64, PH64_3 + 24, 8, 0x100000000,
	 "segment 2 (0x100000000 to 0x100000010) lies outside RAM; raise --memory or link it "
	 "lower"},
	{ELF32, PH32_2 + 12, 4, 0xff1,
	 "segment 1 at 0xff1 lies over the first 4 KiB, which hold the "
	 "BIOS data area; link it elsewhere"},
	{ELF32, PH32_2 + 12, 4, 0,
	 "segment 1 at 0x0 lies over the first 4 KiB, which hold the "
	 "BIOS data area; link it elsewhere"},
	{ELF32, PH32_2 + 12, 4, 0x9fbf1,
	 "segment 1 at 0x9fbf1 lies over the reserved range from "
	 "0x9fc00 to 1 MiB; link it elsewhere"},
	{ELF32, PH32_2 + 12, 4, 0xf0000,
	 "segment 1 at 0xf0000 lies over the reserved range from "
	 "0x9fc00 to 1 MiB; link it elsewhere"},
	{ELF32, 24, 4, 0x101000,
	 "entry 0x101000 is in no loaded segment; check the linker script's "
	 "ENTRY"},
	{ELF32, 24, 4, 0, "entry 0x0 is in no loaded segment; check the linker script's ENTRY"},
	{ELF64, BIG_NOTE + 16, 4, 0x80100000,
	 "entry 0x80100000 is in no loaded segment; check the "
	 "linker script's ENTRY"},
	{ELF32, SMALL_TEXT, 4, 0,
	 "has neither a multiboot header in its first 8192 bytes nor a PVH "
	 "note; add one"},
	{ELF64, BIG_NOTE + 8, 4, 17,
	 "has neither a multiboot header in its first 8192 bytes nor a "
	 "PVH note; add one"},
	{ELF64, BIG_NOTE, 4, 0xffffffff,
	 "has neither a multiboot header in its first 8192 bytes nor "
	 "a PVH note; add one"},
	{ELF64, BIG_NOTE + 4, 4, 0xffffffff,
	 "has neither a multiboot header in its first 8192 bytes "
	 "nor a PVH note; add one"},
	{ELF64, BIG_NOTE + 19, 0, 0,
	 "has neither a multiboot header in its first 8192 bytes nor a "
	 "PVH note; add one"},
	{ELF64, BIG_NOTE + 4, 4, 2, "PVH note has 2 bytes, not 4 or 8; fix the note"},
	{ELF32, SMALL_TEXT + 8, 4, 0, "multiboot header has a wrong checksum; fix the header"},
	{FLAT, 24, 4, 0, "multiboot header has a wrong checksum; fix the header"},
	{FLAT, 32, 4, 0x100011,
	 "multiboot load_addr 0x100011 does not fit header_addr 0x100010; fix the header"},
	{FLAT, 32, 4, 0xfffff,
	 "multiboot load_addr 0xfffff does not fit header_addr 0x100010; fix the header"},
	{FLAT, 36, 4, 0xfffff, "multiboot end addresses are out of order; fix the header"},
	{FLAT, 40, 4, 0x10003f, "multiboot end addresses are out of order; fix the header"},
	{FLAT, 36, 4, 0x100061,
	 "multiboot load_end_addr 0x100061 is past the end of the file; fix the header"},
	{FLAT, 47, 0, 0, "is cut off inside the multiboot header; build it again"},
	{FLAT, 44, 4, 0xfffff,
	 "entry 0xfffff is in no loaded segment; check the linker script's "
	 "ENTRY"},
	{FLAT, 40, 4, 0xf0000000,
	 "segment 0 (0x100000 to 0xf0000000) lies outside RAM; raise "
	 "--memory or link it lower"},
};

static void change(struct image *im, const struct malformed *c)
{
	c->base(im);
	if (c->width)
		memcpy(im->bytes + c->at, &c->val, c->width);
	else
		im->len = c->at;
}

static void refuse(const struct image *im, const char *msg)
{
	struct machine m;
	char line[300];

	machine_open(&m, 16 * MIB);
	snprintf(line, sizeof(line), "dir/k.elf: %s", msg);
	CU_ASSERT_EQUAL(machine_load(&m, im), -1);
	if (strcmp(m.msg, line))
		printf("# got      %s\n# expected %s\n", m.msg, line);
	CU_ASSERT_STRING_EQUAL(m.msg, line);
	CU_ASSERT(all_zero(&m, 0, 16 * MIB));
	machine_close(&m);
}

static void every_line(void)
{
	struct image im;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		change(&im, &table[i]);
		refuse(&im, table[i].msg);
	}
}

static void demands(void)
{
	struct image im;
	unsigned bit;
	char msg[200];

	for (bit = 3; bit < 16; bit++) {
		image_multiboot(&im);
		put_flags(&im, SMALL_TEXT, 1u << bit | 7);
		snprintf(msg, sizeof(msg),
			 "multiboot header demands features 0x%x that are not here; clear "
			 "those flags",
			 1u << bit);
		refuse(&im, msg);
	}
}

static void nothing_to_load(void)
{
	struct image im;

	image_multiboot(&im);
	put32(&im, PH32, 6);
	put32(&im, PH32_2, 6);
	refuse(&im, "has nothing to load; link it with PT_LOAD segments");
	image_flat(&im);
	put32(&im, 36, 0x100000);
	put32(&im, 40, 0x100000);
	put32(&im, 28, 0x100010);
	refuse(&im, "multiboot addresses name nothing to load; fix the header");
}

static void bzimage(void)
{
	struct image im = {.len = 0x300};

	memcpy(im.bytes + 0x202, "HdrS", 4);
	refuse(&im, "is a Linux bzImage; give the vmlinux it was made from");
}

static void entry_above_4_gib(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 4096 * MIB);
	image_pvh(&im);
	put_flags(&im, BIG_TEXT, 0);
	put64(&im, BIG_PHDR + 24, 0x100000000);
	put64(&im, 24, 0x100000000);
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	CU_ASSERT_STRING_EQUAL(m.msg,
			       "dir/k.elf: entry 0x100000000 is above 4 GiB, out of reach of "
			       "32-bit mode; link it lower");
	machine_close(&m);
}

static void no_room_for_information(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 2 * MIB);
	image_multiboot(&im);
	put32(&im, PH32 + 20, 0x100000);     /* 1 MiB to 2 MiB */
	put32(&im, PH32_2 + 20, 0x97c00 - 0x10); /* 0x8000 to just under 0x9fc00 */
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	CU_ASSERT_STRING_EQUAL(m.msg, "dir/k.elf: leaves no room for the boot information; raise "
				      "--memory");
	machine_close(&m);
}

/* Every prefix of every valid image: refused or loaded, never read past its end. */
static void every_prefix(void)
{
	void (*const base[])(struct image *) = {image_multiboot, image_pvh, image_flat};
	struct machine m;
	struct image im;
	size_t i;

	machine_open(&m, 2 * MIB);
	for (i = 0; i < 3; i++) {
		base[i](&im);
		CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
		while (im.len--)
			CU_ASSERT(machine_load(&m, &im) == 0 || m.msg[0]);
	}
	machine_close(&m);
}

static void message_buffers(void)
{
	struct machine m;
	struct boot_result r;
	char msg[9] = "abcdefgh";

	machine_open(&m, 2 * MIB);
	CU_ASSERT_EQUAL(boot_load_image(m.gm, "x", 1, "a\nb\x1b", &m.params, &r, msg, 8), -1);
	CU_ASSERT_STRING_EQUAL(msg, "a?b?: i");
	CU_ASSERT_EQUAL(boot_load_image(m.gm, "x", 1, "k", &m.params, &r, NULL, 0), -1);
	machine_close(&m);
}

const struct tap_case malformed_tests[] = {
	{"one changed field, one line", every_line},
	{"multiboot demands", demands},
	{"nothing to load", nothing_to_load},
	{"bzImage", bzimage},
	{"entry above 4 GiB", entry_above_4_gib},
	{"no room for the information", no_room_for_information},
	{"every prefix", every_prefix},
	{"message buffers", message_buffers},
	TAP_NO_CASE,
};
