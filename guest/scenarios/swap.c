/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is not enough. The limit is set for the time of one program, so that it comes soon. */
#include "kernel/rcu.h"
#include "dev/dev.h"
#include "scenarios/pressure.h"
#include "scenarios/scenarios.h"
#include "x86.h"

#define VA (TEST_BASE + TEST_AREA)

const char *pressure_begin(ulong frames, u32 slots, bool ramdisk)
{
	CHECK(swap_on(slots, ramdisk), "no memory for the %s", swap_name());
	reclaim_stats = (struct reclaim_stats){0};
	memory_limit = frames_used() + frames;
	return NULL;
}

/* Every process is gone. */
const char *pressure_end(void)
{
	u32 left;

	process_reap_all();
	rcu_barrier();
	smp_quiesce();
	memory_limit = 0;
	note("%s: %lu out, %lu in, %lu of %lu frames freed, %lu rounds", swap_name(),
	     swap_stats.out, swap_stats.in, reclaim_stats.freed, reclaim_stats.unmapped,
	     reclaim_stats.rounds);
	left = swap_off();
	CHECK(!left, "%u slots of swap are in use", left);
	CHECK(!reclaim_stats.lies, "reclaim said %lu times that frames are free",
	      reclaim_stats.lies);
	CHECK(!reclaim_stats.livelocks, "reclaim made no progress %lu times",
	      reclaim_stats.livelocks);
	return NULL;
}

const char *run_under_pressure(u32 program, ulong arg, ulong frames, u32 slots, bool ramdisk)
{
	const char *why = pressure_begin(frames, slots, ramdisk), *end;

	if (why)
		return why;
	why = run_program(program, arg);
	end = pressure_end();
	return end ? end : why;
}

/* Nobody has ended for want of memory, and there was some. */
static const char *check_swapped(ulong least)
{
	CHECK(!reclaim_stats.kills, "%lu processes got no page", reclaim_stats.kills);
	CHECK(swap_stats.out >= least && swap_stats.in >= least, "%lu pages out, %lu in",
	      swap_stats.out, swap_stats.in);
	CHECK(reclaim_stats.freed <= reclaim_stats.unmapped &&
		      reclaim_stats.unmapped == swap_stats.out,
	      "%lu frames freed of %lu, %lu written", reclaim_stats.freed,
	      reclaim_stats.unmapped, swap_stats.out);
	return NULL;
}

const char *swap_pages(void)
{
	const char *why = run_under_pressure(USER_SWAP, 81, 60, 256, false);

	return why ? why : check_swapped(100);
}

const char *swap_fork(void)
{
	const char *why = run_under_pressure(USER_SWAP_FORK, 60, 64, 512, false);

	why = why ? why : check_swapped(40);
	CHECK(why || reclaim_stats.freed < reclaim_stats.unmapped, "no page had two owners");
	return why;
}

/* On the RAM disk: with a device the process sleeps, and its translations go for that alone. */
const char *swap_clock(void)
{
	const char *why = run_under_pressure(USER_SWAP_CLOCK, 60, 50, 256, true);

	return why ? why : check_swapped(100);
}

const char *swap_pin(void)
{
	const char *why = run_under_pressure(USER_SWAP_PIN, 60, 50, 256, false);

	return why ? why : check_swapped(100);
}

const char *smp_swap(void)
{
	const char *why;

	reclaim_blindly = true;
	why = run_under_pressure(USER_SWAP_THREADS, 51, 50, 512, false);
	reclaim_blindly = false;
	return why ? why : check_swapped(50);
}

const char *swap_oom(void)
{
	const char *why = run_under_pressure(USER_SWAP_OOM, 400, 70, 20, false);

	CHECK(why || reclaim_stats.kills == 1, "%lu processes got no page",
	      reclaim_stats.kills);
	CHECK(why || reclaim_stats.rounds < 200, "the end took %lu rounds",
	      reclaim_stats.rounds);
	return why;
}

static ulong read_va(ulong va)
{
	return *(volatile ulong *)va;
}

/* The table goes to disk with A in it, is changed to B by us, and comes back from disk. */
static const char *table_by_dma(pte_t slot, pa_t table, ulong a, ulong b)
{
	CHECK(swap_write(&slot, &table, 1), "the table can't be written");
	for (ulong i = 0; i < 4; i++)
		pte_store(test_pte(VA + i * PAGE_SIZE), b | PTE_KDATA);
	tlb_flush_kernel(VA, VA + 4 * PAGE_SIZE);
	for (ulong i = 0; i < 4; i++)
		CHECK(read_va(VA + i * PAGE_SIZE) == 2, "an entry of ours is not seen");
	CHECK(swap_read(slot, table), "the table can't be read");
	tlb_flush_kernel(VA, VA + 4 * PAGE_SIZE);
	for (ulong i = 0; i < 4; i++)
		CHECK(read_va(VA + i * PAGE_SIZE) == (i % 2 ? 2 : 1),
		      "the device's entry %lu is not seen", i);
	*(volatile ulong *)VA = 1;
	CHECK(*(ulong *)phys(a) == 1, "a store went elsewhere");
	return NULL;
}

static const char *table_rounds(ulong a, ulong b)
{
	pte_t slot = swap_alloc();
	const char *why = NULL;
	pa_t table;

	*(ulong *)phys(a) = 1;
	*(ulong *)phys(b) = 2;
	table = (ulong)test_pte(VA) - KBASE;
	table = ALIGN_DOWN(table, PAGE_SIZE);
	for (int i = 0; i < 20 && !why; i++) {
		for (ulong k = 0; k < 4; k++)
			pte_store(test_pte(VA + k * PAGE_SIZE), (k % 2 ? b : a) | PTE_KDATA);
		tlb_flush_kernel(VA, VA + 4 * PAGE_SIZE);
		for (ulong k = 0; k < 4; k++)
			read_va(VA + k * PAGE_SIZE);
		why = table_by_dma(slot, table, a, b);
	}
	swap_put(slot);
	return why;
}

const char *dma_table(void)
{
	const char *why = pressure_begin(0, 4, false), *end;
	ulong a = frame_alloc(), b = frame_alloc();

	memory_limit = 0;
	why = why ? why : table_rounds(a, b);
	frame_put(a);
	frame_put(b);
	end = pressure_end();
	return why ? why : end;
}
