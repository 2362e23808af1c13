/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the device suites share: a host that records its upcalls, and one local APIC page per vCPU.
 */
#ifndef UMBRA_TESTS_DEV_TEST_H
#define UMBRA_TESTS_DEV_TEST_H

#include <stdatomic.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "vmm/dev/dev.h"

#define TEST_CPUS 4

struct test_host {
	struct dev_host host;
	uint64_t now;
	_Atomic unsigned kicks[32], inits[32], nmis[32], sipis[32];
	_Atomic unsigned sipi_vector;
	_Atomic uint64_t deadline[32];
	uint32_t exit_value;
	unsigned exits, outs;
	uint8_t out[2048];
	size_t out_len;
};

void test_host_init(struct test_host *t);

/* A machine of n vCPUs with enabled local APICs. */
struct apic_box {
	struct test_host t;
	struct bus *bus;
	struct apic *apic;
};

int apic_box_open(struct apic_box *x, unsigned cpus);
void apic_box_close(struct apic_box *x);
uint32_t lapic_get(struct apic_box *x, unsigned cpu, uint32_t offset);
void lapic_put(struct apic_box *x, unsigned cpu, uint32_t offset, uint32_t val);
/* ICR high, then low. */
void lapic_send(struct apic_box *x, unsigned cpu, uint8_t dest, uint32_t icr);
int lapic_wrmsr(struct apic_box *x, unsigned cpu, uint32_t msr, uint64_t val);
/* The MSR's value, or a mark that no register can have. */
#define MSR_REFUSED 0xdeaddeaddeaddeadull
uint64_t lapic_rdmsr(struct apic_box *x, unsigned cpu, uint32_t msr);
void lapic_enter_x2(struct apic_box *x, unsigned cpu);
/* Takes the pending vector and ends it. */
int lapic_take(struct apic_box *x, unsigned cpu);

extern const struct tap_case bus_tests[], uart_tests[], apic_tests[], ipi_tests[],
	timer_tests[], x2_tests[], thread_tests[], capture_tests[], swap_tests[];

#endif
