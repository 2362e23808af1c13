/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: paging off and 32-bit paging, tables of 4-byte entries in 8-byte shadows, hardware with
 * more levels than the guest, and switches between all of these. Read first: shadow_modes.h.
 */
#include <errno.h>

#include "shadow/page.h"
#include "tests/unit/shadow_modes.h"

void modes_start(struct fake *f, unsigned levels)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.levels = levels;
	fx_start(f, &cfg);
	modes_put32(f, M_PD32, 0, (uint32_t)fx_pte(M_PT32, T_RWU));
	fx_put(f, M_PDPT, 0, fx_pte(M_PD, PTE_P));
	fx_put(f, M_PD, 0, fx_pte(M_PT, T_RWU));
	fx_put(f, M_PML5, 0, fx_pte(G_PML4, T_RWU));
	for (unsigned i = 0; i < 32; i++) {
		modes_put32(f, M_PT32, i, (uint32_t)fx_pte(G_DATA + i, T_RWU));
		fx_put(f, M_PT, i, fx_pte(G_DATA + i, T_RWU));
	}
}

void modes_set(struct fake *f, unsigned vcpu, enum sh_format_id format)
{
	static const uint64_t top[] = {0, M_PD32, M_PDPT, G_PML4, M_PML5};

	modes_set_cr3(f, vcpu, format, top[format] << 12);
}

void modes_set_cr3(struct fake *f, unsigned vcpu, enum sh_format_id format, uint64_t cr3)
{
	static const uint64_t cr4[] = {0, 1 << 4, 1 << 5, 1 << 5, 1 << 5 | 1 << 12};
	struct sh_regs r = {.cr0 = R_WP | (uint64_t)(format != SH_FMT_NONE) << 31,
			    .cr3 = cr3,
			    .cr4 = cr4[format],
			    .efer = R_NXE | (format >= SH_FMT_4LVL ? 0x500 : 0)};
	struct mm_cpu cpu = fx_cpu(f, vcpu);

	cpu.cr3 = cr3;
	if (format == SH_FMT_PAE)
		CU_ASSERT(mm_load_pdptes(&cpu));
	for (unsigned i = 0; i < 4; i++)
		r.pdpte[i] = cpu.pdpte[i];
	fake_set_regs(f, vcpu, &r, true);
}

void modes_put32(struct fake *f, unsigned table, unsigned index, uint32_t entry)
{
	CU_ASSERT_EQUAL(sh_write(f->mmu, f->vcpu[0].v, GPA(((uint64_t)table << 12) + 4 * index),
				 &entry, 4),
			0);
}

static unsigned pages_of(struct fake *f, unsigned gfn)
{
	unsigned n = 0;

	for (struct sh_page *p = sh_page_of_gfn(f->mmu, GFN(gfn), NULL); p;
	     p = sh_page_of_gfn(f->mmu, GFN(gfn), p))
		n++;
	return n;
}

/* One page table under every 256th directory entry: each quadrant of both tables. */
static void test_quadrants(void)
{
	struct fake f;

	modes_start(&f, 4);
	for (unsigned q = 0; q < 4; q++)
		modes_put32(&f, M_PD32, 256 * q + 255, (uint32_t)fx_pte(M_PT32, T_RWU));
	modes_put32(&f, M_PT32, 511, (uint32_t)fx_pte(G_DATA + 40, T_RWU));
	modes_put32(&f, M_PT32, 512, (uint32_t)fx_pte(G_DATA + 41, T_RWU));
	modes_put32(&f, M_PT32, 1023, (uint32_t)fx_pte(G_DATA + 42, T_RWU));
	modes_set(&f, 0, SH_FMT_32);
	for (unsigned q = 0; q < 4; q++) {
		uint64_t va = (256ull * q + 255) << 22;

		CU_ASSERT_EQUAL(fx_store(&f, 0, va + 0x1000, 0, q).gpa, (G_DATA + 1) << 12);
		CU_ASSERT_EQUAL(fx_try(&f, 0, va + (511 << 12), 0).gpa, (G_DATA + 40) << 12);
		CU_ASSERT_EQUAL(fx_try(&f, 0, va + (512 << 12), 0).gpa, (G_DATA + 41) << 12);
		CU_ASSERT_EQUAL(fx_try(&f, 0, va + (1023 << 12), 0).gpa, (G_DATA + 42) << 12);
		CU_ASSERT_EQUAL(fx_try(&f, 0, va + (513 << 12), 0).kind, FAKE_PF);
	}
	CU_ASSERT_EQUAL(pages_of(&f, M_PD32), 4);
	CU_ASSERT_EQUAL(pages_of(&f, M_PT32), 2);
	fx_end(&f);
}

