/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the user sees: a line that moves while runs go on, one JSON line a run, and for each run that did
 * not end as it should the line that reproduces it, with the ends of its files.
 *
 * Read first: stress.h. Read next: failure.c. Locks: none.
 */
#include "config.h"

#include "tools/stress/stress.h"

#include "tools/common/program.h"
#include "tools/common/tap.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_LINES 12

static void clear_live(const struct report *r)
{
	if (r->live)
		fputs("\r\033[K", stderr);
}

void report_tick(void *report, unsigned running)
{
	struct report *r = report;
	uint64_t done = 0;

	for (int e = 0; e < RUN_ENDS; e++)
		done += r->ended[e];
	if (r->live)
		fprintf(stderr,
			"\r\033[K%" PRIu64 "/%" PRIu64 " runs, %u running, %" PRIu64
			" not as expected, %.0f s",
			done, r->count, running, r->unexpected, tool_clock() - r->start);
}

static char *command_of(const struct run *run)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	run_line(run, f);
	return fclose(f) ? NULL : text;
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, text ? json_object_new_string(text) : NULL);
}

/* Which scenarios did not pass, and how many did. */
static void add_results(struct json_object *o, const struct outcome *out)
{
	struct json_object *failed = json_object_new_array();
	unsigned passed = 0, skipped = 0;
	char path[PATH_MAX + 16];
	struct tap *t = malloc(sizeof(*t));

	snprintf(path, sizeof(path), "%s/" FILE_SERIAL, out->dir);
	if (t && !tap_read(path, t))
		for (unsigned i = 0; i < t->count; i++) {
			passed += t->line[i].kind == TAP_OK;
			skipped += t->line[i].kind == TAP_SKIP;
			if (t->line[i].kind == TAP_FAIL)
				json_object_array_add(failed,
						      json_object_new_string(t->line[i].name));
		}
	free(t);
	json_object_object_add(o, "scenarios_passed", json_object_new_int((int)passed));
	json_object_object_add(o, "scenarios_skipped", json_object_new_int((int)skipped));
	json_object_object_add(o, "scenarios_failed", failed);
}

static void json_line(const struct report *r, const struct outcome *out)
{
	struct json_object *o = json_object_new_object();
	char *command = command_of(out->run);

	json_object_object_add(o, "run", json_object_new_uint64(out->run->number));
	add_text(o, "block", out->run->block->name);
	for (int k = 0; k < KEY_COUNT; k++)
		if (k != KEY_SEED && k != KEY_REPEAT && out->run->value[k])
			add_text(o, key_defs[k].name, out->run->value[k]);
	json_object_object_add(o, "seed", json_object_new_uint64(out->run->seed));
	add_text(o, "end", run_end_words[out->end]);
	json_object_object_add(o, "exit", json_object_new_int(out->code));
	json_object_object_add(o, "as_expected", json_object_new_boolean(out->expected));
	json_object_object_add(o, "seconds", json_object_new_double(out->seconds));
	add_results(o, out);
	add_text(o, "command", command);
	free(command);
	fprintf(r->lines, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	fflush(r->lines);
	json_object_put(o);
}

/* The last lines of what it wrote, indented; only printable characters. */
static void show_tail(const char *dir, const char *name)
{
	char path[PATH_MAX + 16], line[TAIL_LINES][200];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	while (f && fgets(line[n % TAIL_LINES], sizeof(line[0]), f))
		n++;
	for (unsigned i = n > TAIL_LINES ? n - TAIL_LINES : 0; i < n; i++) {
		char *s = line[i % TAIL_LINES];

		s[strcspn(s, "\r\n")] = '\0';
		for (char *c = s; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		printf("    %s: %s\n", name, s);
	}
	if (f)
		fclose(f);
}

void report_told(void *report, const struct outcome *o)
{
	static const char *const shown[] = {FILE_SERIAL, FILE_LOG, FILE_TRACE, FILE_AUDIT};
	struct report *r = report;

	r->ended[o->end]++;
	r->unexpected += !o->expected;
	if (r->lines)
		json_line(r, o);
	if (o->expected)
		return;
	clear_live(r);
	printf("run %" PRIu64 " %s (exit code %d): ", o->run->number, run_end_words[o->end],
	       o->code);
	run_line(o->run, stdout);
	putchar('\n');
	failure_explain(o);
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		show_tail(o->dir, shown[i]);
	fflush(stdout);
	if (r->out)
		failure_keep(r->out, o);
}

void report_end(struct report *r, FILE *out)
{
	uint64_t done = 0;

	clear_live(r);
	for (int e = 0; e < RUN_ENDS; e++) {
		done += r->ended[e];
		if (r->ended[e])
			fprintf(out, "%" PRIu64 " runs %s\n", r->ended[e], run_end_words[e]);
	}
	if (done < r->count)
		fprintf(out, "%" PRIu64 " runs were not begun\n", r->count - done);
	fprintf(out, "seed %" PRIu64 ": %" PRIu64 " passed, %" PRIu64 " failed\n", r->seed,
		done - r->unexpected, r->unexpected);
}
