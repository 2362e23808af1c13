/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * change_page_attr on the direct map. Most of it happens in the spare large page, which is nobody's;
 * afterwards the map has to be, entry by entry, what it was.
 */
#include "scenarios/scenarios.h"
#include "mm/attr.h"

#define AD (PTE_A | PTE_D)

extern char __rodata_end[];

static ulong spare(void)
{
	return KBASE + frame_spare_huge();
}

/* Pages by size, and a sum over all entries of [va, end) but A and D. */
struct census {
	ulong small, large;
	u64 sum;
};

static struct census take_census(ulong va, ulong end)
{
	struct census c = {0, 0, 0};

	while (va < end) {
		int level;
		pte_t e = pte_load(attr_leaf(va, &level)) & ~AD;

		c.small += level == 1;
		c.large += level == 2;
		c.sum = (c.sum ^ e ^ (u64)level << 60) * 0x100000001b3ULL;
		va += PT_SPAN(level);
	}
	return c;
}

static bool same(struct census a, struct census b)
{
	return a.small == b.small && a.large == b.large && a.sum == b.sum;
}

/* The neighbours of page `but` of the spare page have these attributes, and their own frames. */
static const char *check_neighbours(ulong but, pte_t flags)
{
	for (ulong i = 0; i < PT_ENTRIES; i++) {
		int level;
		pte_t e = pte_load(attr_leaf(spare() + i * PAGE_SIZE, &level));

		CHECK(level == 1, "page %lu is still large", i);
		CHECK(attr_pa(e, 1) == frame_spare_huge() + i * PAGE_SIZE,
		      "page %lu: its frame", i);
		CHECK(i == but || ((attr_flags(e, 1) ^ flags) & ~AD) == 0,
		      "page %lu: its attributes changed, too", i);
	}
	return NULL;
}

/* One page of the large one, with the effect of each attribute seen by access. */
static const char *check_rights(ulong va)
{
	struct fault f;
	ulong v;

	CHECK(!probe_write(va, 1, &f) && f.error == 3 && f.addr == va, "ro: it was written");
	CHECK(probe_write(va - PAGE_SIZE, 1, &f), "ro: the page before is read-only");
	CHECK(probe_write(va + PAGE_SIZE, 1, &f), "ro: the page behind is read-only");
	CHECK(attr_change(va, 1, ATTR_RW) && probe_write(va, 0xc3, &f), "rw: not writable");
	CHECK(attr_change(va, 1, ATTR_X) && probe_call(va, &f), "x: fetch refused");
	CHECK(attr_change(va, 1, ATTR_NX), "nx: no memory");
	if (PTE_NX)
		CHECK(!probe_call(va, &f) && f.error == 0x11, "nx: it was executed");
	CHECK(attr_change(va, 1, ATTR_NOT_PRESENT), "not present: no memory");
	CHECK(!probe_read(va, &v, &f) && f.error == 0 && f.addr == va,
	      "not present: it was read");
	CHECK(!probe_write(va, 0, &f) && f.error == 2, "not present: it was written");
	CHECK(attr_change(va, 1, ATTR_PRESENT), "present: no memory");
	CHECK(probe_read(va, &v, &f) && v == 0xc3, "present: 0x%lx is there now", v);
	return NULL;
}

const char *cpa_rights(void)
{
	struct census before = take_census(spare(), spare() + HUGE_SIZE), after;
	ulong page = 5 + random_next() % 100, va = spare() + page * PAGE_SIZE;
	struct attr_stats s = attr_stats;
	struct mm *mm = mm_create();
	const char *why;
	int level;
	pte_t flags = pte_load(attr_leaf(va, &level));

	flags = attr_flags(flags, level);
	if (level == 1) {
		mm_put(mm);
		return skip("the direct map is in small pages");
	}
	CHECK(attr_change(va, 1, ATTR_RW) && attr_stats.splits == s.splits &&
		      attr_stats.flushes == s.flushes && attr_stats.same == s.same + 1,
	      "a page that is writable already was split or flushed");
	CHECK(attr_change(va, 1, ATTR_RO) && attr_stats.splits == s.splits + 1,
	      "%lu splits for one page", attr_stats.splits - s.splits);
	why = check_neighbours(page, flags);
	/* In an address space of a process: it has the kernel's part, too. */
	mm_switch(mm);
	why = why ? why : check_rights(va);
	mm_switch(&kernel_mm);
	mm_put(mm);
	if (why)
		return why;
	CHECK(attr_stats.splits == s.splits + 1 && attr_stats.lines == s.lines,
	      "rights cost %lu cache lines", attr_stats.lines - s.lines);
	CHECK(attr_collapse(va, PAGE_SIZE) == 1, "it did not collapse");
	after = take_census(spare(), spare() + HUGE_SIZE);
	CHECK(same(before, after), "the map is not what it was");
	return NULL;
}

