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
#include <unistd.h>

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

/* oob is the one capability there is; the check of arguments has refused any other. */
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
	json_object_object_add(o, "singlestep", json_object_new_boolean(false));
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

struct json_object *ctl_run_kvm(const struct ctl_call *call, struct control_error *e)
{
	struct json_object *o = json_object_new_object();
	(void)e;
	ctl_put_bool(o, "enabled", strcmp(call->ops->engine(call->m), "soft") != 0);
	ctl_put_bool(o, "present", access("/dev/kvm", R_OK | W_OK) == 0);
	return o;
}

struct json_object *ctl_run_target(const struct ctl_call *call, struct control_error *e)
{
	struct json_object *o = json_object_new_object();
	(void)call, (void)e;
	ctl_put_str(o, "arch", "x86_64");
	return o;
}

struct json_object *ctl_run_cpus_fast(const struct ctl_call *call, struct control_error *e)
{
	struct json_object *list = json_object_new_array();
	(void)e;
	for (unsigned i = 0; i < call->ops->cpus(call->m); i++) {
		struct json_object *o = json_object_new_object();
		char path[32];
		ctl_cpu_path(i, path);
		ctl_put_int(o, "cpu-index", i);
		ctl_put_str(o, "qom-path", path);
		ctl_put_int(o, "thread-id", (uint64_t)call->ops->thread(call->m, i));
		ctl_put_str(o, "target", "x86_64");
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *ctl_run_stop(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->stop(call->m, e) ? NULL : json_object_new_object();
}

struct json_object *ctl_run_cont(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->cont(call->m, e) ? NULL : json_object_new_object();
}

struct json_object *ctl_run_reset(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->reset(call->m, e) ? NULL : json_object_new_object();
}

struct json_object *ctl_run_quit(const struct ctl_call *call, struct control_error *e)
{
	(void)e;
	call->ops->quit(call->m);
	return json_object_new_object();
}
