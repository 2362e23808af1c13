/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Read first: ways.h. Locks: mmu->lock, which guards the parents.
 */
#include "shadow/format.h"
#include "shadow/shootdown.h"
#include "shadow/ways.h"

struct climb {
	struct sh_mmu *mmu;
	void (*fn)(void *ctx, gva_t gva, uint64_t root);
	void *ctx;
	unsigned left;
};

/* Addresses are canonical: the highest bit that is translated fills what is above it. */
static gva_t canonical(const struct sh_mmu *mmu, uint64_t va)
{
	unsigned unused = 64 - (SH_PAGE_SHIFT + 9 * mmu->be.levels);

	return GVA((uint64_t)((int64_t)(va << unused) >> unused));
}

/* Depth is bounded by the number of levels: a link goes from a level to the next one down. */
static bool up(struct climb *c, const struct sh_page *p,
	       uint64_t va) /* NOLINT(misc-no-recursion) */
{
	sh_slot_t s;

	if (p->role.level == c->mmu->be.levels) {
		c->fn(c->ctx, canonical(c->mmu, va), sh_root_bit(c->mmu, p));
		return true;
	}
	for (unsigned i = 0; (s = sh_set_at(&p->parents, i)) != SH_SLOT_NONE; i++) {
		const struct sh_page *parent = sh_slot_page(c->mmu, s);
		uint64_t here = (uint64_t)(s % SH_ENTRIES)
				<< sh_shadow_shift(parent->role.level);

		if (!c->left || !up(c, parent, va | here))
			return false;
		c->left--;
	}
	return true;
}

bool sh_ways(struct sh_mmu *mmu, const struct sh_page *p, unsigned index,
	     void (*fn)(void *ctx, gva_t gva, uint64_t root), void *ctx)
{
	struct climb c = {.mmu = mmu, .fn = fn, .ctx = ctx, .left = SH_WAYS_MAX};

	return up(&c, p, (uint64_t)index << sh_shadow_shift(p->role.level));
}
