/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Making and unmaking the MMU and its vCPUs; paging registers and the roots that follow from them.
 *
 * Invariants: v->root[view] is pinned from the moment it is looked up until the registers change;
 * v->loaded is pinned as long as the hardware's CR3 may name it (a top-level table is let go only
 * after the hardware has left it).
 * Locks: a vCPU's own fields belong to its thread; pins go from 0 to 1 under mmu->lock only.
 * Read first: mmu.h, page.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shadow/dmap.h"
#include "shadow/gmem_internal.h"
#include "shadow/defer.h"
#include "shadow/shootdown.h"
#include "shadow/unsync.h"

static int check_config(const struct sh_mmu_config *cfg)
{
	if (!cfg->gm || !cfg->backend.table_mem || cfg->backend.tables < SH_MIN_TABLES)
		return -EINVAL;
	if (cfg->limit && cfg->limit < SH_MIN_TABLES)
		return -EINVAL;
	if (cfg->backend.levels &&
	    (cfg->backend.levels < 4 || cfg->backend.levels > SH_MAX_LEVEL))
		return -EINVAL;
	if (cfg->model.maxphyaddr < 32 || cfg->model.maxphyaddr > 52)
		return -EINVAL;
	return 0;
}

int sh_mmu_create(const struct sh_mmu_config *cfg, struct sh_mmu **out)
{
	struct sh_mmu *mmu;
	int err = check_config(cfg);

	if (err)
		return err;
	sh_may_wait();
	mmu = aligned_alloc(64, sizeof(*mmu));
	if (!mmu)
		return -ENOMEM;
	memset(mmu, 0, sizeof(*mmu));
	mmu->gm = cfg->gm;
	mmu->be = cfg->backend;
	mmu->be.levels = mmu->be.levels ? mmu->be.levels : 4;
	mmu->model = cfg->model;
	mmu->opt = cfg->options;
	mmu->dmap_cfg = cfg->dmap;
	mmu->no_thread = cfg->no_thread;
	mmu->limit = cfg->limit && cfg->limit < mmu->be.tables ? cfg->limit : mmu->be.tables;
	pthread_mutex_init(&mmu->lock, NULL);
	err = sh_pool_init(mmu);
	if (!err)
		err = sh_rmap_init(mmu);
	if (!err)
		err = sh_unsync_init(mmu);
	if (!err)
		err = sh_shootdown_init(mmu);
	if (!err)
		err = sh_defer_init(mmu);
	if (err) {
		sh_mmu_destroy(mmu);
		return err;
	}
	gmem_set_inject(mmu->gm, &mmu->inject);
	*out = mmu;
	return 0;
}

struct sh_inject *sh_mmu_inject(struct sh_mmu *mmu)
{
	return &mmu->inject;
}

static void zap_all(struct sh_mmu *mmu)
{
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	while (mmu->lru.list_next != &mmu->lru)
		sh_page_zap(mmu, NULL, mmu->lru.list_next);
	pthread_mutex_unlock(&mmu->lock);
}

unsigned sh_mmu_destroy(struct sh_mmu *mmu)
{
	unsigned left = 0;

	if (!mmu)
		return 0;
	gmem_set_inject(mmu->gm, NULL);
	if (mmu->pages && mmu->rmap && mmu->descs && mmu->unsync && mmu->sd && mmu->defer) {
		for (struct sh_page *p = mmu->lru.list_next; p != &mmu->lru; p = p->list_next)
			left += atomic_load(&p->pins);
		zap_all(mmu);
		left += (unsigned)(sh_desc_live(mmu) + sh_leaves(mmu)) + sh_unsync_count(mmu);
		for (unsigned i = 0; i < SH_LARGE_LEVELS; i++)
			left += (unsigned)atomic_load(&mmu->large_pages[i]);
	}
	sh_defer_fini(mmu);
	sh_dmap_fini(mmu);
	sh_trace_fini(mmu);
	sh_shootdown_fini(mmu);
	sh_unsync_fini(mmu);
	sh_rmap_fini(mmu);
	sh_pool_fini(mmu);
	pthread_mutex_destroy(&mmu->lock);
	free(mmu);
	return left;
}

int sh_vcpu_create(struct sh_mmu *mmu, unsigned index, struct sh_vcpu **out)
{
	struct sh_vcpu *v;
	bool taken;

	if (index >= SH_MAX_VCPUS)
		return -EINVAL;
	sh_may_wait();
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->mmu = mmu;
	v->index = index;
	v->mode = sh_mode_of(&v->regs, &mmu->model);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	taken = mmu->vcpus & 1ull << index;
	if (!taken)
		sh_shootdown_fresh(mmu, index);
	mmu->vcpus |= 1ull << index;
	pthread_mutex_unlock(&mmu->lock);
	if (taken) {
		free(v);
		return -EINVAL;
	}
	sh_seen_set(mmu, index, &v->regs);
	*out = v;
	return 0;
}

