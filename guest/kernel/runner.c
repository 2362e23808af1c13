/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the chosen scenarios one after the other on process 1 and reports in TAP. Around each it
 * checks that no frame was leaked, with every process reaped and every other CPU idle.
 */
#include "kernel/rcu.h"
#include "mm/mm.h"
#include "x86.h"
#include "scenarios/scenarios.h"

static char reason[160];
static u32 passed, failed, skipped;

/* What a scenario returns when a check does not hold. */
const char *fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vformat(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return reason;
}

/* The reason is told by address: it is not one that fail() made. */
static const char *skip_reason;

const char *skip(const char *why)
{
	skip_reason = why;
	return why;
}

/* A diagnostic line. */
void note(const char *fmt, ...)
{
	char buf[200];
	va_list ap;

	if (options.quiet)
		return;
	va_start(ap, fmt);
	vformat(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	print("# %s\n", buf);
}

/* Another CPU's tick takes one for a moment, and on a host with little time a moment can be long. Who
 * forgot one holds it for ever. */
static u32 locks_left(void)
{
	u32 held = locks_held();

	for (u32 i = 0; held && i < 10 * 1000 * 1000; i++) {
		cpu_relax();
		held = locks_held();
	}
	return held;
}

static const char *run_checked(const struct scenario *s)
{
	ulong before = frames_used(), after;
	const char *why;
	u32 held;

	skip_reason = NULL;
	why = s->run();

	process_reap_all();
	test_reset();
	rcu_barrier();
	smp_quiesce();
	after = frames_used();
	if (why && why != skip_reason)
		return why;
	CHECK(!mutexes_held(), "%lu mutexes are held", mutexes_held());
	CHECK(after == before, "leaked %ld frames", (slong)(after - before));
	CHECK(processes() == 1, "leaked %u processes", processes() - 1);
	CHECK(!pipes_open(), "leaked %u pipes", pipes_open());
	held = locks_left();
	CHECK(!held, "%u locks are still held", held);
	return why;
}

static void run_and_report(u32 number, const struct scenario *s)
{
	u64 begin = rdtsc();
	const char *why;

	if (s->min_cpus > cpu_count) {
		print("ok %u - %s # SKIP needs %u cpus\n", number, s->name, s->min_cpus);
		skipped++;
		return;
	}
	why = run_checked(s);
	if (why && why == skip_reason) {
		print("ok %u - %s # SKIP %s\n", number, s->name, why);
		skipped++;
	} else if (why) {
		print("not ok %u - %s # %s\n", number, s->name, why);
		failed++;
	} else {
		print("ok %u - %s\n", number, s->name);
		passed++;
	}
	note("%llu thousand cycles", cycles_since(begin) / 1000);
}

/* Call fn for each name of the comma-separated list, or for every default scenario. */
static u32 for_each_chosen(void (*fn)(u32, const struct scenario *))
{
	static struct scenario unknown = {.run = scenario_unknown};
	static char name[64];
	const char *at = options.scenario;
	u32 n = 0;

	if (!*at || (strlen(at) == 3 && strneq(at, "all", 3))) {
		for (const struct scenario *s = scenarios; s->name; s++)
			if (!s->by_name_only && ++n && fn)
				fn(n, s);
		return n;
	}
	while (*at) {
		const struct scenario *s;
		size_t len = 0;

		while (at[len] && at[len] != ',')
			len++;
		format(name, len + 1 < sizeof(name) ? len + 1 : sizeof(name), "%s", at);
		for (s = scenarios; s->name && !strneq(s->name, name, sizeof(name)); s++)
			;
		unknown.name = name;
		if (++n && fn)
			fn(n, s->name ? s : &unknown);
		at += at[len] ? len + 1 : len;
	}
	return n;
}

void runner_main(void)
{
	char why[64];
	bool all_up;

	sched_first_run();
	all_up = smp_start(why, sizeof(why));
	print("umbra-guest " IMAGE_NAME ": boot by %s, %lu MiB, %u cpus\n", bootinfo.protocol,
	      (ulong)((bootinfo_ram_total() + (1UL << 20) - 1) >> 20), cpu_count);
	if (!all_up) {
		print("Bail out! %s\n", why);
		machine_exit(EXIT_FAILED);
	}
	smp_quiesce();
	print("TAP version 13\n1..%u\n", for_each_chosen(NULL));
	for_each_chosen(run_and_report);
	print("# %u passed, %u failed, %u skipped\n", passed, failed, skipped);
	machine_exit(failed ? EXIT_FAILED : EXIT_PASSED);
}
