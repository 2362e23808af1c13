/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the guest is told: multiboot information, PVH start information, MP tables. Offsets are
 * those of the specifications.
 */
#include "tests/unit/boot_test.h"

#include <unistd.h>

static void multiboot_info(void)
{
	struct machine m;
	struct image im;
	uint32_t info, map;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	m.params.append = "loglevel=3 quiet";
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	info = (uint32_t)m.r.info.v;
	CU_ASSERT_EQUAL(info, 0x9000);
	CU_ASSERT_EQUAL(peek32(&m, info), 0x24d); /* mem, cmdline, mods, mmap, loader name */
	CU_ASSERT_EQUAL(peek32(&m, info + 4), 639);
	CU_ASSERT_EQUAL(peek32(&m, info + 8), 15 * 1024);
	CU_ASSERT_STRING_EQUAL(peek_string(&m, peek32(&m, info + 16)), "k.elf loglevel=3 quiet");
	CU_ASSERT_EQUAL(peek32(&m, info + 20), 0);
	CU_ASSERT_STRING_EQUAL(peek_string(&m, peek32(&m, info + 64)), "umbra");
	CU_ASSERT_EQUAL(peek32(&m, info + 44), 4 * 24);
	map = peek32(&m, info + 48);
	CU_ASSERT_EQUAL(peek32(&m, map), 20);
	CU_ASSERT_EQUAL(peek64(&m, map + 4), 0);
	CU_ASSERT_EQUAL(peek64(&m, map + 12), 0x9fc00);
	CU_ASSERT_EQUAL(peek32(&m, map + 20), 1);
	CU_ASSERT_EQUAL(peek64(&m, map + 24 + 4), 0x9fc00);
	CU_ASSERT_EQUAL(peek32(&m, map + 24 + 20), 2);
	CU_ASSERT_EQUAL(peek64(&m, map + 48 + 12), 0x60000);
	CU_ASSERT_EQUAL(peek64(&m, map + 72 + 4), 0x100000);
	CU_ASSERT_EQUAL(peek64(&m, map + 72 + 12), 0xf00000);
	CU_ASSERT_EQUAL(peek32(&m, map + 72 + 20), 1);
	machine_close(&m);
}

static void pvh_info(void)
{
	struct machine m;
	struct image im;
	uint64_t info, map;

	machine_open(&m, 5120 * MIB);
	image_pvh(&im);
	m.params.append = "a=1";
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	info = m.r.info.v;
	CU_ASSERT_EQUAL(peek32(&m, info), 0x336ec578);
	CU_ASSERT_EQUAL(peek32(&m, info + 4), 1);
	CU_ASSERT_EQUAL(peek32(&m, info + 12), 0);
	CU_ASSERT_STRING_EQUAL(peek_string(&m, peek64(&m, info + 24)), "a=1");
	CU_ASSERT_EQUAL(peek64(&m, info + 32), 0);
	CU_ASSERT_EQUAL(peek32(&m, info + 48), 5);
	map = peek64(&m, info + 40);
	CU_ASSERT_EQUAL(peek64(&m, map + 3 * 24), 0x100000);
	CU_ASSERT_EQUAL(peek64(&m, map + 3 * 24 + 8), 0xbff00000);
	CU_ASSERT_EQUAL(peek64(&m, map + 4 * 24), 0x100000000);
	CU_ASSERT_EQUAL(peek64(&m, map + 4 * 24 + 8), 0x80000000);
	CU_ASSERT_EQUAL(peek32(&m, map + 4 * 24 + 16), 1);
	machine_close(&m);
}

static void modules(void)
{
	struct machine m;
	struct image im;
	char *path = temp_file("NR_CPUS=1\n", 10);
	uint64_t mod;

	machine_open(&m, 16 * MIB);
	m.params.initrd = path;
	image_multiboot(&im);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(peek32(&m, m.r.info.v + 20), 1);
	mod = peek32(&m, m.r.info.v + 24);
	CU_ASSERT_EQUAL(peek32(&m, mod), 0x101000);
	CU_ASSERT_EQUAL(peek32(&m, mod + 4), 0x10100a);
	CU_ASSERT_STRING_EQUAL(peek_string(&m, 0x101000), "NR_CPUS=1\n");
	CU_ASSERT_STRING_EQUAL(peek_string(&m, peek32(&m, mod + 8)), path + 5);
	image_pvh(&im);
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(peek32(&m, m.r.info.v + 12), 1);
	mod = peek64(&m, m.r.info.v + 16);
	CU_ASSERT_EQUAL(peek64(&m, mod), 0x101000);
	CU_ASSERT_EQUAL(peek64(&m, mod + 8), 10);
	machine_close(&m);
	unlink(path);
	free(path);
}

