/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of commands: its types, the schema made of it, and docs/qmp.md held against it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/control_rig.h"

static bool fits(const char *type, const char *json, char desc[256])
{
	struct ctl_place at = {"x"};
	struct control_error e = {.class = CTL_GENERIC_ERROR};
	struct json_object *v = json_tokener_parse(json);
	bool ok = ctl_type_check(type, v, &at, &e);
	snprintf(desc, 256, "%s", ok ? "" : e.desc);
	json_object_put(v);
	return ok;
}

static void test_types(void)
{
	static const struct {
		const char *type, *json,
			*wrong; /* wrong: part of the complaint; NULL: it fits */
	} cases[] = {
		{"bool", "true", NULL},
		{"bool", "1", "'x', expected: boolean"},
		{"int", "-5", NULL},
		{"int", "1.5", "integer"},
		{"size", "-5", "non-negative"},
		{"index", "2147483647", NULL},
		{"index", "2147483648", "32-bit"},
		{"hex", "\"0xffff888000001000\"", NULL},
		{"hex", "\"0x1ffff888000001000\"", "hexadecimal"},
		{"hex", "17", "hexadecimal"},
		{"address", "17", NULL},
		{"address", "\"0x11\"", NULL},
		{"address", "-1", "non-negative"},
		{"<on|off>", "\"off\"", NULL},
		{"<on|off>", "\"of\"", "does not accept value 'of'"},
		{"<on|off>", "\"offf\"", "does not accept"},
		{"<on|off>", "true", "string"},
		{"[int]", "[]", NULL},
		{"[int]", "[1,2,\"3\"]", "'x[2]', expected: integer"},
		{"[int]", "{}", "array"},
		{"{a: int, b?: [str]}", "{\"a\":1}", NULL},
		{"{a: int, b?: [str]}", "{\"a\":1,\"b\":[\"c\"]}", NULL},
		{"{a: int, b?: [str]}", "{\"a\":1,\"b\":[2]}", "'x.b[0]'"},
		{"{a: int, b?: [str]}", "{\"b\":[]}", "'x.a' is missing"},
		{"{a: int, b?: [str]}", "{\"a\":1,\"c\":[]}", "'c' is unexpected"},
		{"{a: {b: {c: <u|v>}}}", "{\"a\":{\"b\":{\"c\":\"w\"}}}", "'x.a.b.c'"},
		{"@StatsTarget", "\"vm\"", NULL},
		{"[@StatsTarget]", "[\"vn\"]", "'x[0]' does not accept"},
		{"any", "null", NULL},
		{"{}", "{\"a\":1}", "'a' is unexpected"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char desc[256];
		bool ok = fits(cases[i].type, cases[i].json, desc);
		bool right = ok ? !cases[i].wrong
				: cases[i].wrong && strstr(desc, cases[i].wrong) != NULL;
		CU_ASSERT_TRUE(right);
		if (!right)
			printf("# %s, %s: %s\n", cases[i].type, cases[i].json, desc);
	}
}

/* ---- the schema ---- */

static const char *string_of(struct json_object *o, const char *member)
{
	struct json_object *v;
	return json_object_object_get_ex(o, member, &v) ? json_object_get_string(v) : NULL;
}

static struct json_object *named(struct json_object *list, const char *name, bool type)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *meta = string_of(o, "meta-type");
		bool is_type = strcmp(meta, "command") != 0 && strcmp(meta, "event") != 0;
		if (is_type == type && !strcmp(string_of(o, "name"), name))
			return o;
	}
	return NULL;
}

/* Every type that something names is there. */
static void check_references(struct json_object *list, struct json_object *o)
{
	static const char *const direct[] = {"arg-type", "ret-type", "element-type"};
	struct json_object *members;
	for (size_t i = 0; i < 3; i++) {
		const char *t = string_of(o, direct[i]);
		CU_ASSERT_TRUE(!t || named(list, t, true));
	}
	if (!json_object_object_get_ex(o, "members", &members))
		return;
	for (size_t i = 0; i < json_object_array_length(members); i++) {
		const char *t = string_of(json_object_array_get_idx(members, i), "type");
		CU_ASSERT_TRUE(!t || named(list, t, true));
	}
}

