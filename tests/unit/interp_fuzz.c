/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random bytes in every mode. Whatever they are, the interpreter must come back with a result,
 * and a fault must have left the registers alone (string instructions, which keep their
 * finished iterations, excepted).
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <Zydis/Zydis.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define CODE 0x8000u

static uint64_t next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static void random_state(struct machine *m, uint64_t *rng)
{
	struct cpu_state *s = &m->cpu.s;

	switch (next(rng) % 4) {
	case 0:
		machine_real(m, CODE);
		break;
	case 1:
		machine_flat32(m, CODE);
		break;
	default:
		machine_long(m, CODE);
		break;
	}
	if (s->cr0 & CR0_PE)
		machine_set_cpl(m, next(rng) % 2 ? 0 : 3);
	for (unsigned k = 0; k < 16; k++)
		s->gpr[k] = next(rng) % 4 ? next(rng) % MACHINE_SIZE : next(rng);
	s->gpr[CPU_RCX] &= 0xffff;
	s->rflags |= next(rng) & (0x4cd5 | RFL_IOPL | RFL_AC);
	s->cr4 |= next(rng) & (CR4_OSXSAVE | CR4_FSGSBASE | CR4_PKE | CR4_UMIP | CR4_TSD);
	s->xcr0 = 7;
	s->efer |= next(rng) & EFER_SCE;
	s->gdtr = s->idtr = (struct cpu_table){.base = 0x3000, .limit = 0xfff};
}

static void random_code(struct machine *m, uint64_t *rng)
{
	static const uint8_t leads[] = {0x0f, 0x66, 0x67, 0xf0, 0xf2,
					0xf3, 0x48, 0xc4, 0xc5, 0x41};
	uint8_t bytes[16];

	for (unsigned k = 0; k < sizeof(bytes); k++)
		bytes[k] = (uint8_t)next(rng);
	for (unsigned k = 0; k < 3 && next(rng) % 2; k++)
		bytes[k] = leads[next(rng) % sizeof(leads)];
	machine_poke(m, CODE, bytes, sizeof(bytes));
}

static bool is_string(const struct machine *m)
{
	const char *name = ZydisMnemonicGetString((ZydisMnemonic)m->info.mnemonic);

	return name && (!strncmp(name, "movs", 4) || !strncmp(name, "stos", 4) ||
			!strncmp(name, "lods", 4) || !strncmp(name, "scas", 4) ||
			!strncmp(name, "cmps", 4) || !strncmp(name, "ins", 3) ||
			!strncmp(name, "outs", 4) || strstr(name, "gather"));
}

static bool one(struct machine *m, uint64_t *rng)
{
	struct cpu_state before;
	enum cpu_result r;

	random_state(m, rng);
	random_code(m, rng);
	before = m->cpu.s;
	r = machine_step(m);
	if (r == CPU_OK)
		return true;
	if (r == CPU_BROKEN && m->cpu.s.activity == CPU_SHUTDOWN)
		return true; /* a software interrupt without a handler */
	return is_string(m) || !memcmp(&before, &m->cpu.s, sizeof(before));
}

static void fuzz(void)
{
	struct machine *m = machine_create(0);
	uint64_t rng = interp_options.seed * 0x9e3779b97f4a7c15 + 1;
	unsigned bad = 0;

	m->perm[9] = 0;
	m->perm[10] = PAGE_R;
	for (uint64_t k = 0; k < interp_options.last && bad < 10; k++) {
		uint64_t at = rng;

		if (one(m, &rng))
			continue;
		bad++;
		printf("\n  fuzz case %llu (state %llx): %s%s\n", (unsigned long long)k,
		       (unsigned long long)at,
		       ZydisMnemonicGetString((ZydisMnemonic)m->info.mnemonic), m->info.text);
		for (unsigned b = 0; b < m->info.len; b++)
			printf(" %02x", m->info.bytes[b]);
	}
	CU_ASSERT_EQUAL(bad, 0);
	machine_destroy(m);
}

static const struct tap_case cases[] = {
	{"a fault leaves the state alone", fuzz},
	TAP_NO_CASE,
};
const struct tap_suite interp_fuzz_suite = {
	.name = "random bytes",
	.cases = cases,
};