static void information_avoids_the_image(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	put32(&im, SMALL_PHDR + SMALL_PHDR_SIZE + 20, 0x3000); /* 0x8000 to 0xb000 */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.info.v, 0xb000);
	put32(&im, SMALL_PHDR + SMALL_PHDR_SIZE + 20, 0x97c00); /* all of low RAM */
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(m.r.info.v, 0x101000);
	machine_close(&m);
}

static void mp_tables(void)
{
	struct machine m;
	struct image im;
	uint8_t t[44 + 3 * 20 + 8], sum = 0;
	unsigned i;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	m.params.cpus = 3;
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	gmem_read(m.gm, GPA(0xf0000), t, 16);
	CU_ASSERT_EQUAL(memcmp(t, "_MP_\x10\x00\x0f\x00\x01\x04", 10), 0);
	for (i = 0; i < 16; i++)
		sum = (uint8_t)(sum + t[i]);
	CU_ASSERT_EQUAL(sum, 0);
	gmem_read(m.gm, GPA(0xf0010), t, sizeof(t));
	CU_ASSERT_EQUAL(memcmp(t, "PCMP\x70\x00\x04", 7), 0);
	for (i = 0; i < sizeof(t); i++)
		sum = (uint8_t)(sum + t[i]);
	CU_ASSERT_EQUAL(sum, 0);
	CU_ASSERT_EQUAL(t[34], 4); /* entries */
	CU_ASSERT_EQUAL(memcmp(t + 36, "\x00\x00\xe0\xfe", 4), 0);
	CU_ASSERT_EQUAL(memcmp(t + 44, "\x00\x00\x14\x03", 4), 0);
	CU_ASSERT_EQUAL(memcmp(t + 64, "\x00\x01\x14\x01", 4), 0);
	CU_ASSERT_EQUAL(memcmp(t + 84, "\x00\x02\x14\x01", 4), 0);
	CU_ASSERT_EQUAL(memcmp(t + 104, "\x01\x00ISA   ", 8), 0);
	CU_ASSERT_EQUAL(peek32(&m, 0x40e) & 0xffff, 0x9fc0);
	CU_ASSERT_EQUAL(peek32(&m, 0x413) & 0xffff, 639);
	machine_close(&m);
}

static void cpu_limits(void)
{
	struct machine m;
	struct image im;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	m.params.cpus = 255;
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	CU_ASSERT_EQUAL(peek32(&m, 0xf0010 + 44 + 254 * 20), 0x0114fe00);
	m.params.cpus = 256;
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	CU_ASSERT_STRING_EQUAL(m.msg, "dir/k.elf: 256 CPUs can't be described to it; use 1 to 255");
	machine_close(&m);
}

static void long_command_line(void)
{
	static char line[4097];
	struct machine m;
	struct image im;
	const char *got;

	machine_open(&m, 16 * MIB);
	image_multiboot(&im);
	memset(line, 'x', 4095);
	m.params.append = line;
	CU_ASSERT_EQUAL(machine_load(&m, &im), 0);
	got = peek_string(&m, peek32(&m, m.r.info.v + 16));
	CU_ASSERT_EQUAL(strlen(got), 6 + 4095);
	CU_ASSERT_EQUAL(got[6 + 4094], 'x');
	line[4095] = 'x';
	CU_ASSERT_EQUAL(machine_load(&m, &im), -1);
	CU_ASSERT_STRING_EQUAL(m.msg,
			       "dir/k.elf: its command line has 4096 bytes; use at most 4095");
	machine_close(&m);
}

const struct tap_case info_tests[] = {
	{"multiboot information", multiboot_info},
	{"PVH start information", pvh_info},
	{"modules", modules},
	{"information avoids the image", information_avoids_the_image},
	{"MP tables", mp_tables},
	{"number of CPUs", cpu_limits},
	{"long command line", long_command_line},
	TAP_NO_CASE,
};
