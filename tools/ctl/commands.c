/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of commands, what they share, and those that only ask and show.
 *
 * Read first: ctl.h. Read next: walk.c, dump.c.
 */
#include "tools/ctl/ctl.h"

#include "vmm/sizes.h"

#include <string.h>

int ask_maybe(struct ctl *c, const char *command, struct json_object *args,
	      struct json_object **ret)
{
	static const char *const absent[] = {"DeviceNotActive", "DeviceNotFound",
					     "CommandNotFound"};
	enum qmp_end end = qmp_call(&c->q, command, args, ret);

	if (end == QMP_OK)
		return CTL_PASS;
	for (size_t i = 0; end == QMP_REFUSED && i < sizeof(absent) / sizeof(*absent); i++)
		if (!strcmp(c->q.error_class, absent[i]))
			return CTL_PASS;
	if (end == QMP_REFUSED)
		return complain(CTL_FAIL, "%s (%s)", c->q.msg, c->q.error_class);
	return complain(CTL_HOST, "%s", c->q.msg);
}

int ask(struct ctl *c, const char *command, struct json_object *args, struct json_object **ret)
{
	int code;

	c->q.error_class[0] = '\0';
	code = ask_maybe(c, command, args, ret);
	if (!code && !*ret && c->q.error_class[0])
		return complain(CTL_FAIL, "%s (%s)", c->q.msg, c->q.error_class);
	return code;
}

struct json_object *args_new(const struct ctl *c)
{
	struct json_object *args = json_object_new_object();

	if (c->o->given & GIVES(OPT_VCPU))
		json_object_object_add(args, "vcpu", json_object_new_int((int)c->o->vcpu));
	if (c->o->given & GIVES(OPT_ROOT))
		args_hex(args, "root", c->o->root);
	return args;
}

void args_hex(struct json_object *args, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%016llx", (unsigned long long)value);
	json_object_object_add(args, name, json_object_new_string(text));
}

void print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
}

int print_reply(struct ctl *c, struct json_object *o)
{
	if (c->o->json)
		print_json(o);
	else if (!json_object_is_type(o, json_type_object) || json_object_object_length(o))
		show(o, 0);
	json_object_put(o);
	return CTL_PASS;
}

static int cmd_simple(struct ctl *c)
{
	struct json_object *args = args_new(c), *ret;
	int code;

	if (c->o->given & GIVES(OPT_MEASURE))
		json_object_object_add(args, "measure", json_object_new_boolean(1));
	code = ask(c, command_named(c->o->word[0])->qmp, args, &ret);
	return code ? code : print_reply(c, ret);
}

/* Who it is and what it does, from three replies. */
static int cmd_status(struct ctl *c)
{
	static const char *const parts[] = {"query-name", "query-version", "query-status"};
	struct json_object *all = json_object_new_object(), *ret;
	int code = CTL_PASS;

	for (size_t i = 0; !code && i < sizeof(parts) / sizeof(*parts); i++) {
		code = ask(c, parts[i], NULL, &ret);
		if (code || !json_object_is_type(ret, json_type_object))
			continue;
		json_object_object_foreach(ret, key, v)
		{
			if (json_object_get_type(v) != json_type_object)
				json_object_object_add(all, key, json_object_get(v));
		}
		json_object_put(ret);
	}
	if (!code)
		return print_reply(c, all);
	json_object_put(all);
	return code;
}

/* A role in words, such as "4-level, level 4, kernel, wp smep". */
static void role_text(struct json_object *role, char *buf, size_t n)
{
	static const char *const bits[] = {"direct", "write", "user", "execute",
					   "nxe",    "wp",    "smep", "smap"};
	size_t used = (size_t)snprintf(buf, n, "%.20s:", f_str(role, "format"));

	for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
		if (f_bool(role, bits[i]) && used < n)
			used += (size_t)snprintf(buf + used, n - used, " %s", bits[i]);
}