/* The whole large page: rewritten in place; without P it keeps frame and size. */
const char *cpa_large(void)
{
	static const enum attr there[] = {ATTR_RO, ATTR_NOT_PRESENT, ATTR_UC, ATTR_WC};
	static const enum attr back[] = {ATTR_RW, ATTR_PRESENT, ATTR_WB, ATTR_WB};
	struct census before = take_census(spare(), spare() + HUGE_SIZE);
	struct attr_stats s = attr_stats;
	struct fault f;

	if (!before.large)
		return skip("the direct map is in small pages");
	CHECK(probe_write(spare() + PAGE_SIZE, 77, &f), "it can't be written");
	for (ulong i = 0; i < ARRAY_SIZE(there); i++) {
		ulong v;

		CHECK(attr_change(spare(), PT_ENTRIES, there[i]), "change %lu: no memory", i);
		CHECK(probe_write(spare() + PAGE_SIZE, 77, &f) == (i > 1),
		      "change %lu: a write", i);
		CHECK(attr_change(spare(), PT_ENTRIES, back[i]), "change %lu back: no memory",
		      i);
		CHECK(probe_read(spare() + PAGE_SIZE, &v, &f) && v == 77, "change %lu: %lu", i,
		      v);
	}
	CHECK(attr_stats.splits == s.splits, "%lu splits", attr_stats.splits - s.splits);
	CHECK(attr_stats.preserved == s.preserved + 8, "%lu rewritten in place",
	      attr_stats.preserved - s.preserved);
	CHECK(same(before, take_census(spare(), spare() + HUGE_SIZE)),
	      "the map is not what it was");
	return NULL;
}

/* All eight indices of the PAT through a split and a collapse: PAT moves between bits 7 and 12. */
const char *cpa_cache(void)
{
	struct census before = take_census(spare(), spare() + HUGE_SIZE);
	struct attr_stats s = attr_stats;
	ulong va = spare() + 7 * PAGE_SIZE;
	int level;

	if (!before.large)
		return skip("the direct map is in small pages");
	for (ulong i = 0; i < 8; i++) {
		pte_t want =
			(i & 1 ? PTE_PWT : 0) | (i & 2 ? PTE_PCD : 0) | (i & 4 ? PTE_PAT : 0);
		pte_t large = attr_entry(frame_spare_huge(), PTE_KDATA | want, 2);

		CHECK(attr_flags(large, 2) == (PTE_KDATA | want), "index %lu: lost", i);
		CHECK(attr_pa(large, 2) == frame_spare_huge(), "index %lu: another frame", i);
		CHECK((large & PTE_PS) && !!(large & 0x1000) == !!(i & 4), "index %lu: bit 12",
		      i);
	}
	CHECK(attr_change(va, 1, ATTR_WC), "wc: no memory");
	CHECK(attr_stats.lines == s.lines + 64, "%lu lines for one page",
	      attr_stats.lines - s.lines);
	CHECK(attr_flags(pte_load(attr_leaf(va, &level)), 1) & PTE_PAT, "wc: no PAT bit");
	CHECK(attr_collapse(va, 1) == 0, "collapsed over two memory types");
	CHECK(attr_change(spare(), PT_ENTRIES, ATTR_WC), "wc: no memory");
	CHECK(attr_collapse(va, 1) == 1, "it did not collapse");
	CHECK(pte_load(attr_leaf(va, &level)) & 0x1000, "the large page is not wc");
	CHECK(attr_change(va, 1, ATTR_UC), "uc: no memory");
	CHECK(attr_flags(pte_load(attr_leaf(va + PAGE_SIZE, &level)), 1) & PTE_PAT,
	      "the split lost the PAT bit");
	CHECK(attr_change(spare(), PT_ENTRIES, ATTR_WB), "wb: no memory");
	CHECK(attr_collapse(va, 1) == 1, "it did not collapse at the end");
	CHECK(same(before, take_census(spare(), spare() + HUGE_SIZE)),
	      "the map is not what it was");
	return NULL;
}

static bool marked(ulong va, ulong pages, bool want)
{
	for (; pages; pages--, va += PAGE_SIZE) {
		int level;
		pte_t e = pte_load(attr_leaf(va, &level));

		if ((level == 1 || pages >= PT_ENTRIES) && !!(e & 0x400) != want)
			return false;
	}
	return true;
}

