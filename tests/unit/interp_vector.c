/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Vector and x87 instructions against the processor: random opcodes of MMX, SSE to SSE4.2, x87, and
 * of AVX, AVX2, FMA and F16C, on random registers, memory, MXCSR and control words, executed by both
 * and compared in the whole FXSAVE image, the upper halves of the vector registers, general
 * registers, flags, memory and exceptions. The image the processor saves is also what the image in
 * struct cpu_state must be, byte for byte.
 *
 * Natively the instruction stands between an FXRSTOR64 and an FXSAVE64 of the page behind it, with
 * moves of the whole vector registers inside these where there are any.
 * Read first: interp_differential.c, interp_native.h. Read next: interp_vector_vex.c.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <Zydis/Zydis.h>

#include "interp_machine.h"
#include "interp_native.h"
#include "interp_suites.h"
#include "interp_vector.h"

#define YMM_IN	  (NATIVE_DATA + 0x400)
#define YMM_OUT	  (NATIVE_DATA + 0x600)
#define IMAGE_IN  (NATIVE_DATA + 0x800)
#define IMAGE_OUT (NATIVE_DATA + 0xa00)
#define FLAGS	  0x8d5u /* CF PF AF ZF SF OF */
#define FX_LEN	  9u	 /* of the FXRSTOR64 */

/* Opcodes by map; those that take an immediate have one. */
struct range {
	uint8_t map, first, last;
	bool imm;
};
static const struct range ranges[] = {
	{1, 0x10, 0x17, false}, {1, 0x28, 0x2f, false}, {1, 0x50, 0x6f, false},
	{1, 0x50, 0x5f, false}, {1, 0x70, 0x73, true},	{1, 0x74, 0x77, false},
	{1, 0x7c, 0x7f, false}, {1, 0xc2, 0xc2, true},	{1, 0xc4, 0xc6, true},
	{1, 0xd0, 0xef, false}, {1, 0xf0, 0xfe, false}, {2, 0x00, 0x0b, false},
	{2, 0x10, 0x17, false}, {2, 0x1c, 0x25, false}, {2, 0x28, 0x2b, false},
	{2, 0x30, 0x41, false}, {3, 0x08, 0x0f, true},	{3, 0x14, 0x17, true},
	{3, 0x20, 0x22, true},	{3, 0x40, 0x42, true},	{3, 0x60, 0x63, true},
	{0, 0xd8, 0xdf, false}, {0, 0xd8, 0xdf, false}, {0, 0xd8, 0xdf, false},
};

