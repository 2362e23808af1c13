/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket: a QMP server over a UNIX socket, and the one table of its commands.
 *
 * The server runs in a thread of its own and knows the machine by struct control_ops only.
 * A client that is slow, floods, hangs up or sends garbage never blocks that thread for another
 * client, nor any vCPU.
 *
 * Read first: shadow/addr.h. Contract: the project's interface notes on QMP (docs/qmp.md).
 */
#ifndef UMBRA_CONTROL_H
#define UMBRA_CONTROL_H

#include <json-c/json.h>

#include "shadow/addr.h"

/* QMP error classes. */
enum control_class {
	CTL_GENERIC_ERROR,
	CTL_COMMAND_NOT_FOUND,
	CTL_DEVICE_NOT_ACTIVE,
	CTL_DEVICE_NOT_FOUND,
	CTL_KVM_MISSING_CAP,
};

struct control_error {
	enum control_class class;
	char desc[256];
};

struct sh_mmu;

/* What a machine offers to its control socket; all are required. Called from the server's
 * thread with no lock held; each may be called at any time of the machine's life and never
 * blocks longer than a pause takes. Each may call control_event, none may call control_stop. */
struct control_ops {
	/* "running", "paused", "shutdown", "prelaunch", "internal-error", as in QEMU. */
	const char *(*status)(void *m);
	bool (*running)(void *m);
	const char *(*name)(void *m);
	int (*stop)(void *m, struct control_error *e); /* returns when every vCPU has stopped */
	int (*cont)(void *m, struct control_error *e);
	void (*quit)(void *m); /* asks for the end and returns; the reply is sent after it */
	/* Each returns a new json object (ownership passes) or NULL with *e set. */
	struct json_object *(*shadow_roots)(void *m, struct control_error *e);
	/* From the current CR3 of the vCPU of this index, which may not exist. */
	struct json_object *(*shadow_walk)(void *m, gva_t gva, unsigned vcpu,
					   struct control_error *e);
	struct json_object *(*shadow_audit)(void *m, struct control_error *e);
	struct json_object *(*shadow_stats)(void *m, struct control_error *e);
	struct json_object *(*cpus_fast)(void *m, struct control_error *e);
	/* The machine's shadow MMU; NULL: it has none (any more). */
	struct sh_mmu *(*mmu)(void *m);
};

struct control;

/* Listens on path (mode 0600; missing parent directories of the default place are made 0700). A
 * socket file nobody answers at is replaced; one that a live machine answers at is refused.
 * With wait, returns only when a client has negotiated; *out is set before any op is called.
 * Returns 0; or -1 with one line in msg and *out NULL. */
int control_start(const char *path, bool wait, const struct control_ops *ops, void *m,
		  struct control **out, char *msg, size_t msg_len);
/* Sends pending output for a moment, closes all clients, removes the socket file. Nobody may
 * call control_event any more. */
void control_stop(struct control *c);

/* Queues an event for all clients that negotiated; data may be NULL and is taken over, name (up
 * to 47 characters) is copied. Never blocks; callable from any thread. Kinds that a guest can
 * cause at will are sent at most once a second each, always the latest: see event.c. */
void control_event(struct control *c, const char *name, struct json_object *data);

/* The default place for a machine of this name: $XDG_RUNTIME_DIR/umbra/NAME.sock, or
 * /tmp/umbra-UID/NAME.sock where the variable is not set. 0, or -ENAMETOOLONG, -EINVAL. */
int control_default_path(const char *name, char *buf, size_t n);

/* `umbra list`: one entry per socket in the default directory; calls fn for each with what the
 * machine answered (status NULL when nobody answers). Returns the number of live machines. */
int control_list(void (*fn)(void *ctx, const char *name, const char *path, const char *status),
		 void *ctx);

#endif
