/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about tables that are read, freed and made again while somebody stands in them. */
#include "user/user.h"

#define RW	(PROT_R | PROT_W)
#define CHURNER 2 /* threads, whatever the number of CPUs */
#define TOUCH	5

static volatile ulong stop, rounds_done[CHURNER];

/* Far apart, so that each page has a table of its own, which goes with it. */
static ulong churn_once(ulong i)
{
	volatile ulong *p = map(TOUCH * HUGE_SIZE / PAGE, RW, 0);

	CHECK(p);
	for (ulong k = 0; k < TOUCH; k++)
		p[k * HUGE_SIZE / sizeof(ulong)] = i;
	CALL0(SYS_YIELD); /* the walker gets its turn while the tables are there */
	for (ulong k = 0; k < TOUCH; k++)
		CHECK(p[k * HUGE_SIZE / sizeof(ulong)] == i);
	CHECK(CALL2(SYS_MUNMAP, p, TOUCH * HUGE_SIZE) == 0);
	return 0;
}

static void churner(ulong me)
{
	ulong bad = 0;

	CALL1(SYS_PIN, 3);
	while (!stop && !bad) {
		bad = churn_once(me + 1);
		rounds_done[me]++;
	}
	exit_with(bad);
}

/* The walker counts what stays and at most all of what comes and goes; and meets no garbage. */
ulong prog_walk(ulong rounds)
{
	volatile ulong *p = map(50, RW, MAP_POPULATE);
	long least, n;
	ulong bad = 0;

	CHECK(p);
	CALL1(SYS_PIN, 3); /* two CPUs are enough: more of them only wait for the lock */
	least = CALL0(SYS_WALK);
	CHECK(least >= 50 && CALL0(SYS_WALK) == least);
	for (ulong i = 0; i < CHURNER; i++)
		if (start_thread(churner, i) <= 0)
			bad = __LINE__;
	for (ulong i = 0; (i < rounds || !rounds_done[CHURNER - 1]) && !bad; i++) {
		n = CALL0(SYS_WALK);
		/* The threads touch one page of stack each, and pages of ours. */
		if (n < least || n > least + CHURNER * (TOUCH + 2) + 8)
			bad = n < 0 ? __LINE__ : __LINE__ + 1;
	}
	stop = 1;
	CHECK(wait_all_ok(CHURNER) == 0);
	return bad;
}

ulong prog_tables(ulong rounds)
{
	CHECK(CALL1(SYS_PIN, 1) == 0);
	for (ulong i = 0; i < rounds; i++) {
		volatile ulong *p = map(HUGE_SIZE / PAGE, RW, 0);

		CHECK(p && *p == 0);
		*p = i;
		CHECK(CALL2(SYS_MUNMAP, p, HUGE_SIZE) == 0);
		CALL0(SYS_BARRIER);
	}
	return 0;
}

/* A child's part: look, unmap some or all of it or nothing, look again, write, end. */
static ulong zap_some(ulong base, ulong tables, ulong how)
{
	ulong per = HUGE_SIZE / sizeof(ulong), half = HUGE_SIZE / 2;
	volatile ulong *p = (volatile ulong *)base;

	for (ulong i = 0; i < 2 * tables; i++)
		CHECK(p[i * per / 2] == i + 1);
	if (how & 1) /* a part of the first table */
		CHECK(CALL2(SYS_MUNMAP, base, half) == 0);
	if (how & 2) /* all of the second */
		CHECK(CALL2(SYS_MUNMAP, base + HUGE_SIZE, HUGE_SIZE) == 0);
	CALL0(SYS_YIELD);
	CHECK(!(how & 1) == (CALL2(SYS_SUM, base, 8) != -1));
	CHECK(!(how & 2) == (CALL2(SYS_SUM, base + HUGE_SIZE, 8) != -1));
	CHECK(p[per / 2] == 2 && p[2 * per] == 5);
	if (how & 4)
		p[per / 2] = p[2 * per] = 99;
	CALL0(SYS_YIELD);
	CHECK(p[2 * per] == (how & 4 ? 99 : 5));
	return 0;
}

/* Generations of children that unmap the parent's tables, each in its way; the parent's stay. */
ulong prog_share_zap(ulong rounds)
{
	ulong tables = 3, per = HUGE_SIZE / sizeof(ulong);
	ulong at = (ulong)map((tables + 1) * HUGE_SIZE / PAGE, RW, 0);
	volatile ulong *p;

	CHECK(at);
	at = (at + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	p = (volatile ulong *)at;
	for (ulong i = 0; i < 2 * tables; i++)
		p[i * per / 2] = i + 1;
	for (ulong r = 0; r < rounds; r += 4) {
		for (ulong k = 0; k < 4; k++)
			if (CALL0(SYS_FORK) == 0)
				exit_with(zap_some(at, tables, (ulong)CALL0(SYS_RANDOM) % 8));
		if (r % 8)
			p[2 * per] = 5; /* the parent parts with it, too */
		CHECK(wait_all_ok(4) == 0);
		for (ulong i = 0; i < 2 * tables; i++)
			CHECK(p[i * per / 2] == i + 1);
	}
	return 0;
}
