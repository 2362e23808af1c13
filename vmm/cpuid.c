/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The virtual processor: what CPUID says, and which control bits exist.
 *
 * The features are those the monitor emulates or the hardware gives at CPL 3 without its help; the
 * rest is hidden. Emulated CPUID reads this table; where CPUID at CPL 3 does not trap the guest
 * sees the host's (docs/architecture.md, limits).
 * Read first: machine.h. Manual: SDM vol. 2, CPUID.
 */
#include <cpuid.h>

#include "vmm/machine.h"

#define MAXPHYADDR	 46u
#define MSR_APIC_BASE	 0x1bu
#define MSR_APIC_BASE_EN (1ull << 11)

struct cpuid_row {
	uint32_t leaf, subleaf;
	uint32_t mask[4]; /* of the host's eax, ebx, ecx, edx */
	uint32_t set[4];
};

#define ALL UINT32_MAX

/* Leaf 1: TSC MSR PAE CX8 APIC SEP PGE CMOV PAT CLFSH FXSR SSE SSE2 PSE FPU DE; SSE3 SSSE3 CX16 SSE4
 * MOVBE POPCNT. Emulated whatever the host: VME, PCID, X2APIC, TSC deadline, RDRAND. No MTRR, MCA,
 * XSAVE, VMX, MONITOR. */
#define L1_ECX	    0x00d82201u
#define L1_EDX	    0x0789ab7du
#define L1_EDX_APIC (1u << 9)
#define L1_ECX_SET  ((1u << 17) | (1u << 21) | (1u << 24) | (1u << 30))
#define L1_EDX_SET  (0x0000023du | (1u << 1))
/* Leaf 7: FSGSBASE is left to emulation; BMI1, BMI2, ERMS, ADX, CLFLUSHOPT. Emulated whatever the
 * host: SMEP, INVPCID, RDSEED, SMAP; UMIP, PKS; and where the engine can, PKU and LA57. Of
 * x87, that its data pointer moves with exceptions only (the host's), and no selectors. */
#define L7_EBX_SET   ((1u << 7) | (1u << 10) | (1u << 13) | (1u << 18) | (1u << 20))
#define L7_ECX_SET   ((1u << 2) | (1u << 31))
#define L7_ECX_PKU   (1u << 3)
#define L7_ECX_OSPKE (1u << 4)
#define L7_ECX_LA57  (1u << 16)
#define L7_EBX	     0x008c0348u
#define L81_ECX	     0x00000121u /* LAHF, ABM, PREFETCHW */
#define L81_EDX	     0x2c100800u /* SYSCALL, NX, 1G pages, RDTSCP, LM */

static const struct cpuid_row rows[] = {
	{0x0, 0, {0, ALL, ALL, ALL}, {0xd, 0, 0, 0}},
	{0x1, 0, {ALL, 0x0000ffff, L1_ECX, L1_EDX}, {0, 0, L1_ECX_SET, L1_EDX_SET}},
	{0x7, 0, {0, L7_EBX, 0, 0}, {0, L7_EBX_SET, L7_ECX_SET, 0}},
	{0x80000000, 0, {0, 0, 0, 0}, {0x80000008, 0, 0, 0}},
	{0x80000001,
	 0,
	 {0, 0, L81_ECX, L81_EDX},
	 {0, 0, 0, (1u << 11) | (1u << 20) | (1u << 29)}},
	{0x80000002, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000003, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000004, 0, {ALL, ALL, ALL, ALL}, {0}},
	{0x80000008, 0, {0, 0, 0, 0}, {MAXPHYADDR | 48u << 8, 0, 0, 0}},
};

/* The APIC bit goes with the APIC (SDM vol. 3, section 10.4.3). */
static bool apic_off(const struct vcpu *v)
{
	uint64_t base;

	return v->m->apic && !apic_rdmsr(v->m->apic, v->index, MSR_APIC_BASE, &base) &&
	       !(base & MSR_APIC_BASE_EN);
}

static void leaf_1(const struct vcpu *v, uint32_t out[4])
{
	out[1] = (out[1] & 0xffff) | v->m->cfg.cpus << 16 | v->index << 24;
	if (apic_off(v))
		out[3] &= ~L1_EDX_APIC;
}

static void leaf_7(const struct vcpu *v, uint32_t out[4])
{
	if (v->m->can & CAN_PKU)
		out[2] |= L7_ECX_PKU | (v->cpu.s.cr4 & CR4_PKE ? L7_ECX_OSPKE : 0);
	if (v->m->can & CAN_LA57)
		out[2] |= L7_ECX_LA57;
}

/* What depends on the vCPU, the machine, or the registers. */
static void per_cpu(const struct vcpu *v, uint32_t leaf, uint32_t out[4])
{
	if (leaf == 1)
		leaf_1(v, out);
	else if (leaf == 7)
		leaf_7(v, out);
	else if (leaf == 0x80000008 && v->m->can & CAN_LA57)
		out[0] = (out[0] & ~0xff00u) | 57u << 8;
}

void machine_cpuid(const struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t host[4];

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct cpuid_row *r = &rows[i];

		if (r->leaf != leaf || (leaf == 7 && r->subleaf != subleaf))
			continue;
		__cpuid_count(leaf, subleaf, host[0], host[1], host[2], host[3]);
		for (unsigned k = 0; k < 4; k++)
			out[k] = (host[k] & r->mask[k]) | r->set[k];
		per_cpu(v, leaf, out);
		return;
	}
	out[0] = out[1] = out[2] = out[3] = 0;
}

void machine_model(unsigned can, struct cpu_model *model, struct sh_cpu_model *sh)
{
	*model = (struct cpu_model){
		.maxphyaddr = MAXPHYADDR,
		.cr4_allowed = CR4_VME | CR4_PVI | CR4_PSE | CR4_PAE | CR4_PGE | CR4_DE |
			       CR4_TSD | CR4_MCE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT |
			       CR4_UMIP | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_PKS,
		.invpcid = true,
		.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
	};
	if (can & CAN_PKU)
		model->cr4_allowed |= CR4_PKE;
	if (can & CAN_LA57)
		model->cr4_allowed |= CR4_LA57;
	*sh = (struct sh_cpu_model){.maxphyaddr = MAXPHYADDR, .gb_pages = true};
}