uint64_t vector_rnd(struct gen *g)
{
	uint64_t z = g->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned vector_pick(struct gen *g, unsigned n)
{
	return (unsigned)(rnd(g) >> 16) % n;
}

void vector_put(struct gen *g, unsigned byte)
{
	g->bytes[g->len++] = (uint8_t)byte;
}

/* Numbers near where something happens: zeros, denormals, the largest, infinities, NaNs, halves. */
static uint64_t operand(struct gen *g)
{
	static const uint64_t corners[] = {
		0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
		0x0000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
		0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001,
		0x3ff8000000000000, 0x41dfffffffc00000, 0x43e0000000000000, 0x0020000000000000,
		0x3f8000003f800000, 0x0000000100000001, 0x007fffff00800000, 0x7f7fffff7f800000,
		0x7fc000007f800001, 0x3fc000004effffff, 0x4f0000005f000000, 0x01000000007fffff,
		0x7f80807f00ff0100, 0x7fff80008001ffff, 0x00ff00ff00ff00ff, 0x3fe0000000000000,
		0xffffffffffffffff, 0x0000000000000010, 0x0000000000000040, 0x6162630064656600,
	};
	uint64_t v = rnd(g);

	switch (pick(g, 4)) {
	case 0:
	case 1:
		return corners[pick(g, sizeof(corners) / sizeof(corners[0]))];
	case 2: /* a small exponent difference */
		return (v & 0x800fffffffffffff) | (uint64_t)(0x3f0 + pick(g, 32)) << 52;
	default:
		return v;
	}
}

static void fill(struct gen *g, void *p, unsigned bytes)
{
	for (unsigned k = 0; k < bytes; k += 8) {
		uint64_t v = operand(g);

		memcpy((uint8_t *)p + k, &v, 8);
	}
}

/* Extended numbers of every class, valid encodings and not. */
static void random_st(struct gen *g, uint8_t st[16])
{
	static const uint16_t exponents[] = {0,	     1,	     0x3fff, 0x3ffe, 0x4000, 0x401e,
					     0x403e, 0x7ffe, 0x7fff, 0x3c01, 0x3f81, 0x43fe};
	uint64_t mantissa = operand(g);
	uint16_t e = exponents[pick(g, sizeof(exponents) / 2)];

	if (pick(g, 8))
		mantissa |= e ? 1ull << 63 : 0;
	if (!pick(g, 4))
		mantissa = e ? 1ull << 63 : 0;
	e |= (uint16_t)(pick(g, 2) << 15);
	memset(st, 0, 16);
	memcpy(st, &mantissa, 8);
	memcpy(st + 8, &e, 2);
}

static void random_fpu(struct gen *g)
{
	struct cpu_fpu *f = &g->fpu;

	memset(f, 0, sizeof(*f));
	fill(g, f->xmm, sizeof(f->xmm));
	for (unsigned k = 0; k < 8; k++)
		random_st(g, f->st[k]);
	f->fcw = (uint16_t)(0x40 | pick(g, 4) << 8 | pick(g, 4) << 10 |
			    (pick(g, 4) ? 0x3f : pick(g, 64)));
	f->fsw = (uint16_t)(pick(g, 8) << 11 | (rnd(g) & 0x4700));
	if (!pick(g, 4))
		f->fsw |= (uint16_t)pick(g, 0x80);
	if (f->fsw & ~f->fcw & 0x3f)
		f->fsw |= 0x8080;
	f->ftw = (uint8_t)(pick(g, 4) ? rnd(g) | rnd(g) : 0xff);
	f->mxcsr =
		0x1f80 | pick(g, 4) << 13 | (pick(g, 4) ? 0 : 0x8000) | (pick(g, 4) ? 0 : 0x40);
	if (!pick(g, 4))
		f->mxcsr &= ~(uint32_t)(pick(g, 64) << 7);
	f->mxcsr |= pick(g, 4) ? 0 : pick(g, 64);
	f->mxcsr_mask = 0xffff;
}

bool vector_has_avx(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
	       __builtin_cpu_supports("f16c");
}

/* Behind the loads of the registers. */
static uint64_t insn_at(void)
{
	return NATIVE_CODE + FX_LEN + (vector_has_avx() ? 16 * FX_LEN : 0);
}

/* A register, or (%rdi), (%rdi,disp8), %rip-relative. */
void vector_put_modrm(struct gen *g, bool imm)
{
	unsigned reg = pick(g, 8);
	uint32_t disp;

	switch (pick(g, 4)) {
	case 0:
		put(g, reg << 3 | 7);
		break;
	case 1:
		put(g, 0x40 | reg << 3 | 7);
		put(g, pick(g, 8) * 16);
		break;
	case 2:
		put(g, reg << 3 | 5);
		disp = (uint32_t)(MIDDLE + pick(g, 4) * 16 - (insn_at() + g->len + 4 + imm));
		for (unsigned k = 0; k < 4; k++)
			put(g, disp >> (8 * k) & 0xff);
		break;
	default:
		put(g, 0xc0 | reg << 3 | pick(g, 8));
	}
}

static void random_registers(struct gen *g)
{
	for (unsigned k = 0; k < 16; k++)
		g->regs.gpr[k] = operand(g);
	g->regs.gpr[CPU_RDI] = g->regs.gpr[15] = MIDDLE + (pick(g, 8) ? 0 : pick(g, 16));
	if (pick(g, 2)) {
		g->regs.gpr[CPU_RAX] = pick(g, 40) - 20ull;
		g->regs.gpr[CPU_RDX] = pick(g, 40) - 20ull;
	}
	g->regs.rflags = (rnd(g) & FLAGS) | RFL_FIXED | RFL_IF;
	random_fpu(g);
	if (vector_has_avx())
		fill(g, g->ymm_high, sizeof(g->ymm_high));
	fill(g, g->data, DATA_LEN);
}

static void generate(struct gen *g, uint64_t seed, uint64_t n, bool vex)
{
	static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3};
	const struct range *r;
	unsigned p;

	memset(g, 0, sizeof(*g));
	g->rng = seed * 0x2545f4914f6cdd1d + n * 0xd1342543de82ef95;
	if (vex) {
		vector_vex(g);
		random_registers(g);
		vector_vex_registers(g);
		return;
	}
	r = &ranges[pick(g, sizeof(ranges) / sizeof(ranges[0]))];
	g->x87 = !r->map;
	p = pick(g, r->map > 1 ? 2 : 4);
	if (p == 3 && g->x87)
		p = 0;
	if (p && (!g->x87 || p == 1))
		put(g, prefixes[p - 1]);
	if (pick(g, 2)) /* R, X, B and now and then W */
		put(g, 0x40 | pick(g, 8) | (pick(g, 2) ? 8 : 0));
	if (r->map)
		put(g, 0x0f);
	if (r->map > 1)
		put(g, r->map == 2 ? 0x38 : 0x3a);
	put(g, r->first + pick(g, r->last - r->first + 1u));
	if (g->bytes[g->len - 1] != 0x77 || r->map != 1) /* EMMS */
		put_modrm(g, r->imm);
	if (r->imm)
		put(g, (unsigned)rnd(g) & (pick(g, 2) ? 0x7f : 0xff));
	random_registers(g);
}

