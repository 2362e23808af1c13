/* SPDX-License-Identifier: BSD-2-Clause
 *
 * x2APIC mode: changes of mode, MSR access rules, wide destinations.
 */
#include "tests/unit/dev_test.h"

static void mode_transitions(void)
{
	enum { OFF = 0, X1 = 0x800, X2 = 0xc00, BAD = 0x400 };
	static const struct {
		unsigned to;
		int ret;
	} steps[] = {
		{BAD, -1}, {X1, 0}, {X2, 0}, {X2, 0}, {X1, -1}, {BAD, -1}, {OFF, 0}, {X2, -1},
		{BAD, -1}, {X1, 0}, {OFF, 0}, {OFF, 0}, {X1, 0}, {X2, 0},
	};
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, 1);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint64_t before = lapic_rdmsr(&x, 0, 0x1b);
		uint64_t val = 0xfee00000 | steps[i].to;

		CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x1b, val), steps[i].ret);
		CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x1b), steps[i].ret ? before : val);
	}
	apic_box_close(&x);
}

static void page_is_gone(void)
{
	struct apic_box x;

	apic_box_open(&x, 2);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 1, 0x802), MSR_REFUSED);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 1, 0x808, 0), -1);
	lapic_enter_x2(&x, 1);
	CU_ASSERT_EQUAL(lapic_get(&x, 1, 0x20), 0xffffffff);
	lapic_put(&x, 1, 0x80, 0x30);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 1, 0x808), 0);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 1, 0x802), 1);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 1, 0x803), 0x50014);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 1, 0x80f), 0x1ff); /* kept from xAPIC mode */
	apic_box_close(&x);
}

static void msr_rules(void)
{
	/* -1: #GP. Reads and writes of everything with a rule of its own (SDM table 10-6). */
	static const struct {
		uint32_t msr;
		uint64_t val;
		int read, write;
	} rules[] = {
		{0x800, 0, -1, -1}, {0x802, 0, 0, -1}, {0x803, 0, 0, -1}, {0x808, 0xff, 0, 0},
		{0x808, 0x100, 0, -1}, {0x808, 1ull << 32, 0, -1}, {0x809, 0, -1, -1},
		{0x80a, 0, 0, -1}, {0x80b, 0, -1, 0}, {0x80b, 1, -1, -1}, {0x80c, 0, -1, -1},
		{0x80d, 0, 0, -1}, {0x80e, 0, -1, -1}, {0x80f, 0x1ff, 0, 0}, {0x80f, 0x200, 0, -1},
		{0x810, 0, 0, -1}, {0x827, 0, 0, -1}, {0x828, 0, 0, 0}, {0x828, 1, 0, -1},
		{0x82f, 0, -1, -1}, {0x830, 0x900000010, 0, 0}, {0x830, 0x100000, 0, -1},
		{0x831, 0, -1, -1}, {0x832, 0x700ff, 0, 0}, {0x832, 0x80000, 0, -1},
		{0x832, 0x11000, 0, 0}, {0x835, 0x1f7ff, 0, 0}, {0x837, 0x100, 0, -1},
		{0x838, 0xffffffff, 0, 0}, {0x838, 1ull << 32, 0, -1}, {0x839, 0, 0, -1},
		{0x83e, 0xb, 0, 0}, {0x83e, 4, 0, -1}, {0x83f, 0x100, -1, -1}, {0x83f, 0x40, -1, 0},
		{0x840, 0, -1, -1}, {0x8ff, 0, -1, -1}, {0x900, 0, -1, -1}, {0x7ff, 0, -1, -1},
	};
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, 1);
	lapic_enter_x2(&x, 0);
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int read = lapic_rdmsr(&x, 0, rules[i].msr) == MSR_REFUSED ? -1 : 0;
		int write = lapic_wrmsr(&x, 0, rules[i].msr, rules[i].val);

		if (read != rules[i].read || write != rules[i].write)
			printf("\n    MSR %x: read %d, write %d", rules[i].msr, read, write);
		CU_ASSERT_EQUAL(read, rules[i].read);
		CU_ASSERT_EQUAL(write, rules[i].write);
	}
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x830), 0x900000010);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x835), 0x1a7ff);
	apic_box_close(&x);
}

static void self_ipi(void)
{
	struct apic_box x;

	apic_box_open(&x, 1);
	lapic_enter_x2(&x, 0);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x83f, 0x77), 0);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0x77);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x813), 1u << 23);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x80b, 0), 0);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x813), 0);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x83f, 7), 0);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x828, 0), 0);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x828), 0x20);
	apic_box_close(&x);
}

static void logical_ids(void)
{
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, 20);
	for (i = 0; i < 20; i++)
		lapic_enter_x2(&x, i);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 3, 0x80d), 0x00008);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 18, 0x80d), 0x10004);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x830, 0x0001000500004855), 0);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 16), 0x55);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 17), -1);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 18), 0x55);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x830, 0x0000001300004066), 0);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 19), 0x66);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x830, 0x000000ff00004067), 0); /* no broadcast here */
	CU_ASSERT_EQUAL(apic_pending(x.apic, 5), -1);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x830, 0xffffffff00004068), 0);
	for (i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(apic_pending(x.apic, i), 0x68);
	apic_box_close(&x);
}

const struct tap_case x2_tests[] = {
	{"changes of mode", mode_transitions},
	{"the page is gone, the state is kept", page_is_gone},
	{"MSR access rules", msr_rules},
	{"self-IPI", self_ipi},
	{"logical ids and wide destinations", logical_ids},
	TAP_NO_CASE,
};
