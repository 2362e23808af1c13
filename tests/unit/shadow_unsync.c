/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables that the guest writes without a fault, and when shadow entries have to be in step again.
 * What the hardware gets to see is held against the reference wherever the architecture leaves no
 * room. Read first: shadow_fixture.h, shadow/unsync.h.
 */
#include <CUnit/CUnit.h>

#include "shadow/unsync.h"
#include "tests/unit/shadow_modes.h"
#include "tests/unit/tap.h"

#define PCIDE (1ull << 17)

/* Every frame t is at WINDOW + t * 4096, writable for the kernel, by a table of its own. */
#define WINDOW (2ull << 20)

enum { OTHER = 600, OTHER_PDPT, OTHER_PD, OTHER_PT };

static void start(struct fake *f, unsigned vcpus)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.tagged = true; /* so that a change of root is no flush */
	cfg.vcpus = vcpus;
	fx_start(f, &cfg);
	fx_put(f, G_PD, 1, fx_pte(G_PT_B, T_RWU));
	for (unsigned t = 0; t < 512; t++)
		fx_put(f, G_PT_B, t, fx_pte(t, T_RW | PTE_D));
}

/* The guest's own store of an entry; true if it needed no emulation. */
static bool poke(struct fake *f, unsigned table, unsigned index, uint64_t entry)
{
	struct fake_result r =
		fx_store(f, 0, WINDOW + (uint64_t)table * 4096 + index * 8ull, 0, entry);

	CU_ASSERT_EQUAL(r.kind, FAKE_OK);
	return !r.emulated;
}

/* G_PT is shadowed, and unsync after this. */
static void let_go(struct fake *f)
{
	fx_try(f, 0, 0x1000, 0);
	fx_try(f, 0, 0x2000, 0);
	CU_ASSERT_FALSE(poke(f, G_PT, 200, 0));
	CU_ASSERT(poke(f, G_PT, 201, 0));
	CU_ASSERT_EQUAL(fx_stat(f, SH_ST_UNSYNC), 1);
	CU_ASSERT_FALSE(sh_is_tracked(f->mmu, GFN(G_PT)));
	fx_audit(f);
}

static uint64_t frame(struct fake *f, uint64_t va)
{
	return fx_try(f, 0, va, 0).gpa >> 12;
}

static void test_invlpg(void)
{
	struct fake f;

	start(&f, 1);
	let_go(&f);
	CU_ASSERT(poke(&f, G_PT, 1, fx_pte(G_DATA + 9, T_RWU)));
	CU_ASSERT(poke(&f, G_PT, 2, fx_pte(G_DATA + 10, T_RWU)));
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 9);
	fx_audit(&f);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC_ENTRY), 1);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC), 0);
	fx_invlpg(&f, 0, 0x2000);
	CU_ASSERT_EQUAL(frame(&f, 0x2000), G_DATA + 10);
	fx_end(&f);
}

static void test_mov_cr3(void)
{
	struct sh_regs r = fx_regs(G_PML4);
	struct fake f;

	start(&f, 1);
	let_go(&f);
	CU_ASSERT(poke(&f, G_PT, 1, fx_pte(G_DATA + 9, T_RWU)));
	CU_ASSERT(poke(&f, G_PT, 2, 0));
	fake_set_regs(&f, 0, &r, SH_FLUSH_CURRENT);
	CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 9);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x2000, 0).kind, FAKE_PF);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC), 1);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC_ENTRY), 2);
	fx_end(&f);
}

