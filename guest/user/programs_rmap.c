/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about reverse maps of anonymous pages, and about pages that move to other frames under
 * those who use them. */
#include "user/user.h"

#define RW	 (PROT_R | PROT_W)
#define PAGES	 5
#define MAX_CPUS 16
#define LINE	 8
#define FAR	 (USER_STACK_TOP / 2 & ~(HUGE_SIZE - 1))

/* A page of its own for what parents and children tell each other. */
static volatile ulong *shared;

static void wait_for(ulong value)
{
	while (shared[0] < value)
		CALL0(SYS_YIELD);
}

/* A child parts with pages in every way there is, step by step. */
static ulong part(volatile ulong *p)
{
	shared[1]++;
	wait_for(1);
	p[0] = 50; /* a copy */
	CHECK(CALL2(SYS_MUNMAP, p + WORDS, PAGE) == 0);
	CHECK((ulong)CALL4(SYS_MREMAP, p + 2 * WORDS, PAGE, PAGE, FAR) == FAR);
	shared[1]++;
	wait_for(2);
	return *(volatile ulong *)FAR == 3 && p[3 * WORDS] == 4 ? 0 : __LINE__;
}

static ulong find_and_move(volatile ulong *p)
{
	while (shared[1] != 1)
		CALL0(SYS_YIELD);
	for (ulong i = 0; i < PAGES; i++)
		CHECK(CALL1(SYS_RMAP, p + i * WORDS) == 2);
	shared[0] = 1;
	while (shared[1] != 2)
		CALL0(SYS_YIELD);
	CHECK(CALL1(SYS_RMAP, p) == 1 && CALL1(SYS_RMAP, p + WORDS) == 1);
	CHECK(CALL1(SYS_RMAP, p + 2 * WORDS) == 2 && CALL1(SYS_RMAP, p + 3 * WORDS) == 2);
	for (ulong i = 0; i < PAGES; i++) {
		CHECK(CALL1(SYS_MIGRATE, p + i * WORDS) == 1);
		CHECK(p[i * WORDS] == i + 1);
	}
	CHECK(CALL1(SYS_RMAP, p + 2 * WORDS) == 2);
	/* Not while somebody has a reference. Written first: it is read-only since the fork, and
	 * with two references a write would copy it. */
	p[0] = 1;
	CHECK(CALL1(SYS_HOLD, p) == 1 && CALL1(SYS_MIGRATE, p) == 0);
	p[0] = 9;
	CHECK(CALL1(SYS_HOLD, 0) == 9 && CALL1(SYS_MIGRATE, p) == 1 && p[0] == 9);
	return 0;
}

/* Two maps of one page are found, of the child wherever it has it; a moved page has its value. */
ulong prog_rmap(ulong arg)
{
	volatile ulong *p = map(PAGES, RW, 0);
	ulong bad;

	(void)arg;
	shared = map(1, RW, MAP_SHARED);
	CHECK(p && shared);
	for (ulong i = 0; i < PAGES; i++)
		p[i * WORDS] = i + 1;
	CHECK(CALL1(SYS_RMAP, p) == 1);
	if (CALL0(SYS_FORK) == 0)
		exit_with(part(p));
	bad = find_and_move(p);
	shared[0] = 2; /* the child must not wait for ever */
	CALL1(SYS_HOLD, 0);
	CHECK(wait_all_ok(1) == 0);
	if (bad)
		return bad;
	CHECK(CALL1(SYS_RMAP, p + 2 * WORDS) == 1 && CALL1(SYS_MIGRATE, shared) == -1);
	return 0;
}

static volatile ulong stop, *counters; /* a line for each CPU in each page */
static ulong counted[MAX_CPUS];

static void counter(ulong cpu)
{
	ulong n = 0;

	CALL1(SYS_PIN, 1UL << cpu);
	for (; !stop; n++)
		for (ulong i = 0; i < PAGES; i++)
			counters[i * WORDS + cpu * LINE]++;
	counted[cpu] = n;
	exit_with(0);
}

