/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interrupt command register: which local APICs an IPI is for, and what they get.
 *
 * Owns nothing. Locks: takes one receiver's lock at a time, never with another held; so an IPI to
 * several is not atomic, as on a real bus.
 *
 * Known limits: SMI is dropped; lowest priority is decided among APICs that may change their
 * priority in the meantime, as in hardware.
 *
 * Read first: apic.h.
 */
#include "vmm/dev/apic.h"

#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT  (1u << 14)
#define ICR_LEVEL   (1u << 15)

/* ICR bits 18-19 (SDM 10.6.1). */
enum shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

#define FLAT_MODEL 0xfu

struct apic_ipi lapic_ipi(const struct lapic *l)
{
	return (struct apic_ipi){
		.sender = l->index,
		.icr = l->icr,
		.dest = lapic_x2(l) ? l->icr_high : l->icr_high >> 24,
		.x2 = lapic_x2(l),
	};
}

static enum shorthand shorthand(const struct apic_ipi *ipi)
{
	return (enum shorthand)(ipi->icr >> 18 & 3);
}

static bool broadcast(const struct apic_ipi *ipi)
{
	return ipi->dest == (ipi->x2 ? UINT32_MAX : 0xffu);
}

/* SDM 10.6.2.2: flat is eight bits, cluster is a 4-bit number and four bits. */
static bool match_xapic_logical(const struct lapic *l, uint32_t dest)
{
	uint32_t id = l->ldr >> 24;

	if (dest > 0xff)
		return false;
	if (l->dfr >> 28 == FLAT_MODEL)
		return dest & id;
	return dest >> 4 == id >> 4 && (dest & id & 0xf);
}

/* SDM 10.12.10.2: cluster number in 31:16, one bit per member below. */
static bool match_x2_logical(const struct lapic *l, uint32_t dest)
{
	return dest >> 16 == l->index >> 4 && (dest & 1u << (l->index & 15));
}

static bool match_dest(const struct lapic *l, const struct apic_ipi *ipi)
{
	if (broadcast(ipi))
		return true;
	if (!(ipi->icr & ICR_LOGICAL))
		return ipi->dest == l->index;
	return lapic_x2(l) ? match_x2_logical(l, ipi->dest) : match_xapic_logical(l, ipi->dest);
}

/* l's lock held. An APIC that IA32_APIC_BASE disables hears nothing, not even INIT. */
static bool is_for(const struct lapic *l, const struct apic_ipi *ipi)
{
	if (!lapic_enabled(l))
		return false;
	switch (shorthand(ipi)) {
	case TO_SELF:
		return l->index == ipi->sender;
	case TO_ALL:
		return true;
	case TO_OTHERS:
		return l->index != ipi->sender;
	case TO_DEST:
		break;
	}
	return match_dest(l, ipi);
}

/* l's lock held. */
static void deliver(struct apic *a, struct lapic *l, const struct apic_ipi *ipi)
{
	const struct dev_host *h = a->host;

	switch (DELIVERY(ipi->icr)) {
	case MODE_FIXED:
	case MODE_LOWEST:
		lapic_accept(a, l, (uint8_t)ipi->icr);
		break;
	case MODE_NMI:
		h->nmi(h->ctx, l->index);
		break;
	case MODE_INIT:
		h->init(h->ctx, l->index);
		break;
	case MODE_SIPI:
		h->sipi(h->ctx, l->index, (uint8_t)ipi->icr);
		break;
	case MODE_SMI:
	case MODE_RESERVED:
	case MODE_EXTINT:
		break;
	}
}

static void send_to_all(struct apic *a, const struct apic_ipi *ipi)
{
	unsigned i;

	for (i = 0; i < a->cpus; i++) {
		struct lapic *l = &a->cpu[i];

		lapic_lock(l);
		if (is_for(l, ipi))
			deliver(a, l, ipi);
		lapic_unlock(a, l);
	}
}

/* The receiver whose processor priority is lowest (SDM 10.6.2.4); the first of equals. An APIC
 * that is off by software can't take part. Returns cpus if there is none. */
static unsigned lowest(struct apic *a, const struct apic_ipi *ipi)
{
	unsigned i, chosen = a->cpus, least = 256;

	for (i = 0; i < a->cpus; i++) {
		struct lapic *l = &a->cpu[i];
		unsigned priority;

		lapic_lock(l);
		priority = is_for(l, ipi) && (l->svr & SVR_ENABLE) ? lapic_ppr(l) : 256;
		lapic_unlock(a, l);
		if (priority < least) {
			least = priority;
			chosen = i;
		}
	}
	return chosen;
}

static void send_lowest(struct apic *a, const struct apic_ipi *ipi)
{
	unsigned i = lowest(a, ipi);

	if (i < a->cpus)
		apic_raise(a, i, (uint8_t)ipi->icr);
}

/* Combinations the manual calls invalid go nowhere (SDM table 10-3): only fixed may include the
 * sender by shorthand, and INIT level de-assert is a message no processor has acted on since the
 * Pentium. */
static bool valid(const struct apic_ipi *ipi)
{
	enum apic_mode mode = DELIVERY(ipi->icr);
	enum shorthand to = shorthand(ipi);

	if ((to == TO_SELF || to == TO_ALL) && mode != MODE_FIXED)
		return false;
	return mode != MODE_INIT || (ipi->icr & ICR_ASSERT) || !(ipi->icr & ICR_LEVEL);
}

static void send_error(struct apic *a, unsigned sender)
{
	struct lapic *l = &a->cpu[sender];

	lapic_lock(l);
	lapic_error(a, l, ESR_SEND_VECTOR);
	lapic_unlock(a, l);
}

void apic_send(struct apic *a, const struct apic_ipi *ipi)
{
	enum apic_mode mode = DELIVERY(ipi->icr);

	if (!valid(ipi))
		return;
	if ((mode == MODE_FIXED || mode == MODE_LOWEST) && (ipi->icr & 0xff) < 16)
		send_error(a, ipi->sender);
	else if (mode == MODE_LOWEST)
		send_lowest(a, ipi);
	else
		send_to_all(a, ipi);
}
