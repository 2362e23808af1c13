/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The local APIC's timer: one count is a nanosecond times the divisor.
 */
#include "tests/unit/dev_test.h"

#define NEVER UINT64_MAX

static void at(struct apic_box *x, uint64_t now)
{
	x->t.now = now;
	apic_tick(x->apic, 0);
}

static void open_timer(struct apic_box *x, uint32_t lvt, uint32_t divide)
{
	apic_box_open(x, 1);
	lapic_put(x, 0, 0x3e0, divide);
	lapic_put(x, 0, 0x320, lvt);
	x->t.now = 1000;
}

static void one_shot(void)
{
	struct apic_box x;

	open_timer(&x, 0x40, 0xb); /* divide by 1 */
	lapic_put(&x, 0, 0x380, 500);
	CU_ASSERT_EQUAL(x.t.deadline[0], 1500);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 500);
	at(&x, 1499);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 1);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	at(&x, 1500);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x40);
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x380), 500);
	at(&x, 9000);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), -1);
	apic_box_close(&x);
}

static void periodic(void)
{
	struct apic_box x;

	open_timer(&x, 0x20041, 0x0); /* divide by 2 */
	lapic_put(&x, 0, 0x380, 100);
	CU_ASSERT_EQUAL(x.t.deadline[0], 1200);
	at(&x, 1210);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x41);
	CU_ASSERT_EQUAL(x.t.deadline[0], 1400);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 95);
	at(&x, 2050); /* four were missed: one interrupt, and the phase stays */
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x41);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), -1);
	CU_ASSERT_EQUAL(x.t.deadline[0], 2200);
	lapic_put(&x, 0, 0x380, 0); /* stops */
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	at(&x, 99999);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), -1);
	apic_box_close(&x);
}

static void divisors(void)
{
	static const struct {
		uint32_t code, by;
	} expect[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};
	struct apic_box x;
	unsigned i;

	open_timer(&x, 0x40, 0);
	for (i = 0; i < 8; i++) {
		lapic_put(&x, 0, 0x3e0, expect[i].code);
		lapic_put(&x, 0, 0x380, 0xffffffff);
		CU_ASSERT_EQUAL(x.t.deadline[0], 1000 + 0xffffffffull * expect[i].by);
	}
	apic_box_close(&x);
}

static void divisor_changes_on_the_way(void)
{
	struct apic_box x;

	open_timer(&x, 0x40, 0xb);
	lapic_put(&x, 0, 0x380, 1000);
	x.t.now = 1400;
	lapic_put(&x, 0, 0x3e0, 0); /* 600 counts are left, now 2 ns each */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 600);
	CU_ASSERT_EQUAL(x.t.deadline[0], 2600);
	apic_box_close(&x);
}

static void masked_counts_in_silence(void)
{
	struct apic_box x;

	open_timer(&x, 0x10040, 0xb);
	lapic_put(&x, 0, 0x380, 10);
	at(&x, 1005);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 5);
	at(&x, 1010);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 0);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), -1);
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	apic_box_close(&x);
}

static void count_read_fires_what_is_due(void)
{
	struct apic_box x;

	open_timer(&x, 0x40, 0xb);
	lapic_put(&x, 0, 0x380, 10);
	x.t.now = 2000; /* nobody ticked */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 0);
	CU_ASSERT_EQUAL(x.t.kicks[0], 1);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x40);
	apic_box_close(&x);
}

static void tsc_deadline(void)
{
	struct apic_box x;

	open_timer(&x, 0x40042, 0xb); /* the fixture's TSC: 1000 now, 2 GHz */
	lapic_put(&x, 0, 0x380, 77);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x380), 0);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x6e0, 5000), 0);
	CU_ASSERT_EQUAL(x.t.deadline[0], 3000); /* 4000 cycles are 2000 ns */
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x6e0), 5000);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x390), 0);
	at(&x, 3000);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x42);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x6e0), 0);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x6e0, 1001), 0); /* rounded up */
	CU_ASSERT_EQUAL(x.t.deadline[0], 3001);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x6e0, 0), 0);
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x6e0, 900), 0); /* in the past */
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x42);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x6e0, UINT64_MAX), 0);
	CU_ASSERT(x.t.deadline[0] < NEVER);
	apic_box_close(&x);
}

static void mode_changes_disarm(void)
{
	struct apic_box x;

	open_timer(&x, 0x40, 0xb);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 0, 0x6e0, 5000), 0); /* ignored in this mode */
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x6e0), 0);
	lapic_put(&x, 0, 0x380, 500);
	lapic_put(&x, 0, 0x320, 0x20040); /* to periodic: goes on */
	CU_ASSERT_EQUAL(x.t.deadline[0], 1500);
	lapic_put(&x, 0, 0x320, 0x40040);
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	lapic_wrmsr(&x, 0, 0x6e0, 5000);
	lapic_put(&x, 0, 0x320, 0x40);
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	lapic_put(&x, 0, 0x380, 500);
	apic_init_cpu(x.apic, 0);
	CU_ASSERT_EQUAL(x.t.deadline[0], NEVER);
	apic_box_close(&x);
}

const struct tap_case timer_tests[] = {
	{"one-shot", one_shot},
	{"periodic keeps its phase", periodic},
	{"divisors", divisors},
	{"divisor changed while running", divisor_changes_on_the_way},
	{"masked", masked_counts_in_silence},
	{"reading the count fires what is due", count_read_fires_what_is_due},
	{"TSC deadline", tsc_deadline},
	{"mode changes disarm", mode_changes_disarm},
	TAP_NO_CASE,
};
