/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The suites of machine_test: parts of a machine that need no running vCPU.
 */
#ifndef UMBRA_TESTS_MACHINE_TEST_H
#define UMBRA_TESTS_MACHINE_TEST_H

#include "tests/unit/tap.h"

extern const struct tap_case cpuid_tests[], exitstat_tests[], gate_tests[], hybrid_tests[];
int gate_setup(void);
int gate_teardown(void);

#endif
