/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Requests to forget, and catching up with them. Read first: shootdown.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shadow/page.h"
#include "shadow/shootdown.h"

_Static_assert(sizeof(((struct sh_shootdowns *)0)->due) / sizeof(struct sh_due) == SH_MAX_VCPUS,
	       "one due for each vCPU");

int sh_shootdown_init(struct sh_mmu *mmu)
{
	sh_may_wait();
	mmu->sd = aligned_alloc(64, sizeof(*mmu->sd));
	if (!mmu->sd)
		return -ENOMEM;
	memset(mmu->sd, 0, sizeof(*mmu->sd));
	for (unsigned i = 0; i < SH_MAX_VCPUS; i++)
		pthread_spin_init(&mmu->sd->due[i].lock, PTHREAD_PROCESS_PRIVATE);
	return 0;
}

void sh_shootdown_fini(struct sh_mmu *mmu)
{
	free(mmu->sd);
}

/* ---- who holds what ---- */

void sh_shootdown_fresh(struct sh_mmu *mmu, unsigned vcpu)
{
	struct sh_due *d = &mmu->sd->due[vcpu];

	atomic_store(&d->held, 0);
	atomic_store(&d->done, atomic_load(&d->want));
}

uint64_t sh_root_bit(const struct sh_mmu *mmu, const struct sh_page *root)
{
	return 1ull << (sh_page_frame(mmu, root) & 63);
}

void sh_hold(struct sh_vcpu *v, const struct sh_page *root)
{
	if (!sh_mutant(SH_MUT_HELD_FORGOTTEN))
		atomic_fetch_or(&v->mmu->sd->due[v->index].held, sh_root_bit(v->mmu, root));
}

/* What v may load without asking again. */
static uint64_t in_use(const struct sh_vcpu *v)
{
	uint64_t roots = v->loaded ? sh_root_bit(v->mmu, v->loaded) : 0;

	for (unsigned i = 0; i < SH_VIEWS; i++)
		if (v->root[i])
			roots |= sh_root_bit(v->mmu, v->root[i]);
	return roots;
}

void sh_forget_all(struct sh_vcpu *v)
{
	struct sh_due *d = &v->mmu->sd->due[v->index];
	uint64_t want = atomic_load(&d->want);

	v->mmu->be.invalidate_all(v->mmu->be.ctx, v);
	atomic_store(&d->held, in_use(v));
	atomic_store(&d->done, want);
}

uint64_t sh_holders(const struct sh_mmu *mmu, uint64_t roots)
{
	uint64_t set = 0;

	for (unsigned i = 0; i < SH_MAX_VCPUS; i++)
		if (mmu->vcpus >> i & 1 && atomic_load(&mmu->sd->due[i].held) & roots)
			set |= 1ull << i;
	return set;
}

/* ---- requests ---- */

unsigned sh_ceiling(const struct sh_mmu *mmu)
{
	unsigned n =
		mmu->be.invalidate_ceiling ? mmu->be.invalidate_ceiling : SH_CEILING_DEFAULT;

	return n < SH_FORGET_MAX && !sh_mutant(SH_MUT_CEILING_IGNORED) ? n : SH_FORGET_MAX;
}

unsigned sh_shootdown_all(struct sh_mmu *mmu, struct sh_vcpu *cur)
{
	uint64_t drops = atomic_load(&mmu->drops);
	uint64_t since = SH_TRACING(mmu, shootdown) ? sh_trace_now(&mmu->trace) : 0;
	unsigned kicks;

	sh_inject(&mmu->inject, SH_INJECT_SHOOT);
	sh_may_wait();
	kicks = mmu->be.shootdown(mmu->be.ctx, cur);
	atomic_store(&mmu->drops_flushed, drops);
	mmu->sd->precise = mmu->sd->settled = 0;
	mmu->sd->epoch++;
	sh_trace(mmu, cur, shootdown, 0, mmu->vcpus, kicks, sh_trace_since(&mmu->trace, since));
	return kicks;
}

