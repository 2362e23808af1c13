/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that set and clear breakpoints and watchpoints: `Z KIND,ADDRESS,LENGTH`.
 *
 * Software and hardware breakpoints are the same here: an address that is compared, wherever it is
 * mapped and whether it is. Read first: internal.h, ../debug.h.
 */
#include <errno.h>

#include "vmm/cpu/ops.h"
#include "vmm/gdb/internal.h"

struct point {
	enum debug_kind kind;
	unsigned access;
	uint64_t at, len;
};

static const struct {
	enum debug_kind kind;
	unsigned access;
} kinds[] = {
	{DEBUG_KIND_POINT, 0},
	{DEBUG_KIND_POINT, 0},
	{DEBUG_KIND_WATCH, MEM_WRITE},
	{DEBUG_KIND_WATCH, MEM_READ},
	{DEBUG_KIND_WATCH, MEM_READ | MEM_WRITE},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* False with the reply made: a kind that is not known is answered by nothing, and so are conditions,
 * which are not announced. */
static bool take(struct gdb_session *s, struct gdb_in *in, struct point *p)
{
	uint64_t kind;

	if (gdb_in_number(in, &kind) && gdb_in_char(in, ',') && gdb_in_number(in, &p->at) &&
	    gdb_in_char(in, ',') && gdb_in_number(in, &p->len) && gdb_in_end(in)) {
		if (kind >= KINDS)
			return false;
		p->kind = kinds[kind].kind;
		p->access = kinds[kind].access;
		return true;
	}
	gdb_session_error(s, EINVAL);
	return false;
}

void gdb_set_point(struct gdb_session *s, struct gdb_in *in)
{
	struct point p;
	int err;

	if (!take(s, in, &p))
		return;
	err = s->ops->set(s->m, p.kind, p.at, p.len, p.access);
	if (err)
		gdb_session_error(s, -err);
	else
		gdb_session_ok(s);
}

void gdb_clear_point(struct gdb_session *s, struct gdb_in *in)
{
	struct point p;

	if (!take(s, in, &p))
		return;
	s->ops->clear(s->m, p.kind, p.at, p.len, p.access);
	gdb_session_ok(s);
}
