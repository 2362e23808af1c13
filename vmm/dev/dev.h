/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Devices: what answers at ports and at guest physical addresses without RAM.
 *
 * A device registers ranges on the bus while the machine is built; the bus is fixed once vCPUs
 * run, so look-ups take no lock. Each device has its own lock; a device may call the upcalls of
 * struct dev_host while holding it (they take no device lock and never call back).
 *
 * Read first: shadow/addr.h.
 */
#ifndef UMBRA_DEV_H
#define UMBRA_DEV_H

#include "shadow/addr.h"

/* What devices need from the machine around them. */
struct dev_host {
	void *ctx;
	/* Monotonic nanoseconds since the machine started; stands still while it is paused. */
	uint64_t (*now)(void *ctx);
	/* vCPU index should look for pending interrupts (its local APIC changed). */
	void (*kick)(void *ctx, unsigned vcpu);
	/* vCPU index must be woken or timed out no later than at (ns); UINT64_MAX for never. */
	void (*deadline)(void *ctx, unsigned vcpu, uint64_t at);
	/* INIT and SIPI for vCPU index. */
	void (*init)(void *ctx, unsigned vcpu);
	void (*sipi)(void *ctx, unsigned vcpu, uint8_t vector);
	void (*nmi)(void *ctx, unsigned vcpu);
	/* The guest asked to end: value written to isa-debug-exit. */
	void (*debug_exit)(void *ctx, uint32_t value);
	/* Bytes for the serial line's backend; must not block for long. */
	void (*serial_out)(void *ctx, const uint8_t *buf, size_t n);
	/* Guest RAM as a device reaches it, page tables included; any thread between thread_begin()
	 * and thread_end(), or a vCPU's. They may wait: no lock of the device's is held. 0, -EFAULT if
	 * a byte is outside RAM (a part may have been written), -ENOMEM. */
	int (*dma_read)(void *ctx, gpa_t gpa, void *buf, size_t n);
	int (*dma_write)(void *ctx, gpa_t gpa, const void *buf, size_t n);
	/* A message as PCI's: to 0xfeeXX000, one vCPU's local APIC, fixed and edge-triggered. Any
	 * other is lost. It takes the APIC's lock: no lock of the device's is held. */
	void (*msi)(void *ctx, uint64_t address, uint32_t data);
	/* Devices may have threads (worker.h). Each is between these two while it runs. */
	bool threads;
	void (*thread_begin)(void *ctx);
	void (*thread_end)(void *ctx);
};

struct dev_range {
	void *dev;
	uint32_t (*in)(void *dev, uint16_t offset, unsigned size);
	void (*out)(void *dev, uint16_t offset, unsigned size, uint32_t val);
	/* Memory-mapped: size 1, 2, 4, 8; vcpu is who asks (a local APIC is per vCPU). */
	uint64_t (*read)(void *dev, unsigned vcpu, uint64_t offset, unsigned size);
	void (*write)(void *dev, unsigned vcpu, uint64_t offset, unsigned size, uint64_t val);
	const char *name;
	/* NULL, or how bus_destroy() frees dev: for devices that have no destroy call of their own.
	 * Set it on one range of a device only. */
	void (*release)(void *dev);
};

struct bus;

struct bus *bus_create(void);
void bus_destroy(struct bus *b);
/* 0, -EEXIST on overlap, -EINVAL for an empty range or one that wraps, -ENOMEM when full. The
 * range is copied; its unused callbacks may be NULL. */
int bus_add_ports(struct bus *b, uint16_t first, uint16_t count, const struct dev_range *r);
int bus_add_mmio(struct bus *b, gpa_t first, uint64_t len, const struct dev_range *r);

/* Accesses. Nobody there: reads give all ones, writes are dropped (and counted). A port access
 * that one range does not hold whole is split into bytes, as an ISA bus does; an access to memory
 * that sticks out of its range is nobody's. */
uint32_t bus_in(struct bus *b, uint16_t port, unsigned size);
void bus_out(struct bus *b, uint16_t port, unsigned size, uint32_t val);
uint64_t bus_read(struct bus *b, unsigned vcpu, gpa_t gpa, unsigned size);
void bus_write(struct bus *b, unsigned vcpu, gpa_t gpa, unsigned size, uint64_t val);
uint64_t bus_unclaimed(const struct bus *b);

