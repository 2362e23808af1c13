/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the shadow MMU's operations cost without any hardware behind them. One core: ns each, with
 * all the guest's tables always mapped for the host and with none of them (every look is through a
 * window). Threads: hidden faults a second. Memory: bytes per mapped page.
 *   shadow_bench [ops] [threads] [memory] [dmap] [unmap]     default: all
 */
#include <string.h>
#include <urcu/urcu-memb.h>

#include "tests/bench/bench.h"

#define PAGES  4096u /* 8 page tables */
#define ROUNDS 50u

static struct bench b;
static struct sh_walk w;
static const char *group;

static void walk_warm(unsigned i)
{
	(void)i;
	sh_translate(b.v[0], GVA(0x1000), SH_READ, &w);
}

static void walk_cold(unsigned i)
{
	sh_translate(b.v[0], GVA((uint64_t)(i * 577 % PAGES) << 12), SH_READ, &w);
}

static void fault(unsigned i)
{
	bench_fault(&b, 0, i);
}

static void fault_table(unsigned i)
{
	bench_fault(&b, 0, i * 512ull);
}

static void write_entry(unsigned i)
{
	uint64_t e = (b.first_page + (i & 1)) << 12 | BENCH_RWUAD;

	sh_write(b.mmu, b.v[0], GPA(b.first_table << 12), &e, 8);
	if (i % 8 == 0) /* in use: no flood */
		sh_fault(b.v[0], GVA(0), SH_READ, &w);
}

static void cr3(unsigned i)
{
	struct sh_regs r = bench_regs(1 + (i & 1));
	mfn_t root;

	sh_set_regs(b.v[0], &r, true);
	sh_root(b.v[0], SH_VIEW_KERNEL, &root);
	sh_root_loaded(b.v[0], root);
}

/* Between two contexts that this vCPU knows, by MOV CR3 with bit 63. */
static void cr3_noflush(unsigned i)
{
	struct sh_regs r = bench_regs(1 + (i & 1));
	mfn_t root;

	r.cr4 |= 1ull << 17;
	r.cr3 |= 1 + (i & 1);
	sh_set_regs(b.v[0], &r, SH_FLUSH_NONE);
	sh_root(b.v[0], SH_VIEW_KERNEL, &root);
	sh_root_loaded(b.v[0], root);
}

static void invlpg(unsigned i)
{
	sh_invlpg(b.v[0], GVA((uint64_t)(i % PAGES) << 12));
}

/* A window on one of n frames in turn, opened and closed. */
static void window(unsigned i, unsigned n)
{
	void *p = gmem_map(b.gm, GFN(b.first_page + i % n));

	gmem_unmap(b.gm, p);
}

static void window_low(unsigned i)
{
	void *p = gmem_map(b.gm, GFN(i % 4));

	gmem_unmap(b.gm, p);
}

static void window_same(unsigned i)
{
	window(i, 4);
}

static void window_new(unsigned i)
{
	window(i, 1024);
}

static void pool(unsigned i, unsigned n)
{
	void *p = gmem_pool_map(b.gm, GFN(b.first_page + i % n));

	gmem_pool_unmap(b.gm, p);
}

static void pool_same(unsigned i)
{
	pool(i, 4);
}

static void pool_new(unsigned i)
{
	pool(i, 1024);
}

static const struct {
	const char *what;
	void (*fn)(unsigned i);
	unsigned n;
} ops[] = {
	{"hidden_fault_makes_table", fault_table, PAGES / 512},
	{"hidden_fault", fault, PAGES},
	{"hidden_fault_spurious", fault, PAGES},
	{"walk_same_page", walk_warm, 200000},
	{"walk_other_page", walk_cold, 200000},
	{"tracked_write", write_entry, 100000},
	{"invlpg", invlpg, 200000},
	{"cr3_switch_cached_roots", cr3, 200000},
	{"cr3_switch_without_flush", cr3_noflush, 200000},
	{"window_of_4_lowest_frames", window_low, 1000000},
	{"window_of_4_frames", window_same, 1000000},
	{"window_of_1024_frames", window_new, 50000},
	{"persistent_window_of_4_frames", pool_same, 1000000},
	{"persistent_window_of_1024_frames", pool_new, 50000},
};

static void simple_ops(void)
{
	for (unsigned o = 0; o < sizeof(ops) / sizeof(ops[0]); o++) {
		double t = bench_cpu();

		for (unsigned i = 0; i < ops[o].n; i++)
			ops[o].fn(i);
		bench_print(group, ops[o].what, (bench_cpu() - t) / ops[o].n, "ns");
	}
}

/* A table whose shadow is made anew, entry by entry, and then goes: a write to a table that no entry
 * names any more ends its shadow. */
