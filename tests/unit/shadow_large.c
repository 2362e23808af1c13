/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: large leaves. Where they are made, what they permit, what takes them away, and that a table
 * inside is never written past the monitor. Every access is held against the reference; the fake
 * hardware walks the leaves and objects to reserved bits. Read first: shadow_fixture.h,
 * shadow/large.c.
 */
#include "tests/unit/shadow_fixture.h"

#define MiB (1ull << 20)
#define GiB (1ull << 30)

#define R_PKE (1ull << 22)

static void start(struct fake *f, unsigned vcpus, uint64_t size)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.size = size;
	cfg.vcpus = vcpus;
	fx_start(f, &cfg);
}

static struct sh_stats stats(struct fake *f)
{
	struct sh_stats st;

	sh_mmu_stats(f->mmu, &st);
	return st;
}

/* Where the hardware's walk of va ends on vCPU's loaded root. */
static unsigned level_at(struct fake *f, unsigned vcpu, uint64_t va, uint64_t *spte)
{
	struct sh_path p;

	if (!sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA(va), &p))
		return 0;
	if (spte)
		*spte = p.spte[p.level];
	return p.spte[p.level] & PTE_P ? p.level : 0;
}

/* ---- where they are made ---- */
struct format_case {
	const char *name;
	unsigned hardware; /* levels */
	uint64_t cr4, efer;
	bool paging;
	uint64_t top, entry, size; /* the large entry and its bytes */
};

static const struct format_case formats[] = {
	{"4-level, 2 MiB", 4, 1 << 5, 0x500, true, 0, 2 * MiB, 2 * MiB},
	{"4-level on 5 levels", 5, 1 << 5, 0x500, true, 0, 2 * MiB, 2 * MiB},
	{"5-level, 2 MiB", 5, 1 << 5 | 1 << 12, 0x500, true, 5, 2 * MiB, 2 * MiB},
	{"PAE, 2 MiB", 4, 1 << 5, 0, true, 3, 2 * MiB, 2 * MiB},
	{"PAE on 5 levels", 5, 1 << 5, 0, true, 3, 2 * MiB, 2 * MiB},
	{"32-bit, 4 MiB", 4, 1 << 4, 0, true, 2, 4 * MiB, 4 * MiB},
	{"32-bit on 5 levels", 5, 1 << 4, 0, true, 2, 4 * MiB, 4 * MiB},
	{"paging off", 4, 0, 0, false, 0, 0, 0},
	{"paging off on 5 levels", 5, 0, 0, false, 0, 0, 0},
};

/* Frame 7 is the table above, or the directory with the large entry at 2 MiB or 4 MiB. */
static void build(struct fake *f, const struct format_case *c)
{
	uint64_t leaf = PTE_PS | T_RWUD | c->entry;

	if (c->top == 2)
		gmem_store(f->gm, GPA(7 << 12 | 4), leaf, 4);
	else
		fx_put(f, G_PD, 1, leaf);
	if (c->top == 5)
		fx_put(f, 7, 0, fx_pte(G_PML4, T_RWU));
}

static void load(struct fake *f, const struct format_case *c)
{
	struct sh_regs r = fx_regs(c->top == 5 || c->top == 2 ? 7 : G_PML4);

	r.cr4 = c->cr4;
	r.efer = c->efer | R_NXE;
	if (!c->paging)
		r.cr0 &= 0x7fffffff;
	if (c->top == 3)
		r.pdpte[0] = fx_pte(G_PD, PTE_P);
	fake_set_regs(f, 0, &r, true);
}

static void one_format(const struct format_case *c)
{
	struct fake_config cfg;
	struct fake f;
	uint64_t va = c->paging ? c->entry : 4 * MiB;

	fake_defaults(&cfg);
	cfg.size = 16 * MiB;
	cfg.levels = c->hardware;
	cfg.options.on[SH_OPT_DMAP] = false; /* without paging: direct pages, too */
	fx_start(&f, &cfg);
	build(&f, c);
	load(&f, c);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(fx_try(&f, 0, va + i * MiB + 0x45008, 0).kind, FAKE_OK);
		if (i * MiB + MiB < c->size || !c->paging)
			CU_ASSERT_EQUAL(level_at(&f, 0, va + i * MiB, NULL), 2);
		if (c->paging && (i + 1) * MiB == c->size)
			break;
		fx_store(&f, 0, va + i * MiB + 0x46010, 0, i);
	}
	CU_ASSERT_EQUAL(stats(&f).pages_2m, c->paging ? c->size / (2 * MiB) : 2);
	CU_ASSERT_EQUAL(stats(&f).pages_1g, 0);
	CU_ASSERT_EQUAL(stats(&f).pages_4k, 0);
	fx_end(&f);
}

