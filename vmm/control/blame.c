/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shadow-blame: who made the entries behind an address what they are, by the records that are left.
 *
 * The guest's path and the shadow paths are walked as they are now. Of all records those count that touch
 * one of their entries: stores to a guest entry (emulated, or found at a resync), A and D set by a walk, a
 * shadow entry set or dropped, a table of a path made or taken out of use, faults and INVLPG of the page.
 * A shadow table that went stood in other frames than now; a get_page of a guest table of the path names
 * them, from that record to the next that makes another table of the frame.
 *
 * Locks: none that a vCPU waits for. Read after: trace.c, shadow_walk.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/internal.h"
#include "vmm/trace/trace.h"

#define BATCH	  1024u
#define MAX_MINE  2048u /* records kept, the newest */
#define MAX_SPOTS 128u

/* An entry of a path: of the guest's (view SH_VIEWS) or of a shadow tree. */
struct spot {
	bool guest, now; /* now: it is on the path as it is, not one of the past */
	unsigned view, level;
	uint64_t at; /* gpa, or machine address */
	uint64_t entry;
	struct sh_trace_record by; /* that made it this; seq 0: not known */
};

struct blame {
	struct ctl_subject who;
	gva_t gva;
	struct sh_walk walk;
	unsigned entry_bytes;
	struct spot spot[MAX_SPOTS];
	unsigned spots;
	struct sh_trace_record mine[MAX_MINE];
	uint64_t count; /* of those that are mine; the last MAX_MINE are kept */
	uint64_t lost;
};

static void add_spot(struct blame *b, const struct spot *s)
{
	for (unsigned i = 0; i < b->spots; i++)
		if (b->spot[i].at == s->at && b->spot[i].guest == s->guest)
			return;
	if (b->spots < MAX_SPOTS)
		b->spot[b->spots++] = *s;
}

static uint64_t slot_at(const struct blame *b, mfn_t table, unsigned level)
{
	return mfn_mpa(table).v + (b->gva.v >> sh_shadow_shift(level) & 511) * 8;
}

static void guest_spots(struct blame *b)
{
	const struct sh_walk *w = &b->walk;
	for (unsigned l = w->top; l && l >= w->level; l--)
		if (sh_formats[b->who.mode.format].level[l].perms)
			add_spot(b, &(struct spot){.guest = true,
						   .now = true,
						   .view = SH_VIEWS,
						   .level = l,
						   .at = w->entry[l].v,
						   .entry = w->gpte[l]});
}

static void shadow_spots(struct blame *b, unsigned view)
{
	struct sh_path p;
	mfn_t root;
	if (!ctl_subject_root(&b->who, (enum sh_view)view, &root) ||
	    !sh_path(b->who.mmu, root, b->gva, &p))
		return;
	for (unsigned l = p.top; l >= p.level; l--)
		add_spot(b, &(struct spot){.now = true,
					   .view = view,
					   .level = l,
					   .at = slot_at(b, p.table[l], l),
					   .entry = p.spte[l]});
}

/* ---- which records are about it ---- */

static bool my_table(const struct blame *b, uint64_t gfn)
{
	for (unsigned l = b->walk.top; l && l >= b->walk.level; l--)
		if (b->walk.table[l].v == gfn)
			return true;
	return false;
}

static struct spot *spot_of(struct blame *b, bool guest, uint64_t first, uint64_t bytes)
{
	for (unsigned i = 0; i < b->spots; i++) {
		struct spot *s = &b->spot[i];
		if (s->guest == guest && first < s->at + (guest ? b->entry_bytes : 8) &&
		    s->at < first + bytes)
			return s;
	}
	return NULL;
}

/* A table of the path was made: its entry for the address counts from here on. Another in its frame: the
 * entry that stood there was one of the past, and is of something else now. */
static bool table_made(struct blame *b, const struct sh_trace_record *r)
{
	uint64_t at = slot_at(b, MFN(r->arg[1]), r->level);
	struct spot *s = spot_of(b, false, at, 8);
	if (my_table(b, r->arg[0]) && !r->arg[2]) {
		add_spot(b, &(struct spot){.view = SH_VIEWS, .level = r->level, .at = at});
		return true;
	}
	if (s && !s->now)
		*s = b->spot[--b->spots];
	return s && s->now;
}

static bool same_page(const struct blame *b, uint64_t gva)
{
	return (gva ^ b->gva.v) >> SH_PAGE_SHIFT == 0;
}

