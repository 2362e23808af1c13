/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The cache of decoded instructions: a table indexed by RIP, checked by content.
 *
 * Read first: cache.h.
 */
#include <string.h>

#include "vmm/interp/cache.h"

/* The first n of 16 bytes as two words, the others 0. */
static void first_bytes(const uint8_t bytes[16], unsigned n, uint64_t out[2])
{
	memcpy(out, bytes, 16);
	if (n < 8) {
		out[0] &= (1ull << (n * 8)) - 1;
		out[1] = 0;
	} else {
		out[1] &= (1ull << ((n - 8) * 8)) - 1;
	}
}

static bool matches(const struct cache_slot *s, enum decode_mode mode, const uint8_t bytes[16],
		    unsigned len)
{
	uint64_t now[2];

	if (!s->insn.len || s->insn.len > len || s->mode != mode)
		return false;
	first_bytes(bytes, s->insn.len, now);
	return now[0] == s->bytes[0] && now[1] == s->bytes[1];
}

enum decode_status cache_decode(struct decode_cache *c, const struct decoders *d,
				enum decode_mode mode, uint64_t rip, const uint8_t bytes[16],
				unsigned len, const struct insn **out)
{
	struct cache_slot *s = &c->slots[(rip ^ rip >> 9) % CACHE_SLOTS];
	enum decode_status st;

	*out = &s->insn;
	if (matches(s, mode, bytes, len))
		return DECODE_OK;
	s->insn.len = 0;
	st = decode_insn(d, mode, bytes, len, &s->insn);
	if (st != DECODE_OK) {
		s->insn.len = 0;
		return st;
	}
	s->mode = (uint8_t)mode;
	first_bytes(bytes, s->insn.len, s->bytes);
	return DECODE_OK;
}
