/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Large leaves: an upper entry that maps 2 MiB or 1 GiB itself, where its key asks for a direct
 * table (a large page of the guest's, or paging is off).
 *
 * A large leaf says what the direct table would say in all of its entries, so it is set only where
 * they would all say the same: everything is RAM, in one run of machine frames, and no frame inside
 * is tracked. sh_track() of a frame drops the large leaves around it first, writable or not; from
 * then on the direct table stands in, 4 KiB at a time.
 *
 * Thrash. A region where tables come and go must not be split and made large again for each of
 * them. Where no table is in the way yet, a region that was never split is made large at its first
 * fault. A direct table that stands is replaced only after it has taken RIPE << splits faults, and
 * each split doubles that, so that a region pays for a bounded number of turns; as prefetch fills a
 * table in 16 faults, one split three times mostly stays small.
 *
 * Invariants: an upper entry is a large leaf exactly if its slot is in its region's set; then the
 * region has no tracked frame. An entry is never turned from a table into a leaf or back in one
 * store: what stood there goes first, with its record, and of a table also what the hardware
 * remembers (SDM vol. 3, section 4.10.2.3: no two page sizes for one address at a time).
 * Locks: mmu->lock for everything but sh_large_wanted(); the page's lock around the entry itself.
 * Read first: spte.h, link.c. Read next: track.c, audit_large.c.
 */
#include <sys/mman.h>

#include "shadow/spte.h"

#define RIPE	   4u
#define MAX_SPLITS 16u /* where the threshold stops growing */

static uint64_t frames_of(unsigned level)
{
	return 1ull << (9 * (level - 1));
}

uint64_t sh_regions(const struct sh_mmu *mmu, unsigned level)
{
	return (mmu->rmap_frames + frames_of(level) - 1) / frames_of(level);
}

struct sh_region *sh_region(const struct sh_mmu *mmu, unsigned level, gfn_t gfn)
{
	return &mmu->region[level - SH_LARGE_FIRST][gfn.v >> (9 * (level - 1))];
}

static size_t map_bytes(const struct sh_mmu *mmu)
{
	uint64_t n = 0;

	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++)
		n += sh_regions(mmu, l);
	return n * sizeof(struct sh_region);
}

bool sh_large_init(struct sh_mmu *mmu)
{
	struct sh_region *r;

	sh_may_wait();
	r = mmap(NULL, map_bytes(mmu), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (r == MAP_FAILED)
		return false;
	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++) {
		mmu->region[l - SH_LARGE_FIRST] = r;
		r += sh_regions(mmu, l);
	}
	return true;
}

void sh_large_fini(struct sh_mmu *mmu)
{
	if (mmu->region[0])
		munmap(mmu->region[0], map_bytes(mmu));
}

/* The machine frame a large leaf at this level would map; MFN_NONE if none can map it all. */
static mfn_t large_mfn(const struct sh_mmu *mmu, gfn_t gfn, unsigned level)
{
	uint64_t frames = frames_of(level);
	mfn_t mfn = sh_mutant(SH_MUT_LARGE_PAST_RAM) ? gmem_mfn(mmu->gm, gfn)
						     : gmem_run(mmu->gm, gfn, frames);

	if (mfn_eq(mfn, MFN_NONE) || (mfn.v | gfn.v) & (frames - 1))
		return MFN_NONE;
	return mfn;
}

static bool level_has_leaves(const struct sh_mmu *mmu, unsigned level)
{
	return level == 2 || (level == 3 && (mmu->be.gb_pages || sh_mutant(SH_MUT_LARGE_1G)));
}

uint64_t sh_large_entry(const struct sh_mmu *mmu, const struct sh_expect *e)
{
	unsigned level = e->role.level + 1u;
	struct sh_role role = e->role;
	uint64_t spte;
	mfn_t mfn;

	if (!mmu->opt.on[SH_OPT_LARGE] || e->kind != SH_EXPECT_TABLE || !role.direct ||
	    !level_has_leaves(mmu, level))
		return 0;
	mfn = large_mfn(mmu, e->gfn, level);
	if (mfn_eq(mfn, MFN_NONE))
		return 0;
	if (atomic_load(&sh_region(mmu, level, e->gfn)->tracked) &&
	    !sh_mutant(SH_MUT_LARGE_OVER_TRACKED))
		return 0;
	if (sh_mutant(SH_MUT_LARGE_ALL_RIGHTS))
		role.access = SH_ACC_ALL;
	spte = sh_spte_leaf(role,
			    sh_mutant(SH_MUT_LARGE_KEY_IGNORED) ? role.access
								: sh_direct_access(role),
			    role.dirty || sh_mutant(SH_MUT_LARGE_D_NOT_REQUIRED), true, mfn);
	return spte ? spte | PTE_PS : 0;
}

uint64_t sh_large_wanted(const struct sh_mmu *mmu, const struct sh_page *p, unsigned index,
			 const struct sh_page *child, const struct sh_expect *e)
{
	uint32_t heat = child ? atomic_load_explicit(&child->heat, memory_order_relaxed) : 0;
	uint32_t splits;
	uint64_t spte;

	if (child && heat < RIPE)
		return 0;
	spte = sh_large_entry(mmu, e);
	if (!spte || sh_spte_is_large(atomic_load(&sh_page_table(mmu, p)[index])))
		return spte;
	splits = atomic_load_explicit(&sh_region(mmu, p->role.level, e->gfn)->splits,
				      memory_order_relaxed);
	if (child ? heat < RIPE << splits : splits > 0)
		return 0;
	return spte;
}

