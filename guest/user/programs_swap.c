/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs with more pages than there is memory for. Each page says who wrote it last. */
#include "user/user.h"

#define RW     (PROT_R | PROT_W)
#define STEP   7 /* pages are looked at in another order than they were written in */
#define KIDS   2
#define STORES 400

static void write_page(volatile ulong *base, ulong page, ulong value)
{
	volatile ulong *p = base + page * WORDS;

	p[0] = value;
	p[WORDS / 2 + page % 5] = value + page;
	p[WORDS - 1] = ~value;
}

static bool is_page(const volatile ulong *base, ulong page, ulong value)
{
	const volatile ulong *p = base + page * WORDS;

	return p[0] == value && p[WORDS / 2 + page % 5] == value + page &&
	       p[WORDS - 1] == ~value;
}

static ulong check_all(const volatile ulong *base, ulong pages, ulong value)
{
	ulong k = 0;

	for (ulong i = 0; i < pages; i++, k = (k + STEP) % pages)
		CHECK(is_page(base, k, value + k));
	return 0;
}

static void fill(volatile ulong *base, ulong pages, ulong value)
{
	for (ulong i = 0; i < pages; i++)
		write_page(base, i, value + i);
}

/* `pages` is no multiple of STEP. */
ulong prog_swap(ulong pages)
{
	volatile ulong *p = map(pages, RW, 0), *q;
	ulong half = pages / 2 * PAGE;

	CHECK(p);
	for (ulong round = 0; round < 2; round++) {
		fill(p, pages, 1000 * round);
		CHECK(check_all(p, pages, 1000 * round) == 0);
	}
	/* Entries without a page move, change their rights and go like others. */
	q = (volatile ulong *)CALL4(SYS_MREMAP, p, pages * PAGE, pages * PAGE, 0);
	CHECK(q != p && (long)q != -1);
	CHECK(CALL3(SYS_MPROTECT, q, pages * PAGE, PROT_R) == 0);
	CHECK(check_all(q, pages, 1000) == 0);
	CHECK(CALL3(SYS_MPROTECT, q, pages * PAGE, RW) == 0);
	CHECK(CALL2(SYS_MUNMAP, q, half) == 0);
	for (ulong i = pages / 2; i < pages; i++)
		CHECK(is_page(q, i, 1000 + i));
	CHECK(CALL2(SYS_MUNMAP, (ulong)q + half, pages * PAGE - half) == 0);
	p = map(pages, RW, 0);
	CHECK(p);
	for (ulong i = 0; i < pages; i++)
		CHECK(p[i * WORDS] == 0);
	return 0;
}

/* A page to which somebody refers by its frame stays while all others go and come. */
ulong prog_swap_pin(ulong pages)
{
	volatile ulong *p = map(pages, RW, 0);

	CHECK(p);
	for (ulong round = 1; round < 4; round++) {
		p[0] = round;
		CHECK(CALL1(SYS_HOLD, p) == (long)round);
		fill(p + WORDS, pages - 1, 1000 * round);
		CHECK(check_all(p + WORDS, pages - 1, 1000 * round) == 0);
		p[0] = 100 + round;
		CHECK(CALL1(SYS_HOLD, 0) == (long)(100 + round));
	}
	return 0;
}

/* Its parent's pages, then its own in their place; the even ones only. */
static ulong kid(volatile ulong *p, ulong pages, ulong me)
{
	for (ulong i = 0; i < me; i++)
		CALL0(SYS_YIELD);
	for (ulong i = 0; i < pages; i++)
		CHECK(is_page(p, i, i));
	for (ulong i = 0; i < pages; i += 2)
		write_page(p, i, 100 * (me + 1) + i);
	for (ulong i = 0; i < pages; i++)
		CHECK(is_page(p, i, i % 2 ? i : 100 * (me + 1) + i));
	return 0;
}

ulong prog_swap_fork(ulong pages)
{
	volatile ulong *p = map(pages, RW, 0);

	CHECK(p);
	fill(p, pages, 0);
	for (ulong i = 0; i < KIDS; i++) {
		long pid = CALL0(SYS_FORK);

		CHECK(pid >= 0);
		if (pid == 0)
			exit_with(kid(p, pages, i));
	}
	for (ulong i = 1; i < pages; i += 2)
		write_page(p, i, 7000 + i);
	CHECK(wait_all_ok(KIDS) == 0);
	for (ulong i = 0; i < pages; i++)
		CHECK(is_page(p, i, i % 2 ? 7000 + i : i));
	return 0;
}

static volatile ulong *shared;
static ulong shared_pages, thread_rounds;

/* Each thread has a word of its own in each page; a write that got lost shows at the next. */
static void thread(ulong me)
{
	volatile ulong *word = shared + 8 + 8 * me;
	ulong at = me * 3, bad = 0;

	CALL1(SYS_PIN, 1UL << me);
	for (ulong r = 1; r <= thread_rounds && !bad; r++)
		for (ulong i = 0; i < shared_pages && !bad; i++) {
			at = (at + STEP) % shared_pages;
			if (word[at * WORDS] != r - 1)
				bad = 1000 + at;
			/* Many stores, so that the page is perhaps taken in between. */
			for (ulong k = 0; k < STORES; k++)
				word[at * WORDS + 1] = k + r;
			word[at * WORDS] = r;
			if (word[at * WORDS + 1] != STORES - 1 + r)
				bad = 2000 + at;
		}
	exit_with(bad);
}

ulong prog_swap_threads(ulong pages)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS);

	shared = map(pages, RW, 0);
	shared_pages = pages;
	thread_rounds = 2;
	CHECK(shared);
	for (ulong i = 0; i < cpus; i++)
		CHECK(start_thread(thread, i) > 0);
	CHECK(wait_all_ok((int)cpus) == 0);
	for (ulong i = 0; i < pages; i++)
		for (ulong c = 0; c < cpus; c++)
			CHECK(shared[i * WORDS + 8 + 8 * c] == thread_rounds);
	return 0;
}

/* One page is used all the time, each of many others is used once and then marked as not used: how
 * often is the first one gone? */
ulong prog_swap_clock(ulong pages)
{
	volatile ulong *hot = map(1, RW, 0), *p = map(pages, RW, 0);
	ulong gone = 0, rounds = 8 * pages;

	CHECK(hot && p);
	CALL1(SYS_PIN, 1); /* another CPU would begin without translations */
	hot[0] = 0;
	for (ulong i = 0; i < rounds; i++) {
		p[i % pages * WORDS] = i;
		CALL1(SYS_CLEAR_AD, &p[i % pages * WORDS]);
		gone += CALL1(SYS_PTE, hot) == 0;
		hot[0]++;
	}
	CHECK(hot[0] == rounds);
	return gone ? 10000 + gone : 0;
}

static ulong hog(ulong pages)
{
	volatile ulong *p = map(pages, RW, 0);

	CHECK(p);
	for (ulong i = 0; i < pages; i++)
		p[i * WORDS] = i;
	return 0;
}

/* The child wants more than there is, and ends; what the parent has is what it was. */
ulong prog_swap_oom(ulong pages)
{
	volatile ulong *p = map(5, RW, 0);
	struct exit_info info;
	long pid;

	CHECK(p);
	fill(p, 5, 1);
	pid = CALL0(SYS_FORK);
	CHECK(pid >= 0);
	if (pid == 0)
		exit_with(hog(pages));
	CHECK(CALL1(SYS_WAIT, &info) == pid);
	CHECK(info.killed && info.vector == KILLED_NO_MEMORY);
	CHECK(check_all(p, 5, 1) == 0);
	return 0;
}
