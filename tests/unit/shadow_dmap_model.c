/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: the direct map against an array. A random run of changes in all forms is held against one
 * attribute word per page; after every one the counters must add up and the pages concerned must read
 * back, from the tables in memory. Also the self-test, and W^X at every moment.
 * Read first: shadow_dmap.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/shadow_dmap.h"

#define LIST 24u

struct model {
	struct fake f;
	uint64_t frames, rng;
	uint8_t *attr; /* by frame */
	uint8_t begin; /* attributes of all at first */
	uint64_t hot;  /* most changes fall into the first so many frames, and the last 2 MiB */
	bool wx;
};

static uint64_t rnd(struct model *m)
{
	m->rng ^= m->rng << 13;
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return m->rng;
}

static void model_start(struct model *m, struct fake_config *cfg, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->frames = cfg->size >> 12;
	m->rng = seed;
	m->begin = cfg->dmap.attr ? cfg->dmap.attr & 0xff : SH_DM_RWXU;
	m->wx = (m->begin & SH_DM_X) == 0;
	m->attr = malloc(m->frames);
	memset(m->attr, m->begin, m->frames);
	m->hot = m->frames;
	dmt_start(&m->f, cfg);
}

static unsigned attr_of_entry(uint64_t e, unsigned level)
{
	unsigned a = (e & 1 ? SH_DM_P : 0) | (e & 1 << 10 ? SH_DM_W : 0) |
		     (e & 4 ? SH_DM_U : 0) | (e & 8 ? SH_DM_PWT : 0) |
		     (e & 16 ? SH_DM_PCD : 0) | (e >> 63 ? 0 : SH_DM_X) |
		     (e & 1 << 9 ? SH_DM_PIN : 0);

	return a | (e >> (level > 1 ? 12 : 7) & 1 ? SH_DM_PAT : 0);
}

/* Frames whose entry is not what the array says. */
static unsigned differ(struct model *m, uint64_t first, uint64_t frames)
{
	unsigned level, wrong = 0;

	for (uint64_t i = first; i < first + frames && i < m->frames;) {
		uint64_t e = dmt_raw(&m->f, i, &level), n = 1ull << (9 * (level - 1));
		uint64_t in = i & (n - 1), base = (e & 0x000ffffffffff000ull) >> 12;

		if (((base & ~(n - 1)) | in) != i)
			wrong++;
		/* The hardware's W is what was asked for: no frame here is tracked. */
		if (!(e & 2) != !(e & 1 << 10))
			wrong++;
		for (uint64_t k = in; k < n && i < first + frames && i < m->frames; k++, i++)
			wrong += attr_of_entry(e, level) != m->attr[i];
	}
	return wrong;
}

struct op {
	enum sh_dmap_form form;
	uint64_t first, frames;
	unsigned n;
	uint64_t list[LIST];
	struct sh_dmap_req req;
};

static uint64_t somewhere(struct model *m)
{
	if (rnd(m) % 8 == 0)
		return m->frames - 1 - rnd(m) % M2;
	return rnd(m) % m->hot;
}

static uint64_t random_length(struct model *m)
{
	switch (rnd(m) % 6) {
	case 0:
		return M2;
	case 1:
		return 1 + rnd(m) % (2 * M2);
	case 2:
		return 1 + rnd(m) % 40;
	default:
		return 1;
	}
}

static void random_op(struct model *m, struct op *o)
{
	static const unsigned bits[] = {SH_DM_P,   SH_DM_W,   SH_DM_X,	 SH_DM_U,
					SH_DM_PWT, SH_DM_PCD, SH_DM_PAT, SH_DM_PIN};

	memset(o, 0, sizeof(*o));
	o->form = (enum sh_dmap_form)(rnd(m) % SH_DM_FORMS);
	o->first = somewhere(m);
	o->frames = random_length(m);
	if (o->frames >= M2)
		o->first &= ~(M2 - 1);
	if (o->frames > m->frames - o->first)
		o->frames = m->frames - o->first;
	o->n = 1 + rnd(m) % LIST;
	for (unsigned i = 0; i < o->n; i++)
		o->list[i] = somewhere(m);
	if (rnd(m) % 5 == 0) { /* as it was in the beginning, so that large pages come back */
		o->req.set = m->begin;
		o->req.clear = SH_DM_ALL & ~m->begin;
		return;
	}
	*(rnd(m) % 2 ? &o->req.set : &o->req.clear) = bits[rnd(m) % 8];
	if (rnd(m) % 3 == 0)
		o->req.clear |= bits[rnd(m) % 8];
}

