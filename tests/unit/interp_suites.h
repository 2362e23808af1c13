/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The suites of interp_test, one function per file, and what its arguments ask for.
 */
#ifndef TESTS_INTERP_SUITES_H
#define TESTS_INTERP_SUITES_H

#include <stdint.h>

struct interp_options {
	uint64_t seed;
	uint64_t first, last; /* cases of the differential test */
};

extern struct interp_options interp_options;

void interp_differential_suite(void);
void interp_string_suite(void);
void interp_system_suite(void);
void interp_mode_suite(void);
void interp_fault_suite(void);
void interp_fuzz_suite(void);

#endif
