/* SPDX-License-Identifier: BSD-2-Clause
 *
 * walk: a column for the guest and one for each shadow view, a row for each level, and the real frame at
 * the end. explain: sentences.
 *
 * Read first: ctl.h, docs/qmp.md on shadow-walk and shadow-explain.
 */
#include "tools/ctl/ctl.h"

#include "vmm/sizes.h"

#include <inttypes.h>
#include <string.h>

#define WIDTH	 100
#define FIRST	 5 /* of the column with the levels' names */
#define MAX_ROWS 8 /* heading, five levels, result */

static const struct {
	const char *flag, *word;
} words[] = {
	{"P", "present"},    {"W", "write"},  {"U", "user"},	    {"A", "accessed"},
	{"D", "dirty"},	     {"PS", "large"}, {"G", "global"},	    {"PWT", "write-through"},
	{"PCD", "uncached"}, {"PAT", "PAT"},  {"NX", "no-execute"},
};

/* Flags as the machine names them, in words and in the order above; what isn't known as it is. */
static void flags_in_words(const char *flags, char *buf, size_t n)
{
	char names[128], *save = NULL, *have[32];
	unsigned count = 0;
	size_t used = 0;

	snprintf(names, sizeof(names), "%s", flags);
	for (char *s = strtok_r(names, " ", &save); s && count < 32;
	     s = strtok_r(NULL, " ", &save))
		have[count++] = s;
	buf[0] = '\0';
	for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++)
		for (unsigned i = 0; i < count; i++)
			if (have[i] && !strcmp(have[i], words[w].flag) && used < n) {
				used += (size_t)snprintf(buf + used, n - used, "%s%s",
							 used ? " " : "", words[w].word);
				have[i] = NULL;
			}
	for (unsigned i = 0; i < count; i++)
		if (have[i] && used < n)
			used += (size_t)snprintf(buf + used, n - used, "%s%s", used ? " " : "",
						 have[i]);
}

/* One entry: its value, its flags in words, what they permit together, and where it lies. */
static void level_cell(struct json_object *level, char *cell, size_t n)
{
	uint64_t entry = f_hex(level, "entry");
	char flags[200], place[80];

	flags_in_words(f_str(level, "flags"), flags, sizeof(flags));
	if (f_has(level, "gpa"))
		snprintf(place, sizeof(place), "at %" PRIx64 ", all: %.8s", f_hex(level, "gpa"),
			 f_str(level, "access"));
	else
		snprintf(place, sizeof(place), "table %" PRIx64 " of gfn %" PRIx64,
			 f_hex(level, "table"), f_hex(level, "gfn"));
	snprintf(cell, n, "%016" PRIx64 "\n%s\n%s", entry,
		 entry & 1 ? flags : (*flags ? "not present" : "empty"), place);
}

struct walk {
	struct grid_row row[MAX_ROWS];
	unsigned columns, top; /* top: the highest level there is */
};

static void add_levels(struct walk *w, struct json_object *path)
{
	struct json_object *levels = f_array(path, "levels");

	for (size_t i = 0; i < f_length(levels); i++) {
		struct json_object *level = json_object_array_get_idx(levels, i);
		int64_t n = f_int(level, "level");

		if (n < 1 || n > 5)
			continue;
		if (n > w->top)
			w->top = (unsigned)n;
		level_cell(level, w->row[6 - n].cell[w->columns], sizeof(w->row[0].cell[0]));
	}
}

static void guest_end(struct json_object *guest, char *cell, size_t n)
{
	char size[32];

	if (!strcmp(f_str(guest, "result"), "mapped"))
		snprintf(cell, n, "gpa %016" PRIx64 "\n%s page, %.8s", f_hex(guest, "gpa"),
			 size_text((uint64_t)f_int(guest, "page-size"), size),
			 f_str(guest, "access"));
	else if (f_has(guest, "error-code"))
		snprintf(cell, n, "%.40s, error code 0x%" PRIx64, f_str(guest, "result"),
			 (uint64_t)f_int(guest, "error-code"));
	else
		snprintf(cell, n, "%.40s", f_str(guest, "result"));
}

static void add_guest(struct walk *w, struct json_object *guest)
{
	snprintf(w->row[0].cell[1], sizeof(w->row[0].cell[1]), "guest, %.12s\ncr3 %016" PRIx64,
		 f_str(guest, "format"), f_hex(guest, "cr3"));
	w->columns = 1;
	add_levels(w, guest);
	guest_end(guest, w->row[6].cell[1], sizeof(w->row[6].cell[1]));
}

/* The leaf's own verdict: the real frame, or that the hardware would fault here. */
static void shadow_end(struct json_object *path, struct json_object *frame, char *cell,
		       size_t n)
{
	struct json_object *levels = f_array(path, "levels"), *leaf;
	size_t count = f_length(levels);

	if (!count) {
		snprintf(cell, n, "no shadow tables");
		return;
	}
	leaf = json_object_array_get_idx(levels, count - 1);
	if (!(f_hex(leaf, "entry") & 1))
		snprintf(cell, n, "a fault fills it in");
	else
		snprintf(cell, n, "mfn %" PRIx64 "%s%s%s", f_hex(frame, "mfn"),
			 f_bool(frame, "ram") ? ", RAM" : ", no RAM",
			 f_bool(frame, "tracked") ? ", tracked" : "",
			 f_bool(frame, "unsync") ? ", unsync" : "");
}

