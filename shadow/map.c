/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mapping of ranges, and their end when it fails. Read first: map.h, gather.h.
 */
#include <errno.h>

#include "shadow/gather.h"
#include "shadow/map.h"
#include "shadow/spte.h"

static int error_of(enum sh_fault_result r, const struct sh_walk *w)
{
	switch (r) {
	case SH_FAULT_RESUME:
	case SH_FAULT_SPURIOUS:
		return 0;
	case SH_FAULT_INJECT:
	case SH_FAULT_NOT_CANON:
	case SH_FAULT_NO_RAM:
		return -EFAULT;
	case SH_FAULT_TRACKED:
	case SH_FAULT_GATE:
		return -EPERM;
	case SH_FAULT_HOST:
		break;
	}
	return -(int)w->error;
}

static int map_page(struct sh_vcpu *v, gva_t gva, unsigned flags, struct sh_mapped *out)
{
	enum sh_fault_result r;
	struct sh_walk w;

	if (sh_inject(&v->mmu->inject, SH_INJECT_MAP_PAGE))
		return -ENOMEM;
	r = sh_fault(v, gva, flags, &w);
	out->faults += r == SH_FAULT_RESUME;
	out->pages += !error_of(r, &w);
	return error_of(r, &w);
}

/* The page and index of the leaf for gva below p; NULL: there is none. */
static struct sh_page *leaf_at(struct sh_mmu *mmu, struct sh_page *p, gva_t gva,
			       unsigned *index)
{
	for (;;) {
		unsigned level = p->role.level;
		uint64_t spte;

		*index = (gva.v >> sh_shadow_shift(level)) & (SH_ENTRIES - 1);
		spte = atomic_load(&sh_page_table(mmu, p)[*index]);
		if (!(spte & PTE_P))
			return NULL;
		if (level == 1 || sh_spte_is_large(spte))
			return p;
		p = sh_spte_child(mmu, spte);
	}
}

static void take_down(struct sh_vcpu *v, struct sh_page *root, gva_t first, uint64_t pages,
		      struct sh_mapped *out)
{
	struct sh_mmu *mmu = v->mmu;
	struct sh_unmapped u = {0};
	struct sh_gather g;
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_UNMAP);

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	sh_gather_begin(&g, mmu, v, NULL, &u);
	for (uint64_t i = 0; i < pages; i++) {
		unsigned index;
		gva_t gva = GVA(first.v + (i << SH_PAGE_SHIFT));
		struct sh_page *p = leaf_at(mmu, root, gva, &index);

		if (!p)
			continue;
		sh_gather_leaf(&g, p, index);
		out->taken++;
	}
	sh_gather_finish(&g);
	pthread_mutex_unlock(&mmu->lock);
	out->flushes = u.flushes;
	out->kicks = u.kicks;
}

/* Also the neighbours that faults brought along, which lie in the range but beyond what came about. */
static void undo(struct sh_vcpu *v, gva_t first, uint64_t pages, unsigned flags,
		 struct sh_mapped *out)
{
	enum sh_view view = sh_view_of(&v->mode, flags & SH_USER, flags & SH_AC);
	mfn_t root;

	if (sh_mutant(SH_MUT_PART_STAYS_MAPPED) || sh_root(v, view, &root))
		return; /* no root: nothing is mapped */
	/* The direct map is there for all RAM, whoever asks. */
	if (!sh_dmap_is_root(v->mmu, v->root[view]))
		take_down(v, v->root[view], first, pages, out);
}

int sh_map_range(struct sh_vcpu *v, gva_t first, uint64_t pages, unsigned flags,
		 struct sh_mapped *out)
{
	int err = 0;

	*out = (struct sh_mapped){0};
	for (uint64_t i = 0; i < pages && !err; i++)
		err = map_page(v, GVA(first.v + (i << SH_PAGE_SHIFT)), flags, out);
	if (err)
		undo(v, first, pages, flags, out);
	return err;
}
