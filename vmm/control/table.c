/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of commands: a row per command, the only place that knows its name, its arguments
 * and what it returns. Dispatch, the check of arguments, query-commands, query-qmp-schema and the
 * manual page umbra-qmp(7) are made from it, and the tests hold replies against it.
 *
 * To add a command: a row here, a function in a file of its own, a paragraph in docs/qmp.md.
 *
 * Read after: type.c. Read next: commands.c.
 */
#include <string.h>

#include "vmm/control/internal.h"

#define NOT_FOUND  (1u << CTL_DEVICE_NOT_FOUND)
#define NOT_ACTIVE (1u << CTL_DEVICE_NOT_ACTIVE)
#define LOOK	   (NOT_FOUND | NOT_ACTIVE)

const struct ctl_named ctl_types[] = {
	{"Role", "{level: int, format: str, view: <kernel|user>, direct: bool, write: bool, "
		 "user: bool, execute: bool, nxe: bool, wp: bool, smep: bool, smap: bool}"},
	{"GuestWalk",
	 "{cr3: hex, format: str, levels: [{level: int, gpa: hex, entry: hex, flags: str, "
	 "access: str}], result: <mapped|fault|not-canonical>, gpa?: hex, page-size?: int, "
	 "access?: str, error-code?: int}"},
	{"ShadowWalk",
	 "{root?: hex, levels: [{level: int, table: hex, gfn: hex, entry: hex, flags: str, "
	 "role: @Role}], mfn?: hex}"},
	{"Verdict", "<empty|same|lazy|tracked|held|unsync|wrong>"},
	{"StatsTarget", "<vm|vcpu>"},
	{"TraceRecord", "{seq: int, ns: int, vcpu?: int, rip?: hex, event: str, level?: int, "
			"why?: str, arguments: any, text: str}"},
	{.name = NULL},
};

/* clang-format off */
#define ARG_VCPU {"vcpu", "index", true, "whose registers to start from; 0 by default"}
#define ARG_ROOT {"root", "hex", true, "the frame of a live root, instead of a vCPU"}
#define ARG_START {"start", "hex", true, "first address; 0 by default"}
#define ARG_END {"end", "hex", true, "last address; the highest by default"}
#define ARG_VIEW(def) {"view", "<guest|kernel|kernel-ac|user>", true, \
		       "whose tables: the guest's own, or a shadow tree's; " def " by default"}
/* clang-format on */

