/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which instructions the differential test has executed, against the interpreter's own table.
 */
#ifndef TESTS_INTERP_COVERAGE_H
#define TESTS_INTERP_COVERAGE_H

#include <stdint.h>

/* One more instruction that ran on the processor and in the interpreter. */
void interp_coverage_count(const uint8_t *bytes, unsigned len);

/* A test case: fails if an integer instruction of vmm/interp/table.c never ran, unless it is listed
 * with the reason. Runs after the differential test. */
void interp_coverage(void);

#endif
