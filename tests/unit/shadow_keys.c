/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: protection keys of user and supervisor pages, against the reference: every rights pair of
 * a key x key x U x W x WP x PKE x PKS x SMAP x access, implicit ones included, for small and large
 * pages; the registers change without a flush. Read first: shadow_fixture.h.
 */
#include <stdio.h>

#include "tests/unit/shadow_fixture.h"

#define R_PKE (1ull << 22)
#define R_PKS (1ull << 24)

static struct sh_regs regs_of(unsigned n, unsigned key, bool five)
{
	struct sh_regs r = fx_regs(five ? 7 : G_PML4);

	r.cr4 |= (n & 1 ? R_PKE : 0) | (n & 2 ? R_PKS : 0) | (n & 8 ? R_SMAP : 0) |
		 (five ? 1ull << 12 : 0);
	r.cr0 &= n & 4 ? ~0ull : ~R_WP;
	r.pkru = (n >> 4 & 3) << 2 * key;
	r.pkrs = (n >> 6 & 3) << 2 * key;
	return r;
}

static void accesses(struct fake *f, uint64_t va, unsigned *ran)
{
	static const unsigned kinds[] = {SH_READ, SH_WRITE, SH_FETCH};

	for (unsigned k = 0; k < 12; k++, (*ran)++)
		fx_try(f, 0, va,
		       kinds[k % 3] | (k / 3 & 1 ? SH_USER : 0) | (k / 6 ? SH_AC : 0));
}

/* Implicit supervisor accesses, to a descriptor table say: software makes them, so it is the walk
 * that is held against the reference. */
static void implicit(struct fake *f, uint64_t va, unsigned *ran)
{
	for (unsigned k = 0; k < 8; k++, (*ran)++) {
		unsigned flags = SH_IMPLICIT | (k & 1 ? SH_WRITE : 0) | (k & 2 ? SH_USER : 0) |
				 (k & 4 ? SH_AC : 0);
		struct mm_cpu cpu = fx_cpu(f, 0);
		struct mm_access a = fx_access_of(va, flags);
		struct mm_result m = mm_translate(&cpu, &a);
		struct sh_walk w;
		enum sh_walk_result r = sh_translate(f->vcpu[0].v, GVA(va), flags, &w);

		if (m.kind == MM_OK)
			CU_ASSERT(r == SH_WALK_OK && w.gpa.v == m.pa);
		if (m.kind == MM_PF)
			CU_ASSERT(r == SH_WALK_FAULT && w.error == m.error);
	}
}

static void all(bool five)
{
	static const unsigned keys[] = {0, 5, 15};
	struct fake_config cfg;
	struct fake f;
	unsigned ran = 0;

	fake_defaults(&cfg);
	cfg.tables = cfg.limit = 4096;
	cfg.levels = five ? 5 : 4;
	fx_start(&f, &cfg);
	fx_put(&f, 7, 0, fx_pte(G_PML4, T_RWU));
	for (unsigned e = 0; e < 24; e++) {
		unsigned key = keys[e % 3];
		uint64_t bits = PTE_P | PTE_A | PTE_D | (e / 3 & 1 ? PTE_U : 0) |
				(e / 6 & 1 ? PTE_W : 0) | (uint64_t)key << 59;
		uint64_t va = e / 12 ? 0x200000 : 0x1000;

		if (e / 12)
			fx_put(&f, G_PD, 1, bits | PTE_PS);
		else
			fx_put(&f, G_PT, 1, fx_pte(G_DATA, bits));
		/* The large page is frame 0 and up: leave the tables in it alone. */
		va += e / 12 ? 0x80000 : 0;
		for (unsigned n = 0; n < 256; n++) {
			struct sh_regs r = regs_of(n, key, five);

			fake_set_regs(&f, 0, &r, n % 16 == 0 || n % 16 >= 4);
			fx_invlpg(&f, 0, va);
			accesses(&f, va, &ran);
			implicit(&f, va, &ran);
		}
	}
	printf("# %s: %u combinations of keys\n", five ? "5-level" : "4-level", ran);
	fx_end(&f);
}

static void test_keys(void)
{
	all(false);
}

static void test_keys5(void)
{
	all(true);
}

const struct tap_case suite_keys[] = {
	{"protection keys against the reference", test_keys},
	{"protection keys in 5-level paging", test_keys5},
	{0},
};
