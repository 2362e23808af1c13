/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any reply as text, and tables whose cells wrap.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#include <string.h>

#define MAX_COLUMNS 16
#define MAX_WIDTH   60

/* A scalar or, at the end of one's patience, any value, in few characters. */
static const char *scalar(struct json_object *v)
{
	if (json_object_is_type(v, json_type_boolean))
		return json_object_get_boolean(v) ? "yes" : "no";
	if (json_object_is_type(v, json_type_string))
		return json_object_get_string(v);
	return v ? json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE)
		 : "-";
}

static bool is_scalar(struct json_object *v)
{
	return !json_object_is_type(v, json_type_object) &&
	       !json_object_is_type(v, json_type_array);
}

struct columns {
	const char *key[MAX_COLUMNS];
	size_t width[MAX_COLUMNS];
	bool number[MAX_COLUMNS];
	unsigned n;
};

static void widen(struct columns *c, struct json_object *row)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct json_object *v = NULL;
		size_t len;

		json_object_object_get_ex(row, c->key[i], &v);
		len = strlen(scalar(v));
		if (len > c->width[i])
			c->width[i] = len < MAX_WIDTH ? len : MAX_WIDTH;
	}
}

static void columns_of(struct columns *c, struct json_object *row)
{
	c->n = 0;
	json_object_object_foreach(row, key, v)
	{
		if (c->n == MAX_COLUMNS)
			break;
		c->key[c->n] = key;
		c->width[c->n] = strlen(key);
		c->number[c->n++] = json_object_is_type(v, json_type_int);
	}
}

static void table_row(const struct columns *c, struct json_object *row, int indent)
{
	say("%*s", indent, "");
	for (unsigned i = 0; i < c->n; i++) {
		struct json_object *v = NULL;
		int width = (int)c->width[i];

		if (row)
			json_object_object_get_ex(row, c->key[i], &v);
		say("%*s%s", c->number[i] || i + 1 < c->n ? (c->number[i] ? width : -width) : 0,
		    row ? scalar(v) : c->key[i], i + 1 < c->n ? "  " : "\n");
	}
}

static void table(struct json_object *array, size_t n, int indent)
{
	struct columns c;

	columns_of(&c, json_object_array_get_idx(array, 0));
	for (size_t i = 0; i < n; i++)
		widen(&c, json_object_array_get_idx(array, i));
	table_row(&c, NULL, indent);
	for (size_t i = 0; i < n; i++)
		table_row(&c, json_object_array_get_idx(array, i), indent);
}

static void show_array(struct json_object *a, int indent)
{
	size_t n = json_object_array_length(a), objects = 0;

	for (size_t i = 0; i < n; i++)
		objects +=
			json_object_is_type(json_object_array_get_idx(a, i), json_type_object);
	if (!n)
		say("%*snone\n", indent, "");
	else if (objects == n)
		table(a, n, indent);
	else
		for (size_t i = 0; i < n; i++)
			say("%*s%s\n", indent, "", scalar(json_object_array_get_idx(a, i)));
}

static void show_object(struct json_object *o, int indent)
{
	size_t width = 0;

	json_object_object_foreach(o, name, unused)
	{
		(void)unused;
		if (strlen(name) > width)
			width = strlen(name);
	}
	json_object_object_foreach(o, key, v)
	{
		if (is_scalar(v)) {
			say("%*s%-*s  %s\n", indent, "", (int)width, key, scalar(v));
			continue;
		}
		say("%*s%s\n", indent, "", key);
		show(v, indent + 2);
	}
}

void show(struct json_object *o, int indent)
{
	if (json_object_is_type(o, json_type_object))
		show_object(o, indent);
	else if (json_object_is_type(o, json_type_array))
		show_array(o, indent);
	else
		say("%*s%s\n", indent, "", scalar(o));
}

/* How much of text fits a line, without the space behind it. */
static size_t line_fits(const char *text, size_t width)
{
	size_t len = strcspn(text, "\n");

	if (len <= width)
		return len;
	for (len = width; len > 0 && text[len] != ' ';)
		len--;
	return len ? len : width;
}

static bool grid_line(const char **at, unsigned columns, unsigned first, unsigned width)
{
	bool more = false;
	int gap = 0;

	for (unsigned i = 0; i < columns; i++) {
		size_t room = i ? width : first, len = line_fits(at[i], room);

		if (len)
			say("%*s%.*s", gap, "", (int)len, at[i]);
		gap = (int)(room - len) + 2 + (len ? 0 : gap);
		at[i] += len;
		at[i] += *at[i] == ' ' || *at[i] == '\n';
		more |= *at[i] != '\0';
	}
	say("\n");
	return more;
}

void grid_print(const struct grid_row *rows, unsigned n, unsigned columns, unsigned first,
		unsigned width)
{
	const char *at[GRID_COLUMNS];

	for (unsigned r = 0; r < n; r++) {
		for (unsigned i = 0; i < columns; i++)
			at[i] = rows[r].cell[i];
		while (grid_line(at, columns, first, width))
			;
	}
}
