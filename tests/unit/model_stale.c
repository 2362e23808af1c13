/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The oracle of staleness by itself: what the SDM (vol. 3, section 4.10) lets a processor remember and
 * what it does not, a case for each sentence. 4-level tables in frames 1 to 4 map va 0x1000 * i to
 * frame 16 + i; the directory's second entry is a large page at 0.
 * Read first: tests/model/stale.h.
 */
#include "tests/model/stale.h"
#include "tests/unit/tap.h"

enum { PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000, PT_B = 0x5000, PML4_B = 0x6000 };

#define P	 1ull
#define W	 2ull
#define U	 4ull
#define A	 0x20ull
#define D	 0x40ull
#define PS	 0x80ull
#define G	 0x100ull
#define XD	 (1ull << 63)
#define ALL	 (P | W | U | A | D)
#define PAGE(i)	 (0x10000ull + 0x1000 * (i))
#define CR0_WP	 (1ull << 16)
#define CR4_PGE	 (1ull << 7)
#define CR4_PCID (1ull << 17)
#define CR4_SMEP (1ull << 20)
#define CR4_PKE	 (1ull << 22)

static struct stale *s;
static struct mm_cpu cpu;

static void put(uint64_t table, unsigned index, uint64_t entry)
{
	stale_write(s, table + 8 * index, &entry, 8);
}

static void setup(void)
{
	s = stale_create(2, 1 << 20);
	put(PML4, 0, PDPT | ALL);
	put(PML4_B, 0, PDPT | ALL);
	put(PDPT, 0, PD | ALL);
	put(PD, 0, PT | ALL);
	put(PD, 1, PS | ALL);
	for (unsigned i = 0; i < 8; i++) {
		put(PT, i, PAGE(i) | ALL);
		put(PT_B, i, PAGE(i + 8) | ALL);
	}
	cpu = (struct mm_cpu){.cr0 = 0x80000001 | CR0_WP,
			      .cr3 = PML4,
			      .cr4 = 0x20,
			      .efer = 0xd00,
			      .maxphyaddr = 40,
			      .gb_pages = true};
	stale_regs(s, 0, &cpu);
	stale_regs(s, 1, &cpu);
}

static void teardown(void)
{
	stale_destroy(s);
}

static bool may(uint64_t va, uint64_t pa)
{
	return stale_permits(s, 0, &(struct mm_access){.va = va}, pa);
}

static bool may_write(uint64_t va, uint64_t pa)
{
	return stale_permits(s, 0, &(struct mm_access){.va = va, .write = true}, pa);
}

static void cr4(uint64_t toggle)
{
	cpu.cr4 ^= toggle;
	stale_regs(s, 0, &cpu);
}

static void cr3(uint64_t value, bool keep)
{
	cpu.cr3 = value;
	stale_mov_cr3(s, 0, &cpu, keep);
}

/* 4.10.2.3: an entry is remembered until something drops it, but not past that. */
static void test_changed(void)
{
	CU_ASSERT(may(0x1000, PAGE(1)));
	CU_ASSERT(!may(0x1000, PAGE(2)));
	put(PT, 1, PAGE(2) | ALL);
	CU_ASSERT(may(0x1000, PAGE(1)));
	CU_ASSERT(may(0x1000, PAGE(2)));
	put(PT, 1, 0);
	CU_ASSERT(may(0x1000, PAGE(1)));
	stale_invlpg(s, 0, 0x1000);
	CU_ASSERT(!may(0x1000, PAGE(1)));
	CU_ASSERT(!may(0x1000, PAGE(2)));
	/* The other processor was told nothing. */
	CU_ASSERT(stale_permits(s, 1, &(struct mm_access){.va = 0x1000}, PAGE(1)));
}

/* 4.10.2.3: neither with P clear, nor with A clear, nor with a reserved bit. */
static void test_not_cached(void)
{
	put(PT, 1, 0);
	stale_flush_all(s, 0);
	put(PT, 1, (PAGE(2) | ALL) & ~A);
	put(PT, 1, PAGE(3) | ALL | 1ull << 45);
	put(PT, 1, (PAGE(4) | ALL) & ~P);
	CU_ASSERT(!may(0x1000, PAGE(2)) && !may(0x1000, PAGE(3)) && !may(0x1000, PAGE(4)));
	put(PT, 1, PAGE(2) | ALL);
	CU_ASSERT(may(0x1000, PAGE(2)));
}

