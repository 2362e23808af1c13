/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One request in, one reply out.
 *
 * Everything about a request is checked before its command runs, so a request that is refused
 * has had no effect. Wording and order of the checks follow QEMU's.
 *
 * Read after: commands.c. Read next: session.c.
 */
#include <string.h>

#include "vmm/control/internal.h"

struct request {
	const char *command;
	bool oob;
	struct json_object *args;
};

static int bad(struct control_error *e, const char *fmt, const char *member)
{
	ctl_fail(e, CTL_GENERIC_ERROR, "QMP input member '%.100s' %s", member, fmt);
	return -1;
}

static int read_member(struct request *r, const char *name, struct json_object *v,
		       bool oob_enabled, struct control_error *e)
{
	bool oob = oob_enabled && !strcmp(name, "exec-oob");
	if (oob || !strcmp(name, "execute")) {
		if (!json_object_is_type(v, json_type_string))
			return bad(e, "must be a string", name);
		if (r->command)
			return bad(e, "clashes with another", name);
		r->command = json_object_get_string(v);
		r->oob = oob;
	} else if (!strcmp(name, "arguments")) {
		if (!json_object_is_type(v, json_type_object))
			return bad(e, "must be an object", name);
		r->args = v;
	} else if (strcmp(name, "id") != 0) {
		return bad(e, "is unexpected", name);
	}
	return 0;
}

static int read_request(const struct ctl_session *s, struct json_object *o, struct request *r,
			struct control_error *e)
{
	if (!json_object_is_type(o, json_type_object)) {
		ctl_fail(e, CTL_GENERIC_ERROR, "QMP input must be a JSON object");
		return -1;
	}
	json_object_object_foreach(o, name, value)
	{
		if (read_member(r, name, value, s->oob, e))
			return -1;
	}
	if (!r->command) {
		ctl_fail(e, CTL_GENERIC_ERROR, "QMP input lacks member 'execute'");
		return -1;
	}
	return 0;
}

static const struct ctl_command *find(const struct ctl_session *s, const struct request *r,
				      struct control_error *e)
{
	const struct ctl_command *cmd = ctl_command_find(r->command);
	if (!s->negotiated && !(cmd && cmd->flags & CTL_CMD_UNNEGOTIATED)) {
		ctl_fail(e, CTL_COMMAND_NOT_FOUND,
			 "Expecting capabilities negotiation with 'qmp_capabilities'");
		return NULL;
	}
	if (!cmd) {
		ctl_fail(e, CTL_COMMAND_NOT_FOUND, "The command %.100s has not been found",
			 r->command);
		return NULL;
	}
	if (r->oob && !(cmd->flags & CTL_CMD_OOB)) {
		ctl_fail(e, CTL_GENERIC_ERROR, "The command %s does not support OOB",
			 cmd->name);
		return NULL;
	}
	return cmd;
}

static struct json_object *run(struct ctl_session *s, struct json_object *o,
			       struct control_error *e)
{
	struct request r = {0};
	if (read_request(s, o, &r, e))
		return NULL;
	const struct ctl_command *cmd = find(s, &r, e);
	if (!cmd || ctl_command_check(cmd, r.args, e))
		return NULL;
	if (!(cmd->flags & CTL_CMD_ENDED) && s->ops->ended(s->m)) {
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "the machine has ended");
		return NULL;
	}
	struct ctl_call call = {.session = s, .ops = s->ops, .m = s->m, .args = r.args};
	if (cmd->flags & CTL_CMD_PAUSES)
		s->ops->pause(s->m);
	struct json_object *ret = cmd->run(&call, e);
	if (cmd->flags & CTL_CMD_PAUSES)
		s->ops->resume(s->m);
	return ret;
}

struct json_object *ctl_dispatch(struct ctl_session *s, struct json_object *request)
{
	struct control_error e = {.class = CTL_GENERIC_ERROR};
	struct json_object *id, *ret = run(s, request, &e);
	struct json_object *reply = ret ? ctl_reply_return(ret) : ctl_reply_error(&e);
	if (json_object_is_type(request, json_type_object) &&
	    json_object_object_get_ex(request, "id", &id))
		json_object_object_add(reply, "id", json_object_get(id));
	return reply;
}
