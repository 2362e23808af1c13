/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arguments of a call that was checked against its row. Read after: table.c.
 */
#include <stdlib.h>

#include "vmm/control/internal.h"

static struct json_object *find(const struct ctl_call *call, const char *name)
{
	struct json_object *v = NULL;
	if (call->args)
		json_object_object_get_ex(call->args, name, &v);
	return v;
}

bool ctl_arg_given(const struct ctl_call *call, const char *name)
{
	return find(call, name);
}

/* A hex string, or (of type address) a number. */
uint64_t ctl_arg_hex(const struct ctl_call *call, const char *name, uint64_t def)
{
	struct json_object *v = find(call, name);
	if (!v)
		return def;
	if (json_object_is_type(v, json_type_int))
		return json_object_get_uint64(v);
	return strtoull(json_object_get_string(v), NULL, 16);
}

unsigned ctl_arg_index(const struct ctl_call *call, const char *name, unsigned def)
{
	struct json_object *v = find(call, name);
	return v ? (unsigned)json_object_get_int64(v) : def;
}

bool ctl_arg_bool(const struct ctl_call *call, const char *name, bool def)
{
	struct json_object *v = find(call, name);
	return v ? json_object_get_boolean(v) : def;
}

const char *ctl_arg_string(const struct ctl_call *call, const char *name, const char *def)
{
	struct json_object *v = find(call, name);
	return v ? json_object_get_string(v) : def;
}
