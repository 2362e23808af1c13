/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Replies: their shape, and their encoding as one ASCII line ended by CRLF.
 *
 * Read after: text.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/control/internal.h"

static const char *const class_names[] = {
	[CTL_GENERIC_ERROR] = "GenericError",
	[CTL_COMMAND_NOT_FOUND] = "CommandNotFound",
	[CTL_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
	[CTL_DEVICE_NOT_FOUND] = "DeviceNotFound",
	[CTL_KVM_MISSING_CAP] = "KVMMissingCap",
};

void ctl_fail(struct control_error *e, enum control_class class, const char *fmt, ...)
{
	va_list ap;
	e->class = class;
	va_start(ap, fmt);
	vsnprintf(e->desc, sizeof(e->desc), fmt, ap);
	va_end(ap);
}

struct json_object *ctl_reply_return(struct json_object *ret)
{
	struct json_object *o = json_object_new_object();
	json_object_object_add(o, "return", ret);
	return o;
}

struct json_object *ctl_reply_error(const struct control_error *e)
{
	const char *desc = e->desc[0] ? e->desc : "the command failed";
	struct json_object *o = json_object_new_object(), *body = json_object_new_object();
	json_object_object_add(body, "class", json_object_new_string(class_names[e->class]));
	json_object_object_add(body, "desc", json_object_new_string(desc));
	json_object_object_add(o, "error", body);
	return o;
}

static void put_unit(struct ctl_text *out, unsigned unit)
{
	char buf[8];
	snprintf(buf, sizeof(buf), "\\u%04x", unit & 0xffff);
	ctl_text_put(out, buf, 6);
}

static void put_code(struct ctl_text *out, uint32_t code)
{
	if (code < 0x10000) {
		put_unit(out, code);
		return;
	}
	code -= 0x10000;
	put_unit(out, 0xd800 | code >> 10);
	put_unit(out, 0xdc00 | (code & 0x3ff));
}

/* Decodes one UTF-8 sequence of two or more bytes, or DEL, of a NUL-ended text into *code;
 * returns its length. A byte that starts no valid one (a cut-off description, say) becomes
 * U+FFFD. */
static size_t decode(const unsigned char *p, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	uint32_t c = p[0] & (0xffu >> (len + 1));
	bool valid = p[0] >= 0xc2 && p[0] <= 0xf4;
	if (p[0] == 0x7f) {
		*code = 0x7f;
		return 1;
	}
	for (size_t i = 1; valid && i < len; i++) {
		valid = (p[i] & 0xc0) == 0x80; /* a NUL is not, so this never reads beyond */
		c = c << 6 | (p[i] & 0x3f);
	}
	if (!valid || c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		*code = 0xfffd;
		return 1;
	}
	*code = c;
	return len;
}

void ctl_reply_encode(struct json_object *o, struct ctl_text *out)
{
	/* Outside strings JSON text is ASCII, so escaping the text escapes the strings. */
	const char *s = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	while (s && *s) {
		size_t n = 0;
		while (s[n] && (unsigned char)s[n] < 0x7f)
			n++;
		ctl_text_put(out, s, n);
		s += n;
		if (*s) {
			uint32_t code;
			s += decode((const unsigned char *)s, &code);
			put_code(out, code);
		}
	}
	ctl_text_put(out, "\r\n", 2);
	out->failed |= !s;
}
