/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What CPUID says, whatever the host's says.
 */
#include "tests/unit/machine_test.h"
#include "vmm/machine.h"

enum { EAX, EBX, ECX, EDX };

static struct machine machine;

static void cpuid(unsigned cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	machine.cfg.cpus = MACHINE_MAX_CPUS;
	machine.vcpu[cpu].m = &machine;
	machine.vcpu[cpu].index = cpu;
	machine_cpuid(&machine.vcpu[cpu], leaf, subleaf, out);
}

static bool has(uint32_t leaf, unsigned reg, unsigned bit)
{
	uint32_t out[4];

	cpuid(0, leaf, 0, out);
	return out[reg] >> bit & 1;
}

static void widths(void)
{
	struct cpu_model model;
	struct sh_cpu_model sh;
	uint32_t out[4];

	machine_model(machine.can, &model, &sh);
	cpuid(0, 0x80000008, 0, out);
	CU_ASSERT_EQUAL(out[EAX] & 0xff, 46);
	CU_ASSERT_EQUAL(out[EAX] >> 8 & 0xff, 48);
	CU_ASSERT_EQUAL(model.maxphyaddr, 46);
	CU_ASSERT_EQUAL(sh.maxphyaddr, 46);
}

static void apic_ids(void)
{
	uint32_t out[4];

	for (unsigned cpu = 0; cpu < MACHINE_MAX_CPUS; cpu++) {
		cpuid(cpu, 1, 0, out);
		CU_ASSERT_EQUAL(out[EBX] >> 24, cpu);
		CU_ASSERT_EQUAL(out[EBX] >> 16 & 0xff, MACHINE_MAX_CPUS);
	}
}

/* Where the engine can't do it. */
static void no_xsave(void)
{
	uint32_t out[4];

	CU_ASSERT_FALSE(has(1, ECX, 26)); /* XSAVE */
	CU_ASSERT_FALSE(has(1, ECX, 27)); /* OSXSAVE */
	CU_ASSERT_FALSE(has(1, ECX, 28)); /* AVX */
	CU_ASSERT_FALSE(has(7, EBX, 5));  /* AVX2 */
	CU_ASSERT_FALSE(has(7, EBX, 16)); /* AVX512F */
	for (uint32_t subleaf = 0; subleaf < 3; subleaf++) {
		cpuid(0, 0xd, subleaf, out);
		CU_ASSERT_EQUAL(out[EAX] | out[EBX] | out[ECX] | out[EDX], 0);
	}
}

/* Sizes follow XCR0, OSXSAVE follows CR4; the format is the standard one (SDM vol. 1, 13.4). */
static void xsave(void)
{
	struct cpu_state *s = &machine.vcpu[0].cpu.s;
	uint32_t out[4];

	if (!__builtin_cpu_supports("avx"))
		return;
	machine.can = CAN_AVX;
	CU_ASSERT(has(1, ECX, 26));
	CU_ASSERT_FALSE(has(1, ECX, 27));
	s->cr4 = CR4_OSXSAVE;
	CU_ASSERT(has(1, ECX, 27));
	s->cr4 = 0;
	CU_ASSERT_EQUAL(has(1, ECX, 28), (bool)__builtin_cpu_supports("avx"));
	CU_ASSERT_EQUAL(has(7, EBX, 5), (bool)__builtin_cpu_supports("avx2"));
	CU_ASSERT_FALSE(has(7, EBX, 16)); /* AVX512F */
	for (s->xcr0 = 1; s->xcr0 <= 7; s->xcr0 = s->xcr0 * 2 + 1) {
		cpuid(0, 0xd, 0, out);
		CU_ASSERT_EQUAL(out[EAX], 7);
		CU_ASSERT_EQUAL(out[EBX], s->xcr0 == 7 ? 832 : 576);
		CU_ASSERT_EQUAL(out[ECX], 832);
		CU_ASSERT_EQUAL(out[EDX], 0);
	}
	s->xcr0 = 1;
	cpuid(0, 0xd, 2, out);
	CU_ASSERT_EQUAL(out[EAX], 256);
	CU_ASSERT_EQUAL(out[EBX], 576);
	CU_ASSERT_EQUAL(out[ECX], 0);
	CU_ASSERT_FALSE(has(0xd, EDX, 0));
	cpuid(0, 0xd, 1, out);
	CU_ASSERT_EQUAL(out[EAX] & ~7u, 0); /* no XSAVES */
	machine.can = 0;
}

