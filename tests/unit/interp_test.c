/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of the interpreter. interp_test [--seed S] [--cases N | --case N] [--bench]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "interp_machine.h"
#include "interp_suites.h"

struct interp_options interp_options = {.seed = 1, .first = 0, .last = 150000};

#define BENCH_STEPS 2000000u

/* Time of one step of mov %rax,(%rdi), with memory that costs next to nothing. */
static int bench(void)
{
	struct machine *m = machine_create(0x10000);
	struct timespec a, b;

	machine_long(m, 0x10000);
	machine_code(m, 0x10000, "48 89 07");
	m->cpu.s.gpr[CPU_RDI] = 0x11000;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned k = 0; k < BENCH_STEPS; k++) {
		m->cpu.s.rip = 0x10000;
		machine_step(m);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f ns per step\n",
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
		       BENCH_STEPS);
	machine_destroy(m);
	return 0;
}

static bool parse(int argc, char **argv)
{
	for (int k = 1; k + 1 < argc; k += 2) {
		uint64_t v = strtoull(argv[k + 1], NULL, 0);

		if (!strcmp(argv[k], "--seed")) {
			interp_options.seed = v;
		} else if (!strcmp(argv[k], "--cases")) {
			interp_options.last = v;
		} else if (!strcmp(argv[k], "--case")) {
			interp_options.first = v;
			interp_options.last = v + 1;
		} else {
			return false;
		}
	}
	return argc % 2;
}

int main(int argc, char **argv)
{
	const struct tap_suite suites[] = {
		interp_differential_suite,
		interp_string_suite,
		interp_system_suite,
		interp_mode_suite,
		interp_debug_suite,
		interp_fast_suite,
		interp_fault_suite,
		interp_fuzz_suite,
		interp_vector_suite,
		interp_vector_fault_suite,
		interp_xsave_suite,
		interp_opcodes_suite,
		TAP_END,
	};

	if (argc == 2 && !strcmp(argv[1], "--bench"))
		return bench();
	if (!parse(argc, argv)) {
		fprintf(stderr,
			"usage: interp_test [--seed S] [--cases N | --case N] [--bench]\n");
		return 2;
	}
	return tap_run_suites(suites);
}
