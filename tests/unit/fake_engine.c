/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The engine: what it does with faults, and the backend it offers the shadow MMU. The hardware
 * stands in fake_hardware.c. Read first: fake_engine.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/fake_hardware.h"

#define MAX_TRIES 200

static void touch_one(struct fake *f, struct sh_vcpu *cur, uint32_t slot)
{
	(void)cur;
	atomic_fetch_add(&f->touches, 1);
	if (f->on_touch)
		f->on_touch(f->ctx, slot);
	if (!f->cfg.gated)
		return;
	pthread_mutex_lock(&f->touch_lock);
	if (f->n_touched < f->cap_touched)
		f->touched[f->n_touched++] = slot;
	else
		fake_violation(f, "list of touches is full");
	pthread_mutex_unlock(&f->touch_lock);
}

static void touch(void *ctx, struct sh_vcpu *cur, mpa_t slot)
{
	struct fake *f = ctx;

	touch_one(f, cur, (uint32_t)((slot.v - (FAKE_TABLE_MFN << 12)) / 8));
}

static void touch_table(void *ctx, struct sh_vcpu *cur, mfn_t table)
{
	struct fake *f = ctx;
	uint32_t first = (uint32_t)(table.v - FAKE_TABLE_MFN) * 512;

	for (uint32_t i = 0; i < 512; i++)
		if (f->cfg.gated && atomic_load(&f->hidden[first + i]))
			touch_one(f, cur, first + i);
}

/* Everybody out of the guest, and everything forgotten. */
static unsigned shootdown(void *ctx, struct sh_vcpu *cur)
{
	struct fake *f = ctx;

	(void)cur;
	atomic_fetch_add(&f->shootdowns, 1);
	if (f->on_shootdown)
		f->on_shootdown(f->ctx);
	fake_apply_touches(f);
	for (unsigned i = 0; i < f->cfg.vcpus; i++) {
		pthread_mutex_lock(&f->vcpu[i].guest_lock);
		fake_forget_all(&f->vcpu[i]);
		pthread_mutex_unlock(&f->vcpu[i].guest_lock);
	}
	return f->cfg.vcpus - 1;
}

/* Returns with the guest_lock: the vCPU is out of the guest. */
static void wait_out(struct fake_vcpu *vc)
{
	unsigned ms = vc->f->cfg.patience_ms;
	struct timespec t;

	while (ms) {
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += (long)ms * 1000000;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		if (pthread_mutex_timedlock(&vc->guest_lock, &t) == 0)
			return;
		sh_late(vc->f->mmu, vc->index, SH_LATE_SECONDS);
	}
	pthread_mutex_lock(&vc->guest_lock);
}

/* Those of the set leave the guest; what they forget they look up themselves. */
static unsigned shootdown_some(void *ctx, struct sh_vcpu *cur, uint64_t set)
{
	struct fake *f = ctx;
	unsigned kicks = 0;

	(void)cur;
	atomic_fetch_add(&f->requests, 1);
	if (f->on_shootdown)
		f->on_shootdown(f->ctx);
	for (unsigned i = 0; i < f->cfg.vcpus; i++) {
		if (!(set >> i & 1))
			continue;
		wait_out(&f->vcpu[i]);
		f->vcpu[i].due = true;
		if (atomic_exchange(&f->vcpu[i].running, false)) {
			f->vcpu[i].kicks++;
			kicks++;
		}
		pthread_mutex_unlock(&f->vcpu[i].guest_lock);
	}
	return kicks;
}

static void invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	struct fake *f = ctx;
	struct fake_vcpu *vc = &f->vcpu[sh_vcpu_index(cur)];

	atomic_fetch_add(&f->invalidations, 1);
	fake_apply_touches(f);
	pthread_mutex_lock(&vc->guest_lock);
	fake_forget(vc, gva.v);
	memset(vc->pde, 0, sizeof(vc->pde)); /* INVLPG drops all of these (4.10.4.1) */
	pthread_mutex_unlock(&vc->guest_lock);
}

