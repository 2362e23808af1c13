/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: every combination of entry bits, leaf size, mode and access, shadow against reference.
 *
 * Entries: where all levels are present, every W, U, NX of every level; where one is absent, every
 * W, U, NX of the levels above it (those below are never read). Each with 24 modes (WP, NXE, SMEP,
 * and SMAP off, on with AC=0, on with AC=1), three kinds of access and both privileges. A and D are
 * clear at the start and compared at the end in every entry. Read first: shadow_fixture.h.
 */
#include <stdio.h>

#include "tests/unit/shadow_fixture.h"

#define VA    ((1ull << 39) | (1ull << 30) | (1ull << 21) | (1ull << 12))
#define MODES 24u

static const unsigned table_of[] = {0, G_PT, G_PD, G_PDPT, G_PML4};
static const uint64_t kinds[] = {SH_READ, SH_WRITE, SH_FETCH};

struct combo {
	uint64_t entry[5]; /* by level */
	unsigned leaf;	   /* level of the leaf */
};

static uint64_t bits_of(unsigned three)
{
	return (three & 1 ? PTE_W : 0) | (three & 2 ? PTE_U : 0) | (three & 4 ? PTE_NX : 0);
}

/* n counts through the W, U, NX of levels 4..low, absent (0: none) is the level without P. */
static struct combo combo_of(unsigned leaf, unsigned low, unsigned absent, unsigned n)
{
	struct combo c = {.leaf = leaf};

	for (unsigned level = 4; level >= leaf; level--) {
		uint64_t to = level > leaf ? (uint64_t)table_of[level - 1] << 12
			      : leaf == 1  ? 0x80000
					   : 0;

		c.entry[level] = to | PTE_P;
		if (level >= low)
			c.entry[level] |= bits_of(n >> (3 * (level - low)) & 7);
		if (level == leaf && leaf > 1)
			c.entry[level] |= PTE_PS;
		if (level == absent)
			c.entry[level] &= ~PTE_P;
	}
	return c;
}

static struct sh_regs regs_of(unsigned mode, unsigned *ac)
{
	struct sh_regs r = fx_regs(G_PML4);
	unsigned smap = mode >> 3;

	r.cr0 &= mode & 1 ? ~0ull : ~R_WP;
	r.efer &= mode & 2 ? ~0ull : ~R_NXE;
	r.cr4 |= mode & 4 ? R_SMEP : 0;
	r.cr4 |= smap ? R_SMAP : 0;
	*ac = smap == 2 ? SH_AC : 0;
	return r;
}

/* Puts the entries back as they were before the last access. */
static void restore(struct fake *f, const struct combo *c)
{
	for (unsigned level = 4; level >= c->leaf; level--)
		if (fx_get(f, table_of[level], 1) != c->entry[level])
			sh_write(f->mmu, f->vcpu[0].v,
				 GPA(((uint64_t)table_of[level] << 12) + 8), &c->entry[level],
				 8);
	fx_invlpg(f, 0, VA);
}

static bool entries_are(struct fake *f, const struct combo *c, const struct mm_result *m)
{
	for (unsigned level = 4; level >= c->leaf; level--) {
		uint64_t want = c->entry[level];

		for (unsigned i = 0; i < m->marks && m->kind == MM_OK; i++)
			if (m->mark[i].pa == ((uint64_t)table_of[level] << 12) + 8)
				want |= m->mark[i].bits;
		if (fx_get(f, table_of[level], 1) != want)
			return false;
	}
	return true;
}

static bool one(struct fake *f, const struct combo *c, unsigned mode, unsigned flags)
{
	struct mm_cpu cpu = fx_cpu(f, 0);
	struct mm_access a = fx_access_of(VA, flags);
	struct mm_result m;
	struct fake_result r;
	uint64_t v = 0;

	restore(f, c);
	m = mm_translate(&cpu, &a);
	fx_get(f, G_DATA, 0);
	if (flags & SH_WRITE &&
	    m.kind == MM_OK) /* don't write over the tables: store what is there */
		gmem_load64(f->gm, GPA(m.pa), &v);
	r = fake_access(f, 0, VA, flags, &v, 8);
	if (!r.tlb_hit && fx_agrees(f, &m, &r) && entries_are(f, c, &m))
		return true;
	fprintf(stderr,
		"mode %u flags %#x entries %#lx %#lx %#lx %#lx: reference %d %#x %#lx, "
		"shadow %d %#x %#lx\n",
		mode, flags, (unsigned long)c->entry[4], (unsigned long)c->entry[3],
		(unsigned long)c->entry[2], (unsigned long)c->entry[1], m.kind, m.error,
		(unsigned long)m.pa, r.kind, r.error, (unsigned long)r.gpa);
	return false;
}

/* All modes and accesses of one set of entries; returns how many agreed, stops at the first that
 * does not. */
static unsigned all_accesses(struct fake *f, const struct combo *c, unsigned stride,
			     unsigned *ran)
{
	unsigned ac;

	for (unsigned mode = 0; mode < MODES; mode += stride) {
		struct sh_regs r = regs_of(mode, &ac);

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

static void test_all(void)
{
	unsigned ran = 0, wrong = 0;
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.tables = cfg.limit = 2048;
	fx_start(&f, &cfg);
	for (unsigned leaf = 1; leaf <= 3; leaf++) {
		/* low - 1 is the absent level; at low == leaf nothing is absent. */
		for (unsigned low = leaf; low <= 5; low++)
			for (unsigned n = 0; n < 1u << 3 * (5 - low) && wrong < 5; n++) {
				struct combo c =
					combo_of(leaf, low, low > leaf ? low - 1 : 0, n);

				wrong += all_accesses(&f, &c, 1, &ran);
			}
		fx_audit(&f);
	}
	printf("# %u combinations\n", ran);
	CU_ASSERT_EQUAL(wrong, 0);
	fx_end(&f);
}

/* One reserved bit at a time, at each level and leaf size. */
static void test_reserved(void)
{
	unsigned ran = 0, wrong = 0;
	struct fake f;

	fx_default(&f);
	for (unsigned leaf = 1; leaf <= 3; leaf++)
		for (unsigned level = leaf; level <= 4; level++)
			for (unsigned bit = 7; bit < 64 && wrong < 5; bit++) {
				struct combo c = combo_of(leaf, 1, 0, 03333);

				if (level > 1 && level > leaf && bit == 7 && level < 4)
					continue; /* it would be another leaf size */
				if (bit >= 12 && bit < 40 && level > leaf)
					continue; /* another table */
				c.entry[level] |= 1ull << bit;
				wrong += all_accesses(&f, &c, 5, &ran);
			}
	printf("# %u combinations\n", ran);
	CU_ASSERT_EQUAL(wrong, 0);
	fx_end(&f);
}

const struct tap_case suite_exhaustive[] = {
	{"all rights, sizes, modes and accesses", test_all},
	{"reserved bits", test_reserved},
	{0},
};