static uint64_t elements(const struct op *o)
{
	return o->form == SH_DM_RANGE ? o->frames : o->n;
}

static int carry_out(struct model *m, struct op *o)
{
	struct sh_mmu *mmu = m->f.mmu;
	struct sh_vcpu *v = m->f.vcpu[0].v;
	gva_t at[LIST];
	mfn_t mfn[LIST];

	for (unsigned i = 0; i < o->n; i++) {
		at[i] = GVA(o->list[i] << 12 | (o->list[i] & 0xfff));
		mfn[i] = gmem_mfn(m->f.gm, GFN(o->list[i]));
	}
	if (o->form == SH_DM_RANGE)
		return sh_dmap_change(mmu, v, GFN(o->first), o->frames, &o->req);
	if (o->form == SH_DM_ARRAY)
		return sh_dmap_change_array(mmu, v, at, o->n, &o->req);
	return sh_dmap_change_frames(mmu, v, mfn, o->n, &o->req);
}

static uint64_t element(const struct op *o, uint64_t i)
{
	return o->form == SH_DM_RANGE ? o->first + i : o->list[i];
}

/* What the array says of the request: how many elements are done, and the result. */
static int expect(struct model *m, const struct op *o, uint64_t *done)
{
	for (*done = 0; *done < elements(o); ++*done) {
		uint8_t *a = &m->attr[element(o, *done)];
		unsigned want = (*a & ~o->req.clear) | o->req.set;

		if (m->wx && want != *a && want & SH_DM_W && want & SH_DM_X)
			return -EACCES;
		*a = want & 0xff;
	}
	return 0;
}

static bool run_op(struct model *m)
{
	unsigned wrong = 0;
	struct op o;
	uint64_t done;
	int err;

	random_op(m, &o);
	err = carry_out(m, &o);
	if (err != expect(m, &o, &done) || o.req.done != done)
		return false;
	if (o.form == SH_DM_RANGE)
		wrong = differ(m, o.first, o.frames);
	for (uint64_t i = 0; i < elements(&o) && o.form != SH_DM_RANGE; i++)
		wrong += differ(m, element(&o, i), 1);
	dmt_conserved(&m->f, false);
	return !wrong;
}

static void run(struct model *m, unsigned ops, unsigned deep)
{
	unsigned i;

	for (i = 0; i < ops && run_op(m); i++)
		if (i % deep == 0) {
			dmt_conserved(&m->f, true);
			CU_ASSERT_EQUAL(differ(m, 0, m->frames), 0);
		}
	CU_ASSERT_EQUAL(i, ops);
	CU_ASSERT_EQUAL(differ(m, 0, m->frames), 0);
	dmt_conserved(&m->f, true);
	fx_end(&m->f);
	free(m->attr);
}

static void test_random(void)
{
	struct fake_config cfg;
	struct model m;

	dmt_config(&cfg, 8 * BIGM + 5 * 4096);
	model_start(&m, &cfg, 77);
	run(&m, 90000, 64);
}

/* With a 1-GByte page, most of it left in peace. */
static void test_random_1g(void)
{
	struct fake_config cfg;
	struct model m;

	dmt_config(&cfg, (1ull << 30) + 4 * BIGM);
	model_start(&m, &cfg, 78);
	m.hot = 6 * M2;
	run(&m, 10000, 2000);
	dmt_config(&cfg, (1ull << 30) + 4 * BIGM);
	cfg.gb_pages = false;
	cfg.gated = true;
	model_start(&m, &cfg, 79);
	m.hot = 6 * M2;
	run(&m, 2000, 1000);
}

/* The same requests in another order of W and X are refused or not, but never both. */
static void scan(void *ctx)
{
	struct model *m = ctx;
	struct sh_wx wx;

	sh_wx_scan(m->f.mmu, &wx);
	CU_ASSERT_EQUAL(wx.wx, 0);
	CU_ASSERT_EQUAL(wx.wx_alias, 0);
	CU_ASSERT(wx.leaves > 0 || dmt_stats(&m->f).holes > 0);
}

