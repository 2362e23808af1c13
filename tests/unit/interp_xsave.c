/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The XSAVE family and masked AVX accesses: random images restored and saved by the processor and by
 * the interpreter, compared in every byte of the area, in the components in use and in the fault; and
 * where they fault, one row per condition with the section of the manual that has it.
 *
 * Read first: interp_native.h, interp_machine.h. Manual: SDM vol. 1, chapter 13.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_native.h"
#include "interp_suites.h"

#define GOOD	NATIVE_DATA	      /* loaded first, so that both start alike */
#define IMAGE	(NATIVE_DATA + 0x400) /* restored */
#define OUT	(NATIVE_DATA + 0x800) /* saved to */
#define AREA	832u
#define ALL	3072u
#define HEADER	512u
#define YMM	576u
#define IN_PAGE 0x1000u /* of machine.ram */

static uint64_t rng;

static uint64_t rnd(void)
{
	rng += 0x9e3779b97f4a7c15;

	uint64_t z = (rng ^ rng >> 30) * 0xbf58476d1ce4e5b9;

	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void put64(uint8_t *at, uint64_t v)
{
	memcpy(at, &v, 8);
}

/* No component's contents are its initial ones: then in use and not initial are the same. */
static void random_image(uint8_t *a)
{
	for (unsigned k = 0; k < AREA; k += 8)
		put64(a + k, rnd() | 1);
	put64(a, 0x037f | 0x4000ull << 16 | 0xffull << 32 | (rnd() & 0x7ff) << 48);
	put64(a + 8, rnd() & 0x00007fffffffffff);
	put64(a + 16, rnd() & 0x00007fffffffffff);
	put64(a + 24, 0x1f80 | (rnd() & 0x603f) | 0xffffull << 32);
	for (unsigned k = 0; k < 8; k++) {
		put64(a + 32 + 16 * k, rnd() | 1ull << 63);
		put64(a + 40 + 16 * k, 0x3fff);
	}
	memset(a + HEADER, 0, 64);
	put64(a + HEADER, 7);
}

/* What is wrong with a header now and then: a component that there isn't, XCOMP_BV without bit 63,
 * each of the reserved fields, MXCSR. */
static void spoil(uint8_t *a)
{
	static const uint8_t absent[] = {3, 4, 16, 40, 62};
	const unsigned which = (unsigned)(rnd() >> 40) % 24;
	uint64_t v;

	if (which >= 10)
		return;
	if (which < 2) {
		memcpy(&v, a + HEADER + 8 * which, 8);
		put64(a + HEADER + 8 * which, v | 1ull << absent[rnd() % sizeof(absent)]);
	} else if (which < 8) {
		put64(a + HEADER + 8 * which, 1ull << (rnd() % 64));
	} else {
		put64(a + 24, 0x11f80);
	}
}

static void random_data(uint8_t *d)
{
	const bool compact = rnd() % 2;
	uint64_t bv = rnd() % 8;

	random_image(d);
	random_image(d + 0x400);
	put64(d + 0x400 + HEADER, bv);
	if (compact)
		put64(d + 0x400 + HEADER + 8, 1ull << 63 | bv | (rnd() & 7));
	spoil(d + 0x400);
	memset(d + 0x800, 0xaa, 0x400);
	put64(d + 0x800 + HEADER, rnd() % 8);
}

/* mov eax, imm; then 48 or nothing, 0f, two bytes. */
static unsigned xinsn(uint8_t *at, unsigned mask, bool wide, unsigned op, unsigned modrm)
{
	const uint8_t mov[] = {0xb8,	    (uint8_t)mask, 0, 0, 0, wide ? 0x48 : 0x40, 0x0f,
			       (uint8_t)op, (uint8_t)modrm};

	memcpy(at, mov, sizeof(mov));
	return sizeof(mov);
}

/* xrstor64 (%rdi), all; xrstor (%rsi), some; xsave, xsaveopt or xsavec (%rbx), some; xgetbv of 1 */
static unsigned random_code(uint8_t *c)
{
	static const uint8_t save[][2] = {{0xae, 0x23}, {0xae, 0x33}, {0xc7, 0x23}};
	static const uint8_t tail[] = {0xb9, 1, 0, 0, 0, 0x0f, 0x01, 0xd0};
	const unsigned s = (unsigned)(rnd() >> 20) % 3;
	unsigned n = xinsn(c, 7, true, 0xae, 0x2f);

	n += xinsn(c + n, rnd() & 7, rnd() & 1, 0xae, 0x2e);
	n += xinsn(c + n, rnd() & 7, rnd() & 1, save[s][0], save[s][1]);
	memcpy(c + n, tail, sizeof(tail));
	return n + (unsigned)sizeof(tail);
}

static int interpret(struct machine *m, const uint8_t *code, unsigned len, const uint8_t *data,
		     struct native_regs *r)
{
	struct cpu_state *s = &m->cpu.s;

	machine_poke(m, NATIVE_CODE, code, len);
	machine_poke(m, NATIVE_DATA, data, ALL);
	memcpy(s->gpr, r->gpr, sizeof(s->gpr));
	s->rip = NATIVE_CODE;
	while (s->rip < NATIVE_CODE + len) {
		enum cpu_result res = machine_step(m);

		if (res != CPU_OK)
			return res == CPU_FAULT && m->fault.vector == VEC_GP ? SIGSEGV : -1;
	}
	memcpy(r->gpr, s->gpr, sizeof(s->gpr));
	return 0;
}

static int natively(const uint8_t *code, unsigned len, const uint8_t *data,
		    struct native_regs *r)
{
	int sig;

	memcpy((void *)(uintptr_t)NATIVE_DATA, data, ALL);
	sig = native_run(code, len, r);
	__asm__ volatile("fninit; vzeroupper");
	__builtin_ia32_ldmxcsr(0x1f80);
	return sig;
}

static bool one_case(struct machine *m, uint64_t n)
{
	struct native_regs want = {
		.gpr = {[CPU_RDI] = GOOD, [CPU_RSI] = IMAGE, [CPU_RBX] = OUT},
		.rflags = RFL_FIXED | RFL_IF};
	struct native_regs got = want;
	const uint8_t *native = (const uint8_t *)(uintptr_t)NATIVE_DATA;
	uint8_t data[ALL], code[64];
	unsigned len;
	int a, b;

	rng = interp_options.seed * 0x2545f4914f6cdd1d + n * 0xd1342543de82ef95;
	random_data(data);
	len = random_code(code);
	b = interpret(m, code, len, data, &got);
	a = natively(code, len, data, &want);
	want.gpr[CPU_RAX] &= 7; /* the host has components of its own */
	if (a == b && (a || want.gpr[CPU_RAX] == got.gpr[CPU_RAX]) &&
	    !memcmp(native, m->ram + IN_PAGE, ALL))
		return true;
	printf("\n  case %llu: signal %d and %d (%s), in use %llx and %llx, masks %x %x, save "
	       "%02x%02x\n",
	       (unsigned long long)n, a, b, m->info.text, (unsigned long long)want.gpr[CPU_RAX],
	       (unsigned long long)got.gpr[CPU_RAX], code[10], code[19], code[25], code[26]);
	for (unsigned k = 0x800, said = 0; k < ALL && said < 16; k++)
		if (native[k] != m->ram[IN_PAGE + k])
			printf("  area +%u: processor %02x, interpreter %02x\n", k - 0x800,
			       native[k], m->ram[IN_PAGE + k]),
				said++;
	return false;
}

/* XSAVEC and XGETBV of 1 too. */
static bool host_has_all(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("xsaveopt") &&
	       __builtin_cpu_supports("xsavec");
}

static void differential(void)
{
	const uint64_t cases = (interp_options.last - interp_options.first + 19) / 20;
	struct machine *m = machine_create(NATIVE_BASE);
	unsigned bad = 0;

	memset(m->perm, 0, sizeof(m->perm));
	m->perm[0] = m->perm[1] = PAGE_RWX;
	machine_long(m, NATIVE_CODE);
	m->cpu.s.cr4 |= CR4_OSXSAVE;
	m->cpu.s.xcr0 = 7;
	if (host_has_all()) {
		CU_ASSERT_TRUE_FATAL(native_open());
		for (uint64_t n = 0; n < cases && bad < 5; n++)
			bad += !one_case(m, interp_options.first + n);
		native_close();
	}
	machine_destroy(m);
	CU_ASSERT_EQUAL(bad, 0);
}

/* ---- faults ---- */

#define BASE   0x100000u
#define RW     (BASE + 0x2000)
#define RDONLY (BASE + 0x3000)
#define NONE   (BASE + 0x4000)

struct condition {
	const char *hex;
	uint64_t cr0; /* set */
	bool osxsave;
	uint8_t xcr0;
	uint32_t rdi, ecx, eax;
	uint8_t vector; /* 0: none */
	const char *manual;
};

static const struct condition conditions[] = {
	{"0f ae 27", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, XSAVE: CR4.OSXSAVE"},
	{"0f ae 27", CR0_TS, true, 7, RW, 0, 7, VEC_NM, "vol. 2, XSAVE: CR0.TS"},
	{"0f ae 27", CR0_TS, false, 7, RW, 0, 7, VEC_UD, "vol. 3, 6.9: #UD before #NM"},
	{"0f ae 27", CR0_EM, true, 7, RW, 0, 7, 0, "vol. 2, XSAVE: CR0.EM plays no part"},
	{"0f ae 27", 0, true, 7, RW + 16, 0, 7, VEC_GP, "vol. 2, XSAVE: 64-byte alignment"},
	{"0f ae 27", 0, true, 7, RDONLY, 0, 7, VEC_PF, "vol. 2, XSAVE"},
	{"0f ae 27", 0, true, 7, RDONLY - 512, 0, 7, VEC_PF, "header beyond the page"},
	{"0f ae 27", 0, true, 7, RDONLY - 576, 0, 3, 0, "vol. 1, 13.7: AVX not asked for"},
	{"0f ae 27", 0, true, 3, RDONLY - 576, 0, 7, 0, "vol. 1, 13.7: AVX not in XCR0"},
	{"0f ae 27", 0, true, 7, RDONLY - 576, 0, 7, VEC_PF, "vol. 1, 13.7: AVX asked for"},
	{"0f ae 2f", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, XRSTOR: CR4.OSXSAVE"},
	{"0f ae 2f", CR0_TS, true, 7, RW, 0, 7, VEC_NM, "vol. 2, XRSTOR: CR0.TS"},
	{"0f ae 2f", 0, true, 7, RW + 32, 0, 7, VEC_GP, "vol. 2, XRSTOR: alignment"},
	{"0f ae 2f", 0, true, 7, NONE, 0, 7, VEC_PF, "vol. 2, XRSTOR"},
	{"0f ae 2f", 0, true, 3, RW + 0x400, 0, 7, VEC_GP, "13.8.1: XSTATE_BV beyond XCR0"},
	{"0f ae 37", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, XSAVEOPT"},
	{"0f c7 27", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, XSAVEC"},
	{"0f c7 2f", 0, true, 7, RW, 0, 7, VEC_UD, "XSAVES, not in CPUID"},
	{"0f c7 1f", 0, true, 7, RW, 0, 7, VEC_UD, "XRSTORS, not in CPUID"},
	{"0f 01 d0", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, XGETBV: CR4.OSXSAVE"},
	{"0f 01 d0", 0, true, 7, RW, 2, 7, VEC_GP, "vol. 2, XGETBV: ECX"},
	{"0f 01 d1", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, XSETBV: CR4.OSXSAVE"},
	{"0f 01 d1", 0, true, 7, RW, 1, 7, VEC_GP, "vol. 2, XSETBV: ECX"},
	{"0f 01 d1", 0, true, 7, RW, 0, 6, VEC_GP, "vol. 2, XSETBV: x87 can't go"},
	{"0f 01 d1", 0, true, 7, RW, 0, 5, VEC_GP, "vol. 2, XSETBV: AVX without SSE"},
	{"0f 01 d1", 0, true, 7, RW, 0, 15, VEC_GP, "vol. 2, XSETBV: not supported"},
	{"0f 01 d1", 0, true, 1, RW, 0, 7, 0, "vol. 2, XSETBV"},
	{"c5 f4 58 c2", 0, false, 7, RW, 0, 7, VEC_UD, "vol. 2, 2.4: CR4.OSXSAVE"},
	{"c5 f4 58 c2", 0, true, 3, RW, 0, 7, VEC_UD, "vol. 2, 2.4: XCR0"},
	{"c5 f4 58 c2", CR0_TS, true, 7, RW, 0, 7, VEC_NM, "vol. 2, 2.4: CR0.TS"},
	{"c5 f4 58 c2", CR0_EM, true, 7, RW, 0, 7, 0, "vol. 2, 2.4: CR0.EM plays no part"},
	{"66 c5 f4 58 c2", 0, true, 7, RW, 0, 7, VEC_UD, "vol. 2, 2.3.3: 66 before VEX"},
	{"48 c5 f4 58 c2", 0, true, 7, RW, 0, 7, VEC_UD, "vol. 2, 2.3.2: REX before VEX"},
	{"f0 c5 f4 58 c2", 0, true, 7, RW, 0, 7, VEC_UD, "vol. 2, 2.3.1: LOCK before VEX"},
	{"c5 e4 10 07", 0, true, 7, RW, 0, 7, VEC_UD, "vol. 2, 2.3.8: vvvv without a use"},
	{"c5 fc 28 07", 0, true, 7, RW + 16, 0, 7, VEC_GP, "vol. 2, VMOVAPS of 32 bytes"},
	{"c5 fd e7 07", 0, true, 7, RW + 16, 0, 7, VEC_GP, "vol. 2, VMOVNTDQ of 32 bytes"},
	{"c5 f4 58 07", 0, true, 7, RW + 1, 0, 7, 0, "vol. 1, 14.9: no alignment with VEX"},
	{"c5 fe 7f 07", 0, true, 7, RDONLY - 16, 0, 7, VEC_PF, "vol. 2, VMOVDQU, second page"},
	{"c4 e2 75 2e 07", 0, true, 7, RDONLY - 16, 0, 7, 0, "vol. 2, VMASKMOV: not selected"},
	{"c4 e2 6d 2e 07", 0, true, 7, RDONLY - 16, 0, 7, VEC_PF, "vol. 2, VMASKMOV: selected"},
	{"c4 e2 75 2c 07", 0, true, 7, NONE - 16, 0, 7, 0, "vol. 2, VMASKMOV: not selected"},
	{"c4 e2 6d 2c 07", 0, true, 7, NONE - 16, 0, 7, VEC_PF, "vol. 2, VMASKMOV: selected"},
	{"c5 f9 f7 c1", 0, true, 7, RDONLY, 0, 7, 0, "vol. 2, VMASKMOVDQU: nothing selected"},
	{"62 f1 74 48 58 c2", 0, true, 7, RW, 0, 7, VEC_UD, "AVX-512, not in CPUID"},
	{"c4 e2 75 dc c2", 0, true, 7, RW, 0, 7, VEC_UD, "VAES, not in CPUID"},
	{"c4 e3 71 44 c2 00", 0, true, 7, RW, 0, 7, VEC_UD, "VPCLMULQDQ, not in CPUID"},
	{"c4 e2 75 50 c2", 0, true, 7, RW, 0, 7, VEC_UD, "AVX-VNNI, not in CPUID"},
};

static struct machine *m;

/* Register 1 selects the lower half of a YMM register as a mask, 2 all of it, xmm1 nothing of bytes. */
static void prepare(const struct condition *c)
{
	struct cpu_state *s = &m->cpu.s;

	machine_long(m, BASE);
	memset(m->perm, PAGE_RWX, sizeof(m->perm));
	m->perm[3] = PAGE_R;
	m->perm[4] = 0;
	memset(m->ram + 0x2000, 0, 0x2000);
	m->ram[0x2000 + 0x400 + HEADER] = 7;
	s->cr0 |= c->cr0;
	s->cr4 |= c->osxsave ? CR4_OSXSAVE | CR4_OSXMMEXCPT : CR4_OSXMMEXCPT;
	s->xcr0 = c->xcr0;
	s->gpr[CPU_RDI] = c->rdi;
	s->gpr[CPU_RCX] = c->ecx;
	s->gpr[CPU_RAX] = c->eax;
	s->gpr[CPU_RDX] = 0;
	memset(s->fpu.xmm, 0, sizeof(s->fpu.xmm));
	memset(s->ymm_high, 0, sizeof(s->ymm_high));
	memset(s->ymm_high[2], 0xff, 16);
}

static void faults(void)
{
	static uint8_t ram[MACHINE_SIZE];

	if (!host_has_all())
		return;
	m = machine_create(BASE);
	for (unsigned k = 0; k < sizeof(conditions) / sizeof(conditions[0]); k++) {
		const struct condition *c = &conditions[k];
		struct cpu_state before;
		enum cpu_result r;

		prepare(c);
		before = m->cpu.s;
		machine_code(m, BASE, c->hex);
		memcpy(ram, m->ram, sizeof(ram));
		r = machine_step(m);
		if (r != (c->vector ? CPU_FAULT : CPU_OK) ||
		    (c->vector && m->fault.vector != c->vector)) {
			printf("# %s: %s: result %d, vector %u\n", c->hex, c->manual, r,
			       m->fault.vector);
			CU_FAIL("a condition of the manual");
		}
		if (!c->vector)
			continue;
		CU_ASSERT_EQUAL(memcmp(&before, &m->cpu.s, sizeof(before)), 0);
		CU_ASSERT_EQUAL(memcmp(ram, m->ram, sizeof(ram)), 0);
	}
	machine_destroy(m);
}

/* VPGATHERDD stopped by a fault keeps what has come, with its mask cleared, and goes on from there
 * (SDM vol. 2, VPGATHERDD). */
static void gather(void)
{
	static const uint32_t indices[] = {0, 1, 0x2000 / 4, 2};
	const struct condition c = {.osxsave = true, .xcr0 = 7, .rdi = RW};
	struct cpu_state *s;

	if (!host_has_all())
		return;
	m = machine_create(BASE);
	s = &m->cpu.s;
	prepare(&c);
	memset(s->fpu.xmm[2], 0xff, 16);
	memset(s->ymm_high[2], 0xff, 16);
	memcpy(s->fpu.xmm[1], indices, 16);
	for (unsigned k = 0; k < 4; k++)
		machine_poke(m, RW + 4 * k, &(uint32_t){100 + k}, 4);
	CU_ASSERT_EQUAL(machine_step_hex(m, "c4 e2 69 90 04 8f"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_PF);
	CU_ASSERT_EQUAL(m->fault.cr2, NONE);
	CU_ASSERT_EQUAL(s->rip, BASE);
	CU_ASSERT_EQUAL(s->fpu.xmm[0][0], 100);
	CU_ASSERT_EQUAL(s->fpu.xmm[0][4], 101);
	CU_ASSERT_EQUAL(s->fpu.xmm[2][7], 0);
	CU_ASSERT_EQUAL(s->fpu.xmm[2][11], 0xff);
	m->perm[4] = PAGE_RWX;
	machine_poke(m, NONE, &(uint32_t){77}, 4);
	machine_poke(m, RW, &(uint32_t){0}, 4); /* not read again */
	CU_ASSERT_EQUAL(machine_step_hex(m, "c4 e2 69 90 04 8f"), CPU_OK);
	CU_ASSERT_EQUAL(s->fpu.xmm[0][0], 100);
	CU_ASSERT_EQUAL(s->fpu.xmm[0][8], 77);
	CU_ASSERT_EQUAL(s->fpu.xmm[0][12], 102);
	CU_ASSERT_EQUAL(s->fpu.xmm[2][15], 0);
	CU_ASSERT_EQUAL(s->ymm_high[2][0], 0);
	machine_destroy(m);
}

/* Outside 64-bit mode there are eight registers: the others are neither cleared nor restored. */
static void half_the_registers(void)
{
	struct cpu_state *s;

	if (!host_has_all())
		return;
	m = machine_create(BASE);
	machine_flat32(m, BASE);
	s = &m->cpu.s;
	memset(m->perm, PAGE_RWX, sizeof(m->perm));
	s->cr4 |= CR4_OSXSAVE | CR4_OSFXSR;
	s->xcr0 = 7;
	memset(s->fpu.xmm, 0x5a, sizeof(s->fpu.xmm));
	memset(s->ymm_high, 0xa5, sizeof(s->ymm_high));
	s->gpr[CPU_RDI] = RW;
	s->gpr[CPU_RAX] = 6;
	memset(m->ram + 0x2000, 0x11, 0x1000);
	CU_ASSERT_EQUAL(machine_step_hex(m, "0f ae 27"), CPU_OK); /* xsave */
	CU_ASSERT_EQUAL(machine_peek(m, RW + 160 + 127, 1), 0x5a);
	CU_ASSERT_EQUAL(machine_peek(m, RW + 160 + 128, 1), 0x11);
	CU_ASSERT_EQUAL(machine_peek(m, RW + YMM + 127, 1), 0xa5);
	CU_ASSERT_EQUAL(machine_peek(m, RW + YMM + 128, 1), 0x11);
	CU_ASSERT_EQUAL(machine_step_hex(m, "c5 fc 77"), CPU_OK); /* vzeroall */
	CU_ASSERT_EQUAL(s->fpu.xmm[7][0] | s->ymm_high[7][0], 0);
	CU_ASSERT_EQUAL(s->fpu.xmm[8][0], 0x5a);
	CU_ASSERT_EQUAL(s->ymm_high[8][0], 0xa5);
	machine_real(m, 0);
	m->cpu.s.seg[CPU_CS].base = BASE;
	CU_ASSERT_EQUAL(machine_step_hex(m, "c5 fc 77"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
	machine_destroy(m);
}

static const struct tap_case cases[] = {
	{"random images against the processor", differential},
	{"conditions by the manual", faults},
	{"a gather that is stopped", gather},
	{"32-bit and real mode", half_the_registers},
	TAP_NO_CASE,
};
const struct tap_suite interp_xsave_suite = {
	.name = "XSAVE and AVX",
	.cases = cases,
};
