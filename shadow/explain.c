/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an access would do, and why. Read first: explain.h, spte.h.
 */
#include <string.h>

#include "shadow/explain.h"
#include "shadow/spte.h"

static void blame(struct sh_explanation *x, bool guest, enum sh_blame b, unsigned level,
		  uint64_t entry)
{
	if (x->reasons < SH_MAX_REASONS)
		x->reason[x->reasons++] = (struct sh_reason){guest, b, level, entry};
}

/* ---- the guest's side ---- */

/* One thing changed in what the rule is asked about. */
struct asked {
	struct sh_mode mode;
	unsigned access;
};

static void with_w(struct asked *q)
{
	q->access |= SH_ACC_W;
}
static void with_u(struct asked *q)
{
	q->access |= SH_ACC_U;
}
static void with_x(struct asked *q)
{
	q->access |= SH_ACC_X;
}
static void without_smep(struct asked *q)
{
	q->mode.smep = false;
}
static void without_smap(struct asked *q)
{
	q->mode.smap = false;
}
static void without_ad(struct asked *q)
{
	q->access &= ~SH_ACC_KEY_AD;
}
static void without_wd(struct asked *q)
{
	q->access &= ~SH_ACC_KEY_WD;
}

static const struct change {
	enum sh_blame blame;
	void (*make)(struct asked *q);
	unsigned bit; /* SH_ACC_*: that an entry on the way lacks; 0: it is no entry's */
} changes[] = {
	{SH_BLAME_W, with_w, SH_ACC_W},	  {SH_BLAME_U, with_u, SH_ACC_U},
	{SH_BLAME_NX, with_x, SH_ACC_X},  {SH_BLAME_SMEP, without_smep, 0},
	{SH_BLAME_SMAP, without_smap, 0}, {SH_BLAME_KEY_AD, without_ad, 0},
	{SH_BLAME_KEY_WD, without_wd, 0},
};
#define CHANGES (sizeof(changes) / sizeof(changes[0]))

/* Each entry that lacks the bit by itself is to blame; what is no entry's, the leaf carries. */
static void blame_levels(struct sh_explanation *x, const struct sh_mode *mode,
			 const struct change *c)
{
	const struct sh_format *f = &sh_formats[mode->format];
	const struct sh_walk *w = &x->w;

	if (!c->bit) {
		blame(x, true, c->blame, w->level, w->gpte[w->level]);
		return;
	}
	for (unsigned l = w->top; l >= w->level && l; l--)
		if (!(sh_gpte_access(mode, &f->level[l], w->gpte[l]) & c->bit) &&
		    (l == w->level || !sh_mutant(SH_MUT_BLAME_LEAF_ONLY)))
			blame(x, true, c->blame, l, w->gpte[l]);
}

static bool helps(const struct sh_mode *mode, unsigned access, unsigned flags, unsigned set)
{
	struct asked q = {*mode, access};

	for (unsigned i = 0; i < CHANGES; i++)
		if (set >> i & 1)
			changes[i].make(&q);
	return sh_access_ok(&q.mode, q.access, flags);
}

/* The smallest sets of changes that help: single ones, or pairs if there are none. */
static void why_refused(struct sh_explanation *x, const struct sh_mode *mode, unsigned flags)
{
	unsigned access = x->w.access[x->w.level], found = 0;

	for (unsigned i = 0; i < CHANGES; i++)
		if (helps(mode, access, flags, 1u << i))
			found |= 1u << i;
	for (unsigned i = 0; !found && i < CHANGES; i++)
		for (unsigned j = 0; j < i; j++)
			if (helps(mode, access, flags, 1u << i | 1u << j))
				found |= 1u << i | 1u << j;
	for (unsigned i = 0; i < CHANGES; i++)
		if (found >> i & 1)
			blame_levels(x, mode, &changes[i]);
}

static void why_fault(struct sh_explanation *x, const struct sh_mode *mode, unsigned flags)
{
	uint64_t e = x->w.gpte[x->w.level];

	if (!(x->w.error & SH_PF_P))
		blame(x, true, SH_BLAME_P, x->w.level, e);
	else if (x->w.error & SH_PF_RSVD)
		blame(x, true, SH_BLAME_RSVD, x->w.level, e);
	else
		why_refused(x, mode, flags);
}

/* What the walk would have marked, had it not only looked. */
static void marks(struct sh_explanation *x, const struct sh_mode *mode, unsigned flags)
{
	const struct sh_format *f = &sh_formats[mode->format];

	for (unsigned l = x->w.top; l >= x->w.level && l; l--) {
		if (!f->level[l].has_a)
			continue;
		x->sets_a[l] = !(x->w.gpte[l] & PTE_A);
		x->sets_d[l] = l == x->w.level && flags & SH_WRITE && !(x->w.gpte[l] & PTE_D);
	}
}

/* ---- the shadow's side ---- */

/* What the last entry on the shadow's way would be after the fault, at most; 0: none can be. Mirrors
 * set_leaf() of fault.c: the guest's A and, for a write, D are set by then. */