/* With mmu->lock held: what the hardware would find in the tables. */
static void scan_tables(void *ctx)
{
	struct model *m = ctx;
	unsigned level, both = 0;

	for (uint64_t i = 0; i < m->frames; i++) {
		uint64_t e = dmt_raw(&m->f, i, &level);

		both += (e & 3) == 3 && !(e >> 63);
	}
	CU_ASSERT_EQUAL(both, 0);
}

static void test_wx(void)
{
	struct fake_config cfg;
	unsigned refused = 0;
	struct model m;
	struct sh_wx wx;

	dmt_config(&cfg, 4 * BIGM);
	cfg.dmap.attr = SH_DM_P | SH_DM_W | SH_DM_U;
	model_start(&m, &cfg, 80);
	m.f.ctx = &m;
	m.f.on_shootdown = scan_tables; /* in the middle of things */
	for (unsigned i = 0; i < 3000; i++) {
		struct op o;
		uint64_t done;
		int err;

		random_op(&m, &o);
		err = carry_out(&m, &o);
		CU_ASSERT_EQUAL(err, expect(&m, &o, &done));
		CU_ASSERT_EQUAL(o.req.done, done);
		refused += err == -EACCES;
		scan(&m);
	}
	CU_ASSERT(refused > 100);
	m.f.on_shootdown = NULL;
	fx_end(&m.f);
	free(m.attr);
	/* A map with all rights is full of them: the scan sees what there is. */
	dmt_config(&cfg, 4 * BIGM);
	dmt_start(&m.f, &cfg);
	sh_wx_scan(m.f.mmu, &wx);
	CU_ASSERT_EQUAL(wx.wx, 1024);
	fx_end(&m.f);
}