static void test_formats(void)
{
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		one_format(&formats[i]);
}

/* 1 GiB of the guest's, with the hardware's 1-GByte entries and without. */
static void one_1g(bool hardware, bool paging)
{
	struct sh_regs r = fx_regs(G_PML4);
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.size = 2 * GiB;
	cfg.gb_pages = hardware;
	cfg.options.on[SH_OPT_DMAP] = false;
	fx_start(&f, &cfg);
	fx_put(&f, G_PDPT, 1, PTE_PS | T_RWUD | GiB);
	if (!paging)
		r.cr0 &= 0x7fffffff;
	fake_set_regs(&f, 0, &r, true);
	CU_ASSERT_EQUAL(fx_try(&f, 0, GiB + 0x12345678, 0).gpa, GiB + 0x12345678);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * GiB - 8, 0, 1).gpa, 2 * GiB - 8);
	CU_ASSERT_EQUAL(level_at(&f, 0, GiB, NULL), hardware ? 3 : 0);
	CU_ASSERT_EQUAL(stats(&f).pages_1g, hardware);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, hardware ? 0 : 2);
	fx_end(&f);
}

static void test_1g(void)
{
	one_1g(true, true);
	one_1g(true, false);
}

static void test_1g_hardware(void)
{
	one_1g(false, true);
	one_1g(false, false);
}

/* A page that reaches beyond RAM is mapped piece by piece. */
static void test_end_of_ram(void)
{
	struct fake f;

	start(&f, 1, 3 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 3 * MiB - 8, 0).kind, FAKE_OK);
	CU_ASSERT_EQUAL(level_at(&f, 0, 3 * MiB - 8, NULL), 1);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 3 * MiB + 8, 0).last, SH_FAULT_NO_RAM);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
	fx_end(&f);
}

static void test_off(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.options.on[SH_OPT_LARGE] = false;
	fx_start(&f, &cfg);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	fx_try(&f, 0, 2 * MiB, 0);
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, NULL), 1);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
	fx_end(&f);
}

/* ---- what they permit ---- */
static void test_dirty(void)
{
	uint64_t spte = 0;
	struct fake f;

	start(&f, 1, 8 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWU));
	fx_try(&f, 0, 2 * MiB, SH_USER);
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, &spte), 2);
	CU_ASSERT(!(spte & PTE_W));
	CU_ASSERT(!(fx_get(&f, G_PD, 1) & PTE_D));
	fx_store(&f, 0, 2 * MiB + 0x8000, SH_USER, 3);
	CU_ASSERT(fx_get(&f, G_PD, 1) & PTE_D);
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, &spte), 2);
	CU_ASSERT(spte & PTE_W);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_LARGE), 1); /* in place */
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 1);
	fx_end(&f);
}

/* Rights above and in the entry, both views, with and without WP and SMEP. */
static void test_rights(void)
{
	struct fake f;

	start(&f, 1, 8 * MiB);
	for (unsigned n = 0; n < 256; n++) {
		struct sh_regs r = fx_regs(G_PML4);

		r.cr0 ^= n & 64 ? R_WP : 0;
		r.cr4 |= n & 128 ? R_SMEP : 0;
		fx_put(&f, G_PDPT, 0,
		       fx_pte(G_PD, PTE_P | PTE_A | (n & 1 ? PTE_W : 0) | (n & 2 ? PTE_U : 0) |
					    (n & 4 ? PTE_NX : 0)));
		fx_put(&f, G_PD, 1,
		       PTE_PS | fx_pte(512, PTE_P | PTE_A | PTE_D | (n & 8 ? PTE_W : 0) |
						    (n & 16 ? PTE_U : 0) |
						    (n & 32 ? PTE_NX : 0)));
		fake_set_regs(&f, 0, &r, true);
		for (unsigned k = 0; k < 6; k++) {
			static const unsigned kind[] = {0, SH_WRITE, SH_FETCH};

			fx_try(&f, 0, 2 * MiB + 0x3000, kind[k % 3] | (k / 3 ? SH_USER : 0));
		}
		CU_ASSERT_EQUAL(stats(&f).pages_4k, 0);
	}
	CU_ASSERT(fx_stat(&f, SH_ST_LARGE) > 256);
	fx_end(&f);
}

