/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The local APIC's registers, as one table for the memory page and for the x2APIC MSRs.
 *
 * Owns the rules of access: which registers exist in which mode, which may be read or written,
 * and which bits a write changes. What a bit means is elsewhere.
 *
 * Locks: called with the APIC's lock held. Read first: apic.h.
 */
#include "vmm/dev/apic.h"

/* Who may do what. X2_ bits are for the MSRs, where a breach is #GP (SDM table 10-6). */
/* clang-format off */
enum { R = 1, W = 2, X2_R = 4, X2_W = 8, ALL_R = R | X2_R, ALL_W = W | X2_W, ALL = ALL_R | ALL_W };
/* clang-format on */

struct apic_reg {
	uint8_t access;
	bool send;	  /* a write sends what ICR then holds */
	uint32_t bits;	  /* bits a write may set; others are ignored, or #GP as MSRs */
	uint32_t ignored; /* read-only bits: a write may set them to no effect in both views */
	uint32_t (*get)(struct apic *a, struct lapic *l, unsigned nr);
	void (*set)(struct apic *a, struct lapic *l, unsigned nr, uint32_t val);
};

static uint32_t get_id(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return lapic_x2(l) ? l->index : l->index << 24;
}

static uint32_t get_version(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)l;
	(void)nr;
	return APIC_VERSION;
}

static uint32_t get_tpr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return l->tpr;
}

static void set_tpr(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)a;
	(void)nr;
	l->tpr = val;
}

static uint32_t get_ppr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return lapic_ppr(l);
}

static void set_eoi(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)a;
	(void)nr;
	(void)val;
	lapic_eoi(l);
}

/* The x2APIC's logical id is made from the id: cluster in 31:16, one bit below (SDM 10.12.10.2). */
static uint32_t get_ldr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return lapic_x2(l) ? (l->index >> 4) << 16 | 1u << (l->index & 15) : l->ldr;
}

static void set_ldr(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)a;
	(void)nr;
	l->ldr = val;
}

static uint32_t get_dfr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return l->dfr;
}

static void set_dfr(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)a;
	(void)nr;
	l->dfr = val | 0x0fffffff; /* only the model is stored; the rest are ones */
}

static uint32_t get_svr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return l->svr;
}

/* Disabling masks every LVT entry, and enabling does not unmask them (SDM 10.4.7.2). */
static void set_svr(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	unsigned i;

	(void)a;
	(void)nr;
	l->svr = val;
	for (i = 0; i < LVT_ENTRIES && !(val & SVR_ENABLE); i++)
		l->lvt[i] |= LVT_MASKED;
}

static uint32_t get_isr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	return l->isr[nr - REG_ISR];
}

static uint32_t get_tmr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	return l->tmr[nr - REG_TMR];
}

static uint32_t get_irr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	return l->irr[nr - REG_IRR];
}

static uint32_t get_esr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return l->esr;
}

/* A write of any value moves the errors since the last write to where reads see them. */
static void set_esr(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)a;
	(void)nr;
	(void)val;
	l->esr = l->errors;
	l->errors = 0;
}

static uint32_t get_icr(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	return nr == REG_ICR ? l->icr : l->icr_high;
}

static void set_icr(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)a;
	if (nr == REG_ICR)
		l->icr = val;
	else
		l->icr_high = val;
}

static uint32_t get_lvt(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	return l->lvt[nr - REG_LVT_TIMER];
}

static void set_lvt(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	if (!(l->svr & SVR_ENABLE))
		val |= LVT_MASKED;
	if (nr == REG_LVT_TIMER)
		timer_set_lvt(a, l, val);
	else
		l->lvt[nr - REG_LVT_TIMER] = val;
}

static uint32_t get_initial(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return l->timer.initial;
}

static void set_initial(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)nr;
	timer_set_initial(a, l, val);
}

static uint32_t get_current(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)nr;
	return timer_current(a, l);
}

static uint32_t get_divide(struct apic *a, struct lapic *l, unsigned nr)
{
	(void)a;
	(void)nr;
	return l->timer.divide;
}

static void set_divide(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)nr;
	timer_set_divide(a, l, val);
}

static void set_self_ipi(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	(void)nr;
	if (val < 16)
		lapic_error(a, l, ESR_SEND_VECTOR);
	else
		lapic_accept(a, l, (uint8_t)val);
}

/* ICR: vector, delivery mode, destination mode, level, trigger, shorthand; 12 is read-only. */
#define ICR_BITS 0x000ccfffu
#define ICR_RO	 0x00001000u

/* LVT entries: vector and mask in all; then delivery mode, or polarity and trigger as well.
 * Bits 12 (delivery status) and 14 (remote IRR) are read-only and always 0 here. */
#define LVT_BASIC 0x000100ffu
#define LVT_RO	  0x00001000u

