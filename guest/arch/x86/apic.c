/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC in xAPIC mode, at APIC_VA. Owns its registers; each CPU uses its own. The
 * 8259s are masked for good. Nothing waits for delivery except the INIT and SIPI of smp.c:
 * fixed interrupts need no wait on any APIC that long mode can meet.
 */
#include "kernel/kernel.h"
#include "x86.h"

#define REG_ID	     0x020
#define REG_TPR	     0x080
#define REG_EOI	     0x0b0
#define REG_SPIV     0x0f0
#define REG_ESR	     0x280
#define REG_ICR_LOW  0x300
#define REG_ICR_HIGH 0x310
#define REG_TIMER    0x320
#define REG_LINT0    0x350
#define REG_LINT1    0x360
#define REG_COUNT    0x380
#define REG_DIVIDE   0x3e0

#define SPIV_ENABLE    0x100
#define LVT_MASKED     0x10000
#define TIMER_PERIODIC 0x20000
#define DIVIDE_BY_16   0x3
#define ICR_INIT       0x4500
#define ICR_STARTUP    0x4600
#define ICR_FIXED      0x4000
#define ICR_PENDING    0x1000
#define ICR_SELF       0x40000
#define ICR_OTHERS     0xc0000

/* 10 ms at a 1 GHz bus; the length of a tick matters to nobody. */
#define TICK_COUNT 625000

static u32 apic_read(u32 reg)
{
	return *(volatile u32 *)(APIC_VA + reg);
}

static void apic_write(u32 reg, u32 v)
{
	*(volatile u32 *)(APIC_VA + reg) = v;
}

void apic_init(void)
{
	if (this_cpu()->index == 0) {
		outb(0x21, 0xff);
		outb(0xa1, 0xff);
	}
	apic_write(REG_SPIV, SPIV_ENABLE | VEC_SPURIOUS);
	apic_write(REG_LINT0, LVT_MASKED);
	apic_write(REG_LINT1, LVT_MASKED);
	apic_write(REG_TIMER, LVT_MASKED);
	apic_write(REG_TPR, 0);
	apic_write(REG_ESR, 0);
}

u32 apic_id(void)
{
	return apic_read(REG_ID) >> 24;
}

u32 apic_errors(void)
{
	apic_write(REG_ESR, 0);
	return apic_read(REG_ESR);
}

void apic_eoi(void)
{
	apic_write(REG_EOI, 0);
}

void apic_timer_start(void)
{
	apic_write(REG_DIVIDE, DIVIDE_BY_16);
	apic_write(REG_TIMER, TIMER_PERIODIC | VEC_TIMER);
	apic_write(REG_COUNT, TICK_COUNT);
}

/* The two halves of the ICR are one message: no interrupt of ours may come between them. */
void apic_send(u32 cpu, u32 vector)
{
	push_off();
	apic_write(REG_ICR_HIGH, cpu << 24);
	apic_write(REG_ICR_LOW, ICR_FIXED | vector);
	pop_off();
}

void apic_send_others(u32 vector)
{
	apic_write(REG_ICR_LOW, ICR_OTHERS | ICR_FIXED | vector);
}

void apic_send_self(u32 vector)
{
	apic_write(REG_ICR_LOW, ICR_SELF | ICR_FIXED | vector);
}

static void send_and_wait(u32 cpu, u32 low)
{
	apic_write(REG_ICR_HIGH, cpu << 24);
	apic_write(REG_ICR_LOW, low);
	while (apic_read(REG_ICR_LOW) & ICR_PENDING)
		pause();
}

/* The universal start-up algorithm with delays in TSC cycles: about 200 us at 2 GHz. */
void apic_start_ap(u32 cpu, ulong entry)
{
	send_and_wait(cpu, ICR_INIT);
	delay_cycles(400000);
	for (int i = 0; i < 2; i++) {
		send_and_wait(cpu, ICR_STARTUP | (u32)(entry >> PAGE_SHIFT));
		delay_cycles(400000);
	}
}
