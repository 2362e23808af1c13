/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the control socket offer each other, file by file, lowest first.
 *
 * Everything here but events.c runs in one thread (the server's) and so takes no lock.
 *
 * Read first: control.h.
 */
#ifndef UMBRA_CONTROL_INTERNAL_H
#define UMBRA_CONTROL_INTERNAL_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "vmm/control/control.h"

#define CTL_MAX_DEPTH	64u	   /* nesting of one request */
#define CTL_MAX_OBJECT	(1u << 20) /* bytes of one request */
#define CTL_MAX_VALUES	65536u	   /* values in one request: json-c takes 100s of bytes each */
#define CTL_MAX_QUEUE	(4u << 20) /* bytes owed to a client before it is disconnected */
#define CTL_PAUSE_QUEUE (1u << 20) /* bytes owed to a client before its commands wait */
#define CTL_MAX_CLIENTS 64u
#define CTL_INPUT_CHUNK 16384u /* bytes read from a client at a time */
#define CTL_NSEC	1000000000ll

/* text.c: a growable piece of text. All zero is an empty one. */
struct ctl_text {
	char *p;
	size_t len, cap;
	bool failed; /* no memory: what follows was dropped */
};
void ctl_text_put(struct ctl_text *t, const void *data, size_t len);
void ctl_text_cut(struct ctl_text *t, size_t len); /* drops the first len bytes */
void ctl_text_clear(struct ctl_text *t);	   /* empties it; keeps a small buffer */
void ctl_text_free(struct ctl_text *t);

/* frame.c: finds where one JSON value ends in a stream of bytes. All zero is a fresh one. */
enum ctl_frame_result {
	CTL_FRAME_MORE,	  /* all bytes used, no complete value yet */
	CTL_FRAME_OBJECT, /* text holds one object or array, brackets balanced */
	CTL_FRAME_ERROR,  /* why says what is wrong; input is skipped up to a place to go on */
};
struct ctl_number {
	uint64_t value; /* of its digits, while it has no fraction or exponent */
	bool active, negative, real, overflow;
};
struct ctl_frame {
	struct ctl_text text;
	const char *why;
	uint64_t braces; /* bit d: the bracket opened at depth d is a brace */
	unsigned depth, values;
	bool in_string, skipping;
	uint8_t escape; /* 0 none, 1 after a backslash, 2..5: 1..4 digits of \uXXXX to come */
	bool escape_zero;
	struct ctl_number number; /* the one being scanned */
};
/* Stops after the byte that ends a value or shows an error; *used says how far it came. */
enum ctl_frame_result ctl_frame_feed(struct ctl_frame *f, const char *p, size_t n,
				     size_t *used);
/* Parses the text of a complete value and empties the frame; NULL with f->why set. */
struct json_object *ctl_frame_parse(struct ctl_frame *f);
void ctl_frame_free(struct ctl_frame *f);

/* reply.c */
__attribute__((format(printf, 3, 4))) void ctl_fail(struct control_error *e,
						    enum control_class class, const char *fmt,
						    ...);
struct json_object *ctl_reply_return(struct json_object *ret); /* takes ret over */
struct json_object *ctl_reply_error(const struct control_error *e);
/* Appends o as one line: ASCII only, ended by CRLF. */
void ctl_reply_encode(struct json_object *o, struct ctl_text *out);

/* table.c */
struct ctl_session;
struct ctl_call {
	struct ctl_session *session;
	const struct control_ops *ops;
	void *m;
	struct json_object *args; /* as the command's row wants them; NULL: none given */
};
/* Returns a new object (ownership passes), or NULL with *e set. */
typedef struct json_object *ctl_run_fn(const struct ctl_call *call, struct control_error *e);
enum ctl_arg_type { CTL_ARG_STRING, CTL_ARG_INDEX, CTL_ARG_HEX, CTL_ARG_STRING_LIST };
enum ctl_command_flags {
	CTL_CMD_UNNEGOTIATED = 1 << 0, /* runs in negotiation mode */
	CTL_CMD_OOB = 1 << 1,	       /* may be sent as exec-oob */
};
#define CTL_MAX_ARGS 4
struct ctl_arg {
	const char *name; /* NULL ends the list */
	enum ctl_arg_type type;
	bool optional;
	const char *help;
};
struct ctl_command {
	const char *name;
	const char *help;
	const char *returns;
	ctl_run_fn *run;
	unsigned flags; /* enum ctl_command_flags */
	struct ctl_arg args[CTL_MAX_ARGS + 1];
};
extern const struct ctl_command ctl_commands[]; /* ends with a row without a name */
const struct ctl_command *ctl_command_find(const char *name);
/* Whether args (an object or NULL) fit the command. 0, or -1 with *e set. */
int ctl_command_check(const struct ctl_command *cmd, struct json_object *args,
		      struct control_error *e);
/* An argument of a checked call; the default when it was left out. */
uint64_t ctl_arg_hex(const struct ctl_call *call, const char *name, uint64_t def);
unsigned ctl_arg_index(const struct ctl_call *call, const char *name, unsigned def);

/* commands.c: what the rows of the table run */
ctl_run_fn ctl_run_capabilities, ctl_run_version, ctl_run_commands, ctl_run_status,
	ctl_run_name, ctl_run_cpus_fast, ctl_run_stop, ctl_run_cont, ctl_run_quit,
	ctl_run_shadow_roots, ctl_run_shadow_walk, ctl_run_shadow_audit, ctl_run_shadow_stats,
	ctl_run_inject;
struct json_object *ctl_version(void);

/* dispatch.c: one request in, one reply out (never NULL but for want of memory) */
struct json_object *ctl_dispatch(struct ctl_session *s, struct json_object *request);

/* session.c: one client, without its socket */
struct ctl_session {
	const struct control_ops *ops;
	void *m;
	struct ctl_frame frame;
	struct ctl_text in; /* received, not looked at yet; from in_used on */
	size_t in_used;
	struct ctl_text out; /* not sent yet; from out_sent on */
	size_t out_sent;
	size_t big_reply; /* size of a reply above CTL_PAUSE_QUEUE, while it is in out */
	bool negotiated, oob, muted, failed;
};
/* The greeting is in its output at once. NULL: no memory. */
struct ctl_session *ctl_session_create(const struct control_ops *ops, void *m);
void ctl_session_destroy(struct ctl_session *s);
void ctl_session_input(struct ctl_session *s, const char *p, size_t n);
/* Uses input up to one reply. */
void ctl_session_step(struct ctl_session *s);
bool ctl_session_runnable(const struct ctl_session *s); /* a step would do something */
bool ctl_session_hungry(const struct ctl_session *s);	/* more input is welcome */
void ctl_session_event(struct ctl_session *s, const struct ctl_text *line);
size_t ctl_session_output(const struct ctl_session *s, const char **p);
void ctl_session_sent(struct ctl_session *s, size_t n);
/* Nobody reads any more: drops the output, now and from now on. */
void ctl_session_mute(struct ctl_session *s);

/* event.c: events on their way from any thread to the server's */
#define CTL_EVENT_NAME	 48
#define CTL_EVENT_KINDS	 4
#define CTL_EVENT_QUEUED 1024u
struct ctl_event {
	struct ctl_event *next;
	char name[CTL_EVENT_NAME];
	struct json_object *data;
	struct timeval when;
};
struct ctl_throttle {
	int64_t until;		   /* the second after the last one sent is over */
	struct ctl_event *pending; /* the latest since */
};
struct ctl_events {
	pthread_mutex_t lock; /* guards the rest; held for list operations only */
	struct ctl_event *first, **last;
	unsigned count;
	struct ctl_throttle kind[CTL_EVENT_KINDS];
};
void ctl_events_init(struct ctl_events *q);
void ctl_events_destroy(struct ctl_events *q);
/* Any thread. now: CLOCK_MONOTONIC in ns. Returns whether the server should be woken. */
bool ctl_events_post(struct ctl_events *q, const char *name, struct json_object *data,
		     int64_t now);
/* The next event that is due, or NULL. The caller frees it with ctl_event_free. */
struct ctl_event *ctl_events_take(struct ctl_events *q, int64_t now);
int64_t ctl_events_next(struct ctl_events *q); /* when the next held-back one is due; or -1 */
struct json_object *ctl_event_object(struct ctl_event *e); /* as sent; takes its data */
void ctl_event_free(struct ctl_event *e);
int64_t ctl_now(void);

/* socket.c */
struct ctl_listener {
	int fd, dir;
	char name[108]; /* of the socket file in dir */
	dev_t dev;
	ino_t ino; /* so that no other machine's socket is removed */
};
int ctl_listen(const char *path, struct ctl_listener *l, char *msg, size_t msg_len);
void ctl_unlisten(struct ctl_listener *l);
/* The default directory, without a slash at its end. 0 or -ENAMETOOLONG. */
int ctl_default_dir(char *buf, size_t n);
/* A connected, non-blocking socket, or -errno. */
int ctl_connect(const char *path);

/* client.c: one connection */
struct ctl_client {
	struct ctl_client *next;
	int fd, epoll;
	struct ctl_session *session;
	uint32_t interest;
	bool eof, dead;
};
/* Takes fd over. NULL: no memory, fd is closed. */
struct ctl_client *ctl_client_create(int fd, int epoll, const struct control_ops *ops, void *m);
void ctl_client_destroy(struct ctl_client *c);
void ctl_client_ready(struct ctl_client *c, uint32_t events); /* epoll reported it */
void ctl_client_turn(struct ctl_client *c);		      /* its share of one round */
void ctl_client_flush(struct ctl_client *c);
bool ctl_client_busy(const struct ctl_client *c); /* wants another turn at once */

#endif