static void unpin(struct sh_vcpu *v, struct sh_page *p)
{
	struct sh_mmu *mmu = v->mmu;

	if (!p || atomic_fetch_sub(&p->pins, 1) != 1 || mmu->opt.on[SH_OPT_ROOTCACHE])
		return;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	if (p->state == SH_PAGE_LIVE && !atomic_load(&p->pins))
		sh_page_zap(mmu, v, p);
	pthread_mutex_unlock(&mmu->lock);
}

static void drop_roots(struct sh_vcpu *v)
{
	for (unsigned i = 0; i < SH_VIEWS; i++) {
		struct sh_page *p = v->root[i];

		v->root[i] = NULL;
		unpin(v, p);
	}
}

/* The PDPTEs were loaded: what was made from other values goes (SDM vol. 3, section 4.4.1). */
static void load_pdptes(struct sh_vcpu *v, const uint64_t pdpte[4])
{
	_Atomic uint64_t *now = v->mmu->pdpte[v->index];
	struct sh_page *p = NULL;
	unsigned same = 0;

	while (same < 4 && atomic_load(&now[same]) == pdpte[same])
		same++;
	if (same == 4)
		return;
	sh_may_wait();
	pthread_mutex_lock(&v->mmu->lock);
	sh_change_begin(v->mmu, v);
	for (unsigned i = 0; i < 4; i++)
		atomic_store(&now[i], pdpte[i]);
	while ((p = sh_page_of_vcpu(v->mmu, v->index, p)))
		for (unsigned i = 0; i < 4; i++)
			sh_update_upper(v->mmu, v, p, i);
	sh_change_end(v->mmu, v);
	pthread_mutex_unlock(&v->mmu->lock);
}

void sh_vcpu_destroy(struct sh_vcpu *v)
{
	static const uint64_t none[4];
	struct sh_mmu *mmu;

	if (!v)
		return;
	mmu = v->mmu;
	drop_roots(v);
	unpin(v, v->loaded);
	load_pdptes(v, none);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	mmu->vcpus &= ~(1ull << v->index);
	pthread_mutex_unlock(&mmu->lock);
	sh_seen_set(mmu, v->index, NULL);
	free(v);
}

unsigned sh_vcpu_index(const struct sh_vcpu *v)
{
	return v->index;
}

const struct sh_mode *sh_vcpu_mode(const struct sh_vcpu *v)
{
	return &v->mode;
}

const struct sh_regs *sh_vcpu_regs(const struct sh_vcpu *v)
{
	return &v->regs;
}

/* The current context's translations go. Passing through the lock waits for tracked writes that are
 * under way: what they stored may be why the guest flushes. */
static void forget_current(struct sh_vcpu *v)
{
	struct sh_mmu *mmu = v->mmu;

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	sh_unsync_sync_root(mmu, v);
	pthread_mutex_unlock(&mmu->lock);
	v->large_seen = atomic_load(&mmu->large_drops);
	sh_count(mmu, v, SH_ST_TLB_FLUSH, 1);
	sh_trace(mmu, v, flush, 0, atomic_load(&mmu->drops));
	sh_forget_all(v);
}

/* INVLPG drops all of a large page, whatever pieces of it are cached (SDM vol. 3, section 4.10.4.1,
 * first footnote), and the hardware here may know nothing but pieces. Whether the page is large now
 * the guest's tables say; whether it was until lately is not known any more, so that any that has
 * gone since this vCPU last forgot everything counts. */
static bool may_be_large(struct sh_vcpu *v, gva_t gva)
{
	const struct sh_format *f = &sh_formats[v->mode.format];
	struct sh_walk w;

	if (sh_mutant(SH_MUT_INVLPG_ONE_PIECE))
		return false;
	if (v->large_seen != atomic_load(&v->mmu->large_drops))
		return true;
	if (!f->levels ||
	    sh_walk(v->mmu->gm, &v->mode, &v->regs, gva, SH_PEEK, &w) == SH_WALK_NOT_CANON)
		return false;
	return w.level > 1 && w.gpte[w.level] & PTE_P &&
	       sh_gpte_large(f, &v->mode, w.level, w.gpte[w.level]);
}

void sh_invlpg(struct sh_vcpu *v, gva_t gva)
{
	struct sh_mmu *mmu = v->mmu;

	if (sh_mutant(SH_MUT_INVLPG_LOST))
		return;
	sh_trace(mmu, v, invlpg, 0, gva.v);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	sh_unsync_sync_va(mmu, v, gva);
	pthread_mutex_unlock(&mmu->lock);
	sh_count(mmu, v, SH_ST_INVLPG, 1);
	sh_count(mmu, v, SH_ST_TLB_FLUSH, 1);
	if (may_be_large(v, gva)) {
		v->large_seen = atomic_load(&mmu->large_drops);
		sh_forget_all(v);
		return;
	}
	mmu->be.invalidate(mmu->be.ctx, v, sh_linear(&sh_formats[v->mode.format], gva));
}

/* Global translations of any context are found by any other: what a context left behind may hold is
 * then unknown, too. */
void sh_flush(struct sh_vcpu *v, enum sh_flush drops)
{
	sh_contexts_drop(&v->contexts, drops);
	if (drops & (SH_FLUSH_CURRENT | SH_FLUSH_GLOBAL))
		forget_current(v);
}

