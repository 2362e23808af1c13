/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine for the GDB stub that only remembers what it was told: three vCPUs, a megabyte of memory
 * whose physical half differs from the virtual one, and stops that the test makes.
 */
#ifndef UMBRA_TESTS_GDB_RIG_H
#define UMBRA_TESTS_GDB_RIG_H

#include "vmm/gdb/internal.h"

#define GDB_RIG_CPUS   3u
#define GDB_RIG_MEMORY 0x10000u /* bytes, from address 0, of each kind */

struct gdb_rig {
	struct cpu_state cpu[GDB_RIG_CPUS];
	uint8_t virtual[GDB_RIG_MEMORY], physical[GDB_RIG_MEMORY];
	unsigned memory_vcpu; /* whose address space was asked last */
	bool stopped;
	struct debug_event event;
	enum debug_act act[GDB_RIG_CPUS];
	struct cpu_debug set;
	unsigned goes, conts, quits, rests;
	bool ended, prelaunch;
};

extern const struct gdb_ops gdb_rig_ops;
void gdb_rig_init(struct gdb_rig *r);

#endif
