/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: attributes of the direct map. Splits, whole pages, collapse, memory types, the order of
 * split, flush and change. Read first: shadow_dmap.h.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/shadow_dmap.h"

#define FRAME	  0x000ffffffffff000ull
#define LEAF_MARK (1ull << 11)

void dmt_config(struct fake_config *cfg, uint64_t size)
{
	fake_defaults(cfg);
	cfg->size = size;
	cfg->tables = 1024;
}

void dmt_start(struct fake *f, const struct fake_config *cfg)
{
	fx_start(f, cfg);
	CU_ASSERT_EQUAL_FATAL(sh_dmap_create(f->mmu, f->vcpu[0].v), 0);
}

static void start(struct fake *f, uint64_t size)
{
	struct fake_config cfg;

	dmt_config(&cfg, size);
	dmt_start(f, &cfg);
}

struct sh_dmap_stats dmt_stats(struct fake *f)
{
	struct sh_dmap_stats s;

	memset(&s, 0, sizeof(s));
	CU_ASSERT(sh_dmap_stats(f->mmu, &s));
	return s;
}

void dmt_change(struct fake *f, uint64_t first, uint64_t frames, unsigned set, unsigned clear)
{
	struct sh_dmap_req req = {.set = set, .clear = clear};

	CU_ASSERT_EQUAL(sh_dmap_change(f->mmu, f->vcpu[0].v, GFN(first), frames, &req), 0);
	CU_ASSERT_EQUAL(req.done, frames);
}

struct sh_dmap_page dmt_look(struct fake *f, uint64_t frame)
{
	struct sh_dmap_page p;

	memset(&p, 0, sizeof(p));
	CU_ASSERT(sh_dmap_look(f->mmu, GFN(frame), &p));
	return p;
}

struct sh_regs dmt_off(void)
{
	return (struct sh_regs){.cr0 = 1};
}

static uint64_t root_of(struct fake *f)
{
	struct sh_dmap_page p;
	mfn_t root = MFN(0);

	if (sh_dmap_root(f->mmu, &root))
		return root.v;
	/* No guest runs on this one. Its top table is the first that was taken for it, and the only
	 * one that leads to frame 0 without being anybody's child: found by trying all. */
	p = dmt_look(f, 0);
	for (uint64_t t = 0; t < f->cfg.tables; t++) {
		struct sh_path path;

		if (sh_path(f->mmu, MFN(FAKE_TABLE_MFN + t), GVA(0), &path) &&
		    path.top == f->cfg.levels && path.table[path.level].v == p.table.v)
			return FAKE_TABLE_MFN + t;
	}
	CU_FAIL("no root");
	return FAKE_TABLE_MFN;
}

uint64_t *dmt_slot(struct fake *f, uint64_t frame, unsigned *level)
{
	uint64_t table = root_of(f), *e = NULL;

	for (*level = f->cfg.levels; *level; --*level) {
		e = &f->tables[(table - FAKE_TABLE_MFN) * 512 +
			       (frame >> (9 * (*level - 1)) & 511)];
		if (*e & LEAF_MARK || !(*e & 1) || *level == 1)
			return e;
		table = (*e & FRAME) >> 12;
	}
	return e;
}

uint64_t dmt_raw(struct fake *f, uint64_t frame, unsigned *level)
{
	return *dmt_slot(f, frame, level);
}

static void recount(struct fake *f, const struct sh_dmap_stats *s)
{
	uint64_t pages[4] = {0}, holes = 0, end = gmem_end(f->gm).v;
	unsigned level;

	for (uint64_t i = 0; i < end;) {
		uint64_t e = dmt_raw(f, i, &level), n = 1ull << (9 * (level - 1));

		if (e & 1)
			pages[level]++;
		else
			holes += n;
		i += n;
	}
	CU_ASSERT_EQUAL(holes, s->holes);
	for (unsigned l = 1; l <= 3; l++)
		CU_ASSERT_EQUAL(pages[l], s->pages[l]);
}

void dmt_conserved(struct fake *f, bool deep)
{
	struct sh_dmap_stats s = dmt_stats(f);

	CU_ASSERT_EQUAL(s.pages[1] + M2 * s.pages[2] + G1 * s.pages[3] + s.holes, s.total);
	CU_ASSERT_EQUAL(s.total, f->cfg.size >> 12);
	CU_ASSERT_EQUAL(s.whole_cache, 0);
	if (deep)
		recount(f, &s);
}

