/* SPDX-License-Identifier: BSD-2-Clause
 *
 * query-qmp-schema: the table of commands and events in the form in which QEMU describes itself, so
 * that a client can find out what there is and what it takes.
 *
 * Types have numbers for names, as QEMU's have, for they are nobody's to rely on; equal texts are one
 * type. Owns nothing: it is made anew for each request.
 *
 * Read after: type.c, table.c.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

struct schema {
	struct json_object *list; /* the reply */
	struct json_object *seen; /* text of a type -> its name */
	unsigned names;
};

static struct json_object *string(const char *s)
{
	return json_object_new_string(s);
}

static struct json_object *entry(struct schema *s, const char *name, const char *meta)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "name", string(name));
	json_object_object_add(o, "meta-type", string(meta));
	json_object_array_add(s->list, o);
	return o;
}

static const char *name_of(struct schema *s, const char *t);

static const char *known(struct schema *s, const char *text)
{
	struct json_object *o;
	return json_object_object_get_ex(s->seen, text, &o) ? json_object_get_string(o) : NULL;
}

static const char *learn(struct schema *s, const char *text, const char *name)
{
	json_object_object_add(s->seen, text, string(name));
	return known(s, text);
}

static const char *number(struct schema *s, const char *text)
{
	char name[16];
	snprintf(name, sizeof(name), "%u", s->names++);
	return learn(s, text, name);
}

static const char *builtin(struct schema *s, const char *name, const char *json)
{
	const char *have = known(s, name);
	if (have)
		return have;
	json_object_object_add(entry(s, name, "builtin"), "json-type", string(json));
	return learn(s, name, name);
}

static struct json_object *reference(const char *name)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "type", string(name));
	return o;
}

/* An address: a number or a string. */
static const char *alternate(struct schema *s, const char *text)
{
	const char *name = number(s, text);
	struct json_object *o = entry(s, name, "alternate"), *m = json_object_new_array();
	json_object_array_add(m, reference(builtin(s, "int", "int")));
	json_object_array_add(m, reference(builtin(s, "str", "string")));
	json_object_object_add(o, "members", m);
	return name;
}

static const char *enumeration(struct schema *s, const char *text)
{
	const char *name = number(s, text), *p = text + 1, *end;
	struct json_object *o = entry(s, name, "enum");
	struct json_object *members = json_object_new_array(),
			   *values = json_object_new_array();
	for (; *p; p = end + (*end == '|' || *end == '>')) {
		end = p + strcspn(p, "|>");
		struct json_object *m = json_object_new_object();
		json_object_object_add(m, "name",
				       json_object_new_string_len(p, (int)(end - p)));
		json_object_array_add(members, m);
		json_object_array_add(values, json_object_new_string_len(p, (int)(end - p)));
	}
	json_object_object_add(o, "members", members);
	json_object_object_add(o, "values", values);
	return name;
}

static const char *array(struct schema *s, const char *text)
{
	const char *of = name_of(s, text + 1), *have;
	char name[32];
	snprintf(name, sizeof(name), "[%s]", of);
	have = known(s, name);
	if (!have) {
		json_object_object_add(entry(s, name, "array"), "element-type", string(of));
		have = learn(s, name, name);
	}
	return have;
}

static const char *object(struct schema *s, const char *text)
{
	const char *name = number(s, text), *t = text;
	struct json_object *o = entry(s, name, "object"), *members = json_object_new_array();
	struct ctl_member m;
	for (t = ctl_type_member(t, &m); t; t = ctl_type_member(t, &m)) {
		struct json_object *member = reference(name_of(s, m.type));
		json_object_object_add(member, "name",
				       json_object_new_string_len(m.name, (int)m.len));
		if (m.optional)
			json_object_object_add(member, "default", NULL);
		json_object_array_add(members, member);
	}
	json_object_object_add(o, "members", members);
	return name;
}

static const char *build(struct schema *s, const char *text)
{
	const struct ctl_base *b = ctl_type_base(text);
	if (b && b->schema)
		return builtin(s, b->schema, b->json);
	if (b)
		return alternate(s, text);
	switch (*text) {
	case '<':
		return enumeration(s, text);
	case '[':
		return array(s, text);
	case '{':
		return object(s, text);
	default:
		return name_of(s, ctl_type_named(text));
	}
}

/* The name of the type that begins at t, described if it was not yet. */
static const char *name_of(struct schema *s, const char *t)
{
	struct ctl_text text = {0};
	const char *name;
	ctl_text_put(&text, t, (size_t)(ctl_type_end(t) - t));
	ctl_text_put(&text, "", 1);
	name = text.failed ? "any" : known(s, text.p);
	if (!name)
		name = build(s, text.p);
	ctl_text_free(&text);
	return name;
}

void ctl_args_type(const struct ctl_command *cmd, struct ctl_text *out)
{
	ctl_text_put(out, "{", 1);
	for (const struct ctl_arg *a = cmd->args; a->name; a++) {
		if (a != cmd->args)
			ctl_text_put(out, ", ", 2);
		ctl_text_put(out, a->name, strlen(a->name));
		ctl_text_put(out, a->optional ? "?: " : ": ", a->optional ? 3 : 2);
		ctl_text_put(out, a->type, strlen(a->type));
	}
	ctl_text_put(out, "}", 2); /* with its NUL */
}

static void add_command(struct schema *s, const struct ctl_command *cmd)
{
	struct ctl_text args = {0};
	struct json_object *o = entry(s, cmd->name, "command");
	ctl_args_type(cmd, &args);
	json_object_object_add(o, "arg-type", string(args.failed ? "any" : name_of(s, args.p)));
	json_object_object_add(o, "ret-type", string(name_of(s, cmd->type)));
	if (cmd->flags & CTL_CMD_OOB)
		json_object_object_add(o, "allow-oob", json_object_new_boolean(true));
	ctl_text_free(&args);
}

struct json_object *ctl_run_schema(const struct ctl_call *call, struct control_error *e)
{
	struct schema s = {.list = json_object_new_array(), .seen = json_object_new_object()};
	(void)call, (void)e;
	for (const struct ctl_command *cmd = ctl_commands; cmd->name; cmd++)
		add_command(&s, cmd);
	for (const struct ctl_event_kind *k = ctl_event_kinds; k->name; k++)
		json_object_object_add(entry(&s, k->name, "event"), "arg-type",
				       string(name_of(&s, k->type)));
	json_object_put(s.seen);
	return s.list;
}
