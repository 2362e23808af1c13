/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: the direct map with others about: readers parked in its tables, two threads at one page, a
 * pool that is used up, a debug mode that changes the map with every table taken.
 * Read first: shadow_dmap.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/shadow_dmap.h"

/* ---- PA-7 ---- */

struct walker {
	struct fake *f;
	const uint64_t *table;
	_Atomic bool parked, leave, left;
	_Atomic unsigned zeroes;
};

/* A reader of another kind: no vCPU, holds nothing but its read-side section. */
static void *park(void *arg)
{
	struct walker *w = arg;
	struct timespec ms = {.tv_nsec = 1000000};

	urcu_memb_register_thread();
	urcu_memb_read_lock();
	atomic_store(&w->parked, true);
	for (unsigned i = 0; i < 60; i++)
		nanosleep(&ms, NULL);
	for (unsigned i = 0; i < 512; i++)
		w->zeroes += !__atomic_load_n(&w->table[i], __ATOMIC_RELAXED);
	atomic_store(&w->left, true);
	urcu_memb_read_unlock();
	urcu_memb_unregister_thread();
	return NULL;
}

/* While vCPUs may still use the table, it is whole. */
static void table_whole(void *ctx)
{
	struct walker *w = ctx;

	for (unsigned i = 0; i < 512; i++)
		w->zeroes += !__atomic_load_n(&w->table[i], __ATOMIC_RELAXED);
}

static void test_parked(void)
{
	struct walker w = {.zeroes = 0};
	struct fake_config cfg;
	pthread_t thread;
	unsigned level;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	dmt_start(&f, &cfg);
	dmt_change(&f, M2 + 5, 1, SH_DM_PIN, 0);
	w.f = &f;
	w.table = dmt_slot(&f, M2, &level);
	CU_ASSERT_EQUAL(level, 1);
	f.ctx = &w;
	f.on_shootdown = table_whole;
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, park, &w), 0);
	while (!atomic_load(&w.parked))
		sched_yield();
	dmt_change(&f, M2 + 5, 1, 0, SH_DM_PIN);
	CU_ASSERT(atomic_load(&w.left)); /* not before */
	CU_ASSERT_EQUAL(dmt_look(&f, M2).level, 2);
	pthread_join(thread, NULL);
	f.on_shootdown = NULL;
	CU_ASSERT_EQUAL(w.zeroes, 0);
	fx_end(&f);
}

/* ---- PA-12 ---- */

struct racer {
	struct fake *f;
	uint64_t frame;
	unsigned clear;
	pthread_t thread;
	_Atomic bool running;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	urcu_memb_register_thread();
	atomic_store(&r->running, true);
	dmt_change(r->f, r->frame, 1, 0, r->clear);
	urcu_memb_unregister_thread();
	return NULL;
}

struct race2 {
	struct racer r[2];
	bool started;
};

/* mmu->lock is held: both find the large page and wait for the lock to split it. */
static void start_both(void *ctx)
{
	struct race2 *two = ctx;
	struct timespec ms = {.tv_nsec = 30000000};

	if (two->started)
		return;
	two->started = true;
	for (unsigned i = 0; i < 2; i++) {
		pthread_create(&two->r[i].thread, NULL, race, &two->r[i]);
		while (!atomic_load(&two->r[i].running))
			sched_yield();
	}
	nanosleep(&ms, NULL);
}

