/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the permission to use ports and the interrupt flag: IOPL and the TSS's bitmap.
 *
 * Read after: desc.h. Manual: SDM vol. 1, section 19.5; vol. 3, section 7.2.1.
 */
#include "vmm/cpu/desc.h"
#include "vmm/cpu/segment.h"
#include "vmm/cpu/system.h"

#define TSS_IOMAP_BASE 102u /* the 16-bit field, in 32-bit and 64-bit TSSs alike */

static unsigned iopl(const struct cpu_state *s)
{
	return (s->rflags & RFL_IOPL) >> 12;
}

bool cpu_may_change_if(const struct cpu_state *s)
{
	return cpu_cpl(s) <= iopl(s);
}

static bool tss_has_bitmap(const struct cpu_segment *tr)
{
	unsigned type = SEG_TYPE(tr->attr);

	return (tr->attr & SEG_P) && (type == SYS_TSS || type == SYS_TSS_BUSY) &&
	       tr->limit >= TSS_IOMAP_BASE + 1;
}

/* The CPU always reads two bytes, even for a port whose bits are in the first: that is why the
 * manual wants a byte of ones behind the bitmap. */
static enum cpu_result check_bitmap(struct cpu *c, uint16_t port, unsigned size,
				    struct cpu_fault *f)
{
	const struct cpu_segment *tr = &c->s.tr;
	uint16_t base, bits;
	uint32_t offset;
	enum cpu_result r;

	if (!tss_has_bitmap(tr))
		return cpu_gp0(f);
	r = cpu_read_table(c, tr->base + TSS_IOMAP_BASE, &base, 2, f);
	if (r != CPU_OK)
		return r;
	offset = base + port / 8u;
	if (offset + 1 > tr->limit)
		return cpu_gp0(f);
	r = cpu_read_table(c, tr->base + offset, &bits, 2, f);
	if (r != CPU_OK)
		return r;
	return (bits >> (port & 7)) & ((1u << size) - 1) ? cpu_gp0(f) : CPU_OK;
}

enum cpu_result cpu_check_io(struct cpu *c, uint16_t port, unsigned size, struct cpu_fault *f)
{
	if (cpu_real_mode(&c->s))
		return CPU_OK;
	if (!(c->s.rflags & RFL_VM) && cpu_cpl(&c->s) <= iopl(&c->s))
		return CPU_OK;
	return check_bitmap(c, port, size, f);
}
