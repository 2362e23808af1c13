/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that let vCPUs run, and what is said when they stop.
 *
 * Read first: internal.h, ../debug.h.
 */
#include <errno.h>
#include <string.h>

#include "vmm/cpu/ops.h"
#include "vmm/gdb/internal.h"

#define SIGNAL_INT  2u
#define SIGNAL_TRAP 5u

static unsigned vcpus(const struct gdb_session *s)
{
	return s->ops->control->cpus(s->m);
}

/* ---- stops ---- */

static void put_watch(struct gdb_session *s)
{
	const char *name = s->stop.access == MEM_WRITE	? "watch"
			   : s->stop.access == MEM_READ ? "rwatch"
							: "awatch";

	gdb_print(&s->reply, "%s:%llx;", name, (unsigned long long)s->stop.at);
}

void gdb_put_stop(struct gdb_session *s)
{
	gdb_print(&s->reply, "T%02xthread:%x;",
		  s->stop.why == DEBUG_ASKED ? SIGNAL_INT : SIGNAL_TRAP, s->stop.vcpu + 1);
	if (s->stop.why == DEBUG_WATCH)
		put_watch(s);
	else if (s->stop.why == DEBUG_POINT && s->swbreak)
		gdb_print(&s->reply, "swbreak:;");
	else if (s->stop.why == DEBUG_POINT && s->hwbreak)
		gdb_print(&s->reply, "hwbreak:;");
}

void gdb_why(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_put_stop(s);
}

/* ---- running ---- */

/* A machine that was told to wait with -S waits for this, as for `cont` on the control socket; one
 * that somebody has stopped there waits on. */
void gdb_let_go(struct gdb_session *s, const enum debug_act *act)
{
	const struct control_ops *c = s->ops->control;
	struct control_error e;

	if (!strcmp(c->status(s->m), "prelaunch"))
		c->cont(s->m, &e);
	s->running = true;
	s->silent = true; /* until it stops */
	s->ops->go(s->m, act);
}

static void fill(enum debug_act act[GDB_MAX_VCPUS], enum debug_act with)
{
	for (unsigned i = 0; i < GDB_MAX_VCPUS; i++)
		act[i] = with;
}

/* c [ADDRESS], s [ADDRESS]. */
static void resume(struct gdb_session *s, struct gdb_in *in, enum debug_act what)
{
	static const struct gdb_reg rip = {"rip", "code_ptr", 8, GDB_RIP, 0};
	enum debug_act act[GDB_MAX_VCPUS];
	unsigned v = s->c_thread > 0 ? (unsigned)s->c_thread - 1 : s->vcpu;
	uint8_t buf[GDB_REG_BYTES] = {0};
	uint64_t at;

	if (!gdb_in_end(in)) {
		if (!gdb_in_number(in, &at) || !gdb_in_end(in)) {
			gdb_session_error(s, EINVAL);
			return;
		}
		memcpy(buf, &at, sizeof(at));
		if (!gdb_reg_set(s->ops->cpu(s->m, v), &rip, buf)) {
			gdb_session_error(s, EINVAL);
			return;
		}
	}
	fill(act, what == DEBUG_RUN && s->c_thread <= 0 ? DEBUG_RUN : DEBUG_HOLD);
	act[v] = what;
	gdb_let_go(s, act);
}

void gdb_continue(struct gdb_session *s, struct gdb_in *in)
{
	resume(s, in, DEBUG_RUN);
}

void gdb_step(struct gdb_session *s, struct gdb_in *in)
{
	resume(s, in, DEBUG_STEP);
}

/* C SIGNAL[;ADDRESS]: there are no signals to give a machine. */
static void resume_signal(struct gdb_session *s, struct gdb_in *in, enum debug_act what)
{
	uint64_t signal;

	if (!gdb_in_number(in, &signal) || (!gdb_in_end(in) && !gdb_in_char(in, ';')))
		gdb_session_error(s, EINVAL);
	else
		resume(s, in, what);
}

void gdb_continue_signal(struct gdb_session *s, struct gdb_in *in)
{
	resume_signal(s, in, DEBUG_RUN);
}

void gdb_step_signal(struct gdb_session *s, struct gdb_in *in)
{
	resume_signal(s, in, DEBUG_STEP);
}

/* ---- vCont ---- */

/* One of c, s, CSIGNAL, SSIGNAL. */
static bool take_act(struct gdb_in *in, enum debug_act *act)
{
	uint64_t signal;

	if (gdb_in_char(in, 'c')) {
		*act = DEBUG_RUN;
		return true;
	}
	if (gdb_in_char(in, 's')) {
		*act = DEBUG_STEP;
		return true;
	}
	*act = in->p < in->end && *in->p == 'S' ? DEBUG_STEP : DEBUG_RUN;
	return (gdb_in_char(in, 'C') || gdb_in_char(in, 'S')) && gdb_in_number(in, &signal);
}

/* The first action that names a vCPU is its own; one that none names stays where it is. */
static bool take_acts(struct gdb_session *s, struct gdb_in *in,
		      enum debug_act act[GDB_MAX_VCPUS])
{
	bool named[GDB_MAX_VCPUS] = {false};
	unsigned n = vcpus(s);
	enum debug_act a;
	int thread;

	fill(act, DEBUG_HOLD);
	while (gdb_in_char(in, ';')) {
		thread = -1;
		if (!take_act(in, &a) ||
		    (gdb_in_char(in, ':') && !gdb_in_thread(in, n, &thread)))
			return false;
		if (thread == 0)
			thread = (int)s->vcpu + 1;
		for (unsigned i = 0; i < n; i++)
			if ((thread < 0 || (unsigned)thread == i + 1) && !named[i]) {
				act[i] = a;
				named[i] = true;
			}
	}
	return gdb_in_end(in);
}

void gdb_v(struct gdb_session *s, struct gdb_in *in)
{
	enum debug_act act[GDB_MAX_VCPUS];

	if (gdb_in_word(in, "Cont?")) {
		gdb_print(&s->reply, "vCont;c;C;s;S");
	} else if (gdb_in_word(in, "Cont;")) {
		in->p--;
		if (take_acts(s, in, act))
			gdb_let_go(s, act);
		else
			gdb_session_error(s, EINVAL);
	} else if (gdb_in_word(in, "Kill")) {
		gdb_session_ok(s);
		gdb_kill(s, in);
	}
}

/* ---- leaving ---- */

void gdb_detach(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	gdb_session_ok(s);
	s->closed = true;
}

void gdb_kill(struct gdb_session *s, struct gdb_in *in)
{
	(void)in;
	s->ops->control->quit(s->m);
	s->closed = true;
}

/* ---- threads ---- */

/* Hg and Hc. */
void gdb_select(struct gdb_session *s, struct gdb_in *in)
{
	char what = in->p < in->end ? *in->p++ : 0;
	int thread;

	if ((what != 'g' && what != 'c') || !gdb_in_thread(in, vcpus(s), &thread) ||
	    !gdb_in_end(in)) {
		gdb_session_error(s, EINVAL);
		return;
	}
	if (what == 'c')
		s->c_thread = thread;
	else if (thread > 0)
		s->vcpu = (unsigned)thread - 1;
	gdb_session_ok(s);
}

void gdb_alive(struct gdb_session *s, struct gdb_in *in)
{
	int thread;

	if (gdb_in_thread(in, vcpus(s), &thread) && thread > 0 && gdb_in_end(in))
		gdb_session_ok(s);
	else
		gdb_session_error(s, EINVAL);
}
