/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether what a script names exists: images and their scenarios by the lists beside the images,
 * techniques by asking umbra, which alone knows them. So that nothing runs before all is right.
 *
 * Read first: stress.h, vmm/guestpath.h. Locks: none.
 */
#include "config.h"

#include "tools/stress/stress.h"

#include "tools/common/program.h"
#include "vmm/guestpath.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct checker {
	const struct block *block;
	char *msg;
	size_t n;
};

__attribute__((format(printf, 3, 4))) static int wrong(struct checker *c, const struct value *v,
						       const char *fmt, ...)
{
	size_t used = (size_t)snprintf(c->msg, c->n, "%s:%u:%u: ", c->block->path, v->line,
				       v->column);
	va_list ap;

	va_start(ap, fmt);
	if (used < c->n)
		vsnprintf(c->msg + used, c->n - used, fmt, ap);
	va_end(ap);
	return -1;
}

static int check_guest(struct checker *c, const struct value *v)
{
	char path[PATH_MAX], names[256];

	if (!guestpath_find(v->text, path, sizeof(path)))
		return 0;
	guestpath_names(names, sizeof(names));
	return wrong(c, v, "guest: there is no image '%s'; expected one of %s", v->text, names);
}

static bool has_scenario(const char *list, const char *name, size_t len)
{
	char line[512];
	bool found = false;
	FILE *f = fopen(list, "re");

	while (f && !found && fgets(line, sizeof(line), f))
		found = strcspn(line, "\t\r\n") == len && !strncmp(line, name, len);
	if (f)
		fclose(f);
	return found;
}

static int check_scenario_of(struct checker *c, const struct value *v, const char *guest)
{
	char path[PATH_MAX], list[PATH_MAX + 16];
	const char *s = v->text;

	if (guestpath_find(guest, path, sizeof(path)))
		return wrong(c, v,
			     "scenario: there is no image '%s'; `umbra guests` lists them",
			     guest);
	snprintf(list, sizeof(list), "%s.scenarios", path);
	for (size_t len; *s; s += len + (s[len] == '+')) {
		len = strcspn(s, "+");
		if (!(len == 3 && !strncmp(s, "all", 3)) && !has_scenario(list, s, len))
			return wrong(c, v,
				     "scenario: %s has no '%.*s'; expected one that `umbra "
				     "guests` lists",
				     guest, (int)len, s);
	}
	return 0;
}

static int check_scenario(struct checker *c, const struct value *v)
{
	const struct value_list *g = &c->block->key[KEY_GUEST];

	if (!g->n)
		return check_scenario_of(c, v, key_defs[KEY_GUEST].usual);
	for (unsigned i = 0; i < g->n; i++)
		if (check_scenario_of(c, v, g->v[i].text))
			return -1;
	return 0;
}

/* umbra parses its whole command line before it prints its help. */
static int umbra_takes(const struct run_words *w)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(w->argv[0], (char **)(uintptr_t)w->argv);
		_exit(127);
	}
	close(null);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The events of a black box: umbra's own command for it reads them as umbra run does. */
static void words_of_trace(struct run_words *w, const char *program, const char *events)
{
	*w = (struct run_words){.argv = {program, "blackbox", "--events", events}, .argc = 4};
}

static int check_by_umbra(struct checker *c, const struct value *v, int key)
{
	struct run r = {.block = c->block};
	char buf[PATH_MAX];
	const char *program = umbra_program(buf, sizeof(buf));
	struct run_words w;
	int code;

	r.value[key] = v->text;
	if (key == KEY_TRACE)
		words_of_trace(&w, program, v->text);
	else
		run_words(&r, program, &w);
	w.argv[w.argc++] = "--help";
	w.argv[w.argc] = NULL;
	code = umbra_takes(&w);
	if (!code)
		return 0;
	if (code == 2)
		return wrong(c, v, "%s: umbra does not take '%s'; expected %s",
			     key_defs[key].name, v->text, key_defs[key].expected);
	return wrong(c, v, "can't run %s; name umbra in UMBRA", w.argv[0]);
}

static int check_value(struct checker *c, int key, const struct value *v)
{
	switch (key) {
	case KEY_GUEST:
		return check_guest(c, v);
	case KEY_SCENARIO:
		return check_scenario(c, v);
	case KEY_TRACE:
		return strcmp(v->text, "off") ? check_by_umbra(c, v, key) : 0;
	case KEY_MMU:
	case KEY_MEMORY:
	case KEY_LOWMEM:
	case KEY_LIMIT:
		return check_by_umbra(c, v, key);
	default:
		return 0;
	}
}

int script_check(const struct block *b, char *msg, size_t n)
{
	struct checker c = {.msg = msg, .n = n};

	for (; b; b = b->next) {
		c.block = b;
		for (int k = 0; k < KEY_COUNT; k++)
			for (unsigned i = 0; i < b->key[k].n; i++)
				if (check_value(&c, k, &b->key[k].v[i]))
					return -1;
	}
	return 0;
}
