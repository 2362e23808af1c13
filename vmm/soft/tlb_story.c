/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The account of what becomes of each shadow table, so that a report can say when the owner took it
 * into use, unhooked it and gave it back.
 *
 * Locks: tlb_table_event() comes under the MMU lock, one at a time. Readers look without one: a
 * generation is one word; of an event that is being written a report may show the older text.
 * Read first: tlb_internal.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/soft/tlb_story.h"

int tlb_tables_watch(struct tlb_tables *tt)
{
	tt->generation = calloc(tt->tables, sizeof(*tt->generation));
	tt->history = calloc(tt->tables, sizeof(*tt->history));
	if (tt->generation && tt->history)
		return 0;
	tlb_tables_unwatch(tt);
	return -ENOMEM;
}

void tlb_tables_unwatch(struct tlb_tables *tt)
{
	free((void *)tt->generation);
	free(tt->history);
	tt->generation = NULL;
	tt->history = NULL;
}

void tlb_table_event(struct tlb_tables *tt, mfn_t table, enum sh_table_event e)
{
	uint64_t i = table.v - tt->mfn.v, now = atomic_fetch_add(&tt->clock, 1) + 1;
	struct tlb_history *h;
	uint32_t old;

	if (!tt->generation || !tlb_is_table(tt, table))
		return;
	h = &tt->history[i];
	h->event[h->n++ % TLB_EVENTS] = (struct tlb_event){now, e};
	old = atomic_load(&tt->generation[i]);
	atomic_store(&tt->generation[i], tlb_generation_after(old, e));
}
