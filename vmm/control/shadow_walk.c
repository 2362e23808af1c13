/* SPDX-License-Identifier: BSD-2-Clause
 *
 * shadow-walk and shadow-explain: the paths of one address, and what an access to it would do.
 *
 * Read after: look.c, shadow/explain.h.
 */
#include <stdio.h>
#include <string.h>

#include "shadow/explain.h"
#include "vmm/control/internal.h"

static struct json_object *access_text(unsigned acc)
{
	char s[] = {acc & SH_ACC_U ? 'u' : '-', 'r', acc & SH_ACC_W ? 'w' : '-',
		    acc & SH_ACC_X ? 'x' : '-', 0};
	return json_object_new_string(s);
}

/* Whether the entry that ended the walk is a leaf, whatever it permits. */
static bool ended_in_leaf(const struct sh_walk *w, enum sh_walk_result r)
{
	return r == SH_WALK_OK || (w->error & SH_PF_P && !(w->error & SH_PF_RSVD));
}

static const char *result_name(const struct sh_walk *w, enum sh_walk_result r)
{
	if (r == SH_WALK_NOT_CANON)
		return "not-canonical";
	return ended_in_leaf(w, r) ? "mapped" : "fault";
}

static uint64_t page_gpa(const struct sh_mode *mode, const struct sh_walk *w)
{
	const struct sh_format *f = &sh_formats[mode->format];
	if (!w->level)
		return w->gpa.v;
	return sh_entry_addr(f, w->level, w->level > 1, w->gpte[w->level]).v |
	       (w->gva.v & (sh_span(f, w->level) - 1));
}

static struct json_object *guest_walk(const struct ctl_subject *s, const struct sh_walk *w,
				      enum sh_walk_result r)
{
	const struct sh_format *f = &sh_formats[s->mode.format];
	struct json_object *o = json_object_new_object(), *levels = json_object_new_array();
	ctl_put_hex(o, "cr3", s->regs.cr3);
	ctl_put_str(o, "format", f->name);
	ctl_put(o, "levels", levels);
	ctl_put_str(o, "result", result_name(w, r));
	if (r == SH_WALK_NOT_CANON)
		return o;
	bool leaf = ended_in_leaf(w, r);
	for (unsigned l = w->top; l >= w->level && l; l--) {
		struct json_object *x = json_object_new_object();
		bool ends = l == w->level && !leaf;
		ctl_put_int(x, "level", l);
		ctl_put_hex(x, "gpa", w->entry[l].v);
		ctl_put_hex(x, "entry", w->gpte[l]);
		ctl_put(x, "flags", ctl_flags(w->gpte[l], l));
		ctl_put(x, "access",
			ends ? json_object_new_string("----") : access_text(w->access[l]));
		json_object_array_add(levels, x);
	}
	if (leaf) {
		ctl_put_hex(o, "gpa", page_gpa(&s->mode, w));
		ctl_put_int(o, "page-size", w->level ? sh_span(f, w->level) : SH_PAGE_SIZE);
		ctl_put(o, "access", access_text(w->access[w->level]));
	} else {
		ctl_put_int(o, "error-code", w->error);
	}
	return o;
}

static struct json_object *shadow_levels(bool rooted, mfn_t root, const struct sh_path *p)
{
	struct json_object *o = json_object_new_object(), *levels = json_object_new_array();
	if (rooted)
		ctl_put_hex(o, "root", root.v);
	ctl_put(o, "levels", levels);
	for (unsigned l = rooted ? p->top : 0; rooted && l >= p->level; l--) {
		struct json_object *x = json_object_new_object();
		ctl_put_int(x, "level", l);
		ctl_put_hex(x, "table", p->table[l].v);
		ctl_put_hex(x, "gfn", p->gfn[l].v);
		ctl_put_hex(x, "entry", p->spte[l]);
		ctl_put(x, "flags", ctl_flags(p->spte[l], l));
		ctl_put(x, "role", ctl_role(p->role[l]));
		json_object_array_add(levels, x);
	}
	if (rooted && p->spte[p->level] & PTE_P &&
	    (p->level == 1 || p->spte[p->level] & PTE_PS))
		ctl_put_hex(o, "mfn", (p->spte[p->level] & 0x000ffffffffff000ull) >> 12);
	return o;
}

static struct json_object *shadow_path(const struct ctl_subject *s, enum sh_view view,
				       gva_t gva)
{
	mfn_t root = MFN(0);
	struct sh_path p;
	bool rooted = ctl_subject_root(s, view, &root) && sh_path(s->mmu, root, gva, &p);
	return shadow_levels(rooted, root, &p);
}

static struct json_object *frame(struct sh_mmu *mmu, uint64_t gpa)
{
	struct json_object *o = json_object_new_object();
	struct sh_frame f;
	sh_frame_look(mmu, gpa_gfn(GPA(gpa)), &f);
	bool ram = !mfn_eq(f.mfn, MFN_NONE);
	ctl_put_hex(o, "gfn", gpa >> 12);
	if (ram)
		ctl_put_hex(o, "mfn", f.mfn.v);
	ctl_put_bool(o, "ram", ram);
	ctl_put_bool(o, "tracked", f.tracked);
	ctl_put_bool(o, "unsync", f.unsync);
	return o;
}

