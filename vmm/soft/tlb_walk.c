/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The walk of the shadow tables, as a processor at CPL 3 does it with CR0.WP=1 and EFER.NXE=1
 * (SDM vol. 3, sections 4.5 and 4.6): an access needs P and U in every entry, a write W in every
 * one, a fetch XD in none. PS ends it at levels 2 and 3; it is reserved above.
 *
 * Locks: none; other threads change the tables under the walk, every entry is read once.
 * Read first: tlb_internal.h.
 */
#include "vmm/soft/tlb_internal.h"

static unsigned shift_of(unsigned level)
{
	return 3 + 9 * level;
}

void tlb_path_root(const struct tlb_tables *tt, mfn_t root, gva_t va, struct tlb_path *p)
{
	*p = (struct tlb_path){
		.va = va, .level = tt->levels, .table = root, .rights = TLB_ALL_RIGHTS};
}

static bool canonical(const struct tlb_tables *tt, gva_t va)
{
	unsigned unused = 64 - shift_of(tt->levels + 1);

	return (uint64_t)((int64_t)(va.v << unused) >> unused) == va.v;
}

/* Reads the entry for this level. The generation comes first: a table given back between the two
 * reads then counts as one that was used after that. */
static uint64_t read_entry(const struct tlb_tables *tt, struct tlb_path *p)
{
	uint64_t frame = p->table.v - tt->mfn.v;
	struct tlb_step *s = &p->step[p->level];

	s->table = p->table;
	s->index = (unsigned)(p->va.v >> shift_of(p->level)) & 511;
	s->generation = tt->generation ? atomic_load(&tt->generation[frame]) : 0;
	s->entry = __atomic_load_n(&tt->mem[frame * 512 + s->index], __ATOMIC_ACQUIRE);
	return s->entry;
}

static void take_frame(struct tlb_path *p, uint64_t entry)
{
	uint64_t inside = (1ull << (shift_of(p->level) - SH_PAGE_SHIFT)) - 1;

	p->frame = MFN(((entry & TLB_FRAME) >> SH_PAGE_SHIFT & ~inside) |
		       (p->va.v >> SH_PAGE_SHIFT & inside));
}

enum tlb_end tlb_path_walk(const struct tlb_tables *tt, struct tlb_path *p)
{
	if (!canonical(tt, p->va))
		return TLB_NOT_CANON;
	for (;; p->level--) {
		uint64_t entry;

		if (!tlb_is_table(tt, p->table))
			return TLB_NO_TABLE;
		entry = read_entry(tt, p);
		if (p->level == tt->levels && p->step[p->level].index == tt->gate_slot)
			return TLB_SUPERVISOR;
		if (!(entry & PTE_P) || (p->level > TLB_LARGEST && (entry & PTE_PS)))
			return TLB_ABSENT;
		if (!(entry & PTE_U))
			return TLB_SUPERVISOR;
		p->rights &= tlb_rights(entry);
		if (p->level == 1 || (entry & PTE_PS))
			break;
		p->table = MFN((entry & TLB_FRAME) >> SH_PAGE_SHIFT);
	}
	take_frame(p, p->step[p->level].entry);
	return TLB_MAPPED;
}
