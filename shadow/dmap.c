/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The direct map's life: which frames it covers, its first tables, its root.
 *
 * It is made when it is first asked for, with mmu->lock held, complete before anybody can see it, and
 * lives as long as the MMU. Its tables come out of the pool and are on none of the pool's lists, so
 * that reclaim never sees them; its root has one pin of its own.
 * Locks: mmu->lock to make it. Read first: dmap_internal.h. Read next: dmap_walk.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "shadow/dmap_internal.h"
#include "shadow/spte.h"

static void add_ram(struct sh_dmap *dm)
{
	unsigned n;
	const struct gmem_region *r = gmem_regions(dm->mmu->gm, &n);

	for (unsigned i = 0; i < n; i++)
		dm->region[dm->regions++] =
			(struct dm_region){r[i].gfn.v, r[i].frames, r[i].mfn, dm->cfg.attr};
}

/* The leaf of this level at f; 0 where none can map it all. */
static uint64_t leaf_at(const struct sh_dmap *dm, uint64_t f, unsigned level)
{
	const struct dm_region *r = dm_region(dm, f);
	uint64_t n = dm_frames(level), into = r ? f - r->first : 0;

	if (level > dm->largest || !r || r->frames - into < n || (r->mfn.v + into) & (n - 1))
		return 0;
	return dm_make(level, MFN(r->mfn.v + into), r->attr, true);
}

static bool any_at(const struct sh_dmap *dm, uint64_t f, unsigned level)
{
	for (unsigned i = 0; i < dm->regions; i++)
		if (dm->region[i].first < f + dm_frames(level) &&
		    dm->region[i].first + dm->region[i].frames > f)
			return true;
	return false;
}

/* Tables below a table of this level. */
static uint64_t tables_below(const struct sh_dmap *dm, uint64_t base, unsigned level)
{
	uint64_t n = 0, f = base;

	for (unsigned i = 0; i < SH_ENTRIES; i++, f += dm_frames(level))
		if (level > 1 && any_at(dm, f, level) && !leaf_at(dm, f, level))
			n += 1 + tables_below(dm, f, level - 1);
	return n;
}

static struct sh_page *build(struct sh_dmap *dm, uint64_t base, unsigned level);

static uint64_t build_entry(struct sh_dmap *dm, uint64_t f, unsigned level)
{
	uint64_t e = leaf_at(dm, f, level);
	struct sh_page *t;

	if (e) {
		dm_count_at(dm, DM_PAGES, level, 1);
		return e;
	}
	if (level == 1 || !any_at(dm, f, level))
		return 0;
	t = build(dm, f, level - 1);
	return t ? sh_spte_table(sh_page_mfn(dm->mmu, t)) : 0;
}

/* All of the tables are in the reserve, or were made available. */
static struct sh_page *build(struct sh_dmap *dm, uint64_t base, unsigned level)
{
	struct sh_page *t = sh_pool_get(dm->mmu);
	_Atomic uint64_t *table;
	uint64_t f = base;

	if (!t)
		return NULL;
	table = sh_page_table(dm->mmu, t);
	t->gfn = GFN(base);
	t->role = (struct sh_role){.level = level & 7, .format = SH_FMT_NONE, .direct = 1};
	for (unsigned i = 0; i < SH_ENTRIES; i++, f += dm_frames(level)) {
		uint64_t e = build_entry(dm, f, level);

		atomic_store_explicit(&table[i], e, memory_order_relaxed);
		atomic_fetch_add(&t->present, e != 0);
	}
	atomic_fetch_add(&dm->tables, 1);
	atomic_store_explicit(&t->state, SH_PAGE_LIVE, memory_order_release);
	return t;
}

/* Nobody has seen them. */
static void unbuild(struct sh_dmap *dm, struct sh_page *t)
{
	_Atomic uint64_t *table = sh_page_table(dm->mmu, t);

	for (unsigned i = 0; i < SH_ENTRIES; i++) {
		uint64_t e = atomic_load_explicit(&table[i], memory_order_relaxed);

		atomic_store_explicit(&table[i], 0, memory_order_relaxed);
		if (e & PTE_P && !(e & DM_LEAF) && t->role.level > 1)
			unbuild(dm, sh_spte_child(dm->mmu, e));
	}
	sh_pool_dying(dm->mmu, t);
}

