/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of commands: a row per command, the only place that knows its name, its arguments
 * and what it returns. Dispatch, the check of arguments and query-commands read it.
 *
 * To add a command: a row here, a function in commands.c, a paragraph in docs/qmp.md.
 *
 * Read after: reply.c. Read next: commands.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/internal.h"

const struct ctl_command ctl_commands[] = {
	{.name = "qmp_capabilities",
	 .run = ctl_run_capabilities,
	 .flags = CTL_CMD_UNNEGOTIATED,
	 .help = "end negotiation mode",
	 .returns = "nothing",
	 .args = {{"enable", CTL_ARG_STRING_LIST, true, "capabilities to switch on: oob"}}},
	{.name = "query-version",
	 .run = ctl_run_version,
	 .flags = CTL_CMD_OOB,
	 .help = "version of the monitor",
	 .returns = "{qemu: {major, minor, micro}, package}"},
	{.name = "query-commands",
	 .run = ctl_run_commands,
	 .flags = CTL_CMD_OOB,
	 .help = "names of all commands",
	 .returns = "list of {name}"},
	{.name = "query-status",
	 .run = ctl_run_status,
	 .flags = CTL_CMD_OOB,
	 .help = "run state of the machine",
	 .returns = "{running, status}"},
	{.name = "query-name",
	 .run = ctl_run_name,
	 .flags = CTL_CMD_OOB,
	 .help = "name of the machine",
	 .returns = "{name}"},
	{.name = "query-cpus-fast",
	 .run = ctl_run_cpus_fast,
	 .help = "the vCPUs",
	 .returns = "list of vCPUs"},
	{.name = "stop",
	 .run = ctl_run_stop,
	 .help = "stop every vCPU",
	 .returns = "nothing, once they have stopped"},
	{.name = "cont",
	 .run = ctl_run_cont,
	 .help = "let the vCPUs run",
	 .returns = "nothing"},
	{.name = "quit", .run = ctl_run_quit, .help = "end the machine", .returns = "nothing"},
	{.name = "query-shadow-roots",
	 .run = ctl_run_shadow_roots,
	 .help = "the live shadow roots",
	 .returns = "list of roots"},
	{.name = "shadow-walk",
	 .run = ctl_run_shadow_walk,
	 .help = "guest path and shadow path of an address",
	 .returns = "both paths, level by level",
	 .args = {{"gva", CTL_ARG_HEX, false, "guest virtual address"},
		  {"vcpu", CTL_ARG_INDEX, true,
		   "whose current CR3 to start from; 0 by default"}}},
	{.name = "shadow-audit",
	 .run = ctl_run_shadow_audit,
	 .help = "check every shadow entry against the guest's tables",
	 .returns = "what the audit found"},
	{.name = "query-shadow-stats",
	 .run = ctl_run_shadow_stats,
	 .help = "counters of the shadow MMU",
	 .returns = "object of counters"},
	{.name = "inject-fault",
	 .run = ctl_run_inject,
	 .help = "make a point of the shadow MMU fail or stall; without arguments: list them",
	 .returns = "list of {point, pass, count, stall-ms, hits}",
	 .args = {{"point", CTL_ARG_STRING, true, "which one"},
		  {"pass", CTL_ARG_INDEX, true, "calls that still succeed; 0 by default"},
		  {"count", CTL_ARG_INDEX, true, "calls that then fail; 0 by default"},
		  {"stall-ms", CTL_ARG_INDEX, true, "what each call waits; 0 by default"}}},
	{.name = NULL},
};

const struct ctl_command *ctl_command_find(const char *name)
{
	const struct ctl_command *cmd = ctl_commands;
	while (cmd->name && strcmp(cmd->name, name) != 0)
		cmd++;
	return cmd->name ? cmd : NULL;
}

static bool is_hex(struct json_object *v)
{
	if (!json_object_is_type(v, json_type_string))
		return false;
	const char *s = json_object_get_string(v);
	size_t digits = strlen(s) < 2 ? 0 : strspn(s + 2, "0123456789abcdefABCDEF");
	return !strncmp(s, "0x", 2) && digits >= 1 && digits <= 16 && s[2 + digits] == 0;
}

static bool is_index(struct json_object *v)
{
	return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= 0 &&
	       json_object_get_int64(v) <= INT32_MAX;
}

static bool is_string_list(struct json_object *v)
{
	if (!json_object_is_type(v, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(v); i++)
		if (!json_object_is_type(json_object_array_get_idx(v, i), json_type_string))
			return false;
	return true;
}

static bool type_fits(enum ctl_arg_type type, struct json_object *v)
{
	switch (type) {
	case CTL_ARG_STRING:
		return json_object_is_type(v, json_type_string);
	case CTL_ARG_INDEX:
		return is_index(v);
	case CTL_ARG_HEX:
		return is_hex(v);
	case CTL_ARG_STRING_LIST:
		return is_string_list(v);
	}
	return false;
}

static const char *const type_names[] = {
	[CTL_ARG_STRING] = "string",
	[CTL_ARG_INDEX] = "non-negative 32-bit integer",
	[CTL_ARG_HEX] = "hexadecimal string such as \"0xffff888000001000\"",
	[CTL_ARG_STRING_LIST] = "array of strings",
};

static const struct ctl_arg *find_arg(const struct ctl_command *cmd, const char *name)
{
	const struct ctl_arg *a = cmd->args;
	while (a->name && strcmp(a->name, name) != 0)
		a++;
	return a->name ? a : NULL;
}

static int check_given(const struct ctl_command *cmd, struct json_object *args,
		       struct control_error *e)
{
	json_object_object_foreach(args, name, value)
	{
		const struct ctl_arg *a = find_arg(cmd, name);
		if (!a) {
			ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%.100s' is unexpected",
				 name);
			return -1;
		}
		if (!type_fits(a->type, value)) {
			ctl_fail(e, CTL_GENERIC_ERROR,
				 "Invalid parameter type for '%s', expected: %s", name,
				 type_names[a->type]);
			return -1;
		}
	}
	return 0;
}

int ctl_command_check(const struct ctl_command *cmd, struct json_object *args,
		      struct control_error *e)
{
	if (args && check_given(cmd, args, e))
		return -1;
	for (const struct ctl_arg *a = cmd->args; a->name; a++) {
		if (!a->optional && !(args && json_object_object_get_ex(args, a->name, NULL))) {
			ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%s' is missing", a->name);
			return -1;
		}
	}
	return 0;
}

uint64_t ctl_arg_hex(const struct ctl_call *call, const char *name, uint64_t def)
{
	struct json_object *v = NULL;
	if (!call->args || !json_object_object_get_ex(call->args, name, &v))
		return def;
	return strtoull(json_object_get_string(v), NULL, 16);
}

unsigned ctl_arg_index(const struct ctl_call *call, const char *name, unsigned def)
{
	struct json_object *v = NULL;
	if (!call->args || !json_object_object_get_ex(call->args, name, &v))
		return def;
	return (unsigned)json_object_get_int64(v);
}