static void test_keys(void)
{
	struct fake f;

	start(&f, 1, 8 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD) | 5ull << 59);
	for (unsigned n = 0; n < 8; n++) {
		struct sh_regs r = fx_regs(G_PML4);

		r.cr4 |= R_PKE;
		r.cr0 ^= n & 4 ? R_WP : 0;
		r.pkru = (n & 3) << 10;
		fake_set_regs(&f, 0, &r, true);
		for (unsigned k = 0; k < 6; k++) {
			static const unsigned kind[] = {0, SH_WRITE, SH_FETCH};

			fx_try(&f, 0, 2 * MiB + 0x3000, kind[k % 3] | (k / 3 ? SH_USER : 0));
		}
	}
	CU_ASSERT(fx_stat(&f, SH_ST_LARGE) > 4);
	fx_end(&f);
}

/* ---- writes to the entry ---- */
static void one_write(bool inplace)
{
	struct fake_config cfg;
	struct fake f;
	uint64_t spte;

	fake_defaults(&cfg);
	cfg.size = 8 * MiB;
	cfg.options.on[SH_OPT_INPLACE] = inplace;
	cfg.options.on[SH_OPT_FLOOD] = false;
	fx_start(&f, &cfg);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	fx_store(&f, 0, 2 * MiB, SH_USER, 1);
	/* Read only: updated, or gone until it is used. */
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD & ~PTE_W));
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, &spte), inplace ? 2 : 0);
	CU_ASSERT(!inplace || !(spte & PTE_W));
	fx_audit(&f);
	fx_invlpg(&f, 0, 2 * MiB);
	CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * MiB, SH_USER, 1).kind, FAKE_PF);
	/* Another frame, no frame, a table. */
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(1024, T_RWUD));
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, NULL), 0);
	fx_audit(&f);
	fx_invlpg(&f, 0, 2 * MiB);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB, 0).gpa, 4 * MiB);
	fx_put(&f, G_PD, 1, 0);
	fx_invlpg(&f, 0, 2 * MiB);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB, 0).kind, FAKE_PF);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(1024, T_RWUD));
	fx_try(&f, 0, 2 * MiB, 0);
	fx_put(&f, G_PD, 1, fx_pte(G_PT, T_RWU));
	fx_invlpg(&f, 0, 2 * MiB);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB, 0).gpa, (uint64_t)G_DATA << 12);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
	fx_end(&f);
}

static void test_entry_written(void)
{
	one_write(true);
	one_write(false);
}

/* By a device, on a thread that is no vCPU. */
static void test_outside_writer(void)
{
	uint64_t entry = PTE_PS | fx_pte(1024, T_RWUD), v = 0x1234;
	struct fake f;

	start(&f, 2, 8 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	fx_store(&f, 0, 2 * MiB, SH_USER, 1);
	fx_try(&f, 1, 2 * MiB, SH_USER);
	CU_ASSERT_EQUAL(sh_write(f.mmu, NULL, GPA(2 * MiB + 0x5000), &v, 8), 0);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 1);
	CU_ASSERT_EQUAL(sh_write(f.mmu, NULL, GPA((G_PD << 12) + 8), &entry, 8), 0);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
	fx_audit(&f);
	for (unsigned i = 0; i < 2; i++) {
		fx_invlpg(&f, i, 2 * MiB);
		CU_ASSERT_EQUAL(fx_try(&f, i, 2 * MiB, SH_USER).gpa, 4 * MiB);
	}
	fx_end(&f);
}

/* ---- tables inside ---- */

/* Entry 3 of the directory names a table at 2 MiB + 5 frames: walking it has it tracked. */
static void use_table(struct fake *f)
{
	fx_put(f, 512 + 5, 0, fx_pte(G_DATA + 1, T_RWUD));
	fx_put(f, G_PD, 3, fx_pte(512 + 5, T_RWU));
	fx_invlpg(f, 0, 6 * MiB);
	fx_try(f, 0, 6 * MiB, SH_USER);
}

/* Nothing names it any more, and it is written: it becomes data. */
static void leave_table(struct fake *f)
{
	uint64_t zero = 0;

	fx_put(f, G_PD, 3, 0);
	fx_invlpg(f, 0, 6 * MiB);
	sh_write(f->mmu, f->vcpu[0].v, GPA((512 + 5) << 12), &zero, 8);
	CU_ASSERT_FALSE(sh_is_tracked(f->mmu, GFN(512 + 5)));
}

