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

#define MAXPHYADDR 46u

struct cpuid_row {
	uint32_t leaf, subleaf;
	uint32_t mask[4]; /* of the host's eax, ebx, ecx, edx */
	uint32_t set[4];
};

#define ALL UINT32_MAX

/* Leaf 1: TSC MSR PAE CX8 APIC SEP PGE CMOV PAT CLFSH FXSR SSE SSE2 PSE FPU DE; SSE3 SSSE3 CX16 SSE4
 * MOVBE POPCNT X2APIC. No MTRR, MCA, XSAVE, VMX, MONITOR, PCID yet. */
#define L1_ECX 0x00d82201u
#define L1_EDX 0x0789ab7du
/* Leaf 7: FSGSBASE is left to emulation; BMI1, BMI2, ERMS, SMEP, SMAP, RDSEED, ADX, CLFLUSHOPT. */
#define L7_EBX	0x008c0308u
#define L81_ECX 0x00000121u /* LAHF, ABM, PREFETCHW */
#define L81_EDX 0x2c100800u /* SYSCALL, NX, 1G pages, RDTSCP, LM */

static const struct cpuid_row rows[] = {
	{0x0, 0, {0, ALL, ALL, ALL}, {0xd, 0, 0, 0}},
	{0x1, 0, {ALL, 0x0000ffff, L1_ECX, L1_EDX}, {0, 0, 1u << 21, 0x0000023du}},
	{0x7, 0, {0, L7_EBX, 0, 0}, {0, (1u << 7) | (1u << 20), 1u << 2, 0}},
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

#define L7_ECX_LA57 (1u << 16)

static void per_cpu(const struct vcpu *v, uint32_t leaf, uint32_t out[4])
{
	bool la57 = v->m->model.cr4_allowed & CR4_LA57;

	if (leaf == 7 && la57)
		out[2] |= L7_ECX_LA57;
	if (leaf == 0x80000008 && la57)
		out[0] = (out[0] & ~0xff00u) | 57u << 8;
	if (leaf == 1)
		out[1] = (out[1] & 0xffff) | v->m->cfg.cpus << 16 | v->index << 24;
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

void machine_model(bool la57, struct cpu_model *model, struct sh_cpu_model *sh)
{
	*model = (struct cpu_model){
		.maxphyaddr = MAXPHYADDR,
		.cr4_allowed = CR4_PSE | CR4_PAE | CR4_PGE | CR4_DE | CR4_TSD | CR4_MCE |
			       CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_SMEP | CR4_SMAP,
		.efer_allowed = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
	};
	if (la57)
		model->cr4_allowed |= CR4_LA57;
	*sh = (struct sh_cpu_model){.maxphyaddr = MAXPHYADDR, .gb_pages = true};
}
