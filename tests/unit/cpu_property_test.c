/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random control transfers in every mode, with whatever selectors and frames: none may break
 * what holds after any of them. A failure prints the round's seed.
 */
#include <stdio.h>

#include "tests/unit/cpu_bench.h"

#define ROUNDS 20000

static uint64_t seed;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint16_t any_selector(void)
{
	uint64_t r = next();

	return (uint16_t)((r % (GDT_END / 8 + 1)) * 8 | ((r >> 32) & 3) |
			  ((r >> 36) % 16 ? 0 : 4));
}

static uint64_t any_address(void)
{
	static const uint64_t corners[] = {
		0,	     0xffff,	     0x10000,	     0xffffffff,
		0x100000000, 0x7fffffffffff, 0x800000000000, 0xffff800000000000};
	uint64_t r = next();

	return r & 1 ? corners[(r >> 8) % 8] : (r >> 8) % MEM_SIZE;
}

static struct bench *any_bench(void)
{
	static struct bench *(*const modes[])(void) = {
		bench_real, bench_prot32,    bench_prot32_user,
		bench_long, bench_long_user, bench_compat_user,
	};
	struct bench *b = modes[next() % 6]();

	/* A call gate to 0x53456, with any DPL and number of parameters. */
	bench_desc(b, GATE_SEL,
		   0x00058c0000003456 | (uint64_t)any_selector() << 16 |
			   (next() & 0x601f00000000));
	if (next() % 4 == 0)
		bench_gate(b, 0x30, any_selector(), any_address(), 0x80 | (next() & 0x6f),
			   next() & 1);
	if (next() % 4 == 0)
		poke16(b, AT_TSS + 8, any_selector());
	if (next() % 8 == 0)
		b->page[next() % 16] = PAGE_ABSENT;
	b->c.s.rflags = (next() & 0x3d7fd5 & ~RFL_NT) | RFL_FIXED;
	return b;
}

/* A frame for RET or IRET below the stack pointer. */
static void any_frame(struct bench *b, unsigned size)
{
	uint64_t vals[] = {any_address(), any_selector(), next(), any_address(),
			   any_selector()};
	uint64_t sp = b->c.s.gpr[CPU_RSP] -= 5 * size;

	for (unsigned i = 0; i < 5; i++)
		memcpy(b->mem + sp + i * size, &vals[i], size);
}

enum { DO_JMP, DO_CALL, DO_RET, DO_IRET, DO_DELIVER, DO_KINDS };

static enum cpu_result transfer(struct bench *b, unsigned what, unsigned size)
{
	struct cpu_event e = {.kind = next() % 6, .vector = 0x30, .has_error = next() & 1};

	switch (what) {
	case DO_JMP:
		return cpu_far_jmp(&b->c, any_selector(), any_address(), size, 0, &b->f);
	case DO_CALL:
		return cpu_far_call(&b->c, any_selector(), any_address(), size, 0x40007, &b->f);
	case DO_RET:
		return cpu_far_ret(&b->c, size, next() & 0x1f, &b->f);
	case DO_IRET:
		return cpu_iret(&b->c, size, 0, &b->f);
	default:
		return cpu_deliver(&b->c, &e, 0x40000, &b->f);
	}
}

static bool level_moved_right(unsigned what, unsigned before, unsigned after)
{
	switch (what) {
	case DO_JMP:
		return after == before;
	case DO_CALL:
	case DO_DELIVER:
		return after <= before;
	default:
		return after >= before;
	}
}

/* No data segment of an inner level stays usable in an outer one. */
static bool data_segments_hold(const struct cpu_state *s)
{
	for (int i = 0; i < CPU_SEGS; i++)
		if (i != CPU_CS && (s->seg[i].attr & SEG_P) &&
		    SEG_DPL(s->seg[i].attr) < cpu_cpl(s))
			return false;
	return true;
}

static bool v86_holds(const struct cpu_state *s)
{
	for (int i = 0; i < CPU_SEGS; i++)
		if (s->seg[i].base != (uint64_t)s->seg[i].selector << 4 ||
		    s->seg[i].limit != 0xffff || s->seg[i].attr != 0xf3)
			return false;
	return s->rip <= 0xffff;
}

static bool state_holds(const struct cpu_state *s)
{
	const struct cpu_segment *cs = &s->seg[CPU_CS];

	if (s->rflags & RFL_VM)
		return v86_holds(s);
	if (cpu_real_mode(s))
		return cs->base == (uint64_t)cs->selector << 4 && s->rip <= cs->limit;
	if ((cs->selector & 3u) != cpu_cpl(s) || !(cs->attr & SEG_P) || !(cs->attr & 8))
		return false;
	if (!(s->rflags & RFL_FIXED) || !data_segments_hold(s))
		return false;
	return cpu_64bit(s) ? cpu_canonical(s, s->rip) : s->rip <= cs->limit;
}

static bool round_holds(unsigned *done)
{
	struct bench *b = any_bench();
	unsigned what = next() % DO_KINDS, cpl = cpu_cpl(&b->c.s);
	unsigned size = 2u << (next() % (cpu_64bit(&b->c.s) ? 3 : 2));
	enum cpu_result r;

	if (what == DO_RET || what == DO_IRET)
		any_frame(b, size);
	b->before = b->c.s;
	r = transfer(b, what, size);
	if (r == CPU_OK) {
		++*done;
		return level_moved_right(what, cpl, cpu_cpl(&b->c.s)) && state_holds(&b->c.s);
	}
	/* Its registers are the new task's already. */
	if ((r == CPU_FAULT && b->f.in_new_task) ||
	    (r == CPU_BROKEN && b->c.s.tr.selector != b->before.tr.selector))
		return b->c.s.tr.attr == 0x8b && (b->c.s.cr0 & CR0_TS);
	if (r == CPU_BROKEN)
		b->before.activity = b->c.s.activity;
	return memcmp(&b->before, &b->c.s, sizeof(b->before)) == 0;
}

static void random_transfers(void)
{
	unsigned done = 0, failed = 0;

	seed = 0x9e3779b97f4a7c15;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t start = seed;

		if (!round_holds(&done) && failed++ < 5)
			printf("# round %u, seed %#llx\n", i, (unsigned long long)start);
	}
	EQ(failed, 0);
	CU_ASSERT(done > ROUNDS / 8); /* else it tests only refusals */
}

const struct tap_case cpu_property_tests[] = {
	{"random transfers", random_transfers},
	TAP_NO_CASE,
};
