/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of the MMU itself, on hand-made entries in the test slot, on CPU 0. The other CPUs
 * idle and never touch these addresses, so local invalidations are enough.
 */
#include "scenarios/scenarios.h"
#include "x86.h"

#define VA (TEST_BASE + 0x40000000UL)

static u64 load(u64 va)
{
	return *(volatile u64 *)va;
}

static void store(u64 va, u64 v)
{
	*(volatile u64 *)va = v;
}

static void set_entry(pte_t *e, pte_t v, u64 va)
{
	pte_write(e, v);
	invlpg(va);
}

/* Two frames, told apart by their first word. */
struct pair {
	u64 a, b;
};

static struct pair make_pair(void)
{
	struct pair p = {frame_alloc(), frame_alloc()};

	*(u64 *)phys(p.a) = 'A';
	*(u64 *)phys(p.b) = 'B';
	return p;
}

static void free_pair(struct pair p)
{
	frame_put(p.a);
	frame_put(p.b);
}

const char *wp_bit(void)
{
	u64 pa = frame_alloc(), cr0 = read_cr0();
	struct fault f;
	bool written;

	CHECK(cr0 & CR0_WP, "CR0.WP is clear");
	test_map(VA, pa, PTE_KRO);
	for (u64 i = 1; i <= 4; i++) {
		CHECK(!probe_write(VA, i, &f) && f.error == 3,
		      "WP=1: a read-only page was written");
		write_cr0(cr0 & ~CR0_WP);
		written = probe_write(VA, i, &f);
		write_cr0(cr0);
		CHECK(written, "WP=0: error 0x%lx", f.error);
		CHECK(load(VA) == i, "WP=0: the write was lost");
	}
	set_entry(test_pte(VA), 0, VA);
	frame_put(pa);
	return NULL;
}

const char *invlpg_seen(void)
{
	struct pair p = make_pair();
	pte_t *e = test_pte(VA);

	pte_write(e, p.a | PTE_KDATA);
	for (int i = 0; i < 50; i++) {
		u64 now = i & 1 ? p.a : p.b, want = i & 1 ? 'A' : 'B', v;

		CHECK(load(VA) == (i & 1 ? 'B' : 'A'), "round %d starts with the wrong page",
		      i);
		pte_write(e, now | PTE_KDATA);
		v = load(VA);
		CHECK(v == 'A' || v == 'B', "round %d: neither page is there", i);
		if (i % 4 < 2)
			invlpg(VA);
		else
			write_cr3(read_cr3());
		CHECK(load(VA) == want, "round %d: the old page is still there", i);
		store(VA + 8, (u64)i);
		CHECK(*(volatile u64 *)phys(now + 8) == (u64)i, "round %d: a write went astray",
		      i);
	}
	set_entry(e, 0, VA);
	free_pair(p);
	return NULL;
}

const char *global_pages(void)
{
	struct pair p = make_pair();
	pte_t *e = test_pte(VA);
	u64 cr4 = read_cr4();

	CHECK(cr4 & CR4_PGE, "CR4.PGE is clear");
	for (int i = 0; i < 20; i++) {
		u64 v;

		set_entry(e, p.a | PTE_KDATA | PTE_G, VA);
		CHECK(load(VA) == 'A', "round %d: A is not there", i);
		pte_write(e, p.b | PTE_KDATA | PTE_G);
		write_cr3(read_cr3()); /* may keep it */
		v = load(VA);
		CHECK(v == 'A' || v == 'B', "round %d: neither page is there", i);
		if (i & 1) {
			invlpg(VA);
		} else {
			write_cr4(cr4 & ~CR4_PGE);
			write_cr4(cr4);
		}
		CHECK(load(VA) == 'B', "round %d: the old page is still there", i);
	}
	set_entry(e, 0, VA);
	free_pair(p);
	return NULL;
}

#define STEP  (32 * PAGE_SIZE) /* of the pages looked at: 16 in 2 MiB */
#define PROBE (9 * STEP)       /* the one that gets rights of its own */

