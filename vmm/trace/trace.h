/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the shadow MMU recorded (shadow/trace.h), as people and programs read it: --trace writes it to a
 * file while the machine runs, the control socket hands it out.
 *
 * A renderer is a row of functions over an open file; which one is chosen by the end of the file's name.
 * The file is written by a thread of its own, which reads the rings some hundred times a second; what was
 * overwritten before it came is counted, in the file and at the end.
 *
 * Read first: shadow/trace.h. Read next: spec.c, record.c, drain.c, blackbox.c.
 */
#ifndef UMBRA_TRACE_H
#define UMBRA_TRACE_H

#include <json-c/json.h>
#include <stdio.h>

#include "shadow/trace.h"

/* ---- spec.c: what was asked for ---- */

/* Events of a list NAME[,NAME...]; a NAME may be a pattern (*, ?, [...]) or "all". 0 and *bad set: it names
 * none. */
uint64_t trace_events(const char *list, size_t len, const char **bad, size_t *bad_len);
/* vcpu=N|others, address=FIRST-LAST, separated by commas; a kind may be given several times, addresses once.
 * 0, or -1 with what is wrong in msg. */
int trace_filter_parse(const char *text, struct sh_trace_filter *f, char *msg, size_t n);

/* ---- record.c: one record ---- */

/* As one line without its end. Returns as snprintf(). */
int trace_text(const struct sh_trace_record *r, char *buf, size_t n);
/* A new object; frames, addresses and entries are hex strings. */
struct json_object *trace_json(const struct sh_trace_record *r);
/* Its fields only. */
struct json_object *trace_arguments(const struct sh_trace_record *r);
/* How long what it is about took; false: it is of a moment. */
bool trace_duration(const struct sh_trace_record *r, uint64_t *ns);

/* ---- write_text.c, write_json.c, write_chrome.c ---- */

struct trace_renderer {
	const char *suffix; /* of the file's name; NULL: any */
	void (*begin)(FILE *f);
	void (*record)(FILE *f, const struct sh_trace_record *r);
	void (*lost)(FILE *f, uint64_t n); /* so many are missing here */
	void (*end)(FILE *f);
};
extern const struct trace_renderer trace_to_text, trace_to_lines, trace_to_chrome;
const struct trace_renderer *trace_renderer_for(const char *path);

/* ---- drain.c ---- */

struct trace_drain;
/* Begins to write to f, which stays the caller's, what mmu records of these events from now on. NULL: no
 * memory or no thread. */
struct trace_drain *trace_drain_start(struct sh_mmu *mmu, uint64_t events, FILE *f,
				      const struct trace_renderer *to);
/* Writes the rest and ends. 0 or what the file said (an errno). *lost: records that are missing. */
int trace_drain_stop(struct trace_drain *d, uint64_t *lost);

/* ---- blackbox.c: rings in a file ---- */

/* A new file, in place of one of that name, with room for the rings of so many vCPUs, and those rings, for sh_trace_memory(). NULL with an
 * errno; ENXIO: it is not a regular file. */
void *blackbox_make(const char *path, unsigned cpus, int *err);
/* The rings of such a file, for sh_trace_left(). NULL with an errno, 0: it is no such file of this build. */
const void *blackbox_open(const char *path, int *err);
void blackbox_close(const void *mem);

#endif
