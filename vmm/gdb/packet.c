/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames of the protocol, `$data#checksum`, and reading what is in them.
 *
 * Invariant: a frame never holds more than GDB_PACKET bytes; what is longer is skipped to its end and
 * reported as bad. Read first: internal.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/gdb/internal.h"

#define ESCAPE	   '}'
#define ESCAPE_XOR 0x20

int gdb_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* ---- frames in ---- */

static void begin(struct gdb_frame *f)
{
	f->state = GDB_INSIDE;
	f->sum = 0;
	f->bad = false;
	f->len = 0;
}

static enum gdb_frame_result outside(struct gdb_frame *f, char c)
{
	switch (c) {
	case '$':
		begin(f);
		return GDB_FRAME_MORE;
	case '+':
		return GDB_FRAME_ACK;
	case '-':
		return GDB_FRAME_NAK;
	case GDB_INTERRUPT:
		return GDB_FRAME_INTERRUPT;
	default:
		return GDB_FRAME_MORE;
	}
}

static void add(struct gdb_frame *f, char c)
{
	f->bad |= f->len == GDB_PACKET;
	if (!f->bad)
		f->text[f->len++] = c;
}

static void inside(struct gdb_frame *f, char c)
{
	if (c == '#') {
		f->bad |= f->state == GDB_ESCAPED;
		f->state = GDB_SUM_HIGH;
		return;
	}
	f->sum = (uint8_t)(f->sum + (uint8_t)c);
	if (f->state == GDB_ESCAPED) {
		f->state = GDB_INSIDE;
		add(f, (char)(c ^ ESCAPE_XOR));
	} else if (c == ESCAPE) {
		f->state = GDB_ESCAPED;
	} else {
		add(f, c);
	}
}

/* A digit of the checksum. */
static enum gdb_frame_result digit(struct gdb_frame *f, char c)
{
	int d = gdb_hex_digit(c);

	f->bad |= d < 0;
	f->claimed = (uint8_t)(f->claimed << 4 | (d & 0xf));
	if (f->state == GDB_SUM_HIGH) {
		f->state = GDB_SUM_LOW;
		return GDB_FRAME_MORE;
	}
	f->state = GDB_OUTSIDE;
	f->text[f->len] = 0;
	return f->bad || f->claimed != f->sum ? GDB_FRAME_BAD : GDB_FRAME_PACKET;
}

static enum gdb_frame_result feed(struct gdb_frame *f, char c)
{
	if (f->state == GDB_OUTSIDE)
		return outside(f, c);
	/* A debugger that gave up on a packet begins the next; there is none that holds a plain '$'. */
	if (c == '$') {
		begin(f);
		return GDB_FRAME_MORE;
	}
	if (f->state == GDB_SUM_HIGH || f->state == GDB_SUM_LOW)
		return digit(f, c);
	inside(f, c);
	return GDB_FRAME_MORE;
}

enum gdb_frame_result gdb_frame_feed(struct gdb_frame *f, const char *p, size_t n, size_t *used)
{
	enum gdb_frame_result r = GDB_FRAME_MORE;
	size_t i = 0;

	while (i < n && r == GDB_FRAME_MORE)
		r = feed(f, p[i++]);
	*used = i;
	return r;
}

/* ---- frames out ---- */

void gdb_print(struct ctl_text *out, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ctl_text_put(out, line, strlen(line));
}

void gdb_put_hex(struct ctl_text *out, const void *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++) {
		const char pair[2] = {digits[p[i] >> 4], digits[p[i] & 0xf]};

		ctl_text_put(out, pair, 2);
	}
}

/* '*' would be taken for a repetition. */
static bool needs_escape(char c)
{
	return c == '$' || c == '#' || c == ESCAPE || c == '*';
}

void gdb_frame_put(struct ctl_text *out, const char *data, size_t n)
{
	uint8_t sum = 0;

	ctl_text_put(out, "$", 1);
	for (size_t i = 0; i < n; i++) {
		char c[2] = {ESCAPE, (char)(data[i] ^ ESCAPE_XOR)};
		bool two = needs_escape(data[i]);

		if (!two)
			c[0] = data[i];
		sum = (uint8_t)(sum + (uint8_t)c[0] + (two ? (uint8_t)c[1] : 0));
		ctl_text_put(out, c, two ? 2 : 1);
	}
	gdb_print(out, "#%02x", sum);
}

/* ---- reading ---- */

bool gdb_in_number(struct gdb_in *in, uint64_t *v)
{
	unsigned digits = 0;
	int d;

	*v = 0;
	while (in->p < in->end && (d = gdb_hex_digit(*in->p)) >= 0) {
		if (++digits > 16)
			return false;
		*v = *v << 4 | (unsigned)d;
		in->p++;
	}
	return digits;
}

bool gdb_in_char(struct gdb_in *in, char c)
{
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

bool gdb_in_word(struct gdb_in *in, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(in->end - in->p) < n || memcmp(in->p, word, n))
		return false;
	in->p += n;
	return true;
}

bool gdb_in_end(const struct gdb_in *in)
{
	return in->p == in->end;
}

bool gdb_in_hex(struct gdb_in *in, void *buf, size_t n)
{
	uint8_t *b = buf;

	if ((size_t)(in->end - in->p) / 2 < n)
		return false;
	for (size_t i = 0; i < n; i++, in->p += 2) {
		int high = gdb_hex_digit(in->p[0]), low = gdb_hex_digit(in->p[1]);

		if (high < 0 || low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool gdb_in_thread(struct gdb_in *in, unsigned vcpus, int *thread)
{
	uint64_t v;

	*thread = -1;
	if (gdb_in_word(in, "-1"))
		return true;
	if (!gdb_in_number(in, &v) || v > vcpus)
		return false;
	*thread = (int)v;
	return true;
}