/* A feature whose control bit does not exist must not be offered, and the other way round. */
static void control_bits_agree(unsigned can)
{
	static const struct {
		uint64_t cr4;
		uint32_t leaf;
		unsigned reg, bit;
	} rows[] = {
		{CR4_DE, 1, EDX, 2},	{CR4_PSE, 1, EDX, 3},	{CR4_TSD, 1, EDX, 4},
		{CR4_PAE, 1, EDX, 6},	{CR4_PGE, 1, EDX, 13},	{CR4_OSFXSR, 1, EDX, 24},
		{CR4_SMEP, 7, EBX, 7},	{CR4_SMAP, 7, EBX, 20}, {CR4_UMIP, 7, ECX, 2},
		{1u << 0, 1, EDX, 1},	{1u << 12, 7, ECX, 16}, {1u << 13, 1, ECX, 5},
		{1u << 17, 1, ECX, 17}, {1u << 18, 1, ECX, 26}, {1u << 16, 7, EBX, 0},
		{1u << 22, 7, ECX, 3},	{1u << 24, 7, ECX, 31},
	};
	struct cpu_model model;
	struct sh_cpu_model sh;

	machine.can = can;
	machine_model(machine.can, &model, &sh);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool offered = has(rows[i].leaf, rows[i].reg, rows[i].bit);
		bool allowed = model.cr4_allowed & rows[i].cr4;

		if (offered != allowed)
			printf("# leaf %u register %u bit %u: offered %d, CR4 bit %d\n",
			       rows[i].leaf, rows[i].reg, rows[i].bit, offered, allowed);
		CU_ASSERT_EQUAL(offered, allowed);
	}
	machine.can = 0;
}

static void control_bits(void)
{
	control_bits_agree(0);
	control_bits_agree(CAN_PKU | CAN_LA57);
	control_bits_agree(CAN_PKU | CAN_LA57 | (__builtin_cpu_supports("avx") ? CAN_AVX : 0));
}

/* SDM vol. 2, CPUID: OSPKE follows CR4.PKE. */
static void ospke(void)
{
	machine.can = CAN_PKU;
	CU_ASSERT_FALSE(has(7, ECX, 4));
	machine.vcpu[0].cpu.s.cr4 = CR4_PKE;
	CU_ASSERT(has(7, ECX, 4));
	machine.vcpu[0].cpu.s.cr4 = 0;
	machine.can = 0;
}

static void long_mode(void)
{
	CU_ASSERT(has(0x80000001, EDX, 29)); /* LM */
	CU_ASSERT(has(0x80000001, EDX, 20)); /* NX */
	CU_ASSERT(has(0x80000001, EDX, 11)); /* SYSCALL */
	CU_ASSERT(has(1, EDX, 9));	     /* APIC */
	CU_ASSERT(has(1, ECX, 21));	     /* x2APIC */
	CU_ASSERT_FALSE(has(1, ECX, 5));     /* VMX */
	CU_ASSERT_FALSE(has(1, ECX, 3));     /* MONITOR */
	CU_ASSERT_FALSE(has(1, EDX, 12));    /* MTRR */
}

static void unknown_leaves(void)
{
	static const uint32_t leaves[] = {2, 4, 0xb, 0xe, 0x40000000, 0x80000009, UINT32_MAX};
	uint32_t out[4];

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		cpuid(0, leaves[i], 0, out);
		CU_ASSERT_EQUAL(out[EAX] | out[EBX] | out[ECX] | out[EDX], 0);
	}
	cpuid(0, 7, 1, out);
	CU_ASSERT_EQUAL(out[EAX] | out[EBX] | out[ECX] | out[EDX], 0);
	cpuid(0, 0x80000000, 0, out);
	CU_ASSERT_EQUAL(out[EAX], 0x80000008);
}

const struct tap_case cpuid_tests[] = {
	{"address widths", widths},
	{"APIC ID per vCPU", apic_ids},
	{"no XSAVE", no_xsave},
	{"XSAVE and AVX", xsave},
	{"features and bits of CR4", control_bits},
	{"OSPKE", ospke},
	{"long mode and APIC", long_mode},
	{"unknown leaves are zero", unknown_leaves},
	TAP_NO_CASE,
};