const struct ctl_command ctl_commands[] = {
	{.name = "qmp_capabilities",
	 .run = ctl_run_capabilities,
	 .flags = CTL_CMD_UNNEGOTIATED | CTL_CMD_ENDED,
	 .help = "end negotiation mode",
	 .type = "{}",
	 .returns = "nothing",
	 .errors = 1u << CTL_COMMAND_NOT_FOUND,
	 .args = {{"enable", "[<oob>]", true, "capabilities to switch on"}}},
	{.name = "query-version",
	 .run = ctl_run_version,
	 .flags = CTL_CMD_OOB | CTL_CMD_ENDED,
	 .help = "version of the monitor",
	 .type = "{qemu: {major: int, minor: int, micro: int}, package: str}",
	 .returns = "Umbra's version, under the member name that clients look for"},
	{.name = "query-commands",
	 .run = ctl_run_commands,
	 .flags = CTL_CMD_OOB | CTL_CMD_ENDED,
	 .help = "names of all commands",
	 .type = "[{name: str}]",
	 .returns = "the names"},
	{.name = "query-qmp-schema",
	 .run = ctl_run_schema,
	 .flags = CTL_CMD_ENDED,
	 .help = "all commands, events and their types, in the form of QEMU's schema",
	 .type = "[{name: str, meta-type: <builtin|enum|array|object|alternate|command|event>, "
		 "json-type?: str, element-type?: str, members?: any, values?: [str], "
		 "arg-type?: str, ret-type?: str, allow-oob?: bool}]",
	 .returns = "the schema; names of types mean nothing and change"},
	{.name = "query-status",
	 .run = ctl_run_status,
	 .flags = CTL_CMD_OOB | CTL_CMD_ENDED,
	 .help = "run state of the machine",
	 .type = "{running: bool, singlestep: bool, "
		 "status: <running|paused|prelaunch|shutdown|internal-error>}",
	 .returns = "the state; singlestep is always false"},
	{.name = "query-name",
	 .run = ctl_run_name,
	 .flags = CTL_CMD_OOB | CTL_CMD_ENDED,
	 .help = "name of the machine",
	 .type = "{name?: str}",
	 .returns = "the name"},
	{.name = "query-kvm",
	 .run = ctl_run_kvm,
	 .flags = CTL_CMD_ENDED,
	 .help = "whether KVM executes guest code",
	 .type = "{enabled: bool, present: bool}",
	 .returns = "whether it does, and whether the host has a /dev/kvm that can be opened"},
	{.name = "query-target",
	 .run = ctl_run_target,
	 .flags = CTL_CMD_ENDED,
	 .help = "architecture of the guest",
	 .type = "{arch: str}",
	 .returns = "x86_64"},
	{.name = "query-cpus-fast",
	 .run = ctl_run_cpus_fast,
	 .help = "the vCPUs",
	 .type = "[{cpu-index: int, qom-path: str, thread-id: int, target: str}]",
	 .returns = "an object for each vCPU; with --soft-threads off they share a thread"},
	{.name = "query-stats",
	 .run = ctl_run_stats,
	 .help = "counters, as QEMU gives them",
	 .type = "[{provider: <umbra>, qom-path?: str, stats: [{name: str, value: int}]}]",
	 .returns = "the counters of the machine, or of each vCPU",
	 .errors = LOOK,
	 .args = {{"target", "@StatsTarget", false, "of the machine, or of each vCPU"},
		  {"vcpus", "[str]", true, "paths of the vCPUs that are wanted"},
		  {"providers", "[{provider: <umbra>, names?: [str]}]", true,
		   "counters that are wanted"}}},
	{.name = "query-stats-schemas",
	 .run = ctl_run_stats_schemas,
	 .flags = CTL_CMD_ENDED,
	 .help = "what query-stats has",
	 .type = "[{provider: <umbra>, target: @StatsTarget, stats: [{name: str, "
		 "type: <cumulative|instant>, exponent: int}]}]",
	 .returns = "names and kinds of the counters",
	 .args = {{"provider", "<umbra>", true, "who counts"}}},
	{.name = "stop",
	 .run = ctl_run_stop,
	 .help = "stop every vCPU",
	 .type = "{}",
	 .returns = "nothing, once they have stopped"},
	{.name = "cont",
	 .run = ctl_run_cont,
	 .help = "let the vCPUs run",
	 .type = "{}",
	 .returns = "nothing"},
	{.name = "system_reset",
	 .run = ctl_run_reset,
	 .help = "reset the machine: its image is loaded again and starts anew",
	 .type = "{}",
	 .returns = "nothing, once it is reset; a machine that was stopped stays so"},
	{.name = "quit",
	 .run = ctl_run_quit,
	 .flags = CTL_CMD_ENDED,
	 .help = "end the machine",
	 .type = "{}",
	 .returns = "nothing; then the monitor ends with exit code 0"},
	{.name = "human-monitor-command",
	 .run = ctl_run_monitor,
	 .help = "a command of QEMU's human monitor: info tlb, info mem, info registers, x, "
		 "xp, "
		 "gva2gpa, help",
	 .type = "str",
	 .returns = "what QEMU prints, lines ended by CR LF",
	 .errors = LOOK,
	 .args = {{"command-line", "str", false, "the command"},
		  {"cpu-index", "index", true, "which vCPU it is about; 0 by default"}}},
	{.name = "memsave",
	 .run = ctl_run_memsave,
	 .help = "write guest memory to a file, by guest virtual address",
	 .type = "{}",
	 .returns = "nothing, once it is written",
	 .errors = LOOK,
	 .args = {{"val", "address", false, "guest virtual address"},
		  {"size", "size", false, "how many bytes"},
		  {"filename", "str", false, "a regular file, made or overwritten"},
		  {"cpu-index", "index", true, "whose address; 0 by default"}}},
	{.name = "pmemsave",
	 .run = ctl_run_pmemsave,
	 .help = "write guest memory to a file, by guest physical address",
	 .type = "{}",
	 .returns = "nothing, once it is written",
	 .errors = NOT_ACTIVE,
	 .args = {{"val", "address", false, "guest physical address"},
		  {"size", "size", false, "how many bytes"},
		  {"filename", "str", false, "a regular file, made or overwritten"}}},
	{.name = "query-shadow-roots",
	 .run = ctl_run_shadow_roots,
	 .help = "the live shadow roots",
	 .type = "{roots: [{gfn: hex, mfn: hex, pins: int, role: @Role, vcpus: [int]}], "
		 "generation: int, consistent: bool}",
	 .returns =
		 "each top-level table: the guest table it shadows, its own frame, how often "
		 "it is in use, and which vCPUs' CR3 name it",
	 .errors = NOT_ACTIVE},
	{.name = "query-shadow-page",
	 .run = ctl_run_shadow_page,
	 .help = "shadow tables of a guest frame, or one shadow table with its entries",
	 .type = "{pages: [{table: hex, gfn: hex, role: @Role, pins: int, present: int, "
		 "parents: <none|one|several>, tracked: bool, unsync: bool, copy: bool, "
		 "flood: int}], entries?: [{index: int, entry: hex, flags: str, guest: hex, "
		 "verdict: @Verdict}], next?: int, generation: int, consistent: bool}",
	 .returns = "the tables; with table also those entries of it that are not zero, on "
		    "either side",
	 .errors = LOOK,
	 .args = {{"table", "hex", true, "frame of a shadow table"},
		  {"gfn", "hex", true, "guest frame that holds a page table"},
		  {"first", "index", true, "first entry; 0 by default"},
		  {"max", "index", true, "most entries; 512 by default"}}},
	{.name = "shadow-walk",
	 .run = ctl_run_shadow_walk,
	 .help = "guest path, shadow paths and frame of an address, level by level",
	 .type = "{gva: hex, guest: @GuestWalk, kernel: @ShadowWalk, user: @ShadowWalk, "
		 "kernel-ac?: @ShadowWalk, frame?: {gfn: hex, mfn?: hex, ram: bool, "
		 "tracked: bool, unsync: bool}, generation: int, consistent: bool}",
	 .returns = "all paths, top level first; without a root a path has no levels",
	 .errors = LOOK,
	 .args = {{"gva", "hex", false, "guest virtual address"}, ARG_VCPU, ARG_ROOT}},
	{.name = "shadow-explain",
	 .run = ctl_run_shadow_explain,
	 .help = "what an access would do now, and why",
	 .type = "{gva: hex, access: <read|write|fetch>, ring: int, "
		 "outcome: <hit|stale-hit|hidden-fault|true-fault|not-canonical|tracked-write|"
		 "emulate|gate|no-ram>, text: str, error-code?: int, view: str, "
		 "guest: @GuestWalk, shadow: @ShadowWalk, "
		 "reasons: [{side: <guest|shadow>, level: int, bit: str, entry: hex, text: "
		 "str}], "
		 "sets: [{level: int, bit: <A|D>}], generation: int, consistent: bool}",
	 .returns = "the outcome, and each bit of each level that makes it so",
	 .errors = LOOK,
	 .args = {{"gva", "hex", false, "guest virtual address"},
		  {"access", "<read|write|fetch>", true, "read by default"},
		  {"ring", "index", true, "0 to 3; the least privileged by default"},
		  {"ac", "bool", true, "EFLAGS.AC, for SMAP; false by default"},
		  ARG_VCPU}},
	{.name = "shadow-blame",
	 .run = ctl_run_shadow_blame,
	 .help = "who made the entries behind an address what they are, from the trace",
	 .type = "{gva: hex, entries: [{side: <guest|kernel|kernel-ac|user>, level: int, "
		 "gpa?: hex, slot?: hex, entry: hex, flags: str, text: str, "
		 "unsync?: bool, by?: @TraceRecord}], history: [@TraceRecord], left-out: int, "
		 "lost: int, "
		 "not-recorded: [str], generation: int, consistent: bool}",
	 .returns = "each entry of the guest's path and of the shadow paths as it is now, with "
		    "the record that made it so, and all records about them, oldest first. "
		    "not-recorded: events that would be needed and are off",
	 .errors = LOOK,
	 .args = {{"gva", "hex", false, "guest virtual address"},
		  ARG_VCPU,
		  ARG_ROOT,
		  {"max", "index", true, "most records of the history; 256 by default"}}},
	{.name = "shadow-dump",
	 .run = ctl_run_shadow_dump,
	 .help = "what an address space maps, in order of address",
	 .type = "{view: str, format: str, regions: [{gva: hex, size: int, gpa?: hex, "
		 "page-size: int, level: int, entry: hex, flags: str, access: str}], "
		 "next?: hex, generation: int, consistent: bool}",
	 .returns = "one region for each leaf, or for each run of equal ones; next is where to "
		    "go on if there is more",
	 .errors = LOOK,
	 .args = {ARG_VIEW("guest"),
		  ARG_VCPU,
		  ARG_ROOT,
		  ARG_START,
		  ARG_END,
		  {"max", "index", true, "most regions, up to 4096; 1024 by default"},
		  {"merge", "bool", true, "runs instead of leaves; false by default"}}},
	{.name = "shadow-diff",
	 .run = ctl_run_shadow_diff,
	 .help = "where guest and shadow differ, and whether that is as it should be",
	 .type = "{view: str, differences: [{gva: hex, size: int, level: int, "
		 "kind: @Verdict, guest: hex, shadow: hex, text: str}], "
		 "counts: {same: int, lazy: int, tracked: int, held: int, unsync: int, "
		 "wrong: int}, next?: hex, generation: int, consistent: bool}",
	 .returns = "runs of pages that differ in the same way; counts are of 4-KByte pages",
	 .errors = LOOK,
	 .args = {{"view", "<kernel|kernel-ac|user>", true, "kernel by default"},
		  ARG_VCPU,
		  ARG_ROOT,
		  ARG_START,
		  ARG_END,
		  {"max", "index", true, "most differences, up to 4096; 1024 by default"}}},
	{.name = "shadow-audit",
	 .run = ctl_run_shadow_audit,
	 .help = "check the shadow tables against the guest's",
	 .type = "{violations: int, report: str, mode: <live|stopped>, tables?: int, "
		 "entries?: int, unsync?: int, unsettled?: int, wx-frames?: int, "
		 "wx-alias-frames?: int, generation: int, "
		 "consistent: bool}",
	 .returns = "what was found. Live, each entry is held against what the guest's entry "
		    "allows while vCPUs run; unsettled ones changed each time they were looked "
		    "at. Stopped, everything is checked, the links between tables as well",
	 .errors = NOT_ACTIVE,
	 .args = {{"stopped", "bool", true,
		   "bring the vCPUs to rest for it; false by default"}}},
	{.name = "shadow-flush",
	 .run = ctl_run_shadow_flush,
	 .help = "drop all shadow entries; the guest's next accesses make them anew",
	 .type = "{tables: int}",
	 .returns = "how many tables went out of use",
	 .errors = NOT_ACTIVE},
	{.name = "query-shadow-stats",
	 .run = ctl_run_shadow_stats,
	 .help = "counters of the shadow MMU and of its windows",
	 .type = "any",
	 .returns = "an object of integers",
	 .errors = NOT_ACTIVE},
	{.name = "query-shadow-shootdowns",
	 .run = ctl_run_shootdowns,
	 .help = "shootdowns: how many, who had to be kicked, what waits for one",
	 .type = "{shootdowns: int, kicks: int, drops: int, pending: int, "
		 "vcpus: [{vcpu: int, shootdowns: int, kicks: int, flushes: int, invlpg: "
		 "int}], "
		 "others: {shootdowns: int, kicks: int}, generation: int}",
	 .returns = "the sums, and who asked for them; pending: entries dropped since the last "
		    "one",
	 .errors = NOT_ACTIVE},
	{.name = "query-rcu",
	 .run = ctl_run_rcu,
	 .help = "grace periods that tables out of use wait for",
	 .type = "{flavour: str, grace-periods: int, by-producers: int, queued: int, in-grace: "
		 "int, kept: int, freed: int, most-waiting: int, median-us: int, p99-us: int, "
		 "grace-period-ns?: int}",
	 .returns =
		 "how many have passed; how many tables wait for one to begin, for it to end, "
		 "for a walker that keeps them; times from queue to free",
	 .errors = NOT_ACTIVE,
	 .args = {{"measure", "bool", true, "wait for one now and say how long it took"}}},
	{.name = "shadow-set",
	 .run = ctl_run_shadow_set,
	 .flags = CTL_CMD_PAUSES,
	 .help = "switch a technique on or off, or list them",
	 .type = "{options: [{name: str, on: bool, changeable: bool, help: str}]}",
	 .returns = "all techniques as they are now. Switching one off drops what it has made",
	 .errors = LOOK,
	 .args = {{"name", "str", true, "which one; needs value"},
		  {"value", "<on|off>", true, "what it shall be; needs name"}}},
	{.name = "trace-event-get-state",
	 .run = ctl_run_trace_get,
	 .help = "whether events are recorded",
	 .type = "[{name: str, state: <unavailable|disabled|enabled>, vcpu: bool}]",
	 .returns = "the events; vcpu is always false",
	 .errors = NOT_ACTIVE,
	 .args = {{"name", "str", false, "an event, or a pattern"}}},
	{.name = "trace-event-set-state",
	 .run = ctl_run_trace_set,
	 .help = "record events, or no more",
	 .type = "{}",
	 .returns = "nothing",
	 .errors = NOT_ACTIVE,
	 .args = {{"name", "str", false, "an event, or a pattern"},
		  {"enable", "bool", false, "whether they shall be recorded"},
		  {"ignore-unavailable", "bool", true, "as in QEMU; all are available"}}},
	{.name = "trace-read",
	 .run = ctl_run_trace_read,
	 .help = "records of the trace, in order",
	 .type = "{records: [@TraceRecord], next: int, lost: int, more: bool}",
	 .returns = "the records; next is where to go on, lost is how many up to there are "
		    "overwritten, more says that another call would give some at once",
	 .errors = LOOK,
	 .args = {{"since", "size", true, "number after which to begin; 0 by default"},
		  {"max", "index", true, "most records, up to 4096; 1024 by default"},
		  {"events", "str", true, "names or patterns, separated by commas"},
		  {"vcpu", "index", true, "of this vCPU only"},
		  {"start", "hex", true, "a guest address of the record lies from here on"},
		  {"end", "hex", true, "and up to here"}}},
	{.name = "inject-fault",
	 .run = ctl_run_inject,
	 .help = "make a point of the shadow MMU fail or stall; without arguments: list them",
	 .type = "[{point: str, pass: int, count: int, stall-ms: int, hits: int}]",
	 .returns = "the point, or all of them; hits: how often it failed",
	 .errors = NOT_ACTIVE,
	 .args = {{"point", "str", true, "which one"},
		  {"pass", "index", true, "calls that still succeed; 0 by default"},
		  {"count", "index", true, "calls that then fail; 0 by default"},
		  {"stall-ms", "index", true, "what each call waits; 0 by default"}}},
	{.name = NULL},
};

