/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Counters: query-stats and query-stats-schemas in QEMU's form, query-shadow-shootdowns, query-rcu.
 *
 * All of them are read without a lock: each vCPU counts for itself, and the sums are made here.
 * Read after: look.c, shadow/stats.h.
 */
#include <stdio.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "vmm/control/internal.h"

/* Of the machine only, and no counters but gauges. */
static const struct {
	const char *name;
	size_t offset;
} gauges[] = {
	{"tables_used", offsetof(struct sh_stats, tables_used)},
	{"tables_limit", offsetof(struct sh_stats, tables_limit)},
	{"pages_4k", offsetof(struct sh_stats, pages_4k)},
	{"pages_2m", offsetof(struct sh_stats, pages_2m)},
	{"pages_1g", offsetof(struct sh_stats, pages_1g)},
	{"mmu_unsync_now", offsetof(struct sh_stats, unsync)},
	{"rmap_descs", offsetof(struct sh_stats, rmap_descs)},
};
#define GAUGES (sizeof(gauges) / sizeof(gauges[0]))

static uint64_t gauge(const struct sh_stats *s, size_t i)
{
	return *(const uint64_t *)(const void *)((const char *)s + gauges[i].offset);
}

/* Whether a list of strings has it; without a list everything is wanted. */
static bool wanted(struct json_object *list, const char *name)
{
	size_t n = list ? json_object_array_length(list) : 0;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name))
			return true;
	return !list;
}

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;
	if (o)
		json_object_object_get_ex(o, name, &v);
	return v;
}

/* The names that argument providers asks for; there is one provider. */
static struct json_object *names_wanted(const struct ctl_call *call)
{
	struct json_object *p = member(call->args, "providers");
	if (!p || !json_object_array_length(p))
		return NULL;
	return member(json_object_array_get_idx(p, 0), "names");
}

static void add(struct json_object *list, struct json_object *names, const char *name,
		uint64_t value)
{
	if (!wanted(names, name))
		return;
	struct json_object *o = json_object_new_object();
	ctl_put_str(o, "name", name);
	ctl_put_int(o, "value", value);
	json_object_array_add(list, o);
}

static struct json_object *result(struct json_object *list, const char *path)
{
	struct json_object *o = json_object_new_object(), *stats = json_object_new_array();
	ctl_put_str(o, "provider", "umbra");
	if (path)
		ctl_put_str(o, "qom-path", path);
	ctl_put(o, "stats", stats);
	json_object_array_add(list, o);
	return stats;
}

static void machine_stats(struct sh_mmu *mmu, struct json_object *names,
			  struct json_object *list)
{
	struct json_object *stats = result(list, NULL);
	struct sh_stats s;
	sh_mmu_stats(mmu, &s);
	for (unsigned i = 0; i < SH_STATS; i++)
		add(stats, names, sh_stat_names[i], s.v[i]);
	for (size_t i = 0; i < GAUGES; i++)
		add(stats, names, gauges[i].name, gauge(&s, i));
}

void ctl_cpu_path(unsigned vcpu, char buf[32])
{
	snprintf(buf, 32, "/machine/cpu[%u]", vcpu);
}

static void vcpu_stats(const struct ctl_call *call, struct sh_mmu *mmu,
		       struct json_object *names, struct json_object *list)
{
	struct json_object *vcpus = member(call->args, "vcpus");
	for (unsigned i = 0; i < call->ops->cpus(call->m); i++) {
		uint64_t v[SH_STATS];
		char path[32];
		ctl_cpu_path(i, path);
		if (!wanted(vcpus, path))
			continue;
		struct json_object *stats = result(list, path);
		sh_vcpu_stats(mmu, i, v);
		for (unsigned s = 0; s < SH_STATS; s++)
			add(stats, names, sh_stat_names[s], v[s]);
	}
}

struct json_object *ctl_run_stats(const struct ctl_call *call, struct control_error *e)
{
	bool vm = !strcmp(ctl_arg_string(call, "target", "vm"), "vm");
	struct sh_mmu *mmu = ctl_mmu(call, e);
	if (!mmu)
		return NULL;
	if (vm && ctl_arg_given(call, "vcpus")) {
		ctl_fail(e, CTL_GENERIC_ERROR, "Parameter 'vcpus' is unexpected");
		return NULL;
	}
	struct json_object *list = json_object_new_array();
	if (vm)
		machine_stats(mmu, names_wanted(call), list);
	else
		vcpu_stats(call, mmu, names_wanted(call), list);
	return list;
}

