/* SPDX-License-Identifier: BSD-2-Clause
 *
 * inject-fault: the library's points of failure (shadow/inject.h), armed and looked at.
 *
 * Read after: commands.c.
 */
#include "shadow/inject.h"
#include "vmm/control/internal.h"

static struct json_object *state_of(const struct sh_inject *in, enum sh_inject_point p)
{
	struct json_object *o = json_object_new_object();
	struct sh_inject_state s;

	sh_inject_look(in, p, &s);
	json_object_object_add(o, "point", json_object_new_string(sh_inject_names[p]));
	json_object_object_add(o, "pass", json_object_new_int64(s.pass));
	json_object_object_add(o, "count", json_object_new_int64(s.fail));
	json_object_object_add(o, "stall-ms", json_object_new_int64(s.stall_ms));
	json_object_object_add(o, "hits", json_object_new_uint64(s.hits));
	return o;
}

static const char *point_name(const struct ctl_call *call)
{
	struct json_object *v = NULL;

	if (!call->args || !json_object_object_get_ex(call->args, "point", &v))
		return NULL;
	return json_object_get_string(v);
}

/* The point is to stall or fail from now on; without a count and a stall it is as it was at first. */
static void arm(const struct ctl_call *call, struct sh_inject *in, enum sh_inject_point p)
{
	sh_inject_arm(in, p, ctl_arg_index(call, "pass", 0), ctl_arg_index(call, "count", 0),
		      ctl_arg_index(call, "stall-ms", 0));
}

struct json_object *ctl_run_inject(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = call->ops->mmu(call->m);
	const char *name = point_name(call);
	int p = name ? sh_inject_find(name) : -1;
	struct json_object *list;

	if (!mmu) {
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "this machine has no shadow MMU");
		return NULL;
	}
	if (name && p < 0) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND,
			 "no point '%.100s'; inject-fault without "
			 "arguments lists them",
			 name);
		return NULL;
	}
	if (name)
		arm(call, sh_mmu_inject(mmu), (enum sh_inject_point)p);
	list = json_object_new_array();
	for (int i = 0; i < SH_INJECTS; i++)
		if (!name || i == p)
			json_object_array_add(
				list, state_of(sh_mmu_inject(mmu), (enum sh_inject_point)i));
	return list;
}