const struct ctl_event_kind ctl_event_kinds[] = {
	{"STOP", "{}", false, "every vCPU has stopped"},
	{"RESUME", "{}", false, "the vCPUs go on"},
	{"RESET", "{guest: bool, reason: str}", false, "the machine was reset"},
	{"SHUTDOWN", "{guest: bool, reason: str}", false, "the machine has ended"},
	{"GUEST_PANICKED", "{action: str}", false, "the guest crashed"},
	{"GUEST_REPORT", "{text: str}", true, "a line that the guest reports as its result"},
	{"SHADOW_AUDIT_FAILED", "{violations: int, report: str}", true,
	 "a check of the shadow tables found something wrong"},
	{"SHADOW_SHOOTDOWN_STORM", "{shootdowns: int, kicks: int, ms: int}", true,
	 "more than a thousand shootdowns in a second"},
	{.name = NULL},
};

const struct ctl_command *ctl_command_find(const char *name)
{
	const struct ctl_command *cmd = ctl_commands;
	while (cmd->name && strcmp(cmd->name, name) != 0)
		cmd++;
	return cmd->name ? cmd : NULL;
}

static const struct ctl_arg *find_arg(const struct ctl_command *cmd, const char *name)
{
	const struct ctl_arg *a = cmd->args;
	while (a->name && strcmp(a->name, name) != 0)
		a++;
	return a->name ? a : NULL;
}

static int check_given(const struct ctl_command *cmd, struct json_object *args,
		       struct control_error *e)
{
	json_object_object_foreach(args, name, value)
	{
		const struct ctl_arg *a = find_arg(cmd, name);
		struct ctl_place at = {""};
		if (!a) {
			ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%.100s' is unexpected",
				 name);
			return -1;
		}
		strncat(at.path, name, sizeof(at.path) - 1);
		if (!ctl_type_check(a->type, value, &at, e))
			return -1;
	}
	return 0;
}

int ctl_command_check(const struct ctl_command *cmd, struct json_object *args,
		      struct control_error *e)
{
	if (args && check_given(cmd, args, e))
		return -1;
	for (const struct ctl_arg *a = cmd->args; a->name; a++) {
		if (!a->optional && !(args && json_object_object_get_ex(args, a->name, NULL))) {
			ctl_fail(e, CTL_GENERIC_ERROR, "Parameter '%s' is missing", a->name);
			return -1;
		}
	}
	return 0;
}
