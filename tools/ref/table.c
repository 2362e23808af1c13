/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One table: scenario by machine, differences marked.
 *
 * Two machines differ in a scenario if one passed it and the other did not. A scenario that a machine
 * skips says nothing about it: it lacks a device, or processors.
 *
 * Read first: ref.h. Locks: none.
 */
#include "tools/ref/ref.h"

#include <json-c/json.h>
#include <string.h>

static const char *const kind_word[] = {"-", "ok", "FAIL", "skip"};

static bool took_part(const struct ref_column *c)
{
	return c->end != REF_ABSENT;
}

/* Each name once, in the order in which the columns bring them. */
static unsigned collect(const struct ref_column *c, unsigned n, const char *name[],
			unsigned max)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < c[i].tap.count; j++) {
			bool seen = false;

			for (unsigned k = 0; k < count && !seen; k++)
				seen = !strcmp(name[k], c[i].tap.line[j].name);
			if (!seen && count < max)
				name[count++] = c[i].tap.line[j].name;
		}
	return count;
}

struct row {
	bool failed, different;
	const char *text;
};

static struct row judge(const struct ref_column *c, unsigned n, const char *name)
{
	struct row r = {.text = ""};
	bool passed = false;

	for (unsigned i = 0; i < n; i++) {
		const struct tap_line *l = tap_find(&c[i].tap, name);

		if (!took_part(&c[i]))
			continue;
		passed |= l->kind == TAP_OK;
		if (l->kind == TAP_FAIL || l->kind == TAP_MISSING)
			r.failed = true;
		if (!*r.text && l->kind != TAP_OK)
			r.text = l->text;
	}
	r.different = r.failed && passed;
	return r;
}

static void print_row(const struct ref_column *c, unsigned n, const char *name, int width,
		      const struct row *r, FILE *out)
{
	fprintf(out, "%c %-*s", r->different ? '*' : r->failed ? '!' : ' ', width, name);
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "  %-12s",
			took_part(&c[i]) ? kind_word[tap_find(&c[i].tap, name)->kind] : "");
	fprintf(out, "  %s\n", r->text);
}

static const char *end_text(const struct ref_column *c)
{
	static const char *const word[] = {"", "timeout", "stopped", "absent"};

	if (c->end != REF_ENDED)
		return word[c->end];
	return tap_whole(&c->tap) ? "whole" : "cut off";
}

static void print_ends(const struct ref_column *c, unsigned n, int width, FILE *out)
{
	fprintf(out, "  %-*s", width, "(output)");
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "  %-12s", end_text(&c[i]));
	fprintf(out, "\n  %-*s", width, "(seconds)");
	for (unsigned i = 0; i < n; i++)
		if (took_part(&c[i]))
			fprintf(out, "  %-12.1f", c[i].seconds);
		else
			fprintf(out, "  %-12s", "");
	fputc('\n', out);
	for (unsigned i = 0; i < n; i++)
		if (c[i].end == REF_ABSENT)
			fprintf(out, "  %s: %s\n", c[i].machine->name, c[i].why);
}

static void print_head(const struct ref_column *c, unsigned n, int width, FILE *out)
{
	fprintf(out, "  %-*s", width, "scenario");
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "  %-12s", c[i].machine->name);
	fputc('\n', out);
}

struct ref_verdict table_compare(const struct ref_column *c, unsigned n, FILE *out)
{
	const char *name[2 * TAP_MAX];
	struct ref_verdict v = {.scenarios = collect(c, n, name, 2 * TAP_MAX)};
	int width = 10;

	for (unsigned i = 0; i < v.scenarios; i++)
		width = (int)strlen(name[i]) > width ? (int)strlen(name[i]) : width;
	if (out)
		print_head(c, n, width, out);
	for (unsigned i = 0; i < v.scenarios; i++) {
		struct row r = judge(c, n, name[i]);

		v.failed += r.failed;
		v.different += r.different;
		if (out)
			print_row(c, n, name[i], width, &r, out);
	}
	for (unsigned i = 0; i < n; i++) {
		v.absent += !took_part(&c[i]);
		v.failed +=
			took_part(&c[i]) && (c[i].end != REF_ENDED || !tap_whole(&c[i].tap));
	}
	if (out)
		print_ends(c, n, width, out);
	return v;
}

static struct json_object *json_results(const struct tap *t)
{
	struct json_object *all = json_object_new_object();

	for (unsigned i = 0; i < t->count; i++)
		json_object_object_add(all, t->line[i].name,
				       json_object_new_string(kind_word[t->line[i].kind]));
	return all;
}

void table_json(const struct ref_job *job, const struct ref_column *c, unsigned n, FILE *out)
{
	for (unsigned i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "guest", json_object_new_string(job->guest));
		json_object_object_add(o, "cpus", json_object_new_int((int)job->cpus));
		json_object_object_add(o, "machine",
				       json_object_new_string(c[i].machine->name));
		json_object_object_add(o, "end", json_object_new_string(end_text(&c[i])));
		if (c[i].end == REF_ABSENT)
			json_object_object_add(o, "why", json_object_new_string(c[i].why));
		json_object_object_add(o, "seconds", json_object_new_double(c[i].seconds));
		json_object_object_add(o, "results", json_results(&c[i].tap));
		fprintf(out, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
		json_object_put(o);
	}
}