/* Writes over two 4-byte entries, across the border of two quadrants, of all sizes and none aligned. */
static void test_writes(void)
{
	for (unsigned at = 509; at < 513; at++)
		for (unsigned shift = 0; shift < 4; shift++) {
			uint32_t two[2] = {(uint32_t)fx_pte(0x111, T_RWU),
					   (uint32_t)fx_pte(0x122, T_RWU)};
			uint64_t gpa = ((uint64_t)M_PT32 << 12) + 4 * at;
			struct fake f;

			modes_start(&f, 4);
			modes_set(&f, 0, SH_FMT_32);
			modes_put32(&f, M_PT32, at, (uint32_t)fx_pte(G_DATA + 3, T_RWU));
			modes_put32(&f, M_PT32, at + 1, (uint32_t)fx_pte(G_DATA + 4, T_RWU));
			fx_store(&f, 0, (uint64_t)at << 12, 0, 1);
			fx_store(&f, 0, (at + 1ull) << 12, 0, 1);
			/* The ends first, then the middle. */
			sh_write(f.mmu, NULL, GPA(gpa), two, shift);
			fx_audit(&f);
			sh_write(f.mmu, f.vcpu[0].v, GPA(gpa + shift), (uint8_t *)two + shift,
				 8 - shift);
			fx_audit(&f);
			fx_invlpg(&f, 0, (uint64_t)at << 12);
			fx_invlpg(&f, 0, (at + 1ull) << 12);
			CU_ASSERT_EQUAL(fx_try(&f, 0, (uint64_t)at << 12, 0).gpa, 0x111000);
			CU_ASSERT_EQUAL(fx_try(&f, 0, (at + 1ull) << 12, 0).gpa, 0x122000);
			fx_end(&f);
		}
}

/* A directory entry is two shadow entries, of one quadrant: both follow, and no other does. */
static void test_directory_writes(void)
{
	struct fake f;

	for (unsigned at = 254; at < 258; at++) {
		uint64_t va = (uint64_t)at << 22, both;

		modes_start(&f, 4);
		modes_put32(&f, M_PT32, 512, (uint32_t)fx_pte(G_DATA + 1, T_RWU));
		modes_put32(&f, M_PT32_B, 0, (uint32_t)fx_pte(G_DATA + 2, T_RWU));
		modes_put32(&f, M_PT32_B, 512, (uint32_t)fx_pte(G_DATA + 3, T_RWU));
		both = fx_pte(M_PT32, T_RWU) | fx_pte(M_PT32, T_RWU) << 32;
		modes_set(&f, 0, SH_FMT_32);
		sh_write(f.mmu, NULL, GPA(((uint64_t)M_PD32 << 12) + 4 * at), &both, 8);
		for (unsigned i = 0; i < 4; i++)
			fx_store(&f, 0, va + i * 2 * MiB, 0, 1);
		modes_put32(&f, M_PD32, at, (uint32_t)fx_pte(M_PT32_B, T_RWU));
		for (unsigned i = 0; i < 4; i++) {
			static const uint64_t want[] = {2, 3, 0, 1};

			fx_invlpg(&f, 0, va + i * 2 * MiB);
			CU_ASSERT_EQUAL(fx_try(&f, 0, va + i * 2 * MiB, 0).gpa,
					(G_DATA + want[i]) << 12);
		}
		fx_end(&f);
	}
}

