/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The gate's memory for the most vCPUs there can be, looked at as the processor would: by walking
 * its tables from the empty root.
 */
#include <stdlib.h>
#include <string.h>

#include "shadow/format.h"
#include "tests/unit/machine_test.h"
#include "vmm/gate/gate.h"

#define CPUS	 64u
#define MEM_MPA	 0x123456000ull
#define WINDOW	 0x7fc0200000ull
#define TWO_MIB	 (2ull << 20)
#define UNITS	 515u /* more than one page directory holds */
#define ADDR(e)	 ((e) & 0x000ffffffffff000ull)
#define SPAN	 (GATE_CPU_BASE + CPUS * GATE_CPU_STRIDE)

static const unsigned cpu_pages[] = {GATE_CPU_GDT, GATE_CPU_TSS, GATE_CPU_STACK, GATE_CPU_CMD};

static struct gate gate;
static uint32_t pages;

int gate_setup(void)
{
	struct gate_config cfg = {.mpa = MPA(MEM_MPA),
				  .cpus = CPUS,
				  .window = MPA(WINDOW),
				  .window_bytes = UNITS * TWO_MIB};

	pages = gate_pages(cfg.cpus, cfg.window_bytes);
	cfg.mem = aligned_alloc(4096, pages * 4096ul); /* exact, so that a sanitizer sees overruns */
	if (!cfg.mem)
		return -1;
	memset(cfg.mem, 0, pages * 4096ul);
	gate_build(&gate, &cfg);
	return 0;
}

int gate_teardown(void)
{
	free(gate.cfg.mem);
	return 0;
}

/* Host address of an mpa within the gate's memory, or NULL. */
static void *at(uint64_t mpa)
{
	if (mpa < MEM_MPA || mpa >= MEM_MPA + pages * 4096ull)
		return NULL;
	return gate.cfg.mem + (mpa - MEM_MPA);
}

/* What a walk found: the leaf's entry (0 if there is none), rights of the whole path. */
struct found {
	uint64_t entry, mpa;
	bool u, w, nx;
};

static struct found walk(uint64_t va)
{
	struct found f = {.u = true, .w = true};
	uint64_t table = gate.empty_root.v << 12, e = 0;

	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t *t = at(table);

		CU_ASSERT_PTR_NOT_NULL_FATAL(t);
		e = t[va >> shift & 511];
		if (!(e & PTE_P))
			return f;
		f.u &= !!(e & PTE_U);
		f.w &= !!(e & PTE_W);
		f.nx |= !!(e & PTE_NX);
		table = ADDR(e);
		if (shift == 12 || (e & PTE_PS)) {
			f.mpa = table + (va & ((1ull << shift) - 1));
			break;
		}
	}
	f.entry = e;
	return f;
}

static void *behind(uint64_t va)
{
	struct found f = walk(va);

	return f.entry ? at(f.mpa) : NULL;
}

static void idt(void)
{
	const uint8_t *page = behind(GATE_VA + GATE_IDT);

	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	for (unsigned v = 0; v < 256; v++) {
		uint16_t part[4];
		uint32_t high;
		uint64_t to;
		const uint8_t *stub;

		memcpy(part, page + v * 16, 8);
		memcpy(&high, page + v * 16 + 8, 4);
		to = part[0] | (uint64_t)part[3] << 16 | (uint64_t)high << 32;
		if (v >= 32) {
			CU_ASSERT_EQUAL(part[2], 0); /* not present */
			continue;
		}
		CU_ASSERT_EQUAL(part[1], GATE_SEL_CS);
		CU_ASSERT_EQUAL(part[2], 0x8e00); /* present, DPL 0, interrupt gate, no IST */
		CU_ASSERT_EQUAL(to, gate_label(gate_stubs) + 4 * v);
		stub = behind(to);
		CU_ASSERT_PTR_NOT_NULL_FATAL(stub);
		CU_ASSERT_EQUAL(stub[0], 0xe6); /* OUT imm8, AL */
		CU_ASSERT_EQUAL(stub[1], v);
	}
}

static void code(void)
{
	size_t len = (size_t)(gate_code_end - gate_code_start);
	struct found f = walk(GATE_VA + GATE_CODE);

	CU_ASSERT(len <= 4096);
	CU_ASSERT(f.entry && !f.w && !f.nx);
	CU_ASSERT_EQUAL(memcmp(at(f.mpa), gate_code_start, len), 0);
	f = walk(GATE_VA + GATE_IDT);
	CU_ASSERT(f.entry && !f.w);
}

static void window(void)
{
	struct found f;

	for (unsigned i = 0; i < UNITS; i++) {
		uint64_t slot = WINDOW + i * TWO_MIB + 8 * i;

		f = walk(gate_window_va(&gate, MPA(slot)));
		CU_ASSERT(f.entry & PTE_PS);
		CU_ASSERT_EQUAL(f.mpa, slot);
		CU_ASSERT(f.w && f.nx && !f.u);
	}
	f = walk(gate_window_va(&gate, MPA(WINDOW + UNITS * TWO_MIB)));
	CU_ASSERT_EQUAL(f.entry, 0);
}

