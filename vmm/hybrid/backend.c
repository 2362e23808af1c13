/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the hybrid engine does for the shadow MMU: what KVM does, and the same for the TLBs that
 * interpreted code has on KVM's tables (../soft/walker.c). Those read the tables in memory, so touches
 * are KVM's alone.
 *
 * A shootdown of some vCPUs alone is not offered.
 * Of a vCPU one of the two is in use at a time, but both may remember: it is in one TLB's guest while
 * the other keeps what it had. Hence a shootdown goes to both. KVM's comes first, as it sends signals;
 * a vCPU that leaves the hardware meanwhile looks up anew what it interprets, as the tables are
 * changed already, or finds REQ_FORGET.
 * Locks: none of its own. Read first: hybrid.h, shadow/backend.h.
 */
#include "vmm/hybrid/hybrid.h"
#include "vmm/soft/soft.h"

static const struct sh_backend *kvm_of(void *ctx)
{
	const struct machine *m = ctx;

	return &m->hybrid->kvm;
}

static unsigned be_shootdown(void *ctx, struct sh_vcpu *cur)
{
	unsigned kicked = kvm_of(ctx)->shootdown(ctx, cur);

	return kicked + soft_shootdown(ctx, cur);
}

static void be_invalidate(void *ctx, struct sh_vcpu *cur, gva_t gva)
{
	kvm_of(ctx)->invalidate(ctx, cur, gva);
	soft_invalidate(ctx, cur, gva);
}

static void be_invalidate_all(void *ctx, struct sh_vcpu *cur)
{
	kvm_of(ctx)->invalidate_all(ctx, cur);
	soft_invalidate_all(ctx, cur);
}

void hybrid_backend_wrap(struct machine *m, struct sh_backend *be)
{
	m->hybrid->kvm = *be;
	be->shootdown = be_shootdown;
	be->shootdown_some = NULL;
	be->invalidate = be_invalidate;
	be->invalidate_all = be_invalidate_all;
}
