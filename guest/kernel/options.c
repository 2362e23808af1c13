/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line: words separated by blanks, KEY=VALUE or KEY; unknown words are ignored. */
#include "kernel/mutant.h"

struct options options = {.seed = 1, .size = 1, .lowmem = LOWMEM_DEFAULT};
static struct spinlock random_lock = {.name = "random"};

static ulong parse_number(const char *s)
{
	ulong v = 0;

	while (*s >= '0' && *s <= '9')
		v = v * 10 + (ulong)(*s++ - '0');
	return v;
}

/* A list that there is no room for fails as a scenario that there isn't: it must not run all. */
static void choose_scenarios(const char *list, size_t len)
{
	static const char too_long[] = "scenario-list-too-long";

	if (len >= sizeof(options.scenario)) {
		list = too_long;
		len = sizeof(too_long) - 1;
	}
	memcpy(options.scenario, list, len);
	options.scenario[len] = 0;
}

static void parse_word(const char *w, size_t len)
{
	if (len > 9 && strneq(w, "scenario=", 9)) {
		choose_scenarios(w + 9, len - 9);
	} else if (len > 7 && strneq(w, "mutant=", 7)) {
		mutant_choose(w + 7, len - 7);
	} else if (len > 5 && strneq(w, "cpus=", 5)) {
		options.cpus = (u32)parse_number(w + 5);
	} else if (len > 5 && strneq(w, "seed=", 5)) {
		options.seed = parse_number(w + 5);
	} else if (len > 5 && strneq(w, "size=", 5)) {
		options.size = parse_number(w + 5);
		options.size += !options.size;
	} else if (len > 7 && strneq(w, "lowmem=", 7)) {
		options.lowmem = parse_number(w + 7) << 20;
	} else if (len == 12 && strneq(w, "pagealloc=4k", 12)) {
		options.pagealloc = PAGEALLOC_4K;
	} else if (len == 15 && strneq(w, "pagealloc=split", 15)) {
		options.pagealloc = PAGEALLOC_SPLIT;
	} else if (len == 7 && strneq(w, "ptshare", 7)) {
		options.share_tables = true;
	} else if (len == 5 && strneq(w, "quiet", 5)) {
		options.quiet = true;
	}
}

void options_parse(const char *line)
{
	while (*line) {
		size_t len = 0;

		while (line[len] && line[len] != ' ')
			len++;
		parse_word(line, len);
		line += len;
		while (*line == ' ')
			line++;
	}
}

/* splitmix64 of the seed; callers are scenarios and system calls, on any CPU. */
u64 random_next(void)
{
	u64 z;

	spin_lock(&random_lock);
	z = options.seed += 0x9e3779b97f4a7c15ULL;
	spin_unlock(&random_lock);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}
