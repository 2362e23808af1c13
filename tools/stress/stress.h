/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra-stress: many runs of umbra from a small script.
 *
 * Five parts, each of which knows only the types below:
 *   script.c   text to blocks; says line, column and what was expected
 *   check.c    whether guests, scenarios and techniques of that name exist
 *   plan.c     a block and a number to one run: lists multiply, in the order of the table in key.c
 *   runner.c   runs to outcomes: starts umbra, so many at a time, and waits
 *   report.c   outcomes to a progress line, JSON lines, and what is told of a failure
 *   failure.c  what a failure leaves: the files of its run, made readable and kept
 * They meet in main.c. Nothing is left behind: common/keeper.h.
 *
 * A script:
 *
 *     # one block; further ones begin with [name] and inherit nothing
 *     guest    = amd64
 *     engine   = kvm, soft
 *     cpus     = 1, 2, 4
 *     scenario = fork-storm, mmap-munmap+mremap     # + : in one boot
 *     mmu      = default, unsync=off+large=off
 *     seed     = 1..10, random:2
 *     timeout  = 60
 *
 * Read first: nothing. Read next: key.c, script.c, plan.c.
 */
#ifndef UMBRA_STRESS_H
#define UMBRA_STRESS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STRESS_NAME	32
#define STRESS_MAX_RUNS 10000000u
#define STRESS_MAX_ARGV 64

/* ---- the words of a script ---- */
enum key {
	KEY_GUEST,
	KEY_ENGINE,
	KEY_TLB,
	KEY_CPUS,
	KEY_MEMORY,
	KEY_LOWMEM,
	KEY_LIMIT,
	KEY_MMU,
	KEY_SCENARIO,
	KEY_APPEND,
	KEY_SEED,
	KEY_REPEAT,
	KEY_TIMEOUT,
	KEY_EXPECT,
	KEY_TRACE,
	KEY_COUNT
};
struct key_def {
	const char *name;
	const char *option; /* of umbra run; NULL: key_args() knows */
	const char *usual;  /* the value where a block has none; NULL: the option is left out */
	const char *expected; /* of a value, in words */
	bool (*valid)(const char *value);
	bool single; /* no list */
};
extern const struct key_def key_defs[KEY_COUNT];

/* ---- script.c ---- */
struct value {
	char *text;
	unsigned line, column;
};
struct value_list {
	struct value *v;
	unsigned n;
};
struct block {
	const char *path;	    /* the caller's */
	char name[STRESS_NAME + 1]; /* "" for the one that begins without a name */
	struct value_list key[KEY_COUNT];
	struct block *next;
};
/* Reads a script. NULL with one line "FILE:LINE:COLUMN: ..." in msg. To be freed by script_free(). */
struct block *script_read(const char *path, char *msg, size_t n);
void script_free(struct block *b);

/* ---- check.c ---- */
/* 0, or -1 with one line "FILE:LINE:COLUMN: ..." in msg. Asks umbra itself what it knows. */
int script_check(const struct block *b, char *msg, size_t n);

/* ---- plan.c ---- */
struct run {
	const struct block *block;
	uint64_t number;	      /* within the campaign, from 0 */
	const char *value[KEY_COUNT]; /* NULL: left to umbra; of KEY_SEED: see seed */
	uint64_t seed;
};
struct plan {
	const struct block *blocks;
	uint64_t seed;		/* random seeds come from it */
	unsigned shard, shards; /* this part of so many, from 0 */
};
/* Runs of all blocks together; more than STRESS_MAX_RUNS: 0. */
uint64_t plan_count(const struct plan *p);
/* Run number i of them: the same for the same plan, whatever ran before. */
void plan_run(const struct plan *p, uint64_t i, struct run *r);
/* Whether run number i is this part's. */
bool plan_mine(const struct plan *p, uint64_t i);
/* The command that is this run, without what only concerns the campaign's files. Returns the number of
 * words; they lie in buf or are the script's. */
struct run_words {
	const char *argv[STRESS_MAX_ARGV];
	unsigned argc;
	char buf[4096];
	size_t used;
};
void run_words(const struct run *r, const char *program, struct run_words *w);
/* The same as one line that a shell takes. */
void run_line(const struct run *r, FILE *out);

/* ---- runner.c ---- */
/* What may lie in a run's folder. */
#define FILE_SERIAL   "serial"	 /* standard output */
#define FILE_LOG      "log"	 /* standard error */
#define FILE_RESULT   "result"	 /* --result, JSON */
#define FILE_BLACKBOX "blackbox" /* --blackbox */
#define FILE_TRACE    "trace"	 /* failure.c: its newest records, as text */
#define FILE_AUDIT    "audit"	 /* failure.c: what the audit said, in words */
enum run_end {
	RUN_PASSED,
	RUN_FAILED,
	RUN_CRASHED,
	RUN_TIMEOUT,
	RUN_HOST,
	RUN_KILLED,
	RUN_ENDS
};
extern const char *const run_end_words[RUN_ENDS];
struct outcome {
	const struct run *run;
	enum run_end end;
	int code; /* its exit code; negative: the signal that ended it */
	double seconds;
	bool expected;
	/* Files, until the outcome has been told: FILE_SERIAL and so on, those that it came to write. */
	char dir[PATH_MAX];
};
struct runner {
	const struct plan *plan;
	uint64_t count;
	unsigned jobs;
	double until;	 /* by tool_clock(): no run begins later; 0: none */
	const char *dir; /* for temporary folders */
	void (*told)(void *arg, const struct outcome *o);
	void (*tick)(void *arg, unsigned running);
	void *arg;
};
/* Runs them all, or until a signal asks to stop. 0, or -errno if a child can't be started. */
int runner_go(struct runner *r);

/* ---- failure.c ---- */
/* FILE_TRACE and FILE_AUDIT of a run that did not end well, beside its other files. */
void failure_explain(const struct outcome *o);
/* Copies of all of them but the black box, and the line that reproduces it, to out/run-NUMBER. */
void failure_keep(const char *out, const struct outcome *o);

/* ---- report.c ---- */
struct report {
	FILE *lines;	 /* JSON, one object a run; NULL: none */
	const char *out; /* the folder of results; NULL: none */
	uint64_t count, seed;
	uint64_t ended[RUN_ENDS], unexpected;
	double start;
	bool live; /* standard error is a screen */
};
void report_told(void *report, const struct outcome *o);
void report_tick(void *report, unsigned running);
/* The last line: "N passed, N failed". */
void report_end(struct report *r, FILE *out);

#endif
