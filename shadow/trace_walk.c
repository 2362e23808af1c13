/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Records that take more than a line to make: of walks and of faults. Called only where some event is on.
 * Read first: trace_hook.h.
 */
#include "shadow/page.h"

static void trace_level(struct sh_mmu *mmu, struct sh_vcpu *v, const struct sh_walk *w,
			unsigned level)
{
	uint64_t at = w->entry[level].v, e = w->gpte[level];

	sh_trace(mmu, v, paging_element, level, w->gva.v, at, e);
	if (w->marked[level] & PTE_A)
		sh_trace(mmu, v, set_accessed_bit, level, w->gva.v, at, e);
	if (w->marked[level] & PTE_D)
		sh_trace(mmu, v, set_dirty_bit, level, w->gva.v, at, e);
}

void sh_trace_walk(struct sh_mmu *mmu, struct sh_vcpu *v, unsigned flags,
		   const struct sh_walk *w, enum sh_walk_result r)
{
	sh_trace(mmu, v, pagetable_walk, 0, w->gva.v, flags);
	if (r == SH_WALK_NOT_CANON)
		return;
	for (unsigned level = w->top; level && level >= w->level; level--)
		trace_level(mmu, v, w, level);
	if (r == SH_WALK_FAULT)
		sh_trace(mmu, v, walker_error, w->level, w->gva.v, w->error);
}

void sh_trace_fault(struct sh_mmu *mmu, struct sh_vcpu *v, gva_t gva, unsigned flags,
		    const struct sh_walk *w, enum sh_fault_result r, uint64_t since)
{
	uint64_t ns = sh_trace_since(&mmu->trace, since);

	if (r == SH_FAULT_RESUME)
		sh_trace(mmu, v, hidden_fault, 0, gva.v, w->gpa.v, flags, ns);
	else if (r == SH_FAULT_INJECT)
		sh_trace(mmu, v, true_fault, 0, gva.v, w->error, flags, ns);
	else
		sh_trace(mmu, v, other_fault, 0, gva.v, r, flags, ns);
}

uint64_t sh_trace_word(struct sh_mmu *mmu, gpa_t gpa)
{
	uint64_t val = 0;

	if (gmem_load64(mmu->gm, GPA(gpa.v & ~7ull), &val))
		return 0;
	return val;
}
