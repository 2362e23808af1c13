/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Builds the gate's memory. Read first: gate.h.
 *
 * Pages of the area, in order: IDT, code, PDPT, PD, PT(s) for the first 2 MiB units, PD of the
 * window, then four pages per vCPU (GDT, TSS, stack, commands).
 */
#include <string.h>

#include "shadow/format.h"
#include "vmm/gate/gate.h"

#define PAGES_FIXED   7u /* IDT, code, PDPT, PD, PT, PT, empty root */
#define PAGES_PER_CPU 4u
#define TWO_MIB	      (2ull << 20)
#define ONE_GIB	      (1ull << 30)

enum { PG_IDT, PG_CODE, PG_PDPT, PG_PD, PG_PT0, PG_PT1, PG_ROOT };

static uint32_t window_pds(uint64_t bytes)
{
	return (uint32_t)((bytes + ONE_GIB - 1) / ONE_GIB);
}

uint32_t gate_pages(unsigned cpus, uint64_t window_bytes)
{
	return PAGES_FIXED + window_pds(window_bytes) + cpus * PAGES_PER_CPU;
}

static uint64_t *page(const struct gate *g, unsigned n)
{
	return (uint64_t *)(void *)(g->cfg.mem + (size_t)n * SH_PAGE_SIZE);
}

static uint64_t page_mpa(const struct gate *g, unsigned n)
{
	return g->cfg.mpa.v + (uint64_t)n * SH_PAGE_SIZE;
}

static unsigned cpu_page_number(const struct gate *g, unsigned cpu, unsigned which)
{
	static const uint8_t order[] = {[GATE_CPU_GDT >> 12] = 0,
					[GATE_CPU_TSS >> 12] = 1,
					[GATE_CPU_STACK >> 12] = 2,
					[GATE_CPU_CMD >> 12] = 3};

	return PAGES_FIXED + window_pds(g->cfg.window_bytes) + cpu * PAGES_PER_CPU +
	       order[which >> 12];
}

void *gate_cpu_page(const struct gate *g, unsigned cpu, unsigned which)
{
	return page(g, cpu_page_number(g, cpu, which));
}

/* U=0 everywhere: the guest, at CPL 3, can't touch any of it. A and D preset, so that a host that
 * walks these tables in software has nothing to write. */
#define KERNEL_RO (PTE_P | PTE_A)
#define KERNEL_RW (PTE_P | PTE_W | PTE_A | PTE_D)

static void map_page(struct gate *g, uint64_t offset, unsigned n, uint64_t bits)
{
	uint64_t *pt = page(g, offset < TWO_MIB ? PG_PT0 : PG_PT1);

	pt[offset >> 12 & 511] = page_mpa(g, n) | bits;
}

static void build_tables(struct gate *g)
{
	uint64_t *pdpt = page(g, PG_PDPT), *pd = page(g, PG_PD);
	unsigned pds = window_pds(g->cfg.window_bytes);

	g->pml4e = page_mpa(g, PG_PDPT) | KERNEL_RW;
	g->empty_root = MFN(page_mpa(g, PG_ROOT) >> SH_PAGE_SHIFT);
	page(g, PG_ROOT)[256] = g->pml4e;
	pdpt[0] = page_mpa(g, PG_PD) | KERNEL_RW;
	pd[0] = page_mpa(g, PG_PT0) | KERNEL_RW;
	pd[1] = page_mpa(g, PG_PT1) | KERNEL_RW;
	map_page(g, GATE_IDT, PG_IDT, KERNEL_RO);
	map_page(g, GATE_CODE, PG_CODE, KERNEL_RO);
	for (unsigned i = 0; i < pds; i++)
		pdpt[1 + i] = page_mpa(g, PAGES_FIXED + i) | KERNEL_RW;
	for (uint64_t at = 0; at < g->cfg.window_bytes; at += TWO_MIB)
		page(g, PAGES_FIXED + (unsigned)(at / ONE_GIB))[at / TWO_MIB % 512] =
			(g->cfg.window.v + at) | KERNEL_RW | PTE_PS | PTE_NX;
}

static void build_idt(struct gate *g)
{
	uint8_t *idt = (uint8_t *)page(g, PG_IDT);

	for (unsigned v = 0; v < 32; v++) {
		uint64_t to = gate_label(gate_stubs) + 4 * v;
		/* 64-bit interrupt gate, DPL 0: INT n at CPL 3 faults instead (SDM 6.14.1). */
		struct {
			uint16_t low, sel;
			uint8_t ist, type;
			uint16_t mid;
			uint32_t high, zero;
		} e = {(uint16_t)to,	     GATE_SEL_CS,	   0, 0x8e,
		       (uint16_t)(to >> 16), (uint32_t)(to >> 32), 0};

		memcpy(idt + v * 16, &e, sizeof(e));
	}
	memcpy(page(g, PG_CODE), gate_code_start, (size_t)(gate_code_end - gate_code_start));
}

static void build_cpu(struct gate *g, unsigned cpu)
{
	uint64_t *gdt = gate_cpu_page(g, cpu, GATE_CPU_GDT);
	uint8_t *tss = gate_cpu_page(g, cpu, GATE_CPU_TSS);
	uint64_t base = gate_cpu_va(cpu, GATE_CPU_TSS);
	uint64_t rsp0 = gate_cpu_va(cpu, GATE_CPU_STACK) + SH_PAGE_SIZE;
	uint16_t no_bitmap = 0x68;
	uint64_t off = GATE_CPU_BASE + (uint64_t)cpu * GATE_CPU_STRIDE;

	gdt[GATE_SEL_TSS / 8] =
		0x67ull | (base & 0xffffff) << 16 | 0x8bull << 40 | (base >> 24 & 0xff) << 56;
	gdt[GATE_SEL_TSS / 8 + 1] = base >> 32;
	gdt[GATE_SEL_CS / 8] = 0x00af9b000000ffffull;
	gdt[GATE_SEL_SS / 8] = 0x00cf93000000ffffull;
	gdt[GATE_SEL_UDS / 8] = 0x00cff3000000ffffull;
	gdt[GATE_SEL_UCS / 8] = 0x00affb000000ffffull;
	memcpy(tss + 4, &rsp0, sizeof(rsp0));
	/* Behind the limit: no I/O bitmap, so IN and OUT at CPL 3 fault (SDM vol. 1, 19.5.2). */
	memcpy(tss + 0x66, &no_bitmap, sizeof(no_bitmap));
	map_page(g, off + GATE_CPU_GDT, cpu_page_number(g, cpu, GATE_CPU_GDT),
		 KERNEL_RW | PTE_NX);
	map_page(g, off + GATE_CPU_TSS, cpu_page_number(g, cpu, GATE_CPU_TSS),
		 KERNEL_RW | PTE_NX);
	map_page(g, off + GATE_CPU_STACK, cpu_page_number(g, cpu, GATE_CPU_STACK),
		 KERNEL_RW | PTE_NX);
	map_page(g, off + GATE_CPU_CMD, cpu_page_number(g, cpu, GATE_CPU_CMD),
		 KERNEL_RW | PTE_NX);
}

void gate_build(struct gate *g, const struct gate_config *cfg)
{
	g->cfg = *cfg;
	build_tables(g);
	build_idt(g);
	for (unsigned i = 0; i < cfg->cpus; i++)
		build_cpu(g, i);
}