static void test_schema(void)
{
	struct ctl_call call = {.ops = &machine_ops};
	struct control_error e;
	struct json_object *list = ctl_run_schema(&call, &e);
	struct ctl_place at = {""};
	CU_ASSERT_TRUE(
		ctl_type_check(ctl_command_find("query-qmp-schema")->type, list, &at, &e));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		const char *meta = string_of(o, "meta-type");
		bool type = strcmp(meta, "command") != 0 && strcmp(meta, "event") != 0;
		CU_ASSERT_PTR_EQUAL(named(list, string_of(o, "name"), type), o); /* once */
		check_references(list, o);
	}
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		struct json_object *o = named(list, c->name, false), *args, *members;
		CU_ASSERT_PTR_NOT_NULL_FATAL(o);
		args = named(list, string_of(o, "arg-type"), true);
		CU_ASSERT_TRUE_FATAL(json_object_object_get_ex(args, "members", &members));
		size_t n = 0;
		while (c->args[n].name)
			n++;
		CU_ASSERT_EQUAL(json_object_array_length(members), n);
		CU_ASSERT_EQUAL(json_object_object_get_ex(o, "allow-oob", NULL),
				!!(c->flags & CTL_CMD_OOB));
	}
	for (const struct ctl_event_kind *k = ctl_event_kinds; k->name; k++)
		CU_ASSERT_PTR_NOT_NULL(named(list, k->name, false));
	json_object_put(list);
}

/* ---- docs/qmp.md ---- */

static FILE *open_docs(void)
{
	const char *dir = getenv("srcdir");
	char path[4096];
	snprintf(path, sizeof(path), "%s/docs/qmp.md", dir ? dir : ".");
	return fopen(path, "r");
}

static void complain(const char *line, const struct control_error *e)
{
	CU_FAIL("docs/qmp.md says what is not so");
	printf("# %.70s: %s\n", line, e->desc);
}

static const struct ctl_command *check_request(const char *line)
{
	struct json_object *o = json_tokener_parse(line), *args = NULL;
	struct control_error e = {.desc = "no such request"};
	const struct ctl_command *cmd = NULL;
	if (o && string_of(o, "execute"))
		cmd = ctl_command_find(string_of(o, "execute"));
	if (o)
		json_object_object_get_ex(o, "arguments", &args);
	if (!cmd || ctl_command_check(cmd, args, &e))
		complain(line, &e);
	json_object_put(o);
	return cmd;
}

static void check_reply(const struct ctl_command *cmd, const char *line)
{
	struct json_object *o = json_tokener_parse(line), *ret;
	struct control_error e = {.desc = "no such reply"};
	struct ctl_place at = {"return"};
	if (!cmd || !o || !json_object_object_get_ex(o, "return", &ret) ||
	    !ctl_type_check(cmd->type, ret, &at, &e))
		complain(line, &e);
	json_object_put(o);
}

static void test_docs(void)
{
	static char line[16384];
	bool documented[128] = {false};
	const struct ctl_command *cmd = NULL;
	FILE *f = open_docs();
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "-> ", 3)) {
			cmd = check_request(line + 3);
			if (cmd)
				documented[cmd - ctl_commands] = true;
		} else if (!strncmp(line, "<- ", 3)) {
			check_reply(cmd, line + 3);
		}
	}
	fclose(f);
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		CU_ASSERT_TRUE(documented[c - ctl_commands]);
		if (!documented[c - ctl_commands])
			printf("# %s: not in docs/qmp.md\n", c->name);
	}
}

const struct tap_case control_table_tests[] = {
	{"types", test_types},
	{"schema", test_schema},
	{"docs/qmp.md", test_docs},
	TAP_END,
};
