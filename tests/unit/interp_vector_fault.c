/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Vector and x87 instructions where they fault, one row per condition with the section of the
 * manual that has it; what FXSAVE, FNSTENV and the stores across pages leave behind.
 *
 * Read first: interp_machine.h.
 */
#include <stddef.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define BASE   0x100000u
#define RW     (BASE + 0x2000)
#define RDONLY (BASE + 0x3000)
#define NONE   (BASE + 0x4000)

static struct machine *m;
static struct cpu_state *s;

static int setup(void)
{
	m = machine_create(BASE);
	s = &m->cpu.s;
	return 0;
}

static int teardown(void)
{
	machine_destroy(m);
	return 0;
}

static void start(void)
{
	machine_long(m, BASE);
	memset(m->perm, PAGE_RWX, sizeof(m->perm));
	m->perm[3] = PAGE_R;
	m->perm[4] = 0;
	memset(m->ram + 0x2000, 0, 0x2000);
	s->cr4 |= CR4_OSXMMEXCPT;
	s->gpr[CPU_RDI] = RW;
}

#define PENDING 0x8081u /* ES, B and IE, with IE not masked */

struct condition {
	const char *hex;
	uint64_t set0, clear4; /* CR0 bits set, CR4 bits cleared */
	uint32_t rdi;	       /* 0: RW */
	uint16_t fsw;
	uint8_t vector; /* 0: none */
	const char *manual;
};