static void post(struct sh_due *d, const struct sh_forget *f)
{
	pthread_spin_lock(&d->lock);
	d->last = *f;
	atomic_fetch_add(&d->want, 1);
	pthread_spin_unlock(&d->lock);
}

unsigned sh_shootdown(struct sh_mmu *mmu, struct sh_vcpu *cur, struct sh_forget *f)
{
	uint64_t set = sh_holders(mmu, f->roots);
	uint64_t others = cur ? set & ~(1ull << cur->index) : set;
	uint64_t since = SH_TRACING(mmu, shootdown) ? sh_trace_now(&mmu->trace) : 0;
	unsigned kicks;

	f->all |= f->n > sh_ceiling(mmu);
	atomic_fetch_add(&mmu->sd->requests, 1);
	for (unsigned i = 0; i < SH_MAX_VCPUS; i++)
		if (set >> i & 1)
			post(&mmu->sd->due[i], f);
	sh_inject(&mmu->inject, SH_INJECT_SHOOT);
	if (cur)
		sh_catch_up(cur); /* it may go on without another look */
	if (!others || sh_mutant(SH_MUT_KICKS_UNSENT))
		return 0;
	sh_may_wait();
	kicks = mmu->be.shootdown_some(mmu->be.ctx, cur, others);
	sh_trace(mmu, cur, shootdown, 0, others, kicks, sh_trace_since(&mmu->trace, since));
	return kicks;
}

/* ---- catching up ---- */

static void forget_some(struct sh_vcpu *v, const struct sh_forget *f)
{
	for (unsigned i = 0; i < f->n; i++)
		v->mmu->be.invalidate(v->mmu->be.ctx, v, f->gva[i]);
}

void sh_catch_up(struct sh_vcpu *v)
{
	struct sh_due *d = &v->mmu->sd->due[v->index];
	struct sh_forget f;
	uint64_t want;

	if (atomic_load(&d->want) == atomic_load(&d->done))
		return;
	sh_inject(&v->mmu->inject, SH_INJECT_ANSWER);
	pthread_spin_lock(&d->lock);
	want = atomic_load(&d->want);
	f = d->last;
	pthread_spin_unlock(&d->lock);
	if (!f.all && (want == d->done + 1 || sh_mutant(SH_MUT_PARTIAL_BLINDLY))) {
		forget_some(v, &f);
		atomic_store(&d->done, want);
		atomic_fetch_add_explicit(&d->partial, 1, memory_order_relaxed);
		return;
	}
	sh_forget_all(v);
	atomic_fetch_add_explicit(&d->full, 1, memory_order_relaxed);
}

/* ---- those that do not answer ---- */

void sh_on_late(struct sh_mmu *mmu, sh_late_fn *fn, void *ctx)
{
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	mmu->sd->late_fn = fn;
	mmu->sd->late_ctx = ctx;
	pthread_mutex_unlock(&mmu->lock);
}

void sh_late(struct sh_mmu *mmu, unsigned vcpu, unsigned seconds)
{
	atomic_fetch_add(&mmu->sd->late, 1);
	if (mmu->sd->late_fn)
		mmu->sd->late_fn(mmu->sd->late_ctx, vcpu, seconds);
}

bool sh_shootdown_info(struct sh_mmu *mmu, unsigned vcpu, struct sh_shootdown_info *out)
{
	const struct sh_due *d = &mmu->sd->due[vcpu % SH_MAX_VCPUS];

	*out = (struct sh_shootdown_info){.want = atomic_load(&d->want),
					  .done = atomic_load(&d->done),
					  .held = atomic_load(&d->held),
					  .partial = atomic_load(&d->partial),
					  .full = atomic_load(&d->full),
					  .requests = atomic_load(&mmu->sd->requests),
					  .late = atomic_load(&mmu->sd->late),
					  .ceiling = sh_ceiling(mmu)};
	return vcpu < SH_MAX_VCPUS;
}
