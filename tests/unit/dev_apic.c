/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Local APIC registers, priorities and errors. Expected values are from the SDM, vol. 3, ch. 10.
 */
#include "tests/unit/dev_test.h"

static void state_after_reset(void)
{
	static const struct {
		uint32_t offset, val;
	} expect[] = {
		{0x020, 0x01000000}, {0x030, 0x00050014}, {0x080, 0}, {0x0a0, 0}, {0x0d0, 0},
		{0x0e0, 0xffffffff}, {0x0f0, 0xff}, {0x280, 0}, {0x300, 0}, {0x310, 0},
		{0x320, 0x10000}, {0x330, 0x10000}, {0x340, 0x10000}, {0x350, 0x10000},
		{0x360, 0x10000}, {0x370, 0x10000}, {0x380, 0}, {0x390, 0}, {0x3e0, 0},
	};
	struct apic_box x;
	unsigned i;

	CU_ASSERT_EQUAL_FATAL(apic_box_open(&x, 2), 0);
	lapic_put(&x, 1, 0x80, 0x50);
	lapic_put(&x, 1, 0x320, 0x20030);
	apic_raise(x.apic, 1, 0x80);
	apic_init_cpu(x.apic, 1);
	for (i = 0; i < sizeof(expect) / sizeof(expect[0]); i++)
		CU_ASSERT_EQUAL(lapic_get(&x, 1, expect[i].offset), expect[i].val);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 1), -1);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 0, 0x1b), 0xfee00900);
	CU_ASSERT_EQUAL(lapic_rdmsr(&x, 1, 0x1b), 0xfee00800);
	apic_box_close(&x);
}

static void page_access_widths(void)
{
	struct apic_box x;

	apic_box_open(&x, 4);
	CU_ASSERT_EQUAL(bus_read(x.bus, 3, GPA(0xfee00023), 1), 0x03);
	CU_ASSERT_EQUAL(bus_read(x.bus, 3, GPA(0xfee00024), 4), 0);
	bus_write(x.bus, 3, GPA(0xfee00080), 1, 0x40);
	bus_write(x.bus, 3, GPA(0xfee00084), 4, 0x40);
	CU_ASSERT_EQUAL(lapic_get(&x, 3, 0x80), 0);
	CU_ASSERT_EQUAL(bus_read(x.bus, 9, GPA(0xfee00020), 4), 0xffffffff);
	bus_write(x.bus, 9, GPA(0xfee00080), 4, 0x40);
	apic_box_close(&x);
}

static void raise_ack_eoi(void)
{
	struct apic_box x;

	apic_box_open(&x, 2);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), -1);
	apic_raise(x.apic, 0, 0x31);
	CU_ASSERT_EQUAL(x.t.kicks[0], 1);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x210), 1u << 17);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), 0x31);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 1), -1);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0x31);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x210), 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x110), 1u << 17);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0xa0), 0x30);
	apic_raise(x.apic, 0, 0x3f); /* the same class waits */
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	CU_ASSERT_EQUAL(x.t.kicks[0], 1);
	lapic_put(&x, 0, 0xb0, 0);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), 0x3f);
	CU_ASSERT_EQUAL(x.t.kicks[0], 2);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x110), 0);
	apic_box_close(&x);
}

static void higher_classes_nest(void)
{
	struct apic_box x;

	apic_box_open(&x, 1);
	apic_raise(x.apic, 0, 0x40);
	apic_raise(x.apic, 0, 0xfe);
	apic_raise(x.apic, 0, 0x90);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0xfe);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), -1);
	lapic_put(&x, 0, 0xb0, 0);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0x90);
	apic_raise(x.apic, 0, 0xa0);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0xa0);
	lapic_put(&x, 0, 0xb0, 0); /* ends 0xa0, the highest in service */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0xa0), 0x90);
	lapic_put(&x, 0, 0xb0, 0);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0x40);
	lapic_put(&x, 0, 0xb0, 0);
	lapic_put(&x, 0, 0xb0, 0); /* one too many: nothing */
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	apic_box_close(&x);
}

static void task_priority(void)
{
	struct apic_box x;

	apic_box_open(&x, 1);
	apic_raise(x.apic, 0, 0x52);
	apic_set_tpr(x.apic, 0, 0x50);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), -1);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0xa0), 0x50);
	lapic_put(&x, 0, 0x80, 0x4f);
	CU_ASSERT_EQUAL(apic_get_tpr(x.apic, 0), 0x4f);
	CU_ASSERT_EQUAL(apic_ack(x.apic, 0), 0x52);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0xa0), 0x50);
	lapic_put(&x, 0, 0x80, 0x1f5); /* higher than ISRV: PPR is all of TPR; bit 8 reserved */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0xa0), 0xf5);
	apic_box_close(&x);
}

