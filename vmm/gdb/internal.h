/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of the GDB stub offer each other, file by file, lowest first.
 *
 * All of it runs in one thread (the stub's) and so takes no lock. Read first: gdb.h.
 */
#ifndef UMBRA_GDB_INTERNAL_H
#define UMBRA_GDB_INTERNAL_H

#include "vmm/control/internal.h"
#include "vmm/cpu/state.h"
#include "vmm/gdb/gdb.h"

#define GDB_PACKET    16384u		     /* bytes of a packet, without its frame */
#define GDB_DATA      (GDB_PACKET / 2 - 32u) /* bytes of memory in one */
#define GDB_MAX_VCPUS 64u
#define GDB_INTERRUPT 0x03

/* packet.c: frames */
enum gdb_frame_result {
	GDB_FRAME_MORE,	     /* all bytes used, no packet yet */
	GDB_FRAME_PACKET,    /* text, len: unescaped, with a NUL behind it */
	GDB_FRAME_BAD,	     /* wrong checksum, or too long */
	GDB_FRAME_INTERRUPT, /* the byte 0x03 between packets */
	GDB_FRAME_ACK,
	GDB_FRAME_NAK,
};
struct gdb_frame {
	enum { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
	uint8_t sum, claimed;
	bool bad;
	size_t len;
	char text[GDB_PACKET + 1];
};
/* Stops after the byte that makes a result; *used says how far it came. */
enum gdb_frame_result gdb_frame_feed(struct gdb_frame *f, const char *p, size_t n,
				     size_t *used);
/* Appends a frame around data, escaped. */
void gdb_frame_put(struct ctl_text *out, const char *data, size_t n);
int gdb_hex_digit(char c); /* or -1 */
void gdb_put_hex(struct ctl_text *out, const void *data, size_t n);
__attribute__((format(printf, 2, 3))) void gdb_print(struct ctl_text *out, const char *fmt,
						     ...);

/* A packet while it is being read. */
struct gdb_in {
	const char *p, *end;
};
bool gdb_in_number(struct gdb_in *in, uint64_t *v); /* hex, 1 to 16 digits */
bool gdb_in_char(struct gdb_in *in, char c);
bool gdb_in_word(struct gdb_in *in, const char *word);
bool gdb_in_end(const struct gdb_in *in);
/* n bytes as 2n digits. */
bool gdb_in_hex(struct gdb_in *in, void *buf, size_t n);
/* -1: all, 0: any, else a vCPU's index plus 1. */
bool gdb_in_thread(struct gdb_in *in, unsigned vcpus, int *thread);

/* target.c: the registers, as a description and as rows */
enum gdb_reg_kind {
	GDB_GPR,
	GDB_RIP,
	GDB_EFLAGS,
	GDB_SELECTOR,
	GDB_BASE, /* of FS or GS */
	GDB_KERNEL_GS,
	GDB_CR,
	GDB_EFER,
	GDB_ST,
	GDB_X87, /* index: enum gdb_x87 */
	GDB_XMM,
	GDB_MXCSR,
};
enum gdb_x87 {
	GDB_FCTRL,
	GDB_FSTAT,
	GDB_FTAG,
	GDB_FISEG,
	GDB_FIOFF,
	GDB_FOSEG,
	GDB_FOOFF,
	GDB_FOP
};
struct gdb_reg {
	const char *name; /* NULL: a new feature begins, called type */
	const char *type;
	uint8_t bytes, kind, index;
};
/* Rows of the description, closed by one without name and type. */
extern const struct gdb_reg *const gdb_targets[];
void gdb_target_xml(enum gdb_arch arch, struct ctl_text *out);
/* Row number n in GDB's counting, or NULL. */
const struct gdb_reg *gdb_target_reg(enum gdb_arch arch, uint64_t n);

/* regs.c */
#define GDB_REG_BYTES 16
void gdb_reg_get(const struct cpu_state *s, const struct gdb_reg *r,
		 uint8_t buf[GDB_REG_BYTES]);
/* False: refused, nothing changed. */
bool gdb_reg_set(struct cpu_state *s, const struct gdb_reg *r,
		 const uint8_t buf[GDB_REG_BYTES]);

/* session.c: one client, without its socket */
struct gdb_session {
	const struct gdb_ops *ops;
	void *m;
	enum gdb_arch arch;
	struct gdb_frame frame;
	struct ctl_text reply; /* of the packet at work; what it holds is sent as one */
	struct ctl_text last;  /* the frame sent last, for a NAK */
	struct ctl_text out;   /* to be sent */
	struct ctl_text xml;
	unsigned vcpu;	 /* selected for registers and memory */
	int c_thread;	 /* selected by Hc for c and s */
	unsigned listed; /* by qsThreadInfo */
	struct debug_event stop;
	bool running, no_ack, silent; /* silent: no reply to this packet */
	bool physical, swbreak, hwbreak;
	bool closed; /* detached or killed */
};
/* Stops the machine. NULL: no memory. */
struct gdb_session *gdb_session_create(const struct gdb_ops *ops, void *m, enum gdb_arch arch);
/* Whatever the client has set is cleared, and the machine goes on. */
void gdb_session_destroy(struct gdb_session *s);
/* Uses input up to one packet; returns how much. Output is in s->out, for the caller to send and empty. */
size_t gdb_session_input(struct gdb_session *s, const char *p, size_t n);
/* Whether the machine stopped meanwhile: tells the client. */
void gdb_session_look(struct gdb_session *s);
/* The machine is no more. */
void gdb_session_end(struct gdb_session *s, unsigned code, unsigned signal);
void gdb_session_send(struct gdb_session *s, const char *data, size_t n);
/* A reply of Enn. */
void gdb_session_error(struct gdb_session *s, int err);
void gdb_session_ok(struct gdb_session *s);

/* data.c, points.c, run.c, query.c: packets. What is not known is answered by nothing. */
typedef void gdb_packet_fn(struct gdb_session *s, struct gdb_in *in);
gdb_packet_fn gdb_read_all, gdb_write_all, gdb_read_reg, gdb_write_reg, gdb_read_memory,
	gdb_write_memory, gdb_write_binary;
gdb_packet_fn gdb_set_point, gdb_clear_point;
gdb_packet_fn gdb_why, gdb_continue, gdb_step, gdb_continue_signal, gdb_step_signal, gdb_detach,
	gdb_kill, gdb_v, gdb_select, gdb_alive;
gdb_packet_fn gdb_query, gdb_set;
void gdb_put_stop(struct gdb_session *s);
void gdb_let_go(struct gdb_session *s, const enum debug_act *act);

#endif
