/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about unmapping while others look on: through their TLBs, by references to pages, and
 * through reverse maps. */
#include "user/user.h"

#define RW	 (PROT_R | PROT_W)
#define AREA	 40 /* pages: several times what a gather has room for */
#define MAX_CPUS 16
#define FAR	 (USER_STACK_TOP / 2 & ~(HUGE_SIZE - 1)) /* where map() doesn't go */

static volatile ulong stop, acknowledged, issued, looked[MAX_CPUS];
static volatile ulong *area;

/* An area at an address of our choice; nothing of it is there yet. */
static bool map_at(ulong at, ulong pages)
{
	void *p = map(pages, RW, 0);

	return p && (ulong)CALL4(SYS_MREMAP, p, pages * PAGE, pages * PAGE, at) == at;
}

/* Every page of the area holds the number of its round, or 0 before it was written. */
static void looker(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	CALL1(SYS_RETRY, 1);
	for (ulong i = 0; !stop; i++) {
		ulong least = acknowledged, got = area[i % AREA * WORDS];

		if (got && (got < least || got > issued))
			exit_with(__LINE__);
		if (++looked[cpu] % 64 == 0)
			CALL0(SYS_YIELD); /* who goes round wants to go on */
	}
	exit_with(0);
}

/* Map, write, unmap, at the same address; each time with other hardships. The lookers are on all
 * CPUs but the first, and this process goes round over all of them. */
static ulong gather_rounds(ulong rounds)
{
	for (ulong r = 1; r <= rounds; r++) {
		CALL2(SYS_HARD, r % 4, 0);
		CHECK(map_at(FAR, AREA));
		issued = r;
		for (ulong i = 0; i < AREA; i++)
			area[i * WORDS] = r;
		CHECK(CALL2(SYS_MUNMAP, area, AREA * PAGE) == 0);
		acknowledged = r + 1;
	}
	return 0;
}

ulong prog_gather(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), bad = 0;

	area = (volatile ulong *)FAR;
	for (ulong c = 1; c < cpus && !bad; c++)
		if (start_thread(looker, c) <= 0)
			bad = __LINE__;
	if (!bad)
		bad = gather_rounds(rounds);
	CALL2(SYS_HARD, 0, 0);
	CHECK(map_at(FAR, AREA));
	for (ulong c = 1; c < cpus && !bad; c++)
		while (!looked[c])
			CALL0(SYS_YIELD);
	stop = 1;
	CHECK(wait_all_ok((int)cpus - 1) == 0);
	return bad;
}

/* One flush for what there is room for, none for nothing. */
ulong prog_gather_count(ulong pages)
{
	static const struct {
		ulong hard, room;
	} with[] = {{0, 9000}, {HARD_STARVE, 8}, {HARD_STARVE | HARD_WANDER, 8}};

	for (ulong i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		void *p = map(pages, RW, MAP_POPULATE);
		ulong flushes, want;

		/* A page behind it keeps its table: that is not gathered. */
		CHECK(p && map(1, RW, MAP_POPULATE));
		CALL2(SYS_HARD, with[i].hard, 0);
		flushes = (ulong)CALL1(SYS_STAT, STAT_GATHER_FLUSHES);
		CHECK(CALL2(SYS_MUNMAP, p, pages * PAGE) == 0);
		flushes = (ulong)CALL1(SYS_STAT, STAT_GATHER_FLUSHES) - flushes;
		want = (pages + with[i].room - 1) / with[i].room;
		CHECK(flushes == want);
		CHECK(map(pages, RW, 0) == p);
		flushes = (ulong)CALL1(SYS_STAT, STAT_FLUSHES);
		CHECK(CALL2(SYS_MUNMAP, p, pages * PAGE) == 0);
		CHECK((ulong)CALL1(SYS_STAT, STAT_FLUSHES) == flushes);
	}
	return 0;
}

/*
 * References against unmapping. The pages lie a table apart, so that tables go with them, and
 * more of them than a CPU keeps. What is written to the pages would, if it were taken for an
 * entry, be one that leads nowhere.
 */
#define SPARSE	  14
#define TAG(i, r) (((ulong)(i) + 1) << 20 | ((ulong)(r)&0xff) << 12 | 0x867)

static volatile ulong *sparse(ulong i)
{
	return area + i * (HUGE_SIZE / sizeof(ulong));
}

static ulong valid(ulong word, ulong i)
{
	return word == ~0UL || !word || (word & ~0xff000UL) == (TAG(i, 0));
}