static void test_4m(void)
{
	struct fake f;

	modes_start(&f, 4);
	modes_set(&f, 0, SH_FMT_32);
	modes_put32(&f, M_PD32, 700, PTE_PS | T_RWU); /* 4 MiB at 0: tables and all */
	CU_ASSERT_EQUAL(fx_store(&f, 0, (700ull << 22) + 0x70000, SH_USER, 5).gpa, 0x70000);
	CU_ASSERT_EQUAL(fx_store(&f, 0, (700ull << 22) + 3 * MiB, SH_USER, 5).gpa, 3 * MiB);
	/* Its part that is the page table: tracked. */
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0, 0).gpa, G_DATA << 12);
	CU_ASSERT(fx_store(&f, 0, (700ull << 22) + (M_PT32 << 12), 0,
			   fx_pte(G_DATA + 5, T_RWU) | fx_pte(G_DATA + 6, T_RWU) << 32)
			  .emulated);
	fx_invlpg(&f, 0, 0);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0, 0).gpa, (G_DATA + 5) << 12);
	/* PSE-36: bits 13 to 20 are address bits 32 to 39; bit 21 is reserved. */
	modes_put32(&f, M_PD32, 701, PTE_PS | T_RWU | 0x8fu << 13);
	CU_ASSERT_EQUAL(fx_try(&f, 0, (701ull << 22) + 0x212345 / 8 * 8, 0).gpa,
			(0x8full << 32) + 0x212345 / 8 * 8);
	modes_put32(&f, M_PD32, 701, PTE_PS | T_RWU | 1u << 21);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 701ull << 22, 0).error, SH_PF_P | SH_PF_RSVD);
	fx_end(&f);
}

/* The same entry is a 4-MByte page with CR4.PSE and a table without. */
static void test_pse(void)
{
	struct sh_regs r;
	struct fake f;

	modes_start(&f, 4);
	modes_put32(&f, M_PD32, 1,
		    PTE_PS | T_RWU | G_PML4 << 12); /* of a large page, the PAT bit */
	modes_put32(&f, G_PML4, 2, (uint32_t)fx_pte(G_DATA + 1, T_RWU));
	modes_set(&f, 0, SH_FMT_32);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(fx_try(&f, 0, 4 * MiB + 0x2000, 0).gpa,
				i % 2 ? (G_DATA + 1) << 12 : 0x2000);
		r = *sh_vcpu_regs(f.vcpu[0].v);
		r.cr4 ^= 1 << 4;
		fake_set_regs(&f, 0, &r, true);
	}
	fx_end(&f);
}

static void test_self_map(void)
{
	uint64_t pd = 0xfffff000, pts = 0xffc00000;
	struct fake f;

	modes_start(&f, 4);
	modes_set(&f, 0, SH_FMT_32);
	modes_put32(&f, M_PD32, 1023, (uint32_t)fx_pte(M_PD32, T_RW | PTE_D));
	CU_ASSERT_EQUAL(fx_try(&f, 0, pd, 0).gpa, M_PD32 << 12);
	CU_ASSERT_EQUAL(fx_try(&f, 0, pts, 0).gpa, M_PT32 << 12);
	/* Two directory entries at once, through the directory. */
	CU_ASSERT(fx_store(&f, 0, pd + 4 * 512, 0,
			   fx_pte(M_PT32, T_RWU) | fx_pte(M_PT32, T_RW) << 32)
			  .emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, (512ull << 22) + 0x1000, SH_USER).gpa, (G_DATA + 1)
										     << 12);
	CU_ASSERT_EQUAL(fx_try(&f, 0, (513ull << 22) + 0x1000, SH_USER).kind, FAKE_PF);
	/* And a page table through the directory used as one. */
	CU_ASSERT(fx_store(&f, 0, pts + 4 * 600, 0, fx_pte(G_DATA + 9, T_RWU)).emulated);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 600 << 12, 0).gpa, (G_DATA + 9) << 12);
	fx_end(&f);
}

