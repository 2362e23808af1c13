/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The capture device: what it draws, where, and what it makes of lists that lie.
 */
#include "tests/unit/dev_dma.h"

enum {
	ID = 0x00,
	CONTROL = 0x08,
	STATUS = 0x0c,
	LIST = 0x10,
	COUNT = 0x18,
	SEQUENCE = 0x1c,
	FILLED = 0x20,
	ERROR = 0x24,
	MSI_ADDRESS = 0x28,
	MSI_DATA = 0x2c,
	READS = 0x30,
};

#define START 1
#define STOP  2
#define RESET 4
#define BUSY  1
#define DONE  2
#define WRONG 4

static struct dma_box box;

static void open_box(bool threads)
{
	CU_ASSERT_FATAL(dma_open(&box, threads, 1 << 16) == 0);
	box.base = CAPTURE_GPA;
}

static void entry(uint32_t page, unsigned i, uint64_t val)
{
	memcpy(box.ram + page + 8 * i, &val, 8);
}

static void start(uint32_t list, uint32_t count)
{
	dma_put(&box, LIST, list);
	dma_put(&box, COUNT, count);
	dma_put(&box, MSI_ADDRESS, MSI_TO);
	dma_put(&box, MSI_DATA, 0x61);
	dma_put(&box, CONTROL, START);
}

static bool done(void)
{
	return dma_await(&box, STATUS, BUSY | DONE, DONE);
}

/* What docs/devices.md says of a frame. */
static bool is_picture(uint32_t gpa, uint32_t sequence, uint32_t index)
{
	uint32_t w[1024], sum = 2166136261u;

	memcpy(w, box.ram + gpa, sizeof(w));
	for (uint32_t i = 2; i < 1023; i++)
		if (w[i] != sequence * 2654435769u + index * 2246822507u + i * 3266489909u)
			return false;
	for (unsigned i = 0; i < 1023; i++)
		sum = (sum ^ w[i]) * 16777619u;
	return w[0] == sequence && w[1] == index && w[1023] == sum;
}

static void test_registers(void)
{
	open_box(false);
	CU_ASSERT_EQUAL(dma_get(&box, ID), 0x50414355);
	CU_ASSERT_EQUAL(dma_get(&box, 4), 1);
	CU_ASSERT_EQUAL(dma_get(&box, READS), 3);
	/* Another size or alignment is no register; it counts as a read all the same. */
	CU_ASSERT_EQUAL(bus_read(box.bus, 0, GPA(CAPTURE_GPA), 8), UINT64_MAX);
	CU_ASSERT_EQUAL(bus_read(box.bus, 0, GPA(CAPTURE_GPA + 1), 1), 0xff);
	CU_ASSERT_EQUAL(bus_read(box.bus, 0, GPA(CAPTURE_GPA + 2), 4), 0xffffffff);
	CU_ASSERT_EQUAL(dma_get(&box, READS), 7);
	dma_put(&box, COUNT, 5);
	bus_write(box.bus, 0, GPA(CAPTURE_GPA + COUNT), 8, 6);
	bus_write(box.bus, 0, GPA(CAPTURE_GPA + COUNT), 1, 6);
	CU_ASSERT_EQUAL(dma_get(&box, COUNT), 5);
	dma_put(&box, ID, 7);
	dma_put(&box, 0xffc, 7);
	CU_ASSERT_EQUAL(dma_get(&box, ID), 0x50414355);
	CU_ASSERT_EQUAL(dma_get(&box, 0xffc), 0);
	CU_ASSERT_EQUAL(dma_get(&box, READS), 11);
	dma_close(&box);
}

static void fill_and_check(bool threads)
{
	open_box(threads);
	entry(0x1000, 0, 0x9000);
	entry(0x1000, 1, 0x4000);
	entry(0x1000, 2, 0x2000 | 1); /* on another page of the list */
	entry(0x2000, 0, 0x7000);
	memset(box.ram + 0x5000, 0x55, 4096);
	start(0x1000, 3);
	CU_ASSERT(done());
	CU_ASSERT_EQUAL(dma_get(&box, SEQUENCE), 1);
	CU_ASSERT_EQUAL(dma_get(&box, FILLED), 3);
	CU_ASSERT_EQUAL(dma_get(&box, ERROR), 0);
	CU_ASSERT(is_picture(0x9000, 1, 0));
	CU_ASSERT(is_picture(0x4000, 1, 1));
	CU_ASSERT(is_picture(0x7000, 1, 2));
	CU_ASSERT_EQUAL(box.writes, 3);
	CU_ASSERT_EQUAL(box.ram[0x5000], 0x55);
	dma_put(&box, STATUS, DONE);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), 0);
	start(0x1000, 1);
	CU_ASSERT(done());
	CU_ASSERT(is_picture(0x9000, 2, 0));
	dma_close(&box);
	CU_ASSERT_EQUAL(box.messages, 2);
	CU_ASSERT_EQUAL(box.msi_address, MSI_TO);
	CU_ASSERT_EQUAL(box.msi_data, 0x61);
}

static void test_fill(void)
{
	fill_and_check(false);
}

