/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Precise faults, invalid and unknown instructions, fetching, LOCK.
 */
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_machine.h"
#include "interp_suites.h"

#define BASE   0x100000u
#define RW     (BASE + 0x2000)
#define RDONLY (BASE + 0x3000)
#define NONE   (BASE + 0x4000)

static struct machine *m;
static uint64_t *gpr;

static int setup(void)
{
	m = machine_create(BASE);
	gpr = m->cpu.s.gpr;
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
	for (unsigned k = 0; k < 16; k++)
		if (k != CPU_RSP)
			gpr[k] = 0x1111 * k;
}

/* Each of these must fault and change no register. RDI is the address, RSP a bad stack where
 * the instruction uses it. */
static const struct {
	const char *hex;
	uint64_t rdi, rsp;
	uint8_t vector;
	uint32_t error;
} precise[] = {
	{"48 89 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"48 8b 07", NONE, 0, VEC_PF, 0},
	{"48 01 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"f0 48 01 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"48 87 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"48 0f c1 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"48 0f b1 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"0f c7 0f", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"48 0f c7 0f", RW + 8, 0, VEC_GP, 0},
	{"50", 0, RDONLY + 8, VEC_PF, PFERR_P | PFERR_W},
	{"58", 0, NONE, VEC_PF, 0},
	{"ff 37", NONE, RW + 8, VEC_PF, 0},
	{"8f 07", RDONLY, RW + 8, VEC_PF, PFERR_P | PFERR_W},
	{"8f 04 24", 0, RDONLY - 8, VEC_PF, PFERR_P | PFERR_W},
	{"e8 00 00 00 00", 0, RDONLY + 8, VEC_PF, PFERR_P | PFERR_W},
	{"c3", 0, NONE, VEC_PF, 0},
	{"c9", 0, RW, VEC_PF, 0},
	{"c8 00 00 00", 0, RDONLY + 8, VEC_PF, PFERR_P | PFERR_W},
	{"9c", 0, RDONLY + 8, VEC_PF, PFERR_P | PFERR_W},
	{"9d", 0, NONE, VEC_PF, 0},
	{"48 f7 37", NONE, 0, VEC_PF, 0},
	{"48 f7 37", RW, 0, VEC_DE, 0},
	{"48 0f 44 07", NONE, 0, VEC_PF, 0},
	{"0f 94 07", RDONLY, 0, VEC_PF, PFERR_P | PFERR_W},
	{"48 89 07", 0x0000800000000000, 0, VEC_GP, 0},
	{"50", 0, 0x0000800000000008 + 8, VEC_SS, 0},
	{"ff e7", 0x0000800000000000, 0, VEC_GP, 0},
	{"0f 01 17", RW + 4090, 0, VEC_GP, 0}, /* LGDT of a non-canonical base, below */
};

static void precise_faults(void)
{
	for (unsigned k = 0; k < sizeof(precise) / sizeof(precise[0]); k++) {
		struct cpu_state before;

		start();
		gpr[CPU_RDI] = precise[k].rdi;
		if (precise[k].rsp)
			gpr[CPU_RSP] = precise[k].rsp;
		gpr[CPU_RBP] = NONE; /* for LEAVE */
		memset(m->ram + 0x3000 - 6, 0x7f, 2);
		memset(m->ram + 0x3000 - 4, 0, 2);
		m->ram[0x3000 + 3] = 0x60;
		before = m->cpu.s;
		CU_ASSERT_EQUAL(machine_step_hex(m, precise[k].hex), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, precise[k].vector);
		CU_ASSERT_EQUAL(m->fault.error, precise[k].error);
		CU_ASSERT_EQUAL(memcmp(&before, &m->cpu.s, sizeof(before)), 0);
		if (m->fault.vector != precise[k].vector)
			CU_FAIL(precise[k].hex);
	}
}

static void invalid(void)
{
	static const char *const hex[] = {
		"0f 0b",    "0f ff c0", "f0 48 89 07",	     "f0 01 c0", "06", "f0 90",
		"0f 20 c8", "8e c8",	"c4 e2 78 f2 ff ff", "0f 01 c1", "27", "f0 48 39 07",
	};

	for (unsigned k = 0; k + 1 < sizeof(hex) / sizeof(hex[0]); k++) {
		if (k == 8)
			continue; /* a valid ANDN: the neighbour of invalid ones */
		start();
		CU_ASSERT_EQUAL(machine_step_hex(m, hex[k]), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
		CU_ASSERT_EQUAL(m->cpu.s.rip, BASE);
	}
}

static void too_long(void)
{
	start();
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"),
			CPU_OK);
	start();
	CU_ASSERT_EQUAL(machine_step_hex(m, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90"),
			CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_GP);
}

/* Known to the decoder, but nobody's processor any more: not offered, so #UD and no stop. */
static void not_offered(void)
{
	static const char *const hex[] = {
		"0f 0e",	  /* FEMMS */
		"f3 0f 38 dc 07", /* AESENC128KL */
		"8f e9 78 81 c0", /* VFRCZPD, of XOP */
		"0f 0f c1 9e",	  /* PFADD */
	};

	for (unsigned k = 0; k < sizeof(hex) / sizeof(hex[0]); k++) {
		start();
		CU_ASSERT_EQUAL(machine_step_hex(m, hex[k]), CPU_FAULT);
		CU_ASSERT_EQUAL(m->fault.vector, VEC_UD);
		CU_ASSERT_FALSE(m->info.not_emulated);
		CU_ASSERT_EQUAL(m->cpu.s.rip, BASE);
	}
}

/* An instruction that reaches into a page without execute permission faults there; one that
 * ends before it doesn't. */
static void fetch_across_pages(void)
{
	start();
	m->perm[1] = PAGE_R;
	m->cpu.s.rip = BASE + 0xffe;
	CU_ASSERT_EQUAL(machine_step_hex(m, "89 c0"), CPU_OK);
	m->cpu.s.rip = BASE + 0xffe;
	CU_ASSERT_EQUAL(machine_step_hex(m, "b8 01 02 03 04"), CPU_FAULT);
	CU_ASSERT_EQUAL(m->fault.vector, VEC_PF);
	CU_ASSERT_EQUAL(m->fault.cr2, BASE + 0x1000);
	CU_ASSERT_EQUAL(m->fault.error, PFERR_P | PFERR_I);
	CU_ASSERT_EQUAL(m->cpu.s.rip, BASE + 0xffe);
	m->perm[1] = PAGE_RWX;
	CU_ASSERT_EQUAL(machine_step(m), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RAX], 0x04030201);
}

/* Every locked form goes through compare-and-exchange and survives losing it. */
static void locked(void)
{
	static const struct {
		const char *hex;
		uint64_t before, after; /* memory, with two lost rounds of +1 in between */
		uint64_t rax;
	} t[] = {
		{"f0 48 01 07", 5, 5 + 2 + 0x100, 0x100},
		{"f0 48 ff 07", 5, 8, 0x100},
		{"f0 48 f7 17", 5, ~7ull, 0x100},
		{"f0 48 0f ab 07", 0, 2 | 8, 3},
		{"48 87 07", 9, 0x100, 11},
		{"f0 48 0f c1 07", 9, 0x100 + 11, 11},
	};

	for (unsigned k = 0; k < sizeof(t) / sizeof(t[0]); k++) {
		start();
		gpr[CPU_RDI] = RW;
		gpr[CPU_RAX] = k == 3 ? 3 : 0x100;
		machine_poke(m, RW, &t[k].before, 8);
		m->cmpxchgs = m->writes = 0;
		m->lose = 2;
		CU_ASSERT_EQUAL(machine_step_hex(m, t[k].hex), CPU_OK);
		CU_ASSERT_EQUAL(m->cmpxchgs, 3);
		CU_ASSERT_EQUAL(m->writes, 0);
		CU_ASSERT_EQUAL(machine_peek(m, RW, 8), t[k].after);
		CU_ASSERT_EQUAL(gpr[CPU_RAX], t[k].rax);
	}
}

/* CMPXCHG that loses to another CPU must then report what it found. */
static void locked_cmpxchg(void)
{
	uint64_t v = 5;

	start();
	gpr[CPU_RDI] = RW;
	gpr[CPU_RAX] = 5;
	machine_poke(m, RW, &v, 8);
	m->lose = 1;
	CU_ASSERT_EQUAL(machine_step_hex(m, "f0 48 0f b1 0f"), CPU_OK);
	CU_ASSERT_EQUAL(gpr[CPU_RAX], 6);
	CU_ASSERT_FALSE(m->cpu.s.rflags & RFL_ZF);
	CU_ASSERT_EQUAL(machine_peek(m, RW, 8), 6);
}

/* One unlocked read-modify-write is one read and one write. */
static void unlocked(void)
{
	start();
	gpr[CPU_RDI] = RW;
	m->reads = m->writes = m->cmpxchgs = 0;
	CU_ASSERT_EQUAL(machine_step_hex(m, "48 01 07"), CPU_OK);
	CU_ASSERT_EQUAL(m->reads, 1);
	CU_ASSERT_EQUAL(m->writes, 1);
	CU_ASSERT_EQUAL(m->cmpxchgs, 0);
}

static const struct tap_case cases[] = {
	{"faults change nothing", precise_faults},
	{"invalid instructions", invalid},
	{"15 bytes and no more", too_long},
	{"extensions that are not offered", not_offered},
	{"fetch across pages", fetch_across_pages},
	{"LOCK retries", locked},
	{"LOCK CMPXCHG that loses", locked_cmpxchg},
	{"no LOCK", unlocked},
	TAP_NO_CASE,
};
const struct tap_suite interp_fault_suite = {
	.name = "faults and locks",
	.cases = cases,
	.setup = setup,
	.teardown = teardown,
};
