/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenarios/scenarios.h"
const char *hostile_tables(void) { return 0; }
const char *hostile_cr3(void) { return 0; }
const char *hostile_descriptors(void) { return 0; }
const char *hostile_alias(void) { return 0; }
const char *hostile_control(void) { return 0; }
