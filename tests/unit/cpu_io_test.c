/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports: IOPL and the bitmap of the TSS. SDM vol. 1, section 19.5.
 */
#include "tests/unit/cpu_bench.h"

#define IO(port, size) cpu_check_io(&b->c, port, size, &b->f)

static void by_iopl(void)
{
	struct bench *b = bench_real();

	OK(b, IO(0x80, 1));
	b = bench_long();
	OK(b, IO(0x80, 1)); /* CPL 0, IOPL 0 */
	CU_ASSERT(cpu_may_change_if(&b->c.s));
	b = bench_long_user();
	poke16(b, AT_TSS + 102, 0xffff); /* no bitmap */
	b->c.s.rflags |= RFL_IOPL;
	OK(b, IO(0x80, 1));
	CU_ASSERT(cpu_may_change_if(&b->c.s));
	b->c.s.rflags = RFL_FIXED | 2ull << 12;
	FAULTS(b, IO(0x80, 1), VEC_GP, 0);
	CU_ASSERT(!cpu_may_change_if(&b->c.s));
}

/* A user with a bitmap at 0x68 that covers ports 0 to 0x3f, and the byte of ones behind it. */
static struct bench *with_bitmap(void)
{
	struct bench *b = bench_long_user();

	poke16(b, AT_TSS + 102, 0x68);
	b->mem[AT_TSS + 0x68 + 8] = 0xff;
	b->c.s.tr.limit = 0x68 + 8;
	return b;
}

static void by_bitmap(void)
{
	struct bench *b = with_bitmap();

	b->mem[AT_TSS + 0x68 + 2] = 0x20; /* port 0x15 */
	OK(b, IO(0x14, 1));
	FAULTS(b, IO(0x15, 1), VEC_GP, 0);
	FAULTS(b, IO(0x14, 2), VEC_GP, 0);
	FAULTS(b, IO(0x12, 4), VEC_GP, 0);
	OK(b, IO(0x11, 4));
	OK(b, IO(0x16, 2));
}

static void across_bytes(void)
{
	struct bench *b = with_bitmap();

	b->mem[AT_TSS + 0x68 + 1] = 0x01; /* port 8 */
	FAULTS(b, IO(5, 4), VEC_GP, 0);
	FAULTS(b, IO(7, 2), VEC_GP, 0);
	OK(b, IO(4, 4));
}

static void last_byte(void)
{
	struct bench *b = with_bitmap();

	OK(b, IO(0x3f, 1));
	FAULTS(b, IO(0x3f, 2), VEC_GP, 0); /* runs into the ones */
	FAULTS(b, IO(0x40, 1), VEC_GP, 0); /* its second byte is beyond the limit */
	b->c.s.tr.limit--;		   /* now so is that of ports 0x38 to 0x3f */
	FAULTS(b, IO(0x3f, 1), VEC_GP, 0);
	OK(b, IO(0x37, 1));
	FAULTS(b, IO(0xffff, 1), VEC_GP, 0);
}

static void no_bitmap(void)
{
	struct bench *b = with_bitmap();

	poke16(b, AT_TSS + 102, 0xffff);
	FAULTS(b, IO(0, 1), VEC_GP, 0);
	b = with_bitmap();
	poke16(b, AT_TSS + 102, 0x10); /* within the limit, but half the field is not */
	b->c.s.tr.limit = 102;
	FAULTS(b, IO(0, 1), VEC_GP, 0);
	b = bench_prot32_user();
	b->c.s.tr.attr = 0x83; /* 16-bit TSSs have none */
	FAULTS(b, IO(0, 1), VEC_GP, 0);
}

static void bitmap_page_fault(void)
{
	struct bench *b = with_bitmap();

	b->page[AT_TSS / SH_PAGE_SIZE] = PAGE_ABSENT;
	FAULTS(b, IO(0, 1), VEC_PF, 0); /* a supervisor's read, though from ring 3 */
	EQ(b->f.cr2, AT_TSS + 102);
}

const struct tap_case cpu_io_tests[] = {
	{"by IOPL", by_iopl},
	{"by bitmap", by_bitmap},
	{"across bytes", across_bytes},
	{"last byte and limit", last_byte},
	{"no bitmap", no_bitmap},
	{"page fault on the bitmap", bitmap_page_fault},
	TAP_NO_CASE,
};