static const struct condition conditions[] = {
	{"0f 58 c1", CR0_EM, 0, 0, 0, VEC_UD, "vol. 3, table 22-18: SSE, CR0.EM"},
	{"0f 58 c1", 0, CR4_OSFXSR, 0, 0, VEC_UD, "vol. 3, table 22-18: CR4.OSFXSR"},
	{"0f 58 c1", CR0_TS, 0, 0, 0, VEC_NM, "vol. 3, table 22-18: CR0.TS"},
	{"0f 58 c1", CR0_EM | CR0_TS, 0, 0, 0, VEC_UD, "vol. 3, 6.9: #UD before #NM"},
	{"0f 58 07", 0, 0, RW + 8, 0, VEC_GP, "vol. 1, 10.4.1.1: alignment"},
	{"f3 0f 58 07", 0, 0, RW + 1, 0, 0, "vol. 1, 10.4.1.1: scalars need none"},
	{"0f 10 07", 0, 0, RW + 1, 0, 0, "vol. 2, MOVUPS"},
	{"66 0f 3a 63 07 00", 0, 0, RW + 1, 0, 0, "vol. 2, PCMPISTRI: unaligned"},
	{"0f 2b 07", 0, 0, RW + 8, 0, VEC_GP, "vol. 2, MOVNTPS"},
	{"66 0f e7 07", 0, 0, RDONLY, 0, VEC_PF, "vol. 2, MOVNTDQ"},
	{"0f 13 07", 0, 0, RDONLY, 0, VEC_PF, "vol. 2, MOVLPS"},
	{"66 0f 6f 07", 0, 0, NONE, 0, VEC_PF, "vol. 2, MOVDQA"},
	{"66 0f f7 c1", 0, 0, RDONLY, 0, 0, "vol. 2, MASKMOVDQU: nothing selected"},
	{"66 0f f7 d2", 0, 0, RDONLY, 0, VEC_PF, "vol. 2, MASKMOVDQU"},
	{"0f fc c1", CR0_EM, 0, 0, 0, VEC_UD, "vol. 1, 9.6.3: MMX, CR0.EM"},
	{"0f fc c1", CR0_TS, 0, 0, 0, VEC_NM, "vol. 1, 9.6.3: MMX, CR0.TS"},
	{"0f fc c1", 0, CR4_OSFXSR, 0, 0, 0, "vol. 3, table 22-19: MMX needs no OSFXSR"},
	{"0f fc c1", 0, 0, 0, PENDING, VEC_MF, "vol. 3, 12.4: MMX, pending x87 fault"},
	{"0f 2d c1", 0, 0, 0, PENDING, VEC_MF, "vol. 2, CVTPS2PI"},
	{"0f 2d c1", 0, CR4_OSFXSR, 0, 0, VEC_UD, "vol. 2, CVTPS2PI: CR4.OSFXSR"},
	{"0f 77", CR0_TS, 0, 0, 0, VEC_NM, "vol. 2, EMMS"},
	{"0f 77", CR0_EM, 0, 0, 0, VEC_UD, "vol. 2, EMMS"},
	{"0f 77", 0, 0, 0, PENDING, VEC_MF, "vol. 2, EMMS"},
	{"d9 e8", CR0_EM, 0, 0, 0, VEC_NM, "vol. 3, table 9-3: x87, CR0.EM"},
	{"d9 e8", CR0_TS, 0, 0, 0, VEC_NM, "vol. 3, table 9-3: x87, CR0.TS"},
	{"d9 e8", 0, 0, 0, PENDING, VEC_MF, "vol. 1, 8.7: pending"},
	{"d9 e8", 0, CR4_OSFXSR, 0, 0, 0, "x87 needs no OSFXSR"},
	{"db e3", CR0_TS, 0, 0, 0, VEC_NM, "vol. 2, FNINIT"},
	{"db e3", 0, 0, 0, PENDING, 0, "vol. 1, 8.3.12: FNINIT does not wait"},
	{"db e2", 0, 0, 0, PENDING, 0, "vol. 1, 8.3.12: FNCLEX"},
	{"df e0", 0, 0, 0, PENDING, 0, "vol. 1, 8.3.12: FNSTSW"},
	{"d9 3f", 0, 0, 0, PENDING, 0, "vol. 1, 8.3.12: FNSTCW"},
	{"d9 37", 0, 0, 0, PENDING, 0, "vol. 1, 8.3.12: FNSTENV"},
	{"dd 37", 0, 0, 0, PENDING, 0, "vol. 1, 8.3.12: FNSAVE"},
	{"d9 2f", 0, 0, 0, PENDING, VEC_MF, "vol. 2, FLDCW waits"},
	{"dd 27", 0, 0, 0, PENDING, VEC_MF, "vol. 2, FRSTOR waits"},
	{"9b", CR0_TS, 0, 0, 0, VEC_NM, "vol. 3, table 9-3: FWAIT, MP and TS"},
	{"9b", CR0_EM, 0, 0, 0, 0, "vol. 3, table 9-3: FWAIT, EM"},
	{"9b", 0, 0, 0, PENDING, VEC_MF, "vol. 2, FWAIT"},
	{"dd 17", 0, 0, RDONLY, 0, VEC_PF, "vol. 2, FST"},
	{"dd 1f", 0, 0, RDONLY, 0, VEC_PF, "vol. 2, FSTP: no pop"},
	{"dd 07", 0, 0, NONE, 0, VEC_PF, "vol. 2, FLD: no push"},
	{"dd 37", 0, 0, RDONLY - 64, 0, VEC_PF, "vol. 2, FNSAVE into a second page"},
	{"d9 27", 0, 0, NONE - 8, 0, VEC_PF, "vol. 2, FLDENV out of a second page"},
	{"0f ae 07", CR0_EM, 0, 0, 0, VEC_UD, "vol. 2, FXSAVE: CR0.EM"},
	{"0f ae 07", CR0_TS, 0, 0, 0, VEC_NM, "vol. 2, FXSAVE: CR0.TS"},
	{"0f ae 07", 0, 0, RW + 8, 0, VEC_GP, "vol. 2, FXSAVE: alignment"},
	{"0f ae 07", 0, 0, 0, PENDING, 0, "vol. 2, FXSAVE does not wait"},
	{"0f ae 07", 0, 0, RDONLY - 256, 0, VEC_PF, "vol. 2, FXSAVE"},
	{"0f ae 0f", CR0_TS, 0, 0, 0, VEC_NM, "vol. 2, FXRSTOR: CR0.TS"},
	{"0f ae 0f", 0, 0, RW + 8, 0, VEC_GP, "vol. 2, FXRSTOR: alignment"},
	{"0f ae 0f", 0, 0, RW + 0x400, 0, VEC_GP, "vol. 2, FXRSTOR: reserved bits of MXCSR"},
	{"0f ae 0f", 0, 0, NONE - 256, 0, VEC_PF, "vol. 2, FXRSTOR"},
	{"0f ae 17", 0, 0, RW + 0x500, 0, VEC_GP, "vol. 2, LDMXCSR: reserved bits"},
	{"0f ae 17", CR0_TS, 0, 0, 0, VEC_NM, "vol. 2, LDMXCSR"},
	{"0f ae 17", 0, CR4_OSFXSR, 0, 0, VEC_UD, "vol. 2, LDMXCSR"},
	{"0f ae 1f", CR0_EM, 0, 0, 0, VEC_UD, "vol. 2, STMXCSR"},
	{"0f ae 1f", 0, 0, RDONLY, 0, VEC_PF, "vol. 2, STMXCSR"},
	{"0f ae 27", 0, 0, 0, 0, VEC_UD, "vol. 2, XSAVE: CR4.OSXSAVE is 0"},
	{"0f ae 2f", 0, 0, 0, 0, VEC_UD, "vol. 2, XRSTOR"},
	{"0f ae 37", 0, 0, 0, 0, VEC_UD, "vol. 2, XSAVEOPT"},
	{"0f 01 d0", 0, 0, 0, 0, VEC_UD, "vol. 2, XGETBV"},
	{"0f 01 d1", 0, 0, 0, 0, VEC_UD, "vol. 2, XSETBV"},
	{"c5 f4 58 c2", 0, 0, 0, 0, VEC_UD, "vol. 1, 14.3: VEX without OSXSAVE"},
	{"62 f1 74 48 58 c2", 0, 0, 0, 0, VEC_UD, "vol. 1, 15.2: EVEX likewise"},
	{"66 0f 38 dc c1", 0, 0, 0, 0, VEC_UD, "AESENC, not in CPUID"},
	{"66 0f 3a 44 c1 00", 0, 0, 0, 0, VEC_UD, "PCLMULQDQ, not in CPUID"},
	{"0f 38 c8 c1", 0, 0, 0, 0, VEC_UD, "SHA1NEXTE, not in CPUID"},
};

