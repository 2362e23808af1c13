/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Local APICs: their life, the memory page, and how an interrupt is accepted, ranked and taken.
 *
 * Owns struct apic and the IRR, ISR and TMR bits. Invariants and locks: apic.h.
 *
 * Read first: apic.h. Read next: apic_regs.c.
 */
#include "vmm/dev/apic.h"

#include <stdlib.h>
#include <string.h>

#define LOWEST_VECTOR 16 /* 0-15 are illegal in a message (SDM 10.5.2) */

/* 256 bits in eight registers. */

static bool set_bit(uint32_t *bits, unsigned n)
{
	uint32_t was = bits[n / 32];

	bits[n / 32] |= 1u << (n % 32);
	return !(was & 1u << (n % 32));
}

static void clear_bit(uint32_t *bits, unsigned n)
{
	bits[n / 32] &= ~(1u << (n % 32));
}

static int highest_bit(const uint32_t *bits)
{
	int i;

	for (i = 7; i >= 0; i--)
		if (bits[i])
			return 32 * i + 31 - __builtin_clz(bits[i]);
	return -1;
}

/* Priority (SDM 10.8.3.1): the higher class of TPR and of the highest vector in service. */
uint8_t lapic_ppr(const struct lapic *l)
{
	int isrv = highest_bit(l->isr);

	if (isrv < 0 || l->tpr >> 4 >= (unsigned)isrv >> 4)
		return (uint8_t)l->tpr;
	return (uint8_t)(isrv & 0xf0);
}

static int best(const struct lapic *l)
{
	int vector = lapic_enabled(l) ? highest_bit(l->irr) : -1;

	return vector >= 0 && vector >> 4 > lapic_ppr(l) >> 4 ? vector : -1;
}

void lapic_lock(struct lapic *l)
{
	pthread_mutex_lock(&l->lock);
}

void lapic_unlock(struct apic *a, struct lapic *l)
{
	int now = best(l);
	int was = atomic_exchange_explicit(&l->pending, now, memory_order_acq_rel);

	pthread_mutex_unlock(&l->lock);
	if (now >= 0 && now != was)
		a->host->kick(a->host->ctx, l->index);
}

void lapic_accept(struct apic *a, struct lapic *l, uint8_t vector)
{
	if (vector < LOWEST_VECTOR) {
		lapic_error(a, l, ESR_RECEIVE_VECTOR);
		return;
	}
	/* Disabled by software: what is pending stays, nothing more comes in (SDM 10.4.7.2). */
	if (!lapic_enabled(l) || !(l->svr & SVR_ENABLE))
		return;
	if (set_bit(l->irr, vector))
		clear_bit(l->tmr, vector); /* every source here is edge-triggered */
}

void lapic_error(struct apic *a, struct lapic *l, uint32_t bit)
{
	bool first = !(l->errors & bit);

	l->errors |= bit;
	/* An illegal vector in the error entry itself raises the same error: only once. */
	if (first)
		lapic_local(a, l, REG_LVT_ERROR);
}

void lapic_local(struct apic *a, struct lapic *l, enum apic_reg_nr entry)
{
	uint32_t lvt = l->lvt[entry - REG_LVT_TIMER];
	/* The timer and error entries have no delivery mode: their bits 8-10 are always 0. */
	enum apic_mode mode = DELIVERY(lvt);

	if (lvt & LVT_MASKED)
		return;
	if (mode == MODE_FIXED)
		lapic_accept(a, l, (uint8_t)lvt);
	else if (mode == MODE_NMI)
		a->host->nmi(a->host->ctx, l->index);
}

void lapic_eoi(struct lapic *l)
{
	int isrv = highest_bit(l->isr);

	if (isrv >= 0)
		clear_bit(l->isr, (unsigned)isrv);
}

/* State after power-up or RESET (SDM 10.4.7.1); IA32_APIC_BASE stays. */
void lapic_reset(struct apic *a, struct lapic *l)
{
	unsigned i;

	l->tpr = l->ldr = l->esr = l->errors = l->icr = l->icr_high = 0;
	l->dfr = UINT32_MAX;
	l->svr = 0xff;
	for (i = 0; i < LVT_ENTRIES; i++)
		l->lvt[i] = LVT_MASKED;
	memset(l->isr, 0, sizeof(l->isr));
	memset(l->tmr, 0, sizeof(l->tmr));
	memset(l->irr, 0, sizeof(l->irr));
	timer_reset(a, l);
}

static uint32_t base_after_reset(unsigned index)
{
	return APIC_PAGE | APIC_BASE_EN | (index == 0 ? APIC_BASE_BSP : 0);
}

