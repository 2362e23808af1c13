/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The queue of tables that wait for readers, and its thread. Read first: defer.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shadow/defer.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void list_init(struct sh_page *head)
{
	head->list_next = head->list_prev = head;
}

static bool list_empty(const struct sh_page *head)
{
	return head->list_next == head;
}

/* All of from to the end of to. */
static void list_splice(struct sh_page *to, struct sh_page *from)
{
	if (list_empty(from))
		return;
	from->list_next->list_prev = to->list_prev;
	to->list_prev->list_next = from->list_next;
	from->list_prev->list_next = to;
	to->list_prev = from->list_prev;
	list_init(from);
}

int sh_defer_init(struct sh_mmu *mmu)
{
	sh_may_wait();
	mmu->defer = calloc(1, sizeof(*mmu->defer));
	if (!mmu->defer)
		return -ENOMEM;
	list_init(&mmu->defer->queued);
	list_init(&mmu->defer->kept);
	list_init(&mmu->defer->grace);
	pthread_cond_init(&mmu->defer->work, NULL);
	return 0;
}

/* ---- after the grace period ---- */

static void keep(struct sh_defer *d, struct sh_page *p)
{
	p->list_next = &d->kept;
	p->list_prev = d->kept.list_prev;
	d->kept.list_prev->list_next = p;
	d->kept.list_prev = p;
	p->kept = true;
	d->in_kept++;
}

static void free_batch(struct sh_mmu *mmu, struct sh_page *batch)
{
	struct sh_defer *d = mmu->defer;

	while (!list_empty(batch)) {
		struct sh_page *p = batch->list_next;

		sh_lru_del(p);
		if (atomic_load(&p->walkers) && !sh_mutant(SH_MUT_WALKERS_IGNORED)) {
			keep(d, p);
			continue;
		}
		sh_pool_free(mmu, p);
		d->freed++;
	}
	sh_dmap_tables_freed(mmu, NULL);
	d->graces++;
}

static void wait_for_readers(struct sh_mmu *mmu)
{
	sh_inject(&mmu->inject, SH_INJECT_GRACE);
	if (sh_mutant(SH_MUT_ALONE_NO_GRACE) && !(mmu->vcpus & (mmu->vcpus - 1)))
		return;
	if (!sh_mutant(SH_MUT_NO_GRACE))
		sh_read_wait();
}

/* ---- the thread ---- */

static void one_batch(struct sh_mmu *mmu)
{
	struct sh_defer *d = mmu->defer;
	uint64_t since = d->since;
	uint64_t begun = SH_TRACING(mmu, grace_period) ? sh_trace_now(&mmu->trace) : 0;

	list_splice(&d->grace, &d->queued);
	d->in_grace = d->in_queue;
	d->in_queue = 0;
	pthread_mutex_unlock(&mmu->lock);
	wait_for_readers(mmu);
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	d->sample[d->samples++ % SH_DEFER_SAMPLES] = (uint32_t)((now_ns() - since) / 1000);
	sh_trace(mmu, NULL, grace_period, 0, d->in_grace, sh_trace_since(&mmu->trace, begun));
	d->in_grace = 0;
	free_batch(mmu, &d->grace); /* what nobody in a hurry has freed meanwhile */
}

static void *defer_main(void *arg)
{
	struct sh_mmu *mmu = arg;
	struct sh_defer *d = mmu->defer;

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	while (!d->stop || d->in_queue) {
		if (d->in_queue) {
			one_batch(mmu);
			continue;
		}
		sh_may_wait();
		pthread_cond_wait(&d->work, &mmu->lock);
	}
	pthread_mutex_unlock(&mmu->lock);
	return NULL;
}

/* Made when there is something to do for the first time; signals are for others. */
static bool have_thread(struct sh_mmu *mmu)
{
	struct sh_defer *d = mmu->defer;
	sigset_t all, before;

	if (d->have_thread || d->stop || mmu->no_thread)
		return d->have_thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sh_may_wait();
	d->have_thread = pthread_create(&d->thread, NULL, defer_main, mmu) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return d->have_thread;
}

