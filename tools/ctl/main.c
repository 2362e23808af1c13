/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbractl: words to a command, a command to a machine.
 *
 * Exit codes: 0 done; 1 the machine refused, or an audit or diff found something wrong; 2 usage; 3 no
 * machine, it has gone, or what it sent is no QMP, or output can't be written.
 *
 * Read first: ctl.h.
 */
#include "config.h"

#include "tools/ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* C0 but the newline, DEL, and C1 as UTF-8 has it, which are commands to a terminal. */
static void defuse(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++)
		if ((*p < 0x20 && *p != '\n') || *p == 0x7f)
			*p = '.';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = '.';
}

static void print_defused(FILE *out, const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		return;
	defuse(s);
	fputs(s, out);
	free(s);
}

int complain(int code, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("umbractl: ", stderr);
	va_start(ap, fmt);
	print_defused(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_defused(stdout, fmt, ap);
	va_end(ap);
}

const char *operand(const struct ctl *c, unsigned i)
{
	return i + 1 < c->o->words ? c->o->word[i + 1] : NULL;
}

/* The first option that was given and means nothing to the command; -1: none. */
static int stray_option(const struct ctl_options *o, const struct ctl_command *command)
{
	const uint32_t always = GIVES(OPT_SOCKET) | GIVES(OPT_JSON) | GIVES(OPT_TIMEOUT) |
				GIVES(OPT_HELP) | GIVES(OPT_VERSION);
	uint32_t stray = o->given & ~(command->options | always);

	return stray ? __builtin_ctz(stray) : -1;
}

static int check(const struct ctl_options *o, const struct ctl_command **command)
{
	const struct ctl_command *k = command_named(o->word[0]);
	unsigned operands = o->words - 1;
	int stray;

	if (!k)
		return complain(CTL_USAGE,
				"unknown command '%s'; umbractl --help lists the commands",
				o->word[0]);
	if (operands < k->min || operands > k->max)
		return complain(CTL_USAGE, "too %s words; write: umbractl %s %s",
				operands < k->min ? "few" : "many", k->name, k->operands);
	stray = stray_option(o, k);
	if (stray >= 0)
		return complain(CTL_USAGE, "%s has no option --%s", k->name,
				ctl_option_table[stray].name);
	*command = k;
	return CTL_PASS;
}

int ctl_run(struct ctl *c)
{
	const struct ctl_command *command = NULL;
	int code = check(c->o, &command);

	if (!code && c->q.fd < 0) {
		code = find_machine(c->o->socket, c->path, sizeof(c->path));
		if (!code && qmp_open(&c->q, c->path, c->o->timeout) != QMP_OK)
			code = complain(CTL_HOST, "%s", c->q.msg);
	}
	c->q.timeout = c->o->timeout;
	if (!code)
		code = command->run(c);
	if (fflush(stdout) || ferror(stdout))
		return complain(CTL_HOST, "can't write: %s", strerror(errno));
	return code;
}

static int print_help(void)
{
	puts("usage: umbractl [-s NAME|PATH] COMMAND [options]\n\n"
	     "Looks into a running machine, and steers it.\n\nCommands:");
	for (const struct ctl_command *k = ctl_commands; k->name; k++) {
		int column = printf("  %s %s", k->name, k->operands);

		printf("%*s%s\n", column < 30 ? 30 - column : 1, "", k->help);
	}
	opt_print_help(ctl_option_table, stdout);
	return CTL_PASS;
}

int main(int argc, char **argv)
{
	struct ctl_options o;
	struct ctl c = {.o = &o, .q.fd = -1};
	char msg[512];
	int code;

	if (ctl_options_parse(argc, argv, &o, msg, sizeof(msg)))
		return complain(CTL_USAGE, "%s", msg);
	if (o.help)
		return print_help();
	if (o.version)
		return puts("umbractl " PACKAGE_VERSION) < 0 ? CTL_HOST : CTL_PASS;
	if (!o.words)
		return complain(CTL_USAGE, "no command; umbractl --help lists the commands");
	code = ctl_run(&c);
	qmp_close(&c.q);
	return code;
}
