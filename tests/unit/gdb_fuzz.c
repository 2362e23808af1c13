/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzing a debugger's session in memory: any bytes, cut into pieces of any size.
 *
 * Checks what must hold for every input: output is acknowledgements and frames with right checksums,
 * no longer than they may be; the registers are ones the manuals allow; and a session that is not closed
 * answers the next packet. The first byte of an input is the size of the pieces; after each piece that
 * let the machine run, it stops.
 *
 * make fuzz runs it with an engine, tests/fuzz/replay.c on its corpus.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/gdb_rig.h"

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A frame's length, checked; its data begins behind the '$'. */
static size_t check_frame(const char *p, size_t n)
{
	uint8_t sum = 0;
	size_t i = 1;

	for (; i < n && p[i] != '#'; i++) {
		require(p[i] != '$');
		sum = (uint8_t)(sum + (uint8_t)p[i]);
	}
	require(i + 2 < n && i <= 2 * GDB_PACKET);
	require(gdb_hex_digit(p[i + 1]) == sum >> 4 && gdb_hex_digit(p[i + 2]) == (sum & 0xf));
	return i + 3;
}

/* Returns the number of frames. */
static unsigned take_output(struct gdb_session *s)
{
	unsigned frames = 0;
	size_t at = 0;

	while (at < s->out.len) {
		const char *p = s->out.p + at;

		if (*p == '+' || *p == '-') {
			at++;
			continue;
		}
		require(*p == '$');
		at += check_frame(p, s->out.len - at);
		frames++;
	}
	ctl_text_clear(&s->out);
	return frames;
}

static void check_registers(const struct gdb_rig *r)
{
	for (unsigned i = 0; i < GDB_RIG_CPUS; i++) {
		const struct cpu_state *s = &r->cpu[i];

		require(cpu_canonical(s, s->rip));
		require(cpu_canonical(s, s->seg[CPU_FS].base));
		require(cpu_canonical(s, s->seg[CPU_GS].base));
		require(s->rflags & RFL_FIXED && !(s->rflags & RFL_VM));
		require(!(s->fpu.mxcsr & ~FPU_MXCSR_MASK));
	}
}

static void feed(struct gdb_session *s, const char *p, size_t n)
{
	for (size_t at = 0; at < n && !s->closed;) {
		at += gdb_session_input(s, p + at, n - at);
		take_output(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gdb_rig r;
	static const struct debug_event hit = {.why = DEBUG_POINT, .vcpu = 1, .at = 0x1000};
	struct gdb_session *s;
	size_t piece;

	if (size < 1)
		return 0;
	gdb_rig_init(&r);
	s = gdb_session_create(&gdb_rig_ops, &r, data[0] & 1 ? GDB_I386 : GDB_AMD64);
	require(s);
	piece = data[0] ? data[0] : size;
	for (size_t at = 1; at < size && !s->closed; at += piece) {
		feed(s, (const char *)data + at, size - at < piece ? size - at : piece);
		check_registers(&r);
		if (!s->running)
			continue;
		r.stopped = true;
		r.event = hit;
		gdb_session_look(s);
		require(take_output(s) == 1 && !s->running);
	}
	if (!s->closed) {
		bool answered = false;

		for (const char *p = "$?#3f"; *p; p++) {
			gdb_session_input(s, p, 1);
			answered |= take_output(s) == 1;
		}
		require(answered);
	}
	gdb_session_destroy(s);
	require(!r.stopped && !r.set.points && !r.set.watches);
	return 0;
}
