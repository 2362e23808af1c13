/* SPDX-License-Identifier: BSD-2-Clause
 *
 * umbra's commands: one table, from which dispatch and help are made, and the exit codes.
 *
 * Read first: opttable.h, options.h. Read next: main.c.
 */
#ifndef UMBRA_COMMANDS_H
#define UMBRA_COMMANDS_H

#include <stdbool.h>

#include "vmm/opttable.h"
#include "vmm/options.h"

enum umbra_exit {
	UMBRA_PASS = 0,	     /* the guest passed; any other command: done */
	UMBRA_FAIL = 1,	     /* the guest failed */
	UMBRA_USAGE = 2,     /* the command line is wrong */
	UMBRA_HOST = 3,	     /* this host can't do it */
	UMBRA_CRASH = 4,     /* the guest crashed: triple fault, audit failure */
	UMBRA_TIMEOUT = 124, /* --timeout ran out */
};

struct umbra_command {
	const char *name;
	const char *operands; /* behind [options] in the usage line; "" for none */
	const char *help;     /* one line, without a full stop */
	const struct option_def *options;
	/* argv[0] is the command's name. Returns the exit code. */
	int (*run)(const struct umbra_command *c, int argc, char **argv);
};

/* Closed by a NULL name. */
extern const struct umbra_command umbra_commands[];

/* Options of the commands other than run. */
struct plain_options {
	bool json, help, version;
};
extern const struct option_def plain_options[];
extern const struct option_def doctor_options[];
extern const struct option_def blackbox_options[];

/* One line "umbra: ..." on stderr; returns code. */
int complain(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether the file that an option named can be written; NULL can. 0 or an exit code. run.c */
int check_output(const char *path, const char *option);

/* Prints help of one command, of umbra as a whole, the version; each returns an exit code. */
int help_command(const struct umbra_command *c);
int help_umbra(void);
int help_version(void);

/* The rows of umbra_commands[]; run and doctor parse here and go on to cmd_run, cmd_doctor. */
int verb_run(const struct umbra_command *c, int argc, char **argv);
int verb_doctor(const struct umbra_command *c, int argc, char **argv);
int verb_guests(const struct umbra_command *c, int argc, char **argv);
int verb_blackbox(const struct umbra_command *c, int argc, char **argv);
int verb_list(const struct umbra_command *c, int argc, char **argv);
int verb_help(const struct umbra_command *c, int argc, char **argv);

/* Parses the options of a command that takes no operand. Returns true if the command should go
 * on; false if *code is already the exit code. */
bool plain_parse(const struct umbra_command *c, int argc, char **argv, struct plain_options *o,
		 int *code);

/* The techniques that --mmu-option may switch, closed by NULL; run.c gives them. */
extern const char *const umbra_mmu_names[];

/* Runs a machine; o->kernel is never NULL. Returns the exit code (enum umbra_exit, or with
 * EXIT_STYLE_RAW what the guest wrote). Prints its own complaints. run.c */
int cmd_run(const struct umbra_options *o);
/* Says what this host's KVM is and can do, as text or as one JSON object. doctor.c */
int cmd_doctor(bool json);

#endif
