/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of umbra-ref's options, and the parsers that only it needs.
 *
 * Read first: options.h.
 */
#include "tools/ref/options.h"

#include "vmm/sizes.h"

#include <string.h>

static const struct opt_range memory_range = {16u << 20, UINT64_C(64) << 30, 4096,
					      "a size from 16M to 64G, such as 256M"};
static const struct opt_range timeout_range = {1, 86400, 0, "seconds, 1 or more"};
static const struct opt_range seed_range = {0, UINT64_MAX, 0, "a 64-bit number"};

/* Calls take for each piece between commas; pieces are short. */
static int each_piece(const struct option_def *d, const char *arg, struct opt_error *e,
		      int (*take)(const char *piece, void *target, struct opt_error *e),
		      void *target)
{
	char piece[33];

	for (;; arg++) {
		size_t len = strcspn(arg, ",");

		if (!len || len >= sizeof(piece))
			return opt_fail(e, "--%s: write %s", d->name, d->metavar);
		memcpy(piece, arg, len);
		piece[len] = '\0';
		if (take(piece, target, e))
			return -1;
		arg += len;
		if (!*arg)
			return 0;
	}
}

static int take_machine(const char *piece, void *target, struct opt_error *e)
{
	struct ref_options *o = target;
	const struct ref_machine *m = ref_machines;

	while (m->name && strcmp(m->name, piece))
		m++;
	if (!m->name)
		return opt_fail(e, "--machine: no such machine '%s'; see umbra-ref --help",
				piece);
	if (o->machines == REF_MAX_COLUMNS)
		return opt_fail(e, "--machine: at most %d", REF_MAX_COLUMNS);
	o->machine[o->machines++] = m;
	return 0;
}

static int take_guest(const char *piece, void *target, struct opt_error *e)
{
	struct ref_options *o = target;

	if (o->guests == REF_MAX_LIST)
		return opt_fail(e, "--guest: at most %d images", REF_MAX_LIST);
	strcpy(o->guest[o->guests++], piece);
	return 0;
}

static int take_cpus(const char *piece, void *target, struct opt_error *e)
{
	struct ref_options *o = target;
	uint64_t n;

	if (number_parse(piece, &n) || !n || n > 64)
		return opt_fail(e, "--cpus: '%s' is no number from 1 to 64", piece);
	if (o->cpu_counts == REF_MAX_LIST)
		return opt_fail(e, "--cpus: at most %d numbers", REF_MAX_LIST);
	o->cpus[o->cpu_counts++] = (unsigned)n;
	return 0;
}

static int parse_machine(const struct option_def *d, const char *arg, void *target,
			 struct opt_error *e)
{
	((struct ref_options *)target)->machines = 0;
	return each_piece(d, arg, e, take_machine, target);
}

static int parse_guest(const struct option_def *d, const char *arg, void *target,
		       struct opt_error *e)
{
	((struct ref_options *)target)->guests = 0;
	return each_piece(d, arg, e, take_guest, target);
}

static int parse_cpus(const struct option_def *d, const char *arg, void *target,
		      struct opt_error *e)
{
	((struct ref_options *)target)->cpu_counts = 0;
	return each_piece(d, arg, e, take_cpus, target);
}

static int parse_seed(const struct option_def *d, const char *arg, void *target,
		      struct opt_error *e)
{
	((struct ref_options *)target)->seed_given = true;
	return opt_number(d, arg, target, e);
}

#define FIELD(member) offsetof(struct ref_options, member)

/* clang-format off */
const struct option_def ref_option_table[] = {
	{.name = "machine", .metavar = "NAME[,NAME]", .group = "Where",
	 .help = "the machines to compare (those listed below; qemu-kvm only where the host has kvm_intel or kvm_amd)",
	 .parse = parse_machine},
	{.name = "timeout", .metavar = "S",
	 .help = "ends a run that takes longer (300)",
	 .parse = opt_count, .offset = FIELD(timeout), .rule = &timeout_range},

	{.name = "guest", .metavar = "NAME[,NAME]", .group = "What",
	 .help = "which of our images (amd64); `umbra guests` lists them",
	 .parse = parse_guest},
	{.name = "cpus", .letter = 'c', .metavar = "N[,N]",
	 .help = "processors; each number is a table of its own (2)",
	 .parse = parse_cpus},
	{.name = "memory", .letter = 'm', .metavar = "SIZE",
	 .help = "RAM; suffix K, M, G, a bare number is MiB (256M)",
	 .parse = opt_size, .offset = FIELD(memory), .rule = &memory_range},
	{.name = "scenario", .metavar = "NAME[,NAME]",
	 .help = "what the image runs (all of its scenarios)",
	 .parse = opt_file, .offset = FIELD(scenario)},
	{.name = "seed", .metavar = "N",
	 .help = "for the scenarios that draw random numbers",
	 .parse = parse_seed, .offset = FIELD(seed), .rule = &seed_range},
	{.name = "append", .metavar = "TEXT",
	 .help = "more words for the image's command line",
	 .parse = opt_text, .offset = FIELD(append)},

	{.name = "json", .metavar = "FILE", .group = "Output",
	 .help = "one JSON line for each run",
	 .parse = opt_file, .offset = FIELD(json)},
	{.name = "keep", .metavar = "DIR",
	 .help = "a folder that keeps the serial files",
	 .parse = opt_file, .offset = FIELD(keep)},
	{.name = "help", .letter = 'h', .help = "print this",
	 .parse = opt_flag, .offset = FIELD(help)},
	{.name = "version", .help = "print the version",
	 .parse = opt_flag, .offset = FIELD(version)},
	OPT_END
};
/* clang-format on */

int ref_options_parse(int argc, char **argv, struct ref_options *o, char *msg, size_t n)
{
	*o = (struct ref_options){.memory = 256u << 20, .timeout = 300};
	if (opt_parse(ref_option_table, argc, argv, o, NULL, msg, n))
		return -1;
	if (!o->machines)
		for (const struct ref_machine *m = ref_machines; m->name; m++)
			if (!m->usual || m->usual())
				o->machine[o->machines++] = m;
	if (!o->guests)
		strcpy(o->guest[o->guests++], "amd64");
	if (!o->cpu_counts)
		o->cpus[o->cpu_counts++] = 2;
	return 0;
}
