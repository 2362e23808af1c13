/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: shared tables. Two roots have tables in common; one is zapped whole or in part, and what the
 * other sees is compared word by word. Races are played with the hooks of shadow_hook.c: the second
 * party runs on a thread of its own, from the middle of the first, and is given a moment there.
 * Read first: shadow_fixture.h, shadow/share.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <urcu/urcu-memb.h>

#include "shadow/page.h"
#include "shadow/share.h"
#include "tests/unit/shadow_fixture.h"

#define PAGES 512u /* that the shared last-level table maps */

/* Frames of root B's own path, where it has one. */
enum { OWN_PDPT = 20, OWN_PD = 21 };

/* ---- hooks: grace periods and mutexes ---- */

void __real_urcu_memb_synchronize_rcu(void);
void __wrap_urcu_memb_synchronize_rcu(void);
int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);

static _Atomic unsigned grace_periods;
static __thread void (*at_mutex)(void *ctx);
static __thread void *at_mutex_ctx;
static __thread unsigned at_mutex_nth;

void __wrap_urcu_memb_synchronize_rcu(void)
{
	atomic_fetch_add(&grace_periods, 1);
	__real_urcu_memb_synchronize_rcu();
}

/* Calls the hook before this thread's nth next mutex is taken. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	void (*fn)(void *) = at_mutex;

	if (fn && at_mutex_nth-- == 0) {
		at_mutex = NULL;
		fn(at_mutex_ctx);
	}
	return __real_pthread_mutex_lock(m);
}

static void hook_mutex(unsigned nth, void (*fn)(void *ctx), void *ctx)
{
	at_mutex = fn;
	at_mutex_ctx = ctx;
	at_mutex_nth = nth;
}

/* ---- two roots ---- */

/* Root A is vCPU 0's, root B vCPU 1's. They have the table of this level in common, and all below. */
static void start(struct fake *f, unsigned level)
{
	struct sh_regs b = fx_regs(G_PML4_B);
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.tagged = true;
	fx_start(f, &cfg);
	for (unsigned i = 0; i < PAGES; i++)
		gmem_store(f->gm, GPA((G_PT << 12) + 8 * i), fx_pte(G_DATA + i, T_RWUD), 8);
	if (level < 3) {
		gmem_store(f->gm, GPA(G_PML4_B << 12), fx_pte(OWN_PDPT, T_RWU), 8);
		gmem_store(f->gm, GPA(OWN_PDPT << 12),
			   fx_pte(level == 2 ? G_PD : OWN_PD, T_RWU), 8);
		gmem_store(f->gm, GPA(OWN_PD << 12), fx_pte(G_PT, T_RWU), 8);
	}
	fake_set_regs(f, 1, &b, true);
}

static void touch_all(struct fake *f, unsigned vcpu)
{
	for (unsigned i = 0; i < PAGES; i++)
		CU_ASSERT_EQUAL(fx_try(f, vcpu, (uint64_t)i << 12, 0).gpa,
				(uint64_t)(G_DATA + i) << 12);
}

static void start_touched(struct fake *f, unsigned level)
{
	start(f, level);
	touch_all(f, 0);
	touch_all(f, 1);
}

/* The root a vCPU is on, as a client of the library would find it. */
static struct sh_root_info root_of(struct fake *f, unsigned vcpu)
{
	struct sh_root_info r[16];
	unsigned n = sh_roots(f->mmu, r, 16);

	for (unsigned i = 0; i < n && i < 16; i++)
		if (r[i].mfn.v == f->vcpu[vcpu].root)
			return r[i];
	CU_FAIL("the root of a vCPU is not listed");
	return r[0];
}

static struct sh_zap zap_root(struct fake *f, unsigned vcpu)
{
	struct sh_root_info r = root_of(f, vcpu);
	struct sh_zap z;

	CU_ASSERT_EQUAL(sh_zap_root(f->mmu, NULL, r.gfn, r.role, &z), 0);
	return z;
}

static struct sh_zap zap_pages(struct fake *f, unsigned vcpu, uint64_t first, uint64_t last)
{
	struct sh_root_info r = root_of(f, vcpu);
	struct sh_zap z;

	CU_ASSERT_EQUAL(sh_zap_range(f->mmu, NULL, r.gfn, r.role, GVA(first << 12),
				     GVA((last << 12) + 0xfff), &z),
			0);
	return z;
}

/* The words of the last-level table that root's page 0 goes through; NULL if there is none. */
static const uint64_t *table_of(struct fake *f, unsigned vcpu)
{
	struct sh_path p;

	if (!sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA(0), &p) || p.level != 1)
		return NULL;
	return f->tables + (p.table[1].v - FAKE_TABLE_MFN) * 512;
}

