/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One client, without its socket: packets in, packets out.
 *
 * States: stopped, where packets are answered; running, where only the byte 0x03 counts and the answer to
 * the packet that let it run is sent when it stops; closed.
 * Memory: one packet in, one reply, and what of it is not sent yet; the caller sends between two packets.
 *
 * Read first: internal.h, packet.c. Read next: server.c.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/gdb/internal.h"

static const struct {
	char letter;
	gdb_packet_fn *run;
} packets[] = {
	{'?', gdb_why},
	{'g', gdb_read_all},
	{'G', gdb_write_all},
	{'p', gdb_read_reg},
	{'P', gdb_write_reg},
	{'m', gdb_read_memory},
	{'M', gdb_write_memory},
	{'X', gdb_write_binary},
	{'Z', gdb_set_point},
	{'z', gdb_clear_point},
	{'c', gdb_continue},
	{'s', gdb_step},
	{'C', gdb_continue_signal},
	{'S', gdb_step_signal},
	{'v', gdb_v},
	{'D', gdb_detach},
	{'k', gdb_kill},
	{'H', gdb_select},
	{'T', gdb_alive},
	{'q', gdb_query},
	{'Q', gdb_set},
};

void gdb_session_error(struct gdb_session *s, int err)
{
	ctl_text_clear(&s->reply);
	gdb_print(&s->reply, "E%02x", (unsigned)err & 0xff);
}

void gdb_session_ok(struct gdb_session *s)
{
	gdb_print(&s->reply, "OK");
}

void gdb_session_send(struct gdb_session *s, const char *data, size_t n)
{
	ctl_text_clear(&s->last);
	gdb_frame_put(&s->last, data, n);
	ctl_text_put(&s->out, s->last.p, s->last.failed ? 0 : s->last.len);
}

static void send_reply(struct gdb_session *s)
{
	gdb_session_send(s, s->reply.p ? s->reply.p : "", s->reply.len);
	ctl_text_clear(&s->reply);
}

struct gdb_session *gdb_session_create(const struct gdb_ops *ops, void *m, enum gdb_arch arch)
{
	struct gdb_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->ops = ops;
	s->m = m;
	s->arch = arch;
	ops->stop(m);
	ops->settle(m, &s->stop);
	s->vcpu = s->stop.vcpu;
	return s;
}

/* It may have run: then it has to stop before its breakpoints can go. */
static void leave(struct gdb_session *s)
{
	enum debug_act act[GDB_MAX_VCPUS];
	struct debug_event e;

	if (s->running)
		s->ops->stop(s->m);
	s->ops->settle(s->m, &e);
	s->ops->clear_all(s->m);
	for (unsigned i = 0; i < GDB_MAX_VCPUS; i++)
		act[i] = DEBUG_RUN;
	s->ops->go(s->m, act);
}

void gdb_session_destroy(struct gdb_session *s)
{
	if (!s)
		return;
	leave(s);
	ctl_text_free(&s->reply);
	ctl_text_free(&s->last);
	ctl_text_free(&s->out);
	ctl_text_free(&s->xml);
	free(s);
}

/* ---- input ---- */

static void run_packet(struct gdb_session *s)
{
	struct gdb_in in = {.p = s->frame.text, .end = s->frame.text + s->frame.len};

	if (in.p == in.end)
		return;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++)
		if (packets[i].letter == *in.p) {
			in.p++;
			packets[i].run(s, &in);
			return;
		}
}

/* A client that sends packets while the machine runs does not keep to the protocol; it has no answer to
 * come but the stop's. */
static void packet(struct gdb_session *s)
{
	if (!s->no_ack)
		ctl_text_put(&s->out, "+", 1);
	if (s->running)
		return;
	s->silent = false;
	ctl_text_clear(&s->reply);
	run_packet(s);
	if (!s->silent)
		send_reply(s);
}

static void act(struct gdb_session *s, enum gdb_frame_result r)
{
	switch (r) {
	case GDB_FRAME_PACKET:
		packet(s);
		break;
	case GDB_FRAME_BAD:
		if (!s->no_ack)
			ctl_text_put(&s->out, "-", 1);
		break;
	case GDB_FRAME_INTERRUPT:
		if (s->running)
			s->ops->stop(s->m);
		break;
	case GDB_FRAME_NAK:
		if (!s->no_ack && s->last.len)
			ctl_text_put(&s->out, s->last.p, s->last.len);
		break;
	case GDB_FRAME_ACK:
	case GDB_FRAME_MORE:
		break;
	}
}

size_t gdb_session_input(struct gdb_session *s, const char *p, size_t n)
{
	size_t used;

	act(s, gdb_frame_feed(&s->frame, p, n, &used));
	return used;
}

/* ---- what happens meanwhile ---- */

void gdb_session_look(struct gdb_session *s)
{
	struct debug_event e;

	if (!s->running || s->closed || s->ops->control->ended(s->m) ||
	    !s->ops->settle(s->m, &e))
		return;
	s->running = false;
	/* Who asked for it goes on with the vCPU at hand. */
	if (e.why == DEBUG_ASKED)
		e.vcpu = s->vcpu;
	s->stop = e;
	s->vcpu = e.vcpu;
	gdb_put_stop(s);
	send_reply(s);
}

void gdb_session_end(struct gdb_session *s, unsigned code, unsigned signal)
{
	if (!s->running || s->closed)
		return;
	gdb_print(&s->reply, "%c%02x", signal ? 'X' : 'W', (signal ? signal : code) & 0xff);
	send_reply(s);
	s->closed = true;
}
