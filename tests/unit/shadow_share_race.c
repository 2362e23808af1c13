/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: two parties and a shared table. The second runs on a thread of its own, from the middle of the
 * first (hooks of shadow_hook.c and shadow_share_rig.c), and is given a moment there.
 * Read first: shadow_share_rig.h.
 */
#define _GNU_SOURCE
#include <time.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/shadow_share_rig.h"

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
		sr_hook_mutex(nth, let_run, p);
}

static void clear_hooks(void)
{
	sr_hook_mutex(0, NULL, NULL);
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

	sr_start_touched(&f, 3);
	b.f = &f;
	b.root = sr_root_of(&f, 1);
	set_hook(kind, nth, &b);
	a = sr_zap_root(&f, 0);
	clear_hooks();
	finish(&b);
	/* One of the two was the last: three tables and 512 leaves went, once. */
	CU_ASSERT_EQUAL(a.tables + b.z.tables, 3);
	CU_ASSERT_EQUAL(a.released + b.z.released, 1);
	CU_ASSERT_EQUAL(a.entries + b.z.entries, 2 + 2 + PAGES);
	CU_ASSERT_EQUAL(a.syncs + b.z.syncs, 1);
	CU_ASSERT_EQUAL(sr_leaves(&f), 0);
	CU_ASSERT_EQUAL(sr_tables_used(&f), 2);
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

		sr_start_touched(&f, 1);
		b.f = &f;
		b.root = sr_root_of(&f, 1);
		set_hook(moments[i].kind, moments[i].nth, &b);
		sr_zap_pages(&f, 0, 0, 15);
		clear_hooks();
		finish(&b);
		CU_ASSERT_EQUAL(sr_mapped(&f, 0), PAGES - 16);
		CU_ASSERT_EQUAL(sr_mapped(&f, 1), 0);
		CU_ASSERT_EQUAL(sr_leaves(&f), PAGES - 16);
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

		sr_start(&f, 3);
		sr_touch_all(&f, 0);
		b.f = &f;
		set_hook(moments[i].kind, moments[i].nth, &b);
		z = sr_zap_root(&f, 0);
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
	struct sh_root_info r = sr_root_of(f, vc->index);
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

	sr_start(&f, 1);
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
	CU_ASSERT_EQUAL(sr_tables_used(&f), 2);
	CU_ASSERT_EQUAL(sr_leaves(&f), 0);
	fx_end(&f);
}

const struct tap_case suite_share_race[] = {
	{"PS-4 the last one, at any moment of the other", test_last},
	{"PS-5 unshared by two at once, 100,000 times", test_balance},
	{"PS-6 copied before it is let go", test_copy_first},
	{"PS-12 a new sharer waits for a zap", test_new_sharer},
	{0},
};
