/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about mapped files: what all who map one see, what reaches the disk, what is cut off. */
#include "user/user.h"

#define FILE2(op, f)	   CALL2(SYS_FILE, op, f)
#define FILE3(op, f, a)	   CALL3(SYS_FILE, op, f, a)
#define FILE4(op, f, a, b) CALL4(SYS_FILE, op, f, a, b)
#define PAGES		   6
#define MAX_CPUS	   16

static volatile ulong *map_file(ulong file, ulong first, ulong pages)
{
	long r = FILE4(FILE_MAP, file, first, pages);

	return r == -1 ? (void *)0 : (void *)r;
}

static ulong readable(const volatile void *p)
{
	return CALL2(SYS_SUM, p, 8) != -1;
}

/* A child maps what its parent maps, at the same place, with nothing copied. */
static ulong child_of_file(volatile ulong *p, volatile ulong *q)
{
	CHECK(p[WORDS] == 101 && q[0] == 102);
	p[WORDS] = 201;
	CHECK(CALL2(SYS_MUNMAP, p, PAGES * PAGE) == 0);
	q[0] = 202;
	return 0;
}

ulong prog_file(ulong arg)
{
	long f = CALL2(SYS_FILE, FILE_CREATE, PAGES);
	volatile ulong *p, *q;

	(void)arg;
	CHECK(f >= 0);
	p = map_file((ulong)f, 0, PAGES);
	q = map_file((ulong)f, 2, 3);
	CHECK(p && q && FILE2(FILE_CLOSE, f) == -1);
	for (ulong i = 0; i < PAGES; i++)
		p[i * WORDS] = 100 + i;
	CHECK(q[0] == 102 && q[2 * WORDS] == 104);
	if (CALL0(SYS_FORK) == 0)
		exit_with(child_of_file(p, q));
	CHECK(wait_all_ok(1) == 0);
	CHECK(p[WORDS] == 201 && p[2 * WORDS] == 202 && q[0] == 202);
	/* Cut in the middle of both, under a child's eyes. */
	CHECK(FILE3(FILE_TRUNCATE, f, 3) == 0);
	CHECK(readable(p + 2 * WORDS) && readable(q));
	CHECK(!readable(p + 3 * WORDS) && !readable(q + WORDS));
	CHECK(FILE3(FILE_TRUNCATE, f, PAGES) == 0);
	CHECK(p[2 * WORDS] == 202 && p[3 * WORDS] == 0 && q[2 * WORDS] == 0);
	/* Parts of an area go, and an area moves: the rest is found when the file is cut. */
	CHECK(CALL2(SYS_MUNMAP, p + WORDS, PAGE) == 0);
	CHECK(p[2 * WORDS] == 202 && p[0] == 100);
	q = (volatile ulong *)CALL4(SYS_MREMAP, q, 3 * PAGE, 3 * PAGE, 0);
	CHECK(q != (void *)-1 && q[0] == 202);
	CHECK(FILE3(FILE_TRUNCATE, f, 2) == 0);
	CHECK(readable(p) && !readable(p + 2 * WORDS) && !readable(q));
	CHECK(CALL2(SYS_MUNMAP, p, PAGES * PAGE) == 0);
	CHECK(CALL2(SYS_MUNMAP, q, 3 * PAGE) == 0);
	return FILE2(FILE_CLOSE, f) == 0 ? 0 : __LINE__;
}

/* What was written before msync is on disk, and what was written after it is there after the
 * next. */
static ulong sync_twice(ulong f, volatile ulong *p, volatile ulong *q)
{
	for (ulong i = 0; i < 20; i++) {
		p[i % 3 * WORDS] = i + 1;
		CHECK(CALL2(SYS_MSYNC, i & 1 ? p : q, 3 * PAGE) == 0);
		CHECK((ulong)FILE3(FILE_DISK, f, i % 3) == i + 1);
		q[i % 3 * WORDS] = i + 2;
		CHECK((ulong)FILE3(FILE_DISK, f, i % 3) == i + 1);
		CHECK(CALL2(SYS_MSYNC, p, 3 * PAGE) == 0);
		CHECK((ulong)FILE3(FILE_DISK, f, i % 3) == i + 2);
	}
	return 0;
}

ulong prog_msync(ulong arg)
{
	long f = CALL2(SYS_FILE, FILE_CREATE, 3);
	volatile ulong *p, *q;

	(void)arg;
	CHECK(f >= 0);
	p = map_file((ulong)f, 0, 3);
	q = map_file((ulong)f, 0, 3);
	CHECK(p && q && sync_twice((ulong)f, p, q) == 0);
	CHECK(CALL2(SYS_MUNMAP, q, 3 * PAGE) == 0);
	/* Clean pages that nobody maps are read from disk again; written ones stay. */
	p[0] = 77;
	CHECK(CALL2(SYS_MUNMAP, p, 3 * PAGE) == 0);
	CHECK(FILE2(FILE_DROP, f) == 2);
	p = map_file((ulong)f, 0, 3);
	CHECK(p && p[0] == 77 && p[WORDS] == 21 && p[2 * WORDS] == 19);
	CHECK(CALL2(SYS_MSYNC, p, 3 * PAGE) == 0 && FILE3(FILE_DISK, f, 0) == 77);
	CHECK(CALL2(SYS_MUNMAP, p, 3 * PAGE) == 0);
	CHECK(FILE2(FILE_DROP, f) == 3);
	p = map_file((ulong)f, 0, 3);
	CHECK(p && p[0] == 77);
	CHECK(CALL2(SYS_MUNMAP, p, 3 * PAGE) == 0);
	return FILE2(FILE_CLOSE, f) == 0 ? 0 : __LINE__;
}

