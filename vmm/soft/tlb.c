/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A TLB's front: hands each call to its kind.
 *
 * Locks: none. Read first: tlb_internal.h.
 */
#include "vmm/soft/tlb_internal.h"

int tlb_create(const struct tlb_config *cfg, struct tlb **out)
{
	return cfg->kind == TLB_PLAIN ? tlb_plain_create(cfg, out)
				      : tlb_adversarial_create(cfg, out);
}

void tlb_destroy(struct tlb *t)
{
	if (t)
		t->model->destroy(t);
}

struct tlb_entry *tlb_lookup(struct tlb *t, mfn_t root, gva_t va, unsigned flags)
{
	return t->model->lookup(t, root, va, flags);
}

void tlb_invlpg(struct tlb *t, gva_t va)
{
	t->model->invlpg(t, va);
}

void tlb_flush(struct tlb *t)
{
	t->model->flush(t);
}

void tlb_tracked_store(struct tlb *t, const struct tlb_entry *e)
{
	t->model->tracked_store(t, e);
}

void tlb_counts(const struct tlb *t, struct tlb_counts *out)
{
	t->model->counts(t, out);
}
