/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Verdicts on shadow entries, one by one, along a table, an address space, or all tables.
 * Read first: diff.h, spte.h.
 */
#include "shadow/audit_report.h"
#include "shadow/diff.h"
#include "shadow/spte.h"

#define LOOKS 64 /* at an entry that looks wrong */

/* ---- one entry ---- */

struct look {
	struct sh_mmu *mmu;
	const struct sh_page *p; /* live in this read-side section */
	unsigned index;
	uint64_t spte, gpte;
};

/* The direct map's own tables have all rights but what its pages withhold. */
static bool of_direct_map(const struct sh_page *p)
{
	return p->role.format == SH_FMT_NONE && p->role.direct && !p->role.access;
}

/* What is there permits no more than most: does it permit all of it, and if not, why? */
static enum sh_verdict less(struct sh_mmu *mmu, gfn_t gfn, uint64_t spte, uint64_t most)
{
	uint64_t held = gfn.v < mmu->rmap_frames ? atomic_load(&mmu->rmap[gfn.v]) : 0;

	if (spte & PTE_W || !(most & PTE_W))
		return SH_VERDICT_SAME;
	if (held & SH_SET_TRACKED)
		return SH_VERDICT_TRACKED;
	return held & SH_SET_NO_WRITE ? SH_VERDICT_HELD : SH_VERDICT_LAZY;
}

static enum sh_verdict missing(struct sh_mmu *mmu, gfn_t gfn, uint64_t most)
{
	uint64_t held = gfn.v < mmu->rmap_frames ? atomic_load(&mmu->rmap[gfn.v]) : 0;

	if (!most || gfn.v >= mmu->rmap_frames)
		return SH_VERDICT_EMPTY;
	return held & SH_SET_NO_ACCESS ? SH_VERDICT_HELD : SH_VERDICT_LAZY;
}

/* A guest entry that was not accessed yet has no shadow entry; it would have one after that. */
static struct sh_expect expect(const struct look *l)
{
	struct sh_expect e = sh_expect(l->mmu, l->p->gfn, l->p->role, l->index, l->gpte);

	if (e.kind == SH_EXPECT_NONE && l->gpte & PTE_P && !l->spte)
		e = sh_expect(l->mmu, l->p->gfn, l->p->role, l->index, l->gpte | PTE_A);
	return e;
}

static enum sh_verdict judge_leaf(const struct look *l)
{
	struct sh_mmu *mmu = l->mmu;
	struct sh_expect e = expect(l);
	mfn_t mfn = e.kind == SH_EXPECT_LEAF ? gmem_mfn(mmu->gm, e.gfn) : MFN_NONE;
	uint64_t most = 0;

	if (!mfn_eq(mfn, MFN_NONE))
		most = sh_spte_leaf(l->p->role, e.access, e.dirty, true, mfn);
	if (!l->spte)
		return missing(mmu, e.gfn, most);
	if (l->spte & PTE_W && sh_tracked(mmu, gmem_gfn(mmu->gm, sh_spte_mfn(l->spte))) &&
	    !sh_mutant(SH_MUT_DIFF_UNTRACKED))
		return SH_VERDICT_WRONG;
	if (!most || sh_spte_narrows(l->spte, most))
		return sh_role_is_table(l->p->role) && sh_is_unsync(mmu, l->p->gfn)
			       ? SH_VERDICT_UNSYNC
			       : SH_VERDICT_WRONG;
	return less(mmu, e.gfn, l->spte, most);
}

static enum sh_verdict judge_large(const struct look *l, const struct sh_expect *e)
{
	struct sh_mmu *mmu = l->mmu;
	mfn_t mfn = sh_spte_mfn(l->spte);
	uint64_t most;

	if (e->kind != SH_EXPECT_TABLE || !e->role.direct ||
	    !gfn_eq(e->gfn, gmem_gfn(mmu->gm, mfn)) || l->p->role.level > SH_LARGE_LAST ||
	    atomic_load(&sh_region(mmu, l->p->role.level, e->gfn)->tracked))
		return SH_VERDICT_WRONG;
	most = sh_spte_leaf(e->role, sh_direct_access(e->role), e->role.dirty, true, mfn);
	return sh_spte_narrows(l->spte, most) ? SH_VERDICT_WRONG
					      : less(mmu, e->gfn, l->spte, most);
}

/* As in the audit: a table made before the large entry's D was set permits less, until it is replaced. */
static bool key_agrees(const struct sh_expect *e, const struct sh_page *child)
{
	struct sh_role want = e->role;

	if (child->role.direct && !child->role.dirty)
		want.dirty = 0;
	return gfn_eq(e->gfn, child->gfn) && sh_role_eq(want, child->role);
}

static enum sh_verdict judge_upper(const struct look *l)
{
	struct sh_expect e = expect(l);
	const struct sh_page *child;