static void test_track_inside(void)
{
	unsigned shootdowns;
	struct fake f;

	start(&f, 2, 8 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	/* Both have a writable translation of what will be the table. */
	for (unsigned i = 0; i < 2; i++)
		fx_store(&f, i, 2 * MiB + 0x5000, SH_USER, fx_pte(G_DATA + 1, T_RWUD));
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 1); /* of the view they share */
	fx_try(&f, 1, 2 * MiB, 0);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 2);
	shootdowns = f.shootdowns;
	use_table(&f);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(512 + 5)));
	CU_ASSERT(f.shootdowns > shootdowns);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_LARGE_SPLIT), 2);
	fx_audit(&f);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 6 * MiB, SH_USER).gpa, (G_DATA + 1ull) << 12);
	/* The other one writes the table: through the monitor. */
	CU_ASSERT(fx_store(&f, 1, 2 * MiB + 0x5000, SH_USER, fx_pte(G_DATA + 2, T_RWUD))
			  .emulated);
	fx_invlpg(&f, 0, 6 * MiB);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 6 * MiB, SH_USER).gpa, (G_DATA + 2ull) << 12);
	CU_ASSERT_FALSE(fx_store(&f, 1, 2 * MiB + 0x6000, SH_USER, 1).emulated);
	CU_ASSERT_EQUAL(level_at(&f, 1, 2 * MiB + 0x6000, NULL), 1);
	fx_end(&f);
}

/* A leaf that was dropped for another reason, and not yet flushed, counts as well. */
static void test_drop_then_track(void)
{
	struct fake f;

	start(&f, 2, 8 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	fx_store(&f, 1, 2 * MiB + 0x5000, SH_USER, fx_pte(G_DATA + 1, T_RWUD));
	fx_put(&f, G_PD, 1, 0);
	use_table(&f);
	/* Without a flush of its own vCPU 1 may still use the page, but not write the table. */
	for (uint64_t v = fx_pte(G_DATA + 7, T_RWUD), i = 0; i < 2; i++)
		fake_access(&f, 1, 2 * MiB + 0x5000, SH_USER | SH_WRITE, &v, 8);
	fx_end(&f);
}

static void test_tracked_before(void)
{
	struct fake f;

	start(&f, 1, 8 * MiB);
	use_table(&f);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 2 * MiB, SH_USER).kind, FAKE_OK);
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, NULL), 1);
	fx_audit(&f);
	CU_ASSERT(fx_store(&f, 0, 2 * MiB + 0x5000, SH_USER, 0).emulated);
	fx_end(&f);
}

static void faults_all_over(struct fake *f)
{
	for (unsigned i = 0; i < 16; i++)
		fx_store(f, 0, 2 * MiB + (uint64_t)i * 32 * 4096, SH_USER, i);
}

/* The last table inside goes: faults that still come make the region large. */
static void test_again(void)
{
	unsigned shootdowns;
	struct fake f;

	start(&f, 1, 8 * MiB);
	use_table(&f);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	fx_store(&f, 0, 2 * MiB, SH_USER, 1);
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, NULL), 1);
	leave_table(&f);
	fx_audit(&f);
	shootdowns = f.shootdowns;
	faults_all_over(&f);
	CU_ASSERT_EQUAL(level_at(&f, 0, 2 * MiB, NULL), 2);
	CU_ASSERT(f.shootdowns > shootdowns); /* the small translations are gone */
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 1);
	fx_end(&f);
}

/* Where tables come and go, large leaves are made ever less often, and at last no more. */
static void test_back_off(void)
{
	uint64_t made;
	struct fake f;

	start(&f, 1, 8 * MiB);
	fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWUD));
	faults_all_over(&f);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_LARGE), 1);
	for (unsigned i = 0; i < 100; i++) {
		use_table(&f);
		CU_ASSERT_EQUAL(stats(&f).pages_2m, 0);
		leave_table(&f);
		faults_all_over(&f);
	}
	made = fx_stat(&f, SH_ST_LARGE);
	CU_ASSERT(made >= 2 && made <= 5);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_LARGE_SPLIT) + stats(&f).pages_2m, made);
	fx_end(&f);
}