static void test_fill_thread(void)
{
	fill_and_check(true);
}

static void expect_error(uint32_t list, uint32_t count, uint32_t error, uint32_t filled)
{
	start(list, count);
	CU_ASSERT(done());
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), DONE | WRONG);
	CU_ASSERT_EQUAL(dma_get(&box, ERROR), error);
	CU_ASSERT_EQUAL(dma_get(&box, FILLED), filled);
}

static void test_bad(void)
{
	open_box(true);
	entry(0x1000, 0, 0x9000);
	entry(0x1000, 1, 0x3000 | 1);
	entry(0x3000, 0, 0x3000 | 1); /* for ever */
	entry(0x6000, 0, 0x9008);     /* no frame's address */
	entry(0x6000, 2, 0x9000 | 9); /* no link's either */
	entry(0x7000, 0, DMA_RAM);
	entry(0x8000, 0, ~0xfffull);
	expect_error(0x1000, 0, 1, 0);
	expect_error(0x1000, 1025, 1, 0);
	expect_error(0x1000, 0xffffffff, 1, 0);
	expect_error(0x1008, 1, 1, 0);
	expect_error(0x1000, 2, 3, 1);
	expect_error(0x3000, 2, 3, 0);
	expect_error(0x6000, 1, 3, 0);
	expect_error(0x7000, 1, 2, 0);
	expect_error(0x8000, 1, 2, 0);
	expect_error(0xfffff000, 1, 2, 0);
	dma_put(&box, LIST + 4, 0xffffffff);
	expect_error(0xfffff000, 1, 2, 0);
	dma_put(&box, LIST + 4, 0);
	start(0x1000, 1);
	CU_ASSERT(done());
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), DONE);
	dma_close(&box);
}

/* A list that runs off the end of its page is read on behind it, and off the end of RAM not. */
static void test_end_of_ram(void)
{
	open_box(false);
	for (unsigned i = 0; i < 512; i++)
		entry(DMA_RAM - 4096, i, 0x2000);
	expect_error(DMA_RAM - 4096, 600, 2, 512);
	CU_ASSERT(is_picture(0x2000, 1, 511));
	dma_close(&box);
}

static void test_stop(void)
{
	open_box(true);
	entry(0x1000, 0, 0x9000);
	box.stuck = true;
	start(0x1000, 1);
	CU_ASSERT(dma_await_stuck(&box));
	dma_put(&box, CONTROL, STOP);
	/* Over, but the frame in hand may still be written: no other run begins. */
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), BUSY | DONE | WRONG);
	CU_ASSERT_EQUAL(dma_get(&box, ERROR), 4);
	dma_put(&box, CONTROL, START);
	CU_ASSERT_EQUAL(dma_get(&box, SEQUENCE), 1);
	box.stuck = false;
	CU_ASSERT(dma_await(&box, STATUS, BUSY, 0));
	CU_ASSERT_EQUAL(dma_get(&box, FILLED), 0);
	dma_close(&box);
	CU_ASSERT_EQUAL(box.messages, 0);
}

static void test_reset(void)
{
	uint32_t writes;

	open_box(true);
	for (unsigned i = 0; i < 9; i++)
		entry(0x1000, i, 0x9000);
	box.stuck = true;
	start(0x1000, 9);
	CU_ASSERT(dma_await_stuck(&box));
	dma_put(&box, CONTROL, RESET);
	CU_ASSERT_EQUAL(dma_get(&box, STATUS), BUSY);
	box.stuck = false;
	CU_ASSERT(dma_await(&box, STATUS, BUSY, 0));
	writes = box.writes;
	CU_ASSERT(writes <= 1);
	for (uint32_t r = STATUS; r < READS; r += 4)
		CU_ASSERT_EQUAL(dma_get(&box, r), 0);
	start(0x1000, 9);
	CU_ASSERT(done());
	CU_ASSERT_EQUAL(box.writes, writes + 9);
	CU_ASSERT_EQUAL(dma_get(&box, SEQUENCE), 1);
	dma_close(&box);
	CU_ASSERT_EQUAL(box.messages, 1);
}

/* Held twice, let go once: nothing happens, however often it is told to begin. */
static void test_hold(void)
{
	open_box(true);
	entry(0x1000, 0, 0x9000);
	capture_hold(box.capture, true);
	capture_hold(box.capture, true);
	start(0x1000, 1);
	capture_hold(box.capture, false);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(dma_get(&box, STATUS), BUSY);
	CU_ASSERT_EQUAL(box.writes, 0);
	capture_hold(box.capture, false);
	CU_ASSERT(done());
	CU_ASSERT(is_picture(0x9000, 1, 0));
	dma_close(&box);
}

const struct tap_case capture_tests[] = {
	{"registers, and what is none", test_registers},
	{"frames of a list that are not in a row", test_fill},
	{"the same by its own thread", test_fill_thread},
	{"bad counts, addresses, links", test_bad},
	{"a list at the end of RAM", test_end_of_ram},
	{"stopped with a frame in hand", test_stop},
	{"reset with a frame in hand", test_reset},
	{"held while the machine is paused", test_hold},
	TAP_END,
};
