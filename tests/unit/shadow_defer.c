/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: deferral. Tables wait for those who may stand in them, and for nobody else.
 * Read first: shadow_gather.h, shadow/defer.h.
 */
#include <time.h>
#include <urcu/urcu-memb.h>

#include "shadow/defer.h"
#include "tests/unit/shadow_gather.h"

static struct released rel;

static void nap(unsigned ms)
{
	nanosleep(
		&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000},
		NULL);
}

static void start_n(struct fake *f, unsigned vcpus)
{
	gather_start(f, vcpus);
	for (unsigned i = 0; i < vcpus; i++)
		fx_try(f, i, 0x1000, SH_USER);
}

static void start(struct fake *f)
{
	start_n(f, 2);
}

static struct sh_page *leaf_table(struct fake *f)
{
	struct sh_path p;

	CU_ASSERT_FATAL(sh_path(f->mmu, MFN(f->vcpu[0].root), GVA(0x1000), &p) && p.level == 1);
	return &f->mmu->pages[p.table[1].v - FAKE_TABLE_MFN];
}

static void reap(struct fake *f)
{
	pthread_mutex_lock(&f->mmu->lock);
	sh_pool_reap(f->mmu, f->vcpu[0].v);
	pthread_mutex_unlock(&f->mmu->lock);
}

/* ---- TG-10 ---- */

static void test_parked(void)
{
	struct sh_walker w;
	struct sh_page *p;
	struct fake f;
	uint64_t freed;

	start(&f);
	p = leaf_table(&f);
	CU_ASSERT_EQUAL(sh_walker_enter(&w, f.mmu, MFN(f.vcpu[0].root), GVA(0x1000)), 4);
	CU_ASSERT_PTR_EQUAL(w.page[3], p);
	gather_unmap(&f, &rel, 0, G_PT, 1); /* its table goes out of use */
	reap(&f);
	fx_settle(&f);
	CU_ASSERT_EQUAL(p->state, SH_PAGE_DYING);
	CU_ASSERT_EQUAL(f.mmu->defer->in_kept, 1);
	nap(1000); /* however long */
	CU_ASSERT_EQUAL(p->state, SH_PAGE_DYING);
	/* Just its own: others come and go. */
	freed = f.mmu->defer->freed;
	fx_try(&f, 0, 0x1000, SH_USER);
	CU_ASSERT(leaf_table(&f) != p);
	gather_unmap(&f, &rel, 0, G_PT, 1); /* the new one, which it is not in */
	reap(&f);
	fx_settle(&f);
	CU_ASSERT(f.mmu->defer->freed > freed);
	CU_ASSERT_EQUAL(p->gfn.v, G_PT); /* what it was is still written on it */
	for (unsigned i = 0; i < 512; i++)
		CU_ASSERT_EQUAL(sh_page_table(f.mmu, p)[i], 0);
	sh_walker_leave(&w);
	CU_ASSERT_EQUAL(p->state, SH_PAGE_FREE);
	CU_ASSERT_EQUAL(f.mmu->defer->in_kept, 0);
	fx_end(&f);
}

/* ---- TG-11, TG-12 ---- */

static struct {
	struct fake *f;
	struct sh_page *p;
	_Atomic bool in, leave;
	_Atomic unsigned reused; /* times the table was free under the reader */
} reader;

/* No vCPU and no thread of the machine's; it neither sleeps nor gives way while it is inside. */
static void *spin_inside(void *arg)
{
	(void)arg;
	urcu_memb_register_thread();
	sh_read_lock();
	reader.in = true;
	while (!reader.leave)
		if (atomic_load(&reader.p->state) == SH_PAGE_FREE)
			reader.reused++;
	sh_read_unlock();
	urcu_memb_unregister_thread();
	return NULL;
}

static void run_reader(struct fake *f)
{
	pthread_t t;

	reader.f = f;
	reader.p = leaf_table(f);
	reader.in = reader.leave = false;
	reader.reused = 0;
	pthread_create(&t, NULL, spin_inside, NULL);
	while (!reader.in)
		nap(1);
	gather_unmap(f, &rel, 0, G_PT, 1);
	reap(f); /* does not wait */
	nap(50);
	CU_ASSERT_EQUAL(reader.p->state, SH_PAGE_DYING);
	/* Others are not held up meanwhile by a lock. */
	fx_try(f, f->cfg.vcpus - 1, 0x2000, SH_USER);
	reader.leave = true;
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(reader.reused, 0);
	fx_settle(f);
	CU_ASSERT_EQUAL(reader.p->state, SH_PAGE_FREE);
}

static void test_foreign(void)
{
	struct fake f;

	for (unsigned vcpus = 1; vcpus <= 2; vcpus++) {
		start_n(&f, vcpus);
		run_reader(&f);
		fx_end(&f);
	}
}

/* ---- TG-13 ---- */

static void test_synchronous(void)
{
	struct sh_page *p;
	struct fake f;

	start(&f);
	p = leaf_table(&f);
	sh_inject_arm(&f.mmu->inject, SH_INJECT_DEFER, 0, SH_INJECT_ALWAYS, 0);
	gather_unmap(&f, &rel, 0, G_PT, 1);
	reap(&f);
	CU_ASSERT_EQUAL(p->state, SH_PAGE_FREE);
	CU_ASSERT_EQUAL(f.mmu->defer->sync, 1);
	CU_ASSERT_EQUAL(f.mmu->defer->refused, 1);
	CU_ASSERT_EQUAL(f.mmu->dying, 0);
	for (unsigned i = 0; i < 200; i++) {
		fx_try(&f, 0, 0x1000, SH_USER);
		gather_unmap(&f, &rel, 0, G_PT, 1);
		reap(&f);
	}
	CU_ASSERT_EQUAL(f.mmu->dying, 0);
	CU_ASSERT_EQUAL(f.mmu->defer->sync, f.mmu->defer->refused);
	fx_end(&f);
}