static void describe(struct json_object *stats, const char *name, const char *type)
{
	struct json_object *o = json_object_new_object();
	ctl_put_str(o, "name", name);
	ctl_put_str(o, "type", type);
	ctl_put_int(o, "exponent", 0);
	json_object_array_add(stats, o);
}

struct json_object *ctl_run_stats_schemas(const struct ctl_call *call, struct control_error *e)
{
	static const char *const targets[] = {"vm", "vcpu"};
	struct json_object *list = json_object_new_array();
	(void)call, (void)e;
	for (unsigned t = 0; t < 2; t++) {
		struct json_object *o = json_object_new_object();
		struct json_object *stats = json_object_new_array();
		for (unsigned i = 0; i < SH_STATS; i++)
			describe(stats, sh_stat_names[i], "cumulative");
		for (size_t i = 0; t == 0 && i < GAUGES; i++)
			describe(stats, gauges[i].name, "instant");
		ctl_put_str(o, "provider", "umbra");
		ctl_put_str(o, "target", targets[t]);
		ctl_put(o, "stats", stats);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *ctl_run_shadow_stats(const struct ctl_call *call, struct control_error *e)
{
	return call->ops->shadow_stats(call->m, e);
}

/* ---- shootdowns and grace periods ---- */

static struct json_object *asked_by(struct sh_mmu *mmu, unsigned vcpu)
{
	struct json_object *o = json_object_new_object();
	uint64_t v[SH_STATS];
	sh_vcpu_stats(mmu, vcpu, v);
	if (vcpu != SH_VCPU_NONE)
		ctl_put_int(o, "vcpu", vcpu);
	ctl_put_int(o, "shootdowns", v[SH_ST_REMOTE_FLUSH]);
	ctl_put_int(o, "kicks", v[SH_ST_KICKS]);
	if (vcpu != SH_VCPU_NONE) {
		ctl_put_int(o, "flushes", v[SH_ST_TLB_FLUSH]);
		ctl_put_int(o, "invlpg", v[SH_ST_INVLPG]);
	}
	return o;
}

struct json_object *ctl_run_shootdowns(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	struct sh_waiting w;
	struct sh_stats s;
	if (!mmu)
		return NULL;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	sh_waiting(mmu, &w);
	sh_mmu_stats(mmu, &s);
	ctl_put_int(o, "shootdowns", s.v[SH_ST_REMOTE_FLUSH]);
	ctl_put_int(o, "kicks", s.v[SH_ST_KICKS]);
	ctl_put_int(o, "drops", w.drops);
	ctl_put_int(o, "pending", w.pending);
	for (unsigned i = 0; i < call->ops->cpus(call->m); i++)
		json_object_array_add(list, asked_by(mmu, i));
	ctl_put(o, "vcpus", list);
	ctl_put(o, "others", asked_by(mmu, SH_VCPU_NONE));
	ctl_put_int(o, "generation", sh_generation(mmu));
	return o;
}

struct json_object *ctl_run_rcu(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	struct sh_rcu_info r;
	if (!mmu)
		return NULL;
	struct json_object *o = json_object_new_object();
	sh_rcu_info(mmu, &r);
	ctl_put_str(o, "flavour", "memb");
	ctl_put_int(o, "grace-periods", r.graces);
	ctl_put_int(o, "by-producers", r.by_producer);
	ctl_put_int(o, "queued", r.queued);
	ctl_put_int(o, "in-grace", r.in_grace);
	ctl_put_int(o, "kept", r.kept);
	ctl_put_int(o, "freed", r.freed);
	ctl_put_int(o, "most-waiting", r.max_backlog);
	ctl_put_int(o, "median-us", r.median_us);
	ctl_put_int(o, "p99-us", r.p99_us);
	if (ctl_arg_bool(call, "measure", false)) {
		int64_t before = ctl_now();
		urcu_memb_synchronize_rcu();
		ctl_put_int(o, "grace-period-ns", (uint64_t)(ctl_now() - before));
	}
	return o;
}
