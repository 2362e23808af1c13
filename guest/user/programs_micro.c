/* SPDX-License-Identifier: BSD-2-Clause */
/* The microbenchmarks: one function per kind measures a round of n operations, and says how many
 * they were. Not in the suite. */
#include "user/try.h"

#define RW	   (PROT_R | PROT_W)
#define ROUNDS	   7
#define FILE_PAGES 4 /* the image is longer */

struct round {
	unsigned long long cycles;
	ulong count;
};

static volatile ulong *page;
static unsigned long long begun;

static void begin(void)
{
	begun = rdtsc();
}

static void end(struct round *r, ulong count)
{
	r->cycles += rdtsc() - begun;
	r->count += count;
}

static ulong calls(ulong n, struct round *r)
{
	begin();
	for (ulong i = 0; i < n; i++)
		CALL0(SYS_NULL);
	end(r, n);
	return 0;
}

static ulong touch(ulong n, ulong flags, struct round *r)
{
	volatile ulong *p = map(n, PROT_R | PROT_W, flags);

	CHECK(p);
	begin();
	for (ulong i = 0; i < n; i++)
		p[i * WORDS] = i;
	end(r, n);
	CHECK(CALL2(SYS_MUNMAP, p, n * PAGE) == 0);
	return 0;
}

static ulong fault_anon(ulong n, struct round *r)
{
	return touch(n, 0, r);
}

static ulong fault_file(ulong n, struct round *r)
{
	for (ulong i = 0; i < n; i += FILE_PAGES)
		CHECK(touch(FILE_PAGES, MAP_IMAGE, r) == 0);
	return 0;
}

/* To the handler in ring 3 and back. */
static ulong fault_prot(ulong n, struct round *r)
{
	CHECK(CALL3(SYS_MPROTECT, page, PAGE, PROT_R) == 0);
	handle(SIG_FAULT, skip_fault);
	faults = 0;
	begin();
	for (ulong i = 0; i < n; i++)
		TRY(WRITE, page);
	end(r, n);
	CHECK(faults == n && CALL3(SYS_MPROTECT, page, PAGE, RW) == 0);
	return 0;
}

/* A process of n pages; without the child's life. */
static ulong fork_pages(ulong n, struct round *r)
{
	static volatile ulong *p;
	long pid;

	if (!p)
		p = map(n, RW, MAP_POPULATE);
	CHECK(p);
	begin();
	pid = CALL0(SYS_FORK);
	if (!pid)
		exit_with(0);
	end(r, 1);
	return pid > 0 ? (ulong)wait_all_ok(1) : __LINE__;
}

static ulong map_unmap(ulong n, struct round *r)
{
	begin();
	for (ulong i = 0; i < n; i++) {
		volatile ulong *p = map(4, RW, 0);

		CHECK(p);
		*p = i;
		CHECK(CALL2(SYS_MUNMAP, p, 4 * PAGE) == 0);
	}
	end(r, n);
	return 0;
}

static ulong remap(ulong n, struct round *r)
{
	long at = (long)map(1, RW, MAP_POPULATE), to = (long)map(1, RW, 0);

	CHECK(at && to && CALL2(SYS_MUNMAP, to, PAGE) == 0);
	begin();
	for (ulong i = 0; i < n; i++) {
		long was = at;

		CHECK(CALL4(SYS_MREMAP, at, PAGE, PAGE, to) == to);
		at = to;
		to = was;
	}
	end(r, n);
	CHECK(CALL2(SYS_MUNMAP, at, PAGE) == 0);
	return 0;
}

/* Two processes on one CPU. */
static ulong switches(ulong n, struct round *r)
{
	page[0] = 0;
	CHECK(CALL1(SYS_PIN, 1) == 0);
	if (CALL0(SYS_FORK) == 0) {
		for (page[0] = 1; page[0] == 1;)
			CALL0(SYS_YIELD);
		exit_with(0);
	}
	while (!page[0])
		CALL0(SYS_YIELD);
	begin();
	for (ulong i = 0; i < n; i++)
		CALL0(SYS_YIELD);
	end(r, 2 * n);
	page[0] = 2;
	return (ulong)wait_all_ok(1);
}

static volatile ulong up, halt;

static void stay(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	__atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
	while (!halt)
		pause();
	exit_with(0);
}

/* Rights of one page change while a thread of this space runs on every other CPU. */
static ulong shootdowns(ulong n, struct round *r)
{
	ulong others = (ulong)CALL0(SYS_CPUS) - 1;

	CHECK(CALL1(SYS_PIN, 1) == 0);
	up = halt = 0;
	for (ulong c = 1; c <= others; c++)
		CHECK(start_thread(stay, c) > 0);
	while (up < others)
		pause();
	begin();
	for (ulong i = 0; i < n; i++) {
		page[0] = i;
		CALL3(SYS_MPROTECT, page, PAGE, PROT_R);
		CALL3(SYS_MPROTECT, page, PAGE, RW);
	}
	end(r, 2 * n);
	halt = 1;
	return (ulong)wait_all_ok((int)others);
}

static ulong (*const kinds[MICRO_COUNT])(ulong n, struct round *r) = {
	[MICRO_CALL] = calls,
	[MICRO_FAULT_ANON] = fault_anon,
	[MICRO_FAULT_FILE] = fault_file,
	[MICRO_FAULT_PROT] = fault_prot,
	[MICRO_FORK] = fork_pages,
	[MICRO_MAP] = map_unmap,
	[MICRO_REMAP] = remap,
	[MICRO_SWITCH] = switches,
	[MICRO_SHOOTDOWN] = shootdowns,
};

ulong prog_micro(ulong arg)
{
	ulong kind = arg & 0xff, n = arg >> 8;

	CHECK(kind < MICRO_COUNT && n);
	page = map(1, RW, kind == MICRO_SWITCH ? MAP_SHARED : MAP_POPULATE);
	CHECK(page);
	for (ulong i = 0; i < ROUNDS; i++) {
		struct round r = {0, 0};

		CHECK(kinds[kind](n, &r) == 0);
		CHECK(CALL3(SYS_REPORT, (u32)r.cycles, (u32)(r.cycles >> 32), r.count) == 0);
	}
	return 0;
}
