/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internal to unsync.c and unsync_sync.c: a record, and all there are. Read first: unsync.h.
 */
#ifndef UMBRA_SHADOW_UNSYNC_RECORD_H
#define UMBRA_SHADOW_UNSYNC_RECORD_H

#include "shadow/unsync.h"

#define SH_UNSYNC_WORDS 512u

struct sh_unsync {
	gfn_t gfn;
	bool used;
	uint8_t entry_bytes;
	unsigned idle;
	uint64_t since; /* clock of the set when it began */
	_Atomic uint64_t snap[SH_UNSYNC_WORDS];
	_Atomic uint64_t mark[SH_UNSYNC_WORDS / 64];
};

struct sh_unsync_set {
	_Atomic unsigned count;
	uint64_t clock;
	_Atomic uint64_t changes;
	struct sh_unsync rec[SH_UNSYNC_MAX];
};

/* Brings every page of the record in step with the guest's table; returns how many words differed. */
unsigned sh_unsync_resync(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_unsync *u);

#endif
