/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The suites of interp_test, one per file, and what its arguments ask for.
 */
#ifndef TESTS_INTERP_SUITES_H
#define TESTS_INTERP_SUITES_H

#include <stdint.h>

#include "tests/unit/tap.h"

struct interp_options {
	uint64_t seed;
	uint64_t first, last; /* cases of the differential test */
};

extern struct interp_options interp_options;

extern const struct tap_suite interp_differential_suite;
extern const struct tap_suite interp_string_suite;
extern const struct tap_suite interp_system_suite;
extern const struct tap_suite interp_mode_suite;
extern const struct tap_suite interp_debug_suite;
extern const struct tap_suite interp_fault_suite;
extern const struct tap_suite interp_fast_suite;
extern const struct tap_suite interp_fuzz_suite;
extern const struct tap_suite interp_vector_suite;
extern const struct tap_suite interp_vector_fault_suite;
extern const struct tap_suite interp_xsave_suite;
extern const struct tap_suite interp_opcodes_suite;

#endif
