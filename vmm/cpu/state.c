/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the states a virtual CPU starts from: RESET, INIT and SIPI.
 *
 * Read after: state.h. Manual: SDM vol. 3, table 9-1 and section 8.4; vol. 1, section 3.3.7.1.
 */
#include "vmm/cpu/state.h"

#define REAL_DATA_ATTR	0x0093 /* present, read/write, accessed */
#define REAL_CODE_ATTR	0x009b /* present, execute/read, accessed */
#define RESET_LDT_ATTR	0x0082
#define RESET_TSS_ATTR	0x008b	   /* present, busy */
#define RESET_SIGNATURE 0x000906e9 /* EDX: family 6, as CPUID leaf 1 of the default model */

#define PAT_RESET     0x0007040600070406ull
#define DR6_RESET     0xffff0ff0ull
#define DR7_RESET     0x400ull
#define APIC_BASE_MSR 0xfee00800ull /* enabled, at its usual address */
#define APIC_BSP      0x100ull

static void reset_segments(struct cpu_state *s)
{
	for (int i = 0; i < CPU_SEGS; i++)
		s->seg[i] = (struct cpu_segment){.limit = 0xffff, .attr = REAL_DATA_ATTR};
	s->seg[CPU_CS] = (struct cpu_segment){
		.base = 0xffff0000,
		.limit = 0xffff,
		.selector = 0xf000,
		.attr = REAL_CODE_ATTR,
	};
	s->ldtr = (struct cpu_segment){.limit = 0xffff, .attr = RESET_LDT_ATTR};
	s->tr = (struct cpu_segment){.limit = 0xffff, .attr = RESET_TSS_ATTR};
	s->gdtr = s->idtr = (struct cpu_table){.limit = 0xffff};
}

/* What RESET and INIT have in common. */
static void reset_core(struct cpu_state *s)
{
	for (int i = 0; i < CPU_GPRS; i++)
		s->gpr[i] = 0;
	for (int i = 0; i < 4; i++)
		s->dr[i] = s->pdpte[i] = 0;
	s->gpr[CPU_RDX] = RESET_SIGNATURE;
	s->rip = 0xfff0;
	s->rflags = RFL_FIXED;
	reset_segments(s);
	s->cr0 = CR0_ET | CR0_NW | CR0_CD;
	s->cr2 = s->cr3 = s->cr4 = s->cr8 = s->efer = 0;
	s->dr[6] = DR6_RESET;
	s->dr[7] = DR7_RESET;
	s->int_shadow = s->db_shadow = s->nmi_blocked = s->nmi_pending = false;
	s->db_held = 0;
	s->activity = s->index ? CPU_WAIT_SIPI : CPU_RUNNING;
}

void cpu_reset(struct cpu_state *s, unsigned index)
{
	*s = (struct cpu_state){.index = index};
	reset_core(s);
	s->xcr0 = 1;
	cpu_fpu_reset(&s->fpu);
	s->msr_pat = PAT_RESET;
	s->msr_misc_enable = 1; /* fast strings */
	s->msr_apic_base = APIC_BASE_MSR | (index ? 0 : APIC_BSP);
}

void cpu_init_signal(struct cpu_state *s)
{
	uint64_t cache = s->cr0 & (CR0_CD | CR0_NW);

	/* The MSRs, XCR0 and PKRU are not in reset_core(), so they stay. */
	reset_core(s);
	s->cr0 = CR0_ET | cache;
}

void cpu_start_sipi(struct cpu_state *s, uint8_t vector)
{
	if (s->activity != CPU_WAIT_SIPI)
		return; /* a SIPI that nobody waits for is dropped */
	s->seg[CPU_CS].selector = (uint16_t)(vector << 8);
	s->seg[CPU_CS].base = (uint64_t)vector << 12;
	s->rip = 0;
	s->activity = CPU_RUNNING;
}

bool cpu_canonical(const struct cpu_state *s, uint64_t va)
{
	unsigned unused = s->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}
