/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an address space maps, leaf by leaf: of the guest's tables or of a shadow tree. Each step walks
 * from the top anew, so that nothing is held between two of them and a table that goes out of use in
 * between is no matter. Read first: inspect.h.
 */
#include "shadow/inspect.h"
#include "shadow/spte.h"

/* The first address behind the span that holds s->at; the hole between the canonical halves is skipped.
 * bits: of the addresses that the tables translate. */
static void advance(struct sh_scan *s, uint64_t span, unsigned bits, bool canonical)
{
	uint64_t next = (s->at.v | (span - 1)) + 1;

	if (canonical && next >> (bits - 1) == 1)
		next = ~0ull << (bits - 1);
	if (!next || (!canonical && next >> bits)) {
		s->done = true;
		return;
	}
	s->at = GVA(next);
}

static bool over(struct sh_scan *s)
{
	s->done |= s->at.v > s->last.v;
	if (s->done || !s->steps)
		return true;
	s->steps--;
	return false;
}

static void found(struct sh_scan *s, uint64_t span, unsigned level, uint64_t entry)
{
	s->gva = GVA(s->at.v & ~(span - 1));
	s->size = span;
	s->level = level;
	s->entry = entry;
	s->malformed = false;
}

static unsigned shadow_access(struct sh_role role, uint64_t spte)
{
	return (spte & PTE_W ? SH_ACC_W : 0) | (spte & PTE_NX ? 0 : SH_ACC_X) |
	       (role.user ? SH_ACC_U : 0);
}

bool sh_scan_shadow(struct sh_mmu *mmu, mfn_t root, struct sh_scan *s)
{
	unsigned bits = sh_shadow_shift(mmu->be.levels) + 9;
	struct sh_path p;

	while (!over(s)) {
		uint64_t span, spte;
		bool leaf;

		if (!sh_path(mmu, root, s->at, &p)) {
			s->done = true;
			return false;
		}
		span = 1ull << sh_shadow_shift(p.level);
		spte = p.spte[p.level];
		leaf = spte & PTE_P && (p.level == 1 || spte & PTE_PS);
		if (leaf) {
			found(s, span, p.level, spte);
			s->access = shadow_access(p.role[p.level], spte);
			s->gpa = gfn_gpa(gmem_gfn(mmu->gm, sh_spte_mfn(spte)));
		}
		advance(s, span, bits, true);
		if (leaf)
			return true;
	}
	return false;
}

/* Whether the walk ended in a leaf, whatever it permits. */
static bool guest_leaf(const struct sh_mode *mode, const struct sh_walk *w)
{
	const struct sh_format *f = &sh_formats[mode->format];
	uint64_t e = w->gpte[w->level];

	return e & PTE_P && (w->level == 1 || sh_gpte_large(f, mode, w->level, e));
}

bool sh_scan_guest(struct sh_mmu *mmu, const struct sh_mode *mode, const struct sh_regs *regs,
		   struct sh_scan *s)
{
	const struct sh_format *f = &sh_formats[mode->format];

	s->done |= !f->levels;
	while (!over(s)) {
		struct sh_walk w;
		uint64_t span;
		bool leaf;

		sh_walk(mmu->gm, mode, regs, s->at, SH_PEEK | SH_IMPLICIT, &w);
		span = sh_span(f, w.level);
		leaf = guest_leaf(mode, &w);
		if (leaf) {
			found(s, span, w.level, w.gpte[w.level]);
			s->malformed = w.error & SH_PF_RSVD;
			s->access = s->malformed ? 0 : w.access[w.level] & SH_ACC_ALL;
			s->gpa = sh_entry_addr(f, w.level, w.level > 1, s->entry);
		}
		advance(s, span, f->va_bits, f->canonical);
		if (leaf)
			return true;
	}
	return false;
}
