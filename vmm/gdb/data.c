/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that read and write registers and memory.
 *
 * Read first: internal.h, regs.c.
 */
#include <errno.h>

#include "vmm/gdb/internal.h"

static struct cpu_state *selected(struct gdb_session *s)
{
	return s->ops->cpu(s->m, s->vcpu);
}

/* ---- registers ---- */

static void put_reg(struct gdb_session *s, const struct gdb_reg *r)
{
	uint8_t buf[GDB_REG_BYTES];

	gdb_reg_get(selected(s), r, buf);
	gdb_put_hex(&s->reply, buf, r->bytes);
}

void gdb_read_all(struct gdb_session *s, struct gdb_in *in)
{
	if (!gdb_in_end(in)) {
		gdb_session_error(s, EINVAL);
		return;
	}
	for (const struct gdb_reg *r = gdb_targets[s->arch]; r->type; r++)
		if (r->name)
			put_reg(s, r);
}

void gdb_read_reg(struct gdb_session *s, struct gdb_in *in)
{
	const struct gdb_reg *r;
	uint64_t n;

	r = gdb_in_number(in, &n) && gdb_in_end(in) ? gdb_target_reg(s->arch, n) : NULL;
	if (r)
		put_reg(s, r);
	else
		gdb_session_error(s, EINVAL);
}

/* All of them or none: on a copy first. */
void gdb_write_all(struct gdb_session *s, struct gdb_in *in)
{
	struct cpu_state copy = *selected(s);
	bool good = true;

	for (const struct gdb_reg *r = gdb_targets[s->arch]; good && r->type; r++) {
		uint8_t buf[GDB_REG_BYTES] = {0};

		if (r->name)
			good = gdb_in_hex(in, buf, r->bytes) && gdb_reg_set(&copy, r, buf);
	}
	if (!good || !gdb_in_end(in)) {
		gdb_session_error(s, EINVAL);
		return;
	}
	*selected(s) = copy;
	gdb_session_ok(s);
}

void gdb_write_reg(struct gdb_session *s, struct gdb_in *in)
{
	uint8_t buf[GDB_REG_BYTES] = {0};
	const struct gdb_reg *r = NULL;
	uint64_t n;

	if (gdb_in_number(in, &n) && gdb_in_char(in, '='))
		r = gdb_target_reg(s->arch, n);
	if (r && gdb_in_hex(in, buf, r->bytes) && gdb_in_end(in) &&
	    gdb_reg_set(selected(s), r, buf))
		gdb_session_ok(s);
	else
		gdb_session_error(s, EINVAL);
}

/* ---- memory ---- */

struct range {
	uint64_t at, len;
};

/* ADDRESS,LENGTH of at most GDB_DATA bytes. */
static bool take_range(struct gdb_in *in, struct range *r)
{
	return gdb_in_number(in, &r->at) && gdb_in_char(in, ',') &&
	       gdb_in_number(in, &r->len) && r->len <= GDB_DATA;
}

void gdb_read_memory(struct gdb_session *s, struct gdb_in *in)
{
	uint8_t buf[GDB_DATA];
	struct range r;

	if (!take_range(in, &r) || !gdb_in_end(in))
		gdb_session_error(s, EINVAL);
	else if (!s->ops->read(s->m, s->vcpu, s->physical, r.at, buf, r.len))
		gdb_session_error(s, EFAULT);
	else
		gdb_put_hex(&s->reply, buf, r.len);
}

static void write_out(struct gdb_session *s, const struct range *r, const void *data)
{
	if (s->ops->write(s->m, s->vcpu, s->physical, r->at, data, r->len))
		gdb_session_ok(s);
	else
		gdb_session_error(s, EFAULT);
}

void gdb_write_memory(struct gdb_session *s, struct gdb_in *in)
{
	uint8_t buf[GDB_DATA];
	struct range r;

	if (take_range(in, &r) && gdb_in_char(in, ':') && gdb_in_hex(in, buf, r.len) &&
	    gdb_in_end(in))
		write_out(s, &r, buf);
	else
		gdb_session_error(s, EINVAL);
}

/* The bytes as they are: the frame's escapes are gone already. */
void gdb_write_binary(struct gdb_session *s, struct gdb_in *in)
{
	struct range r;

	if (take_range(in, &r) && gdb_in_char(in, ':') && (uint64_t)(in->end - in->p) == r.len)
		write_out(s, &r, in->p);
	else
		gdb_session_error(s, EINVAL);
}
