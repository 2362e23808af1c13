/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Listening for a debugger. Read first: gdb.h.
 */
#ifndef UMBRA_GDB_PLACE_H
#define UMBRA_GDB_PLACE_H

#include "vmm/control/internal.h"
#include "vmm/gdb/gdb.h"

/* 0; or -1 with one line in msg. ctl_unlisten() ends it. */
int gdb_listen(const struct gdb_place *p, struct ctl_listener *l, char *msg, size_t n);

#endif
