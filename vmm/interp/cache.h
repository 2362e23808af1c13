/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Decoded instructions by where they stand. A slot is believed only if the bytes just fetched
 * are the ones it was decoded from, in the same mode: so it is never wrong, needs no
 * invalidation when code changes, and saves the decoding, which is most of a step (85 ns of
 * 115 for a store), but not the fetch.
 *
 * Read first: insn.h.
 */
#ifndef UMBRA_INTERP_CACHE_H
#define UMBRA_INTERP_CACHE_H

#include "vmm/interp/insn.h"

#define CACHE_SLOTS 512 /* a power of two; about 70 kB per vCPU */

struct cache_slot {
	uint64_t bytes[2]; /* as fetched; those behind insn.len are 0 */
	uint8_t mode;	   /* enum decode_mode */
	struct insn insn;  /* len 0: empty */
};

struct decode_cache {
	struct cache_slot slots[CACHE_SLOTS];
};

/* Decodes bytes[0..len), of which 16 must be readable, as the instruction at rip. */
enum decode_status cache_decode(struct decode_cache *c, const struct decoders *d,
				enum decode_mode mode, uint64_t rip, const uint8_t bytes[16],
				unsigned len, const struct insn **out);

#endif