/* Words written through one size of page are there through the other. */
static const char *check_words(u64 base, u64 add)
{
	for (u64 off = 0; off < HUGE_SIZE; off += STEP)
		CHECK(load(base + off) == off + add, "offset 0x%lx holds the wrong word", off);
	return NULL;
}

static void put_words(u64 base, u64 add)
{
	for (u64 off = 0; off < HUGE_SIZE; off += STEP)
		store(base + off, off + add);
}

/* Replace the 2 MiB entry by a table of 512 pages of which one is read-only. */
static void split_page(pte_t *pde, u64 pa, u64 table)
{
	pte_t *pt = phys(table);

	for (u64 i = 0; i < PT_ENTRIES; i++)
		pt[i] = (pa + i * PAGE_SIZE) | PTE_KDATA;
	pt[PROBE / PAGE_SIZE] &= ~PTE_W;
	set_entry(pde, table | PTE_TABLE, VA);
}

const char *large_pages(void)
{
	u64 pa = frame_spare_huge(), table = frame_alloc();
	pte_t *pde = walk(kernel_mm.root, VA, 2, PTE_TABLE);
	const char *why = NULL;
	struct fault f;

	for (u64 round = 0; round < 4 && !why; round++) {
		set_entry(pde, pa | PTE_KDATA | PTE_PS, VA);
		put_words(VA, round);
		why = check_words(KBASE + pa, round);
		split_page(pde, pa, table);
		/* INVLPG of one address drops the whole large translation. */
		why = why ? why : check_words(VA, round);
		CHECK(!probe_write(VA + PROBE, 0, &f) && f.error == 3,
		      "the split page is writable");
		store(VA + PROBE - STEP, PROBE - STEP + round);
		set_entry(pde, pa | PTE_KDATA | PTE_PS, VA);
		for (u64 off = 0; off < HUGE_SIZE; off += PAGE_SIZE * 64)
			invlpg(VA + off);
		write_cr3(read_cr3());
		CHECK(probe_write(VA + PROBE, PROBE + round, &f),
		      "the joined page is read-only");
		why = why ? why : check_words(VA, round);
	}
	set_entry(pde, 0, VA);
	frame_put(table);
	return why;
}

static pte_t ad(const pte_t *e)
{
	return pte_read(e) & (PTE_A | PTE_D);
}

static const char *ad_of_leaf(pte_t *e)
{
	for (int i = 0; i < 5; i++) {
		load(VA);
		CHECK(ad(e) == PTE_A, "after a read: 0x%lx", ad(e));
		store(VA, 1);
		CHECK(ad(e) == (PTE_A | PTE_D), "after a write: 0x%lx", ad(e));
		set_entry(e, pte_read(e) & ~PTE_D, VA);
		load(VA);
		CHECK(ad(e) == PTE_A, "D came back by a read: 0x%lx", ad(e));
		store(VA, 1);
		CHECK(ad(e) == (PTE_A | PTE_D), "D did not come back: 0x%lx", ad(e));
		set_entry(e, pte_read(e) & ~(PTE_A | PTE_D), VA);
	}
	return NULL;
}

const char *ad_bits(void)
{
	u64 pa = frame_alloc();
	pte_t *e = test_pte(VA), *pde = walk(kernel_mm.root, VA, 2, 0);
	struct fault f;
	const char *why;

	pte_write(e, pa | (PTE_KDATA & ~(PTE_A | PTE_D)));
	pte_write(pde, pte_read(pde) & ~PTE_A);
	invlpg(VA);
	CHECK(ad(e) == 0 && ad(pde) == 0, "set without an access");
	load(VA);
	CHECK(ad(pde) == PTE_A, "the table's own entry: 0x%lx", ad(pde));
	CHECK(ad(e) == PTE_A, "after the first read: 0x%lx", ad(e));
	set_entry(e, pte_read(e) & ~(PTE_A | PTE_D), VA);
	why = ad_of_leaf(e);
	if (why)
		return why;
	/* A write that is refused leaves D clear. */
	set_entry(e, pa | (PTE_KRO & ~PTE_A), VA);
	CHECK(!probe_write(VA, 1, &f), "a read-only page was written");
	CHECK(!(pte_read(e) & PTE_D), "a refused write set D");
	set_entry(e, 0, VA);
	frame_put(pa);
	/* The ring-3 half, on entries of a process, is a program. */
	return run_program(USER_AD_BITS, 5);
}

