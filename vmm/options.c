/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of `umbra run`'s options, and the parsers that only it needs. See options.h.
 *
 * Adding an option: a field in struct umbra_options, a row here, a paragraph in docs/umbra.1 (a
 * test compares the two).
 */
#include "vmm/options.h"
#include "vmm/sizes.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define TIB (UINT64_C(1) << 40)

#define HYBRID_MAX 1000000000u

static const struct opt_keyword engine_words[] = {
	{"auto", ENGINE_AUTO, false},
	{"kvm", ENGINE_KVM, false},
	{"hybrid", ENGINE_HYBRID, false},
	{"soft", ENGINE_SOFT, false},
	{NULL, 0, false},
};
static const struct opt_keyword exact_words[] = {
	{"auto", EXACT_AUTO, false},
	{"on", EXACT_ON, false},
	{"off", EXACT_OFF, false},
	{NULL, 0, false},
};
static const struct opt_keyword tlb_words[] = {
	{"plain", TLB_KIND_PLAIN, false},
	{"adversarial", TLB_KIND_ADVERSARIAL, false},
	{NULL, 0, false},
};
static const struct opt_keyword threads_words[] = {
	{"auto", THREADS_AUTO, false},
	{"on", THREADS_ON, false},
	{"off", THREADS_OFF, false},
	{NULL, 0, false},
};
static const struct opt_keyword mmu_words[] = {
	{"shadow", MMU_SHADOW, false},
	{"native", MMU_NATIVE, true},
	{NULL, 0, false},
};
static const struct opt_keyword pt_update_words[] = {
	{"auto", PT_UPDATE_AUTO, false},
	{"direct", PT_UPDATE_DIRECT, false},
	{"gated", PT_UPDATE_GATED, false},
	{NULL, 0, false},
};
static const struct opt_keyword window_debug_words[] = {
	{"on", SWITCH_ON, false},
	{"off", SWITCH_OFF, false},
	{NULL, 0, false},
};
static const struct opt_keyword pagealloc_words[] = {
	{"on", PAGEALLOC_ON, false},
	{"off", PAGEALLOC_OFF, false},
	{"4k", PAGEALLOC_4K, false},
	{NULL, 0, false},
};
static const struct opt_keyword exit_words[] = {
	{"umbra", EXIT_STYLE_UMBRA, false},
	{"raw", EXIT_STYLE_RAW, false},
	{NULL, 0, false},
};

static const struct opt_range memory_range = {MIB, TIB, 4096,
					      "a size from 1M to 1024G, such as 256M"};
static const struct opt_range lowmem_range = {0, TIB, 4096,
					      "0 or a size up to 1024G, such as 896M"};
/* The library works with 16 tables and more. */
static const struct opt_range limit_range = {64 * 1024, TIB, 4096,
					     "a size from 64K to 1024G, such as 64M"};
static const struct opt_range swap_range = {0, TIB, 4096,
					    "0 or a size up to 1024G, such as 16M"};
static const struct opt_range cpus_range = {1, UMBRA_MAX_CPUS, 0, "a number from 1 to 64"};
static const struct opt_range timeout_range = {1, 31536000, 0, "seconds, 1 or more"};
static const struct opt_range seed_range = {0, UINT64_MAX, 0, "a 64-bit number"};

