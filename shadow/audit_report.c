/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text of audit findings, made without stdio: the library has none. Read first: audit_report.h.
 */
#include <string.h>

#include "shadow/audit_report.h"

static void text(struct sh_report *r, const char *s)
{
	size_t n = strlen(s);

	if (!r->buf || r->used + n + 1 > r->size)
		return;
	memcpy(r->buf + r->used, s, n + 1);
	r->used += n;
}

static void hex(struct sh_report *r, uint64_t v)
{
	char s[19] = "0x";
	unsigned n = 2;
	int shift = 60;

	while (shift > 0 && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		s[n++] = "0123456789abcdef"[v >> shift & 15];
	s[n] = 0;
	text(r, s);
}

void sh_report(struct sh_report *r, const char *what, uint32_t slot, uint64_t value)
{
	r->count++;
	text(r, what);
	if (slot != UINT32_MAX) {
		text(r, ": table ");
		hex(r, slot / 512);
		text(r, " entry ");
		hex(r, slot % 512);
	}
	text(r, " value ");
	hex(r, value);
	text(r, "\n");
}
