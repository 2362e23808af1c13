/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: gathers. Unhook, flush, release, in that order and no oftener than need be.
 * Read first: shadow_gather.h.
 */
#include "tests/unit/shadow_gather.h"

static struct released rel;

/* ---- TG-1: no second entry between the clearing and the flush ---- */

struct duel {
	struct fake f;
	unsigned entries; /* made for the frame while it was held back */
	bool ran;
};
static struct duel duel;

/* Another processor faults on the same address while the flush is under way. It has no lock, and
 * must not get the frame; so that it need not wait for ours here it only sets the leaf. */
static void fault_meanwhile(void *ctx)
{
	struct fake *f = ctx;
	struct sh_path path;
	struct sh_page *p;

	duel.ran = true;
	if (!sh_path(f->mmu, MFN(f->vcpu[0].root), GVA(0x3000), &path) || path.level != 1)
		return;
	p = &f->mmu->pages[path.table[1].v - FAKE_TABLE_MFN];
	pthread_spin_lock(&p->lock);
	sh_leaf_set(f->mmu, f->vcpu[1].v, p, 3, GFN(G_DATA + 3), SH_ACC_W | SH_ACC_U, true,
		    true);
	pthread_spin_unlock(&p->lock);
	duel.entries += sh_set_count(&f->mmu->rmap[G_DATA + 3]);
}

static void test_duplicate(void)
{
	struct fake *f = &duel.f;

	duel.entries = 0;
	gather_start(f, 2);
	fx_store(f, 0, 0x3000, SH_USER, 1);
	fx_store(f, 1, 0x3000, SH_USER, 1);
	f->on_shootdown = fault_meanwhile;
	f->ctx = f;
	gather_unmap(f, &rel, 0, G_DATA + 3, 1);
	f->on_shootdown = NULL;
	CU_ASSERT(duel.ran);
	CU_ASSERT_EQUAL(duel.entries, 0);
	CU_ASSERT_EQUAL(rel.stale, 0);
	CU_ASSERT_FALSE(sh_frame_held(f->mmu, GFN(G_DATA + 3)));
	CU_ASSERT_EQUAL(fx_try(f, 1, 0x3000, SH_USER).gpa, (G_DATA + 3) << 12);
	fx_end(f);
}

/* ---- TG-2 ---- */

static struct {
	struct fake *f;
	unsigned early; /* entries there when the processors are asked to forget */
	unsigned asked;
} order;

static void unhooked_by_now(void *ctx)
{
	(void)ctx;
	order.asked++;
	order.early += sh_set_count(&order.f->mmu->rmap[G_DATA + 2]);
	CU_ASSERT_EQUAL(rel.n, 0);
}

static void test_order(void)
{
	struct fake f;
	uint64_t v;

	gather_start(&f, 3);
	order.f = &f;
	order.early = order.asked = 0;
	for (unsigned i = 0; i < 3; i++)
		fx_store(&f, i, 0x2000, SH_USER, i);
	f.on_shootdown = unhooked_by_now;
	rel.n = 0;
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA + 2, 1).released, 1);
	f.on_shootdown = NULL;
	CU_ASSERT_EQUAL(order.asked, 1);
	CU_ASSERT_EQUAL(order.early, 0);
	CU_ASSERT_EQUAL(rel.stale, 0);
	/* The guest finds what the next owner left, by a translation of its own. */
	for (unsigned i = 0; i < 3; i++) {
		v = 0;
		CU_ASSERT_EQUAL(fake_access(&f, i, 0x2000, SH_USER, &v, 8).faults, i ? 0 : 1);
		CU_ASSERT_EQUAL(v, 0xccccccccccccccccull);
	}
	fx_end(&f);
}

/* What the guest dropped itself and nobody has flushed leads to the frame, too. */
static void test_loose(void)
{
	struct fake f;

	gather_start(&f, 2);
	fx_store(&f, 1, 0x2000, SH_USER, 1);
	fx_try(&f, 1, 0x4000, SH_USER);
	fx_put(&f, G_PT, 2, 0); /* no INVLPG: vCPU 1 may go on using it */
	CU_ASSERT(gather_in_tlb(&f, 1, G_DATA + 2));
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA + 2, 1).flushes, 1);
	CU_ASSERT_EQUAL(rel.stale, 0);
	fx_end(&f);
}

/* ---- TG-3 ---- */

