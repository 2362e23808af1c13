/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bus, isa-debug-exit and the legacy ports.
 */
#include "tests/unit/dev_test.h"

#include <errno.h>

struct probe {
	uint64_t offset, val;
	unsigned size, vcpu, calls, released;
};

static uint32_t probe_in(void *dev, uint16_t offset, unsigned size)
{
	struct probe *p = dev;

	p->calls++;
	p->offset = offset;
	p->size = size;
	return 0x11223344;
}

static void probe_out(void *dev, uint16_t offset, unsigned size, uint32_t val)
{
	struct probe *p = dev;

	p->calls++;
	p->offset = offset;
	p->size = size;
	p->val = val;
}

static uint64_t probe_read(void *dev, unsigned vcpu, uint64_t offset, unsigned size)
{
	struct probe *p = dev;

	p->vcpu = vcpu;
	p->offset = offset;
	p->size = size;
	return 0x1122334455667788;
}

static void probe_write(void *dev, unsigned vcpu, uint64_t offset, unsigned size, uint64_t val)
{
	struct probe *p = dev;

	p->vcpu = vcpu;
	p->offset = offset;
	p->size = size;
	p->val = val;
}

static void probe_release(void *dev)
{
	((struct probe *)dev)->released++;
}

static struct dev_range probe_range(struct probe *p)
{
	return (struct dev_range){.dev = p, .in = probe_in, .out = probe_out, .read = probe_read,
				  .write = probe_write, .release = probe_release, .name = "probe"};
}

static void ports_reach_their_device(void)
{
	struct probe p = {0};
	struct dev_range r = probe_range(&p);
	struct bus *b = bus_create();

	CU_ASSERT_EQUAL(bus_add_ports(b, 0x100, 8, &r), 0);
	CU_ASSERT_EQUAL(bus_in(b, 0x104, 4), 0x11223344);
	CU_ASSERT_EQUAL(p.offset, 4);
	CU_ASSERT_EQUAL(p.size, 4);
	CU_ASSERT_EQUAL(bus_in(b, 0x107, 1), 0x44);
	bus_out(b, 0x101, 2, 0xabcd1234);
	CU_ASSERT_EQUAL(p.offset, 1);
	CU_ASSERT_EQUAL(p.val, 0x1234);
	CU_ASSERT_EQUAL(bus_unclaimed(b), 0);
	bus_destroy(b);
	CU_ASSERT_EQUAL(p.released, 1);
}

static void ports_nobody_claims(void)
{
	struct bus *b = bus_create();

	CU_ASSERT_EQUAL(bus_in(b, 0x500, 1), 0xff);
	CU_ASSERT_EQUAL(bus_in(b, 0x500, 2), 0xffff);
	CU_ASSERT_EQUAL(bus_unclaimed(b), 3);
	CU_ASSERT_EQUAL(bus_in(b, 0xffff, 4), 0xffffffff);
	bus_out(b, 0x500, 1, 1);
	CU_ASSERT_EQUAL(bus_unclaimed(b), 8);
	bus_destroy(b);
}

static void ports_split_at_the_edge(void)
{
	struct probe p = {0};
	struct dev_range r = probe_range(&p);
	struct bus *b = bus_create();

	bus_add_ports(b, 0x100, 2, &r);
	CU_ASSERT_EQUAL(bus_in(b, 0x101, 2), 0xff44);
	CU_ASSERT_EQUAL(p.size, 1);
	bus_out(b, 0xff, 2, 0x5566);
	CU_ASSERT_EQUAL(p.offset, 0);
	CU_ASSERT_EQUAL(p.val, 0x55);
	bus_destroy(b);
}

static void ports_refuse_bad_ranges(void)
{
	struct probe p = {0};
	struct dev_range r = probe_range(&p);
	struct bus *b = bus_create();
	unsigned i;

	CU_ASSERT_EQUAL(bus_add_ports(b, 0x100, 8, &r), 0);
	CU_ASSERT_EQUAL(bus_add_ports(b, 0x107, 1, &r), -EEXIST);
	CU_ASSERT_EQUAL(bus_add_ports(b, 0xf9, 8, &r), -EEXIST);
	CU_ASSERT_EQUAL(bus_add_ports(b, 0x200, 0, &r), -EINVAL);
	CU_ASSERT_EQUAL(bus_add_ports(b, 0xffff, 2, &r), -EINVAL);
	CU_ASSERT_EQUAL(bus_add_ports(b, 0xffff, 1, &r), 0);
	for (i = 2; i < 255; i++)
		CU_ASSERT_EQUAL(bus_add_ports(b, (uint16_t)(0x1000 + i), 1, &r), 0);
	CU_ASSERT_EQUAL(bus_add_ports(b, 0x2000, 1, &r), -ENOMEM);
	bus_destroy(b);
	CU_ASSERT_EQUAL(p.released, 255);
}