/* From each format to each other, on the same memory, accesses and audit in between. */
static void switches(unsigned levels, unsigned formats)
{
	struct fake f;

	modes_start(&f, levels);
	for (unsigned i = 0; i < 3 * formats * formats; i++) {
		unsigned format = i % 2 ? i % formats : i / formats % formats;

		modes_set(&f, i % 2, format);
		for (unsigned va = 0x1000; va < 0x6000; va += 0x1000) {
			uint64_t want =
				format == SH_FMT_NONE ? va + 0x30000 : (G_DATA << 12) + va;

			CU_ASSERT_EQUAL(fx_store(&f, i % 2, format ? va : va + 0x30000,
						 va & 0x1000 ? SH_USER : 0, i)
						.gpa,
					want);
		}
		/* A page table of another format is this one's memory, and the other way round. */
		if (format == SH_FMT_NONE)
			CU_ASSERT(fx_store(&f, i % 2, (M_PT << 12) + 8 * 40, 0,
					   fx_pte(G_DATA + i, T_RWU))
					  .kind == FAKE_OK);
		fx_audit(&f);
	}
	fx_end(&f);
}

static void test_switches(void)
{
	switches(4, 4);
	switches(5, 5);
}

/* Whatever is tried, nothing above 4 GiB is in the tree of a guest that has no such addresses. */
static void test_low_4g(void)
{
	for (unsigned levels = 4; levels <= 5; levels++)
		for (unsigned format = SH_FMT_NONE; format <= SH_FMT_PAE; format++) {
			struct fake f;
			mfn_t root;

			modes_start(&f, levels);
			modes_set(&f, 0, format);
			CU_ASSERT_EQUAL(fx_try(&f, 0, 0x700001000, 0).gpa,
					format ? (G_DATA + 1) << 12 : 0x1000);
			CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).faults, 0);
			for (unsigned i = 0; i < 64; i++)
				fx_try(&f, 0, 1ull << i | 0x1000, 0);
			CU_ASSERT_EQUAL(sh_root(f.vcpu[0].v, SH_VIEW_KERNEL, &root), 0);
			for (unsigned i = 32; i < 12 + 9 * levels; i++) {
				struct sh_path p;

				CU_ASSERT(sh_path(f.mmu, root, GVA(1ull << i | 0x1000), &p));
				CU_ASSERT(p.level >= 3);
				CU_ASSERT_EQUAL(p.spte[p.level], 0);
			}
			fx_end(&f);
		}
}

/* An entry in the half it does not belong to is a finding of the auditor. */
static void plant_in_wrong_half(struct fake *f)
{
	struct sh_page *one = sh_page_of_gfn(f->mmu, GFN(G_PML4), NULL);
	struct sh_page *two = sh_page_of_gfn(f->mmu, GFN(G_PML4), one);
	_Atomic uint64_t *low, *high;

	low = &sh_page_table(f->mmu, one->role.quadrant ? two : one)[300];
	high = &sh_page_table(f->mmu, one->role.quadrant ? one : two)[300];
	CU_ASSERT_EQUAL(sh_audit(f->mmu, NULL, 0), 0);
	CU_ASSERT(atomic_load(high) && !atomic_load(low));
	atomic_store(low, atomic_load(high));
	/* Counts differ too: of the page's entries, and of upper entries and parents. */
	CU_ASSERT_EQUAL(sh_audit(f->mmu, NULL, 0), 3);
	atomic_store(low, 0);
}