/* Letters, digits and the characters in also; 1 to max of them, the first a letter or digit. */
static bool is_word(const char *s, size_t len, size_t max, const char *also)
{
	if (len < 1 || len > max || !isalnum((unsigned char)s[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(also, s[i]))
			return false;
	return true;
}

static int parse_guest(const struct option_def *d, const char *arg, void *target,
		       struct opt_error *e)
{
	if (!is_word(arg, strlen(arg), UMBRA_NAME_MAX, "_-"))
		return opt_fail(e, "--guest: '%s' is no image's name; see `umbra guests`", arg);
	return opt_text(d, arg, target, e);
}

static int parse_scenario(const struct option_def *d, const char *arg, void *target,
			  struct opt_error *e)
{
	for (const char *s = arg;; s++) {
		size_t len = strcspn(s, ",");

		if (!is_word(s, len, 64, "_-"))
			return opt_fail(e,
					"--scenario: '%s' is not NAME[,NAME...]; see "
					"`umbra guests`",
					arg);
		s += len;
		if (!*s)
			return opt_text(d, arg, target, e);
	}
}

static int parse_name(const struct option_def *d, const char *arg, void *target,
		      struct opt_error *e)
{
	struct umbra_options *o = target;

	(void)d;
	if (!is_word(arg, strlen(arg), UMBRA_NAME_MAX, "._-"))
		return opt_fail(e,
				"--name: '%s' can't name a machine; use up to %d letters, "
				"digits, '.', '_', '-'",
				arg, UMBRA_NAME_MAX);
	snprintf(o->name, sizeof(o->name), "%s", arg);
	return 0;
}

/* unix:PATH[,wait=on|off]. A comma that begins anything else is refused, not taken as part of
 * the path: it may be an option of QEMU's that isn't known here. */
static int parse_qmp(const struct option_def *d, const char *arg, void *target,
		     struct opt_error *e)
{
	struct umbra_options *o = target;
	const char *path = arg + strlen("unix:");
	size_t len;

	(void)d;
	if (strncmp(arg, "unix:", strlen("unix:")))
		return opt_fail(e, "--qmp: '%s' is no UNIX socket; write unix:PATH", arg);
	len = strcspn(path, ",");
	if (!len || len >= sizeof(o->qmp_path))
		return opt_fail(e, "--qmp: the path has %zu bytes; write one of 1 to %zu", len,
				sizeof(o->qmp_path) - 1);
	if (path[len] && strcmp(path + len, ",wait=on") && strcmp(path + len, ",wait=off"))
		return opt_fail(e,
				"--qmp: unknown '%s'; only wait=on or wait=off may follow the "
				"path",
				path + len + 1);
	snprintf(o->qmp_path, sizeof(o->qmp_path), "%.*s", (int)len, path);
	o->qmp_wait = !strcmp(path + len, ",wait=on");
	return 0;
}

/* The place itself is the stub's to read: gdb_place_parse(). */
static int parse_gdb(const struct option_def *d, const char *arg, void *target,
		     struct opt_error *e)
{
	if (strncmp(arg, "tcp:", 4) && strncmp(arg, "unix:", 5))
		return opt_fail(e, "--gdb: no such place '%s'; write tcp::PORT or unix:PATH",
				arg);
	return opt_text(d, arg, target, e);
}

/* QEMU's. */
static int parse_gdb_usual(const struct option_def *d, const char *arg, void *target,
			   struct opt_error *e)
{
	struct umbra_options *o = target;

	(void)d, (void)arg, (void)e;
	o->gdb = "tcp::1234";
	return 0;
}

static int parse_serial(const struct option_def *d, const char *arg, void *target,
			struct opt_error *e)
{
	struct umbra_options *o = target;

	(void)d;
	o->serial_file = NULL;
	if (!strcmp(arg, "stdio"))
		o->serial = SERIAL_STDIO;
	else if (!strcmp(arg, "none"))
		o->serial = SERIAL_NONE;
	else if (!strncmp(arg, "file:", 5) && arg[5]) {
		o->serial = SERIAL_FILE;
		o->serial_file = arg + 5;
	} else
		return opt_fail(e,
				"--serial: no such choice '%s'; write stdio, none or file:PATH",
				arg);
	return 0;
}

/* NAME=on|off; the last word on a NAME counts. */
static int parse_mmu_option(const struct option_def *d, const char *arg, void *target,
			    struct opt_error *e)
{
	struct umbra_options *o = target;
	size_t len = strcspn(arg, "="), i = 0;
	bool on = !strcmp(arg + len, "=on");

	(void)d;
	if (!on && strcmp(arg + len, "=off"))
		return opt_fail(e,
				"--mmu-option: '%s' is not a switch; write NAME=on or NAME=off",
				arg);
	while (o->mmu_names[i] &&
	       (strlen(o->mmu_names[i]) != len || strncmp(o->mmu_names[i], arg, len)))
		i++;
	if (!o->mmu_names[i] || i >= UMBRA_MAX_MMU_OPTIONS)
		return opt_fail(e,
				"--mmu-option: no technique is called '%.*s'; `umbra run "
				"--help` lists them",
				(int)len, arg);
	o->mmu_option[i] = on ? SWITCH_ON : SWITCH_OFF;
	return 0;
}

static int parse_budget(const struct option_def *d, const char *arg, void *target,
			struct opt_error *e)
{
	struct umbra_options *o = target;
	uint64_t n = 0;

	(void)d;
	if (!strcmp(arg, "auto"))
		o->hybrid_budget = HYBRID_AUTO;
	else if (!strcmp(arg, "forever"))
		o->hybrid_budget = HYBRID_FOREVER;
	else if (number_parse(arg, &n) || n > HYBRID_MAX)
		return opt_fail(
			e,
			"--hybrid-budget: no such budget '%s'; write auto, forever or a "
			"number up to %u",
			arg, HYBRID_MAX);
	else
		o->hybrid_budget = (uint32_t)n;
	return 0;
}

/* That there is one matters too. */
static int parse_seed(const struct option_def *d, const char *arg, void *target,
		      struct opt_error *e)
{
	struct umbra_options *o = target;

	o->seed_given = true;
	return opt_number(d, arg, target, e);
}

static int take_kernel(const char *arg, void *target, struct opt_error *e)
{
	struct umbra_options *o = target;

	if (!*arg)
		return opt_fail(e, "the kernel's name is empty; give a file or leave it out");
	if (o->kernel)
		return opt_fail(e,
				"unexpected argument '%s'; give one kernel, here or with "
				"--kernel",
				arg);
	o->kernel = arg;
	return 0;
}

#define FIELD(member) offsetof(struct umbra_options, member)

/* clang-format off */
const struct option_def run_options[] = {
	{.name = "memory", .letter = 'm', .metavar = "SIZE", .group = "Machine",
	 .help = "guest RAM; suffix K, M, G, a bare number is MiB (256M)",
	 .parse = opt_size, .offset = FIELD(memory), .rule = &memory_range},
	{.name = "memory-file", .metavar = "FILE",
	 .help = "file that keeps guest RAM: made if it is missing, else empty or as large as -m says",
	 .parse = opt_file, .offset = FIELD(memory_file)},
	{.name = "swap", .metavar = "SIZE",
	 .help = "blocks of the swap device; 0 for none (16M)",
	 .parse = opt_size, .offset = FIELD(swap), .rule = &swap_range},
	{.name = "cpus", .letter = 'c', .metavar = "N",
	 .help = "virtual CPUs, 1 to 64 (1)",
	 .parse = opt_count, .offset = FIELD(cpus), .rule = &cpus_range},
	{.name = "smp", .alias_of = "cpus"},
	{.name = "name", .metavar = "NAME",
	 .help = "the machine's name, which its control socket carries (umbra-PID)",
	 .parse = parse_name},

	{.name = "kernel", .metavar = "FILE", .group = "What it runs",
	 .help = "an ELF image for multiboot or PVH; the same as KERNEL",
	 .parse = opt_file, .offset = FIELD(kernel)},
	{.name = "guest", .metavar = "NAME",
	 .help = "which of our own images to run when no KERNEL is given (amd64)",
	 .parse = parse_guest, .offset = FIELD(guest)},
	{.name = "scenario", .metavar = "NAME[,NAME]",
	 .help = "what our image runs (all of its scenarios)",
	 .parse = parse_scenario, .offset = FIELD(scenario)},
	{.name = "append", .metavar = "TEXT",
	 .help = "the kernel's command line",
	 .parse = opt_text, .offset = FIELD(append)},
	{.name = "initrd", .metavar = "FILE",
	 .help = "the first module handed to the kernel",
	 .parse = opt_file, .offset = FIELD(initrd)},

	{.name = "cpu", .metavar = "ENGINE", .group = "Engine",
	 .help = "what executes the guest: auto, kvm, hybrid or soft; auto takes the fastest that works here (auto)",
	 .parse = opt_keyword, .offset = FIELD(engine), .rule = engine_words},
	{.name = "exact", .metavar = "auto|on|off",
	 .help = "whether guest-kernel code is interpreted where this host can't run it exactly (auto)",
	 .parse = opt_keyword, .offset = FIELD(exact), .rule = exact_words},

	{.name = "hybrid-budget", .metavar = "auto|N|forever",
	 .help = "hybrid: instructions to interpret after an exit while none of them would exit; auto: from what an exit costs here and what was learned of the guest (auto)",
	 .parse = parse_budget},

	{.name = "tlb", .metavar = "plain|adversarial",
	 .help = "soft: what its translation hardware keeps: little and fast, or all that the manuals allow (plain)",
	 .parse = opt_keyword, .offset = FIELD(tlb), .rule = tlb_words},
	{.name = "soft-threads", .metavar = "auto|on|off",
	 .help = "soft: a thread for each virtual CPU, or all in one thread, in an order and a time that follow from --seed; auto: off with --seed or --tlb adversarial (auto)",
	 .parse = opt_keyword, .offset = FIELD(soft_threads), .rule = threads_words},

	{.name = "mmu", .metavar = "shadow", .group = "Shadow MMU",
	 .help = "who translates the guest's addresses (shadow)",
	 .parse = opt_keyword, .offset = FIELD(mmu), .rule = mmu_words},
	{.name = "mmu-option", .metavar = "NAME=on|off",
	 .help = "switch one technique; may be given several times",
	 .parse = parse_mmu_option},
	{.name = "pt-update", .metavar = "MODE",
	 .help = "who stores into live shadow tables: direct (the monitor), gated (the gate inside the VM), auto probes (auto)",
	 .parse = opt_keyword, .offset = FIELD(pt_update), .rule = pt_update_words},
	{.name = "lowmem", .metavar = "SIZE",
	 .help = "guest RAM that stays mapped in the monitor; 0 is allowed (896M)",
	 .parse = opt_size, .offset = FIELD(lowmem), .rule = &lowmem_range},
	{.name = "window-debug", .metavar = "on|off",
	 .help = "whether a closed window on guest RAM is unmapped at once, with no RAM mapped for good (off)",
	 .parse = opt_keyword, .offset = FIELD(window_debug), .rule = window_debug_words},
	{.name = "pagealloc", .metavar = "on|off|4k",
	 .help = "whether shadow tables that are free are unmapped in the direct map; 4k maps all of it by 4 KiB (off)",
	 .parse = opt_keyword, .offset = FIELD(pagealloc), .rule = pagealloc_words},
	{.name = "shadow-limit", .metavar = "SIZE",
	 .help = "the most memory that shadow tables may take",
	 .parse = opt_size, .offset = FIELD(shadow_limit), .rule = &limit_range},

	{.name = "qmp", .metavar = "unix:PATH[,wait=on]", .group = "Control",
	 .help = "control socket; wait=on starts when a client has connected ($XDG_RUNTIME_DIR/umbra/NAME.sock)",
	 .parse = parse_qmp},
	{.name = "serial", .metavar = "stdio|none|file:PATH",
	 .help = "where the guest's serial line goes (stdio)",
	 .parse = parse_serial},
	{.name = "gdb", .metavar = "tcp::PORT|unix:PATH",
	 .help = "where GDB may connect with `target remote`; tcp::PORT listens on the loopback address only (nowhere)",
	 .parse = parse_gdb, .offset = FIELD(gdb)},
	{.letter = 's',
	 .help = "the same as --gdb tcp::1234",
	 .parse = parse_gdb_usual},
	{.letter = 'S',
	 .help = "start paused, until `cont` on the control socket or a debugger's `continue`",
	 .parse = opt_flag, .offset = FIELD(start_paused)},
	{.name = "timeout", .metavar = "S",
	 .help = "end the run after S seconds, with exit code 124 (no limit)",
	 .parse = opt_count, .offset = FIELD(timeout), .rule = &timeout_range},
	{.name = "seed", .metavar = "N",
	 .help = "what random choices start from (1)",
	 .parse = parse_seed, .offset = FIELD(seed), .rule = &seed_range},

	{.name = "stats-file", .metavar = "FILE", .group = "Results",
	 .help = "write the counters there at the end",
	 .parse = opt_file, .offset = FIELD(stats_file)},
	{.name = "result", .metavar = "FILE",
	 .help = "write the outcome there, as JSON",
	 .parse = opt_file, .offset = FIELD(result)},
	{.name = "trace", .metavar = "EVENTS[:FILE]",
	 .help = "record what the shadow MMU does: names, patterns or all, separated by commas; FILE.jsonl is JSON lines, FILE.json opens in ui.perfetto.dev, any other is text (stderr)",
	 .parse = opt_text, .offset = FIELD(trace)},
	{.name = "trace-filter", .metavar = "FILTER",
	 .help = "record only vcpu=N, vcpu=others, address=FIRST-LAST, separated by commas (everything)",
	 .parse = opt_text, .offset = FIELD(trace_filter)},
	{.name = "exit", .metavar = "umbra|raw",
	 .help = "exit codes: umbra's own, or raw, which passes a value v written to isa-debug-exit through as (v<<1)|1 (umbra)",
	 .parse = opt_keyword, .offset = FIELD(exit_style), .rule = exit_words},

	{.name = "help", .letter = 'h', .group = "Help",
	 .help = "print this and exit",
	 .parse = opt_flag, .offset = FIELD(help)},
	{.name = "version",
	 .help = "print the version and exit",
	 .parse = opt_flag, .offset = FIELD(version)},
	OPT_END,
};
/* clang-format on */

static void defaults(struct umbra_options *o, const char *const *mmu_names)
{
	*o = (struct umbra_options){
		.guest = "amd64",
		.memory = 256 * MIB,
		.swap = 16 * MIB,
		.cpus = 1,
		.lowmem = 896 * MIB,
		.window_debug = SWITCH_OFF,
		.seed = 1,
		.hybrid_budget = HYBRID_AUTO,
		.mmu_names = mmu_names,
	};
	for (size_t i = 0; i < UMBRA_MAX_MMU_OPTIONS; i++)
		o->mmu_option[i] = SWITCH_UNSET;
	snprintf(o->name, sizeof(o->name), "umbra-%ld", (long)getpid());
}

int options_parse(int argc, char **argv, const char *const *mmu_names, struct umbra_options *o,
		  char *msg, size_t n)
{
	defaults(o, mmu_names);
	return opt_parse(run_options, argc, argv, o, take_kernel, msg, n);
}
