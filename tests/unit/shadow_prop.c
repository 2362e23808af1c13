/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Property test: random programs in every configuration.
 *   shadow_prop [--steps N] [--seed S] [--config C] [--bug NAME]
 * The default runs all configurations, a million steps together; make check-long ten million. Then
 * each bug of the program (shadow_program.h) is switched on, and must be found; --bug does that for
 * one, in one configuration, and shows what is found. A failure prints one line that reproduces it and
 * the steps that are left when all that don't matter are taken out.
 * Read first: shadow_program.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/shadow_program.h"

#define CONFIGS	  32u
#define BUG_STEPS 50000u /* at most so many until a bug is found */

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
	cfg.dmap.pagealloc = technique == 3;
	cfg.dmap.largest = technique == 2;
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
	printf("# FAILED: %s\n# reproduce: shadow_prop --config %u --seed %lu --steps %zu "
	       "--bug %s\n",
	       v->why, c, (unsigned long)(p->seed - c * 1000003ull), n,
	       program_bug_names[p->bug]);
	fflush(stdout);
	n = shrink(p, step, v->at + 1, v);
	printf("# shrunk to %zu steps: %s\n# ", n, v->why);
	for (size_t i = 0; i < n; i++)
		printf(" %u", step[i]);
	printf("\n");
}

static struct program program_of(unsigned c, uint64_t seed, uint32_t *step, size_t steps)
{
	struct program p = {.seed = seed + c * 1000003ull,
			    .cfg = config_of(c, seed),
			    .formats = c < 16 ? LVL4 : worlds[c - 16].formats,
			    .audit_every = 64,
			    .step = step,
			    .steps = steps};

	for (size_t i = 0; i < steps; i++)
		step[i] = (uint32_t)i;
	return p;
}

struct arguments {
	size_t steps;
	uint64_t seed;
	int only;
	enum program_bug bug;
};

/* What all programs together exercised. */
struct totals {
	uint64_t large, splits, stale, zaps, unshared;
};

static bool run_config(unsigned c, const struct arguments *a, size_t steps, struct totals *t)
{
	uint32_t *step = malloc(steps * sizeof(*step));
	struct program p = program_of(c, a->seed, step, steps);
	struct verdict v;

	p.bug = a->bug;
	program_run(&p, &v);
	if (v.failed)
		report(&p, c, step, steps, &v);
	else
		printf("# config %2u: %zu steps, %lu accesses, %lu TLB hits, %lu stale, %lu "
		       "emulated, %lu true faults, %lu tracked writes, %lu mode switches, "
		       "%lu large leaves, %lu split\n",
		       c, steps, (unsigned long)v.accesses, (unsigned long)v.hits,
		       (unsigned long)v.stale, (unsigned long)v.emulated,
		       (unsigned long)v.faults_true, (unsigned long)v.tracked_writes,
		       (unsigned long)v.switches, (unsigned long)v.large,
		       (unsigned long)v.splits);
	t->large += v.large;
	t->splits += v.splits;
	t->stale += v.stale;
	t->zaps += v.zaps;
	t->unshared += v.unshared;
	printf("%s %u - random programs, configuration %u\n", v.failed ? "not ok" : "ok", c + 1,
	       c);
	free(step);
	return !v.failed;
}

/* Steps of the program, over configurations one after the other, until a bug is found; 0: it isn't. */
static size_t steps_to_find(enum program_bug bug, uint64_t seed, char *why, size_t n)
{
	static const unsigned configs[] = {0, 4, 22, 1, 5, 16, 17, 2};
	uint32_t *step = malloc(BUG_STEPS * sizeof(*step));
	size_t found = 0, done = 0;

	for (unsigned i = 0; i < 8 && !found; i++) {
		struct program p = program_of(configs[i], seed, step, BUG_STEPS);
		struct verdict v;

		p.bug = bug;
		p.cfg.tagged = true; /* remembers most */
		program_run(&p, &v);
		found = v.failed ? done + v.at + 1 : 0;
		done += BUG_STEPS;
		snprintf(why, n, "%s", v.why);
	}
	free(step);
	return found;
}

static bool find_bug(enum program_bug bug, uint64_t seed)
{
	char why[400];
	size_t steps = steps_to_find(bug, seed, why, sizeof(why));

	if (steps)
		printf("# %zu steps: %s\n", steps, why);
	printf("%s %u - %s is found\n", steps ? "ok" : "not ok", CONFIGS + bug,
	       program_bug_names[bug]);
	return steps;
}

static enum program_bug bug_named(const char *name)
{
	for (unsigned b = 0; b < PROGRAM_BUGS; b++)
		if (!strcmp(name, program_bug_names[b]))
			return b;
	fprintf(stderr, "no bug %s\n", name);
	exit(2);
}

/* That the programs are such that there is something to get wrong. */
static bool used_everything(size_t steps, const struct totals *t)
{
	bool ok = t->large > steps / 1000 && t->splits > steps / 50000 &&
		  t->stale > steps / 5000 && t->unshared > steps / 20000;

	printf("%s %u - large leaves, stale translations and zaps in random programs\n"
	       "# %lu made, %lu split, %lu stale, %lu zaps, %lu tables copied for them\n",
	       ok ? "ok" : "not ok", CONFIGS + PROGRAM_BUGS, (unsigned long)t->large,
	       (unsigned long)t->splits, (unsigned long)t->stale, (unsigned long)t->zaps,
	       (unsigned long)t->unshared);
	return ok;
}

static int run_all(const struct arguments *a)
{
	struct totals t = {0};
	int failed = 0;

	printf("1..%u\n", a->only < 0 ? CONFIGS + PROGRAM_BUGS : 1);
	for (unsigned c = 0; c < CONFIGS; c++)
		if (a->only < 0 || c == (unsigned)a->only)
			failed += !run_config(c, a, a->only < 0 ? a->steps / CONFIGS : a->steps,
					      &t);
	for (unsigned b = PROGRAM_BUG_NONE + 1; b < PROGRAM_BUGS && a->only < 0; b++)
		failed += !find_bug(b, a->seed);
	if (a->only < 0)
		failed += !used_everything(a->steps, &t);
	return failed != 0;
}

int main(int argc, char **argv)
{
	struct arguments a = {.steps = 1000000, .seed = 1, .only = -1};
	int code;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--steps"))
			a.steps = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			a.seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--config"))
			a.only = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--bug"))
			a.bug = bug_named(argv[i + 1]);
	}
	urcu_memb_register_thread();
	code = run_all(&a);
	urcu_memb_unregister_thread();
	return code;
}
