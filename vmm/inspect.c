/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the control socket may ask of a machine, and what a run came to, as JSON.
 *
 * Addresses are hex strings: many JSON readers lose bits of 64-bit integers.
 * Locks: a walk and an audit pause the machine; roots and statistics take no lock a vCPU waits for.
 * Read first: machine.h, control/control.h.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu/urcu-memb.h>

#include "shadow/dmap.h"
#include "vmm/machine.h"

static struct json_object *hex(uint64_t v)
{
	char s[24];

	snprintf(s, sizeof(s), "0x%016llx", (unsigned long long)v);
	return json_object_new_string(s);
}

static void put(struct json_object *o, const char *key, struct json_object *val)
{
	json_object_object_add(o, key, val);
}

static void put_u64(struct json_object *o, const char *key, uint64_t val)
{
	json_object_object_add(o, key, json_object_new_uint64(val));
}

static const char *status(void *ctx)
{
	struct machine *m = ctx;
	const char *s;

	pthread_mutex_lock(&m->lock);
	if (m->verdict != VERDICT_NONE)
		s = m->verdict == VERDICT_CRASH || m->verdict == VERDICT_HOST ? "internal-error"
									      : "shutdown";
	else if (m->user_paused)
		s = m->cfg.start_paused && atomic_load(&m->stopped_at) == 1 ? "prelaunch"
									    : "paused";
	else
		s = "running";
	pthread_mutex_unlock(&m->lock);
	return s;
}

static bool running(void *ctx)
{
	struct machine *m = ctx;
	bool r;

	pthread_mutex_lock(&m->lock);
	r = m->verdict == VERDICT_NONE && !m->user_paused;
	pthread_mutex_unlock(&m->lock);
	return r;
}

static const char *name(void *ctx)
{
	struct machine *m = ctx;

	return m->cfg.name;
}

static int ended(struct machine *m, struct control_error *e)
{
	if (!atomic_load(&m->ended))
		return 0;
	e->class = CTL_GENERIC_ERROR;
	snprintf(e->desc, sizeof(e->desc), "the machine has ended");
	return -1;
}

/* True if the caller is the one to change it. */
static bool user_pause(struct machine *m, bool want)
{
	bool change;

	pthread_mutex_lock(&m->lock);
	change = m->user_paused != want;
	m->user_paused = want;
	pthread_mutex_unlock(&m->lock);
	return change;
}

static int stop(void *ctx, struct control_error *e)
{
	struct machine *m = ctx;

	if (ended(m, e))
		return -1;
	if (user_pause(m, true)) {
		machine_pause(m);
		control_event(m->control, "STOP", NULL);
	}
	return 0;
}

static int cont(void *ctx, struct control_error *e)
{
	struct machine *m = ctx;

	if (ended(m, e))
		return -1;
	if (user_pause(m, false)) {
		machine_resume(m);
		control_event(m->control, "RESUME", NULL);
	}
	return 0;
}

static void quit(void *ctx)
{
	machine_end(ctx, VERDICT_QUIT, "quit by the control socket");
}

static struct json_object *role_json(struct sh_role r)
{
	struct json_object *o = json_object_new_object();

	put_u64(o, "level", r.level);
	put(o, "format", json_object_new_string(sh_formats[r.format].name));
	put(o, "view", json_object_new_string(r.user ? "user" : "kernel"));
	put(o, "direct", json_object_new_boolean(r.direct));
	put(o, "write", json_object_new_boolean(r.access & SH_ACC_W));
	put(o, "user", json_object_new_boolean(r.access & SH_ACC_U));
	put(o, "execute", json_object_new_boolean(r.access & SH_ACC_X));
	put(o, "nxe", json_object_new_boolean(r.nxe));
	put(o, "wp", json_object_new_boolean(r.wp));
	put(o, "smep", json_object_new_boolean(r.smep));
	put(o, "smap", json_object_new_boolean(r.smap));
	return o;
}

