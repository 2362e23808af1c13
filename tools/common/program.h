/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where umbra is: what UMBRA names; else beside the tool that runs, as in a build and where both are
 * installed; else in PATH.
 *
 * Read first: nothing. Locks: none.
 */
#ifndef UMBRA_TOOLS_PROGRAM_H
#define UMBRA_TOOLS_PROGRAM_H

#include <stddef.h>

/* For execvp(). It may lie in buf. */
const char *umbra_program(char *buf, size_t n);
/* Seconds, on a clock that only goes forward. */
double tool_clock(void);

#endif
