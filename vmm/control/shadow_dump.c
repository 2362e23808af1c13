/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shadow-dump and shadow-diff: what an address space maps, and where guest and shadow differ.
 *
 * A reply has an end: so many regions, and so many entries looked at for them. next is where to go on.
 * Read after: look.c, shadow/diff.h.
 */
#include <string.h>

#include "shadow/diff.h"
#include "vmm/control/internal.h"

#define REGIONS_DEFAULT 1024u
#define REGIONS_MAX	4096u
#define STEPS_MAX	262144u /* entries looked at for one reply: some 100 ms */

struct dump {
	struct ctl_subject s;
	bool guest;
	mfn_t root;
	struct json_object *regions;
	unsigned max;
	bool merge, full;
	/* The region being put together. */
	struct sh_scan first;
	uint64_t size;
	bool open;
};

static void set_range(const struct ctl_call *call, struct sh_scan *s)
{
	*s = (struct sh_scan){.at = GVA(ctl_arg_hex(call, "start", 0) & ~0xfffull),
			      .last = GVA(ctl_arg_hex(call, "end", UINT64_MAX)),
			      .steps = STEPS_MAX};
}

static unsigned get_max(const struct ctl_call *call)
{
	unsigned max = ctl_arg_index(call, "max", REGIONS_DEFAULT);
	return max < 1 ? 1 : max > REGIONS_MAX ? REGIONS_MAX : max;
}

static void put_next(struct json_object *o, const struct sh_scan *s, bool more, gva_t at)
{
	if (more || !s->done)
		ctl_put_hex(o, "next", more ? at.v : s->at.v);
}

/* ---- dump ---- */

static struct json_object *access_of(const struct sh_scan *s)
{
	char t[] = {s->access & SH_ACC_U ? 'u' : '-', 'r', s->access & SH_ACC_W ? 'w' : '-',
		    s->access & SH_ACC_X ? 'x' : '-', 0};
	return json_object_new_string(s->malformed ? "----" : t);
}

static void close_region(struct dump *d)
{
	struct json_object *o;
	if (!d->open)
		return;
	o = json_object_new_object();
	ctl_put_hex(o, "gva", d->first.gva.v);
	ctl_put_int(o, "size", d->size);
	if (!d->first.malformed)
		ctl_put_hex(o, "gpa", d->first.gpa.v);
	ctl_put_int(o, "page-size", d->first.size);
	ctl_put_int(o, "level", d->first.level);
	ctl_put_hex(o, "entry", d->first.entry);
	ctl_put(o, "flags", ctl_flags(d->first.entry, d->first.level));
	ctl_put(o, "access", access_of(&d->first));
	json_object_array_add(d->regions, o);
	d->open = false;
}

/* Neighbours of one size and with the same bits, physically in a row. */
static bool goes_on(const struct dump *d, const struct sh_scan *s)
{
	const uint64_t frame = 0x000ffffffffff000ull;
	return d->open && d->merge && s->level == d->first.level &&
	       s->gva.v == d->first.gva.v + d->size && s->gpa.v == d->first.gpa.v + d->size &&
	       (s->entry & ~frame) == (d->first.entry & ~frame) &&
	       s->access == d->first.access && s->malformed == d->first.malformed;
}

/* False: there is no room for it, and the scan goes on there another time. */
static bool take(struct dump *d, const struct sh_scan *s)
{
	if (goes_on(d, s)) {
		d->size += s->size;
		return true;
	}
	close_region(d);
	if (json_object_array_length(d->regions) >= d->max)
		return false;
	d->first = *s;
	d->size = s->size;
	d->open = true;
	return true;
}

/* The guest's own stores to tables that are not tracked are counted by nobody, and who left an address space may
 * have given its tables up: so they are looked at again, by a sum of what was found (FNV-1a). */
static void add_to_sum(uint64_t *sum, const struct sh_scan *s)
{
	const uint64_t word[] = {s->gva.v, s->entry, s->level, s->access};
	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++)
		*sum = (*sum ^ word[i]) * 0x100000001b3ull;
}

static bool guest_stayed(const struct dump *d, struct sh_scan again, uint64_t leaves,
			 uint64_t sum)
{
	struct sh_regs now;
	struct sh_mode mode;
	uint64_t same = 0;
	for (; leaves && sh_scan_guest(d->s.mmu, &d->s.mode, &d->s.regs, &again); leaves--)
		add_to_sum(&same, &again);
	return !leaves && same == sum &&
	       (d->s.by_root ||
		(sh_vcpu_peek(d->s.mmu, d->s.vcpu, &now, &mode) && now.cr3 == d->s.regs.cr3));
}

static bool next_leaf(struct dump *d, struct sh_scan *s)
{
	return d->guest ? sh_scan_guest(d->s.mmu, &d->s.mode, &d->s.regs, s)
			: sh_scan_shadow(d->s.mmu, d->root, s);
}

static bool choose_view(const struct ctl_call *call, struct dump *d, const char **name)
{
	enum sh_view view;
	*name = ctl_arg_string(call, "view", "guest");
	d->guest = !ctl_view(call, "guest", &view);
	if (d->guest)
		return true;
	if (!d->s.by_root)
		return ctl_subject_root(&d->s, view, &d->root);
	d->root = d->s.root;
	return true;
}

