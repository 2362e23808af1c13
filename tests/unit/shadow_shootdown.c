/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: shootdowns. Who is kicked, and what a vCPU forgets. Read first: shadow_gather.h.
 */
#include <time.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/shadow_gather.h"

static struct released rel;

static struct sh_shootdown_info info(struct fake *f, unsigned i)
{
	struct sh_shootdown_info s;

	CU_ASSERT(sh_shootdown_info(f->mmu, i, &s));
	return s;
}

/* Maps and touches; then nothing that a flush of everything must cover is pending. */
static void warm(struct fake *f, unsigned vcpu, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		fx_store(f, vcpu, (uint64_t)i << 12, SH_USER, i);
	pthread_mutex_lock(&f->mmu->lock);
	sh_flush_drops(f->mmu, NULL);
	pthread_mutex_unlock(&f->mmu->lock);
	for (unsigned i = 0; i < pages; i++)
		fx_store(f, vcpu, (uint64_t)i << 12, SH_USER, i);
	f->shootdowns = f->requests = f->invalidations = 0;
}

static void start(struct fake *f, unsigned vcpus, unsigned ceiling)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = vcpus;
	cfg.ceiling = ceiling;
	cfg.options.on[SH_OPT_PREFETCH] = false;
	fx_start(f, &cfg);
}

/* ---- TG-4 ---- */

static void test_ceiling(void)
{
	static const unsigned ceilings[] = {0, 1, 5, 30};
	struct sh_shootdown_info before;
	struct fake f;

	for (unsigned k = 0; k < 4; k++) {
		unsigned n = ceilings[k] ? ceilings[k] : SH_CEILING_DEFAULT;

		start(&f, 2, ceilings[k]);
		warm(&f, 1, n + 1);
		before = info(&f, 1);
		gather_unmap(&f, &rel, 0, G_DATA, n);
		CU_ASSERT_EQUAL(f.invalidations, n); /* by vCPU 1; vCPU 0 holds none */
		CU_ASSERT_EQUAL(info(&f, 1).partial, before.partial + 1);
		CU_ASSERT(gather_in_tlb(&f, 1, G_DATA + n));
		warm(&f, 1, n + 1);
		before = info(&f, 1);
		gather_unmap(&f, &rel, 0, G_DATA, n + 1);
		CU_ASSERT_EQUAL(f.invalidations, 1);
		CU_ASSERT_EQUAL(info(&f, 1).full, before.full + 1);
		CU_ASSERT_EQUAL(info(&f, 1).partial, before.partial);
		fx_end(&f);
	}
}

/* ---- TG-6 ---- */

static void test_stride(void)
{
	struct sh_shootdown_info before;
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.size = cfg.lowmem = 32 << 20;
	cfg.ceiling = 16;
	fx_start(&f, &cfg);
	for (unsigned i = 1; i < 9; i++) {
		fx_put(&f, G_PD, i, fx_pte(512ull * (i + 4), T_RWUD | PTE_PS));
		for (unsigned k = 0; k < 2; k++)
			fx_store(&f, 1, (uint64_t)i << 21 | k << 12, SH_USER, i);
	}
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_LARGE), 8);
	pthread_mutex_lock(&f.mmu->lock);
	sh_flush_drops(f.mmu, NULL);
	pthread_mutex_unlock(&f.mmu->lock);
	before = info(&f, 1);
	f.invalidations = 0;
	gather_unmap(&f, &rel, 0, 512 * 5, 8 * 512);
	sh_catch_up(f.vcpu[1].v);
	CU_ASSERT_EQUAL(f.invalidations, 8);
	CU_ASSERT_EQUAL(info(&f, 1).partial, before.partial + 1);
	CU_ASSERT_EQUAL(info(&f, 1).full, before.full);
	for (unsigned i = 0; i < 8 * 512; i += 100)
		CU_ASSERT_FALSE(gather_in_tlb(&f, 1, 512 * 5 + i));
	fx_end(&f);
}

