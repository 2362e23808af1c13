/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about mremap: what moves is all there, and nothing is left where it was. */
#include "user/user.h"

#define RW    (PROT_R | PROT_W)
#define TABLE HUGE_SIZE /* what one last-level table maps */
#define ARENA (8 * TABLE)

/* A range of pages of which every `stride`-th has been touched. */
struct range {
	ulong at, pages, stride, tag;
};

static volatile ulong *word(const struct range *r, ulong page)
{
	return (volatile ulong *)(r->at + page * PAGE + page % WORDS * sizeof(ulong));
}

static void fill(const struct range *r)
{
	for (ulong i = 0; i < r->pages; i += r->stride)
		*word(r, i) = r->tag * 100003 + i;
}

/* The touched pages hold what they held; some of the others are still zero. */
static ulong check(const struct range *r)
{
	for (ulong i = 0; i < r->pages; i += r->stride)
		CHECK(*word(r, i) == r->tag * 100003 + i);
	for (ulong i = 1; r->stride > 1 && i < r->pages; i += 5 * r->stride)
		CHECK(*word(r, i) == 0);
	return 0;
}

/* No page of [at, at + len) can be read. */
static ulong gone(ulong at, ulong len)
{
	ulong step = len > 64 * PAGE ? len / 64 & ~(PAGE - 1) : PAGE;

	for (ulong i = 0; i < len; i += step)
		CHECK(CALL2(SYS_SUM, at + i, 8) == -1);
	return 0;
}

static ulong move(struct range *r, ulong to)
{
	ulong old = r->at, len = r->pages * PAGE;

	CHECK((ulong)CALL4(SYS_MREMAP, old, len, len, to) == to);
	CHECK(gone(old, len) == 0);
	r->at = to;
	return check(r);
}

/* Two arenas; a range of random size goes from anywhere in the one to anywhere in the other. */
ulong prog_mremap(ulong rounds)
{
	ulong arena = (ulong)map(2 * ARENA / PAGE, RW, 0), base;

	CHECK(arena && CALL2(SYS_MUNMAP, arena, 2 * ARENA) == 0);
	base = ((arena + TABLE - 1) & ~(TABLE - 1)) + 4 * TABLE; /* map() finds room below */
	for (ulong i = 0; i < rounds; i++) {
		ulong x = (ulong)CALL0(SYS_RANDOM), kind = x % 3, from, to;
		/* Single pages; ranges over boundaries; whole tables, with a tail. */
		struct range r = {.tag = i, .stride = kind ? 1 + (x >> 3) % 90 : 1};

		r.pages = kind == 0 ? 1 + (x >> 10) % 3
				    : TABLE / PAGE / 2 + (x >> 10) % (TABLE / PAGE);
		from = base + (kind == 2 ? 0 : (x >> 5) % 500 * PAGE);
		to = base + ARENA / 2 + (kind == 2 ? TABLE : (x >> 7) % 600 * PAGE);
		r.at = (ulong)map(r.pages, RW, 0);
		CHECK(r.at && (ulong)CALL4(SYS_MREMAP, r.at, r.pages * PAGE, r.pages * PAGE,
					   from) == from);
		r.at = from;
		fill(&r);
		CHECK(move(&r, to) == 0);
		CHECK(move(&r, from) == 0);
		CHECK(CALL2(SYS_MUNMAP, r.at, r.pages * PAGE) == 0);
	}
	return 0;
}

/* A move over table boundaries, with the first allocation failing, then the second, ... */
static ulong fail_each(struct range *r, ulong to, ulong least)
{
	ulong old = r->at, len = r->pages * PAGE, n = 0;
	long at;

	do {
		CALL1(SYS_FAIL, ++n);
		at = CALL4(SYS_MREMAP, old, len, len, to);
		if (CALL1(SYS_FAIL, 0) != 0)
			break; /* it was not needed */
		CHECK(at == -1);
		CHECK(check(r) == 0);
		CHECK(gone(to, len) == 0);
	} while (n < 20);
	CHECK((ulong)at == to && n > least && n < 20);
	CHECK(gone(old, len) == 0);
	r->at = to;
	return check(r);
}

ulong prog_mremap_fail(ulong arg)
{
	struct range r = {.pages = 2 * TABLE / PAGE + 10, .stride = 7, .tag = 5};
	ulong far = USER_STACK_TOP - 0x20000000UL;

	(void)arg;
	r.at = (ulong)map(r.pages, RW, 0);
	CHECK(r.at);
	fill(&r);
	/* Three tables at most are there; each of those at the new place has to be made. */
	far &= ~(TABLE - 1);
	CHECK(fail_each(&r, far + 3 * PAGE, 2) == 0);
	/* Aligned alike, so that whole tables move, too. */
	CHECK(fail_each(&r, far + 8 * TABLE + 3 * PAGE, 1) == 0);
	/* An area that grows as it moves, to where the kernel likes; its new end is fresh. */
	far = (ulong)CALL4(SYS_MREMAP, r.at, r.pages * PAGE, (r.pages + 4) * PAGE, 0);
	CHECK(far + 1 > 1);
	r.at = far;
	CHECK(check(&r) == 0);
	CHECK(*(volatile ulong *)(r.at + (r.pages + 3) * PAGE) == 0);
	/* Not over another area, nor over itself. */
	CHECK(CALL4(SYS_MREMAP, r.at, PAGE, PAGE, r.at + PAGE) == -1);
	CHECK(CALL4(SYS_MREMAP, r.at, PAGE, PAGE, USER_IMAGE) == -1);
	return check(&r);
}

#define MAX_CPUS 16
#define LINE	 8
static volatile ulong *counters; /* where the threads count; it comes and goes */
static volatile ulong stop;

static void counter(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	while (!stop)
		counters[cpu * LINE]++;
	exit_with(0);
}

static ulong away_and_back(ulong cpus, ulong there)
{
	ulong here = (ulong)counters, before[MAX_CPUS];
	volatile ulong *seen = (volatile ulong *)there;

	CHECK((ulong)CALL4(SYS_MREMAP, here, PAGE, PAGE, there) == there);
	for (ulong c = 1; c < cpus; c++)
		before[c] = seen[c * LINE];
	for (int i = 0; i < 10000; i++)
		pause();
	for (ulong c = 1; c < cpus; c++)
		CHECK(seen[c * LINE] == before[c]);
	CHECK((ulong)CALL4(SYS_MREMAP, there, PAGE, PAGE, here) == here);
	for (ulong c = 1; c < cpus; c++)
		while (counters[c * LINE] == before[c])
			pause();
	return 0;
}

/* Once mremap has returned, no thread on any CPU writes to the page; once it is back, all do. */
ulong prog_smp_mremap(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), bad = 0;

	CALL1(SYS_RETRY, 1);
	CHECK(CALL1(SYS_PIN, 1) == 0);
	counters = map(1, RW, 0);
	CHECK(counters);
	counters[0] = 0;
	for (ulong c = 1; c < cpus; c++)
		if (start_thread(counter, c) <= 0)
			bad = __LINE__;
	for (ulong r = 0; r < rounds && !bad; r++)
		bad = away_and_back(cpus, USER_STACK_TOP - 0x10000000UL + r * PAGE);
	stop = 1;
	if (!bad)
		CHECK(wait_all_ok((int)cpus - 1) == 0);
	return bad;
}
