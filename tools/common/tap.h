/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest said: its results, from its serial file. The guest isn't trusted: whatever it writes, it
 * is read to the end in bounded memory.
 *
 * Read first: nothing. Locks: none.
 */
#ifndef UMBRA_TOOLS_TAP_H
#define UMBRA_TOOLS_TAP_H

#include <stdbool.h>

#define TAP_MAX	 256
#define TAP_NAME 48
#define TAP_TEXT 80

enum tap_kind { TAP_MISSING, TAP_OK, TAP_FAIL, TAP_SKIP };
struct tap_line {
	char name[TAP_NAME];
	char text[TAP_TEXT]; /* why it was skipped or failed */
	enum tap_kind kind;
};
struct tap {
	int planned; /* -1: no plan was seen */
	bool bailed;
	unsigned count;
	struct tap_line line[TAP_MAX];
};
/* Reads a serial file; what isn't TAP is passed over, and what is too long is cut. 0 or -errno. */
int tap_read(const char *path, struct tap *t);
/* Of the scenario called name; one of kind TAP_MISSING if there is none. */
const struct tap_line *tap_find(const struct tap *t, const char *name);
/* As many results as were planned. */
bool tap_whole(const struct tap *t);

#endif
