/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the software engine does for the shadow MMU. Its hardware reads the tables in memory, so a
 * touch is nothing; forgetting is the TLB's.
 *
 * Locks: shootdown is called with the MMU's lock held, by a vCPU that is out of the guest or by a
 * thread that is none.
 * Read first: soft.h, shadow/backend.h.
 */
#include "vmm/soft/soft.h"

static struct tlb *tlb_of(struct machine *m, unsigned index)
{
	struct soft_vcpu *sv = soft_vcpu(&m->vcpu[index]);

	return sv ? sv->tlb : NULL;
}

static void be_touch(void *ctx, struct sh_vcpu *cur, mpa_t slot)
{
	(void)ctx;
	(void)cur;
	(void)slot;
}

static void be_touch_table(void *ctx, struct sh_vcpu *cur, mfn_t table)
{
	(void)ctx;
	(void)cur;
	(void)table;
}

static void be_invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	tlb_invlpg(tlb_of(ctx, sh_vcpu_index(cur)), gva);
}

static void be_invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	tlb_flush(tlb_of(ctx, sh_vcpu_index(cur)));
}

static void flush_here(struct machine *m)
{
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (tlb_of(m, i))
			tlb_flush(tlb_of(m, i));
}

static unsigned be_shootdown(void *ctx, struct sh_vcpu *cur)
{
	struct machine *m = ctx;
	unsigned kicked = 0;

	if (cur && m->cfg.one_thread) {
		flush_here(m);
		return 0;
	}
	if (cur)
		tlb_flush(tlb_of(m, sh_vcpu_index(cur)));
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			vcpu_request(&m->vcpu[i], REQ_FLUSH);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (!cur || i != sh_vcpu_index(cur))
			kicked += vcpu_wait_out(&m->vcpu[i]);
	return kicked;
}

/* Each looks up what to forget itself, in the guest or before it is there. */
static unsigned be_shootdown_some(void *ctx, struct sh_vcpu *cur, uint64_t vcpus)
{
	struct machine *m = ctx;
	unsigned kicked = 0;

	(void)cur;
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (vcpus >> i & 1)
			vcpu_request(&m->vcpu[i], REQ_CATCH_UP);
	for (unsigned i = 0; i < m->cfg.cpus; i++)
		if (vcpus >> i & 1)
			kicked += vcpu_wait_out(&m->vcpu[i]);
	return kicked;
}

static void be_table_event(void *ctx, mfn_t table, enum sh_table_event e)
{
	struct machine *m = ctx;
	struct soft *soft = m->eng;

	tlb_table_event(&soft->tables, table, e);
}

void soft_backend_fill(struct machine *m, struct sh_backend *be)
{
	struct soft *soft = m->eng;

	*be = (struct sh_backend){
		.ctx = m,
		.table_mem = soft->mem,
		.table_mfn = soft->tables.mfn,
		.tables = soft->tables.tables,
		.levels = soft->tables.levels,
		.touch = be_touch,
		.touch_table = be_touch_table,
		.shootdown = be_shootdown,
		.shootdown_some = be_shootdown_some,
		.invalidate = be_invalidate,
		.invalidate_all = be_invalidate_all,
		.table_event = m->cfg.tlb_adversarial ? be_table_event : NULL,
	};
}