struct json_object *ctl_run_shadow_dump(const struct ctl_call *call, struct control_error *e)
{
	struct dump d = {.max = get_max(call), .merge = ctl_arg_bool(call, "merge", false)};
	uint64_t leaves = 0, sum = 0;
	struct sh_look look;
	struct sh_scan s;
	const char *view;
	bool more = false;
	if (ctl_subject(call, &d.s, e))
		return NULL;
	set_range(call, &s);
	s.done = !choose_view(call, &d, &view);
	d.regions = json_object_new_array();
	sh_look_begin(d.s.mmu, &look);
	for (; !more && next_leaf(&d, &s); leaves++) {
		add_to_sum(&sum, &s);
		more = !take(&d, &s);
	}
	close_region(&d);
	struct json_object *o = json_object_new_object();
	ctl_put_str(o, "view", view);
	ctl_put_str(o, "format", sh_formats[d.s.mode.format].name);
	ctl_put(o, "regions", d.regions);
	put_next(o, &s, more, s.gva);
	ctl_put_look(o, d.s.mmu, &look);
	set_range(call, &s);
	if (d.guest && !guest_stayed(&d, s, leaves, sum))
		ctl_put_bool(o, "consistent", false);
	return o;
}

/* ---- diff ---- */

static const struct {
	const char *name, *text;
} verdicts[SH_VERDICTS] = {
	[SH_VERDICT_EMPTY] = {"empty", ""},
	[SH_VERDICT_SAME] = {"same", ""},
	[SH_VERDICT_LAZY] = {"lazy",
			     "mapped by the guest, not yet by the shadow, or with less"},
	[SH_VERDICT_TRACKED] = {"tracked", "not writable, because it holds a page table"},
	[SH_VERDICT_HELD] = {"held", "withheld by the direct map"},
	[SH_VERDICT_UNSYNC] = {"unsync", "the guest wrote its table and has not flushed"},
	[SH_VERDICT_WRONG] = {"wrong", "the shadow permits what the guest does not"},
	/* Something is always changing there, and so it is on its way. */
	[SH_VERDICT_UNSETTLED] = {"unsync", "the entry changed each time it was looked at"},
};

const char *ctl_verdict_name(enum sh_verdict v)
{
	return verdicts[v].name;
}

struct diff {
	struct json_object *list;
	unsigned max;
	uint64_t pages[SH_VERDICTS];
	struct sh_diff first;
	uint64_t size;
	bool open;
};

static void close_difference(struct diff *d)
{
	struct json_object *o;
	if (!d->open)
		return;
	o = json_object_new_object();
	ctl_put_hex(o, "gva", d->first.scan.gva.v);
	ctl_put_int(o, "size", d->size);
	ctl_put_int(o, "level", d->first.scan.level);
	ctl_put_str(o, "kind", verdicts[d->first.verdict].name);
	ctl_put_hex(o, "guest", d->first.gpte);
	ctl_put_hex(o, "shadow", d->first.scan.entry);
	ctl_put_str(o, "text", verdicts[d->first.verdict].text);
	json_object_array_add(d->list, o);
	d->open = false;
}

static bool take_difference(struct diff *d, const struct sh_diff *x)
{
	bool goes_on = d->open && x->verdict == d->first.verdict &&
		       x->scan.gva.v == d->first.scan.gva.v + d->size;
	if (!goes_on)
		close_difference(d);
	if (x->verdict == SH_VERDICT_SAME) {
		d->pages[x->verdict] += x->scan.size / SH_PAGE_SIZE;
		return true;
	}
	if (!goes_on && json_object_array_length(d->list) >= d->max)
		return false;
	if (!goes_on) {
		d->first = *x;
		d->size = 0;
		d->open = true;
	}
	d->size += x->scan.size;
	d->pages[x->verdict] += x->scan.size / SH_PAGE_SIZE;
	return true;
}

static struct json_object *counts(const struct diff *d)
{
	struct json_object *o = json_object_new_object();
	for (unsigned v = SH_VERDICT_SAME; v <= SH_VERDICT_WRONG; v++)
		ctl_put_int(o, verdicts[v].name,
			    d->pages[v] + (v == SH_VERDICT_UNSYNC
						   ? d->pages[SH_VERDICT_UNSETTLED]
						   : 0));
	return o;
}

struct json_object *ctl_run_shadow_diff(const struct ctl_call *call, struct control_error *e)
{
	struct diff d = {.max = get_max(call)};
	enum sh_view view = SH_VIEW_KERNEL;
	struct sh_diff x = {.gpte = 0};
	struct ctl_subject s;
	struct sh_look look;
	mfn_t root = MFN(0);
	bool more = false;
	if (ctl_subject(call, &s, e))
		return NULL;
	ctl_view(call, s.by_root && s.role.user ? "user" : "kernel", &view);
	set_range(call, &x.scan);
	if (!ctl_subject_root(&s, view, &root)) {
		ctl_fail(e, CTL_DEVICE_NOT_ACTIVE, "there is no shadow tree of this view yet");
		return NULL;
	}
	d.list = json_object_new_array();
	sh_look_begin(s.mmu, &look);
	while (!more && sh_diff_next(s.mmu, root, &s.mode, &s.regs, &x))
		more = !take_difference(&d, &x);
	close_difference(&d);
	struct json_object *o = json_object_new_object();
	ctl_put_str(o, "view", ctl_view_names[view]);
	ctl_put(o, "differences", d.list);
	ctl_put(o, "counts", counts(&d));
	put_next(o, &x.scan, more, x.scan.gva);
	ctl_put_look(o, s.mmu, &look);
	return o;
}