static void invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	struct fake *f = ctx;
	struct fake_vcpu *vc = &f->vcpu[sh_vcpu_index(cur)];

	atomic_fetch_add(&f->invalidations, 1);
	fake_apply_touches(f);
	pthread_mutex_lock(&vc->guest_lock);
	fake_forget_all(vc);
	pthread_mutex_unlock(&vc->guest_lock);
}

static void cache_flush(void *ctx, mpa_t mpa, uint64_t bytes)
{
	struct fake *f = ctx;

	if (mfn_eq(MFN(gmem_gfn(f->gm, mpa_mfn(mpa)).v), MFN(UINT64_MAX)) || bytes % 4096)
		fake_violation(f, "a cache flush of what is no RAM");
	atomic_fetch_add(&f->cache_bytes, bytes);
	atomic_fetch_add(&f->cache_flushes, 1);
}

void fake_defaults(struct fake_config *cfg)
{
	*cfg = (struct fake_config){.size = 4 << 20,
				    .lowmem = 4 << 20,
				    .tables = 256,
				    .vcpus = 1,
				    .levels = 4,
				    .gb_pages = true,
				    .model = {.maxphyaddr = 40, .gb_pages = true},
				    .seed = 1};
	sh_options_default(&cfg->options);
}

static struct sh_backend backend_of(struct fake *f)
{
	return (struct sh_backend){
		.ctx = f,
		.table_mem = f->tables,
		.table_mfn = MFN(FAKE_TABLE_MFN),
		.tables = f->cfg.tables,
		.levels = f->cfg.levels,
		.gb_pages = f->cfg.gb_pages,
		.gate_entry = f->cfg.gate_entry,
		.touch = touch,
		.touch_table = touch_table,
		.shootdown = shootdown,
		.shootdown_some = f->cfg.gated || f->cfg.all_only ? NULL : shootdown_some,
		.invalidate_ceiling = f->cfg.ceiling,
		.invalidate = invalidate,
		.invalidate_all = invalidate_all,
		.cache_flush = cache_flush};
}

static int create_memory(struct fake *f)
{
	struct gmem_config gc = {.size = f->cfg.size, .lowmem = f->cfg.lowmem};
	size_t entries = (size_t)f->cfg.tables * 512;

	f->tables = aligned_alloc(4096, entries * 8);
	f->hidden = calloc(entries, 8);
	f->cap_touched = 1u << 20;
	f->touched = malloc(f->cap_touched * sizeof(*f->touched));
	if (!f->tables || !f->hidden || !f->touched)
		return -1;
	memset(f->tables, 0, entries * 8);
	pthread_mutex_init(&f->touch_lock, NULL);
	return gmem_create(&gc, &f->gm);
}

static int create_vcpus(struct fake *f)
{
	for (unsigned i = 0; i < f->cfg.vcpus; i++) {
		struct fake_vcpu *vc = &f->vcpu[i];

		vc->f = f;
		vc->index = i;
		vc->rng = f->cfg.seed * 0x9e3779b97f4a7c15ull + i + 1;
		pthread_mutex_init(&vc->guest_lock, NULL);
		if (sh_vcpu_create(f->mmu, i, &vc->v))
			return -1;
	}
	return 0;
}

int fake_create(const struct fake_config *cfg, struct fake *f)
{
	struct sh_mmu_config mc;

	memset(f, 0, sizeof(*f));
	f->cfg = *cfg;
	if (create_memory(f))
		return -1;
	mc = (struct sh_mmu_config){.gm = f->gm,
				    .backend = backend_of(f),
				    .model = cfg->model,
				    .options = cfg->options,
				    .dmap = cfg->dmap,
				    .limit = cfg->limit};
	if (sh_mmu_create(&mc, &f->mmu))
		return -1;
	return create_vcpus(f);
}

unsigned fake_destroy(struct fake *f)
{
	struct gmem_stats st;
	unsigned left;

	for (unsigned i = 0; i < f->cfg.vcpus; i++)
		sh_vcpu_destroy(f->vcpu[i].v);
	left = sh_mmu_destroy(f->mmu);
	left += gmem_thread_exit(f->gm);
	gmem_stats(f->gm, &st);
	if (left || st.wait_violations || st.lifo_errors || st.pool_errors)
		printf("# left behind: %u; waits with a window open: %lu, windows closed out "
		       "of "
		       "order: %lu, pool errors: %lu\n",
		       left, (unsigned long)st.wait_violations, (unsigned long)st.lifo_errors,
		       (unsigned long)st.pool_errors);
	left += (unsigned)(st.wait_violations + st.lifo_errors + st.pool_errors);
	gmem_destroy(f->gm);
	free(f->tables);
	free((void *)f->hidden);
	free(f->touched);
	return left;
}

