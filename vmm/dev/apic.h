/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the local APIC: what its files share. SDM below is Intel's, vol. 3, chapter 10.
 *
 *   apic.c        life, the memory page, acceptance and priority of interrupts
 *   apic_regs.c   the register table
 *   apic_timer.c  the timer in its three modes
 *   apic_ipi.c    the interrupt command register: who is meant
 *   apic_msr.c    IA32_APIC_BASE and the x2APIC view of the registers
 *
 * Invariants: pending is what the registers give (highest IRR vector above PPR, or -1) whenever
 * the lock is free; due is UINT64_MAX exactly when the timer is stopped.
 *
 * Locks: one mutex per vCPU's APIC. Nobody holds two: a sender lets go of its own before it
 * looks at a receiver, so IPIs in a circle can't deadlock. Host upcalls may happen inside.
 *
 * Read first: dev.h.
 */
#ifndef UMBRA_VMM_DEV_APIC_H
#define UMBRA_VMM_DEV_APIC_H

#include "vmm/dev/dev.h"

#include <pthread.h>
#include <stdatomic.h>

#define APIC_PAGE    0xfee00000ull
#define APIC_VERSION (0x14u | 5u << 16) /* integrated; the highest LVT entry is number 5 */

/* IA32_APIC_BASE (SDM 10.4.4, 10.12.1). */
#define APIC_BASE_BSP  (1ull << 8)
#define APIC_BASE_EXTD (1ull << 10)
#define APIC_BASE_EN   (1ull << 11)

/* Register numbers: the page's offset divided by 16, which is also the x2APIC MSR less 0x800. */
/* clang-format off */
enum apic_reg_nr {
	REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a,
	REG_EOI = 0x0b, REG_RRD = 0x0c, REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f,
	REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR = 0x30,
	REG_ICR_HIGH = 0x31, REG_LVT_TIMER = 0x32, REG_LVT_THERMAL = 0x33, REG_LVT_PERF = 0x34,
	REG_LVT_LINT0 = 0x35, REG_LVT_LINT1 = 0x36, REG_LVT_ERROR = 0x37, REG_INITIAL = 0x38,
	REG_CURRENT = 0x39, REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f, REG_COUNT = 0x40
};
/* clang-format on */

#define LVT_ENTRIES 6 /* REG_LVT_TIMER and the five after it */

#define SVR_ENABLE (1u << 8)
#define LVT_MASKED (1u << 16)

/* Delivery modes, in LVT and ICR bits 8-10. */
/* clang-format off */
enum apic_mode { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_RESERVED, MODE_NMI, MODE_INIT, MODE_SIPI,
		 MODE_EXTINT };
/* clang-format on */
#define DELIVERY(x) ((enum apic_mode)(((x) >> 8) & 7))

#define ESR_SEND_VECTOR	   (1u << 5)
#define ESR_RECEIVE_VECTOR (1u << 6)
#define ESR_REGISTER	   (1u << 7)

/* Timer modes, LVT timer bits 17-18. */
enum apic_timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

struct lapic_timer {
	uint32_t initial, divide;
	uint64_t period;       /* ns from the initial count to zero */
	uint64_t tsc_deadline; /* the MSR; 0 while disarmed */
	uint64_t due;	       /* ns; UINT64_MAX: stopped */
};

struct lapic {
	pthread_mutex_t lock;
	_Atomic int pending;	   /* what apic_pending() gives; stored under the lock */
	_Atomic uint64_t due_hint; /* timer.due, for a look without the lock */
	unsigned index;
	uint64_t base_msr;
	uint32_t tpr, ldr, dfr, svr;
	uint32_t esr, errors; /* what reads give; what the next write of ESR puts there */
	uint32_t icr, icr_high;
	uint32_t lvt[LVT_ENTRIES];
	uint32_t isr[8], tmr[8], irr[8];
	struct lapic_timer timer;
};

struct apic {
	const struct dev_host *host;
	unsigned cpus;
	struct lapic cpu[];
};

/* apic.c. Called with l's lock held, except for the pair itself. */
void lapic_lock(struct lapic *l);
/* Brings pending up to date and kicks the vCPU if it changed to another vector. */
void lapic_unlock(struct apic *a, struct lapic *l);
void lapic_reset(struct apic *a, struct lapic *l);
/* A fixed interrupt arrives (SDM 10.8.4). */
void lapic_accept(struct apic *a, struct lapic *l, uint8_t vector);
void lapic_error(struct apic *a, struct lapic *l, uint32_t bit);
/* A local source raises LVT entry (a register number). */
void lapic_local(struct apic *a, struct lapic *l, enum apic_reg_nr entry);
uint8_t lapic_ppr(const struct lapic *l);
void lapic_eoi(struct lapic *l);

static inline bool lapic_enabled(const struct lapic *l)
{
	return l->base_msr & APIC_BASE_EN;
}
static inline bool lapic_x2(const struct lapic *l)
{
	return l->base_msr & APIC_BASE_EXTD;
}

/* apic_regs.c: the memory page's registers, by number; l's lock held. Returns true if the write
 * is an IPI that the caller must send by apic_send() once it holds no lock. */
uint32_t lapic_read(struct apic *a, struct lapic *l, unsigned nr);
bool lapic_write(struct apic *a, struct lapic *l, unsigned nr, uint32_t val);
/* The same as MSRs: -1 for #GP (SDM 10.12.1.2, 10.12.1.3). */
int lapic_read_x2(struct apic *a, struct lapic *l, unsigned nr, uint64_t *val);
int lapic_write_x2(struct apic *a, struct lapic *l, unsigned nr, uint64_t val, bool *send);

/* apic_timer.c; l's lock held. */
void timer_reset(struct apic *a, struct lapic *l);
void timer_fire(struct apic *a, struct lapic *l); /* what is due */
uint32_t timer_current(struct apic *a, struct lapic *l);
void timer_set_initial(struct apic *a, struct lapic *l, uint32_t val);
void timer_set_divide(struct apic *a, struct lapic *l, uint32_t val);
void timer_set_lvt(struct apic *a, struct lapic *l, uint32_t val);
void timer_set_tsc_deadline(struct apic *a, struct lapic *l, uint64_t val, uint64_t tsc_now,
			    uint64_t tsc_khz);

/* apic_ipi.c: sends what ICR holds, as read under the sender's lock; no lock held. */
struct apic_ipi {
	unsigned sender;
	uint32_t icr, dest;
	bool x2; /* the sender's mode: how wide dest is */
};
struct apic_ipi lapic_ipi(const struct lapic *l);
void apic_send(struct apic *a, const struct apic_ipi *ipi);

#endif
