/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The swap device: blocks out and in, several at once, and requests that lie.
 */
#include "tests/unit/dev_dma.h"

enum {
	ID = 0x00,
	CONTROL = 0x08,
	STATUS = 0x0c,
	BLOCKS = 0x10,
	SLOTS = 0x14,
	MSI_ADDRESS = 0x18,
	MSI_DATA = 0x1c
};
enum { BLOCK = 0x0, ADDR = 0x4, ADDR_HIGH = 0x8, COMMAND = 0xc };
enum { IDLE, IN_WORK, FINE, BAD_BLOCK, BAD_ADDRESS, BAD_COMMAND };

#define REQ(n, r) (0x100 + 16 * (uint32_t)(n) + (r))
#define READ	  1
#define WRITE	  2
#define RESET	  4
#define BUSY	  0x80000000u

static struct dma_box box;

static void open_box(bool threads)
{
	CU_ASSERT_FATAL(dma_open(&box, threads, 16 << 12) == 0);
	box.base = SWAPDEV_GPA;
}

static void ask(unsigned n, uint32_t block, uint64_t gpa, uint32_t command)
{
	dma_put(&box, REQ(n, BLOCK), block);
	dma_put(&box, REQ(n, ADDR), (uint32_t)gpa);
	dma_put(&box, REQ(n, ADDR_HIGH), (uint32_t)(gpa >> 32));
	dma_put(&box, REQ(n, COMMAND), command);
}

static uint32_t result(unsigned n)
{
	CU_ASSERT(dma_await(&box, STATUS, 1u << n, 1u << n));
	return dma_get(&box, REQ(n, COMMAND));
}

static void out_and_in(bool threads)
{
	open_box(threads);
	CU_ASSERT_EQUAL(dma_get(&box, ID), 0x50575355);
	CU_ASSERT_EQUAL(dma_get(&box, BLOCKS), 16);
	CU_ASSERT_EQUAL(dma_get(&box, SLOTS), 4);
	dma_put(&box, MSI_ADDRESS, MSI_TO);
	dma_put(&box, MSI_DATA, 0x62);
	for (unsigned n = 0; n < 4; n++) {
		memset(box.ram + 0x1000 * n, (int)(0x11 * (n + 1)), 4096);
		ask(n, 15 - n, 0x1000 * n, WRITE);
	}
	for (unsigned n = 0; n < 4; n++)
		CU_ASSERT_EQUAL(result(n), FINE);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0xf);
	dma_put(&box, STATUS, 0xf);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0);
	for (unsigned n = 0; n < 4; n++)
		ask(n, 12 + n, 0x8000 + 0x1000 * n, READ);
	for (unsigned n = 0; n < 4; n++) {
		CU_ASSERT_EQUAL(result(n), FINE);
		CU_ASSERT_EQUAL(box.ram[0x8000 + 0x1000 * n], 0x11 * (4 - n));
		CU_ASSERT_EQUAL(box.ram[0x8fff + 0x1000 * n], 0x11 * (4 - n));
	}
	ask(0, 3, 0x8000, READ); /* never written */
	CU_ASSERT_EQUAL(result(0), FINE);
	CU_ASSERT_EQUAL(box.ram[0x8000], 0);
	dma_close(&box);
	CU_ASSERT_EQUAL(box.messages, 9);
	CU_ASSERT_EQUAL(box.msi_data, 0x62);
}

static void test_out_in(void)
{
	out_and_in(false);
}

static void test_out_in_thread(void)
{
	out_and_in(true);
}

static void expect_bad(uint32_t block, uint64_t gpa, uint32_t command, uint32_t want)
{
	ask(2, block, gpa, command);
	CU_ASSERT_EQUAL(result(2), want);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0x44);
	dma_put(&box, STATUS, 0x44);
}