	if (!l->spte)
		return e.kind == SH_EXPECT_TABLE ? SH_VERDICT_LAZY : SH_VERDICT_EMPTY;
	if (sh_spte_is_large(l->spte))
		return judge_large(l, &e);
	child = sh_spte_child(l->mmu, l->spte);
	if (!child || atomic_load(&child->state) != SH_PAGE_LIVE || e.kind != SH_EXPECT_TABLE)
		return SH_VERDICT_WRONG;
	return key_agrees(&e, child) ? SH_VERDICT_SAME : SH_VERDICT_WRONG;
}

static enum sh_verdict judge_direct_map(const struct look *l)
{
	uint64_t held =
		l->p->role.level == 1 && l->spte
			? atomic_load(
				  &l->mmu->rmap[gmem_gfn(l->mmu->gm, sh_spte_mfn(l->spte)).v])
			: 0;

	if (!l->spte || l->spte & PTE_W)
		return l->spte ? SH_VERDICT_SAME : SH_VERDICT_EMPTY;
	return held & SH_SET_TRACKED ? SH_VERDICT_TRACKED : SH_VERDICT_HELD;
}

static enum sh_verdict judge(const struct look *l)
{
	if (of_direct_map(l->p))
		return judge_direct_map(l);
	return l->p->role.level > 1 ? judge_upper(l) : judge_leaf(l);
}

static bool is_gate(const struct look *l)
{
	return l->index == 256 && l->p->role.level == l->mmu->be.levels &&
	       l->mmu->be.gate_entry;
}

/* Reads the entry and what it is made from, and judges; again while it looks wrong and something
 * changed. */
static enum sh_verdict settle(struct look *l)
{
	struct sh_mmu *mmu = l->mmu;

	for (unsigned i = 0; i < LOOKS; i++) {
		enum sh_verdict v;
		struct sh_look look;

		sh_look_begin(mmu, &look);
		l->spte = atomic_load_explicit(&sh_page_table(mmu, l->p)[l->index],
					       memory_order_acquire);
		l->gpte = sh_page_gpte(mmu, l->p, l->index);
		v = is_gate(l) ? SH_VERDICT_EMPTY : judge(l);
		if (v != SH_VERDICT_WRONG || sh_mutant(SH_MUT_DIFF_ONE_LOOK))
			return v;
		if (atomic_load(&l->p->invalid) || atomic_load(&l->p->state) != SH_PAGE_LIVE)
			return SH_VERDICT_EMPTY; /* on its way out */
		if (sh_look_end(mmu, &look))
			return v;
	}
	return SH_VERDICT_UNSETTLED;
}

/* ---- a table ---- */

static struct sh_page *live(struct sh_mmu *mmu, mfn_t table)
{
	uint64_t frame = table.v - mmu->be.table_mfn.v;
	struct sh_page *p = frame < mmu->be.tables ? &mmu->pages[frame] : NULL;

	return p && atomic_load_explicit(&p->state, memory_order_acquire) == SH_PAGE_LIVE
		       ? p
		       : NULL;
}

unsigned sh_table_entries(struct sh_mmu *mmu, mfn_t table, unsigned *index, struct sh_entry *e,
			  unsigned n)
{
	unsigned found = 0;
	struct look l = {.mmu = mmu};

	sh_look_lock();
	l.p = live(mmu, table);
	for (; l.p && *index < SH_ENTRIES && found < n; ++*index) {
		l.index = *index;
		e[found].verdict = settle(&l);
		if (!l.spte && !l.gpte)
			continue;
		e[found].index = l.index;
		e[found].spte = l.spte;
		e[found++].gpte = l.gpte;
	}
	sh_look_unlock();
	return found;
}

/* ---- an address space ---- */

/* Down the shadow tables to the last entry on the way, or the first that is wrong. */
static enum sh_verdict descend(struct sh_mmu *mmu, mfn_t root, struct sh_diff *d)
{
	struct look l = {.mmu = mmu, .p = live(mmu, root)};
	enum sh_verdict v = SH_VERDICT_EMPTY;

	d->scan.done |= !l.p;
	while (l.p) {
		unsigned level = l.p->role.level;
		unsigned shift = sh_shadow_shift(level);

		l.index = (unsigned)(d->scan.at.v >> shift) & (SH_ENTRIES - 1);
		v = settle(&l);
		d->scan.level = level;
		d->scan.size = 1ull << shift;
		d->scan.entry = l.spte;
		if (level == 1 || v == SH_VERDICT_WRONG || !(l.spte & PTE_P))
			break;
		l.p = sh_spte_child(mmu, l.spte);
	}
	return v;
}

/* Whether a walk found a leaf that this tree may map. */
static bool may_map(struct sh_mmu *mmu, mfn_t root, const struct sh_mode *mode,
		    const struct sh_walk *w, enum sh_walk_result r)
{
	struct sh_page *p = live(mmu, root);
	mfn_t mfn = gmem_mfn(mmu->gm, gpa_gfn(w->gpa));

	(void)mode;
	return r == SH_WALK_OK && p && !mfn_eq(mfn, MFN_NONE) &&
	       sh_spte_leaf(p->role, w->access[w->level], true, true, mfn);
}