/* All but one page of [first, first + frames) are as before. */
static void neighbours(struct fake *f, uint64_t first, uint64_t frames, uint64_t but,
		       unsigned attr)
{
	unsigned wrong = 0;

	for (uint64_t i = first; i < first + frames; i++) {
		struct sh_dmap_page p = dmt_look(f, i);

		wrong += p.mfn.v != i || (i != but && p.attr != attr);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void test_one_in_2m(void)
{
	struct sh_dmap_stats a, b;
	struct fake f;

	start(&f, 8 * BIGM);
	a = dmt_stats(&f);
	CU_ASSERT_EQUAL(a.pages[2], 4);
	dmt_change(&f, M2 + 77, 1, 0, SH_DM_W);
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(b.splits[2] - a.splits[2], 1);
	CU_ASSERT_EQUAL(b.splits[3], 0);
	CU_ASSERT_EQUAL(b.pages[2], a.pages[2] - 1);
	CU_ASSERT_EQUAL(b.pages[1], a.pages[1] + 512);
	CU_ASSERT_EQUAL(b.tables, a.tables + 1);
	neighbours(&f, M2, M2, M2 + 77, SH_DM_RWXU);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 77).attr, SH_DM_RWXU & ~SH_DM_W);
	dmt_conserved(&f, true);
	fx_end(&f);
}

static void one_in_1g(unsigned levels)
{
	struct sh_dmap_stats a, b;
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, (1ull << 30) + 4 * BIGM + 3 * 4096);
	cfg.levels = levels;
	dmt_start(&f, &cfg);
	a = dmt_stats(&f);
	CU_ASSERT_EQUAL(a.pages[3], 1);
	CU_ASSERT_EQUAL(a.pages[2], 2);
	CU_ASSERT_EQUAL(a.pages[1], 3);
	dmt_change(&f, 100 * M2 + 5, 1, 0, SH_DM_X);
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(b.splits[3], 1);
	CU_ASSERT_EQUAL(b.splits[2], 1);
	CU_ASSERT_EQUAL(b.pages[3], 0);
	CU_ASSERT_EQUAL(b.pages[2], a.pages[2] + 511);
	CU_ASSERT_EQUAL(b.pages[1], a.pages[1] + 512);
	neighbours(&f, 0, G1, 100 * M2 + 5, SH_DM_RWXU);
	dmt_conserved(&f, true);
	dmt_change(&f, 100 * M2 + 5, 1, SH_DM_X, 0);
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(b.pages[3], 1);
	CU_ASSERT_EQUAL(b.collapses[2], 1);
	CU_ASSERT_EQUAL(b.collapses[3], 1);
	CU_ASSERT_EQUAL(b.tables, a.tables);
	fx_end(&f);
}

static void test_one_in_1g(void)
{
	one_in_1g(4);
	one_in_1g(5);
}

static void test_same(void)
{
	struct sh_dmap_stats a, b;
	unsigned flushes;
	struct fake f;

	start(&f, 8 * BIGM);
	a = dmt_stats(&f);
	flushes = f.shootdowns;
	dmt_change(&f, M2 + 3, 1, SH_DM_W, 0);
	dmt_change(&f, M2 + 3, 1, 0, SH_DM_PCD);
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(b.splits[2], a.splits[2]);
	CU_ASSERT_EQUAL(b.sameprot[2], a.sameprot[2] + 2);
	CU_ASSERT_EQUAL(b.checked, a.checked + 2);
	CU_ASSERT_EQUAL(f.shootdowns, flushes);
	dmt_change(&f, M2, M2, 0, SH_DM_W);
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(b.splits[2], 0);
	CU_ASSERT_EQUAL(b.preserved[2], a.preserved[2] + 1);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 9).level, 2);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 9).attr & SH_DM_W, 0);
	CU_ASSERT_EQUAL(f.shootdowns, flushes + 1);
	/* A right that is given needs no flush. */
	dmt_change(&f, M2, M2, SH_DM_W, 0);
	CU_ASSERT_EQUAL(f.shootdowns, flushes + 1);
	dmt_conserved(&f, true);
	fx_end(&f);
}