/* Whether it is about the address, and the entry it changed. */
static bool concerns(struct blame *b, const struct sh_trace_record *r, struct spot **s)
{
	*s = NULL;
	switch (r->event) {
	case SH_TR_tracked_write:
		return (*s = spot_of(b, true, r->arg[0], r->arg[3]));
	case SH_TR_sync_entry:
		return (*s = spot_of(b, true, r->arg[0], 8));
	case SH_TR_set_accessed_bit:
	case SH_TR_set_dirty_bit:
		return (*s = spot_of(b, true, r->arg[1], b->entry_bytes));
	case SH_TR_set_spte:
	case SH_TR_drop_spte:
	case SH_TR_split:
		return (*s = spot_of(b, false, r->arg[0], 8));
	case SH_TR_get_page:
		return table_made(b, r);
	case SH_TR_prepare_zap_page:
		return my_table(b, r->arg[0]) ||
		       spot_of(b, false, mfn_mpa(MFN(r->arg[1])).v, SH_PAGE_SIZE);
	case SH_TR_track_page:
	case SH_TR_unsync_page:
		return my_table(b, r->arg[0]);
	case SH_TR_hidden_fault:
	case SH_TR_true_fault:
	case SH_TR_other_fault:
	case SH_TR_invlpg:
		return same_page(b, r->arg[0]);
	default:
		return false;
	}
}

/* The value the entry had after the record, if that says it. */
static bool made_it(const struct spot *s, const struct sh_trace_record *r)
{
	switch (r->event) {
	case SH_TR_tracked_write:
	case SH_TR_sync_entry:
		/* Its words are the first ones; an entry behind them was written all the same. */
		return true;
	case SH_TR_set_accessed_bit:
	case SH_TR_set_dirty_bit:
		return r->arg[2] == s->entry;
	case SH_TR_set_spte:
		return r->arg[2] == s->entry;
	case SH_TR_drop_spte:
		return s->entry == 0;
	default:
		return false;
	}
}

static void look_at(struct blame *b, const struct sh_trace_record *r)
{
	struct spot *s;
	if (!concerns(b, r, &s))
		return;
	b->mine[b->count++ % MAX_MINE] = *r;
	if (s && s->now && made_it(s, r))
		s->by = *r;
}

static bool read_records(struct blame *b)
{
	struct sh_trace_record *rec = calloc(BATCH, sizeof(*rec));
	struct sh_trace_read rd = {.since = 0};
	uint64_t newest = sh_trace_newest(b->who.mmu);
	if (!rec)
		return false;
	do {
		unsigned n = sh_trace_read(b->who.mmu, &rd, &SH_TRACE_ALL, rec, BATCH);
		b->lost += rd.lost;
		for (unsigned i = 0; i < n; i++)
			look_at(b, &rec[i]);
		rd.since = rd.next;
	} while (rd.more && rd.since < newest); /* not after those that come meanwhile */
	free(rec);
	return true;
}

/* ---- in words ---- */

static const char *const doings[SH_TRACES] = {
	[SH_TR_tracked_write] = "written by the guest",
	[SH_TR_sync_entry] = "written by the guest earlier, found when it flushed",
	[SH_TR_set_accessed_bit] = "A set by a walk for an access",
	[SH_TR_set_dirty_bit] = "D set by a walk for a write",
	[SH_TR_set_spte] = "set",
	[SH_TR_drop_spte] = "dropped",
};

static const char *const reasons[SH_WHYS] = {
	[SH_WHY_NONE] = "",
	[SH_WHY_FAULT] = " for a page fault",
	[SH_WHY_PREFETCH] = " beside a page that faulted",
	[SH_WHY_WRITE] = " because the guest wrote its entry",
	[SH_WHY_SYNC] = " because its table was out of step",
	[SH_WHY_ZAP] = " because a table went out of use",
	[SH_WHY_TRACK] = " because a frame became a page table",
	[SH_WHY_UNMAP] = " because a frame was taken back",
};

static void sentence(const struct spot *s, char *buf, size_t n)
{
	const struct sh_trace_record *r = &s->by;
	char who[64] = "another thread";
	if (!r->seq) {
		snprintf(buf, n, "not known: before the first record that is left");
		return;
	}
	if (r->vcpu < SH_TRACE_OTHERS)
		snprintf(who, sizeof(who), "vCPU %u at rip 0x%llx", r->vcpu,
			 (unsigned long long)r->rip);
	snprintf(buf, n, "%s%s by %s: 0x%llx, before 0x%llx", doings[r->event],
		 s->guest ? "" : reasons[r->why], who, (unsigned long long)s->entry,
		 (unsigned long long)(r->event == SH_TR_set_accessed_bit ? r->arg[2] & ~PTE_A
				      : r->event == SH_TR_set_dirty_bit	 ? r->arg[2] & ~PTE_D
									 : r->arg[1]));
}