/* 4.8: no write through a clean leaf; 4.6: R/W of every level. */
static void test_writes(void)
{
	put(PT, 1, (PAGE(1) | ALL) & ~D);
	CU_ASSERT(may_write(0x1000, PAGE(1)));
	stale_invlpg(s, 0, 0x1000);
	CU_ASSERT(!may_write(0x1000, PAGE(1)) && may(0x1000, PAGE(1)));
	put(PT, 1, PAGE(1) | ALL);
	put(PD, 0, (PT | ALL) & ~W);
	CU_ASSERT(may_write(0x1000, PAGE(1)));
	stale_invlpg(s, 0, 0x1000);
	CU_ASSERT(!may_write(0x1000, PAGE(1)));
}

/* 4.10.3: upper entries are remembered apart from those below: an old directory entry with a new
 * entry of the old table, but not a new directory entry with what the new table held before. */
static void test_levels(void)
{
	put(PT_B, 1, PAGE(5) | ALL);
	put(PD, 0, PT_B | ALL);
	put(PT, 1, PAGE(6) | ALL);
	CU_ASSERT(may(0x1000, PAGE(1)) && may(0x1000, PAGE(5)) && may(0x1000, PAGE(6)));
	CU_ASSERT(!may(0x1000, PAGE(9))); /* gone from the table before it was hooked in */
}

/* 4.10.4.1, INVLPG: all paging-structure caches of the PCID, but other pages' translations stay. */
static void test_psc(void)
{
	put(PD, 0, PT_B | ALL);
	stale_invlpg(s, 0, 0x7000);
	put(PT, 1, PAGE(6) | ALL);
	CU_ASSERT(may(0x1000, PAGE(1)));  /* a translation from before */
	CU_ASSERT(!may(0x1000, PAGE(6))); /* none can be made by the old directory entry */
	CU_ASSERT(!may(0x7000, PAGE(7)) && may(0x7000, PAGE(15)));
}

/* 4.10.4.1, page faults: as INVLPG for the address, with other addresses' caches left. */
static void test_fault(void)
{
	put(PT, 1, 0);
	put(PT, 2, 0);
	stale_fault(s, 0, 0x1234);
	CU_ASSERT(!may(0x1000, PAGE(1)) && may(0x2000, PAGE(2)));
	/* The old directory entry may still serve the second address, no longer the first. */
	put(PD, 0, PT_B | ALL);
	stale_fault(s, 0, 0x1000);
	put(PT, 1, PAGE(6) | ALL);
	put(PT, 2, PAGE(7) | ALL);
	CU_ASSERT(!may(0x1000, PAGE(6)) && may(0x2000, PAGE(7)));
}

/* 4.10.4.1, MOV to CR3 with PCIDE=1: the new PCID's; none with bit 63. 4.10.1: only the current
 * PCID's are used. */
static void test_pcid(void)
{
	cr4(CR4_PCID);
	cr3(PML4 | 1, false);
	put(PT, 1, PAGE(2) | ALL);
	cr3(PML4 | 2, true); /* a PCID it had no translations for */
	CU_ASSERT(!may(0x1000, PAGE(1)) && may(0x1000, PAGE(2)));
	cr3(PML4 | 1, true);
	CU_ASSERT(may(0x1000, PAGE(1)));
	cr3(PML4 | 2, false);
	cr3(PML4 | 1, true);
	CU_ASSERT(may(0x1000, PAGE(1)));
	cr3(PML4 | 1, false);
	CU_ASSERT(!may(0x1000, PAGE(1)));
}

/* The same PCID with another table: what the old one led to stays with bit 63. */
static void test_base(void)
{
	cr4(CR4_PCID);
	put(PML4_B, 0, 0);
	cr3(PML4_B, true);
	CU_ASSERT(may(0x1000, PAGE(1)));
	cr3(PML4_B, false);
	CU_ASSERT(!may(0x1000, PAGE(1)));
	cr4(CR4_PCID); /* to 0: everything (MOV to CR4) */
	cr3(PML4, false);
	put(PT, 1, 0);
	cr3(PML4, false);
	CU_ASSERT(!may(0x1000, PAGE(1)));
}

