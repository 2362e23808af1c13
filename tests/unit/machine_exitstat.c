/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Exit statistics: buckets, medians, sums. A stretch of a known length is made by moving left_at
 * back in time; the clock only adds to it, so upper bounds have slack.
 */
#include <string.h>
#include <time.h>

#include "tests/unit/machine_test.h"
#include "vmm/exitstat.h"

#define C XC_MMIO

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Counts one exit that took at least ns. */
static void spend(struct exit_stats *s, uint64_t ns)
{
	exit_stats_left(s);
	s->left_at = now_ns() - ns;
	s->kind = C;
	exit_stats_enter(s);
}

static void put(struct exit_stats *s, unsigned b, uint32_t n)
{
	s->hist[C][b] += n;
	s->count[C] += n;
}

static void nothing(void)
{
	struct exit_stats s = {0};

	exit_stats_enter(&s); /* the first entry: nothing was left before */
	for (unsigned c = 0; c < XC_CLASSES; c++) {
		CU_ASSERT_EQUAL(s.count[c], 0);
		CU_ASSERT_EQUAL(exit_stats_median(&s, c), 0);
		CU_ASSERT_PTR_NOT_NULL(exit_class_names[c]);
	}
}

static void counts(void)
{
	struct exit_stats s = {0};
	uint64_t in_hist = 0;

	exit_stats_left(&s);
	CU_ASSERT_EQUAL(s.kind, XC_KICK); /* until somebody knows better */
	exit_stats_enter(&s);
	exit_stats_enter(&s); /* twice: counted once */
	CU_ASSERT_EQUAL(s.count[XC_KICK], 1);
	for (unsigned b = 0; b < XS_BUCKETS; b++)
		in_hist += s.hist[XC_KICK][b];
	CU_ASSERT_EQUAL(in_hist, 1);
	CU_ASSERT_EQUAL(s.max_ns[XC_KICK], s.total_ns[XC_KICK]);
}

static void linear_edges(void)
{
	static const struct {
		unsigned bucket;
		uint64_t median;
	} rows[] = {{0, 50}, {1, 100}, {63, 3200}, {127, 6400}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exit_stats s = {0};

		put(&s, rows[i].bucket, 3);
		CU_ASSERT_EQUAL(exit_stats_median(&s, C), rows[i].median);
	}
}

/* Behind 6.4 us each bucket is twice as wide as all before it. */
static void doubling_edges(void)
{
	for (unsigned k = 0; k < 20; k++) {
		struct exit_stats s = {0};

		put(&s, 128 + k, 1);
		CU_ASSERT_EQUAL(exit_stats_median(&s, C), 12800ull << k);
	}
}

static void median_of_many(void)
{
	struct exit_stats s = {0};

	put(&s, 2, 10);
	put(&s, 5, 1);
	put(&s, 140, 9);
	CU_ASSERT_EQUAL(exit_stats_median(&s, C), 150); /* half lies in the first already */
	put(&s, 140, 1);
	CU_ASSERT_EQUAL(exit_stats_median(&s, C), 300);
	put(&s, 140, 2);
	CU_ASSERT_EQUAL(exit_stats_median(&s, C), 12800ull << 12);
}

/* A long stretch lands where its own upper edge is the next above it. */
static void long_stretches(void)
{
	static const uint64_t ns[] = {6400,	 12799,	    12801,	1000000,
				      999999999, 1ull << 36, 1ull << 40, 1ull << 45};

	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		struct exit_stats s = {0};
		uint64_t median;

		if (ns[i] >= now_ns())
			continue; /* this machine is too young */
		spend(&s, ns[i]);
		median = exit_stats_median(&s, C);
		CU_ASSERT_EQUAL(s.count[C], 1);
		CU_ASSERT(s.max_ns[C] >= ns[i] && s.max_ns[C] == s.total_ns[C]);
		CU_ASSERT(median > s.max_ns[C]);
		CU_ASSERT(median <= 2 * s.max_ns[C]);
	}
}

/* The greatest time there is (no left_at is that old) stays within the histogram. */
static void overflow(void)
{
	struct exit_stats s = {0};
	uint64_t in_hist = 0;

	s.left_at = now_ns() + 1000000000u; /* a clock gone back: nearly 2^64 ns */
	s.kind = C;
	exit_stats_enter(&s);
	for (unsigned b = 0; b < XS_BUCKETS; b++)
		in_hist += s.hist[C][b];
	CU_ASSERT_EQUAL(s.count[C], 1);
	CU_ASSERT_EQUAL(in_hist, 1);
	CU_ASSERT(exit_stats_median(&s, C) > 0);
}

static void sums(void)
{
	static struct exit_stats a, b;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	put(&a, 1, 2);
	put(&b, 1, 3);
	put(&b, 200, 1);
	a.total_ns[C] = 100, b.total_ns[C] = 23;
	a.max_ns[C] = 7, b.max_ns[C] = 9;
	a.insns_interpreted = 4, b.insns_interpreted = 5;
	exit_stats_add(&a, &b);
	CU_ASSERT_EQUAL(a.count[C], 6);
	CU_ASSERT_EQUAL(a.hist[C][1], 5);
	CU_ASSERT_EQUAL(a.hist[C][200], 1);
	CU_ASSERT_EQUAL(a.total_ns[C], 123);
	CU_ASSERT_EQUAL(a.max_ns[C], 9);
	CU_ASSERT_EQUAL(a.insns_interpreted, 9);
	CU_ASSERT_EQUAL(exit_stats_median(&a, C), 100);
	b.max_ns[C] = 1;
	exit_stats_add(&a, &b);
	CU_ASSERT_EQUAL(a.max_ns[C], 9);
}

const struct tap_case exitstat_tests[] = {
	{"nothing counted", nothing},
	{"an exit is counted once", counts},
	{"steps of 50 ns", linear_edges},
	{"doubling steps", doubling_edges},
	{"median of many", median_of_many},
	{"long stretches", long_stretches},
	{"overflow", overflow},
	{"sums", sums},
	TAP_NO_CASE,
};