static void no_collapse(struct fake *f, uint64_t size)
{
	struct fake_config cfg;

	dmt_config(&cfg, size);
	cfg.options.on[SH_OPT_COLLAPSE] = false;
	dmt_start(f, &cfg);
}

/* A table at frame 512 whose entries would all join. */
static uint64_t *joinable(struct fake *f)
{
	unsigned level;

	dmt_change(f, M2 + 7, 1, SH_DM_PIN, 0);
	dmt_change(f, M2 + 7, 1, 0, SH_DM_PIN);
	CU_ASSERT_EQUAL(dmt_look(f, M2 + 7).level, 1);
	return dmt_slot(f, M2, &level);
}

static void test_collapse_bits(void)
{
	uint64_t *table;
	struct fake f;

	no_collapse(&f, 8 * BIGM);
	table = joinable(&f);
	for (unsigned bit = 0; bit < 64; bit++) {
		unsigned at = bit * 8 + 3;

		table[at] ^= 1ull << bit;
		CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 0);
		table[at] ^= 1ull << bit;
	}
	/* All alike, but not where a large page could begin. */
	for (unsigned i = 0; i < 512; i++)
		table[i] += 4096;
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 0);
	for (unsigned i = 0; i < 512; i++)
		table[i] -= 4096;
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 1);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 7).level, 2);
	dmt_conserved(&f, true);
	fx_end(&f);
}

static void test_collapse_pinned(void)
{
	struct fake f;

	start(&f, 8 * BIGM);
	dmt_change(&f, M2 + 7, 1, SH_DM_PIN, 0);
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 0);
	dmt_change(&f, M2, M2, SH_DM_PIN, 0);
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 0);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 300).level, 1);
	dmt_change(&f, M2, M2, 0, SH_DM_PIN);
	CU_ASSERT_EQUAL(dmt_look(&f, M2 + 300).level, 2);
	CU_ASSERT_EQUAL(dmt_stats(&f).collapses[2], 1);
	fx_end(&f);
}

/* A page that is not present joins nothing. */
static void test_collapse_hole(void)
{
	struct fake f;

	no_collapse(&f, 8 * BIGM);
	joinable(&f);
	dmt_change(&f, M2 + 100, 1, 0, SH_DM_P);
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 0);
	dmt_change(&f, M2, M2, 0, SH_DM_P);
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 0);
	dmt_change(&f, M2, M2, SH_DM_P, 0);
	CU_ASSERT_EQUAL(sh_dmap_collapse(f.mmu, f.vcpu[0].v), 1);
	dmt_conserved(&f, true);
	fx_end(&f);
}

/* What the tables say at each shootdown. */
struct order {
	struct fake *f;
	unsigned calls, split_at, changed_at;
	unsigned mixed; /* split, not flushed yet, and unlike */
};

static void at_shootdown(void *ctx)
{
	struct order *o = ctx;
	unsigned attr, unlike = 0;

	o->calls++;
	attr = dmt_look(o->f, M2).attr;
	for (uint64_t i = M2; i < 2 * M2; i++)
		unlike += dmt_look(o->f, i).attr != attr;
	if (!o->split_at && dmt_look(o->f, M2 + 5).level == 1) {
		o->split_at = o->calls;
		o->mixed = unlike;
	}
	if (!o->changed_at && unlike)
		o->changed_at = o->calls;
}

static void test_order(void)
{
	struct order o = {.calls = 0};
	struct fake f;

	start(&f, 8 * BIGM);
	o.f = &f;
	f.ctx = &o;
	f.on_shootdown = at_shootdown;
	dmt_change(&f, M2 + 5, 1, 0, SH_DM_W);
	f.on_shootdown = NULL;
	CU_ASSERT_EQUAL(o.split_at, 1);
	CU_ASSERT_EQUAL(o.mixed, 0);
	CU_ASSERT_EQUAL(o.changed_at, 2);
	CU_ASSERT_EQUAL(o.calls, 2);
	fx_end(&f);
}