/* 16550A at port 0x3f8 (COM1), IRQ line not wired yet beyond its interrupt registers. */
struct uart;
struct uart *uart_create(const struct dev_host *h);
void uart_destroy(struct uart *u);
int uart_attach(struct uart *u, struct bus *b, uint16_t port);
void uart_reset(struct uart *u); /* as after power-on; what it was told to send is sent */
/* Bytes from the outside; returns how many fitted into the FIFO. */
size_t uart_input(struct uart *u, const uint8_t *buf, size_t n);
/* Gives everything buffered to serial_out. */
void uart_flush(struct uart *u);

/* isa-debug-exit, QEMU's: any write to ports [port, port+4) ends the machine. */
int debug_exit_attach(struct bus *b, uint16_t port, const struct dev_host *h);

/* Ports that PC kernels poke and that need no device: PIC masks (0x20, 0x21, 0xa0, 0xa1 read back
 * what was written), 0x80 delay, 0x61, 0x70/0x71 CMOS (reads of an empty RTC), PIT 0x40-0x43,
 * keyboard 0x60 and 0x64 (never a key), CRTC 0x3d4/0x3d5 (reads back). */
int legacy_attach(struct bus *b);

/* Local APICs of all vCPUs: xAPIC at 0xfee00000 and x2APIC through MSRs. The page can't be moved:
 * an IA32_APIC_BASE with another address is #GP. kick() is called when the vector that
 * apic_pending() gives has changed to another one; init(), sipi() and nmi() come alone and wake
 * the vCPU themselves. deadline() may be called with the APIC's lock held. */
struct apic;
struct apic *apic_create(const struct dev_host *h, unsigned cpus);
void apic_destroy(struct apic *a);
int apic_attach(struct apic *a, struct bus *b);
/* Highest pending vector above the processor priority, or -1. One atomic load: any thread. */
int apic_pending(struct apic *a, unsigned vcpu);
/* Takes the vector that apic_pending() would give: IRR to ISR. -1 if there is none now. */
int apic_ack(struct apic *a, unsigned vcpu);
/* Timer: fires what is due at now; called by the vCPU's thread at its deadline or any time. */
void apic_tick(struct apic *a, unsigned vcpu);
void apic_reset(struct apic *a); /* all of them, as after power-on; the vCPUs are at rest */
void apic_init_cpu(struct apic *a, unsigned vcpu);   /* after INIT */
uint8_t apic_get_tpr(struct apic *a, unsigned vcpu); /* CR8 = TPR >> 4 */
void apic_set_tpr(struct apic *a, unsigned vcpu, uint8_t tpr);
/* IA32_APIC_BASE, x2APIC registers (0x800..0x8ff), TSC deadline. 0, or -1 for #GP. tsc_now is the
 * guest's TSC, tsc_khz its rate. */
int apic_rdmsr(struct apic *a, unsigned vcpu, uint32_t msr, uint64_t *val);
int apic_wrmsr(struct apic *a, unsigned vcpu, uint32_t msr, uint64_t val, uint64_t tsc_now,
	       uint64_t tsc_khz);
/* An external line (IOAPIC or a device) raises a fixed interrupt. */
void apic_raise(struct apic *a, unsigned vcpu, uint8_t vector);
/* Pause and go on: timers keep what was left of them because now() stands still. */

/* Our own devices: docs/devices.md. They work in threads of their own; hold stops that (and waits for
 * the 4 KiB in hand), not hold lets it go on. reset: as after power-up. */
#define CAPTURE_GPA 0xfec80000u
#define SWAPDEV_GPA 0xfec81000u

/* Fills frames that need not be in a row, and interrupts. */
struct capture;
struct capture *capture_create(const struct dev_host *h);
void capture_destroy(struct capture *c);
int capture_attach(struct capture *c, struct bus *b, gpa_t at);
void capture_reset(struct capture *c);
void capture_hold(struct capture *c, bool hold);

/* size bytes in blocks of 4 KiB, a multiple of that and not 0. */
struct swapdev;
struct swapdev *swapdev_create(const struct dev_host *h, uint64_t size);
void swapdev_destroy(struct swapdev *s);
int swapdev_attach(struct swapdev *s, struct bus *b, gpa_t at);
void swapdev_reset(struct swapdev *s);
void swapdev_hold(struct swapdev *s, bool hold);

#endif
