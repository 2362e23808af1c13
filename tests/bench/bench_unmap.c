/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames taken back by the host: flushes and kicks for each page, in one gather and one by one, with
 * all vCPUs in the guest on the same root. And how long tables wait for their readers.
 * Read first: bench.h.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/urcu-memb.h>

#include "shadow/defer.h"
#include "shadow/unmap.h"
#include "tests/bench/bench.h"

#define ROUNDS 200u

static const unsigned counts[] = {1, 8, 512, 9698, 100000};

static bool keep(void *ctx, gfn_t gfn)
{
	(void)ctx;
	(void)gfn;
	return true;
}

static const struct sh_release nothing = {keep, NULL};

/* Every vCPU is on the root and has it loaded; the entries are there. */
static void fill(struct bench *b, unsigned vcpus, unsigned pages)
{
	for (unsigned v = 0; v < vcpus; v++) {
		mfn_t root;

		if (sh_root(b->v[v], SH_VIEW_KERNEL, &root))
			bench_die("no root");
		sh_root_loaded(b->v[v], root);
		sh_catch_up(b->v[v]);
	}
	for (unsigned i = 0; i < pages; i++)
		bench_fault(b, 0, i);
}

static struct sh_unmapped unmap(struct bench *b, unsigned pages, unsigned at_once)
{
	struct sh_unmapped sum = {0}, one;

	for (unsigned i = 0; i < pages; i += at_once) {
		if (sh_unmap_frames(b->mmu, b->v[0], GFN(b->first_page + i), at_once, &nothing,
				    &one))
			bench_die("frames that can't be unmapped");
		sum.flushes += one.flushes;
		sum.kicks += one.kicks;
	}
	return sum;
}

static void measure(unsigned vcpus, unsigned pages, bool batched)
{
	struct bench_config cfg = {.lowmem = 64 << 20, .pages = pages};
	struct sh_unmapped u;
	struct bench b;
	char what[64];
	double t;

	bench_create(&b, &cfg);
	fill(&b, vcpus, pages);
	t = bench_cpu();
	u = unmap(&b, pages, batched ? pages : 1);
	t = bench_cpu() - t;
	snprintf(what, sizeof(what), "%u pages, %u vCPUs, %s", pages, vcpus,
		 batched ? "batched" : "one by one");
	bench_print("unmap.flushes for 1000 pages", what, 1e3 * (double)u.flushes / pages, "");
	bench_print("unmap.kicks for 1000 pages", what, 1e3 * (double)u.kicks / pages, "");
	bench_print("unmap.time a page", what, t / pages, "ns");
	bench_destroy(&b);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Each round a table goes and is handed over; the next one waits for it to be free. */
static void grace(void)
{
	struct bench_config cfg = {.lowmem = 64 << 20, .pages = 512};
	struct sh_defer *d;
	struct bench b;

	bench_create(&b, &cfg);
	fill(&b, 1, 1);
	d = b.mmu->defer;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct sh_unmapped u;

		bench_fault(&b, 0, 0);
		sh_unmap_frames(b.mmu, b.v[0], GFN(b.first_table), 1, &nothing, &u);
		pthread_mutex_lock(&b.mmu->lock);
		sh_pool_reap(b.mmu, b.v[0]);
		while (d->in_queue + d->in_grace) {
			pthread_mutex_unlock(&b.mmu->lock);
			sched_yield();
			pthread_mutex_lock(&b.mmu->lock);
		}
		pthread_mutex_unlock(&b.mmu->lock);
	}
	qsort(d->sample, ROUNDS, sizeof(d->sample[0]), by_value);
	bench_print("grace period", "median", d->sample[ROUNDS / 2], "us");
	bench_print("grace period", "p99", d->sample[ROUNDS * 99 / 100], "us");
	bench_destroy(&b);
}

/* ---- walkers ---- */

struct looker {
	struct bench *b;
	mfn_t root;
	_Atomic bool stop;
	double per_s; /* of processor time */
};

static void *look(void *arg)
{
	struct looker *l = arg;
	struct sh_path path;
	double n = 0, t;

	urcu_memb_register_thread();
	t = bench_cpu();
	for (; !l->stop; n++)
		sh_path(l->b->mmu, l->root, GVA(((uint64_t)n & 511) << 12), &path);
	l->per_s = n / ((bench_cpu() - t) / 1e9);
	urcu_memb_unregister_thread();
	return NULL;
}

/* A batch of 100 each millisecond, and what it takes to map them again. */
static void storm(struct bench *b, double until)
{
	struct sh_unmapped u;
	double next = bench_now();

	while (bench_now() < until) {
		sh_unmap_frames(b->mmu, b->v[0], GFN(b->first_page), 100, &nothing, &u);
		for (unsigned i = 0; i < 100; i++)
			bench_fault(b, 0, i);
		next += 1e6;
		while (bench_now() < next)
			sched_yield();
	}
}

static double walkers(bool stormy)
{
	struct bench_config cfg = {.lowmem = 64 << 20, .pages = 512};
	struct looker l = {0};
	struct bench b;
	pthread_t t;

	bench_create(&b, &cfg);
	fill(&b, 2, 512);
	l.b = &b;
	sh_root(b.v[0], SH_VIEW_KERNEL, &l.root);
	if (pthread_create(&t, NULL, look, &l))
		bench_die("no thread");
	if (stormy)
		storm(&b, bench_now() + 1e9);
	else
		nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
	l.stop = true;
	pthread_join(t, NULL);
	bench_destroy(&b);
	return l.per_s;
}

void bench_unmap(void)
{
	for (unsigned v = 1; v <= BENCH_VCPUS; v *= 2)
		for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			measure(v, counts[i], true);
			measure(v, counts[i], false);
		}
	grace();
	bench_print("walks a CPU second", "alone", walkers(false) / 1e6, "million");
	bench_print("walks a CPU second", "100,000 unmaps a second", walkers(true) / 1e6,
		    "million");
}