void sh_invpcid(struct sh_vcpu *v, unsigned type, uint16_t pcid, gva_t gva)
{
	uint16_t current = sh_pcid(&v->regs);

	if (type == 0 && pcid == current)
		sh_invlpg(v, gva);
	else if (type > 1 || pcid == current)
		sh_flush(v, sh_flush_of_invpcid(type, pcid, current));
	else if (!sh_mutant(SH_MUT_INVPCID_LOST))
		sh_contexts_drop_pcid(&v->contexts, pcid);
}

void sh_set_regs(struct sh_vcpu *v, const struct sh_regs *r, enum sh_flush drops)
{
	struct sh_mode old = v->mode;
	bool known;

	if (r->cr3 != v->regs.cr3)
		sh_count(v->mmu, v, SH_ST_CR3_LOAD, 1);
	if (r->cr3 != v->regs.cr3)
		sh_trace(v->mmu, v, cr3, 0, r->cr3 & 0x000ffffffffff000ull, r->cr3);
	v->regs = *r;
	v->mode = sh_mode_of(r, &v->mmu->model);
	if (sh_mutant(SH_MUT_NX_NOT_IN_ROLE))
		v->mode.nxe = old.nxe;
	sh_seen_set(v->mmu, v->index, r);
	drop_roots(v);
	load_pdptes(v, r->pdpte);
	known = sh_contexts_enter(&v->contexts, r, &v->mode, sh_unsync_changes(v->mmu));
	if (drops && !sh_mutant(SH_MUT_CR3_FLUSH_LOST))
		sh_flush(v, drops);
	else if (!known)
		forget_current(v);
}

static gfn_t root_gfn(unsigned index, const struct sh_regs *r, const struct sh_mode *mode)
{
	const struct sh_format *f = &sh_formats[mode->format];

	if (!f->levels)
		return GFN(0);
	return f->level[f->levels].perms ? gpa_gfn(GPA(r->cr3 & f->cr3_mask)) : GFN(index);
}

gfn_t sh_root_gfn(const struct sh_vcpu *v)
{
	return root_gfn(v->index, &v->regs, &v->mode);
}

static struct sh_role root_role(const struct sh_vcpu *v, enum sh_view view)
{
	return sh_role_root(&v->mode, view, v->mmu->be.levels);
}

/* Without paging all views are of the direct map, if there can be one. */
static struct sh_page *linear_root(struct sh_vcpu *v)
{
	return v->mode.format == SH_FMT_NONE ? sh_dmap_root_page(v->mmu, v) : NULL;
}

static int make_root(struct sh_vcpu *v, enum sh_view view)
{
	struct sh_mmu *mmu = v->mmu;
	struct sh_page *p;
	bool made = false;

	if (sh_formats[v->mode.format].levels > mmu->be.levels)
		return -EOPNOTSUPP;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	p = linear_root(v);
	if (!p && sh_reclaim_reserve(mmu, v, 1) == 0)
		p = sh_page_get(mmu, v, sh_root_gfn(v), root_role(v, view), &made);
	if (p)
		atomic_fetch_add(&p->pins, 1);
	if (p)
		sh_hold(v, p);
	pthread_mutex_unlock(&mmu->lock);
	v->root[view] = p;
	return p ? 0 : -ENOMEM;
}

int sh_root(struct sh_vcpu *v, enum sh_view view, mfn_t *root)
{
	int err = v->root[view] ? 0 : make_root(v, view);

	if (!err)
		*root = sh_page_mfn(v->mmu, v->root[view]);
	return err;
}

bool sh_root_of(struct sh_mmu *mmu, unsigned index, const struct sh_regs *r, enum sh_view view,
		mfn_t *root)
{
	struct sh_mode mode = sh_mode_of(r, &mmu->model);
	struct sh_page *p;

	if (mode.format == SH_FMT_NONE && sh_dmap_root(mmu, root))
		return true;
	sh_read_lock();
	p = sh_page_find(mmu, root_gfn(index, r, &mode),
			 sh_role_root(&mode, view, mmu->be.levels));
	if (p)
		*root = sh_page_mfn(mmu, p);
	sh_read_unlock();
	return p;
}

bool sh_root_peek(const struct sh_vcpu *v, enum sh_view view, mfn_t *root)
{
	return sh_root_of(v->mmu, v->index, &v->regs, view, root);
}

void sh_root_loaded(struct sh_vcpu *v, mfn_t root)
{
	struct sh_page *now = &v->mmu->pages[root.v - v->mmu->be.table_mfn.v];
	struct sh_page *before = v->loaded;

	if (now == before || sh_mutant(SH_MUT_LOADED_NOT_PINNED))
		return;
	atomic_fetch_add(&now->pins, 1); /* at least 1 already: root[] holds it */
	v->loaded = now;
	unpin(v, before);
}

struct gmem *sh_mmu_gmem(struct sh_mmu *mmu)
{
	return mmu->gm;
}

bool sh_is_tracked(struct sh_mmu *mmu, gfn_t gfn)
{
	return sh_tracked(mmu, gfn);
}