static void same_vector_merges(void)
{
	struct apic_box x;

	apic_box_open(&x, 1);
	apic_raise(x.apic, 0, 0x60);
	apic_raise(x.apic, 0, 0x60);
	CU_ASSERT_EQUAL(x.t.kicks[0], 1);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x60);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), -1);
	apic_box_close(&x);
}

static void software_disable(void)
{
	struct apic_box x;

	apic_box_open(&x, 1);
	apic_raise(x.apic, 0, 0x44);
	lapic_put(&x, 0, 0x350, 0x00700);
	lapic_put(&x, 0, 0xf0, 0xff);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x350), 0x10700);
	lapic_put(&x, 0, 0x350, 0x00700); /* the mask can't be cleared */
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x350), 0x10700);
	apic_raise(x.apic, 0, 0x88); /* lost */
	CU_ASSERT_EQUAL(apic_pending(x.apic, 0), 0x44); /* held */
	lapic_put(&x, 0, 0xf0, 0x1ff);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0x44);
	CU_ASSERT_EQUAL(lapic_take(&x, 0), -1);
	apic_box_close(&x);
}

static void writable_bits(void)
{
	static const struct {
		uint32_t offset, val;
	} expect[] = {
		{0x20, 0}, {0x30, 0x50014}, {0xd0, 0xff000000}, {0xe0, 0xffffffff},
		{0x310, 0xff000000}, {0x320, 0x700ff}, {0x330, 0x107ff}, {0x340, 0x107ff},
		{0x350, 0x1a7ff}, {0x360, 0x1a7ff}, {0x370, 0x100ff}, {0x390, 0}, {0x3e0, 0xb},
	};
	struct apic_box x;
	unsigned i;

	apic_box_open(&x, 1);
	for (i = 0; i < sizeof(expect) / sizeof(expect[0]); i++) {
		lapic_put(&x, 0, expect[i].offset, 0xffffffff);
		CU_ASSERT_EQUAL(lapic_get(&x, 0, expect[i].offset), expect[i].val);
	}
	lapic_put(&x, 0, 0xe0, 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0xe0), 0x0fffffff);
	apic_box_close(&x);
}

static void errors(void)
{
	struct apic_box x;

	apic_box_open(&x, 1);
	lapic_put(&x, 0, 0x370, 0xe5);
	lapic_get(&x, 0, 0x40); /* no such register */
	CU_ASSERT_EQUAL(lapic_take(&x, 0), 0xe5);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x280), 0);
	lapic_put(&x, 0, 0x280, 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x280), 0x80);
	lapic_send(&x, 0, 0, 0x0000000f); /* illegal vector */
	lapic_put(&x, 0, 0x280, 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x280), 0x20);
	apic_raise(x.apic, 0, 3);
	lapic_put(&x, 0, 0x280, 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x280), 0x40);
	lapic_put(&x, 0, 0x280, 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x280), 0);
	lapic_put(&x, 0, 0x370, 0x05); /* the error entry's own vector is illegal: no recursion */
	lapic_get(&x, 0, 0x40);
	lapic_put(&x, 0, 0x280, 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 0, 0x280), 0xc0);
	apic_box_close(&x);
}

static void globally_disabled(void)
{
	struct apic_box x;

	apic_box_open(&x, 2);
	apic_raise(x.apic, 1, 0x70);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 1, 0x1b, 0xfee00000), 0);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 1), -1);
	CU_ASSERT_EQUAL(lapic_get(&x, 1, 0x30), 0xffffffff);
	apic_raise(x.apic, 1, 0x71);
	lapic_send(&x, 0, 1, 0x4500);
	CU_ASSERT_EQUAL(x.t.inits[1], 0);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 1, 0x1b, 0xfee00800), 0);
	CU_ASSERT_EQUAL(lapic_get(&x, 1, 0xf0), 0xff);
	CU_ASSERT_EQUAL(apic_pending(x.apic, 1), -1);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 1, 0x1b, 0xfed00800), -1);
	CU_ASSERT_EQUAL(lapic_wrmsr(&x, 1, 0x1b, 0xfee00801), -1);
	apic_box_close(&x);
}

const struct tap_case apic_tests[] = {
	{"state after INIT", state_after_reset},
	{"access widths", page_access_widths},
	{"raise, acknowledge, EOI", raise_ack_eoi},
	{"higher classes nest", higher_classes_nest},
	{"task and processor priority", task_priority},
	{"one vector twice is one interrupt", same_vector_merges},
	{"disabled by SVR", software_disable},
	{"writable bits", writable_bits},
	{"error status", errors},
	{"disabled by IA32_APIC_BASE", globally_disabled},
	TAP_NO_CASE,
};