static bool same_walk(const struct sh_walk *a, const struct sh_walk *b)
{
	if (a->top != b->top || a->level != b->level)
		return false;
	for (unsigned l = a->top; l >= a->level && l; l--)
		if (a->gpte[l] != b->gpte[l])
			return false;
	return true;
}

/* The guest's own stores to tables that are out of step are counted by nobody: read them again. */
static void put_look(struct json_object *o, const struct ctl_subject *s,
		     const struct sh_look *look, const struct sh_walk *w, enum sh_walk_result r,
		     gva_t gva)
{
	struct sh_walk again;
	bool same = r == sh_walk(sh_mmu_gmem(s->mmu), &s->mode, &s->regs, gva,
				 SH_PEEK | SH_IMPLICIT, &again) &&
		    (r == SH_WALK_NOT_CANON || same_walk(w, &again));
	ctl_put_look(o, s->mmu, look);
	if (!same)
		ctl_put_bool(o, "consistent", false);
}

struct json_object *ctl_run_shadow_walk(const struct ctl_call *call, struct control_error *e)
{
	gva_t gva = GVA(ctl_arg_hex(call, "gva", 0));
	struct ctl_subject s;
	struct sh_look look;
	struct sh_walk w;
	if (ctl_subject(call, &s, e))
		return NULL;
	struct json_object *o = json_object_new_object();
	sh_look_begin(s.mmu, &look);
	enum sh_walk_result r =
		sh_walk(sh_mmu_gmem(s.mmu), &s.mode, &s.regs, gva, SH_PEEK | SH_IMPLICIT, &w);
	ctl_put_hex(o, "gva", gva.v);
	ctl_put(o, "guest", guest_walk(&s, &w, r));
	ctl_put(o, "kernel", shadow_path(&s, SH_VIEW_KERNEL, gva));
	ctl_put(o, "user", shadow_path(&s, SH_VIEW_USER, gva));
	if (s.mode.smap)
		ctl_put(o, "kernel-ac", shadow_path(&s, SH_VIEW_KERNEL_AC, gva));
	if (r != SH_WALK_NOT_CANON && ended_in_leaf(&w, r))
		ctl_put(o, "frame", frame(s.mmu, page_gpa(&s.mode, &w)));
	put_look(o, &s, &look, &w, r, gva);
	return o;
}

/* ---- explain ---- */

static const char *const outcome_names[SH_OUTCOMES] = {
	[SH_OUT_HIT] = "hit",
	[SH_OUT_STALE_HIT] = "stale-hit",
	[SH_OUT_HIDDEN] = "hidden-fault",
	[SH_OUT_TRUE] = "true-fault",
	[SH_OUT_NOT_CANON] = "not-canonical",
	[SH_OUT_TRACKED] = "tracked-write",
	[SH_OUT_EMULATE] = "emulate",
	[SH_OUT_GATE] = "gate",
	[SH_OUT_NO_RAM] = "no-ram",
};

static const char *const outcome_texts[SH_OUTCOMES] = {
	[SH_OUT_HIT] = "the shadow permits it",
	[SH_OUT_STALE_HIT] = "the shadow still permits it, until the guest flushes; its tables "
			     "would give a page fault",
	[SH_OUT_HIDDEN] = "a fault the guest does not see, then it goes on",
	[SH_OUT_TRUE] = "page fault",
	[SH_OUT_NOT_CANON] = "the address is not canonical: #GP, or #SS by way of the stack",
	[SH_OUT_TRACKED] =
		"the write is emulated, because the frame is shadowed as a page table; or "
		"the table is left writable until the next flush",
	[SH_OUT_EMULATE] =
		"the instruction is emulated, because no shadow entry can express it",
	[SH_OUT_GATE] =
		"the instruction is emulated, because the gate's slot hides the address",
	[SH_OUT_NO_RAM] = "there is no RAM: a device answers, or nobody",
};

static const struct {
	const char *bit, *text;
} blames[SH_BLAMES] = {
	[SH_BLAME_P] = {"P", "P is 0"},
	[SH_BLAME_RSVD] = {"RSVD", "reserved bits are set"},
	[SH_BLAME_W] = {"W", "W is 0"},
	[SH_BLAME_U] = {"U", "U is 0"},
	[SH_BLAME_NX] = {"NX", "NX is 1"},
	[SH_BLAME_SMEP] = {"CR4.SMEP", "CR4.SMEP forbids ring 0 to fetch from a user page"},
	[SH_BLAME_SMAP] = {"CR4.SMAP", "CR4.SMAP forbids ring 0 to touch a user page"},
	[SH_BLAME_KEY_AD] = {"AD", "the protection key denies access"},
	[SH_BLAME_KEY_WD] = {"WD", "the protection key denies writes"},
	[SH_BLAME_ROOT] = {"root", "there is no shadow tree for this view yet"},
	[SH_BLAME_MISSING] = {"P", "there is no shadow entry yet"},
	[SH_BLAME_DIRTY] = {"W", "W is held back until the guest's D is set"},
	[SH_BLAME_TRACKED] = {"W", "W is held back because the frame holds a page table"},
	[SH_BLAME_HELD] = {"W", "the direct map withholds it"},
	[SH_BLAME_NARROWER] = {"W", "the shadow entry permits less than the guest's by now"},
	[SH_BLAME_VIEW] = {"U", "no entry of this view can permit it"},
};