#define MAX_ROOTS 1024u

static struct json_object *shadow_roots(void *ctx, struct control_error *e)
{
	struct machine *m = ctx;
	struct sh_root_info *r = calloc(MAX_ROOTS, sizeof(*r));
	struct json_object *list;
	unsigned n;

	if (!r) {
		snprintf(e->desc, sizeof(e->desc), "out of memory");
		return NULL;
	}
	urcu_memb_register_thread();
	n = sh_roots(m->mmu, r, MAX_ROOTS);
	urcu_memb_unregister_thread();
	list = json_object_new_array();
	for (unsigned i = 0; i < n && i < MAX_ROOTS; i++) {
		struct json_object *o = json_object_new_object();

		put(o, "gfn", hex(r[i].gfn.v));
		put(o, "mfn", hex(r[i].mfn.v));
		put_u64(o, "pins", r[i].pins);
		put(o, "role", role_json(r[i].role));
		json_object_array_add(list, o);
	}
	free(r);
	return list;
}

static struct json_object *guest_walk(struct vcpu *v, gva_t gva)
{
	struct json_object *o = json_object_new_object(), *levels = json_object_new_array();
	struct sh_walk w;
	enum sh_walk_result r = sh_walk(v->m->gm, sh_vcpu_mode(v->sh), sh_vcpu_regs(v->sh), gva,
					SH_PEEK | SH_IMPLICIT, &w);

	put(o, "cr3", hex(sh_vcpu_regs(v->sh)->cr3));
	put(o, "format", json_object_new_string(sh_formats[sh_vcpu_mode(v->sh)->format].name));
	for (unsigned l = w.top; r != SH_WALK_NOT_CANON && l >= w.level && l; l--) {
		struct json_object *e = json_object_new_object();

		put_u64(e, "level", l);
		put(e, "gpa", hex(w.entry[l].v));
		put(e, "entry", hex(w.gpte[l]));
		json_object_array_add(levels, e);
	}
	put(o, "levels", levels);
	put(o, "result",
	    json_object_new_string(r == SH_WALK_OK	? "mapped"
				   : r == SH_WALK_FAULT ? "fault"
							: "not-canonical"));
	if (r == SH_WALK_OK)
		put(o, "gpa", hex(w.gpa.v));
	if (r == SH_WALK_FAULT)
		put_u64(o, "error-code", w.error);
	return o;
}

static struct json_object *shadow_path(struct vcpu *v, enum sh_view view, gva_t gva)
{
	struct json_object *o = json_object_new_object(), *levels = json_object_new_array();
	struct sh_path p;
	mfn_t root;
	unsigned l;

	if (sh_root_peek(v->sh, view, &root) && sh_path(v->m->mmu, root, gva, &p)) {
		put(o, "root", hex(root.v));
		for (l = p.top; l >= p.level; l--) {
			struct json_object *e = json_object_new_object();

			put_u64(e, "level", l);
			put(e, "table", hex(p.table[l].v));
			put(e, "gfn", hex(p.gfn[l].v));
			put(e, "entry", hex(p.spte[l]));
			put(e, "role", role_json(p.role[l]));
			json_object_array_add(levels, e);
		}
	}
	put(o, "levels", levels);
	return o;
}

static struct json_object *shadow_walk(void *ctx, gva_t gva, unsigned vcpu,
				       struct control_error *e)
{
	struct machine *m = ctx;
	struct json_object *o;
	struct vcpu *v;