static unsigned mapped(struct fake *f, unsigned vcpu)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		struct sh_path p;

		n += sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA((uint64_t)i << 12), &p) &&
		     p.level == 1 && p.spte[1] & PTE_P;
	}
	return n;
}

static struct sh_page *page_at(struct fake *f, unsigned vcpu, unsigned level)
{
	struct sh_path p;

	CU_ASSERT_FATAL(sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA(0), &p));
	return &f->mmu->pages[p.table[level].v - FAKE_TABLE_MFN];
}

static uint64_t tables_used(struct fake *f)
{
	struct sh_stats st;

	sh_mmu_stats(f->mmu, &st);
	return st.tables_used;
}

static uint64_t leaves(struct fake *f)
{
	struct sh_stats st;

	sh_mmu_stats(f->mmu, &st);
	return st.pages_4k;
}

/* ---- one at a time ---- */

/* A part of what A maps goes. As many tables as the two have in common on the way are copied; B's stay
 * where they are, word by word, and A keeps the rest without a fault. */
static void partial(unsigned level)
{
	uint64_t before[512];
	const uint64_t *table;
	struct sh_zap z;
	struct fake f;

	start_touched(&f, level);
	table = table_of(&f, 1);
	memcpy(before, table, sizeof(before));
	z = zap_pages(&f, 0, 16, 31);
	CU_ASSERT_EQUAL(z.unshared, level);
	CU_ASSERT_EQUAL(z.tables, 0);
	CU_ASSERT_PTR_EQUAL(table_of(&f, 1), table);
	CU_ASSERT(!memcmp(before, table, sizeof(before)));
	CU_ASSERT_EQUAL(mapped(&f, 1), PAGES);
	CU_ASSERT_EQUAL(mapped(&f, 0), PAGES - 16);
	fx_audit(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 20 << 12, 0).faults, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 100 << 12, 0).faults, 0);
	CU_ASSERT(fx_try(&f, 0, 20 << 12, 0).faults > 0);
	/* A's own now: no second copy. */
	CU_ASSERT_EQUAL(zap_pages(&f, 0, 16, 31).unshared, 0);
	/* A write of the guest's reaches both. */
	fx_put(&f, G_PT, 5, fx_pte(G_DATA + 9, T_RWUD));
	for (unsigned v = 0; v < 2; v++) {
		fx_invlpg(&f, v, 5 << 12);
		CU_ASSERT_EQUAL(fx_try(&f, v, 5 << 12, 0).gpa, (G_DATA + 9) << 12);
	}
	fx_end(&f);
}

static void test_partial(void)
{
	for (unsigned level = 1; level <= 3; level++)
		partial(level);
}

/* All of what A maps goes: a table both have loses one from its count, and of all table memory one
 * word changes. */
static void test_whole(void)
{
	static uint64_t before[256 * 512];
	unsigned changed = 0, touches;
	struct sh_zap z;
	struct fake f;

	start_touched(&f, 3);
	CU_ASSERT_EQUAL(sh_share_count(page_at(&f, 0, 3)), 2);
	memcpy(before, f.tables, sizeof(before));
	touches = f.touches;
	z = zap_root(&f, 0);
	for (unsigned i = 0; i < 256 * 512; i++)
		changed += before[i] != f.tables[i];
	CU_ASSERT_EQUAL(changed, 1);
	CU_ASSERT_EQUAL(f.touches - touches, 1);
	CU_ASSERT_EQUAL(z.released, 1);
	CU_ASSERT_EQUAL(z.tables + z.unshared, 0);
	CU_ASSERT_EQUAL(sh_share_count(page_at(&f, 1, 3)), 1);
	CU_ASSERT_EQUAL(leaves(&f), PAGES);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 7 << 12, 0).faults, 0);
	CU_ASSERT_FALSE(fx_try(&f, 0, 7 << 12, 0).tlb_hit);
	fx_end(&f);
}

/* ---- two at once ---- */

struct party {
	struct fake *f;
	void (*fn)(struct party *p);
	pthread_t thread;
	bool ran, done_in_time, vcpu_ok;
	struct sh_zap z;
	struct sh_root_info root;
};

static void *party_main(void *arg)
{
	struct party *p = arg;

	urcu_memb_register_thread();
	p->fn(p);
	gmem_thread_exit(p->f->gm);
	urcu_memb_unregister_thread();
	return NULL;
}

