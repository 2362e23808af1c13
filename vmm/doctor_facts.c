/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of facts. A row: where it belongs, its key in JSON, its title, its unit, what
 * measures it with which argument (or concludes it from the rows above), and what it means for
 * the monitor.
 *
 * Read first: doctor.h.
 */
#include "vmm/cpu/state.h"
#include "vmm/doctor.h"

#define IOPL3	  (RFL_FIXED | RFL_IOPL)
#define IOPL3_IF1 (IOPL3 | RFL_IF)
#define IF0	  (RFL_FIXED)

#define CAP(which) &measure_caps[which]

/* A row of an instruction: the code without the UD2 behind it, and the other members of struct
 * snippet. */
#define INSN(k, t, bytes, m, ...)                                                          \
	{                                                                                  \
		.section = DOC_INSTRUCTIONS, .key = k, .title = t, .unit = "", .means = m, \
		.measure = measure_insn, .arg = &(const struct snippet)                    \
		{                                                                          \
			.code = bytes, .len = sizeof(bytes) - 1, __VA_ARGS__               \
		}                                                                          \
	}
#define COST(k, t, fn, a, m)                                                             \
	{                                                                                \
		.section = DOC_COSTS, .key = k, .title = t, .unit = "ns", .measure = fn, \
		.arg = a, .means = m                                                     \
	}
#define COST_US(k, t, fn, m)                                                             \
	{                                                                                \
		.section = DOC_COSTS, .key = k, .title = t, .unit = "us", .measure = fn, \
		.means = m                                                               \
	}
#define FACT(s, k, t, u, fn, a, m)                                                      \
	{                                                                               \
		.section = s, .key = k, .title = t, .unit = u, .measure = fn, .arg = a, \
		.means = m                                                              \
	}
#define VERDICT(k, t, u, fn, m)                                                          \
	{                                                                                \
		.section = DOC_VERDICT, .key = k, .title = t, .unit = u, .conclude = fn, \
		.means = m                                                               \
	}

