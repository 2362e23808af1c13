/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The architectural state of one virtual CPU, as the guest believes it to be.
 *
 * Owned by the vCPU's thread while the guest is not executing; no lock. Every engine loads it
 * into whatever executes and stores it back, at any instruction boundary, so engines can hand
 * over to one another. Nothing here knows of KVM or of shadow tables.
 *
 * Read first: shadow/addr.h. Read next: ops.h.
 */
#ifndef UMBRA_CPU_STATE_H
#define UMBRA_CPU_STATE_H

#include "shadow/addr.h"
#include "vmm/cpu/fpu.h"

/* General registers in the order of their encoding (Intel SDM vol. 2, table 2-4). */
/* clang-format off */
enum cpu_gpr {
	CPU_RAX, CPU_RCX, CPU_RDX, CPU_RBX, CPU_RSP, CPU_RBP, CPU_RSI, CPU_RDI,
	CPU_R8, CPU_R9, CPU_R10, CPU_R11, CPU_R12, CPU_R13, CPU_R14, CPU_R15,
	CPU_GPRS
};
/* clang-format on */

/* Segment registers in the order of their encoding. */
enum cpu_seg { CPU_ES, CPU_CS, CPU_SS, CPU_DS, CPU_FS, CPU_GS, CPU_SEGS };

/* The hidden part of a segment register. attr holds descriptor bits 40..55 without the limit:
 * bits 0-3 type, 4 S, 5-6 DPL, 7 P, 12 AVL, 13 L, 14 D/B, 15 G (the VMX access-rights layout). */
struct cpu_segment {
	uint64_t base;
	uint32_t limit; /* in bytes, already scaled by G */
	uint16_t selector;
	uint16_t attr;
};

#define SEG_TYPE(a)   ((a)&0xf)
#define SEG_S	      (1u << 4)
#define SEG_DPL(a)    (((a) >> 5) & 3)
#define SEG_DPL_SHIFT 5
#define SEG_P	      (1u << 7)
#define SEG_AVL	      (1u << 12)
#define SEG_L	      (1u << 13)
#define SEG_DB	      (1u << 14)
#define SEG_G	      (1u << 15)

struct cpu_table {
	uint64_t base;
	uint16_t limit;
};

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)

#define CR4_VME	       (1ull << 0)
#define CR4_PVI	       (1ull << 1)
#define CR4_TSD	       (1ull << 2)
#define CR4_DE	       (1ull << 3)
#define CR4_PSE	       (1ull << 4)
#define CR4_PAE	       (1ull << 5)
#define CR4_MCE	       (1ull << 6)
#define CR4_PGE	       (1ull << 7)
#define CR4_PCE	       (1ull << 8)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_LA57       (1ull << 12)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_PCIDE      (1ull << 17)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)
#define CR4_PKE	       (1ull << 22)
#define CR4_PKS	       (1ull << 24)

#define DR7_ENABLES 0xffull /* L0, G0 to L3, G3 */

#define EFER_SCE (1ull << 0)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

#define RFL_CF	  (1ull << 0)
#define RFL_FIXED (1ull << 1)
#define RFL_PF	  (1ull << 2)
#define RFL_AF	  (1ull << 4)
#define RFL_ZF	  (1ull << 6)
#define RFL_SF	  (1ull << 7)
#define RFL_TF	  (1ull << 8)
#define RFL_IF	  (1ull << 9)
#define RFL_DF	  (1ull << 10)
#define RFL_OF	  (1ull << 11)
#define RFL_IOPL  (3ull << 12)
#define RFL_NT	  (1ull << 14)
#define RFL_RF	  (1ull << 16)
#define RFL_VM	  (1ull << 17)
#define RFL_AC	  (1ull << 18)
#define RFL_VIF	  (1ull << 19)
#define RFL_VIP	  (1ull << 20)
#define RFL_ID	  (1ull << 21)

/* Exception vectors. */
/* clang-format off */
enum cpu_vector {
	VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6,
	VEC_NM = 7, VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14,
	VEC_MF = 16, VEC_AC = 17, VEC_MC = 18, VEC_XM = 19
};
/* clang-format on */

/* Exceptions that push an error code (SDM vol. 3, table 6-1, and #CP, #VC, #SX). */
static inline bool cpu_vector_has_error(unsigned vector)
{
	return vector < 32 && (0x60227d00u >> vector & 1);
}

