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
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
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

struct text {
	size_t n;
	char buf[2048];
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	size_t room = sizeof(t->buf) - t->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < room ? (size_t)n : room - 1;
}

static void add_made(struct text *t, const struct tlb_node *n)
{
	if (!n->top)
		return;
	add(t, "\n  made at %" PRIu64 " from", n->e.filled);
	for (unsigned l = n->top; l >= n->low && l; l--)
		add(t, "%s level %u: table 0x%" PRIx64 " [%u] = 0x%" PRIx64,
		    l == n->top ? "" : ",", l, n->step[l].table.v, n->step[l].index,
		    n->step[l].entry);
}

static void add_history(struct text *t, const struct tlb_tables *tt, mfn_t table)
{
	static const char *const word[] = {[SH_TABLE_LIVE] = "in use",
					   [SH_TABLE_UNUSED] = "unhooked",
					   [SH_TABLE_FREE] = "given back"};
	const struct tlb_history *h;

	if (!tlb_is_table(tt, table))
		return;
	h = &tt->history[table.v - tt->mfn.v];
	add(t, "\n  table 0x%" PRIx64 ":%s", table.v, h->n ? "" : " never in use");
	for (unsigned i = h->n > TLB_EVENTS ? h->n - TLB_EVENTS : 0; i < h->n; i++)
		add(t, " %s at %" PRIu64 "%s", word[h->event[i % TLB_EVENTS].what],
		    h->event[i % TLB_EVENTS].clock, i + 1 < h->n ? "," : "");
}

const char *tlb_story_text(const struct tlb_story *s)
{
	static _Thread_local struct text t;
	const struct tlb_node *n = s->made;

	t.n = 0;
	add(&t,
	    "vCPU %u %s: va 0x%" PRIx64 ", root 0x%" PRIx64 ", frame 0x%" PRIx64
	    ", at %" PRIu64,
	    s->vcpu, s->what, n->e.page << SH_PAGE_SHIFT, n->e.tag - 1, n->e.frame.v, s->now);
	add_made(&t, n);
	if (!mfn_eq(s->table, MFN_NONE))
		add_history(&t, s->tt, s->table);
	return t.buf;
}
