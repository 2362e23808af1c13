/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interpreter against the processor: random encodings, operands and flags, executed by both
 * and compared in registers, flags, memory and exceptions. Case n of seed s is always the same;
 * a failure prints the command that runs it alone.
 *
 * Read first: interp_forms.h, interp_native.h.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_coverage.h"
#include "interp_forms.h"
#include "interp_machine.h"
#include "interp_native.h"
#include "interp_suites.h"

#define DATA_LEN   1024
#define MIDDLE	   (NATIVE_DATA + DATA_LEN / 2)
#define INSN_BYTES 15
#define FLAGS_ALL  0xcd5u /* CF PF AF ZF SF DF OF */

static unsigned short_ways; /* instructions not done by interp_step() */

struct gen {
	uint64_t rng;
	const struct form *form;
	uint8_t bytes[15];
	unsigned len;
	uint8_t rex;
	bool mem, asize32, rep;
	unsigned base, index; /* of the memory operand, 4 for none */
	uint64_t ea;	      /* where it is */
	struct native_regs regs;
	uint8_t data[DATA_LEN];
};

/* splitmix64 */
static uint64_t rnd(struct gen *g)
{
	uint64_t z = g->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned pick(struct gen *g, unsigned n)
{
	return (unsigned)(rnd(g) >> 16) % n;
}

/* Operands near the edges as often as anything else. */
static uint64_t operand(struct gen *g)
{
	static const uint64_t corners[] = {
		0,
		1,
		2,
		~0ull,
		~1ull,
		0x7f,
		0x80,
		0xff,
		0x7fff,
		0x8000,
		0xffff,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		31,
		32,
		63,
		64,
	};
	const unsigned n = sizeof(corners) / sizeof(corners[0]);

	switch (pick(g, 4)) {
	case 0:
		return corners[pick(g, n)];
	case 1:
		return rnd(g) >> pick(g, 64);
	case 2:
		return 0 - (rnd(g) >> pick(g, 64));
	default:
		return rnd(g);
	}
}

static void put(struct gen *g, uint64_t v, unsigned len)
{
	memcpy(g->bytes + g->len, &v, len);
	g->len += len;
}

static void put_bytes(struct gen *g, const uint8_t *p, unsigned len)
{
	memcpy(g->bytes + g->len, p, len);
	g->len += len;
}

static void put_opcode(struct gen *g, uint8_t op)
{
	static const uint8_t second[] = {0, 0, 0x38, 0x3a};

	if (g->form->map)
		put(g, 0x0f, 1);
	if (g->form->map > 1)
		put(g, second[g->form->map], 1);
	put(g, op, 1);
}

/* Three-byte VEX: R, X and B inverted, as is vvvv. */
static void put_vex(struct gen *g, uint8_t op)
{
	static const uint8_t pp[256] = {[0x66] = 1, [0xf3] = 2, [0xf2] = 3};
	unsigned vvvv = pick(g, 16);
	bool has_v = g->form->imm == I_NONE;

	put(g, 0xc4, 1);
	put(g, (~g->rex & 7u) << 5 | g->form->map, 1);
	put(g, (g->rex & 8u) << 4 | (has_v ? ~vvvv & 15 : 15u) << 3 | pp[g->form->prefix], 1);
	put(g, op, 1);
}

static void put_prefixes(struct gen *g, bool lock)
{
	const uint32_t fl = g->form->flags;

	if (g->asize32)
		put(g, 0x67, 1);
	if (lock)
		put(g, 0xf0, 1);
	if (fl & F_VEX)
		return;
	if (!(fl & (F_BYTE | F_NO66)) && !pick(g, 4))
		put(g, 0x66, 1);
	if (g->rep)
		put(g, 0xf2 + pick(g, 2), 1);
	if (g->form->prefix)
		put(g, g->form->prefix, 1);
}

static void make_rex(struct gen *g)
{
	const uint32_t fl = g->form->flags;

	g->rex = pick(g, 2) ? 0 : 0x40 | pick(g, 16);
	if (g->rex && (fl & (F_BYTE | F_NOW)))
		g->rex &= 0xf7;
	if (fl & F_W)
		g->rex |= 0x48;
}

static void aim(struct gen *g, unsigned reg, uint64_t target)
{
	g->regs.gpr[reg] = g->asize32 ? (rnd(g) << 32 | (uint32_t)target) : target;
}

/* RIP-relative: the displacement depends on the length, so the immediate's length is asked. */
static void put_rip_relative(struct gen *g, uint8_t reg, uint64_t target, unsigned imm_len)
{
	put(g, reg << 3 | 5u, 1);
	put(g, target - (NATIVE_CODE + g->len + 4 + imm_len), 4);
}

/* [base + index * scale + disp], with base chosen so that it comes out at target. */
static void put_sib(struct gen *g, uint8_t reg, uint64_t target)
{
	unsigned base = pick(g, 16), index = pick(g, 16), scale = pick(g, 4);
	unsigned mod = 1 + pick(g, 2);
	int64_t disp = mod == 1 ? (int8_t)rnd(g) : (int32_t)(rnd(g) & 0xfffff) - 0x80000;

	if (!g->rex && !(g->form->flags & F_VEX)) {
		base &= 7;
		index &= 7;
	}
	if (index == base)
		index = 4; /* none */
	if (g->rex || (g->form->flags & F_VEX))
		g->rex = (uint8_t)((g->rex & ~3u) | (base >> 3) | (index >> 3) << 1);
	put(g, mod << 6 | reg << 3 | 4u, 1);
	put(g, scale << 6 | (index & 7) << 3 | (base & 7), 1);
	put(g, (uint64_t)disp, mod == 1 ? 1 : 4);
	g->base = base;
	g->index = index;
	if (index != 4)
		g->regs.gpr[index] = rnd(g) & (g->form->flags & F_BITS ? 0x7ff : 0xffff);
	aim(g, base, target - (uint64_t)disp - (index == 4 ? 0 : g->regs.gpr[index] << scale));
}

static unsigned imm_len(const struct gen *g, bool opsize16)
{
	switch (g->form->imm) {
	case I_8:
	case I_REL8:
		return 1;
	case I_W:
		return 2;
	case I_REL32:
		return 4;
	case I_16:
		return 3;
	case I_Z:
		return opsize16 ? 2 : 4;
	case I_V:
		return g->rex & 8 ? 8 : opsize16 ? 2 : 4;
	default:
		return 0;
	}
}

static bool has_66(const struct gen *g)
{
	return g->form->prefix != 0x66 && memchr(g->bytes, 0x66, g->len) && !(g->rex & 8);
}

static uint64_t mem_target(struct gen *g)
{
	uint64_t t = MIDDLE + pick(g, 128) - 64;

	g->ea = g->form->flags & F_ALIGN ? t & ~15ull : t;
	return g->ea;
}

static uint64_t immediate(struct gen *g)
{
	if (g->form->flags & F_BRANCH)
		return NATIVE_BRANCH;
	return g->form->imm == I_16 ? rnd(g) & 0x7003f : operand(g);
}

/* A bit offset must stay within the data page; one that is part of the address as well has been
 * chosen so that it does. */
static void limit_bit_offset(struct gen *g, unsigned reg)
{
	if (reg == g->base || reg == g->index)
		return;
	g->regs.gpr[reg] = (uint64_t)(int64_t)(int16_t)(rnd(g) & 0x7ff) - 0x400;
	if (pick(g, 2))
		g->regs.gpr[reg] &= 63;
}

/* The opcode is written last of all, for the SIB may change REX; so the tail is built apart. */
static void put_tail(struct gen *g, uint8_t op)
{
	struct gen tail = *g;
	unsigned reg = g->form->modrm >= 0 ? (unsigned)g->form->modrm : pick(g, 8), head;
	const bool o16 = has_66(g);

	tail.len = 0;
	if (g->form->modrm != M_NONE && !g->mem)
		put(&tail, 0xc0 | reg << 3 | pick(&tail, 8), 1);
	else if (g->mem && pick(&tail, 4))
		put_sib(&tail, (uint8_t)reg, mem_target(&tail));
	else if (g->mem)
		reg |= 0x100; /* RIP-relative, below */
	g->rex = tail.rex;
	g->regs = tail.regs;
	g->rng = tail.rng;
	g->ea = tail.ea;
	g->base = tail.base;
	g->index = tail.index;
	if (g->form->flags & F_VEX) {
		put_vex(g, op);
	} else {
		if (g->rex)
			put(g, g->rex, 1);
		put_opcode(g, op);
	}
	head = imm_len(g, o16);
	if (reg & 0x100)
		put_rip_relative(g, (uint8_t)reg, mem_target(g), head);
	else
		put_bytes(g, tail.bytes, tail.len);
	put(g, immediate(g), head);
	if ((g->form->flags & F_BITS) && g->mem)
		limit_bit_offset(g, (reg & 7) | (g->rex & 4u) << 1);
}

static void special_registers(struct gen *g)
{
	const uint32_t fl = g->form->flags;

	if ((fl & F_ACC) && pick(g, 4))
		g->regs.gpr[CPU_RDX] = pick(g, 2) ? 0 : operand(g) & 0xff;
	if (fl & (F_STACK | F_STR))
		g->regs.gpr[CPU_RSP] = MIDDLE + pick(g, 64);
	if (fl & F_STACK)
		g->regs.gpr[CPU_RBP] = MIDDLE + pick(g, 64);
	if (fl & F_XLAT)
		aim(g, CPU_RBX, MIDDLE + pick(g, 128) - 64);
	if (!(fl & F_STR))
		return;
	aim(g, CPU_RSI, MIDDLE + pick(g, 128) - 64);
	aim(g, CPU_RDI, MIDDLE + pick(g, 128) - 64);
	aim(g, CPU_RCX, pick(g, 40));
	if (!pick(g, 2)) /* let scans and comparisons find something */
		memset(g->data, (int)g->regs.gpr[CPU_RAX], DATA_LEN / 2 + pick(g, 100));
}

/* What an indirect branch, a return or POPF takes. The instruction is complete: its length counts. */
static void put_target(struct gen *g)
{
	uint64_t to = NATIVE_CODE + g->len + NATIVE_BRANCH, at = g->ea;

	if (g->form->flags & F_POPF)
		to = (rnd(g) & FLAGS_ALL) | RFL_FIXED | RFL_IF;
	if (!(g->form->flags & F_TARGET))
		at = g->regs.gpr[CPU_RSP];
	if ((g->form->flags & F_TARGET) && !g->mem) {
		uint8_t *modrm = &g->bytes[g->len - 1];

		if ((*modrm & 7) == CPU_RSP && !(g->rex & 1))
			*modrm ^= 1; /* the stack is no place to go to */
		g->regs.gpr[(*modrm & 7) | (g->rex & 1u) << 3] = to;
		return;
	}
	memcpy(g->data + (at - NATIVE_DATA), &to, sizeof(to));
}

/* The address registers of a memory operand are aimed last, and may collide with what the form
 * wants: then the access faults on both sides alike, or the case is void. */
static void generate(struct gen *g, uint64_t seed, uint64_t n)
{
	g->rng = seed * 0x2545f4914f6cdd1d + n;
	g->form = &forms[pick(g, nforms)];
	g->len = 0;
	g->base = g->index = 4;
	for (unsigned k = 0; k < 16; k++)
		g->regs.gpr[k] = operand(g);
	g->regs.rflags = (rnd(g) & FLAGS_ALL) | RFL_FIXED | RFL_IF;
	if (!(g->form->flags & F_STR))
		g->regs.rflags &= ~RFL_DF;
	for (unsigned k = 0; k < DATA_LEN; k += 8) {
		uint64_t v = operand(g);

		memcpy(g->data + k, &v, 8);
	}

	const uint32_t fl = g->form->flags;
	uint8_t op = (uint8_t)(g->form->op + pick(g, g->form->op_regs));

	g->mem = g->form->modrm != M_NONE && !(fl & F_REG) && ((fl & F_MEM) || pick(g, 2));
	g->rep = (fl & F_STR) && pick(g, 3);
	g->asize32 = (g->mem || (fl & (F_STR | F_XLAT | F_BRANCH))) && !pick(g, 8);
	special_registers(g);
	make_rex(g);
	put_prefixes(g, g->mem && (fl & F_LOCK) && !pick(g, 3));
	put_tail(g, op);
	if (fl & (F_TARGET | F_RETURN | F_POPF))
		put_target(g);
}

static int vector_to_signal(uint8_t vector)
{
	switch (vector) {
	case VEC_DE:
		return SIGFPE;
	case VEC_UD:
		return SIGILL;
	case VEC_SS:
		return SIGBUS;
	default:
		return SIGSEGV;
	}
}

/* One instruction, the short way if there is one. */
static enum cpu_result one_step(struct machine *m)
{
	static const _Atomic uint32_t never;

	if (m->fast && interp_ahead(m->in, &m->cpu, 1, &never)) {
		short_ways++;
		return CPU_OK;
	}
	return machine_step(m);
}

static int interp_run(struct machine *m, struct gen *g, struct native_regs *out, bool *taken)
{
	struct cpu_state *s = &m->cpu.s;
	enum cpu_result r;

	memset(m->ram + g->len, 0xf4, INSN_BYTES); /* HLT: no more than one in a block */
	machine_poke(m, NATIVE_CODE, g->bytes, g->len);
	machine_poke(m, NATIVE_DATA, g->data, DATA_LEN);
	memcpy(s->gpr, g->regs.gpr, sizeof(s->gpr));
	s->rflags = g->regs.rflags;
	s->rip = NATIVE_CODE;
	r = one_step(m);
	memcpy(out->gpr, s->gpr, sizeof(s->gpr));
	out->rflags = s->rflags;
	*taken = r == CPU_OK && s->rip == NATIVE_CODE + g->len + NATIVE_BRANCH;
	if (r == CPU_OK)
		return *taken || s->rip == NATIVE_CODE + g->len ? 0 : -1;
	return r == CPU_FAULT ? vector_to_signal(m->fault.vector) : -2;
}

static void print_case(const struct gen *g, uint64_t seed, uint64_t n)
{
	printf("\n  %s:", g->form->name);
	for (unsigned k = 0; k < g->len; k++)
		printf(" %02x", g->bytes[k]);
	printf("   reproduce: interp_test --seed %llu --case %llu\n", (unsigned long long)seed,
	       (unsigned long long)n);
}

static void print_difference(const struct gen *g, const struct native_regs *want,
			     const struct native_regs *got)
{
	for (unsigned k = 0; k < 16; k++)
		if (want->gpr[k] != got->gpr[k])
			printf("  r%u: was %016llx, processor %016llx, interpreter %016llx\n",
			       k, (unsigned long long)g->regs.gpr[k],
			       (unsigned long long)want->gpr[k],
			       (unsigned long long)got->gpr[k]);
	printf("  flags: was %03llx, processor %03llx, interpreter %03llx\n",
	       (unsigned long long)(g->regs.rflags & FLAGS_ALL),
	       (unsigned long long)(want->rflags & FLAGS_ALL),
	       (unsigned long long)(got->rflags & FLAGS_ALL));
}

/* Flags that no manual defines for this very case. */
static uint64_t undefined_flags(const struct gen *g)
{
	uint64_t count = g->form->imm == I_8 ? g->bytes[g->len - 1] : g->regs.gpr[CPU_RCX];

	if (!(g->form->flags & F_OF1) || (count & (g->rex & 8 ? 63 : 31)) == 1)
		return g->form->undefined;
	return g->form->undefined | RFL_OF;
}

static bool one_case(struct machine *m, uint64_t seed, uint64_t n)
{
	static struct gen g;
	uint8_t *native_data = (uint8_t *)(uintptr_t)NATIVE_DATA;
	struct native_regs want, got;
	int want_sig, got_sig;
	bool same, taken;

	generate(&g, seed, n);
	got_sig = interp_run(m, &g, &got, &taken);
	memcpy(native_data, g.data, DATA_LEN);
	want = g.regs;
	want_sig = native_run(g.bytes, g.len, &want);
	interp_coverage_count(g.bytes, g.len);
	if (want_sig == SIGILL && ((g.form->flags & F_VEX) || g.form->map == 2))
		return true; /* an extension this processor lacks */
	same = want_sig == got_sig && taken == native_taken &&
	       !memcmp(native_data, m->ram + 0x1000, DATA_LEN) &&
	       !memcmp(want.gpr, got.gpr, sizeof(want.gpr)) &&
	       (want_sig || !((want.rflags ^ got.rflags) & FLAGS_ALL & ~undefined_flags(&g)));
	if (!same) {
		print_case(&g, seed, n);
		printf("  signal: processor %d, interpreter %d (%s)\n", want_sig, got_sig,
		       m->info.text);
		print_difference(&g, &want, &got);
	}
	return same;
}

#define MAX_REPORTS 10

static void differential(bool fast)
{
	struct machine *m = machine_create(NATIVE_BASE);
	unsigned bad = 0;

	m->fast = fast;
	short_ways = 0;
	memset(m->perm, 0, sizeof(m->perm));
	m->perm[0] = m->perm[1] = PAGE_RWX;
	machine_long(m, NATIVE_CODE);
	m->cpu.s.rflags = RFL_FIXED;
	CU_ASSERT_TRUE_FATAL(native_open());
	for (uint64_t n = interp_options.first; n < interp_options.last && bad < MAX_REPORTS;
	     n++)
		if (!one_case(m, interp_options.seed, n))
			bad++;
	native_close();
	machine_destroy(m);
	CU_ASSERT_EQUAL(bad, 0);
}

static void by_steps(void)
{
	differential(false);
	CU_ASSERT_EQUAL(short_ways, 0);
}

static void by_blocks(void)
{
	uint64_t n = interp_options.last - interp_options.first;

	differential(true);
	CU_ASSERT_TRUE(n < 1000 || short_ways > n / 10);
}

static const struct tap_case cases[] = {
	{"random integer instructions", by_steps},
	{"random integer instructions, the short way where there is one", by_blocks},
	{"every integer instruction of the table was among them", interp_coverage},
	TAP_NO_CASE,
};
const struct tap_suite interp_differential_suite = {
	.name = "against the processor",
	.cases = cases,
};
