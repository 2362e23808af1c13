/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dump and diff.
 *
 * Read first: ctl.h, pages.c.
 */
#include "tools/ctl/ctl.h"

#include <inttypes.h>
#include <string.h>

static struct pages dump_pages(const char *view, bool merge)
{
	return (struct pages){
		.command = "shadow-dump", .list = "regions", .view = view, .merge = merge};
}

/* A view that the machine hasn't got: wrong if it was asked for by its name. */
static int absent(struct ctl *c)
{
	bool by_name = !(c->o->view & (c->o->view - 1));

	return by_name ? complain(CTL_FAIL, "%s (%s)", c->q.msg, c->q.error_class) : CTL_PASS;
}

struct printing {
	struct dump_out out;
	struct pages *pages;
	bool heading, begun;
};

static void begin(struct printing *p)
{
	if (p->begun)
		return;
	p->begun = true;
	p->out.table_format = f_str(p->pages->first, "format");
	dump_begin(&p->out, p->heading);
}

static int print_region(void *arg, struct json_object *r)
{
	struct printing *p = arg;

	begin(p);
	dump_region(&p->out, r);
	return ferror(stdout) ? CTL_HOST : CTL_PASS;
}

static int dump_view(struct ctl *c, const char *view)
{
	struct pages pages = dump_pages(view, c->o->format != DUMP_QEMU);
	struct printing p = {.out = {.format = c->o->format,
				     .view = view,
				     .next = c->o->start,
				     .last = c->o->end},
			     .pages = &pages,
			     .heading = (c->o->view & (c->o->view - 1)) != 0};
	int code;

	pages.each = print_region;
	pages.arg = &p;
	code = pages_go(c, &pages);
	if (!code && pages.absent)
		code = absent(c);
	else if (!code) {
		begin(&p);
		dump_end(&p.out);
		if (c->o->format != DUMP_QEMU && pages.torn)
			say("entries changed during the look; ask again, or pause first\n");
	}
	pages_put(&pages);
	return code;
}

/* {VIEW: {format, regions, consistent}, ...} */
static int dump_json(struct ctl *c)
{
	struct json_object *all = json_object_new_object(), *regions, *o;
	int code = CTL_PASS;

	FOR_EACH_VIEW(bit, c->o->view)
	{
		struct pages pages = dump_pages(view_name(bit), true);

		if (code)
			break;
		code = pages_collect(c, &pages, &regions);
		if (!code && pages.absent) {
			json_object_put(regions);
			code = absent(c);
		} else if (!code) {
			o = json_object_new_object();
			json_object_object_add(
				o, "format",
				json_object_new_string(f_str(pages.first, "format")));
			json_object_object_add(o, "regions", regions);
			json_object_object_add(o, "consistent",
					       json_object_new_boolean(!pages.torn));
			json_object_object_add(all, view_name(bit), o);
		}
		pages_put(&pages);
	}
	if (!code)
		print_json(all);
	json_object_put(all);
	return code;
}

int cmd_dump(struct ctl *c)
{
	int code = CTL_PASS;

	if (c->o->json || c->o->format == DUMP_JSON)
		return dump_json(c);
	if (c->o->format == DUMP_DOT)
		return dump_dot(c);
	if (c->o->format == DUMP_HTML)
		return report_to(c, stdout, c->o->view);
	FOR_EACH_VIEW(bit, c->o->view)
	{
		if (!code)
			code = dump_view(c, view_name(bit));
	}
	return code;
}

/* ---- diff ---- */

static int print_difference(void *arg, struct json_object *d)
{
	uint64_t gva = f_hex(d, "gva"), size = (uint64_t)f_int(d, "size");
	struct json_object *legend = arg;
	char text[32];

	say("%016" PRIx64 " %9s  L%" PRId64 "  %-8s %016" PRIx64 "  %016" PRIx64 "\n", gva,
	    size_text(size, text), f_int(d, "level"), f_str(d, "kind"), f_hex(d, "guest"),
	    f_hex(d, "shadow"));
	/* A machine that lies can't make the legend long. */
	if (json_object_object_length(legend) < 16)
		json_object_object_add(legend, f_str(d, "kind"),
				       json_object_new_string(f_str(d, "text")));
	return ferror(stdout) ? CTL_HOST : CTL_PASS;
}

static void print_legend(struct json_object *legend)
{
	json_object_object_foreach(legend, kind, text)
		say("%s: %s\n", kind, json_object_get_string(text));
}

static void print_counts(const struct pages *p)
{
	say("pages of 4 KiB:");
	if (p->counts) {
		json_object_object_foreach(p->counts, key, v)
			say(" %s %" PRId64, key, json_object_get_int64(v));
	}
	say("\n");
	if (p->torn)
		say("entries changed during the look; ask again, or pause first\n");
}

static int diff_view(struct ctl *c, const char *view, bool *wrong, struct json_object *all)
{
	struct json_object *list = NULL, *o, *legend = json_object_new_object();
	struct pages p = {.command = "shadow-diff",
			  .list = "differences",
			  .view = view,
			  .each = print_difference,
			  .arg = legend};
	int code;

	if (!all)
		say("# %s\n%-16s %9s  %-12s %-16s  %s\n", view, "address", "size", "", "guest",
		    "shadow");
	code = all ? pages_collect(c, &p, &list) : pages_go(c, &p);
	if (!code && p.absent)
		code = absent(c);
	else if (!code && all) {
		o = json_object_new_object();
		json_object_object_add(o, "differences", json_object_get(list));
		json_object_object_add(o, "counts", json_object_get(p.counts));
		json_object_object_add(o, "consistent", json_object_new_boolean(!p.torn));
		json_object_object_add(all, view, o);
	} else if (!code) {
		print_legend(legend);
		print_counts(&p);
	}
	*wrong |= f_int(p.counts, "wrong") != 0;
	json_object_put(list);
	json_object_put(legend);
	pages_put(&p);
	return code;
}

int cmd_diff(struct ctl *c)
{
	unsigned views = c->o->given & GIVES(OPT_VIEW) ? c->o->view & VIEW_SHADOW : VIEW_KERNEL;
	struct json_object *all = c->o->json ? json_object_new_object() : NULL;
	bool wrong = false;
	int code = CTL_PASS;

	if (!views)
		return complain(CTL_USAGE,
				"diff: --view guest is nothing to compare; name a shadow view");
	FOR_EACH_VIEW(bit, views)
	{
		if (!code)
			code = diff_view(c, view_name(bit), &wrong, all);
	}
	if (all && !code)
		print_json(all);
	json_object_put(all);
	return code ? code : wrong ? CTL_FAIL : CTL_PASS;
}
