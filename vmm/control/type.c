/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Types of arguments and replies, written as text in the table of commands:
 *
 *   bool int num str any   as in JSON (int: 64 bits); size: an int from 0, index: up to 2^31-1
 *   hex                    a string such as "0xffff888000001000"
 *   address                a hex string or an int
 *   <a|b|c>                one of these strings
 *   [T]                    a list
 *   {name: T, name?: T}    an object; what has a question mark may be missing
 *   @Name                  what types[] has under this name
 *
 * One text serves three readers: the check of arguments (and, in the tests, of replies), the schema
 * that a client can ask for, and the manual page. The texts are the program's own, so that a
 * malformed one is a bug and not an error.
 *
 * Read after: reply.c. Read next: table.c, schema.c.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

const char *ctl_type_end(const char *t)
{
	unsigned depth = 0;
	for (; *t; t++) {
		if (strchr("{[<", *t))
			depth++;
		else if (strchr("}]>", *t) && depth-- == 0)
			return t;
		else if (*t == ',' && depth == 0)
			return t;
	}
	return t;
}

const char *ctl_type_member(const char *t, struct ctl_member *m)
{
	t += strspn(t, "{, ");
	if (*t == '}' || *t == 0)
		return NULL;
	m->name = t;
	m->len = strcspn(t, "?:");
	t += m->len;
	m->optional = *t == '?';
	t += strspn(t, "?: ");
	m->type = t;
	return ctl_type_end(t);
}

bool ctl_type_is(const char *t, const char *word)
{
	size_t len = strlen(word);
	return !strncmp(t, word, len) && (size_t)(ctl_type_end(t) - t) == len;
}

static bool is_hex(struct json_object *v)
{
	if (!json_object_is_type(v, json_type_string))
		return false;
	const char *s = json_object_get_string(v);
	size_t digits = strlen(s) < 2 ? 0 : strspn(s + 2, "0123456789abcdefABCDEF");
	return !strncmp(s, "0x", 2) && digits >= 1 && digits <= 16 && s[2 + digits] == 0;
}

static bool is_int(struct json_object *v, int64_t least, int64_t most)
{
	return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= least &&
	       json_object_get_int64(v) <= most;
}

static bool is_bool(struct json_object *v)
{
	return json_object_is_type(v, json_type_boolean);
}
static bool is_whole(struct json_object *v)
{
	return is_int(v, INT64_MIN, INT64_MAX);
}
static bool is_size(struct json_object *v)
{
	return is_int(v, 0, INT64_MAX);
}
static bool is_index(struct json_object *v)
{
	return is_int(v, 0, INT32_MAX);
}
static bool is_number(struct json_object *v)
{
	return is_whole(v) || json_object_is_type(v, json_type_double);
}
static bool is_string(struct json_object *v)
{
	return json_object_is_type(v, json_type_string);
}
static bool is_address(struct json_object *v)
{
	return is_hex(v) || is_size(v);
}
static bool is_any(struct json_object *v)
{
	(void)v;
	return true;
}

const struct ctl_base ctl_bases[] = {
	{"bool", is_bool, "boolean", "bool", "boolean"},
	{"int", is_whole, "integer", "int", "int"},
	{"size", is_size, "non-negative integer", "int", "int"},
	{"index", is_index, "non-negative 32-bit integer", "int", "int"},
	{"num", is_number, "number", "number", "number"},
	{"str", is_string, "string", "str", "string"},
	{"hex", is_hex, "hexadecimal string such as \"0xffff888000001000\"", "str", "string"},
	{"address", is_address, "non-negative integer or hexadecimal string", NULL, NULL},
	{"any", is_any, "any value", "any", "value"},
	{.word = NULL},
};

const struct ctl_base *ctl_type_base(const char *t)
{
	const struct ctl_base *b = ctl_bases;
	while (b->word && !ctl_type_is(t, b->word))
		b++;
	return b->word ? b : NULL;
}

/* What is wrong, and where: e->desc. Always false. */
static bool refuse(const struct ctl_place *at, const char *expected, struct control_error *e)
{
	ctl_fail(e, CTL_GENERIC_ERROR, "Invalid parameter type for '%.100s', expected: %s",
		 at->path, expected);
	return false;
}

static void enter(struct ctl_place *in, const struct ctl_place *at, const char *name,
		  size_t len)
{
	snprintf(in->path, sizeof(in->path), "%.80s%s%.*s", at->path, at->path[0] ? "." : "",
		 (int)(len < 40 ? len : 40), name);
}

static bool check_enum(const char *t, struct json_object *v, const struct ctl_place *at,
		       struct control_error *e)
{
	if (!is_string(v))
		return refuse(at, "string", e);
	const char *s = json_object_get_string(v);
	size_t len = strlen(s);
	for (const char *p = t + 1; *t != '>'; p = t + 1) {
		t = p + strcspn(p, "|>");
		if ((size_t)(t - p) == len && !strncmp(p, s, len))
			return true;
	}
	ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%.100s' does not accept value '%.60s'",
		 at->path, s);
	return false;
}

static bool check_list(const char *t, struct json_object *v, const struct ctl_place *at,
		       struct control_error *e)
{
	if (!json_object_is_type(v, json_type_array))
		return refuse(at, "array", e);
	for (size_t i = 0; i < json_object_array_length(v); i++) {
		struct ctl_place in;
		snprintf(in.path, sizeof(in.path), "%.100s[%zu]", at->path, i);
		if (!ctl_type_check(t + 1, json_object_array_get_idx(v, i), &in, e))
			return false;
	}
	return true;
}

static bool is_member(const char *t, const char *name)
{
	struct ctl_member m;
	for (t = ctl_type_member(t, &m); t; t = ctl_type_member(t, &m))
		if (strlen(name) == m.len && !strncmp(m.name, name, m.len))
			return true;
	return false;
}

static bool check_unknown(const char *t, struct json_object *v, struct control_error *e)
{
	json_object_object_foreach(v, name, value)
	{
		(void)value;
		if (!is_member(t, name)) {
			ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%.100s' is unexpected",
				 name);
			return false;
		}
	}
	return true;
}

static bool check_object(const char *t, struct json_object *v, const struct ctl_place *at,
			 struct control_error *e)
{
	struct ctl_member m;
	if (!json_object_is_type(v, json_type_object))
		return refuse(at, "object", e);
	if (!check_unknown(t, v, e))
		return false;
	for (t = ctl_type_member(t, &m); t; t = ctl_type_member(t, &m)) {
		struct json_object *member;
		struct ctl_place in;
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)m.len, m.name);
		enter(&in, at, m.name, m.len);
		if (!json_object_object_get_ex(v, name, &member)) {
			if (m.optional)
				continue;
			ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%.100s' is missing",
				 in.path);
			return false;
		}
		if (!ctl_type_check(m.type, member, &in, e))
			return false;
	}
	return true;
}

bool ctl_type_check(const char *t, struct json_object *v, const struct ctl_place *at,
		    struct control_error *e)
{
	const struct ctl_base *b = ctl_type_base(t);
	if (b)
		return b->fits(v) ? true : refuse(at, b->expected, e);
	switch (*t) {
	case '<':
		return check_enum(t, v, at, e);
	case '[':
		return check_list(t, v, at, e);
	case '{':
		return check_object(t, v, at, e);
	default:
		return ctl_type_check(ctl_type_named(t), v, at, e);
	}
}

const char *ctl_type_named(const char *t)
{
	for (const struct ctl_named *n = ctl_types; n->name; n++)
		if (ctl_type_is(t + 1, n->name))
			return n->text;
	return "any";
}
