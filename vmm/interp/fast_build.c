/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Makes a block of the code at hand: decodes, chooses operations, and finds out whose flags can be
 * seen.
 *
 * Read first: fast.h.
 */
#include <string.h>

#include "vmm/interp/fast.h"

struct builder {
	struct fast_block *b;
	struct fast_pick pick;
	unsigned what[FAST_OPS]; /* enum fast_flags */
	fast_fn fn[FAST_OPS][2];
};

static const struct opnd *memory_operand(const struct insn *i)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].kind == OPND_MEM)
			return &i->op[k];
	return NULL;
}

/* An address as the sum of at most two registers, a number, and in 64-bit code the base of FS or
 * GS. False if it is any other. */
static bool take_address(const struct builder *t, struct fast_op *op)
{
	const struct opnd *o = memory_operand(t->pick.i);
	const bool far = o && (o->seg == CPU_FS || o->seg == CPU_GS);

	if (!o)
		return true;
	if (t->pick.i->addrsize != (t->pick.long64 ? 8 : 4))
		return false;
	if (!t->pick.long64 && o->seg != CPU_DS && o->seg != CPU_SS)
		return false;
	op->disp = o->imm;
	if (o->base == REG_RIP)
		op->disp += t->pick.next;
	op->base = o->base < CPU_GPRS ? o->base : 0;
	op->base_mask = o->base < CPU_GPRS ? -1 : 0;
	op->index = o->index < CPU_GPRS ? o->index : 0;
	op->index_mask = o->index < CPU_GPRS ? -1 : 0;
	op->shift = o->shift;
	op->seg = far ? o->seg : 0;
	op->seg_mask = far ? -1 : 0;
	return true;
}

static bool choose(struct builder *t, struct fast_op *op)
{
	const struct insn *i = t->pick.i;
	unsigned n = t->b->count, what;
	fast_fn *fn = t->fn[n];

	fn[0] = fn[1] = NULL;
	t->pick.h = handler_of(i);
	*op = (struct fast_op){.at = t->b->len, .n = (uint8_t)n};
	if (!t->pick.h->fn || t->pick.h->flags || i->lock || i->rep || !take_address(t, op))
		return false;
	what = fast_pick_alu(&t->pick, op, fn);
	if (!fn[1])
		what = fast_pick_move(&t->pick, op, fn);
	if (!fn[1])
		what = fast_pick_flow(&t->pick, op, fn);
	t->what[n] = what;
	return fn[1];
}

/* Backwards: an operation that sets all flags is the last to care for earlier ones. */
static void settle(struct builder *t)
{
	bool seen = true;

	for (unsigned n = t->b->count; n--;) {
		t->b->ops[n].fn = t->fn[n][seen];
		if (t->what[n] & FAST_SETS)
			seen = false;
		if (t->what[n] & (FAST_READS | FAST_LEAVES))
			seen = true;
	}
}

static void end(struct fast_run *r, const struct fast_op *op)
{
	r->rip = op->imm;
}

static uint64_t rip_at(const struct builder *t, unsigned len)
{
	uint64_t rip = t->b->rip + len;

	return t->pick.long64 ? rip : (uint32_t)rip;
}

/* Decodes the next instruction of n bytes left. */
static bool decode(struct builder *t, const struct decoders *d, unsigned n)
{
	struct fast_block *b = t->b;

	if (n > INSN_MAX_LEN)
		n = INSN_MAX_LEN;
	if (!n || decode_insn(d, b->mode, b->bytes + b->len, n, &b->insn) != DECODE_OK)
		return false;
	t->pick.i = &b->insn;
	t->pick.next = rip_at(t, b->len + b->insn.len);
	return true;
}

bool fast_build(struct fast_block *b, const struct decoders *d, unsigned room)
{
	struct builder t = {.b = b, .pick = {.long64 = b->mode == DECODE_LONG64}};
	bool ended = false;

	if (room > FAST_BYTES)
		room = FAST_BYTES;
	memcpy(b->bytes, b->host, room);
	b->len = b->count = 0;
	b->tail = false;
	while (!ended && b->count < FAST_OPS && decode(&t, d, room - b->len)) {
		if (!choose(&t, &b->ops[b->count])) {
			b->tail = true;
			break;
		}
		b->len = (uint8_t)(b->len + b->insn.len);
		ended = t.what[b->count++] & FAST_ENDS;
	}
	settle(&t);
	b->ops[b->count] = (struct fast_op){.fn = end, .imm = rip_at(&t, b->len)};
	if (b->tail)
		b->len = (uint8_t)(b->len + b->insn.len);
	return b->len;
}