static void test_two_split(void)
{
	struct race2 two = {.started = false};
	struct sh_dmap_stats a, b;
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	cfg.threads = true;
	dmt_start(&f, &cfg);
	two.r[0] = (struct racer){.f = &f, .frame = M2 + 5, .clear = SH_DM_W};
	two.r[1] = (struct racer){.f = &f, .frame = M2 + 6, .clear = SH_DM_X};
	a = dmt_stats(&f);
	f.ctx = &two;
	f.on_shootdown = start_both;
	dmt_change(&f, 3 * M2 + 1, 1, 0, SH_DM_W);
	pthread_join(two.r[0].thread, NULL);
	pthread_join(two.r[1].thread, NULL);
	f.on_shootdown = NULL;
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(b.splits[2], a.splits[2] + 2);
	CU_ASSERT_EQUAL(b.splits_lost, 1);
	CU_ASSERT_EQUAL(b.tables, a.tables + 2);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 5).attr, SH_DM_RWXU & ~SH_DM_W);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 6).attr, SH_DM_RWXU & ~SH_DM_X);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 7).attr, SH_DM_RWXU);
	dmt_conserved(&f, true);
	fx_end(&f);
}

/* Each turns its own bit of the same pages on and off; what is left is what each did last. */
struct churn {
	struct fake *f;
	unsigned bit;
	uint64_t rng;
};

static void *churn(void *arg)
{
	struct churn *c = arg;

	urcu_memb_register_thread();
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t n;

		c->rng = c->rng * 6364136223846793005ull + 1442695040888963407ull;
		n = 1 + (c->rng >> 50) % 3;
		dmt_change(c->f, M2 + (c->rng >> 40) % 64, n, i % 2 ? c->bit : 0,
			   i % 2 ? 0 : c->bit);
		if (i % 16 == 0)
			dmt_change(c->f, M2, M2, c->bit, 0); /* joins, if the other allows */
	}
	dmt_change(c->f, M2, M2, 0, c->bit);
	urcu_memb_unregister_thread();
	return NULL;
}

static void test_two_churn(void)
{
	struct churn c[2];
	pthread_t thread[2];
	struct fake_config cfg;
	unsigned wrong = 0;
	struct fake f;

	dmt_config(&cfg, 8 * BIGM);
	cfg.threads = true;
	dmt_start(&f, &cfg);
	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct churn){&f, i ? SH_DM_PWT : SH_DM_PCD, i + 1};
		pthread_create(&thread[i], NULL, churn, &c[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (uint64_t i = M2; i < 2 * M2; i++)
		wrong += dmt_look(&f, i).attr != SH_DM_RWXU;
	CU_ASSERT_EQUAL(wrong, 0);
	dmt_conserved(&f, true);
	fx_end(&f);
}

/* ---- tables run out ---- */

/* Shadow pages of many roles, each tree a few tables, so that all the pool is in use. */
static void fill_pool(struct fake *f)
{
	for (unsigned i = 0; i < 16; i++) {
		struct sh_regs r = fx_regs(i & 1 ? G_PML4_B : G_PML4);

		r.cr0 ^= i & 2 ? R_WP : 0;
		r.efer ^= i & 4 ? R_NXE : 0;
		fake_set_regs(f, 0, &r, true);
		fx_try(f, 0, 0x1000, 0);
		fx_try(f, 0, 0x2000, SH_USER);
	}
}

static void no_tables(struct fake *f)
{
	struct fake_config cfg;

	dmt_config(&cfg, 128 * BIGM);
	cfg.limit = 3 + 4 + SH_MIN_TABLES;
	cfg.vcpus = 2;
	dmt_start(f, &cfg);
	fill_pool(f);
}

/* Frames from the start on that were pinned. */
static uint64_t pinned(struct fake *f, uint64_t end)
{
	uint64_t i = 0;

	while (i < end && dmt_look(f, i).attr & SH_DM_PIN)
		i++;
	for (uint64_t k = i; k < end; k++)
		if (dmt_look(f, k).attr != SH_DM_RWXU)
			return UINT64_MAX;
	return i;
}

static void test_no_tables(void)
{
	struct sh_dmap_req req = {.set = SH_DM_PIN};
	struct sh_regs off = dmt_off();
	struct fake_result r;
	struct fake f;
	uint64_t done, v = 1;

	no_tables(&f);
	fake_set_regs(&f, 1, &off, true);
	fake_access(&f, 1, 0x5000, SH_WRITE, &v, 8);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(0), 64 * M2, &req), -ENOMEM);
	done = req.done;
	CU_ASSERT(done >= M2 && done < 64 * M2 && done % M2 == 0);
	CU_ASSERT_EQUAL(pinned(&f, 64 * M2), done);
	dmt_conserved(&f, true);
	fx_audit(&f);
	/* Where there is a table it goes on, and what needs none does. */
	req = (struct sh_dmap_req){.clear = SH_DM_W};
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(done + 5), 1, &req), -ENOMEM);
	CU_ASSERT_EQUAL(req.done, 0);
	CU_ASSERT_EQUAL(dmt_look(&f, done + 5).attr, SH_DM_RWXU);
	/* The part that was done is in force on every vCPU, though the rest failed. */
	CU_ASSERT_EQUAL(fake_access(&f, 1, (done - 1) << 12, SH_WRITE, &v, 8).kind, FAKE_OK);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(done - 1), 2, &req), -ENOMEM);
	CU_ASSERT_EQUAL(req.done, 1);
	r = fake_access(&f, 1, (done - 1) << 12, SH_WRITE, &v, 8);
	CU_ASSERT(r.kind == FAKE_HOST && r.error == EACCES);
	req = (struct sh_dmap_req){.clear = SH_DM_PIN, .set = SH_DM_W};
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(0), 64 * M2, &req), 0);
	CU_ASSERT_EQUAL(dmt_stats(&f).pages[2], 63); /* in the first there are tables */
	dmt_conserved(&f, true);
	fx_end(&f);
}

