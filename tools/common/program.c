/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Read first: program.h.
 */
#include "tools/common/program.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *umbra_program(char *buf, size_t n)
{
	const char *named = getenv("UMBRA");
	ssize_t len;
	char *slash;

	if (named && *named)
		return named;
	len = readlink("/proc/self/exe", buf, n - 1);
	buf[len > 0 ? len : 0] = '\0';
	slash = strrchr(buf, '/');
	/* libtool keeps the program itself in .libs, and a script that finds its libraries outside. */
	if (slash && slash - buf > 6 && !strncmp(slash - 6, "/.libs", 6))
		slash -= 6;
	if (slash && (size_t)(slash - buf) + sizeof("/umbra") <= n) {
		strcpy(slash, "/umbra");
		if (!access(buf, X_OK))
			return buf;
	}
	return "umbra";
}

double tool_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
