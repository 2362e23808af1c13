/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What umbractl was asked to do. Strings point into argv.
 *
 * Read first: vmm/opttable.h.
 */
#ifndef UMBRA_CTL_OPTIONS_H
#define UMBRA_CTL_OPTIONS_H

#include "vmm/opttable.h"

#define CTL_MAX_WORDS 16

/* The rows of ctl_option_table, in their order. */
enum ctl_option {
	OPT_SOCKET,
	OPT_JSON,
	OPT_TIMEOUT,
	OPT_VCPU,
	OPT_ROOT,
	OPT_ACCESS,
	OPT_RING,
	OPT_FORMAT,
	OPT_VIEW,
	OPT_RANGE,
	OPT_STOPPED,
	OPT_MEASURE,
	OPT_WATCH,
	OPT_INTERVAL,
	OPT_COUNT,
	OPT_HELP,
	OPT_VERSION
};
#define GIVES(option) (1u << (option))

enum dump_format { DUMP_TEXT, DUMP_PTDUMP, DUMP_QEMU, DUMP_JSON, DUMP_DOT, DUMP_HTML };
/* Bits: which of the machine's views. */
enum ctl_view {
	VIEW_GUEST = 1,
	VIEW_KERNEL = 2,
	VIEW_KERNEL_AC = 4,
	VIEW_USER = 8,
	VIEW_SHADOW = VIEW_KERNEL | VIEW_KERNEL_AC | VIEW_USER,
	VIEW_BOTH = VIEW_GUEST | VIEW_SHADOW
};

struct ctl_options {
	const char *word[CTL_MAX_WORDS]; /* the command and its operands */
	unsigned words;
	uint32_t given;	    /* GIVES() of the options that were */
	const char *socket; /* a name or a path; NULL: the only machine */
	unsigned timeout, interval, count, vcpu, ring;
	const char *access;
	uint64_t root, start, end;
	enum dump_format format;
	enum ctl_view view;
	bool json, stopped, measure, watch, help, version;
};

extern const struct option_def ctl_option_table[];

/* 0, or -1 with one line in msg. */
int ctl_options_parse(int argc, char **argv, struct ctl_options *o, char *msg, size_t n);

#endif