/* A table for a write next to a tracked frame can't be had: the store is emulated. */
static void test_no_table_to_write(void)
{
	struct sh_dmap_req req = {.set = SH_DM_PIN};
	struct sh_regs off = dmt_off();
	struct fake f;
	uint64_t v = 0x55, seen = 0;

	no_tables(&f);
	fake_set_regs(&f, 1, &off, true);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(2 * M2), 62 * M2, &req), -ENOMEM);
	/* What is left is pinned down by vCPU 0's tables in frame 1 and up. */
	CU_ASSERT_EQUAL(dmt_look(&f, G_DATA + 40).level, 2);
	CU_ASSERT_FALSE(dmt_look(&f, G_DATA + 40).writable);
	CU_ASSERT(fake_access(&f, 1, (G_DATA + 40) << 12, SH_WRITE, &v, 8).emulated);
	gmem_load64(f.gm, GPA((G_DATA + 40) << 12), &seen);
	CU_ASSERT_EQUAL(seen, v);
	fx_end(&f);
}

/* ---- PA-8, PA-9, PA-11: every table taken or given back changes the map ---- */

static void waits(void *ctx)
{
	unsigned *held = ctx;

	*held += fx_spins_held();
}

static void debug_start(struct fake *f, uint32_t limit)
{
	struct fake_config cfg;

	dmt_config(&cfg, 64 * BIGM);
	cfg.dmap.pagealloc = true;
	cfg.limit = limit;
	cfg.options.on[SH_OPT_ROOTCACHE] = false;
	dmt_start(f, &cfg);
}

static void recursion(uint32_t spare)
{
	struct sh_dmap_stats s;
	struct fake f;

	/* Two tables for the pool itself, one for RAM's directory, and the two on top. */
	debug_start(&f, 5 + 4 + SH_MIN_TABLES + spare);
	for (unsigned i = 0; i < 8; i++) {
		fill_pool(&f);
		sh_dmap_collapse(f.mmu, NULL);
	}
	s = dmt_stats(&f);
	CU_ASSERT(s.splits[2] > 0);
	CU_ASSERT_EQUAL(s.depth, 1);
	CU_ASSERT_EQUAL(s.pagealloc_missed, 0);
	CU_ASSERT(fx_stat(&f, SH_ST_RECYCLED) > 0 || fx_stat(&f, SH_ST_CACHE_MISS) > 50);
	fx_end(&f);
}

