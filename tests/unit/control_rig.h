/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the tests of the control socket share: a machine that only counts, a server for it in a
 * directory of its own, and a client.
 */
#ifndef UMBRA_TESTS_CONTROL_RIG_H
#define UMBRA_TESTS_CONTROL_RIG_H

#include <stdatomic.h>

#include "tests/unit/tap.h"
#include "vmm/control/internal.h"

#define NEGOTIATE "{\"execute\":\"qmp_capabilities\"}"
#define STATUS	  "{\"execute\":\"query-status\"}"

struct machine {
	struct control *control;
	atomic_bool running, ended;
	atomic_uint stops, quits, resets, ticks;
	atomic_int pauses;  /* how many are in force */
	struct sh_mmu *mmu; /* NULL: it has none */
	unsigned cpus;
	const struct cpu_state *cpu;
	const char *name;
	size_t stats_size; /* how long a text query-shadow-stats returns */
};

struct rig {
	struct machine m;
	char dir[32], path[64], msg[256];
	unsigned fds; /* open before the server started */
};

extern const struct control_ops machine_ops;
/* A server at DIR/s. */
void rig_start(struct rig *r);
/* Stops it and checks that it left neither file nor descriptor. */
void rig_stop(struct rig *r);
unsigned rig_open_fds(void);

struct peer {
	int fd;
	char buf[65536];
	size_t len;
};
void peer_connect(struct peer *p, const char *path); /* and checks the greeting */
void peer_connect_silently(struct peer *p, const char *path);
void peer_negotiate(struct peer *p);
void peer_send(struct peer *p, const char *text);
void peer_send_bytes(struct peer *p, const char *data, size_t n);
/* The next line as an object, checked to be ASCII with CRLF; NULL at the end of the stream. */
struct json_object *peer_receive(struct peer *p);
/* Whether something arrives within ms. */
bool peer_hears(struct peer *p, int ms);
void peer_close(struct peer *p);

/* Sends text and checks the error class and that desc contains part. */
void expect_error(struct peer *p, const char *text, const char *class, const char *part);
/* Sends text and checks that the next object, printed plainly, is wanted. */
void expect(struct peer *p, const char *text, const char *wanted);
void expect_event(struct peer *p, const char *name);
/* A string at o.outer.inner, or "". */
const char *text_at(struct json_object *o, const char *outer, const char *inner);

/* The suites. */
extern const struct tap_case control_protocol_tests[], control_hostile_tests[],
	control_socket_tests[], control_event_tests[], control_share_tests[],
	control_table_tests[];

#endif