/* ---- producers ---- */

/* A period that begins now ends after the one the thread may be waiting for. */
bool sh_defer_now(struct sh_mmu *mmu)
{
	struct sh_defer *d = mmu->defer;
	uint64_t begun = SH_TRACING(mmu, grace_period) ? sh_trace_now(&mmu->trace) : 0;

	list_splice(&d->grace, &d->queued);
	list_splice(&d->grace, &mmu->dying_list);
	if (list_empty(&d->grace))
		return false;
	wait_for_readers(mmu);
	d->sync++;
	sh_trace(mmu, NULL, grace_period, 0, mmu->dying, sh_trace_since(&mmu->trace, begun));
	d->in_queue = d->in_grace = 0;
	free_batch(mmu, &d->grace);
	return true;
}

/* A reader takes its time, and what waits for it has waited too long: no more is put behind it until it
 * has gone, so whoever brings more waits. */
static bool late(const struct sh_defer *d)
{
	return d->in_queue && !sh_mutant(SH_MUT_BACKLOG_AGELESS) &&
	       now_ns() - d->since > SH_DEFER_PATIENCE_NS;
}

void sh_defer_dying(struct sh_mmu *mmu)
{
	struct sh_defer *d = mmu->defer;
	uint32_t before = d->in_queue;

	if (sh_inject(&mmu->inject, SH_INJECT_DEFER) || !have_thread(mmu) || late(d)) {
		d->refused += !late(d);
		d->overdue += late(d);
		if (!sh_mutant(SH_MUT_REFUSED_LOST))
			sh_defer_now(mmu);
		return;
	}
	list_splice(&d->queued, &mmu->dying_list);
	d->in_queue = mmu->dying - d->in_grace - d->in_kept;
	if (!before)
		d->since = now_ns();
	if (mmu->dying > d->max_backlog)
		d->max_backlog = mmu->dying;
	pthread_cond_signal(&d->work);
}

void sh_defer_fini(struct sh_mmu *mmu)
{
	struct sh_defer *d = mmu->defer;

	if (!d)
		return;
	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	d->stop = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&mmu->lock);
	if (d->have_thread)
		pthread_join(d->thread, NULL);
	sh_read_wait();
	pthread_cond_destroy(&d->work);
	free(d);
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint64_t oldest(const struct sh_defer *d)
{
	uint64_t since = d->since,
		 now = now_ns(); /* in this order: the clock does not go back */

	return d->in_queue ? (now - since) / 1000 : 0;
}

/* The last batches' times, of which some may be replaced meanwhile. Returns how many there are. */
static uint64_t samples(struct sh_defer *d, uint32_t us[SH_DEFER_SAMPLES])
{
	uint64_t n = atomic_load(&d->samples);

	n = n < SH_DEFER_SAMPLES ? n : SH_DEFER_SAMPLES;
	for (uint64_t i = 0; i < n; i++)
		us[i] = atomic_load_explicit(&d->sample[i], memory_order_relaxed);
	qsort(us, n, sizeof(us[0]), by_value);
	return n;
}

void sh_rcu_info(struct sh_mmu *mmu, struct sh_rcu_info *out)
{
	struct sh_defer *d = mmu->defer;
	uint32_t us[SH_DEFER_SAMPLES];
	uint64_t n = samples(d, us);

	*out = (struct sh_rcu_info){.queued = d->in_queue,
				    .in_grace = d->in_grace,
				    .kept = d->in_kept,
				    .graces = d->graces,
				    .by_producer = d->sync,
				    .freed = d->freed,
				    .refused = d->refused,
				    .max_backlog = d->max_backlog,
				    .oldest_us = oldest(d),
				    .median_us = n ? us[n / 2] : 0,
				    .p99_us = n ? us[n * 99 / 100] : 0};
}
