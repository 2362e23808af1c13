/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Property test: random programs in every configuration.
 *   shadow_prop [--steps N] [--seed S] [--config C]
 * The default runs all configurations, a million steps together; make check-long ten million. A
 * failure prints one line that reproduces it and the steps that are left when all that don't matter
 * are taken out.
 * Read first: shadow_program.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/shadow_program.h"

#define CONFIGS 32u

#define NONE (1u << SH_FMT_NONE)
#define B32  (1u << SH_FMT_32)
#define PAE  (1u << SH_FMT_PAE)
#define LVL4 (1u << SH_FMT_4LVL)
#define LVL5 (1u << SH_FMT_5LVL)
#define ANY4 (NONE | B32 | PAE | LVL4)

/* Paging formats and the hardware's levels of configurations 16 and up; below that it is 4-level
 * paging all the time. */
static const struct {
	unsigned formats, levels;
} worlds[] = {
	/* many tables, the hardware reads ours */
	{B32, 4},
	{PAE, 4},
	{LVL5, 5},
	{NONE | B32, 4},
	/* few tables */
	{B32 | PAE, 4},
	{NONE | PAE, 5},
	{LVL4 | LVL5, 5},
	{B32 | PAE | LVL4, 4},
	/* KVM shadows our tables */
	{NONE | LVL4, 4},
	{B32, 5},
	{PAE | LVL4 | LVL5, 5},
	{PAE | LVL4, 4},
	/* that, and few */
	{ANY4, 4},
	{ANY4 | LVL5, 5},
	{LVL4, 5},
	{ANY4 | LVL5, 5},
};

/* Configuration c: techniques all on, all off or mixed; few or many tables; KVM's tables or ours;
 * each with what goes well with it; from 16 up other paging formats. */
static struct fake_config config_of(unsigned c, uint64_t seed)
{
	struct fake_config cfg;
	uint64_t mix = (seed + c) * 0x9e3779b97f4a7c15ull >> 40;
	unsigned technique = c & 3;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.size = 32 << 20;
	cfg.seed = seed | 1;
	for (unsigned o = 0; o < SH_OPTIONS; o++)
		cfg.options.on[o] = technique == 0 || (technique > 1 && mix >> o & 1);
	cfg.limit = c & 4 ? SH_MIN_TABLES + 4 : 0;
	cfg.gated = c & 8;
	cfg.tagged = (c ^ seed) & 1;
	cfg.pde_cache = !cfg.gated && technique == 3;
	cfg.evict = technique == 2 ? 7 : 0;
	cfg.levels = c < 16 ? 4 : worlds[c - 16].levels;
	cfg.lowmem = technique == 2 ? 0 : technique == 3 ? 0x5000 : cfg.size;
	return cfg;
}

static bool fails(struct program *p, const uint32_t *step, size_t n, struct verdict *v)
{
	p->step = step;
	p->steps = n;
	p->audit_every = 1;
	program_run(p, v);
	return v->failed;
}

/* Takes out ever smaller pieces as long as the rest still fails. */
static size_t shrink(struct program *p, uint32_t *step, size_t n, struct verdict *v)
{
	uint32_t *try = malloc(n * sizeof(*try));

	for (size_t piece = n / 2; piece && try; piece /= 2)
		for (size_t at = 0; at + piece <= n;) {
			memcpy(try, step, at * sizeof(*try));
			memcpy(try + at, step + at + piece, (n - at - piece) * sizeof(*try));
			if (!fails(p, try, n - piece, v)) {
				at += piece;
				continue;
			}
			n -= piece;
			memcpy(step, try, n * sizeof(*try));
		}
	free(try);
	fails(p, step, n, v);
	return n;
}

static void report(struct program *p, unsigned c, uint32_t *step, size_t n, struct verdict *v)
{
	printf("# FAILED: %s\n# reproduce: shadow_prop --config %u --seed %lu --steps %zu\n",
	       v->why, c, (unsigned long)(p->seed - c * 1000003ull), n);
	fflush(stdout);
	n = shrink(p, step, v->at + 1, v);
	printf("# shrunk to %zu steps: %s\n# ", n, v->why);
	for (size_t i = 0; i < n; i++)
		printf(" %u", step[i]);
	printf("\n");
}

static bool run_config(unsigned c, uint64_t seed, size_t steps, uint64_t *large,
		       uint64_t *splits)
{
	struct program p = {.seed = seed + c * 1000003ull,
			    .cfg = config_of(c, seed),
			    .formats = c < 16 ? LVL4 : worlds[c - 16].formats,
			    .audit_every = 64};
	uint32_t *step = malloc(steps * sizeof(*step));
	struct verdict v;

	for (size_t i = 0; i < steps; i++)
		step[i] = (uint32_t)i;
	p.step = step;
	p.steps = steps;
	program_run(&p, &v);
	if (v.failed)
		report(&p, c, step, steps, &v);
	else
		printf("# config %2u: %zu steps, %lu accesses, %lu TLB hits, %lu emulated, %lu "
		       "true "
		       "faults, %lu tracked writes, %lu mode switches, %lu large leaves, %lu "
		       "split\n",
		       c, steps, (unsigned long)v.accesses, (unsigned long)v.hits,
		       (unsigned long)v.emulated, (unsigned long)v.faults_true,
		       (unsigned long)v.tracked_writes, (unsigned long)v.switches,
		       (unsigned long)v.large, (unsigned long)v.splits);
	*large += v.large;
	*splits += v.splits;
	printf("%s %u - random programs, configuration %u\n", v.failed ? "not ok" : "ok", c + 1,
	       c);
	free(step);
	return !v.failed;
}

/* That the programs are such that there is something to get wrong. */
static bool used_large_leaves(size_t steps, uint64_t large, uint64_t splits)
{
	bool ok = large > steps / 1000 && splits > steps / 50000;

	printf("%s %u - large leaves in random programs\n# %lu made, %lu split\n",
	       ok ? "ok" : "not ok", CONFIGS + 1, (unsigned long)large, (unsigned long)splits);
	return ok;
}

int main(int argc, char **argv)
{
	size_t steps = 1000000;
	uint64_t seed = 1, large = 0, splits = 0;
	int only = -1, failed = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--steps"))
			steps = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--config"))
			only = atoi(argv[i + 1]);
	}
	urcu_memb_register_thread();
	printf("1..%u\n", only < 0 ? CONFIGS + 1 : 1);
	for (unsigned c = 0; c < CONFIGS; c++)
		if (only < 0 || c == (unsigned)only)
			failed += !run_config(c, seed, only < 0 ? steps / CONFIGS : steps,
					      &large, &splits);
	if (only < 0)
		failed += !used_large_leaves(steps, large, splits);
	urcu_memb_unregister_thread();
	return failed != 0;
}
