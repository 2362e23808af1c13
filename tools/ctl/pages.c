/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Replies that come piece by piece: as long as a reply has next, the command is sent again with it as
 * start. Nothing is kept but the first reply and the sums, unless all of it is wanted. A server whose
 * next doesn't go forward is told off, so the loop has an end.
 *
 * Read first: ctl.h.
 */
#include "tools/ctl/ctl.h"

#define PAGE_ELEMENTS 4096

const char *view_name(unsigned bit)
{
	switch (bit) {
	case VIEW_GUEST:
		return "guest";
	case VIEW_KERNEL:
		return "kernel";
	case VIEW_KERNEL_AC:
		return "kernel-ac";
	default:
		return "user";
	}
}

static struct json_object *page_args(struct ctl *c, const struct pages *p, uint64_t start)
{
	struct json_object *args = args_new(c);

	json_object_object_add(args, "view", json_object_new_string(p->view));
	args_hex(args, "start", start);
	args_hex(args, "end", c->o->end);
	json_object_object_add(args, "max", json_object_new_int(PAGE_ELEMENTS));
	if (p->merge)
		json_object_object_add(args, "merge", json_object_new_boolean(1));
	return args;
}

static void add_counts(struct pages *p, struct json_object *page)
{
	struct json_object *counts = f_object(page, "counts");

	if (!counts)
		return;
	if (!p->counts)
		p->counts = json_object_new_object();
	json_object_object_foreach(counts, key, v)
	{
		int64_t sum = f_int(p->counts, key) + json_object_get_int64(v);

		json_object_object_add(p->counts, key, json_object_new_int64(sum));
	}
}

static int each_element(struct pages *p, struct json_object *page)
{
	struct json_object *list = f_array(page, p->list);
	int code = CTL_PASS;

	for (size_t i = 0; !code && i < f_length(list); i++)
		code = p->each(p->arg, json_object_array_get_idx(list, i));
	return code;
}

/* Takes over the page. */
static int take_page(struct pages *p, struct json_object *page)
{
	int code;

	if (!p->first)
		p->first = json_object_get(page);
	if (!f_bool(page, "consistent") ||
	    f_int(page, "generation") != f_int(p->first, "generation"))
		p->torn = true;
	add_counts(p, page);
	code = each_element(p, page);
	json_object_put(page);
	return code;
}

int pages_go(struct ctl *c, struct pages *p)
{
	uint64_t start = c->o->start, next = start;
	struct json_object *page;
	bool more = true;
	int code = CTL_PASS;

	while (!code && more) {
		start = next;
		code = (p->first ? ask : ask_maybe)(c, p->command, page_args(c, p, start),
						    &page);
		if (code)
			return code;
		p->absent = !page;
		if (!page)
			return CTL_PASS;
		next = f_hex(page, "next");
		more = f_has(page, "next") && next <= c->o->end;
		if (more && next <= start)
			code = complain(CTL_HOST,
					"the machine's pages don't go forward at %016llx",
					(unsigned long long)start);
		if (code)
			json_object_put(page);
		else
			code = take_page(p, page);
	}
	return code;
}

void pages_put(struct pages *p)
{
	json_object_put(p->first);
	json_object_put(p->counts);
	p->first = p->counts = NULL;
}

static int keep_element(void *arg, struct json_object *element)
{
	if (json_object_array_length(arg) >= PAGES_MAX)
		return complain(CTL_FAIL, "more than %u lines; choose less with --range",
				PAGES_MAX);
	json_object_array_add(arg, json_object_get(element));
	return CTL_PASS;
}

int pages_collect(struct ctl *c, struct pages *p, struct json_object **all)
{
	int code;

	*all = json_object_new_array();
	p->each = keep_element;
	p->arg = *all;
	code = pages_go(c, p);
	if (!code)
		return CTL_PASS;
	json_object_put(*all);
	*all = NULL;
	return code;
}