/* A page of the file holds the number of its round, or 0. Once a round is acknowledged, nobody
 * finds an older one: the pages of those were cut off. */
static volatile ulong
	*shown;		    /* page 0 stays; word 0: acknowledged, 1: issued, 2: stop, 3: cut */
static volatile ulong *cut; /* the pages that come and go */
#define CUT 4

static ulong look(void)
{
	for (ulong i = 0; i < CUT; i++) {
		ulong least = shown[0], got = cut[i * WORDS];

		CHECK(!got || got >= least);
		CHECK(got <= shown[1]);
	}
	return 0;
}

/* Has children all the time, each of which looks at what it got from this one. */
static ulong parent(void)
{
	while (!shown[2]) {
		CHECK(look() == 0);
		if (CALL0(SYS_FORK) == 0) {
			CALL1(SYS_RETRY, 1);
			exit_with(look());
		}
		CHECK(wait_all_ok(1) == 0);
	}
	return 0;
}

static ulong forks_joined(void)
{
	return (ulong)CALL1(SYS_STAT, STAT_FORKS_JOINED);
}

/* Its fork waits, after the child has become a member, for the cut to begin. */
static ulong fork_while_cut(void)
{
	CALL2(SYS_HARD, HARD_MEET, 0);
	if (CALL0(SYS_FORK) == 0) {
		CALL1(SYS_RETRY, 1);
		while (!shown[3])
			CALL0(SYS_YIELD);
		for (ulong i = 0; i < CUT; i++)
			if (cut[i * WORDS])
				exit_with(__LINE__);
		exit_with(0);
	}
	return wait_all_ok(1);
}

/* The cut goes on, after the first space, when the child has its entries: it is found all the same,
 * or has got none. */
static ulong cut_under_fork(ulong f)
{
	ulong before = forks_joined();

	shown[3] = 0;
	for (ulong i = 0; i < CUT; i++)
		cut[i * WORDS] = 7;
	if (CALL0(SYS_FORK) == 0)
		exit_with(fork_while_cut());
	while (forks_joined() - before < 2)
		CALL0(SYS_YIELD);
	CALL2(SYS_HARD, HARD_MEET, 0);
	CHECK(FILE3(FILE_TRUNCATE, f, 1) == 0);
	CALL2(SYS_HARD, 0, 0);
	CHECK(FILE3(FILE_TRUNCATE, f, 1 + CUT) == 0);
	shown[3] = 1;
	return wait_all_ok(1);
}

static ulong cut_rounds(ulong f, ulong rounds)
{
	for (ulong r = 1; r <= rounds; r++) {
		shown[1] = r;
		for (ulong i = 0; i < CUT; i++)
			cut[i * WORDS] = r;
		CALL0(SYS_YIELD);
		CHECK(FILE3(FILE_TRUNCATE, f, 1) == 0);
		shown[0] = r + 1;
		CHECK(FILE3(FILE_TRUNCATE, f, 1 + CUT) == 0);
	}
	return 0;
}

ulong prog_truncate(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), people = cpus < 4 ? cpus + 1 : 5, bad;
	long f = CALL2(SYS_FILE, FILE_CREATE, 1 + CUT), keep = CALL2(SYS_FILE, FILE_CREATE, 1);

	CHECK(f >= 0 && keep >= 0);
	shown = map_file((ulong)keep, 0, 1);
	cut = map_file((ulong)f, 1, CUT);
	CHECK(shown && cut);
	shown[2] = 0;
	CALL1(SYS_RETRY, 1); /* what is cut off comes back */
	CHECK(cut_under_fork((ulong)f) == 0);
	for (ulong c = 0; c < people; c++)
		if (CALL0(SYS_FORK) == 0) {
			CALL1(SYS_RETRY, 1);
			CALL2(SYS_HARD, HARD_WANDER, 0);
			exit_with(parent());
		}
	CALL2(SYS_HARD, HARD_WANDER, 0);
	bad = cut_rounds((ulong)f, rounds);
	shown[2] = 1;
	CHECK(wait_all_ok((int)people) == 0 && !bad);
	CHECK(CALL2(SYS_MUNMAP, cut, CUT * PAGE) == 0);
	CHECK(CALL2(SYS_MUNMAP, shown, PAGE) == 0);
	CHECK(FILE2(FILE_CLOSE, keep) == 0);
	return FILE2(FILE_CLOSE, f) == 0 ? 0 : __LINE__;
}
