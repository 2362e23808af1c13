/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra help, --help and --version: all of it from the tables of commands and of options.
 *
 * Read first: commands.h, opttable.h.
 */
#include "config.h"

#include "vmm/commands.h"

#include <ctype.h>
#include <string.h>

#define PLAIN(member) offsetof(struct plain_options, member)
#define HELP_ROWS                                      \
	{.name = "help",                               \
	 .letter = 'h',                                \
	 .help = "print this and exit",                \
	 .parse = opt_flag,                            \
	 .offset = PLAIN(help),                        \
	 .group = "Help"},                             \
		{.name = "version",                    \
		 .help = "print the version and exit", \
		 .parse = opt_flag,                    \
		 .offset = PLAIN(version)},            \
		OPT_END

/* clang-format off */
const struct option_def plain_options[] = {
	HELP_ROWS
};

const struct option_def doctor_options[] = {
	{.name = "json", .help = "print one JSON object", .parse = opt_flag,
	 .offset = PLAIN(json), .group = "Output"},
	HELP_ROWS
};
/* clang-format on */

int help_version(void)
{
	puts(PACKAGE_STRING);
	return UMBRA_PASS;
}

int help_umbra(void)
{
	puts("usage: umbra COMMAND [options]\n\n"
	     "A virtual machine monitor that does the whole x86 MMU itself, by shadow "
	     "paging.\n\n"
	     "Commands:");
	for (const struct umbra_command *c = umbra_commands; c->name; c++)
		printf("  %-9s %s\n", c->name, c->help);
	puts("\n`umbra COMMAND --help` lists a command's options, `umbra --version` says the "
	     "version.");
	return UMBRA_PASS;
}

/* What --mmu-option may name; the names come from the shadow library, not from our table. */
static void print_techniques(void)
{
	if (!umbra_mmu_names[0])
		return;
	puts("\nTechniques for --mmu-option:");
	for (const char *const *name = umbra_mmu_names; *name; name++)
		printf("      %s\n", *name);
}

int help_command(const struct umbra_command *c)
{
	printf("usage: umbra %s [options]%s\n\n%c%s.\n", c->name, c->operands,
	       toupper((unsigned char)c->help[0]), c->help + 1);
	opt_print_help(c->options, stdout);
	if (c->options == run_options)
		print_techniques();
	return UMBRA_PASS;
}

struct help_request {
	struct plain_options plain; /* first: the rows' offsets count from here */
	const char *topic;
};

static int take_topic(const char *arg, void *target, struct opt_error *e)
{
	struct help_request *r = target;

	if (r->topic)
		return opt_fail(e, "unexpected argument '%s'; help takes one command", arg);
	r->topic = arg;
	return 0;
}

int verb_help(const struct umbra_command *c, int argc, char **argv)
{
	struct help_request r = {.topic = NULL};
	char msg[256];

	if (opt_parse(c->options, argc, argv, &r, take_topic, msg, sizeof(msg)))
		return complain(UMBRA_USAGE, "%s", msg);
	if (r.plain.version)
		return help_version();
	if (r.plain.help)
		return help_command(c);
	if (!r.topic)
		return help_umbra();
	for (c = umbra_commands; c->name; c++)
		if (!strcmp(c->name, r.topic))
			return help_command(c);
	return complain(UMBRA_USAGE, "unknown command '%s'; `umbra help` lists the commands",
			r.topic);
}
