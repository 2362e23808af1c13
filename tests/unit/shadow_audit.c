/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suites: the auditor finds what it says it looks for, each planted here and taken back; and the
 * contract with the engine where KVM shadows the tables. Read first: shadow_fixture.h.
 */
#include <string.h>

#include "shadow/page.h"
#include "tests/unit/shadow_fixture.h"

struct scene {
	struct fake f;
	struct sh_page *pt, *pd;
	uint64_t *leaf, *upper;
};

static struct sh_page *page_at(struct fake *f, unsigned gfn)
{
	return sh_page_of_gfn(f->mmu, GFN(gfn), NULL);
}

static void set_scene(struct scene *s)
{
	fx_default(&s->f);
	fx_store(&s->f, 0, 0x1000, 0, 0);
	fx_store(&s->f, 0, 0x2000, 0, 0);
	s->pt = page_at(&s->f, G_PT);
	s->pd = page_at(&s->f, G_PD);
	s->leaf = (uint64_t *)sh_page_table(s->f.mmu, s->pt) + 1;
	s->upper = (uint64_t *)sh_page_table(s->f.mmu, s->pd);
}

static bool found(struct scene *s, const char *what)
{
	char buf[4096] = "";

	return sh_audit(s->f.mmu, buf, sizeof(buf)) > 0 && strstr(buf, what);
}

/* Puts a value over *at, expects a finding, and puts the old one back. */
static void plant(struct scene *s, uint64_t *at, uint64_t value, const char *what)
{
	uint64_t old = *at;

	*at = value;
	CU_ASSERT(found(s, what));
	if (!found(s, what))
		CU_FAIL(what);
	*at = old;
	CU_ASSERT_EQUAL(sh_audit(s->f.mmu, NULL, 0), 0);
}

#define FRAME_OF(gfn) ((uint64_t)(gfn) << 12)

static void test_entries(void)
{
	uint64_t bits = PTE_P | PTE_U | PTE_A | PTE_D;
	struct scene s;

	set_scene(&s);
	plant(&s, s.leaf, FRAME_OF(0x80000) | bits, "leaf maps no guest frame");
	plant(&s, s.leaf, FRAME_OF(G_PD) | bits | PTE_W, "writable leaf of a tracked frame");
	plant(&s, s.leaf, FRAME_OF(G_DATA + 5) | bits, "leaf is not what the guest entry says");
	plant(&s, s.leaf, 0, "count of present entries is wrong");
	plant(&s, s.leaf, 0, "reverse map names an entry that maps elsewhere");
	plant(&s, s.leaf, 0, "leaves and reverse map differ in number");
	plant(&s, s.leaf, *s.leaf & ~PTE_P, "entry neither present nor zero");
	plant(&s, s.upper, FRAME_OF(G_DATA) | bits, "upper entry names no live page");
	plant(&s, s.upper, FRAME_OF(sh_page_mfn(s.f.mmu, s.pd).v) | bits,
	      "upper entry names a page of another key");
	plant(&s, s.upper, 0, "parent set names an entry that points elsewhere");
	plant(&s, s.upper, 0, "upper entries and parent sets differ in number");
	fx_put(&s.f, G_PT, 1, fx_pte(G_DATA + 1, T_RW & ~PTE_W));
	fx_try(&s.f, 0, 0x1000, 0);
	fx_invlpg(&s.f, 0, 0x1000);
	fx_try(&s.f, 0, 0x1000, 0);
	plant(&s, s.leaf, *s.leaf | PTE_W, "leaf permits more than the guest");
	fx_end(&s.f);
}

static void test_pages(void)
{
	struct scene s;
	struct sh_page *spare;
	gfn_t gfn;

	set_scene(&s);
	atomic_store(&s.pt->invalid, 1);
	CU_ASSERT(found(&s, "page in the live list is not live"));
	atomic_store(&s.pt->invalid, 0);
	gfn = s.pt->gfn;
	s.pt->gfn = GFN(G_DATA + 9);
	CU_ASSERT(found(&s, "key finds another page"));
	CU_ASSERT(found(&s, "table is not tracked"));
	s.pt->gfn = gfn;
	atomic_fetch_and(&s.f.mmu->rmap[G_PT], ~SH_SET_TRACKED);
	CU_ASSERT(found(&s, "table is not tracked"));
	atomic_fetch_or(&s.f.mmu->rmap[G_PT], SH_SET_TRACKED);
	atomic_fetch_or(&s.f.mmu->rmap[G_DATA], SH_SET_TRACKED);
	CU_ASSERT(found(&s, "frame is tracked for no page"));
	atomic_fetch_and(&s.f.mmu->rmap[G_DATA], ~SH_SET_TRACKED);
	spare = s.f.mmu->free_list.list_next;
	plant(&s, (uint64_t *)sh_page_table(s.f.mmu, spare) + 77, 1,
	      "table out of use is not zero");
	fx_end(&s.f);
}

const struct tap_case suite_audit[] = {
	{"entries, reverse maps and parents", test_entries},
	{"pages, keys and tracking", test_pages},
	{0},
};

static void start_gated(struct fake *f)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.gated = true;
	cfg.vcpus = 2;
	fx_start(f, &cfg);
}

/* Each way a present entry changes is seen by a KVM that shadows our tables. */
static void test_gated(void)
{
	struct fake f;

	start_gated(&f);
	fx_try(&f, 0, 0x1000, 0);
	fx_store(&f, 0, 0x1000, 0, 1); /* read-only to writable */
	fx_put(&f, G_PT, 1, fx_pte(G_DATA + 9, T_RW));
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).gpa, (G_DATA + 9) << 12);
	fx_put(&f, G_PT_B, 1, fx_pte(G_DATA + 3, T_RW));
	fx_put(&f, G_PD, 0, fx_pte(G_PT_B, T_RW));
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).gpa, (G_DATA + 3) << 12);
	fx_put(&f, G_PD, 0, 0);
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	fx_end(&f);
}

/* vCPU 0 changes an entry and goes no further; vCPU 1 sees the new entry in memory and flushes: it
 * must not get the old translation. So a touch is due at anybody's flush, not only at its own
 * vCPU's next entry (backend.h). */
static void test_touch_is_global(void)
{
	struct fake f;

	start_gated(&f);
	fx_store(&f, 1, 0x6000, 0, fx_pte(G_DATA + 7, T_RW));
	fx_put(&f, G_PT, 6, fx_pte(G_DATA + 8, T_RW));
	CU_ASSERT(f.n_touched > 0);
	fx_invlpg(&f, 1, 0x6000);
	CU_ASSERT_EQUAL(fx_store(&f, 1, 0x6000, 0, 0).gpa, (G_DATA + 8) << 12);
	/* And at anybody's shootdown: the frame becomes a table by vCPU 1's doing. */
	fx_put(&f, G_PT, 6, fx_pte(G_DATA + 9, T_RW));
	fx_put(&f, G_PD, 8, fx_pte(G_DATA + 6, T_RW));
	fx_try(&f, 1, 8ull << 21, 0);
	fx_store(&f, 1, 0x6000, 0, 0);
	fx_end(&f);
}

const struct tap_case suite_engine[] = {
	{"KVM that shadows our tables", test_gated},
	{"a touch is due at anybody's flush", test_touch_is_global},
	{0},
};
