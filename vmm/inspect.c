/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the control socket may ask of a machine, and what a run came to, as JSON.
 *
 * Locks: m->lock for the state of the run; looks at tables are the control socket's own and take none.
 * Read first: machine.h, control/control.h.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shadow/dmap.h"
#include "vmm/clock.h"
#include "vmm/machine.h"

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
	put_u64(o, "reserve", d->reserve);
	put_u64(o, "pagealloc_missed", d->pagealloc_missed);
	put_u64(o, "pagealloc_kept", d->pagealloc_kept);
	put_u64(o, "pagealloc_depth", d->depth);
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

static bool has_ended(void *ctx)
{
	struct machine *m = ctx;

	return atomic_load(&m->ended);
}

static const char *engine_name(void *ctx)
{
	struct machine *m = ctx;

	return m->engine->name;
}

static int reset(void *ctx, struct control_error *e)
{
	struct machine *m = ctx;
	char msg[256];

	if (machine_reset(m, msg, sizeof(msg))) {
		e->class = CTL_GENERIC_ERROR;
		snprintf(e->desc, sizeof(e->desc), "%s", msg);
		return -1;
	}
	machine_event(m, "RESET", "host-qmp-system-reset");
	return 0;
}

static void pause(void *ctx)
{
	machine_pause(ctx);
}

static void resume(void *ctx)
{
	machine_resume(ctx);
}

static struct sh_mmu *mmu(void *ctx)
{
	struct machine *m = ctx;

	return m->mmu;
}

static unsigned cpus(void *ctx)
{
	struct machine *m = ctx;

	return m->cfg.cpus;
}

static long thread(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	return atomic_load(&m->vcpu[vcpu].tid);
}

static const struct cpu_state *cpu(void *ctx, unsigned vcpu)
{
	struct machine *m = ctx;

	return &m->vcpu[vcpu].cpu.s;
}

static void event(void *ctx, const char *kind, struct json_object *data)
{
	struct machine *m = ctx;

	control_event(m->control, kind, data);
}

/* ---- storms ---- */

#define STORM_NS    1000000000ull
#define STORM_PER_S 1000u

/* Once a second the count of shootdowns is held against that of a second ago. */
static void tick(void *ctx)
{
	struct machine *m = ctx;
	uint64_t now = clock_ns(), n, ms;
	struct sh_stats s;

	if (now - m->storm.since < STORM_NS)
		return;
	sh_mmu_stats(m->mmu, &s);
	n = s.v[SH_ST_REMOTE_FLUSH] - m->storm.shootdowns;
	ms = (now - m->storm.since) / 1000000u;
	if (m->storm.since && n * 1000 > STORM_PER_S * ms) {
		struct json_object *o = json_object_new_object();

		put_u64(o, "shootdowns", n);
		put_u64(o, "kicks", s.v[SH_ST_KICKS] - m->storm.kicks);
		put_u64(o, "ms", ms);
		control_event(m->control, "SHADOW_SHOOTDOWN_STORM", o);
	}
	m->storm.since = now;
	m->storm.shootdowns = s.v[SH_ST_REMOTE_FLUSH];
	m->storm.kicks = s.v[SH_ST_KICKS];
}

const struct control_ops machine_control_ops = {
	.status = status,
	.running = running,
	.ended = has_ended,
	.name = name,
	.engine = engine_name,
	.stop = stop,
	.cont = cont,
	.reset = reset,
	.quit = quit,
	.pause = pause,
	.resume = resume,
	.mmu = mmu,
	.cpus = cpus,
	.thread = thread,
	.cpu = cpu,
	.event = event,
	.shadow_stats = shadow_stats,
	.tick = tick,
};

void machine_event(struct machine *m, const char *kind, const char *reason)
{
	struct json_object *o = json_object_new_object();

	put(o, "guest", json_object_new_boolean(!strncmp(reason, "guest", 5)));
	put(o, "reason", json_object_new_string(reason));
	control_event(m->control, kind, o);
}

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
