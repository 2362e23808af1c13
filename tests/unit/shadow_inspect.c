/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looks without locks: what explain foretells is what an access then does (which the fixture holds
 * against the reference MMU), reasons name what must change, verdicts name what differs, and a look
 * knows whether anything changed meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shadow/diff.h"
#include "shadow/explain.h"
#include "tests/unit/shadow_fixture.h"

#define VA     0x5000ull /* entry 5 of G_PT */
#define LAST   0xff8ull	 /* where a store hurts no table that is in use */
#define ROUNDS 30000u

static uint64_t rng = 88172645463325252ull;

static uint64_t draw(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static struct sh_regs regs_of(struct fake *f, unsigned vcpu)
{
	struct sh_regs r = {.cr0 = 0};
	struct sh_mode mode;

	CU_ASSERT_TRUE(sh_vcpu_peek(f->mmu, vcpu, &r, &mode));
	return r;
}

static struct sh_explanation explain(struct fake *f, unsigned flags)
{
	struct sh_regs r = regs_of(f, 0);
	struct sh_explanation x;

	sh_explain(f->mmu, 0, &r, GVA(VA + LAST), flags, &x);
	return x;
}

static void draw_regs(struct fake *f)
{
	struct sh_regs r = fx_regs(G_PML4);

	r.cr0 = draw() & 1 ? r.cr0 | R_WP : r.cr0 & ~R_WP;
	r.cr4 = (r.cr4 & ~(R_SMEP | R_SMAP)) | (draw() & (R_SMEP | R_SMAP));
	r.efer = draw() & 3 ? r.efer | R_NXE : r.efer & ~R_NXE;
	fake_set_regs(f, 0, &r, true);
}

static void draw_entries(struct fake *f)
{
	static const unsigned upper[] = {G_PML4, G_PDPT, G_PD};
	uint64_t bits = PTE_P | PTE_W | PTE_U | PTE_A | PTE_D;
	uint64_t leaf = draw() & bits & (draw() & 3 ? ~0ull : ~PTE_P);

	for (unsigned i = 0; i < 3; i++) {
		uint64_t e = fx_pte(upper[i] + 1, PTE_P | (draw() & 7 ? PTE_W | PTE_U : PTE_U) |
							  (draw() & PTE_A));
		fx_put(f, upper[i], 0, draw() % 16 ? e : e & ~PTE_U);
	}
	leaf |= draw() & 3 ? PTE_P : 0;
	leaf |= draw() & 3 ? 0 : PTE_NX;
	leaf |= draw() % 32 ? 0 : 1ull << 51; /* beyond the model's physical addresses */
	/* Now and then a page table, a device, nothing special. */
	fx_put(f, G_PT, 5, leaf | (draw() % 8 ? G_DATA : draw() % 2 ? G_PD : 0xfffffull) << 12);
	fx_invlpg(f, 0, VA);
}

static bool came_true(const struct sh_explanation *x, const struct fake_result *r)
{
	switch (x->outcome) {
	case SH_OUT_HIT:
		return r->kind == FAKE_OK && !r->emulated && r->faults == 0;
	case SH_OUT_HIDDEN:
		return r->kind == FAKE_OK && !r->emulated && r->faults > 0;
	case SH_OUT_TRUE:
		return r->kind == FAKE_PF && r->error == x->w.error;
	case SH_OUT_TRACKED:
	case SH_OUT_EMULATE:
	case SH_OUT_NO_RAM:
		return r->emulated && r->kind == FAKE_OK;
	default:
		return false;
	}
}

static void test_foretold(void)
{
	static const unsigned kinds[] = {SH_READ, SH_WRITE, SH_FETCH};
	unsigned seen[SH_OUTCOMES] = {0}, failed = 0;
	struct fake f;

	fx_default(&f);
	for (unsigned i = 0; i < ROUNDS && failed < 5; i++) {
		unsigned flags =
			kinds[draw() % 3] | (draw() & SH_USER) | (draw() & 1 ? SH_AC : 0);
		struct sh_explanation x;
		struct fake_result r;

		if (draw() % 4 == 0)
			draw_regs(&f);
		if (draw() % 2)
			draw_entries(&f);
		x = explain(&f, flags);
		r = fx_try(&f, 0, VA + LAST, flags);
		seen[x.outcome]++;
		if (came_true(&x, &r))
			continue;
		failed++;
		fprintf(stderr,
			"# round %u flags %#x: foretold %u, got kind %u error %#x "
			"emulated %d faults %u\n",
			i, flags, x.outcome, r.kind, r.error, r.emulated, r.faults);
	}
	CU_ASSERT_EQUAL(failed, 0);
	for (unsigned o = SH_OUT_HIT; o <= SH_OUT_NO_RAM; o++) {
		if (o == SH_OUT_STALE_HIT || o == SH_OUT_NOT_CANON || o == SH_OUT_GATE)
			continue;
		CU_ASSERT_TRUE(seen[o] > 20);
		if (seen[o] <= 20)
			fprintf(stderr, "# outcome %u came %u times\n", o, seen[o]);
	}
	fx_end(&f);
}

/* Does to the guest's tables and registers what a reason asks for. */
static void mend(struct fake *f, const struct sh_reason *r)
{
	static const unsigned table[] = {0, G_PT, G_PD, G_PDPT, G_PML4};
	unsigned index = r->level == 1 ? 5 : 0;
	struct sh_regs regs = regs_of(f, 0);
	uint64_t e = fx_get(f, table[r->level], index);

	if (r->blame == SH_BLAME_W)
		e |= PTE_W;
	if (r->blame == SH_BLAME_U)
		e |= PTE_U;
	if (r->blame == SH_BLAME_NX)
		e &= ~PTE_NX;
	fx_put(f, table[r->level], index, e);
	if (r->blame == SH_BLAME_SMEP)
		regs.cr4 &= ~R_SMEP;
	if (r->blame == SH_BLAME_SMAP)
		regs.cr4 &= ~R_SMAP;
	fake_set_regs(f, 0, &regs, true);
}

static void test_reasons(void)
{
	static const unsigned kinds[] = {SH_READ, SH_WRITE, SH_FETCH};
	unsigned mended = 0, absent = 0;
	struct fake f;

	fx_default(&f);
	for (unsigned i = 0; i < ROUNDS / 4; i++) {
		unsigned flags =
			kinds[draw() % 3] | (draw() & SH_USER) | (draw() & 1 ? SH_AC : 0);
		struct sh_explanation x;

		draw_regs(&f);
		draw_entries(&f);
		x = explain(&f, flags);
		if (x.outcome != SH_OUT_TRUE)
			continue;
		CU_ASSERT_TRUE(x.reasons > 0 && x.reason[0].guest);
		if (x.reason[0].blame <= SH_BLAME_RSVD) {
			CU_ASSERT_EQUAL(x.reason[0].level, x.w.level);
			CU_ASSERT_EQUAL(x.reason[0].blame == SH_BLAME_P,
					!(x.w.error & SH_PF_P));
			absent++;
			continue;
		}
		for (unsigned k = 0; k < x.reasons; k++)
			mend(&f, &x.reason[k]);
		CU_ASSERT_NOT_EQUAL(explain(&f, flags).outcome, SH_OUT_TRUE);
		mended++;
	}
	CU_ASSERT_TRUE(mended > 500 && absent > 100);
	fx_end(&f);
}

static struct sh_diff look_at(struct fake *f, unsigned vcpu, enum sh_view view)
{
	struct sh_diff d = {.scan = {.at = GVA(VA), .last = GVA(VA), .steps = 1000}};
	struct sh_regs r;
	struct sh_mode mode;
	mfn_t root;

	CU_ASSERT_TRUE(sh_vcpu_peek(f->mmu, vcpu, &r, &mode));
	d.verdict = SH_VERDICT_EMPTY;
	if (sh_root_of(f->mmu, vcpu, &r, view, &root))
		sh_diff_next(f->mmu, root, &mode, &r, &d);
	return d;
}

static uint64_t *entry_of(struct fake *f)
{
	struct sh_regs r = regs_of(f, 0);
	struct sh_path p;
	mfn_t root;

	CU_ASSERT_TRUE_FATAL(sh_root_of(f->mmu, 0, &r, SH_VIEW_KERNEL, &root));
	CU_ASSERT_TRUE_FATAL(sh_path(f->mmu, root, GVA(VA), &p) && p.level == 1);
	return &f->tables[(p.table[1].v - FAKE_TABLE_MFN) * 512 + 5];
}

static void test_verdicts(void)
{
	struct sh_live live;
	char text[256] = "";
	struct fake f;
	uint64_t *e;

	fx_default(&f);
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, T_RW | PTE_D));
	fx_try(&f, 0, 0x6000, SH_READ); /* the tree is there */
	fx_put(&f, G_PT, 5, fx_pte(G_DATA + 1, T_RW | PTE_D));
	CU_ASSERT_TRUE(look_at(&f, 0, SH_VIEW_KERNEL).verdict <= SH_VERDICT_LAZY);
	fx_try(&f, 0, VA, SH_WRITE);
	CU_ASSERT_EQUAL(look_at(&f, 0, SH_VIEW_KERNEL).verdict, SH_VERDICT_SAME);
	CU_ASSERT_EQUAL(sh_audit_live(f.mmu, text, sizeof(text), &live), 0);
	CU_ASSERT_TRUE(live.tables >= 4 && live.entries >= 4);

	/* A page table, mapped writable by the guest. */
	fx_put(&f, G_PT, 5, fx_pte(G_PD, T_RW | PTE_D));
	fx_invlpg(&f, 0, VA);
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_EQUAL(look_at(&f, 0, SH_VIEW_KERNEL).verdict, SH_VERDICT_TRACKED);

	/* More than the guest allows. */
	e = entry_of(&f);
	*e |= PTE_W;
	CU_ASSERT_EQUAL(look_at(&f, 0, SH_VIEW_KERNEL).verdict, SH_VERDICT_WRONG);
	CU_ASSERT_EQUAL(sh_audit_live(f.mmu, text, sizeof(text), &live), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "entry 0x5"));
	*e &= ~PTE_W;
	*e ^= 1ull << 13; /* another frame */
	CU_ASSERT_EQUAL(look_at(&f, 0, SH_VIEW_KERNEL).verdict, SH_VERDICT_WRONG);
	*e ^= 1ull << 13;
	CU_ASSERT_EQUAL(sh_audit_live(f.mmu, text, sizeof(text), &live), 0);

	/* Not writable, because the guest has not written there. */
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, T_RW));
	fx_invlpg(&f, 0, VA);
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_EQUAL(look_at(&f, 0, SH_VIEW_KERNEL).verdict, SH_VERDICT_SAME);
	CU_ASSERT_FALSE(*e & PTE_W);
	fx_end(&f);
}

