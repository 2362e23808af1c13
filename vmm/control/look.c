/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the commands share that look at tables: whose tables, from where, and the JSON forms of what
 * they find. Addresses are hex strings: many JSON readers lose bits of 64-bit integers.
 *
 * Nothing here takes a lock that a vCPU waits for. Read after: args.c, shadow/inspect.h.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

struct json_object *ctl_hex(uint64_t v)
{
	char s[24];
	snprintf(s, sizeof(s), "0x%016llx", (unsigned long long)v);
	return json_object_new_string(s);
}

void ctl_put(struct json_object *o, const char *key, struct json_object *val)
{
	json_object_object_add(o, key, val);
}

void ctl_put_int(struct json_object *o, const char *key, uint64_t val)
{
	ctl_put(o, key, json_object_new_int64((int64_t)(val & INT64_MAX)));
}

void ctl_put_hex(struct json_object *o, const char *key, uint64_t val)
{
	ctl_put(o, key, ctl_hex(val));
}

void ctl_put_str(struct json_object *o, const char *key, const char *val)
{
	ctl_put(o, key, json_object_new_string(val));
}

void ctl_put_bool(struct json_object *o, const char *key, bool val)
{
	ctl_put(o, key, json_object_new_boolean(val));
}

struct json_object *ctl_role(struct sh_role r)
{
	struct json_object *o = json_object_new_object();
	ctl_put_int(o, "level", r.level);
	ctl_put_str(o, "format", sh_formats[r.format].name);
	ctl_put_str(o, "view", r.user ? "user" : "kernel");
	ctl_put_bool(o, "direct", r.direct);
	ctl_put_bool(o, "write", r.access & SH_ACC_W);
	ctl_put_bool(o, "user", r.access & SH_ACC_U);
	ctl_put_bool(o, "execute", r.access & SH_ACC_X);
	ctl_put_bool(o, "nxe", r.nxe);
	ctl_put_bool(o, "wp", r.wp);
	ctl_put_bool(o, "smep", r.smep);
	ctl_put_bool(o, "smap", r.smap);
	return o;
}

struct json_object *ctl_flags(uint64_t entry, unsigned level)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {{63, "NX"}, {8, "G"},   {7, NULL}, {6, "D"}, {5, "A"},
		     {4, "PCD"}, {3, "PWT"}, {2, "U"},	{1, "W"}, {0, "P"}};
	char s[64] = "";
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!(entry >> names[i].bit & 1))
			continue;
		strcat(s, s[0] ? " " : "");
		/* In a last-level entry bit 7 is PAT (SDM vol. 3, table 4-20). */
		strcat(s, names[i].name ? names[i].name : level > 1 ? "PS" : "PAT");
	}
	return json_object_new_string(s);
}

struct sh_mmu *ctl_mmu(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = call->ops->mmu(call->m);
	if (!mmu)
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "The machine has no shadow MMU");
	return mmu;
}

int ctl_subject_vcpu(const struct ctl_call *call, const char *name, struct ctl_subject *s,
		     struct control_error *e)
{
	unsigned cpus = call->ops->cpus(call->m);
	*s = (struct ctl_subject){.mmu = ctl_mmu(call, e),
				  .vcpu = ctl_arg_index(call, name, 0)};
	if (!s->mmu)
		return -1;
	if (s->vcpu >= cpus) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND, "no vCPU %u; this machine has %u", s->vcpu,
			 cpus);
		return -1;
	}
	if (!sh_vcpu_peek(s->mmu, s->vcpu, &s->regs, &s->mode)) {
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "vCPU %u has not begun", s->vcpu);
		return -1;
	}
	return 0;
}

/* Registers of a vCPU that would run on the tree: what its key says, and no more. */
static void by_role(struct ctl_subject *s, const struct sh_table *t)
{
	const struct sh_format *f = &sh_formats[t->role.format];
	struct sh_regs r = {.pkru = t->role.pkru, .pkrs = t->role.pkrs};
	s->by_root = true;
	s->root = t->mfn;
	s->role = t->role;
	if (sh_role_is_registers(t->role) || !f->levels || !f->level[f->levels].perms)
		sh_vcpu_peek(s->mmu, (unsigned)t->gfn.v, &r, &s->mode);
	else
		r.cr3 = gfn_gpa(t->gfn).v;
	s->regs = r;
	s->mode.format = (enum sh_format_id)t->role.format;
	s->mode.nxe = t->role.nxe;
	s->mode.wp = t->role.wp;
	s->mode.smep = t->role.smep;
	s->mode.smap = t->role.smap;
	s->mode.pse = t->role.pse;
	s->mode.pkru = t->role.pkru;
	s->mode.pkrs = t->role.pkrs;
}

int ctl_subject(const struct ctl_call *call, struct ctl_subject *s, struct control_error *e)
{
	struct sh_table t;
	if (ctl_arg_given(call, "root") && ctl_arg_given(call, "vcpu")) {
		ctl_fail(e, CTL_GENERIC_ERROR,
			 "Parameters 'root' and 'vcpu' exclude each other");
		return -1;
	}
	/* For what a root's key does not say: the processor model. */
	if (ctl_subject_vcpu(call, "vcpu", s, e))
		return -1;
	if (!ctl_arg_given(call, "root"))
		return 0;
	mfn_t root = MFN(ctl_arg_hex(call, "root", 0));
	if (!sh_table_find(s->mmu, root, &t) || t.role.level != sh_top_level(s->mmu)) {
		ctl_fail(e, CTL_DEVICE_NOT_FOUND, "no live root at frame 0x%llx",
			 (unsigned long long)root.v);
		return -1;
	}
	by_role(s, &t);
	return 0;
}

bool ctl_subject_root(const struct ctl_subject *s, enum sh_view view, mfn_t *root)
{
	if (!s->by_root)
		return sh_root_of(s->mmu, s->vcpu, &s->regs, view, root);
	*root = s->root;
	return s->role.user == (view == SH_VIEW_USER) &&
	       (view != SH_VIEW_KERNEL_AC || !s->role.smap);
}

const char *const ctl_view_names[SH_VIEWS] = {[SH_VIEW_USER] = "user",
					      [SH_VIEW_KERNEL] = "kernel",
					      [SH_VIEW_KERNEL_AC] = "kernel-ac"};

bool ctl_view(const struct ctl_call *call, const char *def, enum sh_view *view)
{
	const char *name = ctl_arg_string(call, "view", def);
	for (unsigned i = 0; i < SH_VIEWS; i++)
		if (!strcmp(name, ctl_view_names[i])) {
			*view = (enum sh_view)i;
			return true;
		}
	return false;
}

void ctl_put_look(struct json_object *o, struct sh_mmu *mmu, const struct sh_look *look)
{
	bool consistent = sh_look_end(mmu, look);
	ctl_put_int(o, "generation", sh_generation(mmu));
	ctl_put_bool(o, "consistent", consistent);
}