static uint64_t after_fault(const struct sh_mmu *mmu, const struct sh_explanation *x,
			    const struct sh_mode *mode, unsigned flags)
{
	struct sh_role role = sh_role_root(mode, x->view, mmu->be.levels);
	mfn_t mfn = gmem_mfn(mmu->gm, gpa_gfn(x->w.gpa));
	bool dirty = flags & SH_WRITE || !x->w.level || x->w.gpte[x->w.level] & PTE_D;

	return sh_spte_leaf(role, x->w.access[x->w.level], dirty, true, mfn);
}

static bool is_leaf(unsigned level, uint64_t spte)
{
	return spte & PTE_P && (level == 1 || spte & PTE_PS);
}

static void why_hidden(struct sh_mmu *mmu, struct sh_explanation *x, uint64_t held)
{
	unsigned l = x->path.level;
	uint64_t spte = x->path.spte[l];

	if (!x->rooted) {
		blame(x, false, SH_BLAME_ROOT, mmu->be.levels, 0);
		return;
	}
	if (!is_leaf(l, spte)) {
		blame(x, false, held & SH_SET_NO_ACCESS ? SH_BLAME_HELD : SH_BLAME_MISSING, l,
		      spte);
		return;
	}
	if (x->sets_d[x->w.level])
		blame(x, false, SH_BLAME_DIRTY, l, spte);
	else if (held & SH_SET_NO_WRITE)
		blame(x, false, SH_BLAME_HELD, l, spte);
	else
		blame(x, false, SH_BLAME_NARROWER, l, spte);
}

/* The fault would begin to shadow what it walks through, if it is not shadowed yet. */
static bool walked_through(const struct sh_explanation *x, gfn_t gfn)
{
	for (unsigned l = x->w.top; l >= x->w.level && l; l--)
		if (gfn_eq(x->w.table[l], gfn))
			return true;
	return false;
}

static bool will_be_tracked(const struct sh_explanation *x, gfn_t gfn, uint64_t held)
{
	return held & SH_SET_TRACKED || (!(held & SH_SET_UNSYNC) && walked_through(x, gfn));
}

static enum sh_outcome permitted(struct sh_mmu *mmu, struct sh_explanation *x,
				 const struct sh_mode *mode, unsigned flags, bool hit)
{
	gfn_t gfn = gpa_gfn(x->w.gpa);
	uint64_t held, most;

	if (sh_gate_hides(mmu, x->w.gva))
		return SH_OUT_GATE;
	if (mfn_eq(gmem_mfn(mmu->gm, gfn), MFN_NONE))
		return SH_OUT_NO_RAM;
	if (hit)
		return SH_OUT_HIT;
	held = atomic_load(&mmu->rmap[gfn.v]);
	most = after_fault(mmu, x, mode, flags);
	if (!sh_spte_permits(most, flags)) {
		blame(x, false, SH_BLAME_VIEW, x->path.level, x->path.spte[x->path.level]);
		return SH_OUT_EMULATE;
	}
	if (flags & SH_WRITE && will_be_tracked(x, gfn, held) &&
	    !sh_mutant(SH_MUT_EXPLAIN_UNTRACKED)) {
		blame(x, false, SH_BLAME_TRACKED, x->path.level, x->path.spte[x->path.level]);
		return SH_OUT_TRACKED;
	}
	why_hidden(mmu, x, held);
	return SH_OUT_HIDDEN;
}

static bool shadow_permits(struct sh_mmu *mmu, struct sh_explanation *x, gva_t gva,
			   unsigned flags)
{
	unsigned l;

	x->rooted = x->rooted && sh_path(mmu, x->root, gva, &x->path);
	if (!x->rooted)
		return false;
	l = x->path.level;
	return is_leaf(l, x->path.spte[l]) && sh_spte_permits(x->path.spte[l], flags);
}

void sh_explain(struct sh_mmu *mmu, unsigned vcpu, const struct sh_regs *regs, gva_t gva,
		unsigned flags, struct sh_explanation *x)
{
	struct sh_mode mode = sh_mode_of(regs, &mmu->model);
	bool hit;

	memset(x, 0, sizeof(*x));
	x->view = sh_view_of(&mode, flags & SH_USER, flags & SH_AC);
	x->walked = sh_walk(mmu->gm, &mode, regs, gva, flags | SH_PEEK, &x->w);
	if (x->walked == SH_WALK_NOT_CANON) {
		x->outcome = SH_OUT_NOT_CANON;
		return;
	}
	x->rooted = sh_root_of(mmu, vcpu, regs, x->view, &x->root);
	hit = shadow_permits(mmu, x, x->w.gva, flags);
	if (x->walked == SH_WALK_FAULT) {
		why_fault(x, &mode, flags);
		x->outcome = hit ? SH_OUT_STALE_HIT : SH_OUT_TRUE;
		return;
	}
	marks(x, &mode, flags);
	x->outcome = permitted(mmu, x, &mode, flags, hit);
}
