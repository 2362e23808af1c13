/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Threads that fault on different pages of different tables of one address space: what they share
 * is what the library makes them share. Read first: bench.h.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <urcu/urcu-memb.h>

#include "tests/bench/bench.h"

#define THREADS 4u
#define TABLES	128u /* of each thread */
#define ROUNDS	100u /* at most */
#define GOOD	10u  /* rounds enough in which two threads had a core each */

struct worker {
	struct bench *b;
	unsigned index;
	pthread_barrier_t *start;
	double begin, end, cpu;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t first = (uint64_t)w->index * TABLES * 512;

	urcu_memb_register_thread();
	/* One fault for each table, so that later ones find them all. */
	for (uint64_t t = 0; t < TABLES; t++)
		bench_fault(w->b, w->index, first + t * 512);
	pthread_barrier_wait(w->start);
	w->begin = bench_now();
	w->cpu = bench_cpu();
	for (uint64_t i = 1; i < 512; i++)
		for (uint64_t t = 0; t < TABLES; t++)
			bench_fault(w->b, w->index, first + t * 512 + i);
	w->end = bench_now();
	w->cpu = bench_cpu() - w->cpu;
	gmem_thread_exit(w->b->gm);
	urcu_memb_unregister_thread();
	return NULL;
}

struct rate {
	double wall, cpu;
	unsigned good; /* rounds in which each thread had a core to itself */
};

/* Faults a second of all n together: by the wall clock, and as if each thread had a core of its
 * own all the time (nothing on this path sleeps, so what threads do to each other shows in their
 * CPU time). */
static struct rate round_of(unsigned n)
{
	struct bench_config cfg = {.lowmem = 64 << 20,
				   .pages = (uint64_t)THREADS * TABLES * 512};
	double begin = 1e300, end = 0, most = 0;
	struct worker w[THREADS];
	pthread_t thread[THREADS];
	pthread_barrier_t start;
	struct rate r = {0};
	struct bench b;

	bench_create(&b, &cfg);
	pthread_barrier_init(&start, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct worker){.b = &b, .index = i, .start = &start};
		pthread_create(&thread[i], NULL, work, &w[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		begin = w[i].begin < begin ? w[i].begin : begin;
		end = w[i].end > end ? w[i].end : end;
		most = w[i].cpu > most ? w[i].cpu : most;
		r.cpu += TABLES * 511.0 / w[i].cpu * 1e9;
	}
	pthread_barrier_destroy(&start);
	bench_destroy(&b);
	r.good = end - begin < 1.1 * most;
	r.wall = n * TABLES * 511.0 / (end - begin) * 1e9;
	return r;
}

static void take_best(struct rate *best, struct rate r)
{
	best->wall = r.wall > best->wall ? r.wall : best->wall;
	best->cpu = r.cpu > best->cpu ? r.cpu : best->cpu;
	best->good += r.good;
}

/* The best of all rounds: whatever else runs on this host only ever makes it slower. */
void bench_threads(void)
{
	static const unsigned threads[] = {1, 2, 4};
	struct rate best[3] = {0};
	char what[40];

	for (unsigned r = 0; r < ROUNDS && best[1].good < GOOD; r++)
		for (unsigned i = 0; i < 3; i++)
			take_best(&best[i], round_of(threads[i]));
	for (unsigned i = 0; i < 3; i++) {
		snprintf(what, sizeof(what), "hidden_faults_of_%u", threads[i]);
		bench_print("threads", what, best[i].wall, "1/s");
		snprintf(what, sizeof(what), "hidden_faults_of_%u_cpu", threads[i]);
		bench_print("threads", what, best[i].cpu, "1/s");
	}
	/* With none of these the ratios say how busy the host is, and nothing of the library. */
	bench_print("threads", "rounds_of_2_with_a_core_each", best[1].good, "rounds");
	bench_print("threads", "two_to_one", best[1].wall / best[0].wall, "ratio");
	bench_print("threads", "two_to_one_cpu", best[1].cpu / best[0].cpu, "ratio");
	bench_print("threads", "four_to_one", best[2].wall / best[0].wall, "ratio");
}