	if (vcpu >= m->cfg.cpus) {
		e->class = CTL_GENERIC_ERROR;
		snprintf(e->desc, sizeof(e->desc), "no vCPU %u; this machine has %u", vcpu,
			 m->cfg.cpus);
		return NULL;
	}
	if (ended(m, e))
		return NULL;
	machine_pause(m);
	urcu_memb_register_thread();
	v = &m->vcpu[vcpu];
	o = json_object_new_object();
	if (v->sh) {
		put(o, "gva", hex(gva.v));
		put(o, "guest", guest_walk(v, gva));
		put(o, "kernel", shadow_path(v, SH_VIEW_KERNEL, gva));
		put(o, "user", shadow_path(v, SH_VIEW_USER, gva));
	}
	gmem_thread_exit(m->gm);
	urcu_memb_unregister_thread();
	machine_resume(m);
	return o;
}

static struct json_object *shadow_audit(void *ctx, struct control_error *e)
{
	struct machine *m = ctx;
	char text[1024] = "";
	struct json_object *o = json_object_new_object();
	struct sh_wx wx;
	unsigned bad;

	(void)e;
	machine_pause(m);
	urcu_memb_register_thread();
	bad = sh_audit(m->mmu, text, sizeof(text));
	sh_wx_scan(m->mmu, &wx);
	gmem_thread_exit(m->gm);
	urcu_memb_unregister_thread();
	machine_resume(m);
	put_u64(o, "violations", bad);
	put_u64(o, "wx_frames", wx.wx);
	put_u64(o, "wx_alias_frames", wx.wx_alias);
	put(o, "report", json_object_new_string(text));
	return o;
}

static struct json_object *rcu_json(struct machine *m)
{
	struct json_object *o = json_object_new_object();
	struct sh_rcu_info r;

	sh_rcu_info(m->mmu, &r);
	put_u64(o, "queued", r.queued);
	put_u64(o, "in_grace", r.in_grace);
	put_u64(o, "kept", r.kept);
	put_u64(o, "graces", r.graces);
	put_u64(o, "by_producer", r.by_producer);
	put_u64(o, "freed", r.freed);
	put_u64(o, "max_backlog", r.max_backlog);
	put_u64(o, "median_us", r.median_us);
	put_u64(o, "p99_us", r.p99_us);
	return o;
}

static unsigned ceiling_of(struct machine *m)
{
	struct sh_shootdown_info i;

	return sh_shootdown_info(m->mmu, 0, &i) ? i.ceiling : 0;
}

static struct json_object *dmap_json(const struct sh_dmap_stats *d)
{
	static const char *const sizes[] = {"", "4k", "2m", "1g"};
	struct json_object *o = json_object_new_object();
	char key[32];

	for (unsigned l = 1; l <= SH_DM_LEVELS; l++) {
		snprintf(key, sizeof(key), "pages_%s", sizes[l]);
		put_u64(o, key, d->pages[l]);
		snprintf(key, sizeof(key), "splits_%s", sizes[l]);
		put_u64(o, key, d->splits[l]);
		snprintf(key, sizeof(key), "collapses_%s", sizes[l]);
		put_u64(o, key, d->collapses[l]);
		snprintf(key, sizeof(key), "sameprot_%s", sizes[l]);
		put_u64(o, key, d->sameprot[l]);
		snprintf(key, sizeof(key), "preserved_%s", sizes[l]);
		put_u64(o, key, d->preserved[l]);
	}
	put_u64(o, "checked", d->checked);
	put_u64(o, "holes", d->holes);
	put_u64(o, "total", d->total);
	put_u64(o, "tables", d->tables);
	put_u64(o, "flushes", d->flushes);
	put_u64(o, "cache_lines", d->cache_lines);
	put_u64(o, "cache_flushes", d->cache_flushes);
	put_u64(o, "alias_leaves", d->alias_leaves);
	return o;
}

static struct json_object *stats_json(struct machine *m)
{
	struct json_object *o = json_object_new_object();
	struct sh_stats s;
	struct gmem_stats g;
	struct sh_dmap_stats d;

