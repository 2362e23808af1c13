/* SPDX-License-Identifier: BSD-2-Clause
 *
 * KVM with the interpreter running ahead, as the rest of the monitor sees it: the KVM engine's
 * functions, with the policy's state beside each vCPU.
 *
 * Read first: hybrid.h.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/hybrid/hybrid.h"
#include "vmm/kvm/kvm.h"
#include "vmm/soft/soft.h"

/* Of an instruction in a block, until it is measured. */
#define FIRST_INSN_PS 2000u
#define LEVELS	      4u
#define GATE_SLOT     256u

static unsigned can(void)
{
	return engine_kvm.can();
}

/* Interpreted code loads CR3 as well, and a guest soon frees and reuses the top table it left. As long as
 * KVM's CR3 named it, it would have to stay a table, and every store to it would be emulated. */
static void moved(struct vcpu *v, mfn_t root)
{
	kvm_move_root(v->eng, root);
	sh_root_loaded(v->sh, root);
}

/* The interpreter walks the tables that KVM's processor has. */
static int walk_same(struct machine *m, struct sh_backend *be)
{
	const struct tlb_tables tt = {
		.mem = be->table_mem,
		.mfn = be->table_mfn,
		.tables = be->tables,
		.levels = LEVELS,
		.gate_slot = GATE_SLOT,
	};

	int err;

	m->hybrid = calloc(1, sizeof(*m->hybrid));
	if (!m->hybrid)
		return -ENOMEM;
	hybrid_backend_wrap(m, be);
	err = soft_walk(m, &tt);
	if (!err)
		m->soft->moved = moved;
	return err;
}

static int create(struct machine *m, struct sh_backend *be, char *msg, size_t n)
{
	size_t used;
	int err = engine_kvm.machine_create(m, be, msg, n);

	if (!err)
		err = walk_same(m, be);
	if (err)
		return err;
	used = strlen(m->engine_note);
	snprintf(m->engine_note + used, sizeof(m->engine_note) - used,
		 ", an exit takes %.1f us", m->exit_ns / 1e3);
	return 0;
}

static void destroy(struct machine *m)
{
	soft_walk_end(m);
	free(m->hybrid);
	m->hybrid = NULL;
	engine_kvm.machine_destroy(m);
}

static int vcpu_create(struct vcpu *v)
{
	int err = soft_vcpu_create(v);

	if (err)
		return err;
	v->ahead = calloc(1, sizeof(*v->ahead));
	if (!v->ahead)
		return -ENOMEM;
	v->ahead->budget = v->m->cfg.hybrid_budget;
	v->ahead->exit_ns = v->m->exit_ns;
	v->ahead->insn_ps = FIRST_INSN_PS;
	return engine_kvm.vcpu_create(v);
}

static void add_counts(struct machine *m, const struct hybrid *h)
{
	struct hybrid_counts *n = &m->hybrid->n;

	pthread_mutex_lock(&m->lock);
	n->stretches += h->n.stretches;
	n->saved += h->n.saved;
	n->ahead += h->n.ahead;
	n->declined += h->n.declined;
	n->prefills += h->n.prefills;
	n->entries += h->n.entries;
	m->insn_ps = h->insn_ps;
	pthread_mutex_unlock(&m->lock);
}

static void vcpu_destroy(struct vcpu *v)
{
	engine_kvm.vcpu_destroy(v);
	soft_vcpu_destroy(v);
	if (v->ahead)
		add_counts(v->m, v->ahead);
	free(v->ahead);
	v->ahead = NULL;
}

static bool can_run(const struct vcpu *v)
{
	return !v->ahead->on && engine_kvm.can_run(v);
}

static void run(struct vcpu *v, mfn_t root, struct engine_exit *x)
{
	struct hybrid *h = v->ahead;

	if (h->faults)
		hybrid_prefill(v);
	if (atomic_load(&v->requests) & REQ_FORGET)
		soft_forget(v);
	if (h->n.entries++)
		v->stats.kind = h->kind;
	engine_kvm.run(v, root, x);
	hybrid_left(v, x);
}

/* Fetching the vector registers is a call of the kernel's. */
static int fpu(struct vcpu *v, bool write)
{
	v->ahead->fpu_moved = true;
	return engine_kvm.fpu(v, write);
}

static void kick(struct vcpu *v)
{
	engine_kvm.kick(v);
}

static void stats(struct machine *m, struct json_object *o)
{
	const struct hybrid_counts *n = &m->hybrid->n;
	const struct {
		const char *name;
		uint64_t val;
	} rows[] = {
		{"entries", n->entries},   {"stretches", n->stretches},
		{"declined", n->declined}, {"exits_saved", n->saved},
		{"insns", n->ahead},	   {"prefills", n->prefills},
		{"exit_ns", m->exit_ns},   {"insn_ps", m->insn_ps},
	};
	struct json_object *t = json_object_new_object();

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_object_add(t, rows[i].name, json_object_new_uint64(rows[i].val));
	json_object_object_add(o, "hybrid", t);
}

static bool usable(char *msg, size_t n)
{
	struct kvm_facts f;

	if (kvm_host_facts(&f, msg, n))
		return false;
	if (f.exit_ns >= HYBRID_DEAR_NS)
		return true;
	snprintf(msg, n, "an exit takes %.1f us here, too little to interpret ahead for",
		 f.exit_ns / 1e3);
	return false;
}

const struct engine engine_hybrid = {
	.name = "hybrid",
	.can = can,
	.ops = &soft_ops,
	.needs_timer = true,
	.machine_create = create,
	.machine_destroy = destroy,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.can_run = can_run,
	.run = run,
	.kick = kick,
	.fpu = fpu,
	.begin = soft_in,
	.end = soft_out,
	.stats = stats,
	.usable = usable,
};