/* Threads count in pages that move all the time. No step is lost. */
ulong prog_migrate(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), bad = 0;

	counters = map(PAGES, RW, 0);
	CHECK(counters);
	for (ulong i = 0; i < PAGES; i++)
		counters[i * WORDS] = 0;
	for (ulong c = 0; c < cpus && !bad; c++)
		if (start_thread(counter, c) <= 0)
			bad = __LINE__;
	for (ulong r = 0; r < rounds && !bad; r++) {
		CALL2(SYS_HARD, r & 1, 0);
		for (ulong i = 0; i < PAGES; i++)
			if (CALL1(SYS_MIGRATE, counters + i * WORDS) != 1)
				bad = __LINE__;
		CALL0(SYS_YIELD);
	}
	CALL2(SYS_HARD, 0, 0);
	stop = 1;
	CHECK(wait_all_ok((int)cpus) == 0);
	for (ulong i = 0; i < PAGES; i++)
		for (ulong c = 0; c < cpus; c++)
			CHECK(counters[i * WORDS + c * LINE] == counted[c]);
	return bad;
}

/* Rounds with a fork. Who takes all locks begins again after each, so there has to be an end; on a host
 * with little time it would come late. */
#define RESTLESS 30

/* A child that unmaps, forks, writes and ends while its family's locks are taken. */
static ulong restless(ulong base)
{
	volatile ulong *p = (volatile ulong *)base;

	for (ulong i = 0; !shared[0]; i++) {
		for (ulong k = 0; k < PAGES; k++)
			CHECK(p[k * WORDS] == k + 1);
		if (i % 3 == 0 && i < RESTLESS) {
			if (CALL0(SYS_FORK) == 0)
				exit_with(p[WORDS] == 2 ? 0 : __LINE__);
			CHECK(wait_all_ok(1) == 0);
		}
		CALL0(SYS_YIELD);
	}
	return 0;
}

static ulong move_all(volatile ulong *p, ulong rounds)
{
	for (ulong i = 0; i < rounds; i++) {
		CALL2(SYS_HARD, i & 1, 0);
		CHECK(CALL1(SYS_MIGRATE, p + i % PAGES * WORDS) >= 0);
		CALL0(SYS_YIELD);
	}
	CALL2(SYS_HARD, 0, 0);
	return p[0] == 1 ? 0 : __LINE__;
}

/* All locks of a large family, taken again and again by two of its members. */
ulong prog_all_locks(ulong children)
{
	volatile ulong *p = map(PAGES, RW, 0);
	ulong bad;

	shared = map(1, RW, MAP_SHARED);
	CHECK(p && shared);
	for (ulong i = 0; i < PAGES; i++)
		p[i * WORDS] = i + 1;
	for (ulong c = 0; c < children; c++)
		if (CALL0(SYS_FORK) == 0)
			exit_with(restless((ulong)p));
	if (CALL0(SYS_FORK) == 0)
		exit_with(move_all(p, 4));
	bad = move_all(p, 6);
	shared[0] = 1;
	CHECK(wait_all_ok((int)children + 1) == 0 && !bad);
	for (ulong i = 0; i < PAGES; i++)
		CHECK(p[i * WORDS] == i + 1 && CALL1(SYS_RMAP, p + i * WORDS) == 1);
	return 0;
}

/* Forks that share tables, and end: how many flushes that takes has nothing to do with how many
 * tables there are. */
ulong prog_share_flush(ulong children)
{
	ulong few = 0, many = 0, *sum[2] = {&few, &many};

	for (ulong round = 0; round < 2; round++) {
		ulong tables = round ? 24 : 2, before;
		volatile ulong *p = map(tables * HUGE_SIZE / PAGE, RW, 0);

		CHECK(p);
		for (ulong i = 0; i < tables; i++)
			p[i * HUGE_SIZE / sizeof(ulong)] = i;
		before = (ulong)CALL1(SYS_STAT, STAT_FLUSHES);
		for (ulong c = 0; c < children; c++) {
			if (CALL0(SYS_FORK) == 0)
				exit_with(0);
			CHECK(wait_all_ok(1) == 0);
		}
		*sum[round] = (ulong)CALL1(SYS_STAT, STAT_FLUSHES) - before;
	}
	CHECK(many <= few + children);
	return 0;
}