/* #PF error code bits (SDM vol. 3, section 4.7). */
#define PFERR_P	   (1u << 0)
#define PFERR_W	   (1u << 1)
#define PFERR_U	   (1u << 2)
#define PFERR_RSVD (1u << 3)
#define PFERR_I	   (1u << 4)
#define PFERR_PK   (1u << 5)

/* What the CPU is doing between instructions. */
enum cpu_activity { CPU_RUNNING, CPU_HALTED, CPU_WAIT_SIPI, CPU_SHUTDOWN };

struct cpu_state {
	uint64_t gpr[CPU_GPRS];
	uint64_t rip;
	uint64_t rflags;
	struct cpu_segment seg[CPU_SEGS];
	struct cpu_segment ldtr, tr;
	struct cpu_table gdtr, idtr;
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t pdpte[4]; /* PAE: loaded and checked at MOV CR3, cached since (SDM 4.4.1) */
	uint64_t efer;
	uint64_t dr[8];
	uint64_t xcr0;
	uint32_t pkru;

	/* MSRs the guest can read back; FS_BASE and GS_BASE are seg[].base. */
	uint64_t msr_star, msr_lstar, msr_cstar, msr_sfmask;
	uint64_t msr_kernel_gs_base;
	uint64_t msr_sysenter_cs, msr_sysenter_esp, msr_sysenter_eip;
	uint64_t msr_pat, msr_tsc_aux, msr_tsc_offset, msr_misc_enable;
	uint64_t msr_apic_base;
	uint64_t msr_mtrr_def_type;
	uint64_t msr_pkrs;

	/* Home of the vector and x87 registers. An engine may keep them elsewhere between two
	 * instructions of ours: cpu_ops.fpu brings them here. */
	struct cpu_fpu fpu;
	uint8_t ymm_high[16][16]; /* bits 128-255; 0 where CPUID offers no AVX */

	enum cpu_activity activity;
	bool int_shadow; /* the instruction after STI, MOV SS or POP SS */
	bool db_shadow;	 /* the instruction after MOV SS or POP SS: no debug traps, no NMI */
	uint8_t db_held; /* DR6 bits of the data breakpoints that a MOV SS or POP SS met */
	bool nmi_blocked, nmi_pending; /* in an NMI handler; one more has come (SDM 6.7.1) */
	unsigned index;		       /* 0 is the boot processor; also the APIC id */
};

/* Current privilege level: the DPL of SS (SDM vol. 3, section 5.5), which equals CS.RPL except
 * in virtual-8086 mode and in real mode, where it is 3 and 0. */
static inline unsigned cpu_cpl(const struct cpu_state *s)
{
	if (!(s->cr0 & CR0_PE))
		return 0;
	if (s->rflags & RFL_VM)
		return 3;
	return SEG_DPL(s->seg[CPU_SS].attr);
}

static inline bool cpu_long_mode(const struct cpu_state *s)
{
	return s->efer & EFER_LMA;
}

/* 64-bit submode: the only one in which RIP and addresses are 64 bits wide. */
static inline bool cpu_64bit(const struct cpu_state *s)
{
	return (s->efer & EFER_LMA) && (s->seg[CPU_CS].attr & SEG_L);
}

static inline bool cpu_real_mode(const struct cpu_state *s)
{
	return !(s->cr0 & CR0_PE);
}

/* Sets the state the manuals give after RESET (SDM vol. 3, table 9-1); index 0 runs, others
 * wait for a SIPI. */
void cpu_reset(struct cpu_state *s, unsigned index);

/* INIT: as reset, but caches, MSRs of the APIC base and x87 state stay; then waits for a SIPI
 * (unless it is the boot processor). */
void cpu_init_signal(struct cpu_state *s);

/* Starts a CPU that waits: real mode at vector:0000. */
void cpu_start_sipi(struct cpu_state *s, uint8_t vector);

/* True if va is canonical under the current CR4.LA57 (SDM vol. 1, section 3.3.7.1). */
bool cpu_canonical(const struct cpu_state *s, uint64_t va);

/* One line per register group, for crash reports and info registers; at most n bytes with NUL. */
void cpu_print(const struct cpu_state *s, char *buf, size_t n);

#endif