/* 4.10.2.4: global pages are any PCID's and survive MOV CR3; not INVLPG, not a change of PGE. */
static void test_global(void)
{
	cr4(CR4_PGE);
	cr4(CR4_PCID);
	put(PT, 1, PAGE(1) | ALL | G);
	put(PT, 1, 0);
	put(PT, 2, PAGE(2) | ALL | G);
	put(PT, 2, 0);
	cr3(PML4_B | 3, false);
	CU_ASSERT(may(0x1000, PAGE(1)) && may(0x2000, PAGE(2)));
	stale_invpcid(s, 0, 3, 0, 0);
	CU_ASSERT(may(0x1000, PAGE(1)));
	stale_invlpg(s, 0, 0x1000);
	CU_ASSERT(!may(0x1000, PAGE(1)) && may(0x2000, PAGE(2)));
	cr4(CR4_PGE);
	CU_ASSERT(!may(0x2000, PAGE(2)));
	cr4(CR4_PGE);
	CU_ASSERT(!may(0x2000, PAGE(2)));
}

/* G without CR4.PGE is nothing. */
static void test_no_pge(void)
{
	put(PT, 1, PAGE(1) | ALL | G);
	put(PT, 1, 0);
	cr3(PML4, false);
	CU_ASSERT(!may(0x1000, PAGE(1)));
}

/* 4.10.4.1, INVPCID: each type. The change is made under PCID 1, the question is asked there. */
static void test_invpcid(void)
{
	static const struct {
		unsigned type, pcid;
		uint64_t va;
		bool stays, global_stays;
	} rows[] = {{0, 1, 0x1000, false, true}, {0, 1, 0x3000, true, true},
		    {0, 2, 0x1000, true, true},	 {1, 1, 0, false, true},
		    {1, 2, 0, true, true},	 {2, 0, 0, false, false},
		    {3, 0, 0, false, true}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		teardown();
		setup();
		cr4(CR4_PGE);
		cr4(CR4_PCID);
		cr3(PML4 | 1, false);
		put(PT, 2, PAGE(2) | ALL | G);
		put(PT, 1, 0);
		put(PT, 2, 0);
		stale_invpcid(s, 0, rows[i].type, rows[i].pcid, rows[i].va);
		CU_ASSERT_EQUAL(may(0x1000, PAGE(1)), rows[i].stays);
		/* Without G it was an entry of the first PCID's time, too. */
		CU_ASSERT_EQUAL(may(0x2000, PAGE(2)), rows[i].global_stays);
	}
}

/* 4.10.4.1: CR4.SMEP from 0 to 1 drops, from 1 to 0 doesn't; CR0.PG from 1 to 0 drops. */
static void test_toggles(void)
{
	put(PT, 1, 0);
	cr4(CR0_WP >> 16 << 24); /* PKS: nothing */
	CU_ASSERT(may(0x1000, PAGE(1)));
	cr4(CR4_SMEP);
	CU_ASSERT(!may(0x1000, PAGE(1)) && may(0x2000, PAGE(2)));
	put(PT, 2, 0);
	cr4(CR4_SMEP);
	CU_ASSERT(may(0x2000, PAGE(2)));
	cpu.cr0 ^= 0x80000000;
	stale_regs(s, 0, &cpu);
	CU_ASSERT(may(0x2000, 0x2000) && !may(0x2000, PAGE(2)));
	cpu.cr0 ^= 0x80000000;
	stale_regs(s, 0, &cpu);
	CU_ASSERT(!may(0x2000, PAGE(2)));
}

