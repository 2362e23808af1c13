/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: what the MMU makes of windows: refused ones, writes across two, RAM far beyond the host's,
 * walks that yield. Read first: shadow_windows.c.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shadow/gmem_internal.h"
#include "tests/unit/shadow_fixture.h"
static void test_refused_is_not_a_fault(void)
{
	struct fake_config cfg;
	unsigned k = 0;
	struct fake f;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	fx_start(&f, &cfg);
	for (bool more = true; more; k++) {
		enum sh_walk_result r;
		struct sh_walk w;

		gmem_thread_exit(f.gm);
		fx_refuse_memory(k);
		r = sh_translate(f.vcpu[0].v, GVA(0x1000), SH_USER, &w);
		more = fx_refused();
		CU_ASSERT_EQUAL(r, more ? SH_WALK_HOST : SH_WALK_OK);
	}
	CU_ASSERT(k > 4);
	fx_end(&f);
}

/* A write into two frames is made whole or not at all. */
static void test_crossing(void)
{
	struct fake_config cfg;
	unsigned k = 0;
	struct fake f;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	fx_start(&f, &cfg);
	/* Descriptors are reserved by now: what is left to refuse is windows. */
	CU_ASSERT_EQUAL(sh_write(f.mmu, NULL, GPA(90 << 12), &k, sizeof(k)), 0);
	for (bool more = true; more; k++) {
		uint8_t ones[32], now[32];
		int err;

		gmem_fill(f.gm, GPA((80 << 12) - 16), 0, 32);
		gmem_thread_exit(f.gm);
		memset(ones, 1, sizeof(ones));
		fx_refuse_memory(k);
		err = sh_write(f.mmu, NULL, GPA((80 << 12) - 16), ones, 32);
		more = fx_refused();
		CU_ASSERT_EQUAL(err, more ? -ENOMEM : 0);
		gmem_read(f.gm, GPA((80 << 12) - 16), now, 32);
		for (unsigned i = 0; i < 32; i++)
			CU_ASSERT_EQUAL(now[i], !more);
		/* The pool keeps what it mapped: next time other frames. */
		for (unsigned i = 0; i < GMEM_POOL_MAX; i++)
			gmem_pool_unmap(f.gm, gmem_pool_map(f.gm, GFN(100 + i)));
	}
	CU_ASSERT(k > 2);
	fx_end(&f);
}

static uint64_t resident(void)
{
	unsigned long size = 0, rss = 0;
	FILE *s = fopen("/proc/self/statm", "r");

	if (s && fscanf(s, "%lu %lu", &size, &rss) != 2)
		rss = 0;
	if (s)
		fclose(s);
	return (uint64_t)rss << 12;
}

/* 1 TiB of guest RAM, tables and pages at its very top, seen through windows. */
static void test_terabyte(void)
{
	struct fake_config cfg;
	uint64_t before = resident(), top;
	struct fake f;

	fake_defaults(&cfg);
	cfg.size = 1ull << 40;
	cfg.lowmem = 0;
	cfg.model.maxphyaddr = 46;
	fx_start(&f, &cfg);
	top = gmem_end(f.gm).v;
	CU_ASSERT(top > 1ull << 28);
	fx_put(&f, G_PD, 1, fx_pte(top - 1, T_RWU));
	for (unsigned i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(gmem_store(f.gm, GPA((top - 1) << 12 | i << 3),
					   fx_pte(top - 2 - i, T_RWU), 8),
				0);
	for (unsigned i = 0; i < 64; i++) {
		struct fake_result r = fx_store(&f, 0, (2 << 20) + (i << 12), SH_USER, i + 1);

		CU_ASSERT_EQUAL(r.kind, FAKE_OK);
		CU_ASSERT_EQUAL(r.gpa, (top - 2 - i) << 12);
	}
	fx_audit(&f);
	printf("# 1 TiB of guest RAM: %lu KiB more resident\n",
	       (unsigned long)(resident() - before) >> 10);
	CU_ASSERT(resident() < before + (64 << 20));
	fx_end(&f);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Goes through a whole table, entry by entry, with a place to yield after each. */
static void test_walk_with_yields(void)
{
	static double took[4096];
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	fx_start(&f, &cfg);
	for (unsigned i = 0; i < 4096; i++) {
		double t = now_us();
		struct sh_walk w;

		sh_translate(f.vcpu[0].v, GVA((uint64_t)(i % 512) << 12), SH_USER | SH_PEEK,
			     &w);
		took[i] = now_us() - t;
		CU_ASSERT_EQUAL(gmem_held(f.gm), 0);
		sh_may_wait();
		sched_yield();
	}
	qsort(took, 4096, sizeof(took[0]), by_value);
	printf("# between two places to yield: p50 %.2f us, p99 %.2f us\n", took[2048],
	       took[4055]);
	fx_end(&f);
}

const struct tap_case suite_windows_mmu[] = {
	{"a window the host refuses is no fault of the guest", test_refused_is_not_a_fault},
	{"a write into two frames, whole or not at all", test_crossing},
	{"HM-11 1 TiB of guest RAM", test_terabyte},
	{"HM-13 a walk with places to yield", test_walk_with_yields},
	{0},
};
