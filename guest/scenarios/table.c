/* SPDX-License-Identifier: BSD-2-Clause */
/* The one list of scenarios, in the order in which they run. */
#include "scenarios/scenarios.h"

const struct scenario scenarios[] = {
	{"boot-tables", "the kernel's own tables: W^X, supervisor only, faults", boot_tables, 1,
	 false},
	{"exceptions", "#DE #BP #UD #GP #PF with their error codes", exceptions, 1, false},
	{"wp-bit", "CR0.WP and kernel writes to read-only pages", wp_bit, 1, false},
	{"invlpg", "a changed entry is seen after INVLPG, and after CR3", invlpg_seen, 1,
	 false},
	{"global-pages", "global entries go by INVLPG and by CR4.PGE", global_pages, 1, false},
	{"large-pages", "2 MiB mapped, split into 4 KiB, joined again", large_pages, 1, false},
	{"ad-bits", "accessed and dirty, set by the CPU, cleared by software", ad_bits, 1,
	 false},
	{"self-map", "entries edited through a recursive slot", self_map, 1, false},
	{"alias", "a table page written through a second mapping", alias, 1, false},
	{"syscalls", "SYSCALL and SYSRET: arguments, registers, bad pointers", syscalls, 1,
	 false},
	{"user-fault", "bad accesses in ring 3 kill the process, with the right code",
	 user_fault, 1, false},
	{"demand-paging", "anonymous memory appears when touched", demand_paging, 1, false},
	{"brk", "the heap grows page by page", brk_heap, 1, false},
	{"mprotect", "rights taken and given back are seen at once", mprotect_seen, 1, false},
	{"mmap-munmap", "areas come and go, tables become data and back", mmap_churn, 1, false},
	{"cow-fork", "parent and children do not see each other's writes", cow_fork, 1, false},
	{"fork-tree", "a tree of processes that end in any order", fork_tree, 1, false},
	{"fork-storm", "many short processes", fork_storm, 1, false},
	{"timer-preempt", "two ring-3 loops share a CPU by preemption", timer_preempt, 1,
	 false},
	{"sched-many", "many processes yield to each other", sched_many, 1, false},
	{"smp-boot", "every CPU is up, itself, and on the kernel's tables", smp_boot, 2, false},
	{"ipi", "interrupts between CPUs arrive, each once", ipi, 2, false},
	{"smp-shootdown", "no CPU sees an old page after the shootdown", smp_shootdown, 2,
	 false},
	{"smp-table-writes", "CPUs write entries of one table at once", smp_table_writes, 2,
	 false},
	{"smp-fork", "processes forked over all CPUs", smp_fork, 2, false},
	{"smp-atomic", "locked additions to shared memory", smp_atomic, 2, false},
	{"smp-threads", "threads of one space fault in the same pages", smp_threads, 2, false},
	{"smp-mprotect", "writing threads stop when mprotect returns", smp_mprotect, 2, false},
	{"crash-triple", "an empty IDT, then #UD", crash_triple, 1, true},
	{"crash-cr3", "CR3 outside RAM", crash_cr3, 1, true},
	{"crash-selfmap", "tables whose every entry points at themselves", crash_selfmap, 1,
	 true},
	{"crash-idt", "an unmapped IDT, then a fault", crash_idt, 1, true},
	{"crash-loop", "a page-fault handler that faults for ever", crash_loop, 1, true},
	{"hang", "CLI; HLT", hang, 1, true},
	{"spin", "an endless loop", spin, 1, true},
	{NULL, NULL, NULL, 0, false},
};

const char *scenario_unknown(void)
{
	return fail("unknown scenario");
}
