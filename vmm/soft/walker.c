/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The TLBs of interpreted code: one for each vCPU, and how the shadow MMU makes them forget.
 *
 * A vCPU that interprets looks at its requests between two uses of translations, so a shootdown
 * sets REQ_FORGET, and only then looks whether the vCPU interprets and waits for it. soft_in() does
 * the two in the other order, so one of them sees the other (tests/models/shootdown.pml). A vCPU
 * that is anywhere else, KVM included, is not waited for: it will pass soft_in() first.
 * Locks: a TLB is its vCPU's own; soft->lock guards the sums. A shootdown is called with the MMU's
 * lock held, by a vCPU that is out of the guest or by a thread that is none.
 * Read first: soft.h, shadow/backend.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "shadow/inject.h"
#include "shadow/mutant.h"
#include "vmm/soft/soft.h"

/* The adversarial TLB: one lookup in so many evicts something, or fills something else. */
#define EVICT	  256u
#define SPECULATE 64u

int soft_walk(struct machine *m, const struct tlb_tables *tables)
{
	struct soft *soft = calloc(1, sizeof(*soft));

	if (!soft)
		return -ENOMEM;
	m->soft = soft;
	soft->m = m;
	soft->rng = m->cfg.seed;
	soft->tables = *tables;
	pthread_mutex_init(&soft->lock, NULL);
	return m->cfg.tlb_adversarial ? tlb_tables_watch(&soft->tables) : 0;
}

void soft_walk_end(struct machine *m)
{
	struct soft *soft = m->soft;

	if (!soft)
		return;
	if (m->cfg.tlb_adversarial)
		tlb_tables_unwatch(&soft->tables);
	pthread_mutex_destroy(&soft->lock);
	free(soft);
	m->soft = NULL;
}

/* The TLB held what it must not: the shadow MMU has lost a shootdown, or gave up a table early. */
static void report(void *ctx, const char *text)
{
	struct vcpu *v = ctx;

	machine_end(v->m, VERDICT_CRASH, "%s", text);
}

int soft_vcpu_create(struct vcpu *v)
{
	struct soft *soft = v->m->soft;
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
	v->soft = sv;
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

void soft_vcpu_destroy(struct vcpu *v)
{
	struct soft_vcpu *sv = soft_vcpu(v);

	if (!sv)
		return;
	v->soft = NULL;
	add_counts(sv->soft, sv->tlb);
	tlb_destroy(sv->tlb);
	free(sv);
}

void soft_forget(struct vcpu *v)
{
	uint32_t req = atomic_fetch_and(&v->requests, ~(REQ_FORGET | REQ_CATCH_UP));

	if (req & REQ_FORGET) {
		sh_inject(sh_mmu_inject(v->m->mmu), SH_INJECT_ANSWER);
		tlb_flush(soft_vcpu(v)->tlb);
	}
	sh_catch_up(v->sh);
	/* Whoever waits has what it asked for: nothing was looked up since. */
	atomic_fetch_add(&v->runs, 1);
}

/* ---- for the shadow MMU ---- */

static struct tlb *tlb_of(struct machine *m, unsigned index)
{
	struct soft_vcpu *sv = soft_vcpu(&m->vcpu[index]);

	return sv ? sv->tlb : NULL;
}

void soft_invalidate(struct machine *m, struct sh_vcpu *cur, gva_t gva)
{
	if (!sh_mutant(SH_MUT_INTERPRETER_INVLPG_LOST))
		tlb_invlpg(tlb_of(m, sh_vcpu_index(cur)), gva);
}

void soft_invalidate_all(struct machine *m, struct sh_vcpu *cur)
{
	tlb_flush(tlb_of(m, sh_vcpu_index(cur)));
}

static void flush_here(struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (tlb_of(m, i))
			tlb_flush(tlb_of(m, i));
}

unsigned soft_shootdown(struct machine *m, struct sh_vcpu *cur)
{
	unsigned kicked = 0;

	if (cur && m->cfg.one_thread) {
		flush_here(m);
		return 0;
	}
	if (cur)
		soft_invalidate_all(m, cur);
	if (sh_mutant(SH_MUT_INTERPRETER_KEEPS))
		return 0;
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			atomic_fetch_or(&m->vcpu[i].requests, REQ_FORGET);
	if (sh_mutant(SH_MUT_INTERPRETER_NOT_AWAITED))
		return 0;
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			kicked += vcpu_wait_forgotten(&m->vcpu[i]);
	return kicked;
}