/* ---- TG-7 ---- */

static void test_one_kick(void)
{
	const struct sh_range r[] = {{GFN(G_DATA + 1), 3}, {GFN(G_DATA + 8), 2}};
	struct sh_release how;
	struct sh_unmapped u;
	struct fake f;

	start(&f, 3, 0);
	warm(&f, 1, 12);
	warm(&f, 2, 12);
	f.vcpu[1].running = f.vcpu[2].running = true;
	how = gather_release(&f, &rel);
	sh_unmap_ranges(f.mmu, f.vcpu[0].v, r, 2, &how, &u);
	CU_ASSERT_EQUAL(u.flushes, 1);
	CU_ASSERT_EQUAL(u.kicks, 2);
	CU_ASSERT_EQUAL(f.vcpu[1].kicks, 1);
	CU_ASSERT_EQUAL(f.vcpu[2].kicks, 1);
	CU_ASSERT_EQUAL(rel.stale, 0);
	fx_end(&f);
}

/* The guest's own: writes of entries kick nobody until something must be certain. */
static void test_guest_unmaps(void)
{
	struct fake f;

	start(&f, 2, 0);
	warm(&f, 1, 12);
	for (unsigned i = 0; i < 6; i++)
		fx_put(&f, G_PT, i, 0);
	CU_ASSERT_EQUAL(f.shootdowns + f.requests, 0);
	gather_unmap(&f, &rel, 0, G_DATA, 12);
	CU_ASSERT_EQUAL(f.shootdowns + f.requests, 1);
	CU_ASSERT_EQUAL(rel.stale, 0);
	fx_end(&f);
}

/* ---- TG-8 ---- */

/* vCPU 2 is on the other address space, whose PDPT leads elsewhere. */
static void test_who_is_kicked(void)
{
	struct sh_regs b = fx_regs(G_PML4_B);
	struct fake f;

	start(&f, 4, 0);
	fx_put(&f, G_PML4_B, 0, 0);
	fake_set_regs(&f, 2, &b, true);
	fx_try(&f, 2, 0x1000, SH_USER);
	warm(&f, 1, 4);
	warm(&f, 3, 4);
	f.vcpu[1].running = f.vcpu[2].running = true; /* 3 is halted */
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA + 2, 1).kicks, 1);
	CU_ASSERT_EQUAL(f.vcpu[1].kicks, 1);
	CU_ASSERT_EQUAL(f.vcpu[2].kicks, 0);
	CU_ASSERT_EQUAL(f.vcpu[3].kicks, 0);
	CU_ASSERT_EQUAL(info(&f, 2).want, 0);
	CU_ASSERT_EQUAL(rel.stale, 0);
	CU_ASSERT_FALSE(fx_try(&f, 3, 0x2000, SH_USER).tlb_hit);
	fx_end(&f);
}

/* It was on the root before, and its TLB has tags: it still holds what it had. */
static void test_left_root(void)
{
	struct sh_regs a = fx_regs(G_PML4), b = fx_regs(G_PML4_B);
	struct fake_config cfg;
	struct fake f;

	a.cr3 |= 1, b.cr3 |= 2;
	a.cr4 = b.cr4 |= 1ull << 17;
	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.tagged = true;
	fx_start(&f, &cfg);
	fake_set_regs(&f, 1, &a, true);
	fx_try(&f, 1, 0x1000, SH_USER);
	sh_set_regs(f.vcpu[1].v, &b, SH_FLUSH_NONE);
	fx_try(&f, 1, 0x1000, SH_USER);
	sh_set_regs(f.vcpu[1].v, &a, SH_FLUSH_NONE);
	warm(&f, 1, 4);
	sh_set_regs(f.vcpu[1].v, &b, SH_FLUSH_NONE); /* known: nothing is forgotten */
	fx_try(&f, 1, 0x3000, SH_USER);
	CU_ASSERT(gather_in_tlb(&f, 1, G_DATA + 2));
	CU_ASSERT_EQUAL(f.invalidations, 0);
	gather_unmap(&f, &rel, 0, G_DATA + 2, 1);
	CU_ASSERT_EQUAL(f.shootdowns, 0);
	CU_ASSERT_EQUAL(rel.stale, 0);
	fx_end(&f);
}