/* 5-level hardware translates what lies between the halves of a 4-level guest: nothing may be there. */
static void test_halves(void)
{
	struct fake f;

	modes_start(&f, 5);
	fx_put(&f, G_PML4, 300, fx_pte(G_PDPT, T_RWU));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xffff000000000000ull | 300ull << 39 | 0x1000, 0).gpa,
			(G_DATA + 1) << 12);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).gpa, (G_DATA + 1) << 12);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 300ull << 39 | 0x1000, 0).kind, FAKE_NOT_CANON);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xffff000000001000ull, 0).kind, FAKE_NOT_CANON);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x00ff000000001000ull, 0).kind, FAKE_NOT_CANON);
	CU_ASSERT_EQUAL(pages_of(&f, G_PML4), 2);
	plant_in_wrong_half(&f);
	/* One write, seen in both. */
	fx_put(&f, G_PML4, 300, 0);
	fx_put(&f, G_PML4, 0, 0);
	sh_flush_all(f.vcpu[0].v);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xffff000000000000ull | 300ull << 39 | 0x1000, 0).kind,
			FAKE_PF);
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, 0).kind, FAKE_PF);
	fx_end(&f);
}

static void test_too_deep(void)
{
	struct fake f;
	mfn_t root;

	modes_start(&f, 4);
	modes_set(&f, 0, SH_FMT_5LVL);
	CU_ASSERT_EQUAL(sh_root(f.vcpu[0].v, SH_VIEW_KERNEL, &root), -EOPNOTSUPP);
	modes_set(&f, 0, SH_FMT_4LVL);
	fx_try(&f, 0, 0x1000, 0);
	fx_end(&f);
}

/* The gate's entry of a fifth level hides other addresses, and none of a smaller guest. */
static void test_gate(void)
{
	uint64_t hidden = 0xff00000000000000ull;
	struct fake_config cfg;
	struct fake f;

	fake_defaults(&cfg);
	cfg.levels = 5;
	cfg.gate_entry = (FAKE_TABLE_MFN + cfg.tables) << 12 | PTE_P;
	fx_start(&f, &cfg);
	fx_put(&f, G_PML4, 256, fx_pte(G_PDPT, T_RWU));
	CU_ASSERT_EQUAL(fx_try(&f, 0, 0xffff800000001000ull, 0).last, SH_FAULT_RESUME);
	fx_put(&f, M_PML5, 256, fx_pte(G_PML4, T_RWU));
	modes_set(&f, 0, SH_FMT_5LVL);
	CU_ASSERT_EQUAL(fx_try(&f, 0, hidden | 0x1000, 0).last, SH_FAULT_GATE);
	fx_end(&f);
}

/* A directory that CR3 has left is data at the first write, as a top-level table of 4 levels is. */
static void test_left_behind(void)
{
	struct fake f;

	modes_start(&f, 4);
	f.mmu->opt.on[SH_OPT_FLOOD] = false;
	modes_set(&f, 0, SH_FMT_32);
	fx_try(&f, 0, 0, 0);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(M_PD32)));
	modes_put32(&f, M_PD32, 1, 0);
	CU_ASSERT(sh_is_tracked(f.mmu, GFN(M_PD32)));
	modes_set_cr3(&f, 0, SH_FMT_32, M_PD32_B << 12);
	fx_try(&f, 0, 0, 0);
	modes_put32(&f, M_PD32, 0, 0);
	CU_ASSERT_FALSE(sh_is_tracked(f.mmu, GFN(M_PD32)));
	fx_end(&f);
}

const struct tap_case suite_modes[] = {
	{"quadrants of tables of 4-byte entries", test_quadrants},
	{"writes over two 4-byte entries", test_writes},
	{"writes to a 32-bit directory", test_directory_writes},
	{"4-MByte pages and PSE-36", test_4m},
	{"CR4.PSE", test_pse},
	{"a 32-bit directory that maps itself", test_self_map},
	{"from every format to every other", test_switches},
	{"nothing above 4 GiB outside of long mode", test_low_4g},
	{"a 4-level guest on 5-level hardware", test_halves},
	{"a 5-level guest on 4-level hardware", test_too_deep},
	{"the gate in a fifth level", test_gate},
	{"a 32-bit directory left behind", test_left_behind},
	{0},
};
