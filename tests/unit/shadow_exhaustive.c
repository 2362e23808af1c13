/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: every combination of entry bits, leaf size, mode and access, shadow against reference, in
 * every paging format.
 *
 * Entries: where all levels are present, every W, U, NX of every level; where one is absent, every
 * W, U, NX of the levels above it (those below are never read). Each with 24 modes (WP, NXE, SMEP,
 * and SMAP off, on with AC=0, on with AC=1), in 32-bit paging with PSE off and on, three kinds of
 * access and both privileges. A and D are clear at the start and compared at the end in every entry.
 * UMBRA_MODE_STRIDE=N takes every Nth mode only, for builds that are many times slower.
 * Read first: shadow_fixture.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/shadow_fixture.h"

#define MODES	24u
#define G_PML5	7
#define R_PSE	(1ull << 4)
#define R_PDPTE 2u /* which of the PDPTEs the address goes through */

static const unsigned table_of[] = {0, G_PT, G_PD, G_PDPT, G_PML4, G_PML5};
static const uint64_t kinds[] = {SH_READ, SH_WRITE, SH_FETCH};

/* A paging format, and the entries the address that is tried goes through. */
struct shape {
	const char *name;
	enum sh_format_id format;
	unsigned hardware; /* levels of the shadow tables */
	unsigned top;	   /* highest level whose entries are in memory */
	unsigned max_leaf;
	unsigned index[6];
	uint64_t cr4, efer;
};

/* In 32-bit paging the third quadrant of the directory and the second of the page table. */
#define BITS32 .format = SH_FMT_32, .top = 2, .max_leaf = 2, .index = {0, 515, 513}
#define PAE    .format = SH_FMT_PAE, .top = 2, .max_leaf = 2, .index = {0, 1, 1}, .cr4 = 1 << 5
#define LONG   .max_leaf = 3, .efer = 0x500
#define LVL4   .format = SH_FMT_4LVL, .top = 4, LONG, .cr4 = 1 << 5
#define LVL5   .format = SH_FMT_5LVL, .top = 5, LONG, .cr4 = 1 << 5 | 1 << 12

static const struct shape shapes[] = {
	{.name = "32-bit", BITS32, .hardware = 4},
	{.name = "32-bit on 5-level hardware", BITS32, .hardware = 5},
	{.name = "PAE", PAE, .hardware = 4},
	{.name = "PAE on 5-level hardware", PAE, .hardware = 5},
	{.name = "4-level", LVL4, .hardware = 4, .index = {0, 1, 1, 1, 1}},
	{.name = "4-level on 5-level hardware",
	 LVL4,
	 .hardware = 5,
	 .index = {0, 1, 1, 1, 300}},
	{.name = "5-level", LVL5, .hardware = 5, .index = {0, 1, 1, 1, 1, 1}},
};

/* Bits of rights in an entry: W, U and, in 8 bytes, NX. */
static unsigned rights_of(const struct shape *s)
{
	return sh_formats[s->format].entry_bytes == 4 ? 2 : 3;
}

/* Modes a set of entries is tried in; in 32-bit paging with CR4.PSE off and on. */
static unsigned modes_of(const struct shape *s)
{
	return s->format == SH_FMT_32 ? 2 * MODES : MODES;
}

static uint64_t va_of(const struct shape *s)
{
	const struct sh_format *f = &sh_formats[s->format];
	uint64_t va = f->levels > s->top ? R_PDPTE << f->level[f->levels].shift : 0;
	unsigned unused = 64u - f->va_bits;

	for (unsigned level = 1; level <= s->top; level++)
		va |= (uint64_t)s->index[level] << f->level[level].shift;
	return f->canonical ? (uint64_t)((int64_t)(va << unused) >> unused) : va;
}

struct combo {
	const struct shape *shape;
	uint64_t entry[6]; /* by level */
	unsigned leaf;	   /* level of the leaf */
};

static uint64_t bits_of(unsigned three)
{
	return (three & 1 ? PTE_W : 0) | (three & 2 ? PTE_U : 0) | (three & 4 ? PTE_NX : 0);
}

/* n counts through the W, U, NX of levels top..low, absent (0: none) is the level without P. */
static struct combo combo_of(const struct shape *s, unsigned leaf, unsigned low,
			     unsigned absent, unsigned n)
{
	unsigned rights = rights_of(s), mask = (1u << rights) - 1;
	struct combo c = {.shape = s, .leaf = leaf};

	for (unsigned level = s->top; level >= leaf; level--) {
		uint64_t to = level > leaf ? (uint64_t)table_of[level - 1] << 12
			      : leaf == 1  ? 0x80000
					   : 0;

		c.entry[level] = to | PTE_P;
		if (level >= low)
			c.entry[level] |= bits_of(n >> (rights * (level - low)) & mask);
		if (level == leaf && leaf > 1)
			c.entry[level] |= PTE_PS;
		if (level == absent)
			c.entry[level] &= ~PTE_P;
	}
	return c;
}

