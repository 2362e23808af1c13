/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about memory: demand paging, copy on write, mprotect, mmap churn, brk, A and D bits.
 */
#include "user/user.h"

#define RW (PROT_R | PROT_W)

/* Fresh pages are zero, by read and by write, and keep what is written. */
ulong prog_demand(ulong pages)
{
	ulong *p = map(pages, RW, 0);

	CHECK(p);
	for (ulong i = 0; i < pages; i++)
		CHECK(CALL1(SYS_PTE, &p[i * WORDS]) == 0);
	for (ulong i = 0; i < pages; i += 2)
		CHECK(p[i * WORDS + i] == 0);
	for (ulong i = 0; i < pages; i++)
		p[i * WORDS + i] = i ^ 0x5a5a;
	for (ulong i = 0; i < pages; i++) {
		CHECK(p[i * WORDS + i] == (i ^ 0x5a5a));
		CHECK(p[i * WORDS + (WORDS - 1) - i] == 0);
	}
	return 0;
}

static u8 pattern(ulong who, ulong at)
{
	return (u8)(at * 7 + at / 256 + who * 31);
}

static ulong bytes_are(const volatile u8 *p, ulong n, ulong who)
{
	for (ulong i = 0; i < n; i++)
		CHECK(p[i] == pattern(who, i));
	return 0;
}

static void fill(volatile u8 *p, ulong n, ulong who)
{
	for (ulong i = 0; i < n; i++)
		p[i] = pattern(who, i);
}

static ulong data_copy = 1; /* in .data: copied on write too */

static ulong cow_child(volatile u8 *p, ulong n, ulong who)
{
	CHECK(bytes_are(p, n, 0) == 0);
	CHECK(data_copy == 1);
	fill(p, n, who);
	data_copy = who;
	CALL0(SYS_YIELD);
	CHECK(bytes_are(p, n, who) == 0);
	CHECK(data_copy == who);
	return 0;
}

/* Three children write what the parent wrote; the parent writes while they live. Byte exact. */
ulong prog_cow(ulong pages)
{
	ulong n = pages * PAGE;
	volatile u8 *p = map(pages, RW, 0);

	CHECK(p);
	for (ulong round = 0; round < 2; round++) {
		fill(p, n, 0);
		for (ulong who = 1; who <= 3; who++) {
			long pid = CALL0(SYS_FORK);

			CHECK(pid >= 0);
			if (!pid)
				return cow_child(p, n, who);
		}
		fill(p, n / 2, 9);
		CHECK(wait_all_ok(3) == 0);
		CHECK(bytes_are(p, n / 2, 9) == 0);
		for (ulong i = n / 2; i < n; i++)
			CHECK(p[i] == pattern(0, i));
		CHECK(data_copy == 1);
	}
	return 0;
}

/* Does a child that writes there die of a protection fault? */
static ulong child_write_dies(volatile ulong *p)
{
	struct exit_info info;
	long pid = CALL0(SYS_FORK);

	CHECK(pid >= 0);
	if (!pid) {
		*p = 1;
		exit_with(0);
	}
	CHECK(CALL1(SYS_WAIT, &info) == pid);
	CHECK(info.killed && info.vector == 14 && info.error == 7 && info.addr == (ulong)p);
	return 0;
}

ulong prog_mprotect(ulong rounds)
{
	volatile ulong *p = map(3, RW, 0);

	CHECK(p);
	for (ulong i = 0; i < rounds; i++) {
		p[0] = p[WORDS] = p[2 * WORDS] = i;
		CHECK(CALL3(SYS_MPROTECT, p + WORDS, PAGE, PROT_R) == 0);
		CHECK(p[WORDS] == i);
		p[0] = p[2 * WORDS] = i + 1;
		CHECK(child_write_dies(p + WORDS + i) == 0);
		CHECK(p[WORDS] == i);
		CHECK(CALL3(SYS_MPROTECT, p + WORDS, PAGE, RW) == 0);
		p[WORDS] = i + 2;
		CHECK(p[WORDS] == i + 2 && p[0] == i + 1 && p[2 * WORDS] == i + 1);
	}
	return 0;
}

struct region {
	ulong *at;
	ulong pages, stride, tag;
};

/* One region: every word zero at first, a tag on every page after. Wide ones need more tables.
 */
static ulong churn_make(struct region *r, ulong tag)
{
	ulong x = (ulong)CALL0(SYS_RANDOM);

	r->stride = x % 8 == 0 ? 520 : 1;
	r->pages = 1 + (x >> 8) % 6;
	r->tag = tag;
	r->at = map(r->pages * r->stride, RW, 0);
	CHECK(r->at);
	for (ulong i = 0; i < r->pages; i++) {
		ulong *page = r->at + i * r->stride * WORDS;

		for (ulong w = 0; w < WORDS; w++)
			CHECK(page[w] == 0);
		for (ulong w = 0; w < WORDS; w++)
			page[w] = tag * 4096 + w;
	}
	return 0;
}

static ulong churn_drop(struct region *r)
{
	for (ulong i = 0; i < r->pages; i++)
		for (ulong w = 0; w < WORDS; w++)
			CHECK(r->at[i * r->stride * WORDS + w] == r->tag * 4096 + w);
	CHECK(CALL2(SYS_MUNMAP, r->at, r->pages * r->stride * PAGE) == 0);
	CHECK(CALL2(SYS_SUM, r->at, 8) == -1);
	r->at = 0;
	return 0;
}

ulong prog_mmap_churn(ulong rounds)
{
	struct region r[8] = {{0}};
	ulong bad;

	for (ulong i = 0; i < rounds; i++) {
		struct region *it = &r[(ulong)CALL0(SYS_RANDOM) % 8];

		bad = it->at ? churn_drop(it) : churn_make(it, i + 1);
		CHECK(!bad);
	}
	for (ulong i = 0; i < 8; i++)
		CHECK(!r[i].at || !churn_drop(&r[i]));
	return 0;
}

ulong prog_brk(ulong pages)
{
	ulong start = (ulong)CALL1(SYS_BRK, 0);

	for (ulong i = 1; i <= pages; i++) {
		ulong *word = (ulong *)(start + (i - 1) * PAGE);

		CHECK(CALL2(SYS_SUM, word, 8) == -1);
		CHECK((ulong)CALL1(SYS_BRK, start + i * PAGE) == start + i * PAGE);
		CHECK(*word == 0);
		*word = i;
	}
	for (ulong i = 1; i <= pages; i++)
		CHECK(*(ulong *)(start + (i - 1) * PAGE) == i);
	return 0;
}

static long ad(volatile ulong *p)
{
	return CALL1(SYS_PTE, p) & (PTE_A | PTE_D);
}

/* Entries made with A and D clear: a read sets A, a write sets both, and again after a clear.
 */
ulong prog_ad_bits(ulong rounds)
{
	volatile ulong *p;

	CALL1(SYS_CLEAN, 1);
	p = map(2, RW, MAP_POPULATE);
	CHECK(p);
	CHECK(ad(p) == 0 && ad(p + WORDS) == 0);
	for (ulong i = 0; i < rounds; i++) {
		(void)p[0];
		CHECK(ad(p) == PTE_A && ad(p + WORDS) == 0);
		p[1] = i;
		CHECK(ad(p) == (PTE_A | PTE_D) && ad(p + WORDS) == 0);
		CHECK(CALL1(SYS_CLEAR_AD, p) == 0);
		CHECK(ad(p) == 0);
	}
	p[WORDS] = 1;
	CHECK(ad(p + WORDS) == (PTE_A | PTE_D) && ad(p) == 0);
	return 0;
}
