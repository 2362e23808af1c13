/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program that leaves nothing behind, whatever ends it.
 *
 * Read first: nothing. Locks: none.
 */
#ifndef UMBRA_TOOLS_KEEPER_H
#define UMBRA_TOOLS_KEEPER_H

#include <stdbool.h>

/* Runs work(dir, arg) in a child and returns its exit code, whatever ends it; then every process it left
 * is gone, and so is the folder. dir is made by this, for the program's own use, with a name short
 * enough for sockets in it. -errno if that fails. */
int keep(int (*work)(const char *dir, void *arg), void *arg);
/* A signal asks to end; for the work to look at. */
bool keep_stopped(void);

#endif