static struct sh_regs regs_of(const struct shape *s, unsigned mode, unsigned *ac)
{
	struct sh_regs r = fx_regs(table_of[s->top]);
	unsigned smap = mode / 8 % 3;

	r.cr0 &= mode & 1 ? ~0ull : ~R_WP;
	r.efer = s->efer | (mode & 2 ? R_NXE : 0);
	r.cr4 = s->cr4 | (mode & 4 ? R_SMEP : 0) | (smap ? R_SMAP : 0);
	r.cr4 |= mode / MODES ? R_PSE : 0;
	*ac = smap == 2 ? SH_AC : 0;
	r.pdpte[R_PDPTE] = fx_pte(G_PD, PTE_P);
	return r;
}

static uint64_t entry_at(const struct shape *s, unsigned level)
{
	return ((uint64_t)table_of[level] << 12) +
	       s->index[level] * sh_formats[s->format].entry_bytes;
}

static uint64_t get(struct fake *f, const struct shape *s, unsigned level)
{
	uint64_t v = 0;

	gmem_read(f->gm, GPA(entry_at(s, level)), &v, sh_formats[s->format].entry_bytes);
	return v;
}

/* Puts the entries back as they were before the last access. */
static void restore(struct fake *f, const struct combo *c)
{
	const struct shape *s = c->shape;

	for (unsigned level = s->top; level >= c->leaf; level--)
		if (get(f, s, level) != c->entry[level])
			sh_write(f->mmu, f->vcpu[0].v, GPA(entry_at(s, level)),
				 &c->entry[level], sh_formats[s->format].entry_bytes);
	fx_invlpg(f, 0, va_of(s));
}

static bool entries_are(struct fake *f, const struct combo *c, const struct mm_result *m)
{
	for (unsigned level = c->shape->top; level >= c->leaf; level--) {
		uint64_t want = c->entry[level];

		for (unsigned i = 0; i < m->marks && m->kind == MM_OK; i++)
			if (m->mark[i].pa == entry_at(c->shape, level))
				want |= m->mark[i].bits;
		if (get(f, c->shape, level) != want)
			return false;
	}
	return true;
}

static bool one(struct fake *f, const struct combo *c, unsigned mode, unsigned flags)
{
	struct mm_cpu cpu = fx_cpu(f, 0);
	struct mm_access a = fx_access_of(va_of(c->shape), flags);
	struct mm_result m;
	struct fake_result r;
	uint64_t v = 0;

	restore(f, c);
	m = mm_translate(&cpu, &a);
	if (flags & SH_WRITE &&
	    m.kind == MM_OK) /* don't write over the tables: store what is there */
		gmem_load64(f->gm, GPA(m.pa), &v);
	r = fake_access(f, 0, va_of(c->shape), flags, &v, 8);
	if (!r.tlb_hit && fx_agrees(f, &m, &r) && entries_are(f, c, &m))
		return true;
	fprintf(stderr,
		"%s: mode %u flags %#x entries %#lx %#lx %#lx %#lx %#lx: reference %d %#x "
		"%#lx, "
		"shadow %d %#x %#lx\n",
		c->shape->name, mode, flags, (unsigned long)c->entry[5],
		(unsigned long)c->entry[4], (unsigned long)c->entry[3],
		(unsigned long)c->entry[2], (unsigned long)c->entry[1], m.kind, m.error,
		(unsigned long)m.pa, r.kind, r.error, (unsigned long)r.gpa);
	return false;
}

/* All modes and accesses of one set of entries; returns whether one did not agree, and stops there. */
static unsigned all_accesses(struct fake *f, const struct combo *c, unsigned stride,
			     unsigned *ran)
{
	unsigned ac;

	for (unsigned mode = 0; mode < modes_of(c->shape); mode += stride) {
		struct sh_regs r = regs_of(c->shape, mode, &ac);

		fake_set_regs(f, 0, &r, true);
		for (unsigned k = 0; k < 6; k++) {
			unsigned flags = (unsigned)kinds[k % 3] | (k / 3 ? SH_USER : 0) | ac;

			(*ran)++;
			if (!one(f, c, mode, flags))
				return 1;
		}
	}
	return 0;
}

static void start(struct fake *f, const struct shape *s)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.tables = cfg.limit = 2048;
	cfg.levels = s->hardware;
	fx_start(f, &cfg);
}

static unsigned mode_stride(void)
{
	const char *n = getenv("UMBRA_MODE_STRIDE");

	return n && atoi(n) > 0 ? (unsigned)atoi(n) : 1;
}

