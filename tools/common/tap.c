/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of TAP; see tap.h.
 *
 * Read first: tap.h. Locks: none.
 */
#include "tools/common/tap.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Printable characters of from, up to the end or to n - 1. */
static void copy_text(char *to, size_t n, const char *from, size_t len)
{
	size_t used = 0;

	for (size_t i = 0; i < len && used + 1 < n; i++)
		if (isprint((unsigned char)from[i]))
			to[used++] = from[i];
	while (used && to[used - 1] == ' ')
		used--;
	to[used] = '\0';
}

/* "NUMBER - NAME # TEXT" behind "ok" or "not ok". */
static void take_result(struct tap *t, const char *s, bool ok)
{
	struct tap_line *l = &t->line[t->count];
	const char *text;

	if (t->count == TAP_MAX)
		return;
	s += strspn(s, " 0123456789");
	if (!strncmp(s, "- ", 2))
		s += 2;
	text = strstr(s, " # ");
	copy_text(l->name, sizeof(l->name), s, text ? (size_t)(text - s) : strlen(s));
	if (text)
		copy_text(l->text, sizeof(l->text), text + 3, strlen(text + 3));
	l->kind = !ok					      ? TAP_FAIL
		  : text && !strncasecmp(text + 3, "skip", 4) ? TAP_SKIP
							      : TAP_OK;
	t->count++;
}

static void take(struct tap *t, const char *s)
{
	if (!strncmp(s, "ok ", 3))
		take_result(t, s + 3, true);
	else if (!strncmp(s, "not ok ", 7))
		take_result(t, s + 7, false);
	else if (!strncmp(s, "1..", 3) && t->planned < 0)
		t->planned = (int)strtoul(s + 3, NULL, 10);
	else if (!strncmp(s, "Bail out!", 9))
		t->bailed = true;
}

int tap_read(const char *path, struct tap *t)
{
	FILE *f = fopen(path, "r");
	bool middle = false;
	char line[512];

	*t = (struct tap){.planned = -1};
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		bool whole = strchr(line, '\n');

		line[strcspn(line, "\r\n")] = '\0';
		if (!middle)
			take(t, line);
		middle = !whole;
	}
	fclose(f);
	return 0;
}

const struct tap_line *tap_find(const struct tap *t, const char *name)
{
	static const struct tap_line missing = {.kind = TAP_MISSING};

	for (unsigned i = 0; i < t->count; i++)
		if (!strcmp(t->line[i].name, name))
			return &t->line[i];
	return &missing;
}

bool tap_whole(const struct tap *t)
{
	return !t->bailed && t->planned >= 0 && (unsigned)t->planned == t->count;
}
