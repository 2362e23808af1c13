/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A piece of a guest access that lies in one page, and what is done with it once it is known
 * where it is.
 *
 * Used by memory.c and piece.c. Read first: soft.h. Locks: none.
 */
#ifndef UMBRA_SOFT_PIECE_H
#define UMBRA_SOFT_PIECE_H

#include <string.h>

#include "vmm/soft/soft.h"

enum piece_kind {
	PIECE_RAM,     /* the hardware permits it: host, or a window on gpa */
	PIECE_TRACKED, /* a write to a guest page table: by the shadow MMU's door */
	PIECE_ABSENT, /* nothing the hardware can map: device memory, nobody's, or (to fetch) RAM */
};

struct piece {
	enum piece_kind kind;
	unsigned len;
	gpa_t gpa;
	uint8_t *host; /* of the page; NULL where it has no lasting address */
};

/* Resolves the access at va, which lies in one page. *left is set if the vCPU was out of the guest
 * meanwhile. In the guest, before and after. */
enum cpu_result soft_resolve(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned flags,
			     struct piece *p, bool *left, struct cpu_fault *f);
/* Cuts an access into at most two pieces (p[1].len is 0 for one), all of which permit it. */
enum cpu_result soft_pieces(struct vcpu *v, struct cpu_state *s, gva_t va, unsigned len,
			    unsigned flags, struct piece p[2], struct cpu_fault *f);

/* piece.c. RAM is done before the vCPU leaves the guest for the other piece. */
enum cpu_result soft_read_pieces(struct vcpu *v, const struct piece p[2], uint8_t *buf);
enum cpu_result soft_write_pieces(struct vcpu *v, const struct piece p[2], const uint8_t *buf);

/* The entry's page, if it has a lasting address; remembered there. */
uint8_t *soft_host(struct machine *m, struct tlb_entry *e);

/* Aligned words whole, as other vCPUs see them; the rest in any order. */
static inline void soft_load(const uint8_t *p, void *buf, unsigned len)
{
	uint64_t val;

	if (len > 8 || len & (len - 1) || (uintptr_t)p & (len - 1)) {
		gmem_copy_from(buf, p, len);
		return;
	}
	switch (len) {
	case 8:
		val = __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
		memcpy(buf, &val, 8);
		break;
	case 4:
		val = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
		memcpy(buf, &val, 4);
		break;
	case 2:
		val = __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
		memcpy(buf, &val, 2);
		break;
	default:
		*(uint8_t *)buf = __atomic_load_n(p, __ATOMIC_ACQUIRE);
		break;
	}
}

static inline void soft_store(uint8_t *p, const void *buf, unsigned len)
{
	uint64_t val = 0;

	if (len > 8 || len & (len - 1) || (uintptr_t)p & (len - 1)) {
		gmem_copy_to(p, buf, len);
		return;
	}
	switch (len) {
	case 8:
		memcpy(&val, buf, 8);
		__atomic_store_n((uint64_t *)p, val, __ATOMIC_RELEASE);
		break;
	case 4:
		memcpy(&val, buf, 4);
		__atomic_store_n((uint32_t *)p, (uint32_t)val, __ATOMIC_RELEASE);
		break;
	case 2:
		memcpy(&val, buf, 2);
		__atomic_store_n((uint16_t *)p, (uint16_t)val, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n(p, *(const uint8_t *)buf, __ATOMIC_RELEASE);
		break;
	}
}

#endif
