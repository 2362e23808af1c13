/* SPDX-License-Identifier: BSD-2-Clause
 *
 * AVX by element of memory: masked loads and stores, which touch selected elements only, and
 * gathers, which can stop in between: each element that has come clears its mask, so that the
 * instruction goes on behind it when it is run again.
 *
 * Read first: avx.c. Manual: SDM vol. 2, VMASKMOV, VPGATHERDD and its kin.
 */
#include <string.h>

#include "vmm/interp/fpu.h"

static bool selected(const uint8_t *mask, unsigned k, unsigned size)
{
	return mask[k * size + size - 1] & 0x80;
}

/* The selected elements of o, all of them found accessible before the first is written. */
static enum cpu_result load_selected(struct exec *x, const struct opnd *o, const uint8_t *mask,
				     uint8_t *val, unsigned flags)
{
	const unsigned size = x->h->arg;
	struct opnd at = *o;

	for (unsigned k = 0; k < o->size / size; k++) {
		enum cpu_result r;

		at.imm = o->imm + k * size;
		if (!selected(mask, k, size))
			continue;
		r = exec_mem_read(x, &at, val + k * size, size, flags);
		if (r != CPU_OK)
			return r;
	}
	return CPU_OK;
}

static enum cpu_result store_selected(struct exec *x, const struct opnd *o, const uint8_t *mask,
				      const uint8_t *val)
{
	const unsigned size = x->h->arg;
	struct opnd at = *o;
	uint8_t unused[VEC_BYTES];
	enum cpu_result r = load_selected(x, o, mask, unused, MEM_READ | MEM_WRITE);

	for (unsigned k = 0; k < o->size / size && r == CPU_OK; k++) {
		at.imm = o->imm + k * size;
		if (selected(mask, k, size))
			r = exec_mem_write(x, &at, val + k * size, size);
	}
	return r;
}

/* Destination, mask, source. */
enum cpu_result x_vmaskmov(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const struct opnd *o = x->i->op;
	uint8_t mask[VEC_BYTES], val[VEC_BYTES] = {0};
	enum cpu_result r = avx_ready(x);

	if (r == CPU_OK)
		r = fpu_take(x, o[0].kind == OPND_VEC);
	if (r != CPU_OK)
		return r;
	vec_get(s, o[1].reg, mask);
	if (o[0].kind == OPND_MEM) {
		vec_get(s, o[2].reg, val);
		return store_selected(x, &o[0], mask, val);
	}
	r = load_selected(x, &o[2], mask, val, MEM_READ);
	if (r == CPU_OK)
		vec_set(s, o[0].reg, val);
	return r;
}

/* ---- gathers ---- */

static int64_t index_of(const uint8_t *indices, unsigned k, unsigned size)
{
	int64_t wide;
	int32_t narrow;

	memcpy(&wide, indices + (size == 8 ? k * 8 : 0), 8);
	memcpy(&narrow, indices + (size == 4 ? k * 4 : 0), 4);
	return size == 8 ? wide : narrow;
}

/* As many elements as both the indices and the destination have room for. */
static unsigned elements(const struct exec *x)
{
	const unsigned index = x->h->arg >> 4, element = x->h->arg & 15;
	const unsigned bytes = x->i->wide ? 32 : 16;

	return bytes / (index > element ? index : element);
}

static enum cpu_result gather_one(struct exec *x, const uint8_t *indices, unsigned k,
				  uint8_t *val)
{
	const struct opnd *o = &x->i->op[1];
	struct opnd at = *o;

	at.index = REG_NONE;
	at.imm += (uint64_t)index_of(indices, k, x->h->arg >> 4) << o->shift;
	return exec_mem_read(x, &at, val, x->h->arg & 15, MEM_READ);
}

static enum cpu_result gather(struct exec *x, const uint8_t *indices, uint8_t *val,
			      uint8_t *mask)
{
	const unsigned size = x->h->arg & 15, n = elements(x);

	for (unsigned k = 0; k < n; k++) {
		enum cpu_result r = CPU_OK;

		if (selected(mask, k, size))
			r = gather_one(x, indices, k, val + k * size);
		if (r != CPU_OK)
			return r;
		memset(mask + k * size, 0, size);
	}
	memset(mask, 0, VEC_BYTES);
	memset(val + n * size, 0, VEC_BYTES - n * size);
	return CPU_OK;
}

/* Destination, memory by indices, mask: three registers, all different (or #UD, by the decoder).
 * What has come before a fault stays. */
enum cpu_result x_gather(struct exec *x)
{
	struct cpu_state *s = exec_state(x);
	const struct opnd *o = x->i->op;
	uint8_t val[VEC_BYTES], mask[VEC_BYTES], indices[VEC_BYTES];
	enum cpu_result r = avx_ready(x);

	if (r == CPU_OK)
		r = fpu_take(x, true);
	if (r != CPU_OK)
		return r;
	vec_get(s, o[0].reg, val);
	vec_get(s, o[1].reg, indices);
	vec_get(s, o[2].reg, mask);
	r = gather(x, indices, val, mask);
	vec_set(s, o[0].reg, val);
	vec_set(s, o[2].reg, mask);
	return r;
}
