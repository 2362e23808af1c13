/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The virtual processor: what CPUID says, and which control bits exist.
 *
 * The features are those the monitor emulates or the hardware gives at CPL 3 without its help; the
 * rest is hidden. CPUID is made to trap at CPL 3 and reads this table; where it can't be made to, the
 * guest sees the host's (docs/architecture.md, limits).
 * Read first: machine.h. Manual: SDM vol. 2, CPUID.
 */
#include <cpuid.h>
#include <pthread.h>
#include <string.h>

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
 * VMX, MONITOR. Where the engine can: XSAVE, AVX, F16C, FMA. */
#define L1_ECX	       0x00d82201u
#define L1_EDX	       0x0789ab7du
#define L1_EDX_APIC    (1u << 9)
#define L1_ECX_SET     ((1u << 17) | (1u << 21) | (1u << 24) | (1u << 30))
#define L1_EDX_SET     (0x0000023du | (1u << 1))
#define L1_ECX_AVX     (1u << 12 | 1u << 26 | 1u << 28 | 1u << 29)
#define L1_ECX_OSXSAVE (1u << 27)
/* Leaf 7: FSGSBASE is left to emulation; BMI1, BMI2, ERMS, ADX, CLFLUSHOPT. Emulated whatever the
 * host: SMEP, INVPCID, RDSEED, SMAP; UMIP, PKS; and where the engine can, PKU and LA57. Of
 * x87, that its data pointer moves with exceptions only (the host's), and no selectors. */
#define L7_EBX_SET   ((1u << 7) | (1u << 10) | (1u << 13) | (1u << 18) | (1u << 20))
#define L7_ECX_SET   ((1u << 2) | (1u << 31))
#define L7_ECX_PKU   (1u << 3)
#define L7_ECX_OSPKE (1u << 4)
#define L7_ECX_LA57  (1u << 16)
#define L7_EBX	     0x008c0348u
#define L7_EBX_AVX2  (1u << 5)
/* Leaf D: x87, SSE and AVX in both formats at the same place (SDM vol. 1, section 13.4); XSAVEOPT,
 * XSAVEC and XGETBV with ECX = 1. No XSAVES: nothing here has supervisor state. */
#define LD1_EAX	       0x00000007u
#define LD1_EAX_XSAVEC (1u << 1)
#define XCR0_ALL       7u
#define XCR0_AVX       4u
#define AREA_SSE       576u
#define AREA_AVX       (AREA_SSE + 256u)
#define L81_ECX	       0x00000121u /* LAHF, ABM, PREFETCHW */
#define L81_EDX	       0x2c100800u /* SYSCALL, NX, 1G pages, RDTSCP, LM */