/* 4.6: the entries' rights are remembered, the registers' are those of now. */
static void test_rights(void)
{
	struct mm_access fetch = {.va = 0x1000, .fetch = true, .user = true};

	put(PT, 1, PAGE(1) | ALL | XD);
	stale_invlpg(s, 0, 0x1000);
	CU_ASSERT(!stale_permits(s, 0, &fetch, PAGE(1)));
	put(PT, 1, PAGE(1) | ALL | 5ull << 59);
	CU_ASSERT(stale_permits(s, 0, &fetch, PAGE(1)));
	put(PT, 1, PAGE(1) | ALL | 6ull << 59);
	cr4(CR4_PKE);
	cpu.pkru = 3u << 10;
	stale_regs(s, 0, &cpu);
	CU_ASSERT(may(0x1000, PAGE(1)));
	cpu.pkru = 3u << 10 | 3u << 12 | 3;
	stale_regs(s, 0, &cpu);
	CU_ASSERT(!may(0x1000, PAGE(1)));
	cpu.pkru = 3u << 12;
	stale_regs(s, 0, &cpu);
	CU_ASSERT(may(0x1000, PAGE(1))); /* the old key */
	stale_invlpg(s, 0, 0x1000);
	CU_ASSERT(!may(0x1000, PAGE(1)));
	put(PT, 2, (PAGE(2) | ALL) & ~W);
	stale_invlpg(s, 0, 0x2000);
	CU_ASSERT(!may_write(0x2000, PAGE(2)));
	cpu.cr0 &= ~CR0_WP;
	stale_regs(s, 0, &cpu);
	CU_ASSERT(may_write(0x2000, PAGE(2)));
}

/* 4.10.2.3 and 4.10.4.1, note 1: pieces of a large page. */
static void test_large(void)
{
	put(PD, 1, 0);
	stale_fault(s, 0, 0x201000);
	CU_ASSERT(!may(0x201000, 0x1000) && may(0x202000, 0x2000));
	stale_invlpg(s, 0, 0x203000);
	CU_ASSERT(!may(0x201000, 0x1000) && !may(0x202000, 0x2000));
}

/* Words that are written in pieces: each state in between was there; and only those. */
static void test_pieces(void)
{
	uint64_t entry = PAGE(3) | ALL, low = 0;

	put(PT, 1, XD | ALL | PAGE(1) | 1ull << 40); /* reserved */
	stale_flush_all(s, 0);
	stale_write(s, PT + 8, &entry, 4);
	CU_ASSERT(!may(0x1000, PAGE(3)));
	stale_write(s, PT + 12, (uint8_t *)&entry + 4, 4);
	CU_ASSERT(may(0x1000, PAGE(3)));
	stale_read(s, PT + 8, &low, 8);
	CU_ASSERT_EQUAL(low, entry);
	/* Over two entries, none aligned. */
	entry = 0xffffffffffffffff;
	stale_write(s, PT + 13, &entry, 5);
	stale_read(s, PT + 16, &low, 8);
	CU_ASSERT_EQUAL(low, (PAGE(2) | ALL | 0xffff));
}

/* Histories stay short: what all have dropped is let go and no longer permitted. */
static void test_long(void)
{
	for (unsigned i = 0; i < 100000; i++) {
		put(PT, 1, PAGE(i % 8) | ALL);
		if (i % 4 == 0) {
			stale_flush_all(s, 0);
			stale_flush_all(s, 1);
		}
	}
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(may(0x1000, PAGE(i)), i >= 4);
}

static const struct tap_case cases[] = {
	{"a changed entry until INVLPG", test_changed},
	{"entries that are not cached", test_not_cached},
	{"writes need D, and W at every level", test_writes},
	{"each level from its own time", test_levels},
	{"INVLPG and the paging-structure caches", test_psc},
	{"a page fault drops its address", test_fault},
	{"MOV CR3 with PCIDs", test_pcid},
	{"two tables under one PCID", test_base},
	{"global pages", test_global},
	{"G without CR4.PGE", test_no_pge},
	{"INVPCID of every type", test_invpcid},
	{"toggles of CR0 and CR4", test_toggles},
	{"rights of entries then, of registers now", test_rights},
	{"pieces of a large page", test_large},
	{"entries written in pieces", test_pieces},
	{"a long run", test_long},
	TAP_NO_CASE,
};
static const struct tap_suite suites[] = {
	{.name = "stale", .cases = cases, .each_setup = setup, .each_teardown = teardown},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