	sh_mmu_stats(m->mmu, &s);
	gmem_stats(m->gm, &g);
	for (unsigned i = 0; i < SH_STATS; i++)
		put_u64(o, sh_stat_names[i], s.v[i]);
	put_u64(o, "tables_used", s.tables_used);
	put_u64(o, "tables_limit", s.tables_limit);
	put_u64(o, "pages_4k", s.pages_4k);
	put_u64(o, "pages_2m", s.pages_2m);
	put_u64(o, "pages_1g", s.pages_1g);
	put_u64(o, "mmu_unsync_now", s.unsync);
	put_u64(o, "rmap_descs", s.rmap_descs);
	put_u64(o, "window_maps", g.maps_slot);
	put_u64(o, "window_misses", g.slot_misses);
	put_u64(o, "window_lifo_errors", g.lifo_errors);
	put_u64(o, "window_depth", g.max_depth);
	put_u64(o, "window_exhausted", g.exhausted);
	put_u64(o, "window_wait_violations", g.wait_violations);
	put_u64(o, "window_pool_maps", g.pool_maps);
	put_u64(o, "window_pool_hits", g.pool_hits);
	put_u64(o, "window_pool_flushes", g.pool_flushes);
	put_u64(o, "window_pool_waits", g.pool_waits);
	put(o, "rcu", rcu_json(m));
	put_u64(o, "invalidate_ceiling", ceiling_of(m));
	if (sh_dmap_stats(m->mmu, &d))
		put(o, "direct_map", dmap_json(&d));
	return o;
}

static struct json_object *shadow_stats(void *ctx, struct control_error *e)
{
	(void)e;
	return stats_json(ctx);
}

static struct json_object *cpus_fast(void *ctx, struct control_error *e)
{
	struct machine *m = ctx;
	struct json_object *list = json_object_new_array();

	(void)e;
	for (unsigned i = 0; i < m->cfg.cpus; i++) {
		struct json_object *o = json_object_new_object();

		put_u64(o, "cpu-index", i);
		put(o, "qom-path", json_object_new_string("/machine"));
		put(o, "target", json_object_new_string("x86_64"));
		put_u64(o, "thread-id", (uint64_t)m->vcpu[i].tid);
		json_object_array_add(list, o);
	}
	return list;
}

static struct sh_mmu *shadow_mmu(void *ctx)
{
	return ((struct machine *)ctx)->mmu;
}

const struct control_ops machine_control_ops = {
	.status = status,
	.running = running,
	.name = name,
	.stop = stop,
	.cont = cont,
	.quit = quit,
	.shadow_roots = shadow_roots,
	.shadow_walk = shadow_walk,
	.shadow_audit = shadow_audit,
	.shadow_stats = shadow_stats,
	.cpus_fast = cpus_fast,
	.mmu = shadow_mmu,
};

struct json_object *machine_stats_json(struct machine *m)
{
	struct json_object *o = json_object_new_object(), *exits = json_object_new_object();
	struct exit_stats *sum = calloc(1, sizeof(*sum));

	put(o, "engine", json_object_new_string(m->engine->name));
	put(o, "pt_update", json_object_new_string(m->pt_update_name ? m->pt_update_name : ""));
	put_u64(o, "cpus", m->cfg.cpus);
	for (unsigned i = 0; sum && i < m->cfg.cpus; i++)
		exit_stats_add(sum, &m->vcpu[i].stats);
	for (unsigned c = 0; sum && c < XC_CLASSES; c++) {
		struct json_object *x = json_object_new_object();

		put_u64(x, "count", sum->count[c]);
		put_u64(x, "total_ns", sum->total_ns[c]);
		put_u64(x, "median_ns", exit_stats_median(sum, c));
		put_u64(x, "max_ns", sum->max_ns[c]);
		put(exits, exit_class_names[c], x);
	}
	put(o, "exits", exits);
	put_u64(o, "insns_interpreted", sum ? sum->insns_interpreted : 0);
	put(o, "shadow", stats_json(m));
	if (m->engine->stats)
		m->engine->stats(m, o);
	free(sum);
	return o;
}