/* A new way to the table needs no flush, so nothing old may be found by it. */
static void test_link(void)
{
	struct fake f;

	for (unsigned level = 2; level <= 3; level++) {
		uint64_t alias = (level == 2 ? 12ull << 21 : 5ull << 30);

		start(&f, 1);
		let_go(&f);
		CU_ASSERT(poke(&f, G_PT, 1, fx_pte(G_DATA + 9, T_RWU)));
		if (level == 2)
			fx_put(&f, G_PD, 12, fx_pte(G_PT, T_RWU));
		else
			fx_put(&f, G_PDPT, 5, fx_pte(G_PD, T_RWU));
		fx_try(&f, 0, alias + 0x2000, 0);
		CU_ASSERT_EQUAL(frame(&f, alias + 0x1000), G_DATA + 9);
		fx_end(&f);
	}
}

static void test_two_roles(void)
{
	struct fake f;

	start(&f, 1);
	fx_try(&f, 0, 0x1000, SH_USER);
	let_go(&f);
	CU_ASSERT(poke(&f, G_PT, 1, fx_pte(G_DATA + 9, T_RWU)));
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 9);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).gpa >> 12, G_DATA + 9);
	fx_end(&f);
}

/* From one value to another and back, with a fault between: equal to the snapshot, but not so the
 * shadow entry. */
static void test_there_and_back(void)
{
	struct fake f;

	start(&f, 1);
	fx_put(&f, G_PT, 40, fx_pte(G_DATA + 4, T_RWU));
	let_go(&f);
	CU_ASSERT(poke(&f, G_PT, 40, fx_pte(G_DATA + 9, T_RWU)));
	CU_ASSERT(poke(&f, G_PT, 41, fx_pte(G_DATA + 8, T_RWU)));
	CU_ASSERT_EQUAL(frame(&f, 41 << 12), G_DATA + 8); /* and its neighbour is filled */
	CU_ASSERT(poke(&f, G_PT, 40, fx_pte(G_DATA + 4, T_RWU)));
	fx_audit(&f);
	fx_invlpg(&f, 0, 40 << 12);
	CU_ASSERT_EQUAL(frame(&f, 40 << 12), G_DATA + 4);
	fx_end(&f);
}

/* An unsync table becomes a directory: tracked again, and in step. */
static void test_becomes_upper(void)
{
	struct fake f;

	start(&f, 1);
	let_go(&f);
	fx_try(&f, 0, 0x3000, 0);
	CU_ASSERT(poke(&f, G_PT, 2, fx_pte(G_DATA + 10, T_RWU)));
	CU_ASSERT(poke(&f, G_PT, 3, 0));
	fx_put(&f, G_DATA + 1, 0, fx_pte(G_DATA + 12, T_RWU));
	fx_put(&f, G_PDPT, 5, fx_pte(G_PT, T_RWU));
	CU_ASSERT_EQUAL(frame(&f, (5ull << 30) + (1ull << 21)), G_DATA + 12);
	fx_audit(&f);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_PT)));
	CU_ASSERT_FALSE(poke(&f, G_PT, 202, 0));
	fx_invlpg(&f, 0, 0x2000);
	fx_invlpg(&f, 0, 0x3000);
	CU_ASSERT_EQUAL(frame(&f, 0x2000), G_DATA + 10);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x3000, 0).kind, FAKE_PF);
	fx_end(&f);
}

static void test_upper_stays(void)
{
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	sh_options_set(&cfg.options, "flood", false);
	fx_start(&f, &cfg);
	fx_put(&f, G_PD, 1, fx_pte(G_PT_B, T_RWU));
	fx_put(&f, G_PT_B, G_PD, fx_pte(G_PD, T_RW | PTE_D));
	fx_try(&f, 0, 0x1000, 0);
	for (unsigned i = 0; i < 6; i++)
		CU_ASSERT_FALSE(poke(&f, G_PD, 100 + i, 0));
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_UNSYNC), 0);
	fx_end(&f);
}

/* A write fault drops what a processor holds for the page: the read after it may not find the entry
 * that was taken away. Likewise a fault that is found by emulation. */
