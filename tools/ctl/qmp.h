/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One connection to a control socket. The server isn't trusted: what it sends is read in bounded memory
 * and bounded time, whatever it is.
 *
 * Read first: docs/qmp.md. Locks: none; one thread.
 */
#ifndef UMBRA_CTL_QMP_H
#define UMBRA_CTL_QMP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define QMP_MAX_LINE   (20u << 20) /* the longest reply is the human monitor's, 16 MiB of text */
#define QMP_MAX_VALUES 400000u	   /* in one reply: json-c takes 100s of bytes for each */
#define QMP_MAX_DEPTH  64

/* How a call ended. */
enum qmp_end {
	QMP_OK,
	QMP_REFUSED, /* the server's error; q->error_class and q->msg say which */
	QMP_GONE, /* no machine, no answer in time, or no QMP; the connection is of no use any more */
};
struct qmp {
	int fd;		/* -1: not connected */
	double timeout; /* seconds a call may take */
	char *buf;
	size_t len, size, seen;
	int next_id;
	char error_class[32];
	char msg[1024]; /* one line about the last call that failed */
	void (*event)(void *arg, struct json_object *event); /* NULL: events are dropped */
	void *arg;
};

/* Connects and negotiates. */
enum qmp_end qmp_open(struct qmp *q, const char *path, double timeout);
void qmp_close(struct qmp *q);
/* Runs a command and waits for its reply. Takes over args, which may be NULL. *ret is the caller's to
 * put; it is NULL unless QMP_OK is returned, and for a reply of null. */
enum qmp_end qmp_call(struct qmp *q, const char *command, struct json_object *args,
		      struct json_object **ret);
/* Sends a request as it stands and waits for the next reply, whichever its id is. *reply is whole. */
enum qmp_end qmp_raw(struct qmp *q, const char *request, struct json_object **reply);
/* Waits for events, so many seconds. QMP_OK when the time is over. */
enum qmp_end qmp_wait(struct qmp *q, double seconds);

#endif
