/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What each row of the command table runs.
 *
 * Arguments were checked against the row before. No lock is held: a command may make the
 * machine post events.
 *
 * Read after: table.c.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

struct json_object *ctl_version(void)
{
	int v[3] = {0};
	sscanf(PACKAGE_VERSION, "%d.%d.%d", &v[0], &v[1], &v[2]);
	/* Clients such as qmp-shell look for the member "qemu". */
	struct json_object *o = json_object_new_object(), *n = json_object_new_object();
	json_object_object_add(n, "major", json_object_new_int(v[0]));
	json_object_object_add(n, "minor", json_object_new_int(v[1]));
	json_object_object_add(n, "micro", json_object_new_int(v[2]));
	json_object_object_add(o, "qemu", n);
	json_object_object_add(o, "package", json_object_new_string("umbra " PACKAGE_VERSION));
	return o;
}

/* All or nothing: an unknown capability leaves the session in negotiation mode. */
struct json_object *ctl_run_capabilities(const struct ctl_call *call, struct control_error *e)
{
	struct json_object *enable = NULL;
	if (call->session->negotiated) {
		ctl_fail(e, CTL_COMMAND_NOT_FOUND,
			 "Capabilities negotiation is already complete, command ignored");
		return NULL;
	}
	if (call->args)
		json_object_object_get_ex(call->args, "enable", &enable);
	size_t n = enable ? json_object_array_length(enable) : 0;
	for (size_t i = 0; i < n; i++) {
		const char *cap = json_object_get_string(json_object_array_get_idx(enable, i));
		if (strcmp(cap, "oob") != 0) {
			ctl_fail(e, CTL_GENERIC_ERROR,
				 "Parameter 'enable' does not accept value '%.100s'", cap);
			return NULL;
		}
	}
	call->session->oob = n > 0;
	call->session->negotiated = true;
	return json_object_new_object();
}

struct json_object *ctl_run_version(const struct ctl_call *call, struct control_error *e)
{
	(void)call, (void)e;
	return ctl_version();
}

struct json_object *ctl_run_commands(const struct ctl_call *call, struct control_error *e)
{
	(void)call, (void)e;
	struct json_object *list = json_object_new_array();
	for (const struct ctl_command *cmd = ctl_commands; cmd->name; cmd++) {
		struct json_object *o = json_object_new_object();
		json_object_object_add(o, "name", json_object_new_string(cmd->name));
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *ctl_run_status(const struct ctl_call *call, struct control_error *e)
{
	(void)e;
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "running",
			       json_object_new_boolean(call->ops->running(call->m)));
	json_object_object_add(o, "status", json_object_new_string(call->ops->status(call->m)));
	return o;
}

struct json_object *ctl_run_name(const struct ctl_call *call, struct control_error *e)
{
	(void)e;
	struct json_object *o = json_object_new_object();
	const char *name = call->ops->name(call->m);
	if (name)
		json_object_object_add(o, "name", json_object_new_string(name));
	return o;
}

struct json_object *ctl_run_cpus_fast(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->cpus_fast(call->m, e);
}

struct json_object *ctl_run_stop(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->stop(call->m, e) ? NULL : json_object_new_object();
}

struct json_object *ctl_run_cont(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->cont(call->m, e) ? NULL : json_object_new_object();
}

struct json_object *ctl_run_quit(const struct ctl_call *call, struct control_error *e)
{
	(void)e;
	call->ops->quit(call->m);
	return json_object_new_object();
}

struct json_object *ctl_run_shadow_roots(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->shadow_roots(call->m, e);
}

struct json_object *ctl_run_shadow_walk(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->shadow_walk(call->m, GVA(ctl_arg_hex(call, "gva", 0)),
				      ctl_arg_index(call, "vcpu", 0), e);
}

struct json_object *ctl_run_shadow_audit(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->shadow_audit(call->m, e);
}

struct json_object *ctl_run_shadow_stats(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->shadow_stats(call->m, e);
}