static void test_fault_forgets(void)
{
	for (unsigned emulated = 0; emulated < 2; emulated++) {
		struct sh_walk w;
		struct fake f;

		start(&f, 1);
		fx_put(&f, G_PT, 1, fx_pte(G_DATA + 1, PTE_P | PTE_U | PTE_A));
		let_go(&f);
		CU_ASSERT(poke(&f, G_PT, 1, 0));
		if (emulated)
			CU_ASSERT_EQUAL(sh_translate(f.vcpu[0].v, GVA(0x1000), SH_WRITE, &w),
					SH_WALK_FAULT);
		CU_ASSERT_EQUAL(fx_store(&f, 0, 0x1000, 0, 1).kind, FAKE_PF);
		CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
		fx_end(&f);
	}
}

/* ---- contexts ---- */

static struct sh_regs context(unsigned cr3, unsigned pcid)
{
	struct sh_regs r = fx_regs(cr3);

	r.cr3 |= pcid;
	r.cr4 |= PCIDE;
	return r;
}

/* A second address space with nothing of the first but a window on G_PT at 0. */
static void two_spaces(struct fake *f, unsigned vcpus)
{
	struct sh_regs a = context(G_PML4, 1), b = context(OTHER, 2);

	start(f, vcpus);
	fx_put(f, OTHER, 0, fx_pte(OTHER_PDPT, T_RWU));
	fx_put(f, OTHER_PDPT, 0, fx_pte(OTHER_PD, T_RWU));
	fx_put(f, OTHER_PD, 0, fx_pte(OTHER_PT, T_RWU));
	fx_put(f, OTHER_PT, 0, fx_pte(G_PT, T_RWU | PTE_D));
	fake_set_regs(f, 0, &a, SH_FLUSH_CURRENT);
	let_go(f);
	fake_set_regs(f, 0, &b, SH_FLUSH_CURRENT);
	fx_try(f, 0, 0, 0);
}

static void poke_from_b(struct fake *f)
{
	CU_ASSERT_FALSE(fx_store(f, 0, 8, 0, fx_pte(G_DATA + 9, T_RWU)).emulated);
}

static void test_invpcid(void)
{
	static const struct {
		unsigned type;
		uint16_t pcid;
	} drop[] = {{0, 1}, {1, 1}, {2, 0}, {3, 0}};
	struct sh_regs a = context(G_PML4, 1);

	for (unsigned i = 0; i < 4; i++) {
		struct fake f;

		two_spaces(&f, 1);
		poke_from_b(&f);
		sh_invpcid(f.vcpu[0].v, drop[i].type, drop[i].pcid, GVA(0x1000));
		fake_set_regs(&f, 0, &a, SH_FLUSH_NONE);
		CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 9);
		fx_end(&f);
	}
}

/* Coming back without a flush costs none. Another vCPU that never was there must see what is. */
static void test_noflush(void)
{
	struct sh_regs a = context(G_PML4, 1);
	struct fake f;
	uint64_t flushes, syncs;

	two_spaces(&f, 2);
	flushes = fx_stat(&f, SH_ST_TLB_FLUSH);
	syncs = fx_stat(&f, SH_ST_SYNC);
	fake_set_regs(&f, 0, &a, SH_FLUSH_NONE);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_TLB_FLUSH), flushes);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC), syncs);
	fx_end(&f);
	two_spaces(&f, 2);
	poke_from_b(&f);
	fake_set_regs(&f, 1, &a, SH_FLUSH_NONE);
	CU_ASSERT_EQUAL(fx_try(&f, 1, 0x1000, 0).gpa >> 12, G_DATA + 9);
	fx_end(&f);
}

/* What another context brought in step, or mapped, meanwhile is nothing this one ever saw. */
static void test_noflush_after_change(void)
{
	struct sh_regs a = context(G_PML4, 1), a2 = context(G_PML4, 3);
	struct fake f;

	two_spaces(&f, 1);
	poke_from_b(&f);
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_FALSE(fx_store(&f, 0, 8, 0, fx_pte(G_DATA + 10, T_RWU)).emulated);
	fake_set_regs(&f, 0, &a, SH_FLUSH_NONE);
	CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 10);
	/* The same table under another PCID has translations of its own. */
	CU_ASSERT(poke(&f, G_PT, 1, fx_pte(G_DATA + 11, T_RWU)));
	fake_set_regs(&f, 0, &a2, SH_FLUSH_NONE);
	CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 11);
	fx_end(&f);
}