/* The hook: the party starts, and has 20 ms for itself. */
static void let_run(void *ctx)
{
	struct party *p = ctx;
	struct timespec t;

	p->ran = true;
	pthread_create(&p->thread, NULL, party_main, p);
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	p->done_in_time = !pthread_timedjoin_np(p->thread, NULL, &t);
}

/* After the first party: the second has run to its end, whenever it started. */
static void finish(struct party *p)
{
	if (!p->ran)
		let_run(p);
	if (!p->done_in_time)
		pthread_join(p->thread, NULL);
}

static void party_zaps_root(struct party *p)
{
	sh_zap_root(p->f->mmu, NULL, p->root.gfn, p->root.role, &p->z);
}

static void set_hook(unsigned kind, unsigned nth, struct party *p)
{
	if (kind)
		fx_hook_spin(nth, let_run, p);
	else
		hook_mutex(nth, let_run, p);
}

static void clear_hooks(void)
{
	hook_mutex(0, NULL, NULL);
	fx_hook_spin(0, NULL, NULL);
}

/* Moments in the middle of a zap: before the nth mutex, before the nth spin lock. */
static const struct {
	unsigned kind, nth;
} moments[] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 5}, {1, 300}, {1, 1100}};

#define MOMENTS (sizeof(moments) / sizeof(moments[0]))

static void race_of_zaps(unsigned kind, unsigned nth)
{
	struct party b = {.fn = party_zaps_root};
	struct sh_zap a;
	struct fake f;

	start_touched(&f, 3);
	b.f = &f;
	b.root = root_of(&f, 1);
	set_hook(kind, nth, &b);
	a = zap_root(&f, 0);
	clear_hooks();
	finish(&b);
	/* One of the two was the last: three tables and 512 leaves went, once. */
	CU_ASSERT_EQUAL(a.tables + b.z.tables, 3);
	CU_ASSERT_EQUAL(a.released + b.z.released, 1);
	CU_ASSERT_EQUAL(a.entries + b.z.entries, 2 + 2 + PAGES);
	CU_ASSERT_EQUAL(a.syncs + b.z.syncs, 1);
	CU_ASSERT_EQUAL(leaves(&f), 0);
	CU_ASSERT_EQUAL(tables_used(&f), 2);
	fx_end(&f);
}

static void test_last(void)
{
	for (unsigned i = 0; i < MOMENTS; i++)
		race_of_zaps(moments[i].kind, moments[i].nth);
}

/* Whenever B, who has the table too, zaps it: A's copy is whole. */
static void test_copy_first(void)
{
	for (unsigned i = 0; i < MOMENTS; i++) {
		struct party b = {.fn = party_zaps_root};
		struct fake f;

		start_touched(&f, 1);
		b.f = &f;
		b.root = root_of(&f, 1);
		set_hook(moments[i].kind, moments[i].nth, &b);
		zap_pages(&f, 0, 0, 15);
		clear_hooks();
		finish(&b);
		CU_ASSERT_EQUAL(mapped(&f, 0), PAGES - 16);
		CU_ASSERT_EQUAL(mapped(&f, 1), 0);
		CU_ASSERT_EQUAL(leaves(&f), PAGES - 16);
		fx_end(&f);
	}
}

static void party_shares(struct party *p)
{
	uint64_t v = 0;

	p->vcpu_ok = fake_access(p->f, 1, 0x7000, 0, &v, 8).gpa == (G_DATA + 7) << 12;
}

/* B comes to share what A is just zapping: it gets in before or after, never between. */
static void test_new_sharer(void)
{
	unsigned waited = 0;

	for (unsigned i = 0; i < MOMENTS; i++) {
		struct party b = {.fn = party_shares};
		struct sh_zap z;
		struct fake f;

		start(&f, 3);
		touch_all(&f, 0);
		b.f = &f;
		set_hook(moments[i].kind, moments[i].nth, &b);
		z = zap_root(&f, 0);
		clear_hooks();
		waited += b.ran && !b.done_in_time;
		finish(&b);
		CU_ASSERT(b.vcpu_ok);
		CU_ASSERT(z.tables == 3 || (z.tables == 0 && z.released == 1));
		fx_end(&f);
	}
	CU_ASSERT(waited >= 3);
}

/* ---- many times at once ---- */

#define ROUNDS 50000u /* by each of two parties */

static void *unshare_and_drop(void *arg)
{
	struct fake_vcpu *vc = arg;
	struct fake *f = vc->f;
	struct sh_root_info r = root_of(f, vc->index);
	uint64_t unshared = 0;
	struct sh_zap z;

	urcu_memb_register_thread();
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t v = 0;

		fake_access(f, vc->index, 0x2000, 0, &v, 8);
		sh_zap_range(f->mmu, vc->v, r.gfn, r.role, GVA(0x2000), GVA(0x2fff), &z);
		unshared += z.unshared;
		sh_zap_root(f->mmu, vc->v, r.gfn, r.role, &z);
	}
	gmem_thread_exit(f->gm);
	urcu_memb_unregister_thread();
	return (void *)(uintptr_t)unshared;
}