static void test_looks(void)
{
	struct sh_look look;
	struct sh_regs r;
	struct sh_mode mode;
	struct fake f;
	uint64_t before;

	fx_default(&f);
	sh_look_begin(f.mmu, &look);
	CU_ASSERT_TRUE(sh_look_end(f.mmu, &look));
	before = sh_generation(f.mmu);
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, T_RWUD));
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_FALSE(sh_look_end(f.mmu, &look));
	CU_ASSERT_TRUE(sh_generation(f.mmu) > before);
	sh_look_begin(f.mmu, &look);
	fx_try(&f, 0, VA, SH_READ); /* a hit changes nothing */
	CU_ASSERT_TRUE(sh_look_end(f.mmu, &look));
	CU_ASSERT_FALSE(sh_vcpu_peek(f.mmu, FAKE_VCPUS, &r, &mode));
	CU_ASSERT_FALSE(sh_vcpu_peek(f.mmu, UINT32_MAX, &r, &mode));
	r = regs_of(&f, 0);
	CU_ASSERT_EQUAL(memcmp(&r, sh_vcpu_regs(f.vcpu[0].v), sizeof(r)), 0);
	fx_end(&f);
}

/* Everything mapped, on both sides, and nothing else. */
static void test_scans(void)
{
	struct sh_scan g = {.last = GVA(UINT64_MAX), .steps = 100000}, s = g;
	struct sh_regs r;
	struct sh_mode mode;
	unsigned guest = 0;
	struct fake f;
	mfn_t root;

	fx_default(&f);
	for (unsigned i = 0; i < 512; i++)
		fx_put(&f, G_PT, i, i % 3 ? 0 : fx_pte(G_DATA + i % 7, T_RWUD));
	fx_invlpg(&f, 0, 0);
	CU_ASSERT_TRUE(sh_vcpu_peek(f.mmu, 0, &r, &mode));
	while (sh_scan_guest(f.mmu, &mode, &r, &g)) {
		unsigned i = (unsigned)(g.gva.v >> 12);

		if (g.gva.v >= 1u << 21)
			continue;
		guest++;
		CU_ASSERT_TRUE(i % 3 == 0 && g.size == SH_PAGE_SIZE && g.level == 1);
		CU_ASSERT_EQUAL(g.gpa.v, (uint64_t)(G_DATA + i % 7) << 12);
		CU_ASSERT_EQUAL(g.access, SH_ACC_ALL);
		fx_try(&f, 0, g.gva.v, SH_READ);
	}
	CU_ASSERT_TRUE(g.done);
	CU_ASSERT_EQUAL(guest, 171);
	CU_ASSERT_TRUE(sh_root_of(f.mmu, 0, &r, SH_VIEW_KERNEL, &root));
	while (sh_scan_shadow(f.mmu, root, &s))
		guest -= s.gva.v < 1u << 21 && (s.gva.v >> 12) % 3 == 0;
	CU_ASSERT_TRUE(s.done);
	CU_ASSERT_EQUAL(guest, 0);
	/* A look that may not go on for ever says where it stopped. */
	s = (struct sh_scan){.last = GVA(UINT64_MAX), .steps = 3};
	while (sh_scan_shadow(f.mmu, root, &s))
		;
	CU_ASSERT_FALSE(s.done);
	CU_ASSERT_TRUE(s.at.v > 0);
	fx_end(&f);
}

