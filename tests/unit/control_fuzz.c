/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzing a control session in memory: any bytes, cut into pieces of any size, to a small machine whose
 * guest does something before each piece.
 *
 * Checks what must hold for every input: the output is ASCII, each line ends with CRLF and is
 * one JSON object, a session that was resynchronised answers the next command, and the machine is as
 * sound as before: its audit is clean, its hardware met nothing it must not, and nothing leaks. The
 * first byte of an input is the size of the pieces.
 *
 * make fuzz runs it with an engine, tests/fuzz/replay.c on its corpus. Read first: control_machine.h.
 */
#define _GNU_SOURCE 1 /* memmem */

#include <stdlib.h>
#include <string.h>

#include "tests/unit/control_machine.h"
#include "vmm/control/internal.h"
#include "vmm/cpu/state.h"

static struct json_object *object(void)
{
	return json_object_new_object();
}

static const char *fake_status(void *m)
{
	(void)m;
	return "running";
}

static bool fake_running(void *m)
{
	(void)m;
	return true;
}

static const char *fake_name(void *m)
{
	(void)m;
	return "m\xc3\xbc\xf0\x9f\x98\x80\xff";
}

static int fake_act(void *m, struct control_error *e)
{
	(void)m, (void)e;
	return 0;
}

static void fake_quit(void *m)
{
	(void)m;
}

static bool fake_ended(void *m)
{
	(void)m;
	return false;
}

static void fake_event(void *m, const char *name, struct json_object *data)
{
	(void)m, (void)name;
	json_object_put(data);
}

static struct sh_mmu *fake_mmu(void *m)
{
	return ((struct fake *)m)->mmu;
}

static unsigned fake_cpus(void *m)
{
	return ((struct fake *)m)->cfg.vcpus;
}

static long fake_thread(void *m, unsigned vcpu)
{
	(void)m;
	return (long)vcpu;
}

/* The first vCPU has registers, the thread of the other is gone. */
static const struct cpu_state *fake_cpu(void *m, unsigned vcpu)
{
	static struct cpu_state state;
	(void)m;
	return vcpu ? NULL : &state;
}

static struct json_object *fake_stats(void *m, struct control_error *e)
{
	(void)m, (void)e;
	return object();
}

static const struct control_ops ops = {
	.status = fake_status,
	.running = fake_running,
	.ended = fake_ended,
	.name = fake_name,
	.engine = fake_status,
	.stop = fake_act,
	.cont = fake_act,
	.reset = fake_act,
	.quit = fake_quit,
	.pause = fake_quit,
	.resume = fake_quit,
	.mmu = fake_mmu,
	.cpus = fake_cpus,
	.thread = fake_thread,
	.cpu = fake_cpu,
	.event = fake_event,
	.shadow_stats = fake_stats,
	.tick = fake_quit,
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_line(const char *line, size_t len)
{
	require(len >= 2 && line[len - 2] == '\r');
	for (size_t i = 0; i < len - 2; i++)
		require(line[i] >= 0x20 && line[i] < 0x7f);
	/* An id of the greatest depth lies one level deeper in a check than it was sent. */
	struct json_tokener *tok = json_tokener_new_ex(CTL_MAX_DEPTH + 4);
	struct json_object *o = json_tokener_parse_ex(tok, line, (int)len - 2);
	require(json_object_is_type(o, json_type_object));
	json_object_put(o);
	json_tokener_free(tok);
}

/* Takes all output, checks it, and returns whether it holds text. */
static bool take_output(struct ctl_session *s, const char *text)
{
	const char *p, *end;
	size_t len = ctl_session_output(s, &p);
	bool found = text && memmem(p, len, text, strlen(text));
	for (const char *line = p; line < p + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(p + len - line));
		require(end);
		check_line(line, (size_t)(end + 1 - line));
	}
	ctl_session_sent(s, len);
	return found;
}

static void run(struct ctl_session *s, struct fake *f)
{
	while (ctl_session_runnable(s)) {
		ctl_session_step(s);
		take_output(s, NULL);
		cm_unstall(f);
	}
	require(!s->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char last[] = "\xff{\"execute\":\"query-x\",\"id\":\"last\"}";
	struct fake f;
	if (size < 1)
		return 0;
	require(!cm_start(&f));
	size_t piece = data[0] ? data[0] : size;
	struct ctl_session *s = ctl_session_create(&ops, &f);
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		cm_live(&f, (unsigned)at);
		ctl_session_input(s, (const char *)data + at, n);
		run(s, &f);
	}
	take_output(s, NULL);
	ctl_session_input(s, last, sizeof(last) - 1);
	bool answered = false;
	while (ctl_session_runnable(s)) {
		ctl_session_step(s);
		answered |= take_output(s, "\"id\":\"last\"");
	}
	require(answered);
	ctl_session_destroy(s);
	require(cm_end(&f));
	return 0;
}
