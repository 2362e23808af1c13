/* SPDX-License-Identifier: BSD-2-Clause
 *
 * query-shadow-roots and query-shadow-page: which shadow tables there are, and what is in one.
 *
 * Read after: look.c, shadow/diff.h.
 */
#include <stdlib.h>

#include "shadow/diff.h"
#include "vmm/control/internal.h"

#define MAX_ROOTS 4096u
#define MAX_PAGES 256u

/* Which vCPUs' registers name this root. */
static struct json_object *users(const struct ctl_call *call, struct sh_mmu *mmu, mfn_t root)
{
	struct json_object *list = json_object_new_array();
	for (unsigned i = 0; i < call->ops->cpus(call->m); i++) {
		struct sh_regs r;
		struct sh_mode mode;
		mfn_t at;
		bool uses = false;
		if (!sh_vcpu_peek(mmu, i, &r, &mode))
			continue;
		for (unsigned v = 0; v < SH_VIEWS && !uses; v++)
			uses = sh_root_of(mmu, i, &r, (enum sh_view)v, &at) && mfn_eq(at, root);
		if (uses)
			json_object_array_add(list, json_object_new_int((int)i));
	}
	return list;
}

struct json_object *ctl_run_shadow_roots(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	struct sh_root_info *r = mmu ? calloc(MAX_ROOTS, sizeof(*r)) : NULL;
	struct sh_look look;
	if (!r) {
		if (mmu)
			ctl_fail(e, CTL_GENERIC_ERROR, "out of memory");
		return NULL;
	}
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	sh_look_begin(mmu, &look);
	unsigned n = sh_roots(mmu, r, MAX_ROOTS);
	for (unsigned i = 0; i < n && i < MAX_ROOTS; i++) {
		struct json_object *x = json_object_new_object();
		ctl_put_hex(x, "gfn", r[i].gfn.v);
		ctl_put_hex(x, "mfn", r[i].mfn.v);
		ctl_put_int(x, "pins", r[i].pins);
		ctl_put(x, "role", ctl_role(r[i].role));
		ctl_put(x, "vcpus", users(call, mmu, r[i].mfn));
		json_object_array_add(list, x);
	}
	free(r);
	ctl_put(o, "roots", list);
	ctl_put_look(o, mmu, &look);
	return o;
}

static struct json_object *table_json(const struct sh_table *t)
{
	static const char *const parents[] = {"none", "one", "several"};
	struct json_object *o = json_object_new_object();
	ctl_put_hex(o, "table", t->mfn.v);
	ctl_put_hex(o, "gfn", t->gfn.v);
	ctl_put(o, "role", ctl_role(t->role));
	ctl_put_int(o, "pins", t->pins);
	ctl_put_int(o, "present", t->present);
	ctl_put_str(o, "parents", parents[t->parents]);
	ctl_put_bool(o, "tracked", t->tracked);
	ctl_put_bool(o, "unsync", t->unsync);
	ctl_put_bool(o, "copy", t->copy);
	ctl_put_int(o, "flood", t->flood);
	return o;
}

static struct json_object *entries(const struct ctl_call *call, struct sh_mmu *mmu,
				   const struct sh_table *t, unsigned *index)
{
	struct sh_entry e[SH_TABLE_ENTRIES];
	unsigned max = ctl_arg_index(call, "max", SH_TABLE_ENTRIES);
	struct json_object *list = json_object_new_array();
	unsigned n = sh_table_entries(mmu, t->mfn, index, e,
				      max < SH_TABLE_ENTRIES ? max : SH_TABLE_ENTRIES);
	for (unsigned i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();
		ctl_put_int(o, "index", e[i].index);
		ctl_put_hex(o, "entry", e[i].spte);
		ctl_put(o, "flags", ctl_flags(e[i].spte, t->role.level));
		ctl_put_hex(o, "guest", e[i].gpte);
		ctl_put_str(o, "verdict", ctl_verdict_name(e[i].verdict));
		json_object_array_add(list, o);
	}
	return list;
}

/* The tables of a guest frame. */
static struct json_object *of_frame(struct sh_mmu *mmu, gfn_t gfn)
{
	struct json_object *list = json_object_new_array();
	struct sh_table t[MAX_PAGES];
	unsigned n = sh_tables_of(mmu, gfn, t, MAX_PAGES);
	for (unsigned i = 0; i < n && i < MAX_PAGES; i++)
		json_object_array_add(list, table_json(&t[i]));
	return list;
}

struct json_object *ctl_run_shadow_page(const struct ctl_call *call, struct control_error *e)
{
	bool by_table = ctl_arg_given(call, "table");
	struct sh_mmu *mmu = ctl_mmu(call, e);
	unsigned index = ctl_arg_index(call, "first", 0);
	mfn_t mfn = MFN(ctl_arg_hex(call, "table", 0));
	struct sh_look look;
	struct sh_table t;
	if (!mmu)
		return NULL;
	if (by_table == ctl_arg_given(call, "gfn")) {
		ctl_fail(e, CTL_GENERIC_ERROR, "One of 'table' and 'gfn' is expected");
		return NULL;
	}
	sh_look_begin(mmu, &look);
	if (by_table && !sh_table_find(mmu, mfn, &t)) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND, "no live shadow table at frame 0x%llx",
			 (unsigned long long)mfn.v);
		return NULL;
	}
	struct json_object *o = json_object_new_object(), *list;
	if (by_table) {
		list = json_object_new_array();
		json_object_array_add(list, table_json(&t));
		ctl_put(o, "pages", list);
		ctl_put(o, "entries", entries(call, mmu, &t, &index));
		if (index < SH_TABLE_ENTRIES)
			ctl_put_int(o, "next", index);
	} else {
		ctl_put(o, "pages", of_frame(mmu, GFN(ctl_arg_hex(call, "gfn", 0))));
	}
	ctl_put_look(o, mmu, &look);
	return o;
}