/* The address of the entry for `va` at `level` through the recursive slot. */
static u64 self_address(u64 va, int level)
{
	u64 self = SLOT_SELF, at = va & 0xffffffffffff;

	for (int i = 0; i < level; i++)
		at = self << PT_SHIFT(PT_LEVELS) | at >> PT_BITS;
	return (0xffffUL << 48) | (at & ~7UL);
}

static const char *edit_through_self(struct pair p)
{
	u64 e = self_address(VA, 1), d = self_address(VA, 2), top = self_address(VA, PT_LEVELS);
	pte_t *direct = test_pte(VA), *pde = walk(kernel_mm.root, VA, 2, 0), saved;
	struct fault f;
	u64 v;

	CHECK(load(top) == *walk(kernel_mm.root, VA, PT_LEVELS, 0),
	      "the root reads differently");
	for (int i = 0; i < 20; i++) {
		u64 pa = i & 1 ? p.b : p.a;

		store(e, pa | PTE_KDATA);
		invlpg(VA);
		CHECK((pte_read(direct) & PTE_ADDR) == pa, "round %d: the direct map differs",
		      i);
		CHECK(load(VA) == (i & 1 ? 'B' : 'A'), "round %d: the wrong page", i);
		CHECK((load(e) & PTE_ADDR) == pa, "round %d: the entry reads differently", i);
	}
	saved = load(d);
	CHECK(saved == pte_read(pde), "the table entry reads differently");
	store(d, 0);
	invlpg(VA);
	invlpg(e); /* the entry's own address went by way of d, too */
	CHECK(!probe_read(VA, &v, &f) && f.error == 0, "an unlinked table still maps");
	CHECK(!probe_read(e, &v, &f) && f.error == 0, "an unlinked table can still be read");
	store(d, saved);
	invlpg(VA);
	CHECK(load(VA) == 'B', "the table did not come back");
	return NULL;
}

const char *self_map(void)
{
	pte_t *slot = walk(kernel_mm.root, SELF_BASE, PT_LEVELS, 0);
	struct pair p = make_pair();
	const char *why;

	test_map(VA, p.a, PTE_KDATA);
	pte_write(slot, kernel_mm.root | PTE_KDATA);
	why = edit_through_self(p);
	pte_write(slot, 0);
	tlb_flush_kernel(0, ~0UL);
	set_entry(test_pte(VA), 0, VA);
	free_pair(p);
	return why;
}

/* The table page of VA is mapped as data, twice, and written there. */
const char *alias(void)
{
	struct pair p = make_pair();
	pte_t *e = test_pte(VA);
	u64 table = ALIGN_DOWN((u64)e, PAGE_SIZE) - KBASE, offset = (u64)e % PAGE_SIZE;
	u64 window[2] = {VA + 0x40000000, VA + 0x40000000 + 5 * PAGE_SIZE};

	for (int i = 0; i < 2; i++)
		test_map(window[i], table, PTE_KDATA);
	for (int i = 0; i < 20; i++) {
		u64 pa = i & 1 ? p.b : p.a;

		store(window[i / 2 % 2] + offset, pa | PTE_KDATA);
		invlpg(VA);
		CHECK(load(VA) == (i & 1 ? 'B' : 'A'), "round %d: the wrong page", i);
		CHECK((load(window[1 - i / 2 % 2] + offset) & PTE_ADDR) == pa,
		      "round %d: the other window differs", i);
	}
	/* Half an entry at a time, as a 32-bit store would. */
	*(volatile u32 *)(window[0] + offset) = (u32)(p.a | (PTE_KDATA & 0xfff));
	invlpg(VA);
	CHECK(load(VA) == 'A', "a 32-bit store to the entry was lost");
	store(window[0] + offset, 0);
	invlpg(VA);
	for (int i = 0; i < 2; i++)
		set_entry(test_pte(window[i]), 0, window[i]);
	free_pair(p);
	return NULL;
}