/* ---- the backlog ---- */

/* Each grace period takes its time; the producers wait in the end, tables never exceed the limit. */
static void test_pressure(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.tables = 512;
	cfg.limit = 160;
	cfg.size = cfg.lowmem = 512 << 20;
	cfg.options.on[SH_OPT_LARGE] = false;
	fx_start(&f, &cfg);
	sh_inject_arm(&f.mmu->inject, SH_INJECT_GRACE, 0, 0, 2);
	for (unsigned i = 0; i < 250; i++)
		fx_put(&f, G_PD, 4 + i, PTE_PS | fx_pte(512 * (i + 1), T_RWUD));
	for (unsigned i = 0; i < 1000; i++) {
		fx_try(&f, 0, (uint64_t)(4 + i % 250) << 21, SH_USER);
		CU_ASSERT(f.mmu->used + f.mmu->dying <= cfg.limit);
	}
	CU_ASSERT(f.mmu->defer->pressed > 0);
	CU_ASSERT(f.mmu->defer->max_backlog <= cfg.limit);
	CU_ASSERT_EQUAL(f.mmu->defer->refused, 0);
	/* In no hurry, nobody waits. */
	sh_inject_arm(&f.mmu->inject, SH_INJECT_GRACE, 0, 0, 0);
	fx_settle(&f);
	f.mmu->defer->pressed = 0;
	for (unsigned i = 0; i < 250; i++) {
		fx_try(&f, 0, (uint64_t)(4 + i) << 21, SH_USER);
		fx_settle(&f);
	}
	CU_ASSERT_EQUAL(f.mmu->defer->pressed, 0);
	fx_end(&f);
}

static void *end_reader(void *arg)
{
	(void)arg;
	nap(60);
	reader.leave = true;
	return NULL;
}

/* Somebody reads for longer than tables are to wait: the next producer waits for it. */
static void test_time_bound(void)
{
	struct sh_defer *d;
	pthread_t t, ender;
	struct fake f;

	start(&f);
	d = f.mmu->defer;
	reader.f = &f;
	reader.p = leaf_table(&f);
	reader.in = reader.leave = false;
	pthread_create(&t, NULL, spin_inside, NULL);
	while (!reader.in)
		nap(1);
	gather_unmap(&f, &rel, 0, G_PT, 1); /* its grace period begins */
	nap(20);
	fx_try(&f, 1, 0x2000, SH_USER);
	gather_unmap(&f, &rel, 0, G_PT, 1); /* waits in the queue */
	CU_ASSERT_EQUAL(d->sync + d->overdue, 0);
	CU_ASSERT(d->in_queue > 0);
	pthread_mutex_lock(&f.mmu->lock);
	d->since -= SH_DEFER_PATIENCE_NS; /* as if it had been there that long */
	pthread_mutex_unlock(&f.mmu->lock);
	fx_try(&f, 1, 0x2000, SH_USER);
	pthread_create(&ender, NULL, end_reader, NULL);
	gather_unmap(&f, &rel, 0, G_PT, 1);
	CU_ASSERT(reader.leave); /* it has waited that long */
	CU_ASSERT_EQUAL(d->overdue, 1);
	CU_ASSERT_EQUAL(f.mmu->dying, 0);
	pthread_join(ender, NULL);
	pthread_join(t, NULL);
	fx_settle(&f);
	fx_end(&f);
}

/* The machine goes while tables still wait. */
static void test_teardown(void)
{
	struct fake f;

	for (unsigned i = 0; i < 20; i++) {
		start(&f);
		sh_inject_arm(&f.mmu->inject, SH_INJECT_GRACE, 0, 0, i % 4);
		gather_unmap(&f, &rel, 0, G_PT, 1);
		reap(&f);
		fx_end(&f);
	}
}

/* ---- TG-18 ---- */

static void test_baseline(void)
{
	struct sh_stats before, after;
	struct fake f;

	start(&f);
	sh_mmu_stats(f.mmu, &before);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t v = 0;

		fx_put(&f, G_PT_B, 0, fx_pte(G_DATA, T_RWU));
		fx_put(&f, G_PD, 5, fx_pte(G_PT_B, T_RWU));
		fake_access(&f, 0, 5ull << 21, SH_USER, &v, 8);
		fx_put(&f, G_PD, 5, 0);
		if (i % 4 == 0)
			gather_unmap(&f, &rel, 0, G_PT_B, 1);
	}
	reap(&f);
	fx_settle(&f);
	sh_mmu_stats(f.mmu, &after);
	CU_ASSERT(after.tables_used <= before.tables_used);
	CU_ASSERT_EQUAL(f.mmu->dying, 0);
	fx_end(&f);
}

const struct tap_case suite_defer[] = {
	{"TG-10 a parked walker keeps its tables, and only those", test_parked},
	{"TG-11 TG-12 a reader of no vCPU that never sleeps", test_foreign},
	{"TG-13 without a queue the producer waits", test_synchronous},
	{"a backlog is bounded and its producers wait", test_pressure},
	{"a backlog is bounded in time", test_time_bound},
	{"teardown waits for what is queued", test_teardown},
	{"TG-18 tables return to where they were", test_baseline},
	{0},
};