static void test_batches(void)
{
	static struct fake f;
	struct sh_unmapped u;

	gather_start_big(&f, 1, 10240);
	sh_inject_arm(&f.mmu->inject, SH_INJECT_BATCH, 0, SH_INJECT_ALWAYS, 0);
	u = gather_unmap(&f, &rel, 0, GATHER_BIG, 60);
	CU_ASSERT_EQUAL(u.flushes, (60 + 7) / 8);
	CU_ASSERT_EQUAL(u.released, 60);
	sh_inject_arm(&f.mmu->inject, SH_INJECT_BATCH, 1, SH_INJECT_ALWAYS, 0);
	u = gather_unmap(&f, &rel, 0, GATHER_BIG + 512, 1100);
	CU_ASSERT_EQUAL(u.flushes, 1 + (1100 - 518 + 7) / 8); /* 518, then 8 at a time */
	sh_inject_arm(&f.mmu->inject, SH_INJECT_BATCH, 0, 0, 0);
	u = gather_unmap(&f, &rel, 0, GATHER_BIG + 2048, 8192);
	CU_ASSERT_EQUAL(u.flushes, 1);
	CU_ASSERT_EQUAL(u.released, 8192);
	for (uint64_t i = 0; i < 8192; i++)
		CU_ASSERT_EQUAL(rel.frame[i].v, GATHER_BIG + 2048 + i);
	fx_end(&f);
}

/* One more than a gather holds. */
static void test_capacity(void)
{
	static struct fake f;
	struct sh_unmapped u;

	gather_start_big(&f, 1, 9700);
	u = gather_unmap(&f, &rel, 0, GATHER_BIG, 9698);
	CU_ASSERT_EQUAL(u.flushes, 1);
	fx_end(&f);
	gather_start_big(&f, 1, 9700);
	u = gather_unmap(&f, &rel, 0, GATHER_BIG, 9699);
	CU_ASSERT_EQUAL(u.flushes, 2);
	CU_ASSERT_EQUAL(u.released, 9699);
	fx_end(&f);
}

/* ---- TG-5 ---- */

static void test_nothing(void)
{
	struct sh_unmapped u;
	struct fake f;

	gather_start(&f, 2);
	fx_try(&f, 1, 0x1000, SH_USER);
	gather_unmap(&f, &rel, 0, G_DATA, 8); /* with its neighbours */
	f.vcpu[1].running = true;
	f.shootdowns = f.requests = f.invalidations = 0;
	u = gather_unmap(&f, &rel, 0, G_DATA, 8);
	CU_ASSERT_EQUAL(u.flushes, 0);
	CU_ASSERT_EQUAL(u.kicks, 0);
	CU_ASSERT_EQUAL(u.released, 8);
	CU_ASSERT_EQUAL(f.shootdowns + f.requests + f.invalidations, 0);
	fx_end(&f);
}

/* ---- TG-15, TG-16: gathers side by side ---- */

static void test_nested(void)
{
	static struct released inner;
	struct sh_unmapped a = {0}, b = {0};
	struct sh_gather ga, gb;
	struct sh_release ra, rb;
	struct fake f;

	gather_start(&f, 2);
	for (unsigned i = 1; i < 6; i++)
		fx_store(&f, 1, (uint64_t)i << 12, SH_USER, i);
	ra = gather_release(&f, &rel);
	rb = gather_release(&f, &inner);
	pthread_mutex_lock(&f.mmu->lock);
	sh_gather_begin(&ga, f.mmu, f.vcpu[0].v, &ra, &a);
	sh_gather_frame(&ga, GFN(G_DATA + 1));
	sh_gather_begin(&gb, f.mmu, f.vcpu[0].v, &rb, &b);
	sh_gather_frame(&gb, GFN(G_DATA + 2));
	sh_gather_frame(&ga, GFN(G_DATA + 3));
	CU_ASSERT_EQUAL(ga.frames, 2);
	CU_ASSERT_EQUAL(gb.frames, 1);
	sh_gather_finish(&gb);
	CU_ASSERT_EQUAL(b.released, 1);
	CU_ASSERT_EQUAL(inner.frame[0].v, G_DATA + 2);
	CU_ASSERT_EQUAL(rel.n, 0); /* the outer one's stay until its own flush */
	sh_gather_frame(&ga, GFN(G_DATA + 4));
	sh_gather_finish(&ga);
	pthread_mutex_unlock(&f.mmu->lock);
	CU_ASSERT_EQUAL(a.released, 3);
	CU_ASSERT_EQUAL(rel.stale + inner.stale, 0);
	for (unsigned i = 1; i < 5; i++)
		CU_ASSERT_FALSE(gather_in_tlb(&f, 1, G_DATA + i));
	CU_ASSERT(gather_in_tlb(&f, 1, G_DATA + 5) || f.shootdowns);
	fx_end(&f);
}

/* A flush of everything comes between: what was unhooked before it needs none of its own, what
 * comes after it does. */
static void test_overtaken(void)
{
	struct sh_unmapped out = {0};
	struct sh_gather g;
	struct sh_release r;
	struct fake f;

	gather_start(&f, 2);
	fx_store(&f, 1, 0x1000, SH_USER, 1);
	fx_store(&f, 1, 0x2000, SH_USER, 1);
	r = gather_release(&f, &rel);
	pthread_mutex_lock(&f.mmu->lock);
	sh_gather_begin(&g, f.mmu, f.vcpu[0].v, &r, &out);
	sh_gather_frame(&g, GFN(G_DATA + 1));
	sh_dropped(f.mmu);
	sh_flush_drops(f.mmu, f.vcpu[0].v);
	sh_gather_flush(&g);
	CU_ASSERT_EQUAL(out.flushes, 0);
	sh_gather_frame(&g, GFN(G_DATA + 2));
	pthread_mutex_unlock(&f.mmu->lock);
	fx_try(&f, 1, 0x4000, SH_USER);
	pthread_mutex_lock(&f.mmu->lock);
	sh_gather_finish(&g);
	pthread_mutex_unlock(&f.mmu->lock);
	CU_ASSERT_EQUAL(out.flushes, 1);
	CU_ASSERT_EQUAL(rel.stale, 0);
	fx_end(&f);
}