/* ---- who pays ---- */

/* With a table out of step, a change to an address space that does not have it costs nothing. */
static void test_others_pay_nothing(void)
{
	struct sh_regs a = fx_regs(G_PML4);
	struct fake f;
	uint64_t syncs;

	start(&f, 1);
	for (unsigned i = 0; i < 20; i++)
		fx_put(&f, OTHER + i, 0, fx_pte(OTHER + 40 + i, T_RWU));
	let_go(&f);
	CU_ASSERT(poke(&f, G_PT, 1, fx_pte(G_DATA + 9, T_RWU)));
	syncs = fx_stat(&f, SH_ST_SYNC);
	for (unsigned i = 0; i < 100; i++) {
		struct sh_regs r = fx_regs(OTHER + i % 20);

		fake_set_regs(&f, 0, &r, SH_FLUSH_CURRENT);
		fx_try(&f, 0, 0x1000, 0);
	}
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC), syncs);
	fake_set_regs(&f, 0, &a, SH_FLUSH_CURRENT);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC), syncs + 1);
	CU_ASSERT_EQUAL(frame(&f, 0x1000), G_DATA + 9);
	fx_end(&f);
}

/* A table that is no longer written is tracked again, after which nobody pays. */
static void test_quiet_again(void)
{
	struct sh_regs a = fx_regs(G_PML4);
	struct sh_stats st;
	struct fake f;
	uint64_t syncs;

	start(&f, 1);
	let_go(&f);
	for (unsigned i = 0; i < 30; i++)
		fake_set_regs(&f, 0, &a, SH_FLUSH_CURRENT);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(G_PT)));
	sh_mmu_stats(f.mmu, &st);
	CU_ASSERT_EQUAL(st.unsync, 0);
	syncs = fx_stat(&f, SH_ST_SYNC);
	fake_set_regs(&f, 0, &a, SH_FLUSH_CURRENT);
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_SYNC), syncs);
	fx_end(&f);
}

/* More tables than records: the oldest are tracked again, and nothing is lost. */
static void test_many(void)
{
	struct sh_regs a = fx_regs(G_PML4);
	struct sh_stats st;
	struct fake f;

	start(&f, 1);
	for (unsigned t = 0; t < SH_UNSYNC_MAX + 20; t++) {
		unsigned pt = 200 + t;
		uint64_t va = (100ull + t) << 21;

		fx_put(&f, pt, 0, fx_pte(G_DATA, T_RWU));
		fx_put(&f, G_PD, 100 + t, fx_pte(pt, T_RWU));
		fx_try(&f, 0, va, 0);
		CU_ASSERT_FALSE(poke(&f, pt, 1, 0));
		CU_ASSERT(poke(&f, pt, 2, 0));
		CU_ASSERT(poke(&f, pt, 0, fx_pte(G_DATA + 1 + t % 8, T_RWU)));
	}
	sh_mmu_stats(f.mmu, &st);
	CU_ASSERT_EQUAL(st.unsync, SH_UNSYNC_MAX);
	fx_audit(&f);
	fake_set_regs(&f, 0, &a, SH_FLUSH_CURRENT);
	for (unsigned t = 0; t < SH_UNSYNC_MAX + 20; t++)
		CU_ASSERT_EQUAL(frame(&f, (100ull + t) << 21), G_DATA + 1 + t % 8);
	fx_end(&f);
}

/* ---- others that write ---- */