/* clang-format off */
static const struct apic_reg regs[REG_COUNT] = {
	[REG_ID]      = {ALL_R, .get = get_id},
	[REG_VERSION] = {ALL_R, .get = get_version},
	[REG_TPR]     = {ALL, .bits = 0xff, .get = get_tpr, .set = set_tpr},
	[REG_APR]     = {R, .get = get_ppr},
	[REG_PPR]     = {ALL_R, .get = get_ppr},
	[REG_EOI]     = {ALL_W, .set = set_eoi},
	[REG_RRD]     = {R},
	[REG_LDR]     = {ALL_R | W, .bits = 0xff000000, .get = get_ldr, .set = set_ldr},
	[REG_DFR]     = {R | W, .bits = 0xf0000000, .get = get_dfr, .set = set_dfr},
	[REG_SVR]     = {ALL, .bits = 0x1ff, .get = get_svr, .set = set_svr},
	[REG_ISR ... REG_ISR + 7] = {ALL_R, .get = get_isr},
	[REG_TMR ... REG_TMR + 7] = {ALL_R, .get = get_tmr},
	[REG_IRR ... REG_IRR + 7] = {ALL_R, .get = get_irr},
	[REG_ESR]     = {ALL, .get = get_esr, .set = set_esr},
	[REG_ICR]     = {ALL, .send = true, .bits = ICR_BITS, .ignored = ICR_RO,
			 .get = get_icr, .set = set_icr},
	[REG_ICR_HIGH] = {R | W, .bits = 0xff000000, .get = get_icr, .set = set_icr},
	[REG_LVT_TIMER]   = {ALL, .bits = LVT_BASIC | 0x60000, .ignored = LVT_RO,
			     .get = get_lvt, .set = set_lvt},
	[REG_LVT_THERMAL] = {ALL, .bits = LVT_BASIC | 0x700, .ignored = LVT_RO,
			     .get = get_lvt, .set = set_lvt},
	[REG_LVT_PERF]    = {ALL, .bits = LVT_BASIC | 0x700, .ignored = LVT_RO,
			     .get = get_lvt, .set = set_lvt},
	[REG_LVT_LINT0]   = {ALL, .bits = LVT_BASIC | 0xa700, .ignored = LVT_RO | 0x4000,
			     .get = get_lvt, .set = set_lvt},
	[REG_LVT_LINT1]   = {ALL, .bits = LVT_BASIC | 0xa700, .ignored = LVT_RO | 0x4000,
			     .get = get_lvt, .set = set_lvt},
	[REG_LVT_ERROR]   = {ALL, .bits = LVT_BASIC, .ignored = LVT_RO,
			     .get = get_lvt, .set = set_lvt},
	[REG_INITIAL]  = {ALL, .bits = UINT32_MAX, .get = get_initial, .set = set_initial},
	[REG_CURRENT]  = {ALL_R, .get = get_current},
	[REG_DIVIDE]   = {ALL, .bits = 0xb, .get = get_divide, .set = set_divide},
	[REG_SELF_IPI] = {X2_W, .bits = 0xff, .set = set_self_ipi},
};
/* clang-format on */

/* The register if it is there for this kind of access; else NULL. */
static const struct apic_reg *find(unsigned nr, unsigned access)
{
	return nr < REG_COUNT && (regs[nr].access & access) ? &regs[nr] : NULL;
}

uint32_t lapic_read(struct apic *a, struct lapic *l, unsigned nr)
{
	const struct apic_reg *r = find(nr, R);

	/* Reads of a write-only register are no error, just nothing. */
	if (!r && !find(nr, W))
		lapic_error(a, l, ESR_REGISTER);
	return r && r->get ? r->get(a, l, nr) : 0;
}

bool lapic_write(struct apic *a, struct lapic *l, unsigned nr, uint32_t val)
{
	const struct apic_reg *r = find(nr, W);

	if (!r && !find(nr, R))
		lapic_error(a, l, ESR_REGISTER);
	if (!r)
		return false;
	r->set(a, l, nr, val & r->bits);
	return r->send;
}

int lapic_read_x2(struct apic *a, struct lapic *l, unsigned nr, uint64_t *val)
{
	const struct apic_reg *r = find(nr, X2_R);

	if (!r)
		return -1;
	*val = r->get(a, l, nr);
	if (nr == REG_ICR) /* the only 64-bit one */
		*val |= (uint64_t)l->icr_high << 32;
	return 0;
}

int lapic_write_x2(struct apic *a, struct lapic *l, unsigned nr, uint64_t val, bool *send)
{
	const struct apic_reg *r = find(nr, X2_W);

	if (!r || ((uint32_t)val & ~(r->bits | r->ignored)))
		return -1;
	if (nr == REG_ICR)
		l->icr_high = (uint32_t)(val >> 32);
	else if (val >> 32)
		return -1;
	r->set(a, l, nr, (uint32_t)val & r->bits);
	*send = r->send;
	return 0;
}