static int vector_to_signal(uint8_t vector)
{
	switch (vector) {
	case VEC_MF:
	case VEC_XM:
		return SIGFPE;
	case VEC_UD:
		return SIGILL;
	default:
		return SIGSEGV;
	}
}

static int run_interp(struct machine *m, const struct gen *g, struct native_regs *out)
{
	struct cpu_state *s = &m->cpu.s;
	enum cpu_result r;

	machine_poke(m, insn_at(), g->bytes, g->len);
	machine_poke(m, NATIVE_DATA, g->data, DATA_LEN);
	memcpy(s->gpr, g->regs.gpr, sizeof(s->gpr));
	s->rflags = g->regs.rflags;
	s->rip = insn_at();
	s->fpu = g->fpu;
	memcpy(s->ymm_high, g->ymm_high, sizeof(s->ymm_high));
	r = machine_step(m);
	memcpy(out->gpr, s->gpr, sizeof(s->gpr));
	out->rflags = s->rflags;
	if (r == CPU_OK)
		return s->rip == insn_at() + g->len ? 0 : -1;
	return r == CPU_FAULT ? vector_to_signal(m->fault.vector) : -2;
}

/* fxrstor64 or fxsave64 at an absolute address */
static unsigned fx_insn(uint8_t *at, unsigned reg, uint32_t addr)
{
	const uint8_t op[] = {0x48, 0x0f, 0xae, (uint8_t)(reg << 3 | 4), 0x25};

	memcpy(at, op, sizeof(op));
	memcpy(at + sizeof(op), &addr, 4);
	return FX_LEN;
}

/* vmovdqu of all sixteen from an address or to it: nine bytes each. */
static unsigned ymm_insns(uint8_t *at, bool store, uint32_t addr)
{
	for (uint32_t k = 0; k < 16; k++, at += FX_LEN, addr += 32) {
		const uint8_t op[] = {0xc5, (uint8_t)(k < 8 ? 0xfe : 0x7e),
				      (uint8_t)(store ? 0x7f : 0x6f),
				      (uint8_t)((k & 7) << 3 | 4), 0x25};

		memcpy(at, op, sizeof(op));
		memcpy(at + sizeof(op), &addr, 4);
	}
	return 16 * FX_LEN;
}

static unsigned assemble(const struct gen *g, uint8_t *code)
{
	unsigned n = fx_insn(code, 1, (uint32_t)IMAGE_IN);

	if (vector_has_avx())
		n += ymm_insns(code + n, false, (uint32_t)YMM_IN);
	memcpy(code + n, g->bytes, g->len);
	n += g->len;
	if (vector_has_avx())
		n += ymm_insns(code + n, true, (uint32_t)YMM_OUT);
	return n + fx_insn(code + n, 0, (uint32_t)IMAGE_OUT);
}