static void test_bad(void)
{
	open_box(true);
	expect_bad(16, 0, READ, BAD_BLOCK);
	expect_bad(0xffffffff, 0, WRITE, BAD_BLOCK);
	expect_bad(0, 8, READ, BAD_ADDRESS);
	expect_bad(0, DMA_RAM, READ, BAD_ADDRESS);
	expect_bad(0, DMA_RAM, WRITE, BAD_ADDRESS);
	expect_bad(0, 0xfffffffffffff000, WRITE, BAD_ADDRESS);
	expect_bad(0, 0x100000000, READ, BAD_ADDRESS);
	expect_bad(0, 0, 0, BAD_COMMAND);
	expect_bad(0, 0, 3, BAD_COMMAND);
	CU_ASSERT_EQUAL(bus_read(box.bus, 0, GPA(SWAPDEV_GPA), 8), UINT64_MAX);
	CU_ASSERT_EQUAL(bus_read(box.bus, 0, GPA(SWAPDEV_GPA + 3), 4), 0xffffffff);
	bus_write(box.bus, 0, GPA(SWAPDEV_GPA + REQ(0, COMMAND)), 1, READ);
	bus_write(box.bus, 0, GPA(SWAPDEV_GPA + REQ(0, COMMAND)), 8, READ);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0);
	dma_put(&box, REQ(4, COMMAND), READ); /* there are four */
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0);
	ask(2, 0, 0, READ);
	CU_ASSERT_EQUAL(result(2), FINE);
	dma_close(&box);
}

/* A request under way keeps what it was told. */
static void test_busy(void)
{
	open_box(true);
	memset(box.ram + 0x3000, 0x33, 4096);
	box.stuck = true;
	ask(1, 5, 0x3000, WRITE);
	CU_ASSERT(dma_await_stuck(&box));
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), BUSY);
	ask(1, 6, 0x4000, READ);
	CU_ASSERT_EQUAL(dma_get(&box, REQ(1, BLOCK)), 5);
	CU_ASSERT_EQUAL(dma_get(&box, REQ(1, COMMAND)), IN_WORK);
	box.stuck = false;
	CU_ASSERT_EQUAL(result(1), FINE);
	ask(1, 5, 0x7000, READ);
	CU_ASSERT_EQUAL(result(1), FINE);
	CU_ASSERT_EQUAL(box.ram[0x7abc], 0x33);
	dma_close(&box);
}

static void test_reset(void)
{
	open_box(true);
	box.stuck = true;
	dma_put(&box, MSI_ADDRESS, MSI_TO);
	ask(0, 5, 0x3000, READ);
	ask(1, 5, 0x4000, READ);
	CU_ASSERT(dma_await_stuck(&box));
	dma_put(&box, CONTROL, RESET);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), BUSY);
	CU_ASSERT_EQUAL(dma_get(&box, REQ(0, COMMAND)), IDLE);
	box.stuck = false;
	CU_ASSERT(dma_await(&box, STATUS, BUSY, 0));
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0);
	CU_ASSERT_EQUAL(dma_get(&box, MSI_ADDRESS), 0);
	CU_ASSERT(box.writes <= 1);
	dma_close(&box);
	CU_ASSERT_EQUAL(box.messages, 0);
}

static void test_hold(void)
{
	open_box(true);
	swapdev_hold(box.swap, true);
	ask(0, 5, 0x3000, READ);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0);
	CU_ASSERT_EQUAL(box.writes, 0);
	swapdev_hold(box.swap, false);
	CU_ASSERT_EQUAL(result(0), FINE);
	dma_close(&box);
}

const struct tap_case swap_tests[] = {
	{"four blocks out and in at once", test_out_in},
	{"the same by its own thread", test_out_in_thread},
	{"bad blocks, addresses, commands, sizes", test_bad},
	{"a request under way keeps its registers", test_busy},
	{"reset with a block in hand", test_reset},
	{"held while the machine is paused", test_hold},
	TAP_END,
};
