/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where one request ends: QMP input has no line structure, so values are cut out of the stream
 * by their brackets and parsed as a whole.
 *
 * A value is cut out before it is parsed, rather than parsed piece by piece, for three reasons:
 * json-c's UTF-8 check does not span two pieces; a half-sent request costs its own bytes only,
 * not a tree of objects; and what json-c is lenient about (raw control characters and \u0000 in
 * strings, NaN, comments, integers beyond 64 bits) is refused here in one place.
 *
 * Invariants: text never holds more than CTL_MAX_OBJECT bytes; depth never exceeds
 * CTL_MAX_DEPTH; text is empty whenever depth is 0 on entry. After an error, input is skipped
 * up to a line's end, a control character or 0xFF: each of these is a place where a client
 * starts afresh.
 *
 * Read after: text.c.
 */
#include <string.h>

#include "vmm/control/internal.h"

static bool is_space(unsigned char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

/* No JSON holds these bytes, but for the line's end between tokens. */
static bool is_reset(unsigned char ch)
{
	return (ch < 0x20 && ch != '\t') || ch >= 0xfe;
}

/* A string's \uXXXX: strings end at a NUL in C, so \u0000 would hide what follows it. */
static const char *scan_escape(struct ctl_frame *f, unsigned char ch)
{
	if (f->escape == 1) {
		f->escape = ch == 'u' ? 5 : 0;
		f->escape_zero = true;
		return NULL;
	}
	f->escape_zero = f->escape_zero && ch == '0';
	f->escape--;
	if (f->escape > 1)
		return NULL;
	f->escape = 0;
	return f->escape_zero ? "\\u0000 is not allowed" : NULL;
}

static const char *scan_string(struct ctl_frame *f, unsigned char ch)
{
	if (ch < 0x20)
		return "control character in a string";
	if (f->escape)
		return scan_escape(f, ch);
	if (ch == '\\')
		f->escape = 1;
	else if (ch == '"')
		f->in_string = false;
	return NULL;
}

/* A bracket opened or a comma passed: at most one more value, besides the first. */
static const char *count_value(struct ctl_frame *f)
{
	return ++f->values > CTL_MAX_VALUES ? "too many values" : NULL;
}

static const char *open_bracket(struct ctl_frame *f, bool brace)
{
	if (f->depth == CTL_MAX_DEPTH)
		return "nested too deeply";
	uint64_t bit = 1ull << f->depth++;
	f->braces = brace ? f->braces | bit : f->braces & ~bit;
	return count_value(f);
}

static const char *close_bracket(struct ctl_frame *f, bool brace)
{
	if (f->depth == 0)
		return "expecting an object";
	bool opened_by_brace = f->braces >> --f->depth & 1;
	return opened_by_brace == brace ? NULL : "brackets do not match";
}

/* An integer beyond 64 bits is refused: json-c would make another one of it, and an id must
 * come back as it was sent. */
static const char *scan_number(struct ctl_number *n, unsigned char ch)
{
	bool digit = ch >= '0' && ch <= '9';
	if (!n->active && (digit || ch == '-'))
		*n = (struct ctl_number){.active = true, .negative = ch == '-'};
	if (!n->active || ch == '-')
		return NULL;
	if (digit) {
		n->overflow |= __builtin_mul_overflow(n->value, 10u, &n->value);
		n->overflow |= __builtin_add_overflow(n->value, ch - '0', &n->value);
		return NULL;
	}
	if (ch == '.' || ch == 'e' || ch == 'E' || ch == '+') {
		n->real = true;
		return NULL;
	}
	n->active = false;
	bool large = n->overflow || (n->negative && n->value > 1ull << 63);
	return large && !n->real ? "integer of more than 64 bits" : NULL;
}

static const char *scan_structure(struct ctl_frame *f, unsigned char ch)
{
	if (ch == '{' || ch == '[')
		return open_bracket(f, ch == '{');
	if (ch == '}' || ch == ']')
		return close_bracket(f, ch == '}');
	if (f->depth == 0)
		return "expecting an object";
	if (ch == ',')
		return count_value(f);
	if (ch == '"')
		f->in_string = true;
	else if (!is_space(ch) && (ch == 0 || !strchr(":0123456789+-.eEtrufalsn", ch)))
		return "stray character";
	return NULL;
}

static const char *scan_token(struct ctl_frame *f, unsigned char ch)
{
	const char *why = scan_number(&f->number, ch);
	return why ? why : scan_structure(f, ch);
}

static const char *scan(struct ctl_frame *f, unsigned char ch)
{
	if (is_reset(ch) && (f->in_string || !is_space(ch)))
		return "interrupted by a control character";
	if (f->text.len >= CTL_MAX_OBJECT)
		return "object too large";
	return f->in_string ? scan_string(f, ch) : scan_token(f, ch);
}

static void reset(struct ctl_frame *f)
{
	ctl_text_clear(&f->text);
	f->depth = f->values = 0;
	f->in_string = false;
	f->escape = 0;
	f->number.active = false;
}

static enum ctl_frame_result fail(struct ctl_frame *f, unsigned char ch, const char *why)
{
	reset(f);
	f->why = why;
	f->skipping = !is_reset(ch);
	return CTL_FRAME_ERROR;
}

static enum ctl_frame_result feed_byte(struct ctl_frame *f, unsigned char ch)
{
	if (f->skipping) {
		f->skipping = !is_reset(ch);
		return CTL_FRAME_MORE;
	}
	if (f->depth == 0 && (is_space(ch) || is_reset(ch)))
		return CTL_FRAME_MORE;
	const char *why = scan(f, ch);
	if (why)
		return fail(f, ch, why);
	ctl_text_put(&f->text, &ch, 1);
	return f->depth ? CTL_FRAME_MORE : CTL_FRAME_OBJECT;
}

enum ctl_frame_result ctl_frame_feed(struct ctl_frame *f, const char *p, size_t n, size_t *used)
{
	enum ctl_frame_result r = CTL_FRAME_MORE;
	size_t i = 0;
	while (i < n && r == CTL_FRAME_MORE)
		r = feed_byte(f, (unsigned char)p[i++]);
	*used = i;
	return r;
}

struct json_object *ctl_frame_parse(struct ctl_frame *f)
{
	struct json_object *o = NULL;
	/* Two more than ours: json-c counts a scalar as a level too. */
	struct json_tokener *tok = json_tokener_new_ex(CTL_MAX_DEPTH + 2);
	f->why = "out of memory";
	if (tok && !f->text.failed) {
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		o = json_tokener_parse_ex(tok, f->text.p, (int)f->text.len);
		f->why = json_tokener_get_error(tok) == json_tokener_continue
				 ? "incomplete"
				 : json_tokener_error_desc(json_tokener_get_error(tok));
	}
	if (tok)
		json_tokener_free(tok);
	reset(f);
	return o;
}

void ctl_frame_free(struct ctl_frame *f)
{
	ctl_text_free(&f->text);
}
