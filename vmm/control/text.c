/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A growable piece of text.
 *
 * Owns its buffer. Running out of memory is remembered in it rather than returned, so that a
 * writer checks once at its end.
 *
 * Read after: internal.h.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/control/internal.h"

#define KEEP 65536u /* a larger buffer is given back when it falls empty */

static bool grow(struct ctl_text *t, size_t need)
{
	size_t cap = t->cap ? t->cap : 256;
	while (cap < need)
		cap *= 2;
	char *p = realloc(t->p, cap);
	if (!p)
		return false;
	t->p = p;
	t->cap = cap;
	return true;
}

void ctl_text_put(struct ctl_text *t, const void *data, size_t len)
{
	if (t->failed || len == 0)
		return;
	if (t->len + len > t->cap && !grow(t, t->len + len)) {
		t->failed = true;
		return;
	}
	memcpy(t->p + t->len, data, len);
	t->len += len;
}

void ctl_text_cut(struct ctl_text *t, size_t len)
{
	if (len == 0)
		return;
	memmove(t->p, t->p + len, t->len - len);
	t->len -= len;
}

void ctl_text_clear(struct ctl_text *t)
{
	t->len = 0;
	if (t->cap > KEEP)
		ctl_text_free(t);
}

void ctl_text_free(struct ctl_text *t)
{
	free(t->p);
	*t = (struct ctl_text){.failed = t->failed};
}