static const struct cpuid_row rows[] = {
	{0x0, 0, {0, ALL, ALL, ALL}, {0xd, 0, 0, 0}},
	{0x1, 0, {ALL, 0x0000ffff, L1_ECX, L1_EDX}, {0, 0, L1_ECX_SET, L1_EDX_SET}},
	{0x7, 0, {0, L7_EBX, 0, 0}, {0, L7_EBX_SET, L7_ECX_SET, 0}},
	{0xd, 0, {0, 0, 0, 0}, {0, 0, 0, 0}},
	{0xd, 1, {0, 0, 0, 0}, {0, 0, 0, 0}},
	{0xd, 2, {0, 0, 0, 0}, {0, 0, 0, 0}},
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

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The APIC bit goes with the APIC (SDM vol. 3, section 10.4.3). */
static bool apic_off(const struct vcpu *v)
{
	uint64_t base;

	return v->m->apic && !apic_rdmsr(v->m->apic, v->index, MSR_APIC_BASE, &base) &&
	       !(base & MSR_APIC_BASE_EN);
}

static void leaf_1(const struct vcpu *v, const uint32_t host[4], uint32_t out[4])
{
	out[1] = (out[1] & 0xffff) | v->m->cfg.cpus << 16 | v->index << 24;
	if (apic_off(v))
		out[3] &= ~L1_EDX_APIC;
	if (v->m->can & CAN_AVX)
		out[2] |= (host[2] & L1_ECX_AVX) |
			  (v->cpu.s.cr4 & CR4_OSXSAVE ? L1_ECX_OSXSAVE : 0);
}

static void leaf_7(const struct vcpu *v, const uint32_t host[4], uint32_t out[4])
{
	if (v->m->can & CAN_PKU)
		out[2] |= L7_ECX_PKU | (v->cpu.s.cr4 & CR4_PKE ? L7_ECX_OSPKE : 0);
	if (v->m->can & CAN_LA57)
		out[2] |= L7_ECX_LA57;
	if (v->m->can & CAN_AVX)
		out[1] |= host[1] & L7_EBX_AVX2;
}

/* Sizes are for what XCR0 has now; the supported components are the mask of XSETBV. */
static void leaf_d(const struct vcpu *v, uint32_t subleaf, const uint32_t host[4],
		   uint32_t out[4])
{
	const uint32_t size = v->cpu.s.xcr0 & XCR0_AVX ? AREA_AVX : AREA_SSE;

	if (!(v->m->can & CAN_AVX))
		return;
	if (subleaf == 0) {
		out[0] = XCR0_ALL;
		out[1] = size;
		out[2] = AREA_AVX;
	} else if (subleaf == 1) {
		out[0] = host[0] & LD1_EAX;
		out[1] = out[0] & LD1_EAX_XSAVEC ? size : 0;
	} else if (subleaf == 2) {
		out[0] = AREA_AVX - AREA_SSE;
		out[1] = AREA_SSE;
	}
}

/* What depends on the vCPU, the machine, or the registers. */
static void per_cpu(const struct vcpu *v, const struct cpuid_row *r, const uint32_t host[4],
		    uint32_t out[4])
{
	if (r->leaf == 1)
		leaf_1(v, host, out);
	else if (r->leaf == 7)
		leaf_7(v, host, out);
	else if (r->leaf == 0xd)
		leaf_d(v, r->subleaf, host, out);
	else if (r->leaf == 0x80000008 && v->m->can & CAN_LA57)
		out[0] = (out[0] & ~0xff00u) | 57u << 8;
}

/* The host's are asked for once: CPUID is an exit where the host is itself a guest, and a fault on
 * threads that keep it from theirs. */
static uint32_t host_cpuid[ROWS][4];
static pthread_once_t host_asked = PTHREAD_ONCE_INIT;

static void ask_host(void)
{
	for (unsigned i = 0; i < ROWS; i++) {
		uint32_t *h = host_cpuid[i];

		__cpuid_count(rows[i].leaf, rows[i].subleaf, h[0], h[1], h[2], h[3]);
	}
}

static bool by_subleaf(uint32_t leaf)
{
	return leaf == 7 || leaf == 0xd;
}

void machine_cpuid(const struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	pthread_once(&host_asked, ask_host);
	memset(out, 0, 4 * sizeof(*out));
	for (unsigned i = 0; i < ROWS; i++) {
		const struct cpuid_row *r = &rows[i];

		if (r->leaf != leaf || (by_subleaf(leaf) && r->subleaf != subleaf))
			continue;
		for (unsigned k = 0; k < 4; k++)
			out[k] = (host_cpuid[i][k] & r->mask[k]) | r->set[k];
		per_cpu(v, r, host_cpuid[i], out);
		return;
	}
}

void machine_model(unsigned can, struct cpu_model *model, struct sh_cpu_model *sh)
{
	pthread_once(&host_asked, ask_host); /* before a thread can't */
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
	if (can & CAN_AVX)
		model->cr4_allowed |= CR4_OSXSAVE;
	*sh = (struct sh_cpu_model){.maxphyaddr = MAXPHYADDR, .gb_pages = true};
}
