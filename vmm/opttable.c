/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Options as a table: turning rows into getopt's array and into --help. See opttable.h.
 *
 * A long option's value for getopt is LONG_BASE plus its row, a letter's is the letter itself,
 * so every answer of getopt leads back to one row.
 */
#include "vmm/opttable.h"

#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#define LONG_BASE   256
#define HELP_COLUMN 30
#define HELP_WIDTH  80

struct getopt_view {
	struct option longs[OPT_MAX_ROWS + 1];
	char letters[2 * OPT_MAX_ROWS + 2];
};

int opt_fail(struct opt_error *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->msg, e->n, fmt, ap);
	va_end(ap);
	return -1;
}

const char *opt_spelling(const struct option_def *d, char *buf, size_t n)
{
	if (d->name)
		snprintf(buf, n, "--%s", d->name);
	else
		snprintf(buf, n, "-%c", d->letter);
	return buf;
}

static bool row_end(const struct option_def *d)
{
	return !d->name && !d->letter;
}

static const struct option_def *row_named(const struct option_def *table, const char *name)
{
	for (const struct option_def *d = table; !row_end(d); d++)
		if (d->name && !strcmp(d->name, name))
			return d;
	return NULL;
}

/* The row behind an alias; any other row is itself. */
static const struct option_def *row_real(const struct option_def *table,
					 const struct option_def *d)
{
	return d->alias_of ? row_named(table, d->alias_of) : d;
}

static const struct option_def *row_of(const struct option_def *table, int value)
{
	if (value >= LONG_BASE)
		return row_real(table, &table[value - LONG_BASE]);
	for (const struct option_def *d = table; !row_end(d); d++)
		if (d->letter == value)
			return d;
	return NULL;
}

/* Letters start with ':' so that getopt tells a missing argument from an unknown option. */
static void view_build(const struct option_def *table, struct getopt_view *v)
{
	size_t longs = 0, letters = 0;

	memset(v, 0, sizeof(*v));
	v->letters[letters++] = ':';
	for (int i = 0; !row_end(&table[i]) && i < OPT_MAX_ROWS; i++) {
		const struct option_def *d = row_real(table, &table[i]);

		if (table[i].name)
			v->longs[longs++] = (struct option){
				.name = table[i].name,
				.has_arg = d->metavar ? required_argument : no_argument,
				.val = LONG_BASE + i,
			};
		if (!table[i].letter)
			continue;
		v->letters[letters++] = table[i].letter;
		if (d->metavar)
			v->letters[letters++] = ':';
	}
}

/* Whether text, an option that getopt refused, is the beginning of more than one. */
static bool is_ambiguous(const struct option_def *table, const char *text)
{
	const char *word = text + strspn(text, "-");
	size_t len = strcspn(word, "="), hits = 0;

	for (const struct option_def *d = table; !row_end(d); d++)
		if (d->name && !strncmp(d->name, word, len))
			hits++;
	return len > 1 && hits > 1;
}

static int refuse_unknown(const struct option_def *table, char **argv, struct opt_error *e)
{
	const char *text = argv[optind - 1];
	char spelling[40];

	if (optopt >= LONG_BASE)
		return opt_fail(
			e, "%s takes no argument; leave out what is behind the '='",
			opt_spelling(row_of(table, optopt), spelling, sizeof(spelling)));
	if (optopt)
		return opt_fail(e, "unknown option '-%c'; --help lists the options", optopt);
	if (is_ambiguous(table, text))
		return opt_fail(e, "ambiguous option '%s'; write it out as --help shows it",
				text);
	return opt_fail(e, "unknown option '%s'; --help lists the options", text);
}

static int take(const struct option_def *table, int value, char **argv, void *target,
		struct opt_error *e)
{
	const struct option_def *d;
	char spelling[40];

	if (value == '?')
		return refuse_unknown(table, argv, e);
	d = row_of(table, value == ':' ? optopt : value);
	if (value == ':')
		return opt_fail(e, "%s needs an argument; write %s %s", argv[optind - 1],
				opt_spelling(d, spelling, sizeof(spelling)), d->metavar);
	return d->parse(d, optarg, target, e);
}

int opt_parse(const struct option_def *table, int argc, char **argv, void *target,
	      int (*operand)(const char *arg, void *target, struct opt_error *e), char *msg,
	      size_t n)
{
	struct opt_error e = {.msg = msg, .n = n};
	struct getopt_view v;
	int value;

	view_build(table, &v);
	opterr = 0;
	optind = 0; /* glibc: start afresh, whatever was parsed before */
	while ((value = getopt_long_only(argc, argv, v.letters, v.longs, NULL)) != -1)
		if (take(table, value, argv, target, &e))
			return -1;
	for (int i = optind; i < argc; i++) {
		if (!operand)
			return opt_fail(&e, "unexpected argument '%s'; this command takes none",
					argv[i]);
		if (operand(argv[i], target, &e))
			return -1;
	}
	return 0;
}

/* Prints text from column HELP_COLUMN on, broken between words at HELP_WIDTH. */
static void print_wrapped(FILE *out, const char *text, int column)
{
	const int room = HELP_WIDTH - HELP_COLUMN;

	if (column >= HELP_COLUMN - 1) {
		fputc('\n', out);
		column = 0;
	}
	for (size_t len; *text; text += len + strspn(text + len, " "), column = 0) {
		len = strlen(text);
		if (len > (size_t)room)
			for (len = (size_t)room; len > 1 && text[len] != ' ';)
				len--;
		fprintf(out, "%*s%.*s\n", HELP_COLUMN - column, "", (int)len, text);
	}
}

static void print_row(const struct option_def *table, const struct option_def *d, FILE *out)
{
	int column = d->letter && d->name ? fprintf(out, "  -%c, ", d->letter)
					  : fprintf(out, d->letter ? "  " : "      ");
	char spelling[40];

	column += fprintf(out, "%s", opt_spelling(d, spelling, sizeof(spelling)));
	for (const struct option_def *a = table; d->name && !row_end(a); a++)
		if (a->alias_of && !strcmp(a->alias_of, d->name))
			column += fprintf(out, ", -%s", a->name);
	if (d->metavar)
		column += fprintf(out, " %s", d->metavar);
	print_wrapped(out, d->help, column);
}

void opt_print_help(const struct option_def *table, FILE *out)
{
	for (const struct option_def *d = table; !row_end(d); d++) {
		if (d->group)
			fprintf(out, "\n%s:\n", d->group);
		if (!d->alias_of)
			print_row(table, d, out);
	}
}
