/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a script to single runs. A block's runs are numbered like the figures of an odometer, the last
 * key turning fastest; nothing is stored, so that run i is the same whatever ran before it, and on
 * whatever machine.
 *
 * Random seeds: run i draws from (campaign's seed, i), by splitmix64.
 *
 * Read first: stress.h, key.c. Locks: none.
 */
#include "tools/stress/stress.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How many seeds a value of KEY_SEED stands for. */
static uint64_t seeds_in(const char *v)
{
	const char *dots = strstr(v, "..");

	if (!strncmp(v, "random:", 7))
		return strtoull(v + 7, NULL, 0);
	return dots ? strtoull(dots + 2, NULL, 0) - strtoull(v, NULL, 0) + 1 : 1;
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The values of a key: the block's, or the usual one. */
static unsigned values(const struct block *b, int key)
{
	return b->key[key].n ? b->key[key].n : 1;
}

static const char *value(const struct block *b, int key, unsigned i)
{
	return b->key[key].n ? b->key[key].v[i].text : key_defs[key].usual;
}

static uint64_t seed_count(const struct block *b)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < values(b, KEY_SEED); i++)
		sum += seeds_in(value(b, KEY_SEED, i));
	return sum;
}

static uint64_t radix(const struct block *b, int key)
{
	if (key == KEY_SEED)
		return seed_count(b);
	if (key == KEY_REPEAT)
		return strtoull(value(b, KEY_REPEAT, 0), NULL, 0);
	return values(b, key);
}

static uint64_t block_count(const struct block *b)
{
	uint64_t count = 1;

	for (int k = 0; k < KEY_COUNT; k++)
		if (__builtin_mul_overflow(count, radix(b, k), &count) ||
		    count > STRESS_MAX_RUNS)
			return STRESS_MAX_RUNS + 1;
	return count;
}

uint64_t plan_count(const struct plan *p)
{
	uint64_t sum = 0;

	for (const struct block *b = p->blocks; b && sum <= STRESS_MAX_RUNS; b = b->next)
		sum += block_count(b);
	return sum > STRESS_MAX_RUNS ? 0 : sum;
}

bool plan_mine(const struct plan *p, uint64_t i)
{
	return !p->shards || i % p->shards == p->shard;
}

static void pick_seed(const struct plan *p, struct run *r, uint64_t i)
{
	const struct block *b = r->block;

	for (unsigned k = 0; k < values(b, KEY_SEED); k++) {
		const char *v = value(b, KEY_SEED, k);
		uint64_t n = seeds_in(v);

		if (i >= n) {
			i -= n;
			continue;
		}
		r->value[KEY_SEED] = v;
		r->seed = !strncmp(v, "random:", 7) ? mix(mix(p->seed) + r->number)
						    : strtoull(v, NULL, 0) + i;
		return;
	}
}

void plan_run(const struct plan *p, uint64_t i, struct run *r)
{
	const struct block *b = p->blocks;

	*r = (struct run){.number = i};
	for (; i >= block_count(b); b = b->next)
		i -= block_count(b);
	r->block = b;
	for (int k = KEY_COUNT - 1; k >= 0; k--) {
		uint64_t n = radix(b, k);

		if (k == KEY_SEED)
			pick_seed(p, r, i % n);
		else
			r->value[k] = value(b, k, key_defs[k].single ? 0 : (unsigned)(i % n));
		i /= n;
	}
}

/* A copy of text, with from replaced by to, that lives as long as w. */
static char *store(struct run_words *w, const char *text, size_t len, char from, char to)
{
	char *s = w->buf + w->used;

	if (w->used + len + 1 > sizeof(w->buf))
		len = sizeof(w->buf) - w->used - 1;
	for (size_t i = 0; i < len; i++)
		s[i] = text[i] == from ? to : text[i];
	s[len] = '\0';
	w->used += len + (w->used + len + 1 < sizeof(w->buf));
	return s;
}

static void push(struct run_words *w, const char *word)
{
	if (w->argc + 1 < STRESS_MAX_ARGV)
		w->argv[w->argc++] = word;
	w->argv[w->argc] = NULL;
}

static void push_mmu(struct run_words *w, const char *v)
{
	if (!strcmp(v, "default"))
		return;
	for (size_t len; *v; v += len + (v[len] == '+')) {
		len = strcspn(v, "+");
		push(w, "--mmu-option");
		push(w, store(w, v, len, 0, 0));
	}
}

static void push_key(struct run_words *w, const struct run *r, int k)
{
	const char *v = r->value[k];
	char text[24];

	if (k == KEY_SEED) {
		snprintf(text, sizeof(text), "%" PRIu64, r->seed);
		push(w, "--seed");
		push(w, store(w, text, strlen(text), 0, 0));
	} else if (k == KEY_MMU && v) {
		push_mmu(w, v);
	} else if (k == KEY_SCENARIO && v) {
		push(w, "--scenario");
		push(w, store(w, v, strlen(v), '+', ','));
	} else if (key_defs[k].option && v) {
		push(w, key_defs[k].option);
		push(w, v);
	}
}

void run_words(const struct run *r, const char *program, struct run_words *w)
{
	w->argc = 0;
	w->used = 0;
	push(w, program);
	push(w, "run");
	for (int k = 0; k < KEY_COUNT; k++)
		push_key(w, r, k);
}

static void quoted(const char *s, FILE *out)
{
	bool plain = *s;

	for (const char *c = s; *c; c++)
		plain &= isalnum((unsigned char)*c) || strchr("_-+=,./:", *c);
	if (plain) {
		fputs(s, out);
		return;
	}
	fputc('\'', out);
	for (; *s; s++)
		fputs(*s == '\'' ? "'\\''" : (char[]){*s, 0}, out);
	fputc('\'', out);
}

void run_line(const struct run *r, FILE *out)
{
	struct run_words w;

	run_words(r, "umbra", &w);
	for (unsigned i = 0; i < w.argc; i++) {
		if (i)
			fputc(' ', out);
		quoted(w.argv[i], out);
	}
}