static void add_shadow(struct walk *w, struct json_object *reply, const char *view)
{
	struct json_object *path = f_object(reply, view);

	w->columns++;
	snprintf(w->row[0].cell[w->columns], sizeof(w->row[0].cell[0]),
		 f_has(path, "root") ? "shadow, %s\nroot %016" PRIx64 : "shadow, %s", view,
		 f_hex(path, "root"));
	add_levels(w, path);
	shadow_end(path, f_object(reply, "frame"), w->row[6].cell[w->columns],
		   sizeof(w->row[0].cell[0]));
}

/* Whether a row has more than its name: a walk may end early. */
static bool row_used(const struct walk *w, unsigned row)
{
	for (unsigned i = 1; i <= w->columns; i++)
		if (*w->row[row].cell[i])
			return true;
	return false;
}

static void print_walk(struct json_object *reply)
{
	struct walk w = {.columns = 0};
	struct json_object *frame = f_object(reply, "frame");
	unsigned width;

	add_guest(&w, f_object(reply, "guest"));
	FOR_EACH_VIEW(bit, VIEW_SHADOW)
	{
		if (f_has(reply, view_name(bit)))
			add_shadow(&w, reply, view_name(bit));
	}
	strcpy(w.row[6].cell[0], "frame");
	for (unsigned n = 1; n <= w.top; n++)
		snprintf(w.row[6 - n].cell[0], sizeof(w.row[0].cell[0]), "L%u", n);
	width = (WIDTH - FIRST) / w.columns - 2;
	say("gva %016" PRIx64 "\n\n", f_hex(reply, "gva"));
	grid_print(&w.row[0], 1, w.columns + 1, FIRST, width);
	for (unsigned i = 6 - w.top; i <= 6; i++) {
		if (!row_used(&w, i))
			continue;
		say("\n");
		grid_print(&w.row[i], 1, w.columns + 1, FIRST, width);
	}
	say("\n");
	if (frame)
		say("real frame: mfn %" PRIx64 " for gfn %" PRIx64 "%s%s%s\n",
		    f_hex(frame, "mfn"), f_hex(frame, "gfn"),
		    f_bool(frame, "ram") ? ", RAM" : ", no RAM",
		    f_bool(frame, "tracked") ? ", holds a shadowed page table" : "",
		    f_bool(frame, "unsync") ? ", which the guest may write" : "");
	say_consistent(reply);
}

static int gva_args(struct ctl *c, struct json_object **args)
{
	uint64_t gva;

	if (number_parse(operand(c, 0), &gva))
		return complain(CTL_USAGE, "'%s' is no address; write one such as 0x1000",
				operand(c, 0));
	*args = args_new(c);
	args_hex(*args, "gva", gva);
	return CTL_PASS;
}

int cmd_walk(struct ctl *c)
{
	struct json_object *args, *ret;
	int code = gva_args(c, &args);

	if (!code)
		code = ask(c, "shadow-walk", args, &ret);
	if (code)
		return code;
	if (c->o->json)
		return print_reply(c, ret);
	print_walk(ret);
	json_object_put(ret);
	return CTL_PASS;
}

static void print_reason(struct json_object *r)
{
	say("  %s entry of level %" PRId64 " is %016" PRIx64 ": %s.\n", f_str(r, "side"),
	    f_int(r, "level"), f_hex(r, "entry"), f_str(r, "text"));
}

static void print_explain(struct json_object *reply)
{
	struct json_object *reasons = f_array(reply, "reasons"), *sets = f_array(reply, "sets");

	say("A %s of %016" PRIx64 " in ring %" PRId64 ": %s.\n", f_str(reply, "access"),
	    f_hex(reply, "gva"), f_int(reply, "ring"), f_str(reply, "outcome"));
	say("%s.\n", f_str(reply, "text"));
	for (size_t i = 0; i < f_length(reasons); i++)
		print_reason(json_object_array_get_idx(reasons, i));
	for (size_t i = 0; i < f_length(sets); i++)
		say("It would set %s in the guest's level %" PRId64 " entry.\n",
		    f_str(json_object_array_get_idx(sets, i), "bit"),
		    f_int(json_object_array_get_idx(sets, i), "level"));
	if (*f_str(reply, "view"))
		say("The %s view's shadow tables were looked at.\n", f_str(reply, "view"));
	say_consistent(reply);
}

int cmd_explain(struct ctl *c)
{
	struct json_object *args, *ret;
	int code = gva_args(c, &args);

	if (code)
		return code;
	if (c->o->access)
		json_object_object_add(args, "access", json_object_new_string(c->o->access));
	if (c->o->given & GIVES(OPT_RING))
		json_object_object_add(args, "ring", json_object_new_int((int)c->o->ring));
	code = ask(c, "shadow-explain", args, &ret);
	if (code)
		return code;
	if (c->o->json)
		return print_reply(c, ret);
	print_explain(ret);
	json_object_put(ret);
	return CTL_PASS;
}
