/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine for control sessions in memory: two vCPUs on the fake engine, the first with 4-level paging, the
 * other with 32-bit tables, and every kind of entry in them. Its guest acts when it is told to.
 *
 * Nothing of it reaches the host: a file that a command makes is one in memory, and a stall that a command asks for
 * ends before the next. Read first: fake_engine.h.
 */
#ifndef UMBRA_TESTS_CONTROL_MACHINE_H
#define UMBRA_TESTS_CONTROL_MACHINE_H

#include "tests/unit/fake_engine.h"

/* 0: it has run a little and has shadow tables. */
int cm_start(struct fake *f);
/* Something the guest may do: n chooses an access, a change of its tables, a flush. */
void cm_live(struct fake *f, unsigned n);
/* Whoever was told to stall need not. */
void cm_unstall(struct fake *f);
/* Whether it was sound to the end; destroys it. */
bool cm_end(struct fake *f);

#endif