struct apic *apic_create(const struct dev_host *h, unsigned cpus)
{
	struct apic *a = calloc(1, sizeof(*a) + cpus * sizeof(a->cpu[0]));
	unsigned i;

	if (!a)
		return NULL;
	a->host = h;
	a->cpus = cpus;
	for (i = 0; i < cpus; i++) {
		struct lapic *l = &a->cpu[i];

		pthread_mutex_init(&l->lock, NULL);
		l->index = i;
		l->base_msr = base_after_reset(i);
		atomic_init(&l->pending, -1);
		/* Stopped already, so that the reset has nothing to tell the host. */
		l->timer.due = UINT64_MAX;
		atomic_init(&l->due_hint, UINT64_MAX);
		lapic_reset(a, l);
	}
	return a;
}

void apic_reset(struct apic *a)
{
	for (unsigned i = 0; i < a->cpus; i++) {
		struct lapic *l = &a->cpu[i];

		lapic_lock(l);
		l->base_msr = base_after_reset(i);
		lapic_reset(a, l);
		lapic_unlock(a, l);
	}
}

void apic_destroy(struct apic *a)
{
	unsigned i;

	if (!a)
		return;
	for (i = 0; i < a->cpus; i++)
		pthread_mutex_destroy(&a->cpu[i].lock);
	free(a);
}

/* The page: 32-bit registers at multiples of 16 (SDM 10.4.1). Other accesses are undefined there;
 * here narrow reads see the register's bytes, the gaps read 0, and odd writes are dropped. */
static uint64_t page_read(void *dev, unsigned vcpu, uint64_t offset, unsigned size)
{
	struct apic *a = dev;
	uint64_t val = UINT64_MAX;
	struct lapic *l;

	(void)size; /* the bus cuts the value to size */
	if (vcpu >= a->cpus)
		return val;
	l = &a->cpu[vcpu];
	lapic_lock(l);
	if (lapic_enabled(l) && !lapic_x2(l))
		val = offset % 16 < 4
			      ? lapic_read(a, l, (unsigned)(offset / 16)) >> 8 * (offset % 16)
			      : 0;
	lapic_unlock(a, l);
	return val;
}

static void page_write(void *dev, unsigned vcpu, uint64_t offset, unsigned size, uint64_t val)
{
	struct apic *a = dev;
	struct apic_ipi ipi = {0};
	bool send = false;
	struct lapic *l;

	if (vcpu >= a->cpus || size < 4 || offset % 16)
		return;
	l = &a->cpu[vcpu];
	lapic_lock(l);
	if (lapic_enabled(l) && !lapic_x2(l))
		send = lapic_write(a, l, (unsigned)(offset / 16), (uint32_t)val);
	if (send)
		ipi = lapic_ipi(l);
	lapic_unlock(a, l);
	if (send)
		apic_send(a, &ipi);
}

int apic_attach(struct apic *a, struct bus *b)
{
	const struct dev_range r = {
		.dev = a,
		.read = page_read,
		.write = page_write,
		.name = "local-apic",
	};

	return bus_add_mmio(b, GPA(APIC_PAGE), 4096, &r);
}

int apic_pending(struct apic *a, unsigned vcpu)
{
	return atomic_load_explicit(&a->cpu[vcpu].pending, memory_order_acquire);
}

int apic_ack(struct apic *a, unsigned vcpu)
{
	struct lapic *l = &a->cpu[vcpu];
	int vector;

	lapic_lock(l);
	vector = best(l);
	if (vector >= 0) {
		clear_bit(l->irr, (unsigned)vector);
		set_bit(l->isr, (unsigned)vector);
	}
	lapic_unlock(a, l);
	return vector;
}

void apic_init_cpu(struct apic *a, unsigned vcpu)
{
	struct lapic *l = &a->cpu[vcpu];

	lapic_lock(l);
	lapic_reset(a, l);
	lapic_unlock(a, l);
}

uint8_t apic_get_tpr(struct apic *a, unsigned vcpu)
{
	struct lapic *l = &a->cpu[vcpu];
	uint8_t tpr;

	lapic_lock(l);
	tpr = (uint8_t)l->tpr;
	lapic_unlock(a, l);
	return tpr;
}

void apic_set_tpr(struct apic *a, unsigned vcpu, uint8_t tpr)
{
	struct lapic *l = &a->cpu[vcpu];

	lapic_lock(l);
	l->tpr = tpr;
	lapic_unlock(a, l);
}

void apic_raise(struct apic *a, unsigned vcpu, uint8_t vector)
{
	struct lapic *l;

	if (vcpu >= a->cpus)
		return;
	l = &a->cpu[vcpu];
	lapic_lock(l);
	lapic_accept(a, l, vector);
	lapic_unlock(a, l);
}
