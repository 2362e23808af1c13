/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shadow-audit, shadow-flush, shadow-set: the commands that check the shadow, drop it, or change how it
 * is made.
 *
 * Locks: the live audit takes none that a vCPU waits for; the others bring vCPUs to rest or make them
 * wait, as their rows say. Read after: look.c, shadow/diff.h.
 */
#include <errno.h>
#include <string.h>

#include "shadow/diff.h"
#include "shadow/dmap.h"
#include "vmm/control/internal.h"

static void tell(const struct ctl_call *call, unsigned violations, const char *report)
{
	struct json_object *o = json_object_new_object();
	ctl_put_int(o, "violations", violations);
	ctl_put_str(o, "report", report);
	call->ops->event(call->m, "SHADOW_AUDIT_FAILED", o);
}

static unsigned stopped_audit(const struct ctl_call *call, struct sh_mmu *mmu, char *buf,
			      size_t n, struct sh_look *look)
{
	unsigned bad;
	call->ops->pause(call->m);
	sh_look_begin(mmu, look);
	bad = sh_audit(mmu, buf, n);
	return bad;
}

struct json_object *ctl_run_shadow_audit(const struct ctl_call *call, struct control_error *e)
{
	bool stopped = ctl_arg_bool(call, "stopped", false);
	struct sh_mmu *mmu = ctl_mmu(call, e);
	char report[2048] = "";
	struct sh_live live;
	struct sh_look look;
	struct sh_wx wx;
	unsigned bad;
	if (!mmu)
		return NULL;
	struct json_object *o = json_object_new_object();
	if (stopped) {
		bad = stopped_audit(call, mmu, report, sizeof(report), &look);
	} else {
		sh_look_begin(mmu, &look);
		bad = sh_audit_live(mmu, report, sizeof(report), &live);
	}
	ctl_put_int(o, "violations", bad);
	ctl_put_str(o, "report", report);
	ctl_put_str(o, "mode", stopped ? "stopped" : "live");
	if (stopped) {
		sh_wx_scan(mmu, &wx);
		ctl_put_int(o, "wx-frames", wx.wx);
		ctl_put_int(o, "wx-alias-frames", wx.wx_alias);
	} else {
		ctl_put_int(o, "tables", live.tables);
		ctl_put_int(o, "entries", live.entries);
		ctl_put_int(o, "unsync", live.unsync);
		ctl_put_int(o, "unsettled", live.unsettled);
	}
	ctl_put_look(o, mmu, &look);
	if (stopped)
		call->ops->resume(call->m);
	if (bad)
		tell(call, bad, report);
	return o;
}

struct json_object *ctl_run_shadow_flush(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	if (!mmu)
		return NULL;
	struct json_object *o = json_object_new_object();
	ctl_put_int(o, "tables", sh_drop_all(mmu, NULL));
	return o;
}

static int find_option(const char *name)
{
	for (unsigned i = 0; i < SH_OPTIONS; i++)
		if (!strcmp(name, sh_option_table[i].name))
			return (int)i;
	return -ENOENT;
}

static int set(struct sh_mmu *mmu, const char *name, bool on, struct control_error *e)
{
	int o = find_option(name);
	if (o < 0) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND, "there is no technique '%.60s'", name);
		return -1;
	}
	if (sh_option_switch(mmu, (enum sh_option)o, on)) {
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "'%s' is fixed when the machine starts",
			 name);
		return -1;
	}
	return 0;
}

struct json_object *ctl_run_shadow_set(const struct ctl_call *call, struct control_error *e)
{
	const char *name = ctl_arg_string(call, "name", NULL);
	const char *value = ctl_arg_string(call, "value", NULL);
	struct sh_mmu *mmu = ctl_mmu(call, e);
	if (!mmu)
		return NULL;
	if (!name != !value) {
		ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%s' is missing",
			 name ? "value" : "name");
		return NULL;
	}
	if (name && set(mmu, name, !strcmp(value, "on"), e))
		return NULL;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	for (unsigned i = 0; i < SH_OPTIONS; i++) {
		struct json_object *x = json_object_new_object();
		ctl_put_str(x, "name", sh_option_table[i].name);
		ctl_put_bool(x, "on", sh_option_on(mmu, (enum sh_option)i));
		ctl_put_bool(x, "changeable", !sh_option_fixed((enum sh_option)i));
		ctl_put_str(x, "help", sh_option_table[i].help);
		json_object_array_add(list, x);
	}
	ctl_put(o, "options", list);
	return o;
}
