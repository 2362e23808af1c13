/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The device suites' fixture and their list.
 */
#include "tests/unit/dev_test.h"

static uint64_t host_now(void *ctx)
{
	return ((struct test_host *)ctx)->now;
}

static void host_kick(void *ctx, unsigned vcpu)
{
	((struct test_host *)ctx)->kicks[vcpu]++;
}

static void host_deadline(void *ctx, unsigned vcpu, uint64_t at)
{
	((struct test_host *)ctx)->deadline[vcpu] = at;
}

static void host_init(void *ctx, unsigned vcpu)
{
	((struct test_host *)ctx)->inits[vcpu]++;
}

static void host_sipi(void *ctx, unsigned vcpu, uint8_t vector)
{
	struct test_host *t = ctx;

	t->sipis[vcpu]++;
	t->sipi_vector = vector;
}

static void host_nmi(void *ctx, unsigned vcpu)
{
	((struct test_host *)ctx)->nmis[vcpu]++;
}

static void host_debug_exit(void *ctx, uint32_t value)
{
	struct test_host *t = ctx;

	t->exits++;
	t->exit_value = value;
}

static void host_serial_out(void *ctx, const uint8_t *buf, size_t n)
{
	struct test_host *t = ctx;

	t->outs++;
	CU_ASSERT_FATAL(t->out_len + n < sizeof(t->out));
	memcpy(t->out + t->out_len, buf, n);
	t->out_len += n;
	t->out[t->out_len] = 0;
}

void test_host_init(struct test_host *t)
{
	memset(t, 0, sizeof(*t));
	t->host = (struct dev_host){
		.ctx = t,
		.now = host_now,
		.kick = host_kick,
		.deadline = host_deadline,
		.init = host_init,
		.sipi = host_sipi,
		.nmi = host_nmi,
		.debug_exit = host_debug_exit,
		.serial_out = host_serial_out,
	};
}

int apic_box_open(struct apic_box *x, unsigned cpus)
{
	unsigned i;

	test_host_init(&x->t);
	x->bus = bus_create();
	x->apic = apic_create(&x->t.host, cpus);
	if (!x->bus || !x->apic || apic_attach(x->apic, x->bus))
		return -1;
	for (i = 0; i < cpus; i++)
		lapic_put(x, i, 0xf0, 0x1ff);
	return 0;
}

void apic_box_close(struct apic_box *x)
{
	apic_destroy(x->apic);
	bus_destroy(x->bus);
}

uint32_t lapic_get(struct apic_box *x, unsigned cpu, uint32_t offset)
{
	return (uint32_t)bus_read(x->bus, cpu, GPA(0xfee00000 + offset), 4);
}

void lapic_put(struct apic_box *x, unsigned cpu, uint32_t offset, uint32_t val)
{
	bus_write(x->bus, cpu, GPA(0xfee00000 + offset), 4, val);
}

void lapic_send(struct apic_box *x, unsigned cpu, uint8_t dest, uint32_t icr)
{
	lapic_put(x, cpu, 0x310, (uint32_t)dest << 24);
	lapic_put(x, cpu, 0x300, icr);
}

int lapic_wrmsr(struct apic_box *x, unsigned cpu, uint32_t msr, uint64_t val)
{
	return apic_wrmsr(x->apic, cpu, msr, val, 1000, 2000000);
}

uint64_t lapic_rdmsr(struct apic_box *x, unsigned cpu, uint32_t msr)
{
	uint64_t val = 0;

	return apic_rdmsr(x->apic, cpu, msr, &val) ? MSR_REFUSED : val;
}

void lapic_enter_x2(struct apic_box *x, unsigned cpu)
{
	CU_ASSERT_EQUAL(lapic_wrmsr(x, cpu, 0x1b, 0xfee00c00), 0);
}

int lapic_take(struct apic_box *x, unsigned cpu)
{
	int vector = apic_ack(x->apic, cpu);

	if (vector >= 0)
		lapic_put(x, cpu, 0xb0, 0);
	return vector;
}

static const struct tap_suite suites[] = {
	{.name = "bus and ports", .cases = bus_tests},
	{.name = "uart", .cases = uart_tests},
	{.name = "apic", .cases = apic_tests},
	{.name = "apic ipi", .cases = ipi_tests},
	{.name = "apic timer", .cases = timer_tests},
	{.name = "x2apic", .cases = x2_tests},
	{.name = "apic threads", .cases = thread_tests},
	{.name = "capture", .cases = capture_tests},
	{.name = "swap device", .cases = swap_tests},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