/* Random ranges of all of lowmem behind the image get a mark and lose it again. */
const char *cpa_selftest(void)
{
	ulong start = ALIGN_UP((ulong)__rodata_end, HUGE_SIZE);
	ulong end = spare() + HUGE_SIZE, pages = (end - start) / PAGE_SIZE;
	struct census before = take_census(start, end), c;
	struct attr_stats s = attr_stats;

	for (int i = 0; i < 300; i++) {
		ulong n = 1 + random_next() % 100, at = random_next() % (pages - n);
		ulong va = start + at * PAGE_SIZE;

		CHECK(attr_change(va, n, ATTR_MARK) && marked(va, n, true), "round %d: no mark",
		      i);
		CHECK(attr_change(va, n, ATTR_UNMARK) && marked(va, n, false),
		      "round %d: the mark stays", i);
		if (i % 30)
			continue;
		c = take_census(start, end);
		CHECK(c.small + c.large * PT_ENTRIES == pages, "round %d: pages are lost", i);
		CHECK(before.large - c.large == (ulong)(attr_stats.splits - s.splits) -
							(attr_stats.collapses - s.collapses),
		      "round %d: the counters are wrong", i);
	}
	attr_collapse(start, end - start);
	CHECK(same(before, take_census(start, end)), "the map is not what it was");
	return NULL;
}

/* Memory runs out at the first split, at the second, ...: nothing has changed then. */
const char *cpa_fail(void)
{
	ulong end = spare() + HUGE_SIZE, start = end - 2 * HUGE_SIZE;
	struct census before = take_census(start, end);
	ulong va = end - HUGE_SIZE - 3 * PAGE_SIZE;
	bool done = false;
	ulong n = 0;

	if (before.large != 2 || pagealloc_on)
		return skip("the tables are not allocated");
	while (!done) {
		frame_fail_after(++n);
		done = attr_change(va, 6, ATTR_MARK);
		frame_fail_after(0);
		CHECK(done || same(before, take_census(start, end)), "step %lu: half done", n);
		CHECK(n < 10, "it never succeeds");
	}
	CHECK(n == 3, "%lu allocations for two splits", n - 1);
	CHECK(attr_change(va, 6, ATTR_UNMARK) && attr_collapse(start, end - start) == 2,
	      "it did not collapse");
	CHECK(same(before, take_census(start, end)), "the map is not what it was");
	return NULL;
}

/*
 * All CPUs split one large page at the same moment, each for a page of its own, and undo what they
 * have changed; then CPU 0 collapses it, and the next round begins.
 */
#define SMP_ROUNDS 8
#define SMP_CPUS   3 /* beside CPU 0; more of them only wait for the lock */
static u32 bad_cpu, round, finished;

static void toggle(void *arg)
{
	u32 me = this_cpu()->index;
	ulong va = spare() + (me * 3 + 1) * PAGE_SIZE;
	struct fault f;

	(void)arg;
	for (u32 i = 1; i <= SMP_ROUNDS; i++) {
		bool ok;

		while (atomic_load(&round) < i)
			cpu_relax();
		ok = attr_change(va, 1, ATTR_RO) && !probe_write(va, i, &f) &&
		     attr_change(va, 1, ATTR_RW) && probe_write(va, i, &f);
		if (!ok || *(volatile ulong *)va != i)
			atomic_store(&bad_cpu, me + 1);
		atomic_add(&finished, 1);
	}
}

const char *cpa_smp(void)
{
	struct census before = take_census(spare(), spare() + HUGE_SIZE);
	u32 others = cpu_count - 1 < SMP_CPUS ? cpu_count - 1 : SMP_CPUS;
	struct attr_stats s = attr_stats;

	atomic_store(&bad_cpu, 0);
	atomic_store(&round, 0);
	for (u32 i = 1; i <= others; i++)
		smp_run(i, toggle, NULL);
	for (u32 i = 1; i <= SMP_ROUNDS; i++) {
		atomic_store(&finished, 0);
		if (before.large)
			atomic_store(&attr_gate, others);
		atomic_store(&round, i);
		while (atomic_load(&finished) < others)
			cpu_relax();
		attr_collapse(spare(), HUGE_SIZE);
	}
	smp_wait_all();
	CHECK(!bad_cpu, "cpu %u: a change got lost", bad_cpu - 1);
	CHECK(before.small || attr_stats.splits == s.splits + SMP_ROUNDS,
	      "%lu splits in %u rounds", attr_stats.splits - s.splits, SMP_ROUNDS);
	CHECK(same(before, take_census(spare(), spare() + HUGE_SIZE)),
	      "the map is not what it was");
	return NULL;
}
