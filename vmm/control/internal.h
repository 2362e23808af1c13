/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the control socket offer each other, file by file, lowest first.
 *
 * Everything here but event.c runs in one thread (the server's) and so takes no lock.
 *
 * Read first: control.h.
 */
#ifndef UMBRA_CONTROL_INTERNAL_H
#define UMBRA_CONTROL_INTERNAL_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "shadow/diff.h"
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

/* type.c: types of arguments and replies, as text. A type ends where its brackets close or a comma
 * follows; none of these needs it to end with a NUL. */
struct ctl_place {
	char path[128]; /* of the value that is being looked at, as a.b[1] */
};
struct ctl_member {
	const char *name, *type;
	size_t len; /* of the name */
	bool optional;
};
struct ctl_base {
	const char *word; /* NULL ends the list */
	bool (*fits)(struct json_object *v);
	const char *expected;	   /* in words */
	const char *schema, *json; /* name and JSON type in the schema; NULL: an alternate */
};
struct ctl_named {
	const char *name; /* NULL ends the list */
	const char *text;
};
extern const struct ctl_base ctl_bases[];
const char *ctl_type_end(const char *t);
bool ctl_type_is(const char *t, const char *word);
/* The first member of the object type t, or the next after the place returned last; NULL: no more. */
const char *ctl_type_member(const char *t, struct ctl_member *m);
const struct ctl_base *ctl_type_base(const char *t); /* NULL: it is none of these */
const char *ctl_type_named(const char *t);	     /* of @Name */
bool ctl_type_check(const char *t, struct json_object *v, const struct ctl_place *at,
		    struct control_error *e);

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
enum ctl_command_flags {
	CTL_CMD_UNNEGOTIATED = 1 << 0, /* runs in negotiation mode */
	CTL_CMD_OOB = 1 << 1,	       /* may be sent as exec-oob */
	CTL_CMD_PAUSES = 1 << 2,       /* every vCPU is at rest while it runs */
	CTL_CMD_ENDED = 1 << 3,	       /* works on a machine that has ended, too */
};
#define CTL_MAX_ARGS 8
struct ctl_arg {
	const char *name; /* NULL ends the list */
	const char *type;
	bool optional;
	const char *help;
};
struct ctl_command {
	const char *name;
	const char *help;
	const char *type;    /* of what it returns */
	const char *returns; /* the same in words */
	ctl_run_fn *run;
	unsigned flags;	 /* enum ctl_command_flags */
	unsigned errors; /* 1 << class, for each class besides GenericError */
	struct ctl_arg args[CTL_MAX_ARGS + 1];
};
struct ctl_event_kind {
	const char *name; /* NULL ends the list */
	const char *type; /* of its data */
	bool limited;	  /* sent at most once a second: a guest can cause it at will */
	const char *help;
};
extern const struct ctl_command ctl_commands[]; /* ends with a row without a name */
extern const struct ctl_named ctl_types[];
extern const struct ctl_event_kind ctl_event_kinds[];
const struct ctl_command *ctl_command_find(const char *name);
/* Whether args (an object or NULL) fit the command. 0, or -1 with *e set. */
int ctl_command_check(const struct ctl_command *cmd, struct json_object *args,
		      struct control_error *e);

/* args.c: an argument of a checked call; the default when it was left out. */
bool ctl_arg_given(const struct ctl_call *call, const char *name);
uint64_t ctl_arg_hex(const struct ctl_call *call, const char *name, uint64_t def);
unsigned ctl_arg_index(const struct ctl_call *call, const char *name, unsigned def);
bool ctl_arg_bool(const struct ctl_call *call, const char *name, bool def);
const char *ctl_arg_string(const struct ctl_call *call, const char *name, const char *def);

/* schema.c */
/* The type of all arguments of a command as one object, with a NUL. */
void ctl_args_type(const struct ctl_command *cmd, struct ctl_text *out);

/* commands.c, schema.c, stats.c, look.c, shadow_*.c, monitor.c, save.c: what the rows run */
ctl_run_fn ctl_run_capabilities, ctl_run_version, ctl_run_commands, ctl_run_schema,
	ctl_run_status, ctl_run_name, ctl_run_kvm, ctl_run_target, ctl_run_cpus_fast,
	ctl_run_stats, ctl_run_stats_schemas, ctl_run_stop, ctl_run_cont, ctl_run_reset,
	ctl_run_quit, ctl_run_monitor, ctl_run_memsave, ctl_run_pmemsave, ctl_run_shadow_roots,
	ctl_run_shadow_page, ctl_run_shadow_walk, ctl_run_shadow_explain, ctl_run_shadow_dump,
	ctl_run_shadow_diff, ctl_run_shadow_audit, ctl_run_shadow_flush, ctl_run_shadow_stats,
	ctl_run_shootdowns, ctl_run_rcu, ctl_run_shadow_set, ctl_run_inject, ctl_run_trace_get,
	ctl_run_trace_set, ctl_run_trace_read, ctl_run_shadow_blame;
struct json_object *ctl_version(void);

/* look.c: what the commands that look at tables share */
struct ctl_subject { /* whose tables: a vCPU's, or those of a root */
	struct sh_mmu *mmu;
	unsigned vcpu;
	struct sh_regs regs;
	struct sh_mode mode;
	bool by_root; /* regs and mode are put together from the root's key */
	mfn_t root;
	struct sh_role role;
};
struct json_object *ctl_hex(uint64_t v);
void ctl_put(struct json_object *o, const char *key, struct json_object *val);
void ctl_put_int(struct json_object *o, const char *key, uint64_t val);
void ctl_put_hex(struct json_object *o, const char *key, uint64_t val);
void ctl_put_str(struct json_object *o, const char *key, const char *val);
void ctl_put_bool(struct json_object *o, const char *key, bool val);
struct json_object *ctl_role(struct sh_role r);
/* Names of an entry's bits, top bit first, separated by spaces. */
struct json_object *ctl_flags(uint64_t entry, unsigned level);
/* The MMU, or NULL with *e set. */
struct sh_mmu *ctl_mmu(const struct ctl_call *call, struct control_error *e);
/* The registers of the vCPU named by argument vcpu (or `name`), from which walks begin. */
int ctl_subject_vcpu(const struct ctl_call *call, const char *name, struct ctl_subject *s,
		     struct control_error *e);
/* The same, or of the root that argument root names. */
int ctl_subject(const struct ctl_call *call, struct ctl_subject *s, struct control_error *e);
/* The root to look from for a view. False: there is none yet. */
bool ctl_subject_root(const struct ctl_subject *s, enum sh_view view, mfn_t *root);
/* Argument view, in words of the table; false: "guest". */
bool ctl_view(const struct ctl_call *call, const char *def, enum sh_view *view);
extern const char *const ctl_view_names[SH_VIEWS];
/* generation and consistent: whether nothing changed since the look began. */
void ctl_put_look(struct json_object *o, struct sh_mmu *mmu, const struct sh_look *look);

/* What a debugger sees at an address; false: not mapped. monitor_mem.c */
bool ctl_translate(const struct ctl_subject *s, gva_t gva, gpa_t *gpa);
const char *ctl_verdict_name(enum sh_verdict v); /* shadow_dump.c */
void ctl_cpu_path(unsigned vcpu, char buf[32]);	 /* stats.c: its qom-path */

/* trace.c: type @TraceRecord */
struct sh_trace_record;
struct json_object *ctl_trace_record(const struct sh_trace_record *r);

/* monitor*.c: the human monitor */
struct ctl_hmp {
	const struct ctl_call *call;
	struct ctl_text out;
	struct ctl_subject who;
	const struct cpu_state *cpu; /* at rest; only for rows that ask for it */
	const char *args;
};
__attribute__((format(printf, 2, 3))) void ctl_print(struct ctl_hmp *h, const char *fmt, ...);
/* True once no more may be printed. */
bool ctl_print_full(const struct ctl_hmp *h);
void ctl_hmp_tlb(struct ctl_hmp *h);
void ctl_hmp_mem(struct ctl_hmp *h);
void ctl_hmp_registers(struct ctl_hmp *h);
void ctl_hmp_x(struct ctl_hmp *h);
void ctl_hmp_xp(struct ctl_hmp *h);
void ctl_hmp_gva2gpa(struct ctl_hmp *h);

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
#define CTL_EVENT_KINDS	 16 /* rows of ctl_event_kinds[], at most */
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

/* share.c: how much of the processors the server takes */
struct ctl_share {
	bool limited; /* vCPUs are short of processors */
	int processors;
	int64_t now;	/* ns: when it was last asked */
	int64_t used;	/* processor time by then */
	int64_t credit; /* what is left */
};
/* Of the thread that calls, which becomes nicer where it is limited. */
void ctl_share_init(struct ctl_share *s, unsigned vcpus);
/* How long to do nothing now, in ns; 0: go on. */
int64_t ctl_share_rest(struct ctl_share *s, bool guest_runs);

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