/* Two parties copy and give back the same table at any moment: each table had is given back. */
static void test_balance(void)
{
	uintptr_t unshared = 0;
	pthread_t t[2];
	struct fake f;
	void *n;

	start(&f, 1);
	for (unsigned i = 0; i < PAGES; i++)
		gmem_store(f.gm, GPA((G_PT << 12) + 8 * i),
			   i < 4 ? fx_pte(G_DATA + i, T_RWUD) : 0, 8);
	for (unsigned i = 0; i < 2; i++)
		fx_try(&f, i, 0x2000, 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, unshare_and_drop, &f.vcpu[i]);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(t[i], &n);
		unshared += (uintptr_t)n;
	}
	CU_ASSERT(unshared > 0);
	CU_ASSERT_EQUAL(tables_used(&f), 2);
	CU_ASSERT_EQUAL(leaves(&f), 0);
	fx_end(&f);
}

/* ---- who pays ---- */

#define SHARERS 8u

/* Eight roots have the same tables. Seven go for one entry each; the last one waits for the
 * walkers. */
static void test_last_pays(void)
{
	struct sh_root_info root[SHARERS];
	struct sh_zap z;
	struct fake f;

	start(&f, 3);
	for (unsigned i = 0; i < SHARERS; i++) {
		struct sh_regs r = fx_regs(40 + i);

		gmem_store(f.gm, GPA((40ull + i) << 12), fx_pte(G_PDPT, T_RWU), 8);
		fake_set_regs(&f, 0, &r, true);
		touch_all(&f, 0);
		root[i] = root_of(&f, 0);
	}
	CU_ASSERT_EQUAL(sh_share_count(page_at(&f, 0, 3)), SHARERS);
	for (unsigned i = SHARERS; i-- > 0;) {
		unsigned periods = grace_periods, flushes = f.shootdowns;
		bool own = i == 0, top = i < SHARERS - 1; /* the last is the vCPU's: it stays */

		/* The tops are out of the way first, so that what is counted is the sharing. */
		sh_zap_range(f.mmu, NULL, root[i].gfn, root[i].role, GVA(0),
			     GVA((1ull << 39) - 1), &z);
		CU_ASSERT_EQUAL(grace_periods - periods, own);
		CU_ASSERT_EQUAL(z.syncs, own);
		CU_ASSERT_EQUAL(z.released, !own);
		CU_ASSERT_EQUAL(z.entries, own ? PAGES + 3 : 1);
		CU_ASSERT_EQUAL(f.shootdowns - flushes, 1);
		CU_ASSERT_EQUAL(sh_zap_root(f.mmu, NULL, root[i].gfn, root[i].role, &z), 0);
		CU_ASSERT_EQUAL(z.tables, top);
	}
	CU_ASSERT_EQUAL(sh_zap_root(f.mmu, NULL, root[0].gfn, root[0].role, &z), -ENOENT);
	fx_end(&f);
}

/* A walker holds on to the last-level table, one reads it: A's own stays A's own and is zapped in place;
 * a shared one is as shared as it was. */
static void test_walkers(void)
{
	struct sh_page *pt;
	struct sh_zap z;
	struct fake f;

	start(&f, 1);
	touch_all(&f, 0);
	pt = page_at(&f, 0, 1);
	atomic_fetch_add(&pt->pins, 1);
	CU_ASSERT_EQUAL(sh_share_count(pt), 1);
	CU_ASSERT_EQUAL(zap_pages(&f, 0, 0, 15).unshared, 0);
	CU_ASSERT_PTR_EQUAL(page_at(&f, 0, 1), pt);
	touch_all(&f, 1);
	CU_ASSERT_EQUAL(sh_share_count(pt), 2);
	CU_ASSERT_EQUAL(zap_root(&f, 1).released, 1);
	z = zap_root(&f, 0);
	CU_ASSERT_EQUAL(z.released, 0);
	CU_ASSERT_EQUAL(leaves(&f), 0);
	CU_ASSERT_EQUAL(pt->state, SH_PAGE_LIVE); /* empty, until the walker lets go */
	fx_audit(&f);
	atomic_fetch_sub(&pt->pins, 1);
	touch_all(&f, 0);
	fx_end(&f);
}