static void mmio_finds_by_address(void)
{
	struct probe p[3] = {0};
	static const uint64_t at[3] = {0xfee00000, 0xfec00000, 0x100000000};
	struct bus *b = bus_create();
	unsigned i;

	for (i = 0; i < 3; i++) {
		struct dev_range r = probe_range(&p[i]);

		CU_ASSERT_EQUAL(bus_add_mmio(b, GPA(at[i]), 0x1000, &r), 0);
	}
	CU_ASSERT_EQUAL(bus_read(b, 7, GPA(0xfee00ff8), 8), 0x1122334455667788);
	CU_ASSERT_EQUAL(p[0].offset, 0xff8);
	CU_ASSERT_EQUAL(p[0].vcpu, 7);
	CU_ASSERT_EQUAL(bus_read(b, 1, GPA(0xfec00010), 2), 0x7788);
	CU_ASSERT_EQUAL(p[1].offset, 0x10);
	bus_write(b, 2, GPA(0x100000004), 1, 0x1ff);
	CU_ASSERT_EQUAL(p[2].val, 0xff);
	CU_ASSERT_EQUAL(bus_unclaimed(b), 0);
	bus_destroy(b);
}

static void mmio_edges_are_nobodys(void)
{
	struct probe p = {0};
	struct dev_range r = probe_range(&p);
	struct bus *b = bus_create();

	bus_add_mmio(b, GPA(0x1000), 0x1000, &r);
	CU_ASSERT_EQUAL(bus_read(b, 0, GPA(0xfff), 1), 0xff);
	CU_ASSERT_EQUAL(bus_read(b, 0, GPA(0x2000), 4), 0xffffffff);
	CU_ASSERT_EQUAL(bus_read(b, 0, GPA(0x1ffd), 4), 0xffffffff);
	CU_ASSERT_EQUAL(bus_read(b, 0, GPA(0x1ffc), 4), 0x55667788);
	bus_write(b, 0, GPA(0x1fff), 8, 0);
	CU_ASSERT_EQUAL(bus_read(b, 0, GPA(UINT64_MAX), 8), UINT64_MAX);
	CU_ASSERT_EQUAL(bus_unclaimed(b), 5);
	CU_ASSERT_EQUAL(bus_add_mmio(b, GPA(0x1fff), 1, &r), -EEXIST);
	CU_ASSERT_EQUAL(bus_add_mmio(b, GPA(0xfff), 2, &r), -EEXIST);
	CU_ASSERT_EQUAL(bus_add_mmio(b, GPA(0), 0, &r), -EINVAL);
	CU_ASSERT_EQUAL(bus_add_mmio(b, GPA(UINT64_MAX), 2, &r), -EINVAL);
	bus_destroy(b);
}

static void debug_exit_reports_the_value(void)
{
	struct test_host t;
	struct bus *b = bus_create();

	test_host_init(&t);
	CU_ASSERT_EQUAL(debug_exit_attach(b, 0xf4, &t.host), 0);
	CU_ASSERT_EQUAL(bus_in(b, 0xf4, 1), 0);
	CU_ASSERT_EQUAL(t.exits, 0);
	bus_out(b, 0xf4, 4, 0x12345678);
	CU_ASSERT_EQUAL(t.exit_value, 0x12345678);
	bus_out(b, 0xf7, 1, 0x31);
	CU_ASSERT_EQUAL(t.exit_value, 0x31);
	CU_ASSERT_EQUAL(t.exits, 2);
	bus_out(b, 0xf8, 1, 1);
	CU_ASSERT_EQUAL(t.exits, 2);
	bus_destroy(b);
}

static void legacy_ports_answer(void)
{
	struct bus *b = bus_create();
	uint32_t first;

	CU_ASSERT_EQUAL(legacy_attach(b), 0);
	bus_out(b, 0x21, 1, 0xfb);
	bus_out(b, 0xa1, 1, 0xff);
	CU_ASSERT_EQUAL(bus_in(b, 0x21, 1), 0xfb);
	CU_ASSERT_EQUAL(bus_in(b, 0xa1, 1), 0xff);
	bus_out(b, 0x70, 1, 0x8d);
	CU_ASSERT_EQUAL(bus_in(b, 0x71, 1), 0x80);
	bus_out(b, 0x70, 2, 0x0a0f);
	CU_ASSERT_EQUAL(bus_in(b, 0x71, 1), 0);
	first = bus_in(b, 0x61, 1);
	CU_ASSERT_EQUAL(first ^ bus_in(b, 0x61, 1), 0x10);
	CU_ASSERT_EQUAL(first & 0x20, 0x20);
	CU_ASSERT_EQUAL(bus_in(b, 0x64, 1), 0);
	bus_out(b, 0x3d4, 1, 14);
	bus_out(b, 0x3d5, 1, 0x07);
	bus_out(b, 0x3d4, 2, 0xd00f);
	CU_ASSERT_EQUAL(bus_in(b, 0x3d5, 1), 0xd0);
	bus_out(b, 0x3d4, 1, 14);
	CU_ASSERT_EQUAL(bus_in(b, 0x3d5, 1), 0x07);
	CU_ASSERT_EQUAL(legacy_attach(b), -EEXIST);
	bus_destroy(b);
}

const struct tap_case bus_tests[] = {
	{"a port reaches its device", ports_reach_their_device},
	{"ports nobody claims", ports_nobody_claims},
	{"an access over a range's edge is split", ports_split_at_the_edge},
	{"bad port ranges are refused", ports_refuse_bad_ranges},
	{"memory ranges are found", mmio_finds_by_address},
	{"memory ranges' edges", mmio_edges_are_nobodys},
	{"isa-debug-exit", debug_exit_reports_the_value},
	{"legacy ports", legacy_ports_answer},
	TAP_NO_CASE,
};
