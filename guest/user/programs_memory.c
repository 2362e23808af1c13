/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs about memory: demand paging, copy on write, mprotect, mmap churn, brk, A and D bits.
 */
#include "user/user.h"

#define PTE_A 0x20
#define PTE_D 0x40
#define RW    (PROT_R | PROT_W)

/* Fresh pages are zero, by read and by write, and keep what is written. */
u64 prog_demand(u64 pages)
{
	u64 *p = map(pages, RW, 0);

	CHECK(p);
	for (u64 i = 0; i < pages; i++)
		CHECK(CALL1(SYS_PTE, &p[i * 512]) == 0);
	for (u64 i = 0; i < pages; i += 2)
		CHECK(p[i * 512 + i] == 0);
	for (u64 i = 0; i < pages; i++)
		p[i * 512 + i] = i ^ 0x5a5a;
	for (u64 i = 0; i < pages; i++) {
		CHECK(p[i * 512 + i] == (i ^ 0x5a5a));
		CHECK(p[i * 512 + 511 - i] == 0);
	}
	return 0;
}

static u8 pattern(u64 who, u64 at)
{
	return (u8)(at * 7 + at / 256 + who * 31);
}

static u64 bytes_are(const volatile u8 *p, u64 n, u64 who)
{
	for (u64 i = 0; i < n; i++)
		CHECK(p[i] == pattern(who, i));
	return 0;
}

static void fill(volatile u8 *p, u64 n, u64 who)
{
	for (u64 i = 0; i < n; i++)
		p[i] = pattern(who, i);
}

static u64 data_copy = 1; /* in .data: copied on write too */

static u64 cow_child(volatile u8 *p, u64 n, u64 who)
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
u64 prog_cow(u64 pages)
{
	u64 n = pages * PAGE;
	volatile u8 *p = map(pages, RW, 0);

	CHECK(p);
	for (u64 round = 0; round < 2; round++) {
		fill(p, n, 0);
		for (u64 who = 1; who <= 3; who++) {
			long pid = CALL0(SYS_FORK);

			CHECK(pid >= 0);
			if (!pid)
				return cow_child(p, n, who);
		}
		fill(p, n / 2, 9);
		CHECK(wait_all_ok(3) == 0);
		CHECK(bytes_are(p, n / 2, 9) == 0);
		for (u64 i = n / 2; i < n; i++)
			CHECK(p[i] == pattern(0, i));
		CHECK(data_copy == 1);
	}
	return 0;
}

/* Does a child that writes there die of a protection fault? */
static u64 child_write_dies(volatile u64 *p)
{
	struct exit_info info;
	long pid = CALL0(SYS_FORK);

	CHECK(pid >= 0);
	if (!pid) {
		*p = 1;
		exit_with(0);
	}
	CHECK(CALL1(SYS_WAIT, &info) == pid);
	CHECK(info.killed && info.vector == 14 && info.error == 7 && info.addr == (u64)p);
	return 0;
}

u64 prog_mprotect(u64 rounds)
{
	volatile u64 *p = map(3, RW, 0);

	CHECK(p);
	for (u64 i = 0; i < rounds; i++) {
		p[0] = p[512] = p[1024] = i;
		CHECK(CALL3(SYS_MPROTECT, p + 512, PAGE, PROT_R) == 0);
		CHECK(p[512] == i);
		p[0] = p[1024] = i + 1;
		CHECK(child_write_dies(p + 512 + i) == 0);
		CHECK(p[512] == i);
		CHECK(CALL3(SYS_MPROTECT, p + 512, PAGE, RW) == 0);
		p[512] = i + 2;
		CHECK(p[512] == i + 2 && p[0] == i + 1 && p[1024] == i + 1);
	}
	return 0;
}

struct region {
	u64 *at;
	u64 pages, stride, tag;
};

/* One region: every word zero at first, a tag on every page after. Wide ones need more tables.
 */
static u64 churn_make(struct region *r, u64 tag)
{
	u64 x = (u64)CALL0(SYS_RANDOM);

	r->stride = x % 8 == 0 ? 520 : 1;
	r->pages = 1 + (x >> 8) % 6;
	r->tag = tag;
	r->at = map(r->pages * r->stride, RW, 0);
	CHECK(r->at);
	for (u64 i = 0; i < r->pages; i++) {
		u64 *page = r->at + i * r->stride * 512;

		for (u64 w = 0; w < 512; w++)
			CHECK(page[w] == 0);
		for (u64 w = 0; w < 512; w++)
			page[w] = tag * 4096 + w;
	}
	return 0;
}

static u64 churn_drop(struct region *r)
{
	for (u64 i = 0; i < r->pages; i++)
		for (u64 w = 0; w < 512; w++)
			CHECK(r->at[i * r->stride * 512 + w] == r->tag * 4096 + w);
	CHECK(CALL2(SYS_MUNMAP, r->at, r->pages * r->stride * PAGE) == 0);
	CHECK(CALL2(SYS_SUM, r->at, 8) == -1);
	r->at = 0;
	return 0;
}

u64 prog_mmap_churn(u64 rounds)
{
	struct region r[8] = {{0}};
	u64 bad;

	for (u64 i = 0; i < rounds; i++) {
		struct region *it = &r[(u64)CALL0(SYS_RANDOM) % 8];

		bad = it->at ? churn_drop(it) : churn_make(it, i + 1);
		CHECK(!bad);
	}
	for (u64 i = 0; i < 8; i++)
		CHECK(!r[i].at || !churn_drop(&r[i]));
	return 0;
}

u64 prog_brk(u64 pages)
{
	u64 start = (u64)CALL1(SYS_BRK, 0);

	for (u64 i = 1; i <= pages; i++) {
		u64 *word = (u64 *)(start + (i - 1) * PAGE);

		CHECK(CALL2(SYS_SUM, word, 8) == -1);
		CHECK((u64)CALL1(SYS_BRK, start + i * PAGE) == start + i * PAGE);
		CHECK(*word == 0);
		*word = i;
	}
	for (u64 i = 1; i <= pages; i++)
		CHECK(*(u64 *)(start + (i - 1) * PAGE) == i);
	return 0;
}

static long ad(volatile u64 *p)
{
	return CALL1(SYS_PTE, p) & (PTE_A | PTE_D);
}

/* Entries made with A and D clear: a read sets A, a write sets both, and again after a clear.
 */
u64 prog_ad_bits(u64 rounds)
{
	volatile u64 *p;

	CALL1(SYS_CLEAN, 1);
	p = map(2, RW, MAP_POPULATE);
	CHECK(p);
	CHECK(ad(p) == 0 && ad(p + 512) == 0);
	for (u64 i = 0; i < rounds; i++) {
		(void)p[0];
		CHECK(ad(p) == PTE_A && ad(p + 512) == 0);
		p[1] = i;
		CHECK(ad(p) == (PTE_A | PTE_D) && ad(p + 512) == 0);
		CHECK(CALL1(SYS_CLEAR_AD, p) == 0);
		CHECK(ad(p) == 0);
	}
	p[512] = 1;
	CHECK(ad(p + 512) == (PTE_A | PTE_D) && ad(p) == 0);
	return 0;
}