void fake_set_regs(struct fake *f, unsigned vcpu, const struct sh_regs *r, bool flush)
{
	sh_set_regs(f->vcpu[vcpu].v, r, flush);
}

int fake_enter(struct fake *f, unsigned vcpu, unsigned flags)
{
	struct fake_vcpu *vc = &f->vcpu[vcpu];
	enum sh_view view = sh_view_of(sh_vcpu_mode(vc->v), flags & SH_USER, flags & SH_AC);
	mfn_t root;

	if (sh_root(vc->v, view, &root))
		return -1;
	if (vc->root != root.v) {
		pthread_mutex_lock(&vc->guest_lock);
		vc->root = root.v;
		if (!f->cfg.tagged)
			fake_forget_all(vc);
		pthread_mutex_unlock(&vc->guest_lock);
	}
	sh_root_loaded(vc->v, root);
	sh_catch_up(vc->v);
	return 0;
}

/* The instruction is carried out by software. */
static struct fake_result emulate(struct fake_vcpu *vc, uint64_t gva, unsigned flags,
				  uint64_t *val, unsigned size)
{
	struct fake_result r = {.emulated = true};
	struct sh_walk w;
	enum sh_walk_result wr = sh_translate(vc->v, GVA(gva), flags, &w);

	atomic_fetch_add(&vc->f->emulated, 1);
	if (wr != SH_WALK_OK) {
		r.kind = wr == SH_WALK_FAULT	   ? FAKE_PF
			 : wr == SH_WALK_NOT_CANON ? FAKE_NOT_CANON
						   : FAKE_HOST;
		r.error = w.error;
		return r;
	}
	r.gpa = w.gpa.v;
	if (flags & SH_WRITE)
		sh_write(vc->f->mmu, vc->v, w.gpa, val, size);
	else
		gmem_read(vc->f->gm, w.gpa, val, size);
	return r;
}

/* True: done. */
static bool on_fault(struct fake_vcpu *vc, uint64_t gva, unsigned flags, uint64_t *val,
		     unsigned size, struct fake_result *r)
{
	unsigned faults = r->faults + 1;
	struct sh_walk w;
	enum sh_fault_result fr = sh_fault(vc->v, GVA(gva), flags, &w);

	atomic_fetch_add(&vc->f->faults, 1);
	if (fr == SH_FAULT_TRACKED || fr == SH_FAULT_NO_RAM || fr == SH_FAULT_GATE) {
		*r = emulate(vc, gva, flags, val, size);
	} else if (fr == SH_FAULT_INJECT || fr == SH_FAULT_HOST) {
		r->kind = fr == SH_FAULT_INJECT ? FAKE_PF : FAKE_HOST;
		r->error = w.error;
	} else if (fr == SH_FAULT_NOT_CANON) {
		r->kind = FAKE_NOT_CANON;
	}
	r->last = fr;
	r->faults = faults;
	return fr != SH_FAULT_RESUME && fr != SH_FAULT_SPURIOUS;
}

struct fake_result fake_access(struct fake *f, unsigned vcpu, uint64_t gva, unsigned flags,
			       uint64_t *val, unsigned size)
{
	struct fake_vcpu *vc = &f->vcpu[vcpu];
	struct fake_result r = {.kind = FAKE_OK};

	for (unsigned i = 0; i < MAX_TRIES; i++) {
		if (fake_enter(f, vcpu, flags)) {
			r.kind = FAKE_HOST;
			return r;
		}
		if (fake_native(vc, gva, flags, val, size, &r))
			return r;
		if (on_fault(vc, gva, flags, val, size, &r))
			return r;
	}
	r.kind = FAKE_STUCK;
	return r;
}

uint64_t fake_now(struct fake *f)
{
	return atomic_fetch_add(&f->clock, 1) + 1;
}
