/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Owns the way from segment and offset to a linear address.
 *
 * Read after: linear.h. Manual: SDM vol. 3, sections 3.3, 5.3 and 5.4; vol. 1, section 3.3.7.
 */
#include "vmm/cpu/linear.h"
#include "vmm/cpu/segment.h"

/* Real mode and virtual-8086 mode look at the limit only. */
static bool type_allows(const struct cpu_state *s, const struct cpu_segment *g, unsigned flags)
{
	if (cpu_real_or_v86(s))
		return true;
	if (!(g->attr & SEG_P) || !(g->attr & SEG_S))
		return false;
	if ((flags & MEM_WRITE) && !attr_is_writable(g->attr))
		return false;
	return !(flags & MEM_READ) || attr_is_readable(g->attr);
}

static bool within_limit(const struct cpu_segment *g, uint64_t offset, unsigned len)
{
	bool down = (g->attr & SEG_S) && !(g->attr & TYPE_CODE) && (g->attr & TYPE_EXPAND_DOWN);
	uint64_t last = offset + len - 1;

	if (!down)
		return last <= g->limit;
	return offset > g->limit && last <= (g->attr & SEG_DB ? UINT32_MAX : UINT16_MAX);
}

bool cpu_segment_linear(const struct cpu_state *s, const struct cpu_segment *g, bool flat,
			uint64_t offset, unsigned len, unsigned flags, gva_t *va)
{
	if (flat) {
		*va = GVA(g->base + offset);
		return cpu_canonical(s, va->v) && cpu_canonical(s, va->v + len - 1);
	}
	offset = (uint32_t)offset;
	*va = GVA((uint32_t)(g->base + offset));
	return type_allows(s, g, flags) && within_limit(g, offset, len);
}

enum cpu_result cpu_linear(struct cpu *c, enum cpu_seg seg, uint64_t offset, unsigned len,
			   unsigned flags, gva_t *va, struct cpu_fault *f)
{
	struct cpu_segment g = c->s.seg[seg];
	bool flat = cpu_64bit(&c->s);

	if (flat && seg != CPU_FS && seg != CPU_GS)
		g.base = 0;
	if (cpu_segment_linear(&c->s, &g, flat, offset, len, flags, va))
		return CPU_OK;
	return cpu_fault_ec(f, seg == CPU_SS ? VEC_SS : VEC_GP, 0);
}