static void getter(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	for (ulong i = cpu; !stop; i += 5) {
		ulong k = i % SPARSE;

		/* One of us is slow, so that all the others may happen in between. */
		CALL2(SYS_HARD, i & HARD_AT_TABLE, cpu || i % 2 ? 0 : 5000);
		if (!valid((ulong)CALL1(SYS_GUP, sparse(k)), k))
			exit_with(__LINE__);
		if (++looked[cpu] % 16 == 0)
			CALL0(SYS_YIELD);
	}
	exit_with(0);
}

/* Pages full of tags, from the frames that the others gave back. */
static void filler(ulong slot)
{
	(void)slot;
	while (!stop) {
		volatile ulong *p = map(30, RW, MAP_POPULATE);

		if (!p)
			exit_with(__LINE__);
		for (ulong i = 0; i < 30 * WORDS; i++)
			p[i] = TAG(100, i);
		if (CALL2(SYS_MUNMAP, p, 30 * PAGE) != 0)
			exit_with(__LINE__);
		CALL0(SYS_YIELD);
	}
	exit_with(0);
}

#define OTHERS 10 /* areas; gup.c counts them */
static volatile ulong waiting, where, which, got;

/* Asks for a page, and stays in the middle of it until it has changed. */
static void caught(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	CALL2(SYS_HARD, where, 2000000);
	waiting = 1;
	got = (ulong)CALL1(SYS_GUP, sparse(which));
	exit_with(0);
}

/* Under the eyes of one who has just read the entry, or the way to it, the page and its table are
 * freed and become pages of somebody else's. */
static ulong catch_one(ulong at, ulong page)
{
	static volatile ulong *other[OTHERS];

	CHECK(CALL1(SYS_PIN, 1) == 0);
	CHECK(map_at(FAR, SPARSE * HUGE_SIZE / PAGE));
	for (ulong i = 0; i < SPARSE; i++)
		*sparse(i) = TAG(i, 1);
	waiting = 0;
	where = at;
	which = page;
	CHECK(start_thread(caught, 1) > 0);
	while (!waiting)
		pause();
	for (ulong i = 0; i < 3000; i++)
		pause();
	CHECK(CALL2(SYS_MUNMAP, FAR, SPARSE * HUGE_SIZE) == 0);
	for (ulong i = 0; i < 20; i++)
		CALL0(SYS_YIELD); /* grace periods end, if nobody is reading */
	for (ulong k = 0; k < OTHERS; k++) {
		other[k] = map(5, RW, MAP_POPULATE);
		CHECK(other[k]);
		for (ulong i = 0; i < 5 * WORDS; i++)
			other[k][i] = TAG(100, i);
	}
	CHECK(wait_all_ok(1) == 0);
	for (ulong k = 0; k < OTHERS; k++)
		CHECK(CALL2(SYS_MUNMAP, other[k], 5 * PAGE) == 0);
	CHECK(CALL1(SYS_PIN, 0) >= 0);
	return valid(got, page) ? 0 : __LINE__;
}

static ulong gup_round(ulong r)
{
	ulong there = FAR + 2 * SPARSE * HUGE_SIZE, len = SPARSE * HUGE_SIZE;

	CHECK(map_at(FAR, len / PAGE));
	for (ulong i = 0; i < SPARSE; i++)
		*sparse(i) = TAG(i, r);
	for (ulong i = 0; i < SPARSE; i++)
		CHECK(CALL1(SYS_GUP, sparse(i)) == (long)TAG(i, r));
	CALL2(SYS_HARD, r % 8 == 7 ? HARD_WANDER : r % 4 == 1 ? HARD_STARVE : 0, 0);
	if (r & 1) {
		CHECK((ulong)CALL4(SYS_MREMAP, FAR, len, len, there) == there);
		return CALL2(SYS_MUNMAP, there, len) == 0 ? 0 : __LINE__;
	}
	return CALL2(SYS_MUNMAP, FAR, len) == 0 ? 0 : __LINE__;
}

ulong prog_gup(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), bad = 0, threads = 0;

	area = (volatile ulong *)FAR;
	if (cpus > 1) {
		CHECK(catch_one(0, SPARSE - 1) == 0);
		/* Which tables a CPU keeps, and which become pages, depends on their order. */
		CHECK(catch_one(HARD_AT_TABLE, SPARSE - 1) == 0);
		CHECK(catch_one(HARD_AT_TABLE, 3) == 0);
	}
	for (; threads < cpus && !bad; threads++)
		if (start_thread(getter, threads) <= 0)
			bad = __LINE__;
	if (start_thread(filler, MAX_THREADS - 1) <= 0)
		bad = __LINE__;
	for (ulong r = 0; r < rounds && !bad; r++)
		bad = gup_round(r);
	stop = 1;
	CALL2(SYS_HARD, 0, 0);
	CHECK(wait_all_ok((int)threads + 1) == 0);
	return bad;
}
