/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of umbractl's options, and the parsers that only it needs. Each row is parsed by take(),
 * which notes that it was given: a command refuses options that say nothing to it.
 *
 * Read first: options.h.
 */
#include "tools/ctl/options.h"

#include "vmm/sizes.h"

#include <string.h>

/* The parser of a row, and its rule. */
struct inner {
	opt_parse_fn parse;
	const void *rule;
};

static int take(const struct option_def *d, const char *arg, void *target, struct opt_error *e)
{
	struct ctl_options *o = target;
	const struct inner *i = d->rule;
	struct option_def row = *d;

	o->given |= 1u << (d - ctl_option_table);
	row.rule = i->rule;
	return i->parse(&row, arg, target, e);
}

static int parse_access(const struct option_def *d, const char *arg, void *target,
			struct opt_error *e)
{
	(void)d;
	if (strcmp(arg, "read") && strcmp(arg, "write") && strcmp(arg, "fetch"))
		return opt_fail(
			e, "--access: '%s' is no access; give one of: read, write, fetch", arg);
	((struct ctl_options *)target)->access = arg;
	return 0;
}

/* FIRST-LAST, both of them numbers; the last may be left out. */
static int parse_range(const struct option_def *d, const char *arg, void *target,
		       struct opt_error *e)
{
	struct ctl_options *o = target;
	const char *dash = strchr(arg, '-');
	char first[32];

	(void)d;
	snprintf(first, sizeof(first), "%.*s", dash ? (int)(dash - arg) : 31, arg);
	o->end = UINT64_MAX;
	if (!dash || dash - arg > 31 || number_parse(first, &o->start) ||
	    (dash[1] && number_parse(dash + 1, &o->end)) || o->end < o->start)
		return opt_fail(
			e, "--range: '%s' is no range; write FIRST-LAST, such as 0x1000-0x1fff",
			arg);
	return 0;
}

static int take_word(const char *arg, void *target, struct opt_error *e)
{
	struct ctl_options *o = target;

	if (o->words == CTL_MAX_WORDS)
		return opt_fail(e, "too many words; give at most %d", CTL_MAX_WORDS);
	o->word[o->words++] = arg;
	return 0;
}

static const struct opt_range seconds = {1, 86400, 0, "a number of seconds from 1 to 86400"};
static const struct opt_range vcpus = {0, 254, 0, "a number from 0 to 254"};
static const struct opt_range rings = {0, 3, 0, "a number from 0 to 3"};
static const struct opt_range counts = {1, 1000000, 0, "a number from 1 to 1000000"};
static const struct opt_range frames = {0, UINT64_MAX, 0, "a frame, such as 0x10001"};

/* clang-format off */
static const struct opt_keyword formats[] = {
	{"text", DUMP_TEXT, false}, {"ptdump", DUMP_PTDUMP, false}, {"qemu", DUMP_QEMU, false},
	{"json", DUMP_JSON, false}, {"dot", DUMP_DOT, false}, {"html", DUMP_HTML, false},
	{NULL, 0, false},
};
static const struct opt_keyword views[] = {
	{"guest", VIEW_GUEST, false}, {"shadow", VIEW_SHADOW, false}, {"both", VIEW_BOTH, false},
	{"kernel", VIEW_KERNEL, false}, {"kernel-ac", VIEW_KERNEL_AC, false},
	{"user", VIEW_USER, false}, {NULL, 0, false},
};

#define INNER(name, ...) static const struct inner name = {__VA_ARGS__}
INNER(flag, opt_flag, NULL);
INNER(text, opt_file, NULL);
INNER(second, opt_count, &seconds);
INNER(vcpu, opt_count, &vcpus);
INNER(ring, opt_count, &rings);
INNER(count, opt_count, &counts);
INNER(frame, opt_number, &frames);
INNER(access_kind, parse_access, NULL);
INNER(range, parse_range, NULL);
INNER(format, opt_keyword, formats);
INNER(view, opt_keyword, views);

#define TAKES(member, inner) .parse = take, .offset = offsetof(struct ctl_options, member), .rule = &inner

const struct option_def ctl_option_table[] = {
	[OPT_SOCKET] = {.name = "socket", .letter = 's', .metavar = "NAME|PATH", .group = "Machine",
	 .help = "which machine: its name, or its control socket; may be left out when only one runs",
	 TAKES(socket, text)},
	[OPT_JSON] = {.name = "json", .help = "print JSON, one line",
	 TAKES(json, flag)},
	[OPT_TIMEOUT] = {.name = "timeout", .metavar = "S",
	 .help = "how many seconds an answer may take (30)",
	 TAKES(timeout, second)},

	[OPT_VCPU] = {.name = "vcpu", .metavar = "N", .group = "What to look at",
	 .help = "the address space of this vCPU (0)",
	 TAKES(vcpu, vcpu)},
	[OPT_ROOT] = {.name = "root", .metavar = "FRAME",
	 .help = "that of a live shadow root instead; 'umbractl roots' lists them",
	 TAKES(root, frame)},
	[OPT_ACCESS] = {.name = "access", .metavar = "KIND",
	 .help = "explain: read, write or fetch (read)",
	 TAKES(access, access_kind)},
	[OPT_RING] = {.name = "ring", .metavar = "N",
	 .help = "explain: the access's privilege, 0 to 3 (3)",
	 TAKES(ring, ring)},
	[OPT_FORMAT] = {.name = "format", .metavar = "FORMAT",
	 .help = "dump: text, ptdump, qemu, json, dot or html (text)",
	 TAKES(format, format)},
	[OPT_VIEW] = {.name = "view", .metavar = "VIEW",
	 .help = "dump, diff: guest, shadow, both, or one shadow view: kernel, kernel-ac, user",
	 TAKES(view, view)},
	[OPT_RANGE] = {.name = "range", .metavar = "FIRST-LAST",
	 .help = "dump, diff: addresses from FIRST to LAST only",
	 TAKES(start, range)},

	[OPT_STOPPED] = {.name = "stopped", .group = "How",
	 .help = "audit: bring the vCPUs to rest, and check everything",
	 TAKES(stopped, flag)},
	[OPT_MEASURE] = {.name = "measure",
	 .help = "rcu: wait for a grace period and say how long it took",
	 TAKES(measure, flag)},
	[OPT_WATCH] = {.name = "watch",
	 .help = "stats: again and again, with what changed; trace: print events as they come",
	 TAKES(watch, flag)},
	[OPT_INTERVAL] = {.name = "interval", .metavar = "S",
	 .help = "with --watch: every S seconds (1)",
	 TAKES(interval, second)},
	[OPT_COUNT] = {.name = "count", .metavar = "N",
	 .help = "with --watch: so many times, or intervals (no end)",
	 TAKES(count, count)},
	[OPT_HELP] = {.name = "help", .letter = 'h', .help = "print this",
	 TAKES(help, flag)},
	[OPT_VERSION] = {.name = "version", .help = "print the version",
	 TAKES(version, flag)},
	OPT_END
};
/* clang-format on */

int ctl_options_parse(int argc, char **argv, struct ctl_options *o, char *msg, size_t n)
{
	*o = (struct ctl_options){
		.timeout = 30, .interval = 1, .end = UINT64_MAX, .view = VIEW_GUEST};
	return opt_parse(ctl_option_table, argc, argv, o, take_word, msg, n);
}
