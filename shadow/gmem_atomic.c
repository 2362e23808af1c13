/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Single words of guest RAM, accessed atomically, and copies made of such words: guest vCPUs and the
 * hardware race with every one of these. Locks: none. Read first: gmem.h.
 */
#include <errno.h>
#include <string.h>

#include "shadow/gmem_internal.h"

static void *word(struct gmem *gm, gpa_t gpa, void **window)
{
	*window = gmem_map(gm, gpa_gfn(gpa));
	return *window ? (uint8_t *)*window + (gpa.v & (SH_PAGE_SIZE - 1)) : NULL;
}

static int no_window(const struct gmem *gm, gpa_t gpa)
{
	return mfn_eq(gmem_mfn(gm, gpa_gfn(gpa)), MFN_NONE) ? -EFAULT : -ENOMEM;
}

int gmem_load64(struct gmem *gm, gpa_t gpa, uint64_t *val)
{
	void *w, *p = word(gm, gpa, &w);

	if (!p)
		return no_window(gm, gpa);
	*val = __atomic_load_n((uint64_t *)p, __ATOMIC_ACQUIRE);
	if (!sh_mutant(SH_MUT_WINDOW_LEFT_OPEN))
		gmem_unmap(gm, w);
	return 0;
}

int gmem_load32(struct gmem *gm, gpa_t gpa, uint32_t *val)
{
	void *w, *p = word(gm, gpa, &w);

	if (!p)
		return no_window(gm, gpa);
	*val = __atomic_load_n((uint32_t *)p, __ATOMIC_ACQUIRE);
	gmem_unmap(gm, w);
	return 0;
}

void gmem_store_at(void *p, uint64_t val, unsigned size)
{
	switch (size) {
	case 1:
		__atomic_store_n((uint8_t *)p, (uint8_t)val, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)p, (uint16_t)val, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)p, (uint32_t)val, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint64_t *)p, val, __ATOMIC_RELEASE);
		break;
	}
}

static uint64_t load_at(const void *p, size_t size)
{
	switch (size) {
	case 1:
		return __atomic_load_n((const uint8_t *)p, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
	}
}

/* The largest word that is aligned at p and within len bytes. */
static size_t word_size(const void *p, size_t len)
{
	size_t size = 8;

	while (size > len || (uintptr_t)p & (size - 1))
		size /= 2;
	return size;
}

void gmem_copy_from(void *buf, const void *guest, size_t len)
{
	const uint8_t *from = guest;
	uint8_t *to = buf;

	for (size_t n; len; len -= n, from += n, to += n) {
		uint64_t w;

		n = word_size(from, len);
		w = load_at(from, n);
		memcpy(to, &w, n);
	}
}

void gmem_copy_to(void *guest, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	uint8_t *to = guest;

	for (size_t n; len; len -= n, from += n, to += n) {
		uint64_t w = 0;

		n = word_size(to, len);
		memcpy(&w, from, n);
		gmem_store_at(to, w, (unsigned)n);
	}
}

int gmem_store(struct gmem *gm, gpa_t gpa, uint64_t val, unsigned size)
{
	void *w, *p = word(gm, gpa, &w);

	if (!p)
		return no_window(gm, gpa);
	gmem_store_at(p, val, size);
	gmem_unmap(gm, w);
	return 0;
}

#define CMPXCHG(type, p, expect, desired)                                                     \
	({                                                                                    \
		type e_ = (type) * (expect);                                                  \
		bool ok_ =                                                                    \
			__atomic_compare_exchange_n((type *)(p), &e_, (type)(desired), false, \
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);      \
		*(expect) = e_;                                                               \
		ok_;                                                                          \
	})

int gmem_cmpxchg(struct gmem *gm, gpa_t gpa, uint64_t *expect, uint64_t desired, unsigned size)
{
	void *w, *p = word(gm, gpa, &w);
	bool ok;

	if (!p)
		return no_window(gm, gpa);
	switch (size) {
	case 1:
		ok = CMPXCHG(uint8_t, p, expect, desired);
		break;
	case 2:
		ok = CMPXCHG(uint16_t, p, expect, desired);
		break;
	case 4:
		ok = CMPXCHG(uint32_t, p, expect, desired);
		break;
	default:
		ok = CMPXCHG(uint64_t, p, expect, desired);
		break;
	}
	gmem_unmap(gm, w);
	return ok;
}
