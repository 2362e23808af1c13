/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Contexts of a vCPU: entered, left, dropped. Read first: context.h.
 */
#include "shadow/context.h"
#include "shadow/mutant.h"

static bool same(const struct sh_context *a, const struct sh_context *b)
{
	return a->valid && gfn_eq(a->top, b->top) && a->pcid == b->pcid &&
	       a->format == b->format;
}

void sh_contexts_drop_pcid(struct sh_contexts *c, uint16_t pcid)
{
	for (unsigned i = 0; i < SH_CONTEXTS; i++)
		if (c->left[i].pcid == pcid)
			c->left[i].valid = false;
}

/* A global translation may have been made in any context. */
void sh_contexts_drop(struct sh_contexts *c, enum sh_flush drops)
{
	if (drops & SH_FLUSH_CURRENT)
		sh_contexts_drop_pcid(c, c->now.pcid);
	if (!(drops & (SH_FLUSH_GLOBAL | SH_FLUSH_OTHERS)) || sh_mutant(SH_MUT_OTHERS_KEPT))
		return;
	for (unsigned i = 0; i < SH_CONTEXTS; i++)
		c->left[i].valid = false;
}

/* Trees are shared by PCIDs: with another PCID on the same table, what is cached under one could be
 * used under the other. */
static bool take(struct sh_contexts *c, const struct sh_context *want, uint64_t changes)
{
	bool found = false;

	for (unsigned i = 0; i < SH_CONTEXTS; i++) {
		struct sh_context *l = &c->left[i];

		if (!l->valid || !gfn_eq(l->top, want->top))
			continue;
		found |= same(l, want) && l->changes == changes;
		l->valid = false;
	}
	return found && !gfn_eq(c->now.top, want->top);
}

bool sh_contexts_enter(struct sh_contexts *c, const struct sh_regs *r,
		       const struct sh_mode *mode, uint64_t changes)
{
	struct sh_context to = {.top = gpa_gfn(GPA(r->cr3 & sh_formats[mode->format].cr3_mask)),
				.pcid = sh_pcid(r),
				.format = mode->format & 7,
				.valid = true};
	bool known;

	if (same(&c->now, &to))
		return true;
	known = take(c, &to, changes);
	c->now.changes = changes;
	c->left[c->next++ % SH_CONTEXTS] = c->now;
	c->now = to;
	return known || sh_mutant(SH_MUT_NOFLUSH_TRUSTED);
}