static void all_rights(const struct shape *s)
{
	unsigned ran = 0, wrong = 0, stride = mode_stride();
	struct fake f;

	start(&f, s);
	for (unsigned leaf = 1; leaf <= s->max_leaf; leaf++) {
		/* low - 1 is the absent level; at low == leaf nothing is absent. */
		for (unsigned low = leaf; low <= s->top + 1; low++)
			for (unsigned n = 0;
			     n < 1u << rights_of(s) * (s->top + 1 - low) && wrong < 5; n++) {
				struct combo c =
					combo_of(s, leaf, low, low > leaf ? low - 1 : 0, n);

				wrong += all_accesses(&f, &c, stride, &ran);
			}
		fx_audit(&f);
	}
	printf("# %s: %u combinations of rights\n", s->name, ran);
	CU_ASSERT_EQUAL(wrong, 0);
	fx_end(&f);
}

static void all_of(enum sh_format_id format)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].format == format)
			all_rights(&shapes[i]);
}

static void test_32(void)
{
	all_of(SH_FMT_32);
}

static void test_pae(void)
{
	all_of(SH_FMT_PAE);
}

static void test_4(void)
{
	all_of(SH_FMT_4LVL);
}

static void test_5(void)
{
	all_of(SH_FMT_5LVL);
}

/* One bit that is perhaps reserved at a time, at each level and leaf size. */
static void reserved_bits(const struct shape *s)
{
	unsigned ran = 0, wrong = 0;
	struct fake f;

	start(&f, s);
	for (unsigned leaf = 1; leaf <= s->max_leaf; leaf++)
		for (unsigned level = leaf; level <= s->top; level++)
			for (unsigned bit = 7;
			     bit < 8u * sh_formats[s->format].entry_bytes && wrong < 5; bit++) {
				struct combo c = combo_of(s, leaf, 1, 0, 033333);

				if (level > 1 && level > leaf && bit == 7 && level < 4)
					continue; /* it would be another leaf size */
				if (bit >= 12 && bit < 40 && level > leaf)
					continue; /* another table */
				c.entry[level] |= 1ull << bit;
				wrong += all_accesses(&f, &c, 5, &ran);
			}
	printf("# %s: %u combinations of reserved bits\n", s->name, ran);
	CU_ASSERT_EQUAL(wrong, 0);
	fx_end(&f);
}

static void test_reserved(void)
{
	for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		reserved_bits(&shapes[i]);
}

/* CR4.PSE=0: PS of a directory entry of 32-bit paging is one more ignored bit. */
static void test_ps_ignored(void)
{
	unsigned ran = 0, wrong = 0, ac;
	struct fake f;

	start(&f, &shapes[0]);
	for (unsigned n = 0; n < 16; n++) {
		struct combo c = combo_of(&shapes[0], 1, 1, 0, n);

		c.entry[2] |= PTE_PS;
		for (unsigned mode = 0; mode < MODES; mode++) {
			struct sh_regs r = regs_of(&shapes[0], mode, &ac);

			fake_set_regs(&f, 0, &r, true);
			for (unsigned k = 0; k < 6; k++, ran++)
				wrong += !one(&f, &c, mode,
					      (unsigned)kinds[k % 3] | (k / 3 ? SH_USER : 0) |
						      ac);
		}
	}
	printf("# 32-bit: %u combinations with PS ignored\n", ran);
	CU_ASSERT_EQUAL(wrong, 0);
	fx_end(&f);
}

/* Paging off: no rights at all. */
static void test_none(void)
{
	unsigned ran = 0;
	struct fake f;

	fx_default(&f);
	for (unsigned mode = 0; mode < MODES; mode++) {
		unsigned ac;
		struct sh_regs r = regs_of(&shapes[0], mode, &ac);

		r.cr0 &= ~(1ull << 31);
		fake_set_regs(&f, 0, &r, true);
		for (unsigned k = 0; k < 6; k++, ran++)
			CU_ASSERT_EQUAL(
				fx_try(&f, 0, (G_DATA + k) << 12,
				       (unsigned)kinds[k % 3] | (k / 3 ? SH_USER : 0) | ac)
					.gpa,
				(G_DATA + k) << 12);
	}
	printf("# paging off: %u combinations\n", ran);
	fx_end(&f);
}

const struct tap_case suite_exhaustive[] = {
	{"paging off", test_none},
	{"32-bit: all rights, sizes, modes and accesses", test_32},
	{"PAE: all rights, sizes, modes and accesses", test_pae},
	{"4-level: all rights, sizes, modes and accesses", test_4},
	{"5-level: all rights, sizes, modes and accesses", test_5},
	{"reserved bits", test_reserved},
	{"PS without CR4.PSE", test_ps_ignored},
	{0},
};