static void test_cache(void)
{
	struct sh_dmap_stats s;
	struct fake f;

	start(&f, 16 * BIGM);
	dmt_change(&f, M2 + 10, 7, SH_DM_PCD, 0);
	s = dmt_stats(&f);
	CU_ASSERT_EQUAL(f.cache_bytes, 7 * 4096);
	CU_ASSERT_EQUAL(s.cache_lines, 7 * 64);
	CU_ASSERT_EQUAL(s.cache_flushes, 1);
	CU_ASSERT_EQUAL(f.cache_flushes, 1);
	CU_ASSERT_EQUAL(s.whole_cache, 0);
	dmt_change(&f, M2 + 10, 7, SH_DM_PAT | SH_DM_PWT, SH_DM_PCD);
	CU_ASSERT_EQUAL(f.cache_bytes, 2 * 7 * 4096);
	dmt_change(&f, 4 * M2, 2 * M2, SH_DM_PWT, 0);
	CU_ASSERT_EQUAL(f.cache_bytes, (14 + 2 * M2) * 4096);
	/* More pieces than are noted at a time. */
	for (uint64_t i = 0; i < 60; i += 2)
		dmt_change(&f, 7 * M2 + i, 1, SH_DM_PIN, 0);
	gva_t at[30];
	struct sh_dmap_req req = {.set = SH_DM_PCD};
	for (unsigned i = 0; i < 30; i++)
		at[i] = GVA((7 * M2 + 2 * i) << 12);
	CU_ASSERT_EQUAL(sh_dmap_change_array(f.mmu, NULL, at, 30, &req), 0);
	CU_ASSERT_EQUAL(f.cache_bytes, (14 + 2 * M2 + 30) * 4096);
	fx_end(&f);
}

static void test_no_cache(void)
{
	struct fake f;

	start(&f, 16 * BIGM);
	dmt_change(&f, M2 + 10, 7, 0, SH_DM_X);
	dmt_change(&f, M2 + 10, 7, SH_DM_X, SH_DM_W);
	dmt_change(&f, M2, M2, SH_DM_W, SH_DM_TYPE);
	dmt_change(&f, M2, 3, 0, SH_DM_P | SH_DM_U);
	CU_ASSERT_EQUAL(f.cache_flushes, 0);
	CU_ASSERT_EQUAL(dmt_stats(&f).cache_lines, 0);
	fx_end(&f);
}

/* SDM vol. 3, tables 4-18 to 4-20: PWT bit 3, PCD bit 4, PAT bit 7 of a 4-KByte page and bit 12 of a
 * larger one, whose bit 7 is PS. */
static unsigned type_in(uint64_t e, unsigned level)
{
	unsigned pat = level > 1 ? e >> 12 & 1 : e >> 7 & 1;

	return (e >> 3 & 1) | (e >> 4 & 1) << 1 | pat << 2;
}

static unsigned attr_of_type(unsigned type)
{
	return (type & 1 ? SH_DM_PWT : 0) | (type & 2 ? SH_DM_PCD : 0) |
	       (type & 4 ? SH_DM_PAT : 0);
}

static void check_type(struct fake *f, uint64_t frame, unsigned want_level, unsigned type)
{
	unsigned level;
	uint64_t e = dmt_raw(f, frame, &level);
	uint64_t in_page = (1ull << (9 * (level - 1))) - 1;

	CU_ASSERT_EQUAL(level, want_level);
	CU_ASSERT_EQUAL(type_in(e, level), type);
	CU_ASSERT_EQUAL((e & FRAME) >> 12 & ~in_page, frame & ~in_page);
	CU_ASSERT(level == 1 || e & PTE_PS);
	CU_ASSERT_EQUAL(dmt_look(f, frame).attr & SH_DM_TYPE, attr_of_type(type));
}

static void test_pat(void)
{
	struct fake f;

	start(&f, (1ull << 30) + 4 * BIGM);
	for (unsigned type = 0; type < 8; type++) {
		dmt_change(&f, 0, G1, attr_of_type(type), SH_DM_TYPE);
		check_type(&f, 9 * M2 + 4, 3, type);
		dmt_change(&f, 9 * M2 + 4, 1, SH_DM_PIN, 0); /* both splits */
		check_type(&f, 8 * M2, 2, type);
		check_type(&f, 9 * M2 + 4, 1, type);
		check_type(&f, 9 * M2 + 511, 1, type);
		dmt_change(&f, 9 * M2 + 4, 1, 0, SH_DM_PIN); /* both collapses */
		check_type(&f, 9 * M2 + 4, 3, type);
	}
	fx_end(&f);
}

