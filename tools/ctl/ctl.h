/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbractl: a machine's control socket for people.
 *
 *   options.c    the command line
 *   find.c       which socket
 *   qmp.c        one connection, to a server that isn't trusted
 *   commands.c   the table of commands, and those that only ask and show
 *   fields.c     reading replies, which may be anything
 *   show.c       any reply as text: tables and lists
 *   walk.c       walk and explain
 *   pages.c      replies that come piece by piece
 *   dump.c       dump and diff; dump_print.c its lines, dot.c its graph
 *   collect.c    the trace and the tables, which take many calls
 *   stats.c      stats, and other things that go on
 *   report.c     all about a machine in one model, for picture.h
 *   shell.c      lines that are commands
 *
 * A command gets a connected struct ctl and returns an exit code. Whatever it prints of a reply goes
 * through say(), which lets no control character through to a terminal.
 *
 * Read first: options.h, qmp.h. Locks: none; one thread.
 */
#ifndef UMBRA_CTL_CTL_H
#define UMBRA_CTL_CTL_H

#include "tools/ctl/options.h"
#include "tools/ctl/qmp.h"

/* Exit codes. FAIL: the machine refused, or what was looked for is wrong; HOST: no machine, or it has
 * gone. */
enum { CTL_PASS, CTL_FAIL, CTL_USAGE, CTL_HOST };

struct ctl {
	const struct ctl_options *o; /* of the command that runs */
	struct qmp q;
	char path[256];
	const char *raw; /* in the shell: the line behind its first word */
	bool shell;
};

struct ctl_command {
	const char *name;
	const char *operands; /* as --help shows them; "" for none */
	const char *help;
	unsigned min, max; /* operands */
	uint32_t options;  /* those that mean something to it, by GIVES() */
	int (*run)(struct ctl *c);
	const char *qmp; /* for those that only ask and show: what */
};

/* ---- main.c ---- */
/* One line on standard error; returns code. */
int complain(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints to standard output; control characters other than the newline become dots. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Runs a command line on a connected machine: what was parsed into c->o. */
int ctl_run(struct ctl *c);
const char *operand(const struct ctl *c, unsigned i); /* NULL if there are not so many */

/* ---- find.c ---- */
/* The path of the socket that text, a name or a path, means; of the only machine if it is NULL. Exit
 * code; what is wrong has been said. */
int find_machine(const char *text, char *path, size_t n);

/* ---- commands.c ---- */
extern const struct ctl_command ctl_commands[];
const struct ctl_command *command_named(const char *name);
/* Calls the server. CTL_PASS with *ret to be put, or the exit code; what is wrong has been said. */
int ask(struct ctl *c, const char *command, struct json_object *args, struct json_object **ret);
/* The same, but an error of one of these classes is no error: *ret is NULL. */
int ask_maybe(struct ctl *c, const char *command, struct json_object *args,
	      struct json_object **ret);
/* An object of arguments with vcpu or root if they were given. */
struct json_object *args_new(const struct ctl *c);
void args_hex(struct json_object *args, const char *name, uint64_t value);
/* Prints it as --json wants it, or by show(). Puts it. */
int print_reply(struct ctl *c, struct json_object *o);
void print_json(struct json_object *o);

/* ---- fields.c: of any JSON value o; what is missing or of another type reads as nothing ---- */
const char *f_str(struct json_object *o, const char *key);
uint64_t f_hex(struct json_object *o, const char *key);
int64_t f_int(struct json_object *o, const char *key);
bool f_bool(struct json_object *o, const char *key);
bool f_has(struct json_object *o, const char *key);
struct json_object *f_object(struct json_object *o, const char *key);
struct json_object *f_array(struct json_object *o, const char *key); /* NULL: none */
size_t f_length(struct json_object *array);
/* "4 KiB", "2 MiB". buf holds 32 bytes. */
const char *size_text(uint64_t bytes, char *buf);
/* Whether the reply's look was torn, as a line for people. */
void say_consistent(struct json_object *reply);

/* ---- show.c ---- */
/* Objects as lines "name  value", arrays of objects as tables. */
void show(struct json_object *o, int indent);
/* A table of cells whose texts wrap, headings first, each column at most width characters. */
#define GRID_COLUMNS 5
struct grid_row {
	char cell[GRID_COLUMNS][512];
};
void grid_print(const struct grid_row *rows, unsigned n, unsigned columns, unsigned first,
		unsigned width);

/* ---- pages.c ---- */
/* Called for each element of a reply's list. Exit code; other than CTL_PASS ends it. */
typedef int (*page_fn)(void *arg, struct json_object *element);
struct pages {
	const char *command, *list; /* the member that comes piece by piece */
	const char *view;
	bool merge;
	page_fn each;
	void *arg;
	/* Of the pages that came: */
	struct json_object *first;  /* the first reply, to be put */
	struct json_object *counts; /* sums of the member counts, to be put; or NULL */
	bool absent;		    /* the machine has no such view now */
	bool torn;		    /* not all consistent, or of several generations */
};
int pages_go(struct ctl *c, struct pages *p);
void pages_put(struct pages *p);
/* All elements in an array, to be put. At most PAGES_MAX. */
#define PAGES_MAX 1000000u
int pages_collect(struct ctl *c, struct pages *p, struct json_object **all);

/* ---- collect.c ---- */
/* Calls each for the trace's records behind number *since, which moves on. A machine without a trace has
 * none. */
#define TRACE_MAX 200000u
int trace_records(struct ctl *c, uint64_t *since, page_fn each, void *arg);
/* As picture.h wants them, appended to an array. */
int collect_trace(struct ctl *c, struct json_object *into);
#define TABLES_MAX 4096u
int collect_tables(struct ctl *c, struct json_object *roots, struct json_object *into);

/* ---- dump_print.c ---- */
struct dump_out {
	enum dump_format format;
	const char *view;
	const char *table_format; /* "4-level", ... */
	uint64_t next; /* where the last region ended; at first: where the dump begins */
	uint64_t last; /* where it ends */
	bool any;
	uint64_t wx, wx_bytes, bytes, lines;
};
void dump_begin(struct dump_out *d, bool heading);
void dump_region(struct dump_out *d, struct json_object *r);
void dump_end(struct dump_out *d);

/* ---- commands of the other files ---- */
int cmd_walk(struct ctl *c);
int cmd_explain(struct ctl *c);
int cmd_dump(struct ctl *c);
int cmd_diff(struct ctl *c);
int dump_dot(struct ctl *c);
int cmd_stats(struct ctl *c);
int cmd_trace(struct ctl *c);
int cmd_report(struct ctl *c);
int report_to(struct ctl *c, FILE *out, unsigned views);
int cmd_shell(struct ctl *c);
/* The views of a mask, one after the other: bit is set to each in turn. */
const char *view_name(unsigned bit);
#define FOR_EACH_VIEW(bit, mask)                            \
	for (unsigned bit = 1; bit <= VIEW_USER; bit <<= 1) \
		if ((mask) & (bit))

#endif