/* Whether the guest stores to the entry without anybody seeing it, until it flushes. */
static bool unseen(const struct blame *b, const struct spot *s)
{
	struct sh_frame f;
	if (!s->guest)
		return false;
	sh_frame_look(b->who.mmu, gpa_gfn(GPA(s->at)), &f);
	return f.unsync;
}

static struct json_object *spot_json(const struct blame *b, const struct spot *s)
{
	struct json_object *o = json_object_new_object();
	bool unsync = unseen(b, s);
	char text[384]; /* room for what is added */
	sentence(s, text, 256);
	if (unsync)
		strcat(text,
		       "; its table is out of step: nobody sees what the guest writes there "
		       "until it flushes, so it may have been written since");
	ctl_put_str(o, "side", s->guest ? "guest" : ctl_view_names[s->view]);
	ctl_put_int(o, "level", s->level);
	ctl_put_hex(o, s->guest ? "gpa" : "slot", s->at);
	ctl_put_hex(o, "entry", s->entry);
	ctl_put(o, "flags", ctl_flags(s->entry, s->level));
	ctl_put_str(o, "text", text);
	if (s->guest)
		ctl_put_bool(o, "unsync", unsync);
	if (s->by.seq)
		ctl_put(o, "by", ctl_trace_record(&s->by));
	return o;
}

/* Events without which a blame can't tell all. */
static struct json_object *not_recorded(struct sh_mmu *mmu)
{
	static const enum sh_trace_id needed[] = {
		SH_TR_tracked_write, SH_TR_sync_entry,	    SH_TR_set_accessed_bit,
		SH_TR_set_dirty_bit, SH_TR_set_spte,	    SH_TR_drop_spte,
		SH_TR_get_page,	     SH_TR_prepare_zap_page};
	struct json_object *list = json_object_new_array();
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(sh_trace_get(mmu) >> needed[i] & 1))
			json_object_array_add(
				list, json_object_new_string(sh_trace_events[needed[i]].name));
	return list;
}

static struct json_object *blame_json(const struct blame *b, unsigned max)
{
	struct json_object *o = json_object_new_object();
	struct json_object *entries = json_object_new_array(), *list = json_object_new_array();
	uint64_t kept = b->count < MAX_MINE ? b->count : MAX_MINE;
	uint64_t shown = kept < max ? kept : max;
	for (unsigned i = 0; i < b->spots; i++)
		if (b->spot[i].now)
			json_object_array_add(entries, spot_json(b, &b->spot[i]));
	for (uint64_t i = b->count - shown; i < b->count; i++)
		json_object_array_add(list, ctl_trace_record(&b->mine[i % MAX_MINE]));
	ctl_put_hex(o, "gva", b->gva.v);
	ctl_put(o, "entries", entries);
	ctl_put(o, "history", list);
	ctl_put_int(o, "left-out", b->count - shown);
	ctl_put_int(o, "lost", b->lost);
	ctl_put(o, "not-recorded", not_recorded(b->who.mmu));
	return o;
}

struct json_object *ctl_run_shadow_blame(const struct ctl_call *call, struct control_error *e)
{
	struct blame *b = calloc(1, sizeof(*b));
	struct json_object *o = NULL;
	struct sh_look look;
	if (!b) {
		ctl_fail(e, CTL_GENERIC_ERROR, "out of memory");
		return NULL;
	}
	if (!ctl_subject(call, &b->who, e)) {
		b->gva = GVA(ctl_arg_hex(call, "gva", 0));
		b->entry_bytes = sh_formats[b->who.mode.format].entry_bytes;
		sh_look_begin(b->who.mmu, &look);
		if (sh_walk(sh_mmu_gmem(b->who.mmu), &b->who.mode, &b->who.regs, b->gva,
			    SH_PEEK | SH_IMPLICIT, &b->walk) == SH_WALK_NOT_CANON)
			ctl_fail(e, CTL_GENERIC_ERROR, "0x%llx is not canonical",
				 (unsigned long long)b->gva.v);
		else {
			guest_spots(b);
			for (unsigned v = 0; v < SH_VIEWS; v++)
				shadow_spots(b, v);
			if (read_records(b))
				o = blame_json(b, ctl_arg_index(call, "max", 256));
			else
				ctl_fail(e, CTL_GENERIC_ERROR, "out of memory");
		}
	}
	if (o)
		ctl_put_look(o, b->who.mmu, &look);
	free(b);
	return o;
}
