/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The text of a script. A line is empty, [NAME], or KEY = VALUE, VALUE ...; # begins a comment. A value
 * is a run of characters other than blanks, commas, quotes and #, or text in double quotes.
 *
 * The first mistake ends the reading: its line and column, and what was expected there.
 *
 * Read first: stress.h. Locks: none.
 */
#include "config.h"

#include "tools/stress/stress.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE   4096
#define MAX_VALUES 10000

struct reader {
	const char *path;
	unsigned number;
	char line[MAX_LINE];
	const char *at; /* in line */
	struct block *first, *block;
	unsigned values;
	char *msg;
	size_t n;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct reader *r, const char *fmt, ...)
{
	size_t used = (size_t)snprintf(r->msg, r->n, "%s:%u:%zu: ", r->path, r->number,
				       (size_t)(r->at - r->line) + 1);
	va_list ap;

	va_start(ap, fmt);
	if (used < r->n)
		vsnprintf(r->msg + used, r->n - used, fmt, ap);
	va_end(ap);
	return -1;
}

static void blanks(struct reader *r)
{
	r->at += strspn(r->at, " \t");
}

static bool at_end(const struct reader *r)
{
	return !*r->at || *r->at == '#';
}

static struct block *add_block(struct reader *r, const char *name, size_t len)
{
	struct block *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	memcpy(b->name, name, len);
	b->path = r->path;
	if (r->block)
		r->block->next = b;
	else
		r->first = b;
	r->block = b;
	return b;
}

static int take_section(struct reader *r)
{
	const char *name = ++r->at;
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (!len || len > STRESS_NAME)
		return wrong(r, "expected a block's name: 1 to %d of a-z, 0-9 and -",
			     STRESS_NAME);
	for (const struct block *b = r->first; b; b = b->next)
		if (strlen(b->name) == len && !strncmp(b->name, name, len))
			return wrong(r,
				     "there is a block of this name already; expected another");
	r->at += len;
	if (*r->at != ']')
		return wrong(r, "expected ']'");
	r->at++;
	return add_block(r, name, len) ? 0 : wrong(r, "no memory");
}

static int find_key(struct reader *r, enum key *key)
{
	size_t len = strspn(r->at, "abcdefghijklmnopqrstuvwxyz-");
	char list[300];
	size_t used = 0;

	for (int k = 0; k < KEY_COUNT; k++) {
		if (strlen(key_defs[k].name) == len && !strncmp(key_defs[k].name, r->at, len)) {
			*key = (enum key)k;
			r->at += len;
			return 0;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 k ? ", " : "", key_defs[k].name);
	}
	return wrong(r, "expected one of %s, or [NAME]", list);
}

/* A value's text to buf, which is as long as a line. */
static int take_text(struct reader *r, char *buf)
{
	size_t len;

	if (*r->at == '"') {
		len = strcspn(++r->at, "\"");
		if (r->at[len] != '"')
			return wrong(r, "expected a closing quote");
		memcpy(buf, r->at, len);
		r->at += len + 1;
	} else {
		len = strcspn(r->at, " \t,\"#");
		memcpy(buf, r->at, len);
		r->at += len;
	}
	buf[len] = '\0';
	return 0;
}

static int keep_value(struct reader *r, struct value_list *l, const char *text,
		      const char *start)
{
	struct value *v = realloc(l->v, (l->n + 1) * sizeof(*v));

	if (!v)
		return wrong(r, "no memory");
	l->v = v;
	v[l->n] = (struct value){.text = strdup(text),
				 .line = r->number,
				 .column = (unsigned)(start - r->line) + 1};
	if (!v[l->n].text)
		return wrong(r, "no memory");
	l->n++;
	return 0;
}

static int take_value(struct reader *r, enum key key)
{
	const struct key_def *d = &key_defs[key];
	const char *start = r->at;
	char text[MAX_LINE];

	if (take_text(r, text))
		return -1;
	if (!d->valid(text)) {
		r->at = start;
		return wrong(r, "%s: expected %s", d->name, d->expected);
	}
	if (++r->values > MAX_VALUES)
		return wrong(r, "expected at most %d values in a script", MAX_VALUES);
	return keep_value(r, &r->block->key[key], text, start);
}

static int take_values(struct reader *r, enum key key)
{
	for (;;) {
		blanks(r);
		if (take_value(r, key))
			return -1;
		blanks(r);
		if (at_end(r))
			return 0;
		if (*r->at != ',')
			return wrong(r, "expected a comma, or the end of the line");
		if (key_defs[key].single)
			return wrong(r, "%s takes one value; expected the end of the line",
				     key_defs[key].name);
		r->at++;
	}
}

static int take_key(struct reader *r)
{
	const char *start = r->at;
	enum key key = KEY_COUNT;

	if (find_key(r, &key))
		return -1;
	blanks(r);
	if (*r->at != '=')
		return wrong(r, "expected '='");
	r->at++;
	if (!r->block && !add_block(r, "", 0))
		return wrong(r, "no memory");
	if (r->block->key[key].n) {
		r->at = start;
		return wrong(r, "%s stands in this block already; expected another key",
			     key_defs[key].name);
	}
	return take_values(r, key);
}

static int take_line(struct reader *r)
{
	r->at = r->line;
	blanks(r);
	if (at_end(r))
		return 0;
	if (*r->at != '[')
		return take_key(r);
	if (take_section(r))
		return -1;
	blanks(r);
	return at_end(r) ? 0 : wrong(r, "expected the end of the line");
}

/* The next line to r->line. 1: there is one, 0: the end. */
static int next_line(struct reader *r, FILE *f)
{
	size_t len = 0;
	int c;

	r->number++;
	r->at = r->line;
	while ((c = getc(f)) != EOF && c != '\n') {
		r->at = r->line + len;
		if (len + 1 == sizeof(r->line))
			return wrong(r, "expected a line of at most %d bytes", MAX_LINE - 1);
		if (c != '\t' && c != '\r' && !isprint(c))
			return wrong(r, "expected printable ASCII, found byte 0x%02x", c);
		if (c != '\r')
			r->line[len++] = (char)c;
	}
	r->line[len] = '\0';
	if (ferror(f))
		return wrong(r, "can't be read: %s", strerror(errno));
	return c != EOF || len;
}

static int take_lines(struct reader *r, FILE *f)
{
	int more;

	while ((more = next_line(r, f)) > 0)
		if (take_line(r))
			return -1;
	if (more < 0)
		return -1;
	return r->first ? 0
			: wrong(r,
				"the script is empty; expected a line such as: guest = amd64");
}

struct block *script_read(const char *path, char *msg, size_t n)
{
	struct reader r = {.path = path, .msg = msg, .n = n};
	FILE *f = fopen(path, "re");

	if (!f) {
		snprintf(msg, n, "%s: %s", path, strerror(errno));
		return NULL;
	}
	if (take_lines(&r, f)) {
		script_free(r.first);
		r.first = NULL;
	}
	fclose(f);
	return r.first;
}

void script_free(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		for (int k = 0; k < KEY_COUNT; k++) {
			for (unsigned i = 0; i < b->key[k].n; i++)
				free(b->key[k].v[i].text);
			free(b->key[k].v);
		}
		free(b);
		b = next;
	}
}
