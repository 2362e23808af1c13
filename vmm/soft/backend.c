/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the software engine does for the shadow MMU. Its hardware reads the tables in memory, so a
 * touch is nothing; forgetting is the TLBs' (walker.c).
 *
 * Locks: none of its own. Read first: soft.h, shadow/backend.h.
 */
#include "vmm/soft/soft.h"

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
	soft_invalidate(ctx, cur, gva);
}

static void be_invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	soft_invalidate_all(ctx, cur);
}

static unsigned be_shootdown(void *ctx, struct sh_vcpu *cur)
{
	return soft_shootdown(ctx, cur);
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
			kicked += vcpu_wait_forgotten(&m->vcpu[i]);
	return kicked;
}

static void be_table_event(void *ctx, mfn_t table, enum sh_table_event e)
{
	struct machine *m = ctx;
	tlb_table_event(&m->soft->tables, table, e);
}

void soft_backend_fill(struct machine *m, struct sh_backend *be)
{
	struct soft *soft = m->soft;

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
		/* Where a run must follow from its seed alone, nothing is measured. */
		.invalidate_ceiling = m->cfg.one_thread ? 0 : soft_ceiling(),
		.invalidate = be_invalidate,
		.invalidate_all = be_invalidate_all,
		/* No cache_flush: this processor reaches memory by the host's own type. */
		.table_event = m->cfg.tlb_adversarial ? be_table_event : NULL,
	};
}
