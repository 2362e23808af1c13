/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The stub of GDB's remote serial protocol: one debugger at a time, all-stop, a thread for each vCPU.
 *
 * It runs in a thread of its own and knows the machine by struct gdb_ops only. Its client is trusted
 * with the machine (it may write anywhere in it), but not with the monitor: packets are checked as any
 * other input, and memory is bounded.
 *
 * Read first: ../debug.h, ../control/control.h. Protocol: GDB's manual, appendix "Remote Protocol".
 */
#ifndef UMBRA_GDB_H
#define UMBRA_GDB_H

#include "vmm/control/control.h"
#include "vmm/debug.h"

struct cpu_state;

/* What a machine offers to its debugger; all are required. Called from the stub's thread; those from
 * cpu to go only while the machine is stopped by stop or an event, and settle has said so. */
struct gdb_ops {
	const struct control_ops
		*control; /* cpus, ended, status, cont, quit, and what monitor needs */
	void (*listen)(void *m, void (*notify)(void *ctx), void *ctx);
	void (*stop)(void *m);
	bool (*settle)(void *m, struct debug_event *e);
	/* All registers; they may be changed within what the manuals allow. */
	struct cpu_state *(*cpu)(void *m, unsigned vcpu);
	/* n bytes at a virtual address of the vCPU, whatever rights its tables give and without a mark in
	 * them, or at a physical one. False: not all of it is memory (some may have been written). */
	bool (*read)(void *m, unsigned vcpu, bool physical, uint64_t at, void *buf, size_t n);
	bool (*write)(void *m, unsigned vcpu, bool physical, uint64_t at, const void *buf,
		      size_t n);
	/* machine_debug_set(), _clear(), _clear_all(). */
	int (*set)(void *m, enum debug_kind kind, uint64_t at, uint64_t len, unsigned access);
	void (*clear)(void *m, enum debug_kind kind, uint64_t at, uint64_t len,
		      unsigned access);
	void (*clear_all)(void *m);
	void (*go)(void *m, const enum debug_act *act);
};

/* Those of struct machine. machine.c of this folder */
extern const struct gdb_ops gdb_machine_ops;

enum gdb_arch { GDB_AMD64, GDB_I386 };

/* Where it listens. */
struct gdb_place {
	char path[108]; /* of a UNIX socket; "": TCP */
	char host[64];	/* "": loopback only */
	unsigned port;	/* 0: any; *out of gdb_start() knows it */
};

/* tcp:[HOST]:PORT or unix:PATH. 0; or -1 with one line in msg. */
int gdb_place_parse(const char *text, struct gdb_place *p, char *msg, size_t n);

struct gdb;

/* Listens; a socket file (mode 0600) is treated as the control socket's is. 0; or -1 with one line in
 * msg and *out NULL. */
int gdb_start(const struct gdb_place *p, enum gdb_arch arch, const struct gdb_ops *ops, void *m,
	      struct gdb **out, char *msg, size_t n);
/* The machine has ended: tells the client, with its exit code, or with a signal's number if that is not
 * 0; and stops. NULL is allowed. */
void gdb_stop(struct gdb *g, unsigned code, unsigned signal);

#endif