static void test_drop_all(void)
{
	struct sh_scan s = {.last = GVA(UINT64_MAX), .steps = 100000};
	struct sh_regs r;
	struct fake f;
	mfn_t root;

	fx_default(&f);
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, T_RWUD));
	fx_try(&f, 0, VA, SH_WRITE);
	r = regs_of(&f, 0);
	CU_ASSERT_TRUE(sh_drop_all(f.mmu, NULL) >= 3);
	fx_audit(&f);
	CU_ASSERT_TRUE(sh_root_of(f.mmu, 0, &r, SH_VIEW_KERNEL, &root));
	CU_ASSERT_FALSE(sh_scan_shadow(f.mmu, root, &s));
	CU_ASSERT_TRUE(fx_try(&f, 0, VA, SH_WRITE).faults > 0);
	CU_ASSERT_EQUAL(sh_option_switch(f.mmu, SH_OPT_DMAP, false), -EBUSY);
	CU_ASSERT_EQUAL(sh_option_switch(f.mmu, SH_OPT_PREFETCH, false), 0);
	CU_ASSERT_FALSE(sh_option_on(f.mmu, SH_OPT_PREFETCH));
	CU_ASSERT_TRUE(fx_try(&f, 0, VA, SH_WRITE).faults > 0);
	fx_end(&f);
}

const struct tap_case suite_inspect[] = {
	{"explain foretells what an access does", test_foretold},
	{"what a reason names is what must change", test_reasons},
	{"verdicts: lazy, same, tracked, wrong", test_verdicts},
	{"a look knows whether anything changed", test_looks},
	{"scans find what is mapped", test_scans},
	{"dropping everything", test_drop_all},
	TAP_END,
};