/* ---- TG-9 ---- */

static void test_out_of_sequence(void)
{
	struct fake f;

	start(&f, 2, 0);
	warm(&f, 1, 8);
	gather_release(&f, &rel);
	rel.look = false;
	for (unsigned i = 2; i < 4; i++) {
		struct sh_release how = {NULL, NULL};
		struct sh_unmapped u;

		sh_unmap_frames(f.mmu, f.vcpu[0].v, GFN(G_DATA + i), 1, &how, &u);
	}
	CU_ASSERT_EQUAL(info(&f, 1).want, info(&f, 1).done + 2);
	sh_catch_up(f.vcpu[1].v);
	CU_ASSERT_EQUAL(info(&f, 1).want, info(&f, 1).done);
	CU_ASSERT_EQUAL(info(&f, 1).full, 1);
	CU_ASSERT_FALSE(gather_in_tlb(&f, 1, G_DATA + 2));
	CU_ASSERT_FALSE(gather_in_tlb(&f, 1, G_DATA + 3));
	fx_end(&f);
}

/* ---- a vCPU that does not answer ---- */

static struct {
	struct fake f;
	_Atomic unsigned told;
	_Atomic bool done;
} stuck;

static void on_late(void *ctx, unsigned vcpu, unsigned seconds)
{
	(void)ctx;
	CU_ASSERT_EQUAL(vcpu, 1);
	CU_ASSERT_EQUAL(seconds, SH_LATE_SECONDS);
	CU_ASSERT_EQUAL(rel.n, 0); /* nothing is released while it may still use it */
	if (++stuck.told == 2)
		stuck.done = true;
}

static void *hold_guest(void *arg)
{
	pthread_mutex_lock(&stuck.f.vcpu[1].guest_lock);
	atomic_store((_Atomic bool *)arg, true);
	while (!stuck.done)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	pthread_mutex_unlock(&stuck.f.vcpu[1].guest_lock);
	return NULL;
}

static void test_late(void)
{
	struct fake_config cfg;
	_Atomic bool ready = false;
	pthread_t t;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.patience_ms = 20; /* stands for SH_LATE_SECONDS */
	fx_start(&stuck.f, &cfg);
	warm(&stuck.f, 1, 4);
	stuck.told = 0;
	stuck.done = false;
	rel.n = 0;
	sh_on_late(stuck.f.mmu, on_late, NULL);
	pthread_create(&t, NULL, hold_guest, (void *)&ready);
	while (!ready)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	CU_ASSERT_EQUAL(gather_unmap(&stuck.f, &rel, 0, G_DATA + 1, 1).released, 1);
	pthread_join(t, NULL);
	CU_ASSERT(stuck.told >= 2);
	CU_ASSERT_EQUAL(info(&stuck.f, 0).late, stuck.told);
	CU_ASSERT_EQUAL(rel.stale, 0);
	fx_end(&stuck.f);
}

const struct tap_case suite_shootdown[] = {
	{"TG-4 one by one up to the ceiling, then everything", test_ceiling},
	{"TG-6 a large leaf is one invalidation", test_stride},
	{"TG-7 two ranges, one kick", test_one_kick},
	{"TG-7 the guest's own changes kick nobody", test_guest_unmaps},
	{"TG-8 only holders in the guest are kicked", test_who_is_kicked},
	{"TG-8 a root left behind is still held", test_left_root},
	{"TG-9 out of sequence means everything", test_out_of_sequence},
	{"a vCPU that does not answer is reported, and waited for", test_late},
	{0},
};
