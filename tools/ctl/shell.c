/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines that are commands, on one connection. A line's words are split at spaces; quotes keep them
 * together; behind qmp the rest of the line is the request as it stands. Empty lines and lines that begin
 * with # are passed over.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ARGV (2 * CTL_MAX_WORDS)
#define MAX_LINE (1u << 20) /* the machine's limit for a request */

/* Cuts line into words in place. Their number, or -1: an open quote, or too many. */
static int split(char *line, char **argv)
{
	int n = 1;

	argv[0] = (char *)"umbractl";
	for (char *p = line; *(p += strspn(p, " \t"));) {
		char quote = *p == '\'' || *p == '"' ? *p : 0;
		size_t len;

		p += quote != 0;
		len = quote ? strcspn(p, (char[]){quote, 0}) : strcspn(p, " \t");
		if ((quote && !p[len]) || n == MAX_ARGV - 1)
			return -1;
		argv[n++] = p;
		p += len;
		if (*p)
			*p++ = '\0';
	}
	argv[n] = NULL;
	return n;
}

static int run_words(struct ctl *c, int argc, char **argv)
{
	struct ctl_options o;
	char msg[512];

	if (ctl_options_parse(argc, argv, &o, msg, sizeof(msg)))
		return complain(CTL_USAGE, "%s", msg);
	if (o.help || o.version || o.socket)
		return complain(CTL_USAGE, "in the shell, --%s means nothing",
				o.help	    ? "help"
				: o.version ? "version"
					    : "socket");
	if (!o.words)
		return CTL_PASS;
	if (!(o.given & GIVES(OPT_TIMEOUT)))
		o.timeout = c->o->timeout;
	o.json |= c->o->json;
	c->o = &o;
	return ctl_run(c);
}

static int run_line(struct ctl *c, char *line)
{
	const struct ctl_options *outer = c->o;
	char *argv[MAX_ARGV], *word = line + strspn(line, " \t");
	int argc, code;

	c->raw = NULL;
	if (!strncmp(word, "qmp", 3) && strchr(" \t", word[3]) && word[3]) {
		c->raw = word + 4;
		word[3] = '\0';
		argc = 3;
		argv[0] = (char *)"umbractl";
		argv[1] = word;
		argv[2] = (char *)"{}"; /* stands for the rest of the line */
		argv[3] = NULL;
	} else
		argc = split(word, argv);
	if (argc < 0)
		return complain(CTL_USAGE, "a quote is open, or there are too many words");
	code = run_words(c, argc, argv);
	c->o = outer;
	c->raw = NULL;
	return code;
}

int cmd_shell(struct ctl *c)
{
	bool people = isatty(0);
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int code, worst = CTL_PASS;

	if (c->shell)
		return complain(CTL_USAGE, "this is the shell already");
	c->shell = true;
	for (;;) {
		if (people)
			fputs("umbra> ", stdout);
		fflush(stdout);
		len = getline(&line, &size, stdin);
		if (len < 0 || len > (ssize_t)MAX_LINE)
			break;
		line[strcspn(line, "\r\n")] = '\0';
		code = line[0] == '#' ? CTL_PASS : run_line(c, line);
		if (!people && code > worst)
			worst = code;
		if (c->q.fd < 0) {
			worst = CTL_HOST;
			break;
		}
	}
	free(line);
	c->shell = false;
	return worst;
}