static struct json_object *root_row(struct json_object *root)
{
	struct json_object *row = json_object_new_object(), *role = f_object(root, "role");
	struct json_object *vcpus = f_array(root, "vcpus");
	char text[160];

	role_text(role, text, sizeof(text));
	args_hex(row, "root", f_hex(root, "mfn"));
	args_hex(row, "guest table", f_hex(root, "gfn"));
	json_object_object_add(row, "view", json_object_new_string(f_str(role, "view")));
	json_object_object_add(row, "pins", json_object_new_int64(f_int(root, "pins")));
	json_object_object_add(row, "vcpus", json_object_get(vcpus));
	json_object_object_add(row, "role", json_object_new_string(text));
	return row;
}

static int cmd_roots(struct ctl *c)
{
	struct json_object *ret, *rows;
	int code = ask(c, "query-shadow-roots", NULL, &ret);

	if (code)
		return code;
	if (c->o->json)
		return print_reply(c, ret);
	rows = json_object_new_array();
	for (size_t i = 0; i < f_length(f_array(ret, "roots")); i++)
		json_object_array_add(
			rows, root_row(json_object_array_get_idx(f_array(ret, "roots"), i)));
	show(rows, 0);
	say_consistent(ret);
	json_object_put(rows);
	json_object_put(ret);
	return CTL_PASS;
}

static int cmd_audit(struct ctl *c)
{
	struct json_object *args = json_object_new_object(), *ret;
	bool wrong;
	int code;

	json_object_object_add(args, "stopped", json_object_new_boolean(c->o->stopped));
	code = ask(c, "shadow-audit", args, &ret);
	if (code)
		return code;
	wrong = f_int(ret, "violations") != 0 || !f_has(ret, "violations");
	print_reply(c, ret);
	return wrong ? CTL_FAIL : CTL_PASS;
}

static int cmd_set(struct ctl *c)
{
	struct json_object *args = json_object_new_object(), *ret;
	const char *word = operand(c, 0), *value = word ? strchr(word, '=') : NULL;
	int code;

	if (word && !value) {
		json_object_put(args);
		return complain(CTL_USAGE, "set: '%s' has no value; write NAME=on or NAME=off",
				word);
	}
	if (word) {
		json_object_object_add(args, "name",
				       json_object_new_string_len(word, (int)(value - word)));
		json_object_object_add(args, "value", json_object_new_string(value + 1));
	}
	code = ask(c, "shadow-set", args, &ret);
	if (code)
		return code;
	if (c->o->json)
		return print_reply(c, ret);
	show(f_array(ret, "options"), 0);
	json_object_put(ret);
	return CTL_PASS;
}

/* NAME=NUMBER as a member of args. */
static int add_number(struct json_object *args, const char *word)
{
	const char *eq = strchr(word, '=');
	uint64_t n;
	char name[32];

	if (!eq || eq - word > 31 || number_parse(eq + 1, &n) || n > INT64_MAX)
		return complain(CTL_USAGE, "'%s' is no NAME=NUMBER", word);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - word), word);
	json_object_object_add(args, name, json_object_new_int64((int64_t)n));
	return CTL_PASS;
}

static int cmd_inject(struct ctl *c)
{
	struct json_object *args = json_object_new_object(), *ret;
	int code = CTL_PASS;

	if (operand(c, 0))
		json_object_object_add(args, "point", json_object_new_string(operand(c, 0)));
	for (unsigned i = 1; !code && operand(c, i); i++)
		code = add_number(args, operand(c, i));
	if (code) {
		json_object_put(args);
		return code;
	}
	code = ask(c, "inject-fault", args, &ret);
	return code ? code : print_reply(c, ret);
}

static int cmd_blame(struct ctl *c)
{
	struct json_object *args, *ret;
	uint64_t gva;
	int code;

	if (number_parse(operand(c, 0), &gva))
		return complain(CTL_USAGE, "'%s' is no address; write one such as 0x1000",
				operand(c, 0));
	args = args_new(c);
	args_hex(args, "gva", gva);
	code = ask(c, "shadow-blame", args, &ret);
	return code ? code : print_reply(c, ret);
}

