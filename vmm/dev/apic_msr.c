/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The MSRs of the local APIC: IA32_APIC_BASE with its mode changes, IA32_TSC_DEADLINE, and the
 * x2APIC view of the registers.
 *
 * Owns base_msr. Locks: takes the APIC's own. Read first: apic.h, apic_regs.c.
 */
#include "vmm/dev/apic.h"

#define MSR_APIC_BASE	 0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC	 0x800u
#define MSR_X2APIC_LAST	 0x8ffu

#define MODE_BITS (APIC_BASE_EN | APIC_BASE_EXTD)

/* SDM 10.12.5, figure 10-27: off -> xAPIC -> x2APIC -> off; staying is no change. */
static bool transition_allowed(uint64_t from, uint64_t to)
{
	from &= MODE_BITS;
	to &= MODE_BITS;
	if (to == APIC_BASE_EXTD)
		return false; /* not a mode at all */
	if (from == to || to == 0)
		return true;
	if (to == APIC_BASE_EN)
		return from == 0;
	return from == APIC_BASE_EN;
}

static int set_base(struct apic *a, struct lapic *l, uint64_t val)
{
	uint64_t was = l->base_msr;

	if ((val & ~(MODE_BITS | APIC_BASE_BSP)) != APIC_PAGE || !transition_allowed(was, val))
		return -1;
	l->base_msr = val;
	/* Off and on again is a reset; going to x2APIC keeps the state but for the high half of
	 * ICR, which changes its layout (SDM 10.12.5.1). */
	if (!(val & APIC_BASE_EN) && (was & APIC_BASE_EN))
		lapic_reset(a, l);
	if (lapic_x2(l) && !(was & APIC_BASE_EXTD))
		l->icr_high = 0;
	return 0;
}

static bool is_x2(uint32_t msr)
{
	return msr >= MSR_X2APIC && msr <= MSR_X2APIC_LAST;
}

static int read_msr(struct apic *a, struct lapic *l, uint32_t msr, uint64_t *val)
{
	switch (msr) {
	case MSR_APIC_BASE:
		*val = l->base_msr;
		return 0;
	case MSR_TSC_DEADLINE:
		timer_fire(a, l);
		*val = l->timer.tsc_deadline;
		return 0;
	default:
		if (!is_x2(msr) || !lapic_x2(l))
			return -1;
		return lapic_read_x2(a, l, msr - MSR_X2APIC, val);
	}
}

int apic_rdmsr(struct apic *a, unsigned vcpu, uint32_t msr, uint64_t *val)
{
	struct lapic *l = &a->cpu[vcpu];
	int ret;

	lapic_lock(l);
	ret = read_msr(a, l, msr, val);
	lapic_unlock(a, l);
	return ret;
}

int apic_wrmsr(struct apic *a, unsigned vcpu, uint32_t msr, uint64_t val, uint64_t tsc_now,
	       uint64_t tsc_khz)
{
	struct lapic *l = &a->cpu[vcpu];
	struct apic_ipi ipi = {0};
	bool send = false;
	int ret = 0;

	lapic_lock(l);
	if (msr == MSR_APIC_BASE)
		ret = set_base(a, l, val);
	else if (msr == MSR_TSC_DEADLINE)
		timer_set_tsc_deadline(a, l, val, tsc_now, tsc_khz);
	else if (is_x2(msr) && lapic_x2(l))
		ret = lapic_write_x2(a, l, msr - MSR_X2APIC, val, &send);
	else
		ret = -1;
	if (send)
		ipi = lapic_ipi(l);
	lapic_unlock(a, l);
	if (send)
		apic_send(a, &ipi);
	return ret;
}