static void test_not_present(void)
{
	const uint64_t at[] = {0, G1 + M2, G1 + 2 * M2}, frames[] = {G1, M2, 1};
	struct sh_dmap_page a, b;
	struct fake f;

	start(&f, (1ull << 30) + 4 * BIGM + 3 * 4096);
	for (unsigned i = 0; i < 3; i++) {
		a = dmt_look(&f, at[i]);
		CU_ASSERT_EQUAL(a.level, 3 - i);
		dmt_change(&f, at[i], frames[i], 0, SH_DM_P);
		b = dmt_look(&f, at[i]);
		CU_ASSERT_EQUAL(b.level, a.level);
		CU_ASSERT_EQUAL(b.mfn.v, a.mfn.v);
		CU_ASSERT_EQUAL(b.attr, a.attr & ~SH_DM_P);
		dmt_conserved(&f, true);
		CU_ASSERT_EQUAL(dmt_stats(&f).holes, frames[i]);
		dmt_change(&f, at[i], frames[i], SH_DM_P, 0);
		CU_ASSERT_EQUAL(dmt_look(&f, at[i]).entry, a.entry);
		dmt_conserved(&f, true);
	}
	/* A page of a large one that is not present. */
	dmt_change(&f, G1 + M2, M2, 0, SH_DM_P);
	dmt_change(&f, G1 + M2 + 9, 1, SH_DM_P, 0);
	CU_ASSERT_EQUAL(dmt_stats(&f).holes, 511);
	CU_ASSERT_EQUAL(dmt_look(&f, G1 + M2 + 9).mfn.v, G1 + M2 + 9);
	dmt_change(&f, G1 + M2, M2, SH_DM_P, 0);
	CU_ASSERT_EQUAL(dmt_look(&f, G1 + M2 + 9).level, 2);
	fx_end(&f);
}

static void test_refused(void)
{
	struct sh_dmap_req req = {.clear = SH_DM_W, .done = 9};
	gva_t at[2] = {GVA(0), GVA(1ull << 40)};
	mfn_t mfn[2] = {MFN(1), MFN(FAKE_TABLE_MFN)};
	struct sh_dmap_stats a, b;
	struct fake f;

	start(&f, 8 * BIGM);
	a = dmt_stats(&f);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(4 * M2 - 1), 2, &req), -EFAULT);
	CU_ASSERT_EQUAL(req.done, 0);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(1), UINT64_MAX, &req), -EFAULT);
	CU_ASSERT_EQUAL(sh_dmap_change_array(f.mmu, NULL, at, 2, &req), -EFAULT);
	CU_ASSERT_EQUAL(sh_dmap_change_frames(f.mmu, NULL, mfn, 2, &req), -EFAULT);
	req.set = 0x100;
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, NULL, GFN(0), 1, &req), -EINVAL);
	b = dmt_stats(&f);
	CU_ASSERT_EQUAL(memcmp(&a, &b, sizeof(a)), 0);
	fx_end(&f);
}

const struct tap_case suite_dmap[] = {
	{"PA-1: one page inside 2 MiB", test_one_in_2m},
	{"PA-2: one page inside 1 GiB", test_one_in_1g},
	{"PA-3: as it is already, and whole large pages", test_same},
	{"PA-6: any bit that deviates keeps a table", test_collapse_bits},
	{"PA-6: pinned pages keep a table", test_collapse_pinned},
	{"PA-6: a page that is not present keeps a table", test_collapse_hole},
	{"PA-13: split, flush, change", test_order},
	{"PA-15: cache lines flushed are those whose type changed", test_cache},
	{"PA-16: rights change without a cache flush", test_no_cache},
	{"PA-18: PAT moves with the size, all 8 types", test_pat},
	{"PA-18: a large page that is not present keeps its frame", test_not_present},
	{"requests beyond RAM change nothing", test_refused},
	TAP_NO_CASE,
};
