/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interprocessor interrupts: destinations, shorthands, delivery modes.
 */
#include "tests/unit/dev_test.h"

/* A case sends from vCPU 0 and expects vector 0x50 at the vCPUs whose bit is set. */
struct ipi_case {
	const char *what;
	uint8_t dest;
	uint32_t icr;
	unsigned receivers;
};

static void run_cases(struct apic_box *x, const struct ipi_case *c, size_t n)
{
	for (; n--; c++) {
		unsigned cpu, got = 0;

		lapic_send(x, 0, c->dest, c->icr | 0x50);
		for (cpu = 0; cpu < TEST_CPUS; cpu++)
			got |= lapic_take(x, cpu) == 0x50 ? 1u << cpu : 0;
		if (got != c->receivers)
			printf("\n    %s: got %x, expected %x", c->what, got, c->receivers);
		CU_ASSERT_EQUAL(got, c->receivers);
	}
}

#define RUN(x, cases) run_cases(x, cases, sizeof(cases) / sizeof((cases)[0]))

static void physical_and_shorthand(void)
{
	static const struct ipi_case cases[] = {
		{"physical 2", 2, 0x4000, 0x4},
		{"physical 0, the sender", 0, 0x4000, 0x1},
		{"physical, nobody", 9, 0x4000, 0},
		{"physical broadcast", 0xff, 0x4000, 0xf},
		{"self", 3, 0x44000, 0x1},
		{"all", 3, 0x84000, 0xf},
		{"others", 3, 0xc4000, 0xe},
		{"lowest priority to self is invalid", 0, 0x44100, 0},
		{"lowest priority to all is invalid", 0, 0x84100, 0},
		{"SMI", 1, 0x4200, 0},
		{"reserved mode", 1, 0x4300, 0},
		{"ExtINT", 1, 0x4700, 0},
	};
	struct apic_box x;

	apic_box_open(&x, TEST_CPUS);
	RUN(&x, cases);
	apic_box_close(&x);
}

static void logical_flat(void)
{
	static const struct ipi_case cases[] = {
		{"bit 1", 0x02, 0x4800, 0x2},
		{"bits 0 and 3", 0x09, 0x4800, 0x9},
		{"a bit nobody has", 0x40, 0x4800, 0},
		{"broadcast", 0xff, 0x4800, 0xf},
	};
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, TEST_CPUS);
	for (i = 0; i < TEST_CPUS; i++)
		lapic_put(&x, i, 0xd0, 1u << (24 + i));
	RUN(&x, cases);
	apic_box_close(&x);
}

static void logical_cluster(void)
{
	static const struct ipi_case cases[] = {
		{"cluster 1, member 0", 0x11, 0x4800, 0x1},
		{"cluster 1, both", 0x13, 0x4800, 0x3},
		{"cluster 2, both and two absent", 0x2f, 0x4800, 0xc},
		{"a cluster nobody is in", 0x3f, 0x4800, 0},
		{"broadcast", 0xff, 0x4800, 0xf},
	};
	static const uint8_t id[TEST_CPUS] = {0x11, 0x12, 0x21, 0x22};
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, TEST_CPUS);
	for (i = 0; i < TEST_CPUS; i++) {
		lapic_put(&x, i, 0xe0, 0x0fffffff);
		lapic_put(&x, i, 0xd0, (uint32_t)id[i] << 24);
	}
	RUN(&x, cases);
	apic_box_close(&x);
}

static void lowest_priority(void)
{
	static const struct ipi_case first[] = {{"vCPU 2 has the lowest", 0xff, 0x4100, 0x4}};
	static const struct ipi_case tie[] = {{"the first of equals", 0xff, 0x4900, 0x1}};
	static const struct ipi_case off[] = {{"disabled ones are not asked", 0xff, 0x4100, 0x2}};
	static const uint8_t tpr[TEST_CPUS] = {0x40, 0x30, 0x20, 0x30};
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, TEST_CPUS);
	for (i = 0; i < TEST_CPUS; i++)
		apic_set_tpr(x.apic, i, tpr[i]);
	RUN(&x, first);
	lapic_put(&x, 2, 0xf0, 0xff);
	RUN(&x, off);
	lapic_put(&x, 2, 0xf0, 0x1ff);
	for (i = 0; i < TEST_CPUS; i++)
		apic_set_tpr(x.apic, i, 0);
	RUN(&x, tie);
	apic_box_close(&x);
}

static void init_and_sipi(void)
{
	struct apic_box x;

	apic_box_open(&x, TEST_CPUS);
	lapic_send(&x, 0, 1, 0xc500); /* INIT, level assert */
	CU_ASSERT_EQUAL(x.t.inits[1], 1);
	lapic_send(&x, 0, 1, 0x8500); /* de-assert: nothing */
	CU_ASSERT_EQUAL(x.t.inits[1], 1);
	lapic_send(&x, 0, 1, 0x4608);
	CU_ASSERT_EQUAL(x.t.sipis[1], 1);
	CU_ASSERT_EQUAL(x.t.sipi_vector, 8);
	lapic_send(&x, 0, 0, 0xc4500); /* INIT to the others */
	CU_ASSERT_EQUAL(x.t.inits[0], 0);
	CU_ASSERT_EQUAL(x.t.inits[1], 2);
	CU_ASSERT_EQUAL(x.t.inits[3], 1);
	lapic_send(&x, 0, 0, 0x84500); /* to all with the sender: invalid */
	CU_ASSERT_EQUAL(x.t.inits[3], 1);
	lapic_put(&x, 2, 0xf0, 0xff); /* off by software: INIT, SIPI and NMI still arrive */
	lapic_send(&x, 0, 2, 0x4600);
	CU_ASSERT_EQUAL(x.t.sipis[2], 1);
	CU_ASSERT_EQUAL(x.t.sipi_vector, 0);
	apic_box_close(&x);
}

static void nmi(void)
{
	struct apic_box x;

	apic_box_open(&x, TEST_CPUS);
	lapic_send(&x, 0, 3, 0x4400);
	CU_ASSERT_EQUAL(x.t.nmis[3], 1);
	lapic_send(&x, 3, 0, 0xc4400);
	CU_ASSERT_EQUAL(x.t.nmis[0], 1);
	CU_ASSERT_EQUAL(x.t.nmis[3], 1);
	CU_ASSERT_EQUAL(x.t.kicks[0], 0);
	lapic_put(&x, 0, 0x370, 0x400); /* the error entry has no delivery mode */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x370), 0);
	apic_box_close(&x);
}

static void icr_reads_back(void)
{
	struct apic_box x;

	apic_box_open(&x, 2);
	lapic_send(&x, 0, 1, 0xfffc5050);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x300), 0x000c4050); /* delivery status idle */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x310), 0x01000000);
	CU_ASSERT_EQUAL(lapic_get(&x, 1, 0x300), 0);
	apic_box_close(&x);
}

const struct tap_case ipi_tests[] = {
	{"physical destinations and shorthands", physical_and_shorthand},
	{"logical, flat", logical_flat},
	{"logical, cluster", logical_cluster},
	{"lowest priority", lowest_priority},
	{"INIT and SIPI", init_and_sipi},
	{"NMI", nmi},
	{"ICR reads back", icr_reads_back},
	TAP_NO_CASE,
};