/* Where the shadow has nothing, the guest's tables say how far that goes. */
static enum sh_verdict absent(struct sh_mmu *mmu, mfn_t root, const struct sh_mode *mode,
			      const struct sh_walk *w, enum sh_walk_result r, struct sh_diff *d)
{
	const struct sh_format *f = &sh_formats[mode->format];
	uint64_t span = f->levels ? sh_span(f, w->level) : SH_PAGE_SIZE;

	if (r == SH_WALK_NOT_CANON) /* no level was reached */
		return SH_VERDICT_EMPTY;
	if (d->verdict == SH_VERDICT_HELD)
		return SH_VERDICT_HELD;
	if (span < d->scan.size)
		d->scan.size = span;
	return may_map(mmu, root, mode, w, r) ? SH_VERDICT_LAZY : SH_VERDICT_EMPTY;
}

/* A user page is no supervisor's under SMAP, but what it maps is wanted all the same. */
static unsigned walk_flags(struct sh_mmu *mmu, mfn_t root)
{
	struct sh_page *p = live(mmu, root);

	return SH_PEEK | (p && p->role.user ? SH_USER : SH_AC);
}

static void step(struct sh_mmu *mmu, mfn_t root, const struct sh_mode *mode,
		 const struct sh_regs *regs, struct sh_diff *d)
{
	enum sh_walk_result r;
	struct sh_walk w;

	sh_look_lock();
	d->verdict = descend(mmu, root, d);
	r = sh_walk(mmu->gm, mode, regs, d->scan.at, walk_flags(mmu, root), &w);
	d->gpte = r == SH_WALK_NOT_CANON ? 0 : w.gpte[w.level];
	if (!(d->scan.entry & PTE_P) && !d->scan.done)
		d->verdict = absent(mmu, root, mode, &w, r, d);
	sh_look_unlock();
}

/* Beyond what the guest's format translates there is nothing. */
static bool beyond(const struct sh_mode *mode, const struct sh_scan *s)
{
	const struct sh_format *f = &sh_formats[mode->format];

	return !f->canonical && f->va_bits && s->at.v >> f->va_bits;
}

bool sh_diff_next(struct sh_mmu *mmu, mfn_t root, const struct sh_mode *mode,
		  const struct sh_regs *regs, struct sh_diff *d)
{
	const struct sh_format *f = &sh_formats[mode->format];
	struct sh_scan *s = &d->scan;
	/* The hole is the guest's: five levels of shadow may stand for four of the guest. */
	unsigned bits = f->canonical ? f->va_bits : sh_shadow_shift(mmu->be.levels) + 9;

	while (!s->done && s->steps && s->at.v <= s->last.v && !beyond(mode, s)) {
		uint64_t next;

		s->steps--;
		step(mmu, root, mode, regs, d);
		if (s->done)
			return false;
		s->gva = GVA(s->at.v & ~(s->size - 1));
		next = (s->at.v | (s->size - 1)) + 1;
		if (next >> (bits - 1) == 1)
			next = ~0ull << (bits - 1);
		s->done = !next;
		s->at = GVA(next);
		if (d->verdict != SH_VERDICT_EMPTY)
			return true;
	}
	s->done |= s->steps || s->at.v > s->last.v;
	return false;
}

/* ---- everything ---- */

static void audit_page(struct look *l, struct sh_report *rep, struct sh_live *out)
{
	out->tables++;
	for (l->index = 0; l->index < SH_ENTRIES; l->index++) {
		enum sh_verdict v;

		if (!atomic_load_explicit(&sh_page_table(l->mmu, l->p)[l->index],
					  memory_order_relaxed))
			continue;
		v = settle(l);
		out->entries++;
		out->unsync += v == SH_VERDICT_UNSYNC;
		out->unsettled += v == SH_VERDICT_UNSETTLED;
		if (v == SH_VERDICT_WRONG)
			sh_report(rep, "entry permits more than the guest",
				  sh_slot(l->mmu, l->p, l->index), l->spte);
	}
}

unsigned sh_audit_live(struct sh_mmu *mmu, char *buf, size_t n, struct sh_live *out)
{
	struct sh_report rep = {.buf = buf, .size = n};

	*out = (struct sh_live){0};
	for (unsigned b = 0; b < SH_HASH_BUCKETS; b++) {
		struct look l = {.mmu = mmu};
		struct sh_page *p;

		sh_look_lock();
		p = atomic_load_explicit(&mmu->hash[b], memory_order_acquire);
		for (; p; p = atomic_load_explicit(&p->hash_next, memory_order_acquire)) {
			l.p = p;
			audit_page(&l, &rep, out);
		}
		sh_look_unlock();
	}
	return rep.count;
}
