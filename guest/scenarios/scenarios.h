/* SPDX-License-Identifier: BSD-2-Clause */
/* A scenario is a function on the runner that returns NULL, or a reason made by fail(). */
#ifndef GUEST_SCENARIOS_H
#define GUEST_SCENARIOS_H

#include "mm/mm.h"

struct scenario {
	const char *name, *help;
	const char *(*run)(void);
	u32 min_cpus;
	bool by_name_only;
};

extern const struct scenario scenarios[]; /* table.c; ends with a NULL name */

#define CHECK(cond, ...)                          \
	do {                                      \
		if (!(cond))                      \
			return fail(__VA_ARGS__); \
	} while (0)

/* runner.c: what a scenario returns that has nothing to check here */
const char *skip(const char *why);

/* hostile.c */
u32 chance(u32 n); /* below n */
void ran_on(const char *what) __attribute__((noreturn));

/* process.c: run one ring-3 program to its end */
const char *run_program(u32 program, ulong arg);
ulong scaled(ulong n); /* n times size= of the command line */

/* Each is one row of table.c. */
const char *scenario_unknown(void);
const char *boot_tables(void);
const char *exceptions(void);
const char *wp_bit(void);
const char *large_pages(void);
const char *ad_bits(void);
const char *invlpg_seen(void);
const char *global_pages(void);
const char *self_map(void);
const char *alias(void);
const char *demand_paging(void);
const char *cow_fork(void);
const char *fork_tree(void);
const char *fork_storm(void);
const char *user_fault(void);
const char *syscalls(void);
const char *timer_preempt(void);
const char *sched_many(void);
const char *mprotect_seen(void);
const char *mmap_churn(void);
const char *brk_heap(void);
const char *smp_boot(void);
const char *ipi(void);
const char *smp_shootdown(void);
const char *smp_fork(void);
const char *smp_atomic(void);
const char *smp_table_writes(void);
const char *smp_threads(void);
const char *smp_mprotect(void);
const char *mremap_moves(void);
const char *mremap_fail(void);
const char *smp_mremap(void);
const char *share_fork(void);
const char *share_zap(void);
const char *smp_share(void);
const char *walk_yield(void);
const char *quicklists(void);
const char *cpa_rights(void);
const char *cpa_large(void);
const char *cpa_cache(void);
const char *cpa_selftest(void);
const char *cpa_fail(void);
const char *cpa_smp(void);
const char *pagealloc(void);
const char *exec_named(void);
const char *exec_storm(void);
const char *madvise_dontneed(void);
const char *brk_shrink(void);
const char *pipe_bytes(void);
const char *pipe_end(void);
const char *pipeline(void);
const char *signal_faults(void);
const char *signal_nested(void);
const char *signal_bad_stack(void);
const char *signal_registers(void);
const char *kill_any(void);
const char *sleep_ticks(void);
const char *mm_storm(void);
const char *smp_pipe(void);
const char *smp_migrate(void);
const char *smp_storm(void);
const char *micro_call(void);
const char *micro_anon(void);
const char *micro_file(void);
const char *micro_prot(void);
const char *micro_fork_4(void);
const char *micro_fork_40(void);
const char *micro_fork_400(void);
const char *micro_map(void);
const char *micro_remap(void);
const char *micro_switch(void);
const char *micro_shootdown(void);
const char *panic_lock_order(void);
const char *panic_lock_twice(void);
const char *panic_lock_sleep(void);
const char *panic_lock_irq(void);
const char *panic_window_sleep(void);
const char *panic_poison(void);
const char *panic_free_twice(void);
const char *hostile_tables(void);
const char *hostile_cr3(void);
const char *hostile_descriptors(void);
const char *hostile_alias(void);
const char *hostile_control(void);
const char *file_map(void);
const char *file_sync(void);
const char *file_storm(void);
const char *rmap_family(void);
const char *rmap_shared(void);
const char *all_locks_taken(void);
const char *migrate_storm(void);
const char *gather_count(void);
const char *gather_storm(void);
const char *gup_storm(void);
const char *share_flush(void);
const char *swap_pages(void);
const char *swap_fork(void);
const char *swap_clock(void);
const char *swap_pin(void);
const char *swap_oom(void);
const char *smp_swap(void);
const char *dma_table(void);
const char *reserved_areas(void);
const char *reserved_fork(void);
const char *reserved_oom(void);
const char *remap_fail(void);
const char *capture_reclaim(void);
const char *capture_device(void);
const char *bench_none(void);
const char *bench_fault(void);
const char *bench_fault_work(void);
const char *bench_fork(void);
const char *bench_mmap(void);
const char *bench_syscall(void);
const char *bench_switch(void);
const char *crash_triple(void);
const char *crash_cr3(void);
const char *crash_selfmap(void);
const char *crash_idt(void);
const char *crash_loop(void);
const char *hang(void);
const char *spin(void);

#endif