static void prepare(const struct condition *c)
{
	static const uint8_t bad[] = {0, 0, 1, 0}; /* an MXCSR with bit 16 */

	start();
	s->cr0 |= c->set0;
	s->cr4 &= ~c->clear4;
	if (c->rdi)
		s->gpr[CPU_RDI] = c->rdi;
	s->fpu.fcw = 0x37e; /* IE not masked */
	s->fpu.fsw = c->fsw;
	s->fpu.ftw = 0xff;
	memset(s->fpu.xmm[2], 0xff, 16);
	machine_poke(m, RW + 0x400 + 24, bad, sizeof(bad));
	machine_poke(m, RW + 0x500, bad, sizeof(bad));
}

static void faults(void)
{
	for (unsigned k = 0; k < sizeof(conditions) / sizeof(conditions[0]); k++) {
		const struct condition *c = &conditions[k];
		static uint8_t ram[MACHINE_SIZE];
		struct cpu_state before;
		enum cpu_result r;

		prepare(c);
		before = *s;
		machine_code(m, BASE, c->hex);
		memcpy(ram, m->ram, sizeof(ram));
		r = machine_step(m);
		if (r != (c->vector ? CPU_FAULT : CPU_OK) ||
		    (c->vector && m->fault.vector != c->vector))
			CU_FAIL(c->manual);
		if (!c->vector)
			continue;
		CU_ASSERT_EQUAL(memcmp(&before, s, sizeof(before)), 0);
		CU_ASSERT_EQUAL(memcmp(ram, m->ram, sizeof(ram)), 0);
		CU_ASSERT_EQUAL(m->fault.has_error, c->vector == VEC_PF || c->vector == VEC_GP);
	}
}

/* An unmasked SIMD exception: #XM, or #UD without CR4.OSXMMEXCPT; flags set, destination kept
 * (SDM vol. 1, 11.5.2; vol. 3, 2.5). */