/* clang-format off */
const struct doctor_fact doctor_facts[] = {
	FACT(DOC_HOST, "cpu", "processor", "", measure_cpu_model, NULL, NULL),
	FACT(DOC_HOST, "kernel", "kernel", "", measure_kernel, NULL, NULL),
	FACT(DOC_HOST, "module", "KVM modules", "", measure_module, NULL, NULL),
	FACT(DOC_HOST, "parameters", "their parameters", "", measure_parameters, NULL, NULL),

	FACT(DOC_KVM, "api", "API version", "", measure_api, NULL, NULL),
	FACT(DOC_KVM, "max_vcpus", "virtual CPUs, most", "", measure_cap, CAP(CAP_VCPUS), NULL),
	FACT(DOC_KVM, "memslots", "memory slots, most", "", measure_cap, CAP(CAP_SLOTS), NULL),
	FACT(DOC_KVM, "cap_sync_regs", "KVM_CAP_SYNC_REGS", "", measure_cap, CAP(CAP_SYNC_REGS),
	     "bits 1, 2: no ioctl per exit"),
	FACT(DOC_KVM, "cap_immediate_exit", "KVM_CAP_IMMEDIATE_EXIT", "", measure_cap,
	     CAP(CAP_IMMEDIATE_EXIT), "no kick is lost"),
	FACT(DOC_KVM, "cap_binary_stats_fd", "KVM_CAP_BINARY_STATS_FD", "", measure_cap,
	     CAP(CAP_STATS_FD), "KVM's own counters"),
	FACT(DOC_KVM, "cap_readonly_mem", "KVM_CAP_READONLY_MEM", "", measure_cap,
	     CAP(CAP_READONLY_MEM), NULL),

	FACT(DOC_TABLES, "mode", "table updates", "", measure_mode, NULL,
	     "gated: changed entries are touched in the gate"),
	FACT(DOC_TABLES, "rounds", "tried", "rounds of each", measure_rounds, NULL, NULL),
	FACT(DOC_TABLES, "new_entry_seen", "new entry seen by itself", "", measure_new_entry, NULL,
	     "a hidden fault needs no touch"),
	FACT(DOC_TABLES, "touch_seen", "change seen after a touch", "", measure_touch, NULL,
	     "lock or of 0 in the gate"),
	FACT(DOC_TABLES, "table_touch_seen", "512 changes, one byte touched", "",
	     measure_table_touch, NULL, "lock or of 0 at byte 1 of the table"),
	FACT(DOC_TABLES, "cr3_load_flushes", "CR3 by registers forgets", "", measure_cr3_load, NULL,
	     "another root needs no MOV CR3 in the gate"),
	FACT(DOC_TABLES, "entry", "way into the guest", "", measure_entry, NULL,
	     "when the gate has no work to do"),

	COST("fault_by_iretq", "fault, gate, monitor, IRETQ", measure_fault, NULL,
	     "each trapped instruction or hidden fault"),
	COST("fault_by_registers", "the same, by registers", measure_fault, "registers", NULL),
	COST("out_cpl0", "OUT at CPL 0 and back", measure_out, NULL, "the gate's work alone"),
	COST("touch_cost", "one touch of an entry", measure_touch_cost, NULL,
	     "a repeated one, on top of the exit they share"),
	COST("touch_first", "the first after a flush", measure_touch_first, NULL,
	     "where KVM must give up a table's write protection"),
	COST("table_touch_cost", "one touch of a table", measure_table_cost, NULL, NULL),
	COST("invlpg_cost", "INVLPG in the gate", measure_invlpg_cost, NULL, NULL),
	COST("cr3_cost", "MOV CR3 in the gate", measure_cr3_cost, NULL, "and the misses after it"),
	COST("ioctl_cost", "vCPU ioctl (KVM_GET_REGS)", measure_ioctl, NULL, "none at an exit"),
	COST("mmio_cost", "write to a read-only slot", measure_mmio, NULL,
	     "not used for tracked writes"),
	COST("loop_here", "loop here, an iteration", measure_loop_here, NULL, "SUB, JNZ"),
	COST("loop_cpl3", "loop at CPL 3, 64-bit", measure_loop64, NULL, "guest code"),
	COST("loop_cpl3_32", "loop at CPL 3, 32-bit", measure_loop32, NULL, "32-bit guest code"),
	COST("cpl0_insn", "an instruction at CPL 0", measure_ring0, NULL, "the gate's length"),
	COST_US("kick", "kick, until it is out", measure_kick, "a shootdown, for each vCPU"),
	COST_US("interrupt", "KVM_INTERRUPT, until gate", measure_interrupt,
		"enters through the IDT at CPL 3"),

	INSN("int_80", "INT 0x80", "\xcd\x80", "exact if it traps"),
	INSN("int3", "INT3", "\xcc", NULL),
	INSN("syscall", "SYSCALL, EFER.SCE=0", "\x0f\x05", "exact if #UD"),
	INSN("sysenter", "SYSENTER, SYSENTER_CS=0", "\x0f\x34", NULL),
	INSN("cpuid", "CPUID, the brand string", "\x0f\xa2", "exact if it traps", .show = SHOW_BRAND,
	     .rax = 0x80000002),
	INSN("cpuid_0", "CPUID, leaf 0", "\x0f\xa2", NULL, .show = SHOW_RAX),
	INSN("cpuid_1", "CPUID, leaf 1", "\x0f\xa2", NULL, .show = SHOW_RAX, .rax = 1),
	INSN("mov_from_cs", "MOV from CS (VM's: 0xfcb)", "\x8c\xc8", "exact if the VM's own", .show = SHOW_RAX),
	INSN("mov_from_ss", "MOV from SS (VM's: 0xfc3)", "\x8c\xd0", "exact if the VM's own", .show = SHOW_RAX),
	INSN("mov_to_ds", "MOV to DS (VM's 0xfc3), back", "\xb8\xc3\x0f\x00\x00\x8e\xd8\x31\xc0\x8c\xd8",
	     "exact if the VM's own", .show = SHOW_RAX),
	INSN("mov_to_ds_none", "MOV to DS of no descriptor", "\xb8\x83\x00\x00\x00\x8e\xd8", NULL),
	INSN("sgdt", "SGDT, CR4.UMIP=1 if it can", "\x0f\x01\x07", "#GP: emulated"),
	INSN("sidt", "SIDT", "\x0f\x01\x0f", NULL),
	INSN("sldt", "SLDT", "\x0f\x00\xc0", NULL, .show = SHOW_RAX),
	INSN("str", "STR", "\x0f\x00\xc8", NULL, .show = SHOW_RAX),
	INSN("smsw", "SMSW", "\x0f\x01\xe0", NULL, .show = SHOW_RAX),
	INSN("clac", "CLAC", "\x0f\x01\xca", NULL),
	INSN("stac", "STAC", "\x0f\x01\xcb", NULL),
	INSN("hlt", "HLT", "\xf4", NULL),
	INSN("mov_cr0", "MOV from CR0", "\x0f\x20\xc0", NULL, .show = SHOW_RAX),
	INSN("swapgs", "SWAPGS", "\x0f\x01\xf8", NULL),
	INSN("wrfsbase", "WRFSBASE, CR4.FSGSBASE=0", "\xf3\x48\x0f\xae\xd0", "exact if #UD"),
	INSN("rdpkru", "RDPKRU, CR4.PKE=0", "\x0f\x01\xee", "exact if #UD", .show = SHOW_RAX),
	INSN("rdtsc", "RDTSC", "\x0f\x31", NULL),
	INSN("rdpmc", "RDPMC", "\x0f\x33", NULL),
	INSN("in", "IN, IOPL=0", "\xe4\x80", NULL),
	INSN("out", "OUT, IOPL=0", "\xe6\x80", NULL),
	INSN("out_iopl3", "OUT, IOPL=3", "\xe6\x80", "an exit without the gate", .rflags = IOPL3_IF1),
	INSN("cli", "CLI, IOPL=0", "\xfa", NULL),
	INSN("sti", "STI, IOPL=0", "\xfb", NULL),
	INSN("pushf", "PUSHF, IF=1 IOPL=0", "\x9c\x58", NULL, .show = SHOW_FLAGS),
	INSN("pushf_if0", "PUSHF, IF=0 IOPL=0", "\x9c\x58", NULL, .show = SHOW_FLAGS,
	     .rflags = IF0),
	INSN("popf", "POPF of IF=0, IOPL=0, PUSHF", "\x68\x02\x30\x00\x00\x9d\x9c\x58", NULL,
	     .show = SHOW_FLAGS),
	INSN("cli_iopl3", "CLI, PUSHF, IF=1 IOPL=3", "\xfa\x9c\x58", NULL, .show = SHOW_FLAGS,
	     .rflags = IOPL3_IF1),
	INSN("sti_iopl3", "STI, PUSHF, IF=0 IOPL=3", "\xfb\x9c\x58", NULL, .show = SHOW_FLAGS,
	     .rflags = IOPL3),
	INSN("pushf_iopl3", "PUSHF, IF=1 IOPL=3", "\x9c\x58", NULL, .show = SHOW_FLAGS,
	     .rflags = IOPL3_IF1),
	INSN("pushf_if0_iopl3", "PUSHF, IF=0 IOPL=3", "\x9c\x58", "exact if IF=0 IOPL=3", .show = SHOW_FLAGS,
	     .rflags = IOPL3),
	INSN("popf_iopl3", "POPF of IF=0, IOPL=3, PUSHF", "\x68\x02\x30\x00\x00\x9d\x9c\x58", "exact if IF=0",
	     .show = SHOW_FLAGS, .rflags = IOPL3_IF1),
	INSN("sti_window", "STI, NOP; window asked for", "\xfb\x90\x90", "exact IF: exits when IF becomes 1", .rflags = IOPL3,
	     .irq_window = true),

	FACT(DOC_ADDRESSES, "holes", "PML4 slots CPL 3 can't read", "", measure_holes, NULL,
	     "there the instruction is emulated"),
	FACT(DOC_ADDRESSES, "holes_execute", "and can't run code in", "", measure_holes, "execute",
	     NULL),

	VERDICT("kind", "this host", "", doctor_kind, NULL),
	VERDICT("exact", "exact at CPL 3", "", doctor_exact, NULL),
	VERDICT("inexact", "not exact at CPL 3", "", doctor_inexact, NULL),
	{.section = DOC_VERDICT, .key = "engine", .title = "--cpu auto takes", .unit = "",
	 .conclude = doctor_engine, .always = true},
	VERDICT("hidden_fault", "a hidden fault, about", "us", doctor_hidden_fault,
		"one exit; the monitor's work comes on top"),
	VERDICT("guest_fault", "a guest's page fault, about", "us", doctor_guest_fault,
		"fault, tracked store, IRET, retry"),
};
/* clang-format on */

const unsigned doctor_fact_count = sizeof(doctor_facts) / sizeof(doctor_facts[0]);