static void rebuild_and_zap(void)
{
	double t, fill = 0, zap = 0;
	uint64_t e;

	for (unsigned r = 0; r < ROUNDS; r++) {
		gmem_load64(b.gm, GPA(b.first_table << 12), &e);
		bench_set_table(&b, 0, false);
		t = bench_cpu();
		sh_write(b.mmu, b.v[0], GPA(b.first_table << 12), &e, 8);
		zap += r ? bench_cpu() - t : 0; /* the first finds other state */
		bench_set_table(&b, 0, true);
		t = bench_cpu();
		for (unsigned i = 0; i < 512; i++)
			bench_fault(&b, 0, i);
		fill += bench_cpu() - t;
	}
	bench_print(group, "rebuild_512_entry_table", fill / ROUNDS, "ns");
	bench_print(group, "zap_full_table", zap / (ROUNDS - 1), "ns");
}

/* As the guest does natively, once it may: the first n entries of its first table, read-only or not. */
static void rewrite(unsigned n, bool writable)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t e = (b.first_page + i) << 12 | BENCH_RWUAD;

		gmem_store(b.gm, GPA((b.first_table << 12) + 8 * i), writable ? e : e & ~PTE_W,
			   8);
	}
}

static double flush(void)
{
	struct sh_regs r = bench_regs(1);
	double t = bench_cpu();

	sh_set_regs(b.v[0], &r, SH_FLUSH_CURRENT);
	return bench_cpu() - t;
}

/* Flushes with one table out of step, of which n entries were changed. */
static void resync(unsigned n, const char *what)
{
	uint64_t e = b.first_page << 12 | BENCH_RWUAD;
	struct sh_stats before, after;
	double t = 0;

	for (unsigned i = 0; i < 512; i++)
		bench_fault(&b, 0, i);
	for (unsigned i = 0; i < 8; i++) /* unused meanwhile, so it is let go */
		sh_write(b.mmu, b.v[0], GPA(b.first_table << 12), &e, 8);
	sh_mmu_stats(b.mmu, &before);
	for (unsigned r = 0; r < ROUNDS; r++) {
		rewrite(n ? n : 1, r & 1);
		t += n ? flush() : 0;
		if (!n) {
			flush();
			t += flush();
		}
	}
	sh_mmu_stats(b.mmu, &after);
	if (after.v[SH_ST_SYNC] - before.v[SH_ST_SYNC] < ROUNDS)
		bench_die("nothing was out of step");
	bench_print(group, what, t / ROUNDS, "ns");
}

/* More tables in turn than the limit: each fault makes one, and old ones are taken back. The
 * shootdown costs nothing here. */
static void reclaim(uint64_t lowmem)
{
	struct bench_config cfg = {.lowmem = lowmem, .pages = 512 * 512, .limit = 128};
	struct sh_stats before, after;
	double t;

	bench_create(&b, &cfg);
	for (unsigned i = 0; i < 512; i++)
		fault_table(i);
	sh_mmu_stats(b.mmu, &before);
	t = bench_cpu();
	for (unsigned i = 0; i < 20 * 512; i++)
		fault_table(i % 512);
	t = bench_cpu() - t;
	sh_mmu_stats(b.mmu, &after);
	bench_print(group, "fault_with_reclaim_of_a_table",
		    t / (double)(after.v[SH_ST_RECYCLED] - before.v[SH_ST_RECYCLED]), "ns");
	bench_destroy(&b);
}

/* 512 large pages of the guest's, used for the first time all over: by one leaf each, or by what takes
 * their place. */
static void large_pages(uint64_t lowmem, bool large)
{
	struct bench_config cfg = {.lowmem = lowmem, .pages = 512 * 512, .large = large};
	double t;

	bench_create(&b, &cfg);
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t e = (b.first_page + i * 512) << 12 | BENCH_RWUAD | PTE_PS;

		sh_write(b.mmu, b.v[0], GPA(4ull << 12 | i * 8), &e, 8);
	}
	t = bench_cpu();
	for (unsigned i = 0; i < 512; i++)
		fault_table(i);
	for (unsigned i = 0; !large && i < 512 * 512; i++)
		if (i % 512)
			fault(i);
	bench_print(group, large ? "2m_page_by_a_large_leaf" : "2m_page_by_4k_leaves",
		    (bench_cpu() - t) / 512, "ns");
	bench_destroy(&b);
}

static void one_core(uint64_t lowmem)
{
	struct bench_config cfg = {.lowmem = lowmem, .pages = PAGES};

	group = lowmem ? "mapped" : "windows";
	bench_create(&b, &cfg);
	simple_ops();
	flush();
	resync(0, "resync_512_entries_none_changed");
	resync(1, "resync_512_entries_1_changed");
	resync(512, "resync_512_entries_all_changed");
	rebuild_and_zap();
	bench_destroy(&b);
	reclaim(lowmem);
	large_pages(lowmem, true);
	large_pages(lowmem, false);
}

static void ops_all(void)
{
	one_core(64 << 20);
	one_core(0);
}

static const struct {
	const char *name;
	void (*fn)(void);
} groups[] = {
	{"ops", ops_all},     {"threads", bench_threads}, {"memory", bench_memory},
	{"dmap", bench_dmap}, {"unmap", bench_unmap},
};

static bool named(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned ran = 0;

	urcu_memb_register_thread();
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (!named(argc, argv, groups[i].name))
			continue;
		groups[i].fn();
		ran++;
	}
	urcu_memb_unregister_thread();
	return ran ? 0 : 2;
}