static int run_native(const struct gen *g, struct native_regs *out, struct cpu_fpu *fpu,
		      uint8_t ymm_high[16][16])
{
	uint8_t code[512], *in = (uint8_t *)(uintptr_t)YMM_IN;
	const uint8_t *ymm = (const uint8_t *)(uintptr_t)YMM_OUT;
	int sig;

	memcpy((void *)(uintptr_t)NATIVE_DATA, g->data, DATA_LEN);
	memcpy((void *)(uintptr_t)IMAGE_IN, &g->fpu, sizeof(g->fpu));
	memset((void *)(uintptr_t)IMAGE_OUT, 0, sizeof(g->fpu));
	for (unsigned k = 0; k < 16; k++) {
		memcpy(in + 32 * k, g->fpu.xmm[k], 16);
		memcpy(in + 32 * k + 16, g->ymm_high[k], 16);
	}
	*out = g->regs;
	sig = native_run(code, assemble(g, code), out);
	memcpy(fpu, sig ? (const void *)native_fault_fpu : (const void *)(uintptr_t)IMAGE_OUT,
	       sizeof(*fpu));
	for (unsigned k = 0; k < 16; k++)
		memcpy(ymm_high[k], sig ? native_fault_ymm[k] : ymm + 32 * k + 16, 16);
	if (!vector_has_avx())
		memset(ymm_high, 0, 256);
	__asm__ volatile("fninit");
	__builtin_ia32_ldmxcsr(0x1f80);
	return sig;
}

static void hex(const char *what, const void *a, const void *b, unsigned n)
{
	const uint8_t *p = a, *q = b;

	if (!memcmp(p, q, n))
		return;
	printf("  %s: processor ", what);
	for (unsigned k = n; k--;)
		printf("%02x", p[k]);
	printf(", interpreter ");
	for (unsigned k = n; k--;)
		printf("%02x", q[k]);
	printf("\n");
}

static void report(const struct machine *m, const struct gen *g, uint64_t seed, uint64_t n,
		   const struct cpu_fpu *want, uint8_t ymm_high[16][16])
{
	const struct cpu_fpu *got = &m->cpu.s.fpu;
	char name[8];

	printf("\n  %s:", ZydisMnemonicGetString((ZydisMnemonic)m->info.mnemonic));
	for (unsigned k = 0; k < g->len; k++)
		printf(" %02x", g->bytes[k]);
	printf("   fcw %04x fsw %04x ftw %02x mxcsr %04x reproduce: --seed %llu --case %llu\n",
	       g->fpu.fcw, g->fpu.fsw, g->fpu.ftw, g->fpu.mxcsr, (unsigned long long)seed,
	       (unsigned long long)n);
	hex("fcw", &want->fcw, &got->fcw, 2);
	hex("fsw", &want->fsw, &got->fsw, 2);
	hex("ftw", &want->ftw, &got->ftw, 1);
	hex("fop", &want->fop, &got->fop, 2);
	hex("fip", &want->fip, &got->fip, 8);
	hex("fdp", &want->fdp, &got->fdp, 8);
	hex("mxcsr", &want->mxcsr, &got->mxcsr, 4);
	for (unsigned k = 0; k < 8; k++) {
		snprintf(name, sizeof(name), "st%u", k);
		hex(name, want->st[k], got->st[k], 16);
	}
	for (unsigned k = 0; k < 16; k++) {
		snprintf(name, sizeof(name), "xmm%u", k);
		hex(name, want->xmm[k], got->xmm[k], 16);
		snprintf(name, sizeof(name), "high%u", k);
		hex(name, ymm_high[k], m->cpu.s.ymm_high[k], 16);
	}
}

/* Extensions this processor has and the virtual one does not offer, or the reverse. */
static bool void_case(int want_sig)
{
	return want_sig == SIGILL && !__builtin_cpu_supports("sse4.2");
}

static bool is_dot_product(unsigned mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_DPPS || mnemonic == ZYDIS_MNEMONIC_DPPD ||
	       mnemonic == ZYDIS_MNEMONIC_VDPPS || mnemonic == ZYDIS_MNEMONIC_VDPPD;
}