static void simd_exception(void)
{
	static const double one = 1, zero = 0;

	for (unsigned handled = 0; handled < 2; handled++) {
		start();
		s->cr4 ^= handled ? 0 : CR4_OSXMMEXCPT;
		memcpy(s->fpu.xmm[0], &one, 8);
		memcpy(s->fpu.xmm[1], &zero, 8);
		s->fpu.mxcsr = FPU_MXCSR_RESET & ~(FPU_ZE << FPU_MASKS_SHIFT);
		CU_ASSERT_EQUAL(machine_step_hex(m, "f2 0f 5e c1"), CPU_FAULT); /* divsd */
		CU_ASSERT_EQUAL(m->fault.vector, handled ? VEC_XM : VEC_UD);
		CU_ASSERT_EQUAL(s->fpu.mxcsr & FPU_EXCEPTIONS, FPU_ZE);
		CU_ASSERT_EQUAL(memcmp(s->fpu.xmm[0], &one, 8), 0);
		CU_ASSERT_EQUAL(s->rip, BASE);
	}
}

/* Unmasked underflow is of every tiny result, masked underflow of inexact ones; flush-to-zero counts
 * with the mask only (SDM vol. 1, 4.9.1.5 and 10.2.3.3). */
static void underflow(void)
{
	static const double smallest = 0x1p-1022, half = 0.5;

	for (unsigned unmasked = 0; unmasked < 2; unmasked++) {
		start();
		memcpy(s->fpu.xmm[0], &smallest, 8);
		memcpy(s->fpu.xmm[1], &half, 8);
		s->fpu.mxcsr = unmasked ? (FPU_MXCSR_RESET | FPU_MXCSR_FTZ) &
						  ~(FPU_UE << FPU_MASKS_SHIFT)
					: FPU_MXCSR_RESET;
		CU_ASSERT_EQUAL(machine_step_hex(m, "f2 0f 59 c1"), /* mulsd */
				unmasked ? CPU_FAULT : CPU_OK);
		CU_ASSERT_EQUAL(s->fpu.mxcsr & FPU_EXCEPTIONS, unmasked ? FPU_UE : 0);
		CU_ASSERT_EQUAL(memcmp(s->fpu.xmm[0], &smallest, 8) == 0, unmasked);
	}
}

/* A store with an unmasked exception stores nothing, unless it is that of precision (SDM vol. 1,
 * 8.5.1 to 8.5.6). */
static void x87_store(void)
{
	static const uint8_t big[16] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xfe, 0x7f};
	static const uint8_t third[16] = {0xab, 0xaa, 0xaa, 0xaa, 0xaa,
					  0xaa, 0xaa, 0xaa, 0xfd, 0x3f};

	for (unsigned k = 0; k < 2; k++) {
		start();
		s->fpu.ftw = 0xff;
		s->fpu.fcw = 0x340; /* nothing masked */
		memcpy(s->fpu.st[0], k ? third : big, 16);
		memset(m->ram + 0x2000, 0x55, 4);
		CU_ASSERT_EQUAL(machine_step_hex(m, "d9 17"), CPU_OK); /* fst m32 */
		CU_ASSERT_TRUE(s->fpu.fsw & FPU_FSW_ES);
		CU_ASSERT_EQUAL(machine_peek(m, RW, 4), k ? 0x3eaaaaab : 0x55555555);
	}
}

/* An x87 exception waits for the next waiting instruction (SDM vol. 1, 8.7). */
static void x87_exception(void)
{
	start();
	CU_ASSERT_EQUAL(machine_step_hex(m, "db e3"), CPU_OK); /* fninit */
	s->fpu.fcw = 0x37b;				       /* ZE not masked */
	CU_ASSERT_EQUAL(machine_step_hex(m, "d9 e8"), CPU_OK); /* fld1 */
	CU_ASSERT_EQUAL(machine_step_hex(m, "d9 ee"), CPU_OK); /* fldz */
	CU_ASSERT_EQUAL(machine_step_hex(m, "de f9"), CPU_OK); /* fdivp: 1 / 0 */
	CU_ASSERT_EQUAL(s->fpu.fsw & 0x80ffu, FPU_FSW_ES | 0x8000u | FPU_ZE);
	CU_ASSERT_EQUAL(s->fpu.fip, BASE + 6);
	CU_ASSERT_EQUAL(machine_step_hex(m, "d9 d0"), CPU_FAULT); /* fnop */
	CU_ASSERT_EQUAL(m->fault.vector, VEC_MF);
}

