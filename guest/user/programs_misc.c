/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about madvise, a heap that shrinks, sleep, and processes that change the CPU. */
#include "user/try.h"

#define RW (PROT_R | PROT_W)

/* A copy of the image: what is given up is as in the file again. */
static ulong image_pages(void)
{
	volatile ulong *p = map(3, RW, MAP_IMAGE);

	CHECK(p && p[0] == *(ulong *)USER_IMAGE);
	CHECK(p[WORDS] == *(ulong *)(USER_IMAGE + PAGE));
	p[0] = p[WORDS] = 1;
	CHECK(*(ulong *)USER_IMAGE != 1);
	CHECK(CALL3(SYS_MADVISE, p, PAGE, MADV_DONTNEED) == 0);
	CHECK(p[0] == *(ulong *)USER_IMAGE && p[WORDS] == 1);
	CHECK(CALL3(SYS_MMAP, PAGE, RW, MAP_IMAGE | MAP_SHARED) == ERR);
	return 0;
}

/* A child that gives its pages up keeps nobody else from theirs. */
static ulong after_fork(volatile ulong *p, ulong pages)
{
	if (CALL0(SYS_FORK) == 0) {
		CALL3(SYS_MADVISE, p, pages * PAGE, MADV_DONTNEED);
		exit_with(p[0]);
	}
	CHECK(wait_all_ok(1) == 0);
	for (ulong i = 0; i < pages; i++)
		CHECK(p[i * WORDS] == i + 1);
	return 0;
}

ulong prog_madvise(ulong pages)
{
	volatile ulong *p = map(pages, RW, 0), *shared = map(1, RW, MAP_SHARED);

	CHECK(p && shared && pages > 4);
	for (ulong i = 0; i < pages; i++)
		p[i * WORDS] = i + 1;
	CHECK(after_fork(p, pages) == 0);
	CHECK(CALL3(SYS_MADVISE, p + WORDS, (pages - 2) * PAGE, MADV_DONTNEED) == 0);
	for (ulong i = 1; i < pages - 1; i++)
		CHECK(CALL1(SYS_PTE, p + i * WORDS) == 0);
	for (ulong i = 1; i < pages - 1; i++)
		CHECK(p[i * WORDS] == 0);
	CHECK(p[0] == 1 && p[(pages - 1) * WORDS] == pages);
	*shared = 5;
	CHECK(CALL3(SYS_MADVISE, shared, PAGE, MADV_DONTNEED) == ERR && *shared == 5);
	CHECK(CALL3(SYS_MADVISE, p, PAGE, MADV_DONTNEED + 1) == ERR && p[0] == 1);
	CHECK(CALL3(SYS_MADVISE, (ulong)p + 1, PAGE, MADV_DONTNEED) == ERR);
	CHECK(CALL2(SYS_MUNMAP, p + WORDS, PAGE) == 0);
	CHECK(CALL3(SYS_MADVISE, p, 3 * PAGE, MADV_DONTNEED) == ERR && p[0] == 1);
	return image_pages();
}

/* Up and down; what was given back is gone, and fresh when it comes again. */
ulong prog_brk_shrink(ulong pages)
{
	ulong start = (ulong)CALL1(SYS_BRK, 0);
	volatile ulong *p = (volatile ulong *)start;

	handle(SIG_FAULT, skip_fault);
	for (ulong round = 0; round < 3; round++) {
		CHECK(CALL1(SYS_BRK, start + pages * PAGE) == (long)(start + pages * PAGE));
		for (ulong i = 0; i < pages; i++) {
			CHECK(p[i * WORDS] == 0);
			p[i * WORDS] = i + 1;
		}
		CHECK(CALL1(SYS_BRK, start + PAGE) == (long)(start + PAGE) && p[0] == 1);
		faults = 0;
		TRY(READ, p + WORDS);
		TRY(WRITE, p + (pages - 1) * WORDS);
		CHECK(faults == 2);
		CHECK(CALL1(SYS_BRK, start) == (long)start);
		TRY(READ, p);
		CHECK(faults == 3);
	}
	CHECK(CALL1(SYS_BRK, start - PAGE) == ERR);
	return 0;
}

static volatile ulong *shared;

static void sleep_some(ulong ticks)
{
	ulong begin = (ulong)CALL0(SYS_TICKS);

	if (CALL1(SYS_SLEEP, ticks) != 0 || (ulong)CALL0(SYS_TICKS) < begin + ticks)
		exit_with(__LINE__);
	shared[ticks] = 1;
}

/* Who sleeps does so for long enough, comes back, and leaves the CPU to others meanwhile. */
ulong prog_sleep(ulong sleepers)
{
	shared = map(1, RW, MAP_SHARED);
	CHECK(shared && CALL1(SYS_SLEEP, 0) == 0);
	CHECK(CALL1(SYS_PIN, 1) == 0);
	for (ulong i = 0; i < sleepers; i++)
		CHECK(fork_child(sleep_some, i + 1) > 0);
	while (!shared[sleepers]) /* on their CPU */
		pause();
	CHECK(wait_all_ok((int)sleepers) == 0);
	for (ulong i = 0; i < sleepers; i++)
		CHECK(shared[i + 1] == 1);
	return 0;
}

/* Nobody leaves before all have been on every CPU: so their number stays odd, and none can keep
 * to one. The first never offers to go; it is made to, by the tick. */
static void roam(ulong me)
{
	ulong n = shared[1], all = (1UL << CALL0(SYS_CPUS)) - 1, been = 0;
	bool done = false;

	while (shared[0] < n) {
		been |= 1UL << CALL1(SYS_PIN, 0);
		if (been == all && !done) {
			done = true;
			__atomic_add_fetch(&shared[0], 1, __ATOMIC_SEQ_CST);
		}
		for (ulong i = 0; i < 100; i++)
			pause();
		if (me)
			CALL0(SYS_YIELD);
	}
}

ulong prog_roam(ulong arg)
{
	ulong n = 2 * (ulong)CALL0(SYS_CPUS) + 1;

	(void)arg;
	shared = map(1, RW, MAP_SHARED);
	CHECK(shared);
	shared[1] = n;
	for (ulong i = 0; i < n; i++)
		CHECK(fork_child(roam, i) > 0);
	return (ulong)wait_all_ok((int)n);
}