/* Known limits of sse.c, in flags beside #XM: any of those of DPPS and DPPD, which compute in
 * stages; and PE, set beside unmasked overflow and underflow. */
static uint32_t excused(const struct machine *m, const struct cpu_fpu *want)
{
	const uint32_t unmasked = want->mxcsr & ~(want->mxcsr >> FPU_MASKS_SHIFT);

	if (is_dot_product(m->info.mnemonic))
		return FPU_EXCEPTIONS;
	return unmasked & (FPU_OE | FPU_UE) ? FPU_PE : 0;
}

static bool one_case(struct machine *m, uint64_t seed, uint64_t n, bool vex)
{
	static struct gen g;
	struct native_regs want, got;
	struct cpu_fpu fpu;
	uint8_t ymm_high[16][16];
	int want_sig, got_sig;
	bool same;

	generate(&g, seed, n, vex);
	got_sig = run_interp(m, &g, &got);
	want_sig = run_native(&g, &want, &fpu, ymm_high);
	if (void_case(want_sig))
		return true;
	if (want_sig == SIGFPE)
		fpu.mxcsr ^= (fpu.mxcsr ^ m->cpu.s.fpu.mxcsr) & excused(m, &fpu);
	same = want_sig == got_sig && !memcmp(want.gpr, got.gpr, sizeof(want.gpr)) &&
	       !((want.rflags ^ got.rflags) & FLAGS) &&
	       !memcmp((void *)(uintptr_t)NATIVE_DATA, m->ram + 0x1000, DATA_LEN) &&
	       !memcmp(&fpu, &m->cpu.s.fpu, 416) &&
	       !memcmp(ymm_high, m->cpu.s.ymm_high, sizeof(ymm_high));
	if (same)
		return true;
	report(m, &g, seed, n, &fpu, ymm_high);
	printf("  signal: processor %d, interpreter %d (%s), flags %llx and %llx\n", want_sig,
	       got_sig, m->info.text, (unsigned long long)(want.rflags & FLAGS),
	       (unsigned long long)(got.rflags & FLAGS));
	for (unsigned k = 0; k < 16; k++)
		if (want.gpr[k] != got.gpr[k])
			printf("  r%u: processor %llx, interpreter %llx\n", k,
			       (unsigned long long)want.gpr[k], (unsigned long long)got.gpr[k]);
	for (unsigned k = 0; k < DATA_LEN; k++)
		if (((uint8_t *)(uintptr_t)NATIVE_DATA)[k] != m->ram[0x1000 + k])
			printf("  memory +%x: processor %02x, interpreter %02x\n", k,
			       ((uint8_t *)(uintptr_t)NATIVE_DATA)[k], m->ram[0x1000 + k]);
	return false;
}

#define MAX_REPORTS 10

static void differential(bool vex)
{
	struct machine *m = machine_create(NATIVE_BASE);
	const uint64_t first = interp_options.first;
	/* A fifth: these cost more. */
	const uint64_t last = first + (interp_options.last - first + 4) / 5;
	unsigned bad = 0;

	memset(m->perm, 0, sizeof(m->perm));
	m->perm[0] = m->perm[1] = PAGE_RWX;
	machine_long(m, insn_at());
	m->cpu.s.cr4 |= CR4_OSXMMEXCPT | CR4_OSXSAVE;
	m->cpu.s.xcr0 = 7;
	CU_ASSERT_TRUE_FATAL(native_open());
	for (uint64_t n = first; n < last && bad < MAX_REPORTS; n++)
		if (!one_case(m, interp_options.seed, n, vex))
			bad++;
	native_close();
	machine_destroy(m);
	CU_ASSERT_EQUAL(bad, 0);
}

static void legacy(void)
{
	differential(false);
}

static void with_vex(void)
{
	if (vector_has_avx())
		differential(true);
	vector_vex_coverage();
}

static const struct tap_case cases[] = {
	{"random vector and x87 instructions", legacy},
	{"random AVX instructions", with_vex},
	TAP_NO_CASE,
};
const struct tap_suite interp_vector_suite = {
	.name = "vectors against the processor",
	.cases = cases,
};