/* Each page of each vCPU is mapped where gate_cpu_va() says, and nobody else has it. */
static void cpu_pages_apart(void)
{
	uint8_t *seen = calloc(pages, 1);

	for (unsigned i = 0; i < CPUS * 4; i++) {
		unsigned cpu = i / 4, which = cpu_pages[i % 4];
		uint8_t *page = gate_cpu_page(&gate, cpu, which);
		struct found f = walk(gate_cpu_va(cpu, which));
		size_t n = (size_t)(page - gate.cfg.mem) / 4096;

		CU_ASSERT_FATAL(n < pages);
		CU_ASSERT(f.w && f.nx);
		CU_ASSERT_PTR_EQUAL(at(f.mpa), page);
		CU_ASSERT_EQUAL(seen[n]++, 0);
	}
	CU_ASSERT_EQUAL(seen[(gate.empty_root.v << 12) / 4096 - MEM_MPA / 4096], 0);
	CU_ASSERT_EQUAL(seen[(ADDR(gate.pml4e) - MEM_MPA) / 4096], 0);
	free(seen);
}

/* All of the first units: two shared pages, four per vCPU; the rest, with the guard below each
 * stack, is not mapped. */
static void guards(void)
{
	unsigned mapped = 0;

	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		CU_ASSERT_EQUAL(walk(gate_cpu_va(cpu, GATE_CPU_STACK) - 4096).entry, 0);
		CU_ASSERT_EQUAL(walk(gate_cpu_va(cpu, GATE_CPU_CMD) + 4096).entry, 0);
	}
	for (uint64_t va = GATE_VA; va < GATE_VA + 4 * TWO_MIB; va += 4096)
		mapped += walk(va).entry != 0;
	CU_ASSERT_EQUAL(mapped, 2 + 4 * CPUS);
	CU_ASSERT(SPAN <= 2 * TWO_MIB);
}

static unsigned count_leaves(uint64_t table, unsigned level)
{
	const uint64_t *t = at(table);
	unsigned n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	for (unsigned i = 0; i < 512; i++) {
		if (!t[i])
			continue;
		CU_ASSERT(t[i] & PTE_P);
		CU_ASSERT_FALSE(t[i] & PTE_U);
		CU_ASSERT(t[i] & PTE_A); /* a host's software walk has nothing to write */
		CU_ASSERT(!(t[i] & PTE_W) || level > 1 || (t[i] & PTE_D));
		if (level == 1 || (t[i] & PTE_PS))
			n++;
		else
			n += count_leaves(ADDR(t[i]), level - 1);
	}
	return n;
}

static void supervisor_only(void)
{
	CU_ASSERT_EQUAL(count_leaves(gate.empty_root.v << 12, 4), 2 + 4 * CPUS + UNITS);
	CU_ASSERT_FALSE(gate.pml4e & PTE_U);
	CU_ASSERT_EQUAL(((uint64_t *)at(gate.empty_root.v << 12))[256], gate.pml4e);
}

static void tss(void)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		const uint64_t *gdt = gate_cpu_page(&gate, cpu, GATE_CPU_GDT);
		const uint8_t *tss = gate_cpu_page(&gate, cpu, GATE_CPU_TSS);
		uint64_t d = gdt[GATE_SEL_TSS / 8], rsp0;
		uint64_t base = (d >> 16 & 0xffffff) | (d >> 56) << 24 |
				gdt[GATE_SEL_TSS / 8 + 1] << 32;
		uint16_t bitmap;

		memcpy(&rsp0, tss + 4, sizeof(rsp0));
		memcpy(&bitmap, tss + 0x66, sizeof(bitmap));
		CU_ASSERT_EQUAL(base, gate_cpu_va(cpu, GATE_CPU_TSS));
		CU_ASSERT_EQUAL(rsp0, gate_cpu_va(cpu, GATE_CPU_STACK) + 4096);
		CU_ASSERT(bitmap > (d & 0xffff)); /* no port is open */
	}
}

static void cpl0_descriptors(void)
{
	const uint64_t *gdt = gate_cpu_page(&gate, 0, GATE_CPU_GDT);

	CU_ASSERT_EQUAL(gdt[GATE_SEL_CS / 8] >> 45 & 3, 0);
	CU_ASSERT_EQUAL(gdt[GATE_SEL_SS / 8] >> 45 & 3, 0);
	CU_ASSERT_EQUAL(gdt[GATE_SEL_UCS / 8] >> 45 & 3, 3);
	CU_ASSERT_EQUAL(gdt[GATE_SEL_UDS / 8] >> 45 & 3, 3);
	for (unsigned i = 0; i < 0xf00 / 8; i++)
		CU_ASSERT_EQUAL(gdt[i], 0); /* the guest's, when it loads them */
}

const struct tap_case gate_tests[] = {
	{"IDT entries point at their stubs", idt},
	{"code is there, read-only", code},
	{"window maps the pool", window},
	{"pages of 64 vCPUs are apart", cpu_pages_apart},
	{"guard pages are not mapped", guards},
	{"U is clear in every mapping", supervisor_only},
	{"TSS", tss},
	{"descriptors", cpl0_descriptors},
	TAP_NO_CASE,
};