static int build_all(struct sh_dmap *dm, struct sh_vcpu *v)
{
	struct sh_mmu *mmu = dm->mmu;
	uint64_t need = 1 + tables_below(dm, 0, mmu->be.levels);

	/* What is left must do for everything else. */
	if (mmu->limit < need + DM_RESERVE + SH_MIN_TABLES ||
	    sh_reclaim_reserve(mmu, v, (unsigned)need + DM_RESERVE))
		return -ENOMEM;
	dm->root = build(dm, 0, mmu->be.levels);
	if (!dm->root || atomic_load(&dm->tables) != need) {
		if (dm->root)
			unbuild(dm, dm->root);
		return -ENOMEM;
	}
	if (mmu->be.gate_entry)
		atomic_store(&sh_page_table(mmu, dm->root)[256], mmu->be.gate_entry);
	atomic_store(&dm->root->pins, 1);
	return 0;
}

static unsigned largest_of(const struct sh_mmu *mmu, const struct sh_dmap_config *cfg)
{
	unsigned most = mmu->be.gb_pages ? 3 : 2;

	return cfg->largest && cfg->largest < most ? cfg->largest : most;
}

static struct sh_dmap *plan(struct sh_mmu *mmu)
{
	struct sh_dmap *dm;

	if (sh_inject(&mmu->inject, SH_INJECT_DMAP))
		return NULL;
	sh_may_wait();
	dm = calloc(1, sizeof(*dm));
	if (!dm)
		return NULL;
	dm->mmu = mmu;
	dm->cfg = mmu->dmap_cfg;
	dm->cfg.attr = dm->cfg.attr ? dm->cfg.attr : SH_DM_RWXU;
	dm->serves = (dm->cfg.attr & SH_DM_RWXU) == SH_DM_RWXU;
	dm->wx = (dm->cfg.attr & (SH_DM_W | SH_DM_X)) != (SH_DM_W | SH_DM_X);
	dm->largest = largest_of(mmu, &dm->cfg);
	add_ram(dm);
	dm_debug_region(dm);
	return dm;
}

/* Frames that became tables before there was a direct map. */
static void track_all(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	for (struct sh_page *p = mmu->lru.list_next; p != &mmu->lru; p = p->list_next)
		if (sh_role_is_table(p->role) && sh_tracked(mmu, p->gfn))
			sh_dmap_track(mmu, v, p->gfn);
}

static int create(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	struct sh_dmap *dm;

	if (!mmu->opt.on[SH_OPT_DMAP])
		return -EOPNOTSUPP;
	if (dm_of(mmu))
		return 0;
	dm = plan(mmu);
	if (!dm)
		return -ENOMEM;
	if (build_all(dm, v)) {
		free(dm);
		return -ENOMEM;
	}
	dm_refill(dm, v);
	atomic_store_explicit(&mmu->dmap, dm, memory_order_release);
	track_all(mmu, v);
	return 0;
}

int sh_dmap_create(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	int err;

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	err = create(mmu, v);
	pthread_mutex_unlock(&mmu->lock);
	return err;
}

void sh_dmap_fini(struct sh_mmu *mmu)
{
	free(dm_of(mmu));
}

struct sh_page *sh_dmap_root_page(struct sh_mmu *mmu, struct sh_vcpu *v)
{
	return create(mmu, v) || !dm_of(mmu)->serves ? NULL : dm_of(mmu)->root;
}

bool sh_dmap_is_root(struct sh_mmu *mmu, const struct sh_page *p)
{
	struct sh_dmap *dm = dm_of(mmu);

	return dm && dm->root == p;
}

bool sh_dmap_root(struct sh_mmu *mmu, mfn_t *root)
{
	struct sh_dmap *dm = dm_of(mmu);

	if (!dm || !dm->serves)
		return false;
	*root = sh_page_mfn(mmu, dm->root);
	return true;
}
