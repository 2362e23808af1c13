/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the layout of task state segments: one table of fields, each with its place in the 16-bit
 * and in the 32-bit form.
 *
 * Read after: tss.h.
 */
#include <string.h>

#include "vmm/cpu/tss.h"

#define TSS_MAX	     104u
#define TSS_TRAP     100u /* the T flag, in a 32-bit TSS only */
#define TSS_CR3	     28u
#define NOWHERE	     0xffu
#define SAVED_FROM   32u /* 32-bit: EIP onwards, but not the LDT selector */
#define SAVED_END    96u
#define SAVED16_FROM 14u
#define SAVED16_END  42u

struct field {
	uint8_t offset; /* in struct cpu_tss */
	bool selector;	/* 16 bits wide in both forms */
	uint8_t at16, at32;
};

#define REG(f, a, b)                                     \
	{                                                \
		offsetof(struct cpu_tss, f), false, a, b \
	}
#define SEL(f, a, b)                                    \
	{                                               \
		offsetof(struct cpu_tss, f), true, a, b \
	}

static const struct field fields[] = {
	REG(eip, 14, 32),
	REG(eflags, 16, 36),
	REG(gpr[CPU_RAX], 18, 40),
	REG(gpr[CPU_RCX], 20, 44),
	REG(gpr[CPU_RDX], 22, 48),
	REG(gpr[CPU_RBX], 24, 52),
	REG(gpr[CPU_RSP], 26, 56),
	REG(gpr[CPU_RBP], 28, 60),
	REG(gpr[CPU_RSI], 30, 64),
	REG(gpr[CPU_RDI], 32, 68),
	SEL(seg[CPU_ES], 34, 72),
	SEL(seg[CPU_CS], 36, 76),
	SEL(seg[CPU_SS], 38, 80),
	SEL(seg[CPU_DS], 40, 84),
	SEL(seg[CPU_FS], NOWHERE, 88),
	SEL(seg[CPU_GS], NOWHERE, 92),
	SEL(ldt, 42, 96),
	SEL(link, 0, 0),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static gva_t place(const struct cpu_segment *tss, unsigned offset)
{
	return GVA((uint32_t)(tss->base + offset));
}

/* An access of len bytes in the pieces that ops take. */
static enum cpu_result copy_in(struct cpu *c, const struct cpu_segment *tss, uint8_t *buf,
			       unsigned len, struct cpu_fault *f)
{
	enum cpu_result r = CPU_OK;

	for (unsigned at = 0; at < len && r == CPU_OK; at += 64)
		r = cpu_read_table(c, place(tss, at).v, buf + at, len - at < 64 ? len - at : 64,
				   f);
	return r;
}

static void take(struct cpu_tss *t, const struct field *d, const uint8_t *raw, bool wide)
{
	unsigned at = wide ? d->at32 : d->at16;
	uint16_t low = 0;
	uint32_t val;

	if (at != NOWHERE)
		memcpy(&low, raw + at, 2);
	if (d->selector) {
		memcpy((char *)t + d->offset, &low, 2);
		return;
	}
	val = low | 0xffff0000;
	if (wide)
		memcpy(&val, raw + at, 4);
	memcpy((char *)t + d->offset, &val, 4);
}

enum cpu_result cpu_tss_read(struct cpu *c, const struct cpu_segment *tss, struct cpu_tss *t,
			     struct cpu_fault *f)
{
	bool wide = cpu_tss_wide(tss->attr);
	uint8_t raw[TSS_MAX] = {0};
	enum cpu_result r = copy_in(c, tss, raw, cpu_tss_min_limit(wide) + 1, f);

	if (r != CPU_OK)
		return r;
	*t = (struct cpu_tss){0};
	for (unsigned i = 0; i < FIELDS; i++)
		take(t, &fields[i], raw, wide);
	if (wide) {
		memcpy(&t->cr3, raw + TSS_CR3, 4);
		t->trap = raw[TSS_TRAP] & 1;
		return CPU_OK;
	}
	t->eip &= 0xffff;
	t->eflags &= 0xffff;
	return CPU_OK;
}

static void put(const struct cpu_tss *t, const struct field *d, uint8_t *raw, bool wide)
{
	unsigned at = wide ? d->at32 : d->at16;

	if (at != NOWHERE)
		memcpy(raw + at, (const char *)t + d->offset, wide && !d->selector ? 4 : 2);
}

/* The words of the segment selectors keep their reserved upper halves, so what is there is read
 * first; that read asks for the right to write, so that nothing is written in part. */
enum cpu_result cpu_tss_save(struct cpu *c, const struct cpu_segment *tss,
			     const struct cpu_tss *t, struct cpu_fault *f)
{
	bool wide = cpu_tss_wide(tss->attr);
	unsigned from = wide ? SAVED_FROM : SAVED16_FROM, end = wide ? SAVED_END : SAVED16_END;
	uint8_t raw[TSS_MAX] = {0};
	enum cpu_result r;

	r = c->ops->read(c->m, &c->s, place(tss, from), raw + from, end - from,
			 MEM_READ | MEM_WRITE | MEM_IMPLICIT, f);
	for (unsigned i = 0; i < FIELDS && r == CPU_OK; i++) {
		unsigned at = wide ? fields[i].at32 : fields[i].at16;

		if (at >= from && at < end)
			put(t, &fields[i], raw, wide);
	}
	if (r != CPU_OK)
		return r;
	return c->ops->write(c->m, &c->s, place(tss, from), raw + from, end - from,
			     MEM_WRITE | MEM_IMPLICIT, f);
}

enum cpu_result cpu_tss_read_link(struct cpu *c, const struct cpu_segment *tss, uint16_t *link,
				  struct cpu_fault *f)
{
	return cpu_read_table(c, place(tss, 0).v, link, 2, f);
}

enum cpu_result cpu_tss_write_link(struct cpu *c, const struct cpu_segment *tss, uint16_t link,
				   struct cpu_fault *f)
{
	return c->ops->write(c->m, &c->s, place(tss, 0), &link, 2, MEM_WRITE | MEM_IMPLICIT, f);
}