/* Each root has a table of its own with 32 pages; what they have in common makes no difference. */
static void test_cost(void)
{
	uint64_t cost[2];

	for (unsigned big = 0; big < 2; big++) {
		unsigned touches;
		struct fake f;

		start(&f, 1);
		gmem_store(f.gm, GPA((G_PD << 12) + 8), fx_pte(G_PT_B, T_RWU), 8);
		for (unsigned i = 0; i < 32; i++)
			gmem_store(f.gm, GPA((G_PT_B << 12) + 8 * i),
				   fx_pte(G_DATA + i, T_RWUD), 8);
		for (unsigned i = 0; i < 32; i++)
			fx_try(&f, 0, (512ull + i) << 12, 0);
		for (unsigned i = 0; i < (big ? PAGES : 16); i++) {
			fx_try(&f, 0, (uint64_t)i << 12, 0);
			fx_try(&f, 1, (uint64_t)i << 12, 0);
		}
		touches = f.touches;
		zap_root(&f, 0);
		cost[big] = f.touches - touches;
		fx_end(&f);
	}
	CU_ASSERT_EQUAL(cost[0], 32 + 4); /* and four upper entries */
	CU_ASSERT_EQUAL(cost[1], cost[0]);
}

/* B's way to the table forbids writing: none of its 512 leaves permits it, all of A's do. */
static void test_parent_rights(void)
{
	const uint64_t *a, *b;
	struct fake f;

	start(&f, 1);
	fx_put(&f, OWN_PD, 0, fx_pte(G_PT, T_RWU & ~PTE_W));
	touch_all(&f, 0);
	touch_all(&f, 1);
	a = table_of(&f, 0);
	b = table_of(&f, 1);
	CU_ASSERT_PTR_NOT_EQUAL(a, b);
	for (unsigned i = 0; i < PAGES; i++) {
		CU_ASSERT(a[i] & PTE_W);
		CU_ASSERT_EQUAL(b[i] & (PTE_P | PTE_W), PTE_P);
	}
	CU_ASSERT_EQUAL(zap_root(&f, 1).released, 0);
	CU_ASSERT_EQUAL(mapped(&f, 0), PAGES);
	fx_end(&f);
}

/* Tables or records run out at any point of the copying. The zap is done all the same, and B has what
 * it had; A may have lost more than was asked for. */
static void test_nothing_to_copy_with(void)
{
	for (unsigned records = 0; records < 2; records++)
		for (unsigned k = 0; k < 1100; k += records && k > 8 ? 101 : 1) {
			bool refused;
			struct fake f;

			start_touched(&f, 3);
			fx_refuse_part(records, k);
			zap_pages(&f, 0, 16, 31);
			refused = fx_part_refused(records);
			CU_ASSERT_EQUAL(mapped(&f, 1), PAGES);
			CU_ASSERT(mapped(&f, 0) <= PAGES - 16);
			fx_audit(&f);
			touch_all(&f, 0);
			fx_end(&f);
			if (!refused)
				break;
		}
}

/* The last-level table is out of step when it is copied: the copy knows the record. */
static void test_unsync_copied(void)
{
	struct fake f;

	start_touched(&f, 1);
	for (unsigned i = 0; i < 12; i++)
		fx_put(&f, G_PT, 40, fx_pte(G_DATA + 100 + i, T_RWUD));
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(G_PT)));
	CU_ASSERT_EQUAL(zap_pages(&f, 0, 0, 0).unshared, 1);
	fx_audit(&f);
	gmem_store(f.gm, GPA((G_PT << 12) + 8 * 41), fx_pte(G_DATA + 200, T_RWUD), 8);
	for (unsigned v = 0; v < 2; v++) {
		fx_invlpg(&f, v, 41 << 12);
		CU_ASSERT_EQUAL(fx_try(&f, v, 41 << 12, 0).gpa, (G_DATA + 200) << 12);
	}
	fx_end(&f);
}

const struct tap_case suite_share[] = {
	{"PS-2 a part of a shared table", test_partial},
	{"PS-3 all of a shared table", test_whole},
	{"PS-4 the last one, at any moment of the other", test_last},
	{"PS-5 unshared by two at once, 100,000 times", test_balance},
	{"PS-6 copied before it is let go", test_copy_first},
	{"PS-7 the last sharer pays", test_last_pays},
	{"PS-8 walkers are no sharers", test_walkers},
	{"PS-12 a new sharer waits for a zap", test_new_sharer},
	{"PS-13 the parent entry forbids writing", test_parent_rights},
	{"a zap costs what the root owns", test_cost},
	{"nothing to copy with", test_nothing_to_copy_with},
	{"an unsync table is copied", test_unsync_copied},
	{0},
};