static void test_recursion(void)
{
	for (uint32_t spare = 0; spare < 12; spare++)
		recursion(spare);
}

/* Tables in use are mapped for the gate, those out of use are not. */
static void test_tables_unmapped(void)
{
	struct sh_dmap_page p;
	unsigned free_mapped = 0, unmapped = 0;
	struct fake f;

	debug_start(&f, 5 + 4 + SH_MIN_TABLES);
	fill_pool(&f);
	fill_pool(&f);
	for (unsigned i = 0; i < f.cfg.tables; i++) {
		struct sh_path path;
		bool live = sh_path(f.mmu, MFN(FAKE_TABLE_MFN + i), GVA(0), &path);

		CU_ASSERT_FATAL(sh_dmap_look(f.mmu, GFN(FAKE_TABLE_MFN + i), &p));
		CU_ASSERT_EQUAL(p.attr & (SH_DM_U | SH_DM_X), 0);
		CU_ASSERT(!live || p.attr & SH_DM_P);
		free_mapped += !live && p.attr & SH_DM_P;
		unmapped += !(p.attr & SH_DM_P);
	}
	CU_ASSERT(unmapped > 0);
	CU_ASSERT(free_mapped > 0); /* never used yet, dying, or in reserve */
	fx_end(&f);
}

/* With the reserve empty what is given back becomes the reserve: giving back takes nothing. */
static void test_free_takes_nothing(void)
{
	struct sh_dmap_req req = {.set = SH_DM_PIN};
	struct sh_dmap_stats s;
	struct fake f;

	debug_start(&f, 5 + 4 + SH_MIN_TABLES);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(0), 32 * M2, &req), -ENOMEM);
	CU_ASSERT_EQUAL(dmt_stats(&f).reserve, 0);
	req = (struct sh_dmap_req){.clear = SH_DM_PIN};
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(0), 32 * M2, &req), 0);
	fill_pool(&f);
	s = dmt_stats(&f);
	CU_ASSERT_EQUAL(s.depth, 1);
	CU_ASSERT_EQUAL(s.pagealloc_missed, 0);
	CU_ASSERT(s.pagealloc_kept > 0);
	fx_end(&f);
}

static void test_no_spins(void)
{
	struct sh_dmap_req req = {.clear = SH_DM_W, .alias = true};
	unsigned held = 0;
	struct fake f;

	debug_start(&f, 5 + 4 + SH_MIN_TABLES);
	f.ctx = &held;
	f.on_shootdown = waits;
	fill_pool(&f);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(G_DATA), 8, &req), 0);
	dmt_change(&f, 3 * M2 + 9, 1, SH_DM_PCD, 0);
	dmt_change(&f, 3 * M2 + 9, 1, 0, SH_DM_PCD);
	sh_dmap_collapse(f.mmu, NULL);
	f.on_shootdown = NULL;
	CU_ASSERT(f.shootdowns > 4);
	CU_ASSERT_EQUAL(held, 0);
	CU_ASSERT_EQUAL(fx_spins_held(), 0);
	fx_end(&f);
}

const struct tap_case suite_dmap_pressure[] = {
	{"PA-7: a reader parked in a table that goes", test_parked},
	{"PA-8: a table taken or given back never nests", test_recursion},
	{"PA-8: a table out of use is not mapped", test_tables_unmapped},
	{"PA-9: giving a table back takes none", test_free_takes_nothing},
	{"PA-10: no table for a split", test_no_tables},
	{"PA-10: no table for a store beside a tracked frame", test_no_table_to_write},
	{"PA-11: no spin lock is held where something may wait", test_no_spins},
	{"PA-12: two threads split one page", test_two_split},
	{"PA-12: two threads change the same pages", test_two_churn},
	TAP_NO_CASE,
};
