/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Options as a table: one const row per option gives getopt its array, --help its text and the
 * parser its target. A command owns a table and a target structure; nothing here knows either.
 *
 * Options are spelt --name, and -name as QEMU's are; both may be cut short as far as they stay
 * unique. The last of several equal options wins.
 *
 * Read first: sizes.h. Read next: options.h.
 */
#ifndef UMBRA_OPTTABLE_H
#define UMBRA_OPTTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where one line about a failure goes: "what is wrong; what to do", without a newline. */
struct opt_error {
	char *msg;
	size_t n;
};

struct option_def;

/* Parses arg (NULL for an option without argument) into target. 0, or -1 with the line in e. */
typedef int (*opt_parse_fn)(const struct option_def *d, const char *arg, void *target,
			    struct opt_error *e);

struct option_def {
	const char *name;    /* --name and -name; NULL when there is only the letter */
	char letter;	     /* -letter; 0 when there is none */
	const char *metavar; /* the argument's name; NULL: takes none */
	const char *group; /* heading above this row in --help; NULL: the one before goes on */
	const char *help;  /* what it does, without a full stop */
	const char *alias_of; /* the row that really does it; then only name counts */
	opt_parse_fn parse;
	size_t offset;	  /* of its field in the target */
	const void *rule; /* what the parser needs: see the parsers below */
};

#define OPT_MAX_ROWS 62
#define OPT_END              \
	{                    \
		.name = NULL \
	}

/* Parses argv[1..] into target by a table that OPT_END closes. Arguments that are no option go
 * to operand (NULL: they are refused). Returns 0, or -1 with one line in msg. */
int opt_parse(const struct option_def *table, int argc, char **argv, void *target,
	      int (*operand)(const char *arg, void *target, struct opt_error *e), char *msg,
	      size_t n);

/* The options part of --help: one line or more per row, under their groups' headings. */
void opt_print_help(const struct option_def *table, FILE *out);

/* Writes the line and returns -1, so that a parser can say `return opt_fail(...)`. */
int opt_fail(struct opt_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "--name", or "-l" for a row that has only a letter. buf holds 40 bytes or more. */
const char *opt_spelling(const struct option_def *d, char *buf, size_t n);

/* Parsers, and what their rule and field are. */
struct opt_range {
	uint64_t min, max;
	uint64_t multiple; /* sizes only; 0: any */
	const char *text;  /* the range in words, for the message */
};
struct opt_keyword {
	const char *word; /* NULL closes the list */
	int value;
	bool absent; /* known, but not in this version */
};
int opt_flag(const struct option_def *d, const char *arg, void *target,
	     struct opt_error *e); /* bool; no rule */
int opt_text(const struct option_def *d, const char *arg, void *target,
	     struct opt_error *e); /* const char *; no rule; may be empty */
int opt_file(const struct option_def *d, const char *arg, void *target,
	     struct opt_error *e); /* const char *; no rule; not empty */
int opt_count(const struct option_def *d, const char *arg, void *target,
	      struct opt_error *e); /* unsigned; struct opt_range */
int opt_number(const struct option_def *d, const char *arg, void *target,
	       struct opt_error *e); /* uint64_t; struct opt_range */
int opt_size(const struct option_def *d, const char *arg, void *target,
	     struct opt_error *e); /* uint64_t; struct opt_range */
int opt_keyword(const struct option_def *d, const char *arg, void *target,
		struct opt_error *e); /* int or an enum; list of struct opt_keyword */

#endif