static void test_outside_writer(void)
{
	uint64_t e = fx_pte(G_DATA + 9, T_RWU);
	struct fake f;

	start(&f, 1);
	let_go(&f);
	fake_set_regs(&f, 0, sh_vcpu_regs(f.vcpu[0].v), SH_FLUSH_CURRENT);
	CU_ASSERT_EQUAL(sh_write(f.mmu, NULL, GPA((G_PT << 12) + 8), &e, 8), 0);
	CU_ASSERT_EQUAL(frame(&f, 0x1000),
			G_DATA + 9); /* in step at once, and nothing cached */
	fx_end(&f);
}

/* An address space dies and its table becomes data: the record goes with it. */
static void test_forsaken(void)
{
	struct sh_stats st;
	struct fake f;

	start(&f, 1);
	let_go(&f);
	fx_put(&f, G_PD, 0, 0);
	for (unsigned i = 0; i < 512; i++)
		CU_ASSERT(poke(&f, G_PT, i, 0x5a5a5a5a5a5a5a5aull));
	fx_audit(&f);
	fx_put(&f, G_PD, 0, fx_pte(G_PT, T_RWU)); /* and a table once more */
	fx_invlpg(&f, 0, 0x1000);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	fx_audit(&f);
	sh_mmu_stats(f.mmu, &st);
	CU_ASSERT(st.unsync <= 1);
	fx_end(&f);
}

/* Entries of 4 bytes: two in a word, 1024 in a table, in two shadow tables. */
static void test_small_entries(void)
{
	static const unsigned at[] = {1, 2, 3, 510, 511, 512, 513, 1023};
	const uint64_t window = 1ull << 22;
	struct fake f;

	modes_start(&f, 4);
	modes_put32(&f, M_PD32, 1, (uint32_t)fx_pte(M_PT32_B, T_RWU));
	modes_put32(&f, M_PT32_B, 0, (uint32_t)fx_pte(M_PT32, T_RWU | PTE_D));
	for (unsigned i = 0; i < 8; i++)
		modes_put32(&f, M_PT32, at[i], (uint32_t)fx_pte(G_DATA + i, T_RWU));
	modes_set(&f, 0, SH_FMT_32);
	for (unsigned i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(frame(&f, (uint64_t)at[i] << 12), G_DATA + i);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t e = fx_pte(G_DATA + 20 + i, T_RWU);
		struct fake_result r =
			fake_access(&f, 0, window + 4ull * at[i], SH_WRITE, &e, 4);

		CU_ASSERT_EQUAL(r.kind, FAKE_OK);
	}
	CU_ASSERT_EQUAL(fx_stat(&f, SH_ST_UNSYNC), 1);
	fx_audit(&f);
	for (unsigned i = 0; i < 8; i++) {
		fx_invlpg(&f, 0, (uint64_t)at[i] << 12);
		CU_ASSERT_EQUAL(frame(&f, (uint64_t)at[i] << 12), G_DATA + 20 + i);
	}
	fx_end(&f);
}

const struct tap_case suite_unsync[] = {
	{"INVLPG brings one entry in step", test_invlpg},
	{"MOV CR3 brings all in step", test_mov_cr3},
	{"a new way to an unsync table", test_link},
	{"two roles of an unsync table", test_two_roles},
	{"a value changed there and back", test_there_and_back},
	{"an unsync table becomes a directory", test_becomes_upper},
	{"upper tables stay tracked", test_upper_stays},
	{"a page fault forgets", test_fault_forgets},
	{"INVPCID of a context that is not current", test_invpcid},
	{"MOV CR3 without a flush", test_noflush},
	{"without a flush, after a change", test_noflush_after_change},
	{"other address spaces pay nothing", test_others_pay_nothing},
	{"tracked again when quiet", test_quiet_again},
	{"more tables than records", test_many},
	{"a writer from outside", test_outside_writer},
	{"a table that became data", test_forsaken},
	{"entries of 4 bytes", test_small_entries},
	{0},
};