/* FXSAVE in its three shapes: pointers of 64 or 32 bits, XMM8 to 15 in 64-bit mode only; what
 * software may use stays (SDM vol. 2, tables 3-43 to 3-46). */
static void image(void)
{
	static const struct {
		const char *hex;
		bool mode32;
		uint64_t fip;
		unsigned written;
	} t[] = {
		{"48 0f ae 07", false, 0x1122334455667788, 416},
		{"0f ae 07", false, 0x55667788, 416},
		{"0f ae 07", true, 0x55667788, 288},
	};

	for (unsigned k = 0; k < 3; k++) {
		const uint8_t *at = m->ram + 0x2000;

		start();
		if (t[k].mode32) {
			machine_flat32(m, BASE);
			s->cr4 |= CR4_OSFXSR;
			s->gpr[CPU_RDI] = RW;
		}
		memset(m->ram + 0x2000, 0xaa, 512);
		memset(s->fpu.xmm, 0x5a, sizeof(s->fpu.xmm));
		s->fpu.fip = 0x1122334455667788;
		CU_ASSERT_EQUAL(machine_step_hex(m, t[k].hex), CPU_OK);
		CU_ASSERT_EQUAL(machine_peek(m, RW + 8, 8), t[k].fip);
		CU_ASSERT_EQUAL(machine_peek(m, RW, 2), 0x37f);
		CU_ASSERT_EQUAL(machine_peek(m, RW + 24, 8), 0x0000ffff00001f80);
		CU_ASSERT_EQUAL(at[t[k].written - 1], 0x5a);
		for (unsigned b = t[k].written; b < 512; b++)
			CU_ASSERT_EQUAL(at[b], 0xaa);
	}
}

/* The four formats of the environment (SDM vol. 1, figures 8-9 to 8-12). */
static void environment(void)
{
	start();
	s->fpu.fip = 0x12345678;
	s->fpu.fdp = 0x9abcdef0;
	s->fpu.fop = 0x123;
	CU_ASSERT_EQUAL(machine_step_hex(m, "d9 37"), CPU_OK); /* protected, 32 bits */
	CU_ASSERT_EQUAL(machine_peek(m, RW + 12, 8), 0x0123000012345678);
	CU_ASSERT_EQUAL(machine_peek(m, RW + 20, 8), 0xffff00009abcdef0);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 d9 37"), CPU_OK); /* protected, 16 bits */
	CU_ASSERT_EQUAL(machine_peek(m, RW + 6, 8), 0x0000def000005678);
	machine_real(m, 0);
	m->perm[0] = PAGE_RWX;
	s->seg[CPU_CS].base = BASE;
	s->seg[CPU_DS].base = RW;
	s->gpr[CPU_RDI] = 0;
	s->fpu.fip = 0x12345;
	s->fpu.fdp = 0x9abcd;
	s->fpu.fop = 0x123;
	CU_ASSERT_EQUAL(machine_step_hex(m, "d9 35"), CPU_OK); /* real, 16 bits */
	CU_ASSERT_EQUAL(machine_peek(m, RW + 6, 8), 0x9000abcd11232345);
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 d9 35"), CPU_OK); /* real, 32 bits */
	CU_ASSERT_EQUAL(machine_peek(m, RW + 12, 8), 0x0000112300002345);
	CU_ASSERT_EQUAL(machine_peek(m, RW + 20, 8), 0x000090000000abcd);
}

static const struct tap_case cases[] = {
	{"conditions by the manual", faults},
	{"#XM", simd_exception},
	{"#XM of underflow", underflow},
	{"#MF, one instruction later", x87_exception},
	{"stores of x87 that are due an exception", x87_store},
	{"FXSAVE", image},
	{"FNSTENV", environment},
	TAP_NO_CASE,
};
const struct tap_suite interp_vector_fault_suite = {
	.name = "vector faults",
	.cases = cases,
	.setup = setup,
	.teardown = teardown,
};
