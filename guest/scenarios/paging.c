/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of the MMU itself, on hand-made entries in the test slot, on CPU 0. The other CPUs
 * idle and never touch these addresses, so local invalidations are enough.
 */
#include "scenarios/scenarios.h"
#include "x86.h"

#define VA (TEST_BASE + TEST_AREA)

static ulong load(ulong va)
{
	return *(volatile ulong *)va;
}

static void store(ulong va, ulong v)
{
	*(volatile ulong *)va = v;
}

static void set_entry(pte_t *e, pte_t v, ulong va)
{
	pte_store(e, v);
	invlpg(va);
}

/* Two frames, told apart by their first word. */
struct pair {
	ulong a, b;
};

static struct pair make_pair(void)
{
	struct pair p = {frame_alloc(), frame_alloc()};

	*(ulong *)phys(p.a) = 'A';
	*(ulong *)phys(p.b) = 'B';
	return p;
}

static void free_pair(struct pair p)
{
	frame_put(p.a);
	frame_put(p.b);
}

const char *wp_bit(void)
{
	ulong pa = frame_alloc(), cr0 = read_cr0();
	struct fault f;
	bool written;

	CHECK(cr0 & CR0_WP, "CR0.WP is clear");
	test_map(VA, pa, PTE_KRO);
	for (ulong i = 1; i <= 4; i++) {
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

	pte_store(e, p.a | PTE_KDATA);
	for (int i = 0; i < 50; i++) {
		ulong now = i & 1 ? p.a : p.b, want = i & 1 ? 'A' : 'B', v;

		CHECK(load(VA) == (i & 1 ? 'B' : 'A'), "round %d starts with the wrong page",
		      i);
		pte_store(e, now | PTE_KDATA);
		v = load(VA);
		CHECK(v == 'A' || v == 'B', "round %d: neither page is there", i);
		if (i % 4 < 2)
			invlpg(VA);
		else
			write_cr3(read_cr3());
		CHECK(load(VA) == want, "round %d: the old page is still there", i);
		store(VA + 8, (ulong)i);
		CHECK(*(volatile ulong *)phys(now + 8) == (ulong)i,
		      "round %d: a write went astray", i);
	}
	set_entry(e, 0, VA);
	free_pair(p);
	return NULL;
}

const char *global_pages(void)
{
	struct pair p = make_pair();
	pte_t *e = test_pte(VA);
	ulong cr4 = read_cr4();

	CHECK(cr4 & CR4_PGE, "CR4.PGE is clear");
	for (int i = 0; i < 20; i++) {
		ulong v;

		set_entry(e, p.a | PTE_KDATA | PTE_G, VA);
		CHECK(load(VA) == 'A', "round %d: A is not there", i);
		pte_store(e, p.b | PTE_KDATA | PTE_G);
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
static const char *check_words(ulong base, ulong add)
{
	for (ulong off = 0; off < HUGE_SIZE; off += STEP)
		CHECK(load(base + off) == off + add, "offset 0x%lx holds the wrong word", off);
	return NULL;
}

static void put_words(ulong base, ulong add)
{
	for (ulong off = 0; off < HUGE_SIZE; off += STEP)
		store(base + off, off + add);
}

/* Replace the 2 MiB entry by a table of 512 pages of which one is read-only. */
static void split_page(pte_t *pde, ulong pa, ulong table)
{
	pte_t *pt = phys(table);

	for (ulong i = 0; i < PT_ENTRIES; i++)
		pt[i] = (pa + i * PAGE_SIZE) | PTE_KDATA;
	pt[PROBE / PAGE_SIZE] &= ~PTE_W;
	set_entry(pde, table | PTE_TABLE, VA);
}

const char *large_pages(void)
{
	ulong pa = frame_spare_huge(), table = frame_alloc();
	pte_t *pde = walk(kernel_mm.root, VA, 2, PTE_TABLE);
	const char *why = NULL;
	struct fault f;

	for (ulong round = 0; round < 4 && !why; round++) {
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
		for (ulong off = 0; off < HUGE_SIZE; off += PAGE_SIZE * 64)
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

static ulong ad(const pte_t *e)
{
	return (ulong)(pte_load(e) & (PTE_A | PTE_D));
}

static const char *ad_of_leaf(pte_t *e)
{
	for (int i = 0; i < 5; i++) {
		load(VA);
		CHECK(ad(e) == PTE_A, "after a read: 0x%lx", ad(e));
		store(VA, 1);
		CHECK(ad(e) == (PTE_A | PTE_D), "after a write: 0x%lx", ad(e));
		set_entry(e, pte_load(e) & ~PTE_D, VA);
		load(VA);
		CHECK(ad(e) == PTE_A, "D came back by a read: 0x%lx", ad(e));
		store(VA, 1);
		CHECK(ad(e) == (PTE_A | PTE_D), "D did not come back: 0x%lx", ad(e));
		set_entry(e, pte_load(e) & ~(PTE_A | PTE_D), VA);
	}
	return NULL;
}

const char *ad_bits(void)
{
	ulong pa = frame_alloc();
	pte_t *e = test_pte(VA), *pde = walk(kernel_mm.root, VA, 2, 0);
	struct fault f;
	const char *why;

	pte_store(e, pa | (PTE_KDATA & ~(PTE_A | PTE_D)));
	pte_store(pde, pte_load(pde) & ~PTE_A);
	invlpg(VA);
	CHECK(ad(e) == 0 && ad(pde) == 0, "set without an access");
	load(VA);
	CHECK(ad(pde) == PTE_A, "the table's own entry: 0x%lx", ad(pde));
	CHECK(ad(e) == PTE_A, "after the first read: 0x%lx", ad(e));
	set_entry(e, pte_load(e) & ~(PTE_A | PTE_D), VA);
	why = ad_of_leaf(e);
	if (why)
		return why;
	/* A write that is refused leaves D clear. */
	set_entry(e, pa | (PTE_KRO & ~PTE_A), VA);
	CHECK(!probe_write(VA, 1, &f), "a read-only page was written");
	CHECK(!(pte_load(e) & PTE_D), "a refused write set D");
	set_entry(e, 0, VA);
	frame_put(pa);
	/* The ring-3 half, on entries of a process, is a program. */
	return run_program(USER_AD_BITS, 5);
}

/* The address of the entry for `va` at `level` through the recursive slot. */
static ulong self_address(ulong va, int level)
{
	for (int i = 0; i < level; i++) {
		va &= ~0UL >> (8 * sizeof(va) - VA_BITS);
		va = SELF_BASE + ALIGN_DOWN(va >> PT_BITS, sizeof(pte_t));
	}
	return va;
}

static pte_t *self_entry(ulong va, int level)
{
	return (pte_t *)self_address(va, level);
}

/*
 * Make the tables a part of what they map: the root as a table of the level below. Where the root
 * is too small to be one, the tables it points at, side by side, as tables of the last level.
 */
static void self_link(pte_t flags)
{
	pte_t *root = phys(kernel_mm.root);

	if (SELF_LEVEL == PT_LEVELS) {
		pte_store(walk(kernel_mm.root, SELF_BASE, PT_LEVELS, 0),
			  flags ? kernel_mm.root | flags : 0);
		return;
	}
	for (ulong i = 0; i < PT_ROOT_ENTRIES; i++)
		if (root[i] & PTE_P)
			pte_store(walk(kernel_mm.root, SELF_BASE + (i << PT_SHIFT(2)), 2, 0),
				  flags ? (root[i] & PTE_ADDR) | flags : 0);
}

static const char *edit_through_self(struct pair p)
{
	pte_t *e = self_entry(VA, 1), *d = self_entry(VA, 2), *top = self_entry(VA, SELF_LEVEL);
	pte_t *direct = test_pte(VA), *pde = walk(kernel_mm.root, VA, 2, 0), saved;
	struct fault f;
	ulong v;

	CHECK(pte_load(top) == *walk(kernel_mm.root, VA, SELF_LEVEL, 0),
	      "the root reads differently");
	for (int i = 0; i < 20; i++) {
		ulong pa = i & 1 ? p.b : p.a;

		pte_store(e, pa | PTE_KDATA);
		invlpg(VA);
		CHECK((pte_load(direct) & PTE_ADDR) == pa, "round %d: the direct map differs",
		      i);
		CHECK(load(VA) == (i & 1 ? 'B' : 'A'), "round %d: the wrong page", i);
		CHECK((pte_load(e) & PTE_ADDR) == pa, "round %d: the entry reads differently",
		      i);
	}
	saved = pte_load(d);
	CHECK(saved == pte_load(pde), "the table entry reads differently");
	pte_store(d, 0);
	invlpg(VA);
	invlpg((ulong)e); /* the entry's own address went by way of d, too */
	CHECK(!probe_read(VA, &v, &f) && f.error == 0, "an unlinked table still maps");
	CHECK(!probe_read((ulong)e, &v, &f) && f.error == 0,
	      "an unlinked table can still be read");
	pte_store(d, saved);
	invlpg(VA);
	CHECK(load(VA) == 'B', "the table did not come back");
	return NULL;
}

const char *self_map(void)
{
	struct pair p = make_pair();
	const char *why;

	test_map(VA, p.a, PTE_KDATA);
	self_link(PTE_KDATA);
	why = edit_through_self(p);
	self_link(0);
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
	ulong table = ALIGN_DOWN((ulong)e, PAGE_SIZE) - KBASE, offset = (ulong)e % PAGE_SIZE;
	ulong window[2] = {VA + TEST_AREA, VA + TEST_AREA + 5 * PAGE_SIZE};

	for (int i = 0; i < 2; i++)
		test_map(window[i], table, PTE_KDATA);
	for (int i = 0; i < 20; i++) {
		ulong pa = i & 1 ? p.b : p.a;

		pte_store((pte_t *)(window[i / 2 % 2] + offset), pa | PTE_KDATA);
		invlpg(VA);
		CHECK(load(VA) == (i & 1 ? 'B' : 'A'), "round %d: the wrong page", i);
		CHECK((pte_load((pte_t *)(window[1 - i / 2 % 2] + offset)) & PTE_ADDR) == pa,
		      "round %d: the other window differs", i);
	}
	/* Half an entry at a time, as a 32-bit store would. */
	*(volatile u32 *)(window[0] + offset) = (u32)(p.a | (PTE_KDATA & 0xfff));
	invlpg(VA);
	CHECK(load(VA) == 'A', "a 32-bit store to the entry was lost");
	pte_store((pte_t *)(window[0] + offset), 0);
	invlpg(VA);
	for (int i = 0; i < 2; i++)
		set_entry(test_pte(window[i]), 0, window[i]);
	free_pair(p);
	return NULL;
}
