/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The short way of the interpreter against its long way: random code, run by interp_ahead() where it
 * can and by single steps, must come out alike in registers, flags, memory, exceptions and the number
 * of instructions. Some of the code is in the way of its own stores, and some of it crosses pages or
 * meets pages without rights. And code that is changed from elsewhere.
 *
 * Read first: interp_machine.h.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define BASE	 0x10000ull
#define CODE	 (BASE + 0x1000)
#define DATA	 (BASE + 0x2800)
#define STACK	 (BASE + 0x8800)
#define PROGRAMS 30000u
#define INSNS	 24u /* in a program */
#define STEPS	 60u /* at most, of one run */

static const _Atomic uint32_t never;

struct draw {
	uint64_t rng;
	uint8_t bytes[INSNS * 16];
	unsigned len;
	bool long64;
};

/* splitmix64 */
static uint64_t rnd(struct draw *d)
{
	uint64_t z = d->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned pick(struct draw *d, unsigned n)
{
	return (unsigned)(rnd(d) >> 16) % n;
}

static void put(struct draw *d, uint64_t v, unsigned len)
{
	memcpy(d->bytes + d->len, &v, len);
	d->len += len;
}

enum imm { NONE, BYTE, WORD, FULL, HOP }; /* FULL: 2 or 4 bytes; HOP: a short way to jump */

struct shape {
	uint8_t map, op, span; /* opcodes op .. op + span - 1 */
	int8_t modrm;	       /* -2: none; -1: any; else ModRM.reg below this */
	enum imm imm;
};

#define NO_MODRM (-2)
#define ANY	 (-1)
static const struct shape shapes[] = {
	{0, 0x00, 4, ANY, NONE},      {0, 0x08, 4, ANY, NONE},
	{0, 0x10, 4, ANY, NONE},      {0, 0x18, 4, ANY, NONE},
	{0, 0x20, 4, ANY, NONE},      {0, 0x28, 4, ANY, NONE},
	{0, 0x30, 4, ANY, NONE},      {0, 0x38, 4, ANY, NONE},
	{0, 0x80, 1, ANY, BYTE},      {0, 0x81, 1, ANY, FULL},
	{0, 0x83, 1, ANY, BYTE},      {0, 0x84, 2, ANY, NONE},
	{0, 0x86, 2, ANY, NONE},      {0, 0x88, 4, ANY, NONE},
	{0, 0x89, 1, ANY, NONE},      {0, 0x8b, 1, ANY, NONE},
	{0, 0x8d, 1, ANY, NONE},      {0, 0xc6, 1, 1, BYTE},
	{0, 0xc7, 1, 1, FULL},	      {0, 0xb0, 8, NO_MODRM, BYTE},
	{1, 0xb6, 2, ANY, NONE},      {1, 0xbe, 2, ANY, NONE},
	{0, 0x63, 1, ANY, NONE},      {1, 0x40, 16, ANY, NONE},
	{1, 0x90, 16, ANY, NONE},     {0, 0xc0, 2, ANY, BYTE},
	{0, 0xd0, 4, ANY, NONE},      {0, 0xf6, 1, 1, BYTE},
	{0, 0xf7, 1, 1, FULL},	      {0, 0xfe, 2, 2, NONE},
	{0, 0xff, 1, ANY, NONE},      {0, 0x50, 8, NO_MODRM, NONE},
	{0, 0x58, 8, NO_MODRM, NONE}, {0, 0x6a, 1, NO_MODRM, BYTE},
	{0, 0x68, 1, NO_MODRM, FULL}, {1, 0xaf, 1, ANY, NONE},
	{0, 0x69, 1, ANY, FULL},      {0, 0x6b, 1, ANY, BYTE},
	{0, 0x70, 16, NO_MODRM, HOP}, {0, 0xeb, 1, NO_MODRM, HOP},
	{0, 0xc3, 1, NO_MODRM, NONE}, {0, 0xc2, 1, NO_MODRM, WORD},
	{0, 0xc9, 1, NO_MODRM, NONE}, {0, 0x90, 1, NO_MODRM, NONE},
	{0, 0xf8, 2, NO_MODRM, NONE}, {0, 0x98, 2, NO_MODRM, NONE},
	{0, 0x9c, 1, NO_MODRM, NONE}, {0, 0xa4, 2, NO_MODRM, NONE},
};

static void put_modrm(struct draw *d, int below)
{
	unsigned reg = below == ANY ? pick(d, 8) : pick(d, (unsigned)below);
	unsigned mod = pick(d, 2) ? 3 : pick(d, 3), rm = pick(d, 8);

	put(d, mod << 6 | reg << 3 | rm, 1);
	if (mod == 3)
		return;
	if (rm == 4) {
		unsigned sib = pick(d, 256);

		put(d, sib, 1);
		if (!mod && (sib & 7) == 5)
			put(d, DATA + pick(d, 256), 4);
	} else if (!mod && rm == 5) {
		put(d, d->long64 ? pick(d, 0x2000) - 0x400 : DATA + pick(d, 64), 4);
	}
	if (mod)
		put(d, (uint64_t)(int64_t)(int8_t)pick(d, 256), mod == 1 ? 1 : 4);
}

static void put_insn(struct draw *d)
{
	const struct shape *s = &shapes[pick(d, sizeof(shapes) / sizeof(shapes[0]))];
	const bool half = !pick(d, 8);

	if (half)
		put(d, 0x66, 1);
	if (!pick(d, 24))
		put(d, (const uint8_t[]){0x65, 0x64, 0x67, 0xf0, 0x2e, 0x26}[pick(d, 6)], 1);
	if (d->long64 && pick(d, 2))
		put(d, 0x40 | pick(d, 16), 1);
	if (s->map)
		put(d, 0x0f, 1);
	put(d, s->op + pick(d, s->span), 1);
	if (s->modrm != NO_MODRM)
		put_modrm(d, s->modrm);
	if (s->imm == HOP)
		put(d, pick(d, 4) ? pick(d, 24) : 0 - (uint64_t)pick(d, 40), 1);
	else if (s->imm)
		put(d, rnd(d) >> pick(d, 64),
		    s->imm == BYTE	     ? 1
		    : s->imm == WORD || half ? 2
					     : 4);
}

static uint64_t value(struct draw *d, uint64_t code)
{
	switch (pick(d, 10)) {
	case 0:
		return rnd(d) >> pick(d, 64);
	case 1:
		return 0 - (uint64_t)pick(d, 4);
	case 2:
		return pick(d, 70);
	case 3:
		return code + pick(d, 100);
	case 4:
		return BASE + pick(d, 0x9000); /* some of it without rights */
	default:
		return DATA + pick(d, 256);
	}
}

static void begin(struct machine *m, struct draw *d, uint64_t code)
{
	struct cpu_state *s = &m->cpu.s;

	if (d->long64)
		machine_long(m, code);
	else
		machine_flat32(m, (uint32_t)code);
	for (unsigned k = 0; k < 16; k++)
		s->gpr[k] = value(d, code);
	s->gpr[CPU_RSP] = STACK + pick(d, 64) - 32;
	s->rflags |= rnd(d) & (RFL_CF | RFL_PF | RFL_AF | RFL_ZF | RFL_SF | RFL_OF);
	s->seg[CPU_GS].base = pick(d, 64);
	for (uint64_t at = 0; at < 0xa000; at += 8)
		machine_poke(m, BASE + at, (uint64_t[]){at * 0x0101010101ull}, 8);
	machine_poke(m, code, d->bytes, d->len);
	m->perm[3] = PAGE_R;
	m->perm[4] = 0;
}

/* Returns how many instructions were done; *ahead those of them by interp_ahead(). */
static unsigned go(struct machine *m, unsigned steps, enum cpu_result *r, unsigned *ahead)
{
	unsigned n = 0;

	*r = CPU_OK;
	while (n < steps && *r == CPU_OK && m->cpu.s.activity == CPU_RUNNING) {
		if (m->fast) {
			unsigned k = interp_ahead(m->in, &m->cpu, steps - n, &never);

			*ahead += k;
			n += k;
			if (n == steps)
				break;
		}
		*r = interp_step(m->in, &m->cpu, ~0u, &m->info, &m->fault);
		n += *r == CPU_OK;
	}
	return n;
}

static bool alike(const struct machine *a, const struct machine *b)
{
	const struct cpu_state *s = &a->cpu.s, *t = &b->cpu.s;

	return !memcmp(s->gpr, t->gpr, sizeof(s->gpr)) && s->rip == t->rip &&
	       s->rflags == t->rflags && !memcmp(a->ram, b->ram, MACHINE_SIZE);
}

static void explain(const struct draw *d, const struct machine *a, const struct machine *b)
{
	printf("\n  code:");
	for (unsigned k = 0; k < d->len; k++)
		printf(" %02x", d->bytes[k]);
	printf("\n  rip %llx %llx, rflags %llx %llx", (unsigned long long)a->cpu.s.rip,
	       (unsigned long long)b->cpu.s.rip, (unsigned long long)a->cpu.s.rflags,
	       (unsigned long long)b->cpu.s.rflags);
	for (unsigned k = 0; k < 16; k++)
		if (a->cpu.s.gpr[k] != b->cpu.s.gpr[k])
			printf("\n  r%u %llx %llx", k, (unsigned long long)a->cpu.s.gpr[k],
			       (unsigned long long)b->cpu.s.gpr[k]);
	printf("\n");
}

/* Both machines keep what they remember of code from program to program. */
static bool program(struct machine *a, struct machine *b, uint64_t seed, uint64_t n,
		    unsigned *done, unsigned *ahead)
{
	struct draw d = {.rng = seed * 0x2545f4914f6cdd1d + n, .long64 = n & 1}, e;
	uint64_t code = pick(&d, 4) ? CODE + pick(&d, 0x800) : CODE + 0xfff - pick(&d, 60);
	unsigned steps = pick(&d, 3) ? STEPS : 1 + pick(&d, STEPS), unused = 0, x, y;
	enum cpu_result ra, rb;
	bool same;

	for (unsigned k = 0; k < INSNS; k++)
		put_insn(&d);
	e = d;
	begin(a, &d, code);
	begin(b, &e, code);
	x = go(a, steps, &ra, ahead);
	y = go(b, steps, &rb, &unused);
	*done += x;
	same = x == y && ra == rb && alike(a, b) &&
	       (ra != CPU_FAULT ||
		(a->fault.vector == b->fault.vector && a->fault.error == b->fault.error &&
		 a->fault.cr2 == b->fault.cr2));
	if (!same) {
		printf("\n  program %llu of seed %llu: %u and %u instructions, results %d and "
		       "%d",
		       (unsigned long long)n, (unsigned long long)seed, x, y, ra, rb);
		explain(&d, a, b);
	}
	return same;
}

static void random_code(void)
{
	struct machine *a = machine_create(BASE), *b = machine_create(BASE);
	unsigned done = 0, ahead = 0, bad = 0;

	a->fast = true;
	for (uint64_t n = 0; n < PROGRAMS && bad < 5; n++)
		bad += !program(a, b, interp_options.seed, n, &done, &ahead);
	CU_ASSERT_EQUAL(bad, 0);
	/* Or the test tests nothing: most of it must have gone the short way. */
	CU_ASSERT_TRUE(ahead > done / 2 && done > 4 * PROGRAMS);
	machine_destroy(a);
	machine_destroy(b);
}

/* mov eax, imm; dec ecx; jnz: the immediate is changed behind the interpreter's back. */
static void changed_elsewhere(void)
{
	struct machine *m = machine_create(BASE);
	enum cpu_result r;
	unsigned ahead = 0;

	m->fast = true;
	machine_long(m, CODE);
	machine_code(m, CODE, "b8 01 00 00 00 ff c9 75 f7 f4");
	for (uint32_t k = 0; k < 100; k++) {
		machine_poke(m, CODE + 1, &k, 4);
		m->cpu.s.gpr[CPU_RCX] = 5;
		m->cpu.s.rip = CODE;
		CU_ASSERT_EQUAL(go(m, 15, &r, &ahead), 15);
		CU_ASSERT_EQUAL(m->cpu.s.gpr[CPU_RAX], k);
	}
	CU_ASSERT_EQUAL(ahead, 1500);
	machine_destroy(m);
}

/* A store changes the next instruction but one: mov [rdi], dl; nop; mov al, imm8. */
static void changes_itself(void)
{
	struct machine *m = machine_create(BASE);
	enum cpu_result r;
	unsigned ahead = 0;

	m->fast = true;
	machine_long(m, CODE);
	machine_code(m, CODE, "88 17 90 b0 00 f4");
	m->cpu.s.gpr[CPU_RDI] = CODE + 4;
	for (unsigned k = 0; k < 100; k++) {
		m->cpu.s.rip = CODE;
		m->cpu.s.gpr[CPU_RDX] = k;
		CU_ASSERT_EQUAL(go(m, 3, &r, &ahead), 3);
		CU_ASSERT_EQUAL(m->cpu.s.gpr[CPU_RAX] & 0xff, k);
	}
	CU_ASSERT_EQUAL(ahead, 200); /* all but the store */
	machine_destroy(m);
}

/* A request stops a loop that would go on for ever, and the budget is kept to the instruction. */
static void stops(void)
{
	struct machine *m = machine_create(BASE);
	_Atomic uint32_t stop = 1;

	m->fast = true;
	machine_long(m, CODE);
	machine_code(m, CODE, "48 ff c0 48 ff c0 48 ff c0 eb f5");
	CU_ASSERT_EQUAL(interp_ahead(m->in, &m->cpu, 1000, &stop), 0);
	CU_ASSERT_EQUAL(interp_ahead(m->in, &m->cpu, 1002, &never), 1000);
	CU_ASSERT_EQUAL(m->cpu.s.gpr[CPU_RAX], 750);
	CU_ASSERT_EQUAL(m->cpu.s.rip, CODE);
	m->cpu.s.rflags |= RFL_TF;
	CU_ASSERT_EQUAL(interp_ahead(m->in, &m->cpu, 1000, &never), 0);
	m->cpu.s.rflags &= ~RFL_TF;
	m->cpu.s.int_shadow = true;
	CU_ASSERT_EQUAL(interp_ahead(m->in, &m->cpu, 1000, &never), 0);
	m->cpu.s.int_shadow = false;
	m->cpu.s.dr[7] = 1;
	CU_ASSERT_EQUAL(interp_ahead(m->in, &m->cpu, 1000, &never), 0);
	machine_destroy(m);
}

static const struct tap_case cases[] = {
	{"random code, the short way and the long way", random_code},
	{"code changed from elsewhere", changed_elsewhere},
	{"code that changes itself", changes_itself},
	{"budgets, requests, traps", stops},
	TAP_NO_CASE,
};
const struct tap_suite interp_fast_suite = {
	.name = "fast",
	.cases = cases,
};