/* A request as it stands; the reply as it came. */
static int cmd_qmp(struct ctl *c)
{
	struct json_object *reply;
	bool refused;

	if (qmp_raw(&c->q, c->raw ? c->raw : operand(c, 0), &reply) != QMP_OK)
		return complain(CTL_HOST, "%s", c->q.msg);
	refused = f_has(reply, "error");
	print_json(reply);
	json_object_put(reply);
	return refused ? CTL_FAIL : CTL_PASS;
}

#define PLACE (GIVES(OPT_VCPU) | GIVES(OPT_ROOT))
#define PART  (PLACE | GIVES(OPT_VIEW) | GIVES(OPT_RANGE))
#define AGAIN (GIVES(OPT_WATCH) | GIVES(OPT_INTERVAL) | GIVES(OPT_COUNT))

/* clang-format off */
const struct ctl_command ctl_commands[] = {
	{"status", "", "its name, and whether it runs", 0, 0, 0, cmd_status, NULL},
	{"pause", "", "stop every vCPU", 0, 0, 0, cmd_simple, "stop"},
	{"cont", "", "let them run", 0, 0, 0, cmd_simple, "cont"},
	{"quit", "", "end the machine", 0, 0, 0, cmd_simple, "quit"},
	{"reset", "", "reset the machine", 0, 0, 0, cmd_simple, "system_reset"},
	{"roots", "", "the live shadow roots", 0, 0, 0, cmd_roots, NULL},
	{"walk", "GVA", "guest path and shadow paths, level by level", 1, 1, PLACE, cmd_walk, NULL},
	{"explain", "GVA", "what an access would do, and why", 1, 1,
	 GIVES(OPT_VCPU) | GIVES(OPT_ACCESS) | GIVES(OPT_RING), cmd_explain, NULL},
	{"blame", "GVA", "who set the entries behind an address", 1, 1, GIVES(OPT_VCPU), cmd_blame, NULL},
	{"dump", "", "what an address space maps", 0, 0, PART | GIVES(OPT_FORMAT), cmd_dump, NULL},
	{"diff", "", "where guest and shadow differ", 0, 0, PART, cmd_diff, NULL},
	{"audit", "", "check the shadow tables against the guest's", 0, 0, GIVES(OPT_STOPPED), cmd_audit, NULL},
	{"stats", "", "counters", 0, 0, AGAIN, cmd_stats, NULL},
	{"rcu", "", "grace periods, and what waits for one", 0, 0, GIVES(OPT_MEASURE), cmd_simple, "query-rcu"},
	{"shootdowns", "", "shootdowns, and who was kicked", 0, 0, 0, cmd_simple, "query-shadow-shootdowns"},
	{"set", "[NAME=VALUE]", "switch a technique on or off; list them", 0, 1, 0, cmd_set, NULL},
	{"flush", "", "drop all shadow entries", 0, 0, 0, cmd_simple, "shadow-flush"},
	{"inject", "[POINT [pass=N] ...]", "make a point fail or stall; list them", 0, 4, 0, cmd_inject, NULL},
	{"trace", "[EVENT[=on|off]]", "trace events", 0, 1, AGAIN, cmd_trace, NULL},
	{"report", "FILE.html", "everything, on one page", 1, 1, PLACE, cmd_report, NULL},
	{"qmp", "JSON", "send a request as it stands", 1, 1, 0, cmd_qmp, NULL},
	{"shell", "", "lines of standard input are commands", 0, 0, 0, cmd_shell, NULL},
	{NULL, NULL, NULL, 0, 0, 0, NULL, NULL},
};
/* clang-format on */

const struct ctl_command *command_named(const char *name)
{
	for (const struct ctl_command *k = ctl_commands; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}
