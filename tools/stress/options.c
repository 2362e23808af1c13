/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of umbra-stress's options, and the parsers that only it needs.
 *
 * Read first: options.h.
 */
#include "tools/stress/options.h"

#include "vmm/sizes.h"

#include <string.h>

static const struct opt_range seed_range = {0, UINT64_MAX, 0, "a 64-bit number"};
static const struct opt_range jobs_range = {1, 64, 0, "a number from 1 to 64"};

static int parse_seed(const struct option_def *d, const char *arg, void *target,
		      struct opt_error *e)
{
	((struct stress_options *)target)->seed_given = true;
	return opt_number(d, arg, target, e);
}

/* Seconds, or a number with s, m or h. */
static int parse_time(const struct option_def *d, const char *arg, void *target,
		      struct opt_error *e)
{
	static const char suffix[] = "smh";
	static const unsigned seconds[] = {1, 60, 3600};
	size_t len = strlen(arg);
	const char *s = len ? strchr(suffix, arg[len - 1]) : NULL;
	char digits[16];
	uint64_t n = 0;

	(void)d;
	snprintf(digits, sizeof(digits), "%.*s", (int)(s ? len - 1 : len), arg);
	if (len > 9 || number_parse(digits, &n) || !n || n > 1000000)
		return opt_fail(
			e, "--time: '%s' is no time; write seconds, or such as 90s, 5m, 2h",
			arg);
	((struct stress_options *)target)->time = (unsigned)n * (s ? seconds[s - suffix] : 1);
	return 0;
}

static int parse_shard(const struct option_def *d, const char *arg, void *target,
		       struct opt_error *e)
{
	struct stress_options *o = target;
	unsigned i, n;
	char rest;

	(void)d;
	if (sscanf(arg, "%u/%u%c", &i, &n, &rest) != 2 || !i || i > n || n > 100000)
		return opt_fail(e, "--shard: '%s' is no part; write I/N, such as 2/8", arg);
	o->shard = i - 1;
	o->shards = n;
	return 0;
}

static int take_file(const char *arg, void *target, struct opt_error *e)
{
	struct stress_options *o = target;

	if (o->files == STRESS_MAX_FILES)
		return opt_fail(e, "too many scripts; give at most %d", STRESS_MAX_FILES);
	o->file[o->files++] = arg;
	return 0;
}

#define FIELD(member) offsetof(struct stress_options, member)

/* clang-format off */
const struct option_def stress_option_table[] = {
	{.name = "seed", .metavar = "N", .group = "Runs",
	 .help = "random seeds come from it: the same number, the same runs (from the clock)",
	 .parse = parse_seed, .offset = FIELD(seed), .rule = &seed_range},
	{.name = "time", .metavar = "T",
	 .help = "begins no run after T seconds; suffix s, m, h",
	 .parse = parse_time},
	{.name = "jobs", .letter = 'j', .metavar = "N",
	 .help = "machines at a time (1)",
	 .parse = opt_count, .offset = FIELD(jobs), .rule = &jobs_range},
	{.name = "shard", .metavar = "I/N",
	 .help = "does part I of N of the runs",
	 .parse = parse_shard},

	{.name = "out", .metavar = "DIR", .group = "Output",
	 .help = "a folder for results: runs.jsonl, and a folder for each run that did not end as expected",
	 .parse = opt_file, .offset = FIELD(out)},
	{.name = "list",
	 .help = "prints the runs as commands, and runs nothing",
	 .parse = opt_flag, .offset = FIELD(list)},
	{.name = "help", .letter = 'h', .help = "print this",
	 .parse = opt_flag, .offset = FIELD(help)},
	{.name = "version", .help = "print the version",
	 .parse = opt_flag, .offset = FIELD(version)},
	OPT_END
};
/* clang-format on */

int stress_options_parse(int argc, char **argv, struct stress_options *o, char *msg, size_t n)
{
	*o = (struct stress_options){.jobs = 1};
	return opt_parse(stress_option_table, argc, argv, o, take_file, msg, n);
}
