/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The software engine as the rest of the monitor sees it: its tables, its vCPUs, its loop.
 *
 * It runs everything, in any mode, and delivers what its instructions raise itself; it leaves
 * run() for requests, interrupts and HLT only.
 * Read first: soft.h. Read next: memory.c.
 */
#include <errno.h>
#include <Zydis/Zydis.h>
#include <json-c/json.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vmm/soft/soft.h"

/* Instructions before the clock is looked at again. */
#define BATCH	4096u
#define MAX_REP 4096u /* iterations of a REP instruction at a time */

/* The adversarial TLB: one lookup in so many evicts something, or fills something else. */
#define EVICT	  256u
#define SPECULATE 64u

#define LEVELS 5u

/* ---- machine ---- */

static int create_tables(struct soft *soft, uint32_t tables)
{
	void *p = mmap(NULL, (size_t)tables * SH_PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	soft->mem = p;
	soft->tables = (struct tlb_tables){
		.mem = p,
		.mfn = mpa_mfn(engine_own_mpa(soft->m->gm)),
		.tables = tables,
		.levels = LEVELS,
		.gate_slot = UINT64_MAX,
	};
	return soft->m->cfg.tlb_adversarial ? tlb_tables_watch(&soft->tables) : 0;
}

static void describe(struct machine *m)
{
	const char *tlb = m->cfg.tlb_adversarial ? "adversarial" : "plain";

	m->pt_update_name = "direct";
	if (m->cfg.one_thread)
		snprintf(m->engine_note, sizeof(m->engine_note),
			 "TLB %s, one thread, seed %llu", tlb, (unsigned long long)m->cfg.seed);
	else
		snprintf(m->engine_note, sizeof(m->engine_note),
			 "TLB %s, a thread for each CPU", tlb);
}

static int create(struct machine *m, struct sh_backend *be, char *msg, size_t n)
{
	struct soft *soft = calloc(1, sizeof(*soft));
	int err;

	if (!soft)
		return -ENOMEM;
	m->eng = soft;
	soft->m = m;
	soft->rng = m->cfg.seed;
	pthread_mutex_init(&soft->lock, NULL);
	err = create_tables(soft, engine_default_tables(m));
	if (err) {
		snprintf(msg, n, "no memory for shadow tables; give less with --shadow-limit");
		return err;
	}
	describe(m);
	soft_backend_fill(m, be);
	return 0;
}

static void destroy(struct machine *m)
{
	struct soft *soft = m->eng;

	if (!soft)
		return;
	if (soft->mem)
		munmap(soft->mem, (size_t)soft->tables.tables * SH_PAGE_SIZE);
	if (m->cfg.tlb_adversarial)
		tlb_tables_unwatch(&soft->tables);
	pthread_mutex_destroy(&soft->lock);
	free(soft);
	m->eng = NULL;
}

/* ---- vCPUs ---- */

/* The TLB held what it must not: the shadow MMU has lost a shootdown, or gave up a table early. */
static void report(void *ctx, const char *text)
{
	struct vcpu *v = ctx;

	machine_end(v->m, VERDICT_CRASH, "%s", text);
}

static int vcpu_create(struct vcpu *v)
{
	struct soft *soft = v->m->eng;
	struct soft_vcpu *sv = calloc(1, sizeof(*sv));
	struct tlb_config cfg = {
		.kind = v->m->cfg.tlb_adversarial ? TLB_ADVERSARIAL : TLB_PLAIN,
		.tables = &soft->tables,
		.vcpu = v->index,
		.seed = v->m->cfg.seed,
		.evict = EVICT,
		.speculate = SPECULATE,
		.report = report,
		.ctx = v,
	};
	int err;

	if (!sv)
		return -ENOMEM;
	sv->soft = soft;
	sv->watch_stores = v->m->cfg.tlb_adversarial && v->m->cfg.one_thread;
	err = tlb_create(&cfg, &sv->tlb);
	if (err) {
		free(sv);
		return err;
	}
	v->roots = 0;
	v->eng = sv;
	return 0;
}

static void add_counts(struct soft *soft, const struct tlb *t)
{
	struct tlb_counts c;

	tlb_counts(t, &c);
	pthread_mutex_lock(&soft->lock);
	soft->counts.lookups += c.lookups;
	soft->counts.hits += c.hits;
	soft->counts.walks += c.walks;
	soft->counts.faults += c.faults;
	soft->counts.evictions += c.evictions;
	soft->counts.speculative += c.speculative;
	soft->counts.psc_hits += c.psc_hits;
	soft->counts.reports += c.reports;
	pthread_mutex_unlock(&soft->lock);
}

static void vcpu_destroy(struct vcpu *v)
{
	struct soft_vcpu *sv = soft_vcpu(v);

	if (!sv)
		return;
	v->eng = NULL;
	add_counts(sv->soft, sv->tlb);
	tlb_destroy(sv->tlb);
	free(sv);
}

void soft_forget(struct vcpu *v)
{
	uint32_t req = atomic_fetch_and(&v->requests, ~(REQ_FLUSH | REQ_CATCH_UP));

	if (req & REQ_FLUSH)
		tlb_flush(soft_vcpu(v)->tlb);
	sh_catch_up(v->sh);
	/* Whoever waits has what it asked for: nothing was looked up since. */
	atomic_fetch_add(&v->runs, 1);
}

/* ---- running ---- */

/* One instruction with what it raises. */
static inline bool step(struct vcpu *v, struct interp_info *info)
{
	struct cpu_fault f;
	enum cpu_result r;

	r = interp_step_traps(v->in, &v->cpu, v->cpu.s.rflags & RFL_TF ? 1 : MAX_REP, info, &f);
	if (r == CPU_OK) {
		if (info->returned)
			v->livelock.count = 0;
		return true;
	}
	if (r == CPU_RETRY)
		return true;
	soft_out(v); /* either may end the machine with a report, which takes locks */
	if (r == CPU_FAULT)
		vcpu_raise(v, &f);
	else
		vcpu_broken(v, r, info, &f);
	soft_in(v);
	return r == CPU_FAULT;
}

/* Machine time moves on by n instructions. */
static inline void tick(struct machine *m, unsigned n)
{
	if (m->cfg.one_thread)
		atomic_store_explicit(&m->turned,
				      atomic_load_explicit(&m->turned, memory_order_relaxed) +
					      (uint64_t)n * SOFT_INSN_NS,
				      memory_order_relaxed);
}

/* Whether something other than the next instruction is due. watch: an interrupt waits for IF.
 * PAUSE says that another vCPU should get on, which may have no processor now. */
static inline bool due(struct vcpu *v, bool watch, const struct interp_info *info)
{
	const struct cpu_state *s = &v->cpu.s;
	uint32_t req = atomic_load(&v->requests);

	if (req && !(req & ~(REQ_FLUSH | REQ_CATCH_UP)))
		soft_forget(v);
	else if (req)
		return true;
	return s->activity != CPU_RUNNING || info->mnemonic == ZYDIS_MNEMONIC_PAUSE ||
	       (s->nmi_pending && !s->nmi_blocked) ||
	       (watch && s->rflags & RFL_IF && !s->int_shadow);
}

/* What the interpreter does on its own, without a look at anything but requests. */
static inline unsigned ahead(struct vcpu *v, unsigned budget)
{
	unsigned n = interp_ahead(v->in, &v->cpu, budget, &v->requests);

	tick(v->m, n);
	return n;
}

static void execute(struct vcpu *v)
{
	const struct soft *soft = v->m->eng;
	unsigned budget = v->m->cfg.one_thread ? soft->slice : BATCH, n = 0;
	bool watch = apic_pending(v->m->apic, v->index) >= 0;
	struct interp_info info = {.mnemonic = 0};

	soft_in(v);
	do {
		n += ahead(v, budget - n);
		if (n == budget)
			break;
		tick(v->m, 1);
	} while (step(v, &info) && ++n < budget && !due(v, watch, &info));
	soft_out(v);
	if (info.mnemonic == ZYDIS_MNEMONIC_PAUSE && !v->m->cfg.one_thread)
		sched_yield();
	v->stats.insns_interpreted += n;
}

static unsigned can(void)
{
	return CAN_PKU | CAN_LA57;
}

static bool can_run(const struct vcpu *v)
{
	(void)v;
	return true;
}

static void run(struct vcpu *v, mfn_t root, struct engine_exit *x)
{
	bool timed = !v->m->cfg.one_thread;

	sh_root_loaded(v->sh, root);
	if (timed)
		exit_stats_enter(&v->stats);
	execute(v);
	if (timed)
		exit_stats_left(&v->stats);
	x->kind = EXIT_DONE;
}

/* Its vCPUs look at their requests after each instruction. */
static void kick(struct vcpu *v)
{
	(void)v;
}

static void stats(struct machine *m, struct json_object *o)
{
	const struct soft *soft = m->eng;
	const struct tlb_counts *c = &soft->counts;
	const struct {
		const char *name;
		uint64_t val;
	} rows[] = {
		{"lookups", c->lookups},
		{"hits", c->hits},
		{"walks", c->walks},
		{"faults", c->faults},
		{"evictions", c->evictions},
		{"speculative", c->speculative},
		{"structure_hits", c->psc_hits},
		{"reports", c->reports},
	};
	struct json_object *t = json_object_new_object();

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_object_add(t, rows[i].name, json_object_new_uint64(rows[i].val));
	json_object_object_add(o, "tlb", t);
}

const struct engine engine_soft = {
	.name = "soft",
	.ops = &soft_ops,
	.can = can,
	.machine_create = create,
	.machine_destroy = destroy,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.can_run = can_run,
	.run = run,
	.kick = kick,
	.begin = soft_in,
	.end = soft_out,
	.one_thread = soft_one_thread,
	.stats = stats,
};