/* All there is to know of each page, before and after. */
static void selftest(enum sh_dmap_form form, unsigned bit)
{
	const uint64_t frames = 4 * M2;
	struct sh_dmap_page *before = calloc(frames, sizeof(*before));
	struct sh_dmap_selftest t = {
		.form = form, .first = GFN(0), .frames = frames, .bit = bit, .rounds = 2};
	struct sh_dmap_stats a, b;
	struct fake_config cfg;
	unsigned wrong = 0;
	struct fake f;

	dmt_config(&cfg, frames << 12);
	dmt_start(&f, &cfg);
	dmt_change(&f, M2 + 3, 2, SH_DM_PIN, 0); /* large pages and small ones */
	for (uint64_t i = 0; i < frames; i++)
		before[i] = dmt_look(&f, i);
	a = dmt_stats(&f);
	t.seed = 5 + form;
	if (bit == SH_DM_PIN)
		t.first = GFN(2 * M2), t.frames = 2 * M2;
	CU_ASSERT_EQUAL(sh_dmap_selftest(f.mmu, f.vcpu[0].v, &t), 0);
	CU_ASSERT_EQUAL(t.pages, 2 * 2 * t.frames);
	b = dmt_stats(&f);
	CU_ASSERT(b.splits[2] > a.splits[2]);
	CU_ASSERT_EQUAL(b.splits[2] - a.splits[2], b.collapses[2] - a.collapses[2]);
	for (uint64_t i = 0; i < frames; i++) {
		struct sh_dmap_page now = dmt_look(&f, i);

		wrong += now.level != before[i].level || now.entry != before[i].entry;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	dmt_conserved(&f, true);
	fx_end(&f);
	free(before);
}

static void test_selftest(void)
{
	for (unsigned form = 0; form < SH_DM_FORMS; form++) {
		selftest((enum sh_dmap_form)form, SH_DM_PWT);
		selftest((enum sh_dmap_form)form, SH_DM_PAT);
		selftest((enum sh_dmap_form)form, SH_DM_PIN);
	}
}

/* It finds what it is there to find: a page that has the bit all along. */
static void test_selftest_finds(void)
{
	struct sh_dmap_selftest t = {
		.frames = 2 * M2, .bit = SH_DM_PCD, .rounds = 1, .seed = 3};
	struct fake_config cfg;
	struct fake f;

	dmt_config(&cfg, 4 * M2 << 12);
	dmt_start(&f, &cfg);
	CU_ASSERT_EQUAL(sh_dmap_selftest(f.mmu, NULL, &t), 0);
	/* Some piece ends next to it, or it is one that is cleared and was not to be. */
	dmt_change(&f, 0, 2 * M2, SH_DM_PCD, 0);
	CU_ASSERT_EQUAL(sh_dmap_selftest(f.mmu, NULL, &t), -EIO);
	t.bit = 3;
	CU_ASSERT_EQUAL(sh_dmap_selftest(f.mmu, NULL, &t), -EINVAL);
	fx_end(&f);
}

/* Counters that say what happened, not what is there: told from the entries before and after. */
struct seen {
	uint64_t same[4], whole[4], splits[4], joins[4], checked;
};

static void expect_one(struct model *m, uint64_t frame, unsigned want, struct seen *s)
{
	unsigned level, now;
	uint64_t e = dmt_raw(&m->f, frame, &level);

	s->checked++;
	if (attr_of_entry(e, level) == want) {
		s->same[level]++;
		return;
	}
	for (now = level; now > 1; now--, s->checked++)
		s->splits[now]++;
}

static void test_counters(void)
{
	struct fake_config cfg;
	struct seen s = {.checked = 0};
	struct sh_dmap_stats st;
	unsigned level;
	struct model m;

	dmt_config(&cfg, (1ull << 30) + 4 * BIGM);
	cfg.options.on[SH_OPT_COLLAPSE] = false;
	model_start(&m, &cfg, 90);
	for (unsigned i = 0; i < 4000; i++) {
		uint64_t frame = rnd(&m) % 3 ? rnd(&m) % (8 * M2) : G1 + rnd(&m) % (2 * M2);
		unsigned bit = rnd(&m) % 2 ? SH_DM_PCD : SH_DM_P, on = rnd(&m) % 2;
		unsigned want = on ? m.attr[frame] | bit : m.attr[frame] & ~bit;

		expect_one(&m, frame, want, &s);
		dmt_change(&m.f, frame, 1, on ? bit : 0, on ? 0 : bit);
		m.attr[frame] = want & 0xff;
		if (i % 100)
			continue;
		frame = rnd(&m) % 2 * M2;
		dmt_raw(&m.f, frame, &level);
		if (level != 2)
			continue;
		s.checked++;
		if (m.attr[frame] & SH_DM_X)
			s.whole[2]++;
		else
			s.same[2]++;
		for (uint64_t k = frame; k < frame + M2; k++)
			m.attr[k] &= ~SH_DM_X & 0xff;
		dmt_change(&m.f, frame, M2, 0, SH_DM_X);
	}
	st = dmt_stats(&m.f);
	CU_ASSERT_EQUAL(st.checked, s.checked);
	for (unsigned l = 1; l <= 3; l++) {
		CU_ASSERT_EQUAL(st.sameprot[l], s.same[l]);
		CU_ASSERT_EQUAL(st.splits[l], s.splits[l]);
		CU_ASSERT_EQUAL(st.preserved[l], s.whole[l]);
		CU_ASSERT_EQUAL(st.collapses[l], 0);
	}
	CU_ASSERT_EQUAL(st.splits[3], 1);
	CU_ASSERT_EQUAL(st.splits[2], 10);
	CU_ASSERT_EQUAL(st.splits_lost, 0);
	dmt_conserved(&m.f, true);
	dmt_change(&m.f, 0, m.frames, m.begin, SH_DM_ALL & ~m.begin);
	CU_ASSERT_EQUAL(sh_dmap_collapse(m.f.mmu, NULL), 11);
	st = dmt_stats(&m.f);
	CU_ASSERT_EQUAL(st.collapses[2], 10);
	CU_ASSERT_EQUAL(st.collapses[3], 1);
	dmt_conserved(&m.f, true);
	fx_end(&m.f);
	free(m.attr);
}

const struct tap_case suite_dmap_model[] = {
	{"PA-4: 90,000 random changes against an array", test_random},
	{"PA-4: 12,000 random changes around a 1-GiB page", test_random_1g},
	{"PA-5: the self-test in three forms leaves the map as it was", test_selftest},
	{"PA-5: the self-test finds a page that is not as it should be", test_selftest_finds},
	{"PA-20: every counter against a recount", test_counters},
	{"PA-19: never writable and executable", test_wx},
	TAP_NO_CASE,
};
