/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra: from the command line to a command. The only place that decides umbra's exit code for
 * a wrong command line; the commands themselves return theirs.
 *
 * Read first: commands.h.
 */
#include "config.h"

#include "vmm/commands.h"
#include "vmm/guestpath.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

const struct umbra_command umbra_commands[] = {
	{"run", " [KERNEL]", "run a guest", run_options, verb_run},
	{"doctor", "", "say what this host's KVM can do", doctor_options, verb_doctor},
	{"guests", "", "list our guest images and their scenarios", plain_options, verb_guests},
	{"list", "", "list the running machines", plain_options, verb_list},
	{"blackbox", " FILE", "print the records that a run kept", blackbox_options,
	 verb_blackbox},
	{"help", " [COMMAND]", "explain a command", plain_options, verb_help},
	{NULL, NULL, NULL, NULL, NULL},
};

int complain(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("umbra: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

bool plain_parse(const struct umbra_command *c, int argc, char **argv, struct plain_options *o,
		 int *code)
{
	char msg[256];

	*o = (struct plain_options){.json = false};
	if (opt_parse(c->options, argc, argv, o, NULL, msg, sizeof(msg)))
		*code = complain(UMBRA_USAGE, "%s", msg);
	else if (o->help)
		*code = help_command(c);
	else if (o->version)
		*code = help_version();
	else
		return true;
	return false;
}

int verb_doctor(const struct umbra_command *c, int argc, char **argv)
{
	struct plain_options o;
	int code;

	return plain_parse(c, argc, argv, &o, &code) ? cmd_doctor(o.json) : code;
}

/* No KERNEL was given: take the image that --guest names. */
static int run_own_guest(struct umbra_options *o)
{
	char path[PATH_MAX], names[256];

	if (!guestpath_find(o->guest, path, sizeof(path))) {
		o->kernel = path;
		o->own_guest = true;
		return cmd_run(o);
	}
	if (!guestpath_names(names, sizeof(names)))
		return complain(UMBRA_HOST,
				"no guest image in %s; build one with make, or name "
				"its folder in UMBRA_GUEST_DIR",
				names);
	return complain(UMBRA_USAGE, "no such guest image '%s'; available: %s", o->guest,
			names);
}

int verb_run(const struct umbra_command *c, int argc, char **argv)
{
	struct umbra_options o;
	char msg[256];

	if (options_parse(argc, argv, umbra_mmu_names, &o, msg, sizeof(msg)))
		return complain(UMBRA_USAGE, "%s", msg);
	if (o.help)
		return help_command(c);
	if (o.version)
		return help_version();
	return o.kernel ? cmd_run(&o) : run_own_guest(&o);
}

static int dispatch(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name)
		return complain(UMBRA_USAGE, "no command; try `umbra help`");
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return help_umbra();
	if (!strcmp(name, "--version"))
		return help_version();
	for (const struct umbra_command *c = umbra_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c->run(c, argc - 1, argv + 1);
	return complain(UMBRA_USAGE, "unknown command '%s'; `umbra help` lists the commands",
			name);
}

int main(int argc, char **argv)
{
	int code = dispatch(argc, argv);

	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && code == UMBRA_PASS)
		return complain(UMBRA_HOST,
				"can't write to standard output: %s; free some space "
				"or give another place",
				strerror(errno ? errno : EIO));
	return code;
}