/* ---- TG-17, TG-20 ---- */

static bool dirty_at_release;

static bool look_at_d(void *ctx, gfn_t gfn)
{
	dirty_at_release = fx_get(ctx, G_PT, (unsigned)(gfn.v - G_DATA)) & PTE_D;
	return true;
}

static void test_dirty(void)
{
	struct sh_release r = {look_at_d, NULL};
	struct sh_unmapped u;
	struct fake f;

	gather_start(&f, 2);
	r.ctx = &f;
	fx_try(&f, 1, 0x7000, SH_USER);
	fx_store(&f, 1, 0x7000, SH_USER, 0x55);
	sh_unmap_frames(f.mmu, f.vcpu[0].v, GFN(G_DATA + 7), 1, &r, &u);
	CU_ASSERT(dirty_at_release);
	fx_end(&f);
}

static struct fake *watched;
static unsigned unlisted;

/* Each change of an entry: is a live leaf in its frame's set? */
static void listed(void *ctx, uint32_t slot)
{
	uint64_t e = watched->tables[slot], mfn = e >> 12 & 0xffffffffffull;
	const struct sh_page *p = sh_slot_page(watched->mmu, slot);
	bool found = false;
	sh_slot_t s;

	(void)ctx;
	if (!(e & PTE_P) || p->role.level != 1)
		return;
	for (unsigned i = 0; (s = sh_set_at(&watched->mmu->rmap[mfn], i)) != SH_SLOT_NONE; i++)
		found |= s == slot;
	unlisted += !found;
}

static void test_rmap_lasts(void)
{
	struct fake f;

	gather_start(&f, 2);
	for (unsigned i = 0; i < 8; i++)
		fx_store(&f, i & 1, (uint64_t)i << 12, SH_USER, i);
	watched = &f;
	unlisted = 0;
	f.on_touch = listed;
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_DATA, 8).released, 8);
	f.on_touch = NULL;
	CU_ASSERT_EQUAL(unlisted, 0);
	fx_end(&f);
}

/* ---- tables ---- */

/* A frame that is a guest table: the shadow of it goes, and what the processors cached of that. */
static void test_table_frame(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.pde_cache = true;
	fx_start(&f, &cfg);
	fx_try(&f, 1, 0x3000, SH_USER);
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_PT, 1).released, 1);
	for (unsigned i = 0; i < FAKE_PDE_SETS; i++)
		CU_ASSERT_EQUAL(f.vcpu[1].pde[i].tag, 0);
	CU_ASSERT_FALSE(gather_in_tlb(&f, 1, G_DATA + 3));
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(G_PT)));
	/* The table of a root in use stays. */
	CU_ASSERT_EQUAL(gather_unmap(&f, &rel, 0, G_PML4, 1).busy, 1);
	fx_end(&f);
}

static void test_hole(void)
{
	struct sh_unmapped u;
	struct fake f;
	uint64_t v = 1;

	gather_start(&f, 1);
	fx_store(&f, 0, 0x5000, SH_USER, 0x1234);
	CU_ASSERT_EQUAL(sh_unmap_frames(f.mmu, f.vcpu[0].v, GFN(G_DATA + 5), 1, NULL, &u), 0);
	CU_ASSERT_EQUAL(u.released, 1);
	fake_access(&f, 0, 0x5000, SH_USER, &v, 8);
	CU_ASSERT_EQUAL(v, 0);
	CU_ASSERT_EQUAL(sh_unmap_frames(f.mmu, NULL, GFN(1ull << 40), 1, NULL, &u), -22);
	fx_end(&f);
}

const struct tap_case suite_gather[] = {
	{"TG-1 no second entry before the flush", test_duplicate},
	{"TG-2 unhook, flush, release", test_order},
	{"TG-2 what was dropped before leads there, too", test_loose},
	{"TG-3 one flush for each batch that memory allows", test_batches},
	{"TG-3 9,698 frames at once", test_capacity},
	{"TG-5 nothing cleared, nothing sent", test_nothing},
	{"TG-14 a frame that is a table", test_table_frame},
	{"TG-15 gathers in gathers", test_nested},
	{"TG-16 a flush by another between", test_overtaken},
	{"TG-17 D before the release", test_dirty},
	{"TG-20 a live leaf is in its frame's set", test_rmap_lasts},
	{"a hole in RAM", test_hole},
	{0},
};