static void gauge(struct sh_mmu *mmu, unsigned level, uint64_t n)
{
	atomic_fetch_add_explicit(&mmu->large_pages[level - SH_LARGE_FIRST], n,
				  memory_order_relaxed);
}

void sh_large_unlinked(struct sh_mmu *mmu, struct sh_page *p, unsigned index, uint64_t old)
{
	gfn_t gfn = gmem_gfn(mmu->gm, sh_spte_mfn(old));

	if (!sh_mutant(SH_MUT_LARGE_STALE_RMAP))
		sh_set_del(mmu, &sh_region(mmu, p->role.level, gfn)->leaves,
			   sh_slot(mmu, p, index));
	gauge(mmu, p->role.level, -1ull);
}

/* Over nothing or over a large leaf of the same frames. */
static void put(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index,
		uint64_t old, uint64_t new)
{
	pthread_spin_lock(&p->lock);
	sh_change_begin(mmu, v);
	atomic_store_explicit(&sh_page_table(mmu, p)[index], new, memory_order_release);
	sh_change_end(mmu, v);
	atomic_store(&p->flood, 0);
	pthread_spin_unlock(&p->lock);
	if (old & PTE_P)
		mmu->be.touch(mmu->be.ctx, v, sh_slot_mpa(mmu, sh_slot(mmu, p, index)));
	if (sh_spte_narrows(old, new))
		sh_dropped(mmu);
	sh_trace(mmu, v, set_spte, p->role.level, sh_slot_mpa(mmu, sh_slot(mmu, p, index)).v,
		 old, new, gmem_gfn(mmu->gm, sh_spte_mfn(new)).v);
}

static bool same_frames(uint64_t old, uint64_t new)
{
	return sh_spte_is_large(old) && mfn_eq(sh_spte_mfn(old), sh_spte_mfn(new));
}

/* What is not a large leaf of these frames goes, out of the hardware's memory too. */
static uint64_t make_room(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
			  unsigned index, uint64_t old, uint64_t new)
{
	if (!(old & PTE_P) || same_frames(old, new) || sh_mutant(SH_MUT_LARGE_OVER_TABLE))
		return old;
	sh_unlink(mmu, v, p, index);
	sh_flush_drops(mmu, v);
	return 0;
}

enum sh_fault_result sh_large_set(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
				  unsigned index, gfn_t gfn, uint64_t new)
{
	struct sh_region *r = sh_region(mmu, p->role.level, gfn);
	uint64_t old = atomic_load(&sh_page_table(mmu, p)[index]);

	if (old == new)
		return SH_FAULT_SPURIOUS;
	old = make_room(mmu, v, p, index, old, new);
	if (!sh_spte_is_large(old)) {
		if (sh_set_add(mmu, &r->leaves, sh_slot(mmu, p, index)))
			return SH_FAULT_HOST;
		atomic_fetch_add(&p->present, 1);
		gauge(mmu, p->role.level, 1);
		sh_count(mmu, v, SH_ST_LARGE, 1);
	}
	put(mmu, v, p, index, old, new);
	atomic_fetch_add_explicit(&p->heat, p->role.direct, memory_order_relaxed);
	return SH_FAULT_RESUME;
}

void sh_large_update(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index)
{
	uint64_t old = atomic_load(&sh_page_table(mmu, p)[index]), new;
	struct sh_expect e =
		sh_expect(mmu, p->gfn, p->role, index, sh_page_gpte(mmu, p, index));

	new = sh_large_entry(mmu, &e);
	if (new == old || sh_mutant(SH_MUT_LARGE_WRITE_LOST))
		return;
	if (new &&same_frames(old, new) && mmu->opt.on[SH_OPT_INPLACE]) {
		put(mmu, v, p, index, old, new);
		sh_count(mmu, v, SH_ST_PTE_UPDATED, 1);
		return;
	}
	sh_unlink(mmu, v, p, index);
	sh_count(mmu, v, SH_ST_PTE_ZAPPED, 1);
}

static void split(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_region *r)
{
	sh_slot_t s = sh_set_at(&r->leaves, 0);
	uint32_t splits = atomic_load(&r->splits);

	if (s == SH_SLOT_NONE || sh_mutant(SH_MUT_TRACK_NO_SPLIT))
		return;
	if (splits < MAX_SPLITS)
		atomic_store(&r->splits, splits + 1);
	/* A record that stays has no leaf: that is a bug, and the audit's to report. */
	for (sh_slot_t before = SH_SLOT_NONE; s != before; s = sh_set_at(&r->leaves, 0)) {
		if (s == SH_SLOT_NONE)
			return;
		sh_trace(mmu, v, split, sh_slot_page(mmu, s)->role.level,
			 sh_slot_mpa(mmu, s).v);
		sh_unlink(mmu, v, sh_slot_page(mmu, s), s % SH_ENTRIES);
		sh_count(mmu, v, SH_ST_LARGE_SPLIT, 1);
		before = s;
	}
}

void sh_large_track(struct sh_mmu *mmu, struct sh_vcpu *v, gfn_t gfn)
{
	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++) {
		atomic_fetch_add(&sh_region(mmu, l, gfn)->tracked, 1);
		split(mmu, v, sh_region(mmu, l, gfn));
	}
}

void sh_large_untrack(struct sh_mmu *mmu, gfn_t gfn)
{
	if (sh_mutant(SH_MUT_REGION_COUNT_LOST))
		return;
	for (unsigned l = SH_LARGE_FIRST; l <= SH_LARGE_LAST; l++)
		atomic_fetch_sub(&sh_region(mmu, l, gfn)->tracked, 1);
}
