/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dump --format dot: the shadow tables as a graph, from the roots down, each once, so that a shared table
 * has several arrows; and the guest tables that they stand for. With --view guest the guest's tables
 * only, as far as they are shadowed; with a shadow view the shadow's only.
 *
 * Read first: ctl.h, docs/qmp.md on query-shadow-page.
 */
#include "tools/ctl/ctl.h"

#include <inttypes.h>
#include <stdlib.h>

#define MAX_TABLES 20000u

struct graph {
	struct ctl *c;
	bool guest, shadow;
	uint64_t *table; /* those that were found, in that order */
	unsigned n, size;
};

/* The number of a table; a new one is kept for later. */
static int graph_table(struct graph *g, uint64_t table)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->table[i] == table)
			return (int)i;
	if (g->n == MAX_TABLES)
		return -1;
	if (g->n == g->size) {
		unsigned size = g->size ? 2 * g->size : 64;
		uint64_t *t = realloc(g->table, size * sizeof(*t));

		if (!t)
			return -1;
		g->table = t;
		g->size = size;
	}
	g->table[g->n] = table;
	return (int)g->n++;
}

struct census {
	unsigned leaves, writable, tables;
};

/* An entry of a table: an arrow, or one more leaf. */
static void graph_entry(struct graph *g, struct json_object *e, struct json_object *page,
			struct census *n)
{
	uint64_t from = f_hex(page, "table");
	int64_t level = f_int(f_object(page, "role"), "level");
	uint64_t entry = f_hex(e, "entry"), guest = f_hex(e, "guest");
	uint64_t table = entry >> 12 & 0xffffffffff;

	if (!(entry & 1))
		return;
	if (level == 1 || entry >> 7 & 1) {
		n->leaves++;
		n->writable += entry >> 1 & 1;
		return;
	}
	n->tables++;
	if (graph_table(g, table) < 0)
		return;
	if (g->shadow)
		say("  s%" PRIx64 " -> s%" PRIx64 " [label=\"%" PRId64 "\"];\n", from, table,
		    f_int(e, "index"));
	if (g->guest && guest & 1 && !(guest >> 7 & 1))
		say("  g%" PRIx64 " -> g%" PRIx64 " [label=\"%" PRId64 "\"];\n",
		    f_hex(page, "gfn"), guest >> 12 & 0xffffffffff, f_int(e, "index"));
}

static void graph_node(const struct graph *g, struct json_object *page, const struct census *n)
{
	struct json_object *role = f_object(page, "role");
	uint64_t table = f_hex(page, "table"), gfn = f_hex(page, "gfn");
	bool direct = f_bool(role, "direct");

	if (g->shadow)
		say("  s%" PRIx64 " [label=\"%s L%" PRId64 "\\n%" PRIx64
		    "\\n%u tables, %u leaves (%u w)\"%s];\n",
		    table, f_bool(role, "user") ? "user" : "kernel", f_int(role, "level"),
		    table, n->tables, n->leaves, n->writable,
		    f_bool(page, "unsync") ? ", style=dashed" : "");
	if (g->guest && !direct)
		say("  g%" PRIx64 " [label=\"guest table\\ngfn %" PRIx64 "\", shape=note%s];\n",
		    gfn, gfn, f_bool(page, "tracked") ? "" : ", style=dashed");
	if (g->guest && g->shadow && !direct)
		say("  s%" PRIx64 " -> g%" PRIx64 " [style=dotted, arrowhead=none];\n", table,
		    gfn);
}

/* All entries of one table, which may come in several pages. */
static int graph_one(struct graph *g, uint64_t table)
{
	struct json_object *args, *ret, *page;
	struct census n = {0};
	int64_t first = 0, next = 0;
	int code;

	do {
		first = next;
		args = json_object_new_object();
		args_hex(args, "table", table);
		json_object_object_add(args, "first", json_object_new_int64(first));
		code = ask_maybe(g->c, "query-shadow-page", args, &ret);
		if (code || !ret)
			return code; /* it has gone since its parent was read */
		page = json_object_array_get_idx(f_array(ret, "pages"), 0);
		for (size_t i = 0; i < f_length(f_array(ret, "entries")); i++)
			graph_entry(g, json_object_array_get_idx(f_array(ret, "entries"), i),
				    page, &n);
		next = f_int(ret, "next");
		if (next <= first)
			graph_node(g, page, &n);
		json_object_put(ret);
	} while (next > first);
	return CTL_PASS;
}

static int graph_roots(struct graph *g)
{
	struct json_object *ret, *roots;
	int code;

	if (g->c->o->given & GIVES(OPT_ROOT)) {
		graph_table(g, g->c->o->root);
		return CTL_PASS;
	}
	code = ask(g->c, "query-shadow-roots", NULL, &ret);
	if (code)
		return code;
	roots = f_array(ret, "roots");
	for (size_t i = 0; i < f_length(roots); i++)
		graph_table(g, f_hex(json_object_array_get_idx(roots, i), "mfn"));
	json_object_put(ret);
	return CTL_PASS;
}

int dump_dot(struct ctl *c)
{
	struct graph g = {
		.c = c, .guest = c->o->view & VIEW_GUEST, .shadow = c->o->view & VIEW_SHADOW};
	int code = graph_roots(&g);

	if (!code)
		say("strict digraph tables {\n  rankdir=LR;\n  node [shape=box, "
		    "fontname=monospace];\n");
	for (unsigned i = 0; !code && i < g.n; i++)
		code = graph_one(&g, g.table[i]);
	if (!code)
		say("}\n");
	free(g.table);
	return code;
}