/* A 1-GByte leaf gives way to 2-MByte ones around the table. */
static void test_1g_split(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.size = 2 * GiB;
	fx_start(&f, &cfg);
	fx_put(&f, G_PDPT, 1, PTE_PS | T_RWUD | GiB);
	fx_store(&f, 0, GiB + 0x5000, SH_USER, fx_pte(G_DATA + 1, T_RWUD));
	CU_ASSERT_EQUAL(stats(&f).pages_1g, 1);
	fx_put(&f, G_PD, 3, fx_pte(GiB / 4096 + 5, T_RWU));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 6 * MiB, SH_USER).gpa, (G_DATA + 1ull) << 12);
	CU_ASSERT_EQUAL(stats(&f).pages_1g, 0);
	fx_store(&f, 0, GiB + 0x6000, SH_USER, 1);
	CU_ASSERT_EQUAL(level_at(&f, 0, GiB + 0x6000, NULL), 1);
	fx_store(&f, 0, GiB + 2 * MiB, SH_USER, 1);
	CU_ASSERT_EQUAL(level_at(&f, 0, GiB + 2 * MiB, NULL), 2);
	CU_ASSERT(fx_store(&f, 0, GiB + 0x5000, SH_USER, 0).emulated);
	CU_ASSERT_EQUAL(stats(&f).pages_2m, 1);
	fx_end(&f);
}

/* ---- tables with large leaves in them go ---- */
static void test_reclaim(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.size = 16 * MiB;
	cfg.limit = SH_MIN_TABLES;
	fx_start(&f, &cfg);
	/* Twenty address spaces of three tables and one large page each. */
	for (unsigned s = 0; s < 20; s++) {
		unsigned base = 100 + 4 * s;

		fx_put(&f, base, 0, fx_pte(base + 1, T_RWU));
		fx_put(&f, base + 1, 0, fx_pte(base + 2, T_RWU));
		fx_put(&f, base + 2, 2, PTE_PS | fx_pte(512 * (1 + s % 7), T_RWU));
	}
	for (unsigned i = 0; i < 200; i++) {
		unsigned s = i * 7 % 20;
		struct sh_regs r = fx_regs(100 + 4 * s);

		fake_set_regs(&f, 0, &r, true);
		CU_ASSERT_EQUAL(fx_store(&f, 0, 4 * MiB + 8ull * i, i & 1 ? SH_USER : 0, i).gpa,
				2 * MiB * (1 + s % 7) + 8 * i);
		if (i % 20 == 0)
			fx_audit(&f);
	}
	CU_ASSERT(fx_stat(&f, SH_ST_RECYCLED) > 100);
	CU_ASSERT_EQUAL(stats(&f).pages_4k, 0);
	CU_ASSERT(stats(&f).pages_2m > 0 && stats(&f).pages_2m < 10);
	fx_end(&f);
}

/* On KVM that shadows our tables, and with a processor that caches directory entries. */
static void test_hardware(void)
{
	for (unsigned n = 0; n < 4; n++) {
		unsigned frame = 512;
		struct fake_config cfg;
		struct fake f;

		fake_defaults(&cfg);
		cfg.size = 8 * MiB;
		cfg.gated = n & 1;
		cfg.pde_cache = cfg.tagged = n & 2;
		fx_start(&f, &cfg);
		fx_put(&f, G_PD, 1, PTE_PS | fx_pte(512, T_RWU));
		for (unsigned i = 0; i < 6; i++) {
			fx_try(&f, 0, 2 * MiB, 0);
			faults_all_over(&f);
			use_table(&f);
			CU_ASSERT_EQUAL(fx_store(&f, 0, 2 * MiB + 0x5000, 0, i).emulated,
					frame == 512);
			leave_table(&f);
			faults_all_over(&f);
			frame = 512 + 512 * (i & 1);
			fx_put(&f, G_PD, 1, PTE_PS | fx_pte(frame, T_RWU));
			fx_invlpg(&f, 0, 2 * MiB);
			sh_flush_all(f.vcpu[0].v);
		}
		CU_ASSERT(fx_stat(&f, SH_ST_LARGE) > 2);
		fx_end(&f);
	}
}

const struct tap_case suite_leaf[] = {
	{"in every paging format", test_formats},
	{"1 GiB in one leaf", test_1g},
	{"1 GiB on hardware without", test_1g_hardware},
	{"the end of RAM", test_end_of_ram},
	{"the option off", test_off},
	{"D of a large leaf", test_dirty},
	{"rights of a large leaf", test_rights},
	{"protection key of a large leaf", test_keys},
	{"the entry is written", test_entry_written},
	{"the entry is written from outside", test_outside_writer},
	{"a table inside a large leaf of two vCPUs", test_track_inside},
	{"a large leaf dropped, then a table in it", test_drop_then_track},
	{"a large page around a table", test_tracked_before},
	{"large again", test_again},
	{"tables that come and go", test_back_off},
	{"a table inside 1 GiB", test_1g_split},
	{"reclaim", test_reclaim},
	{"gated, and with a cache of directory entries", test_hardware},
	{0},
};
