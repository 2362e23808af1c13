/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal: which address spaces a vCPU may still hold translations of.
 *
 * A context is what CR3 names: format, top table, PCID. A processor that comes back to a context
 * without a flush (MOV CR3 with bit 63) may use what it remembers of it; one that was told to forget
 * it meanwhile, or never was there, may not. Each vCPU keeps the last few contexts it has left and
 * not been told to forget; coming back to one of these needs neither a resync nor an invalidation,
 * coming to any other needs both. The trees themselves are found by the hash (page.h), which is the
 * cache of roots by (CR3, role).
 *
 * Locks: a vCPU's own, like the rest of struct sh_vcpu. Read first: flush.h, unsync.h.
 */
#ifndef UMBRA_SHADOW_CONTEXT_H
#define UMBRA_SHADOW_CONTEXT_H

#include "shadow/flush.h"

#define SH_CONTEXTS 16u

struct sh_context {
	gfn_t top; /* frame of the top table; PAE: of the PDPT, which CR3 names */
	uint16_t pcid;
	uint8_t format;
	bool valid;
	uint64_t changes; /* sh_unsync_changes() when it was left */
};

struct sh_contexts {
	struct sh_context now;
	struct sh_context left[SH_CONTEXTS]; /* overwritten in turn */
	unsigned next;
};

/* Forgets what a flush drops of the contexts that are not the current one. */
void sh_contexts_drop(struct sh_contexts *c, enum sh_flush drops);
/* The same for one PCID. */
void sh_contexts_drop_pcid(struct sh_contexts *c, uint16_t pcid);
/* Moves on to the context of these registers. True if what the processor remembers of it may be
 * used, which is so too if the context doesn't change. */
bool sh_contexts_enter(struct sh_contexts *c, const struct sh_regs *r,
		       const struct sh_mode *mode, uint64_t changes);

#endif