static void reason_text(const struct sh_reason *r, char *buf, size_t n)
{
	bool of_entry = r->guest && (r->blame <= SH_BLAME_NX || r->blame >= SH_BLAME_KEY_AD);
	if (of_entry)
		snprintf(buf, n, "%s in the guest's level %u entry", blames[r->blame].text,
			 r->level);
	else if (r->level)
		snprintf(buf, n, "%s (level %u)", blames[r->blame].text, r->level);
	else
		snprintf(buf, n, "%s", blames[r->blame].text);
}

static struct json_object *reasons(const struct sh_explanation *x)
{
	struct json_object *list = json_object_new_array();
	for (unsigned i = 0; i < x->reasons; i++) {
		const struct sh_reason *r = &x->reason[i];
		struct json_object *o = json_object_new_object();
		char text[128];
		reason_text(r, text, sizeof(text));
		ctl_put_str(o, "side", r->guest ? "guest" : "shadow");
		ctl_put_int(o, "level", r->level);
		ctl_put_str(o, "bit", blames[r->blame].bit);
		ctl_put_hex(o, "entry", r->entry);
		ctl_put_str(o, "text", text);
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *sets(const struct sh_explanation *x)
{
	struct json_object *list = json_object_new_array();
	for (unsigned l = SH_MAX_LEVEL; l; l--)
		for (unsigned d = 0; d < 2; d++) {
			if (!(d ? x->sets_d : x->sets_a)[l])
				continue;
			struct json_object *o = json_object_new_object();
			ctl_put_int(o, "level", l);
			ctl_put_str(o, "bit", d ? "D" : "A");
			json_object_array_add(list, o);
		}
	return list;
}

static void sentence(const struct sh_explanation *x, char *buf, size_t n)
{
	char why[128];
	int len = snprintf(buf, n, "%s", outcome_texts[x->outcome]);
	if (x->walked == SH_WALK_FAULT)
		len += snprintf(buf + len, n - (size_t)len, ", error code 0x%x", x->w.error);
	for (unsigned i = 0; i < x->reasons && (size_t)len < n; i++) {
		reason_text(&x->reason[i], why, sizeof(why));
		len += snprintf(buf + len, n - (size_t)len, "%s %s", i ? "," : ":", why);
	}
}

static unsigned access_flags(const char *access, unsigned ring, bool ac)
{
	return (!strcmp(access, "write")   ? SH_WRITE
		: !strcmp(access, "fetch") ? SH_FETCH
					   : SH_READ) |
	       (ring == 3 ? SH_USER : 0) | (ac ? SH_AC : 0);
}

struct json_object *ctl_run_shadow_explain(const struct ctl_call *call, struct control_error *e)
{
	gva_t gva = GVA(ctl_arg_hex(call, "gva", 0));
	const char *access = ctl_arg_string(call, "access", "read");
	unsigned ring = ctl_arg_index(call, "ring", 3);
	struct sh_explanation x;
	struct ctl_subject s;
	struct sh_look look;
	char text[512];
	if (ring > 3) {
		ctl_fail(e, CTL_GENERIC_ERROR, "Parameter 'ring' expects a value from 0 to 3");
		return NULL;
	}
	if (ctl_subject_vcpu(call, "vcpu", &s, e))
		return NULL;
	sh_look_begin(s.mmu, &look);
	sh_explain(s.mmu, s.vcpu, &s.regs, gva,
		   access_flags(access, ring, ctl_arg_bool(call, "ac", false)), &x);
	sentence(&x, text, sizeof(text));
	struct json_object *o = json_object_new_object();
	ctl_put_hex(o, "gva", gva.v);
	ctl_put_str(o, "access", access);
	ctl_put_int(o, "ring", ring);
	ctl_put_str(o, "outcome", outcome_names[x.outcome]);
	ctl_put_str(o, "text", text);
	if (x.walked == SH_WALK_FAULT)
		ctl_put_int(o, "error-code", x.w.error);
	ctl_put_str(o, "view", ctl_view_names[x.view]);
	ctl_put(o, "guest", guest_walk(&s, &x.w, x.walked));
	ctl_put(o, "shadow", shadow_levels(x.rooted, x.root, &x.path));
	ctl_put(o, "reasons", reasons(&x));
	ctl_put(o, "sets", sets(&x));
	ctl_put_look(o, s.mmu, &look);
	return o;
}
