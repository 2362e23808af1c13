/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moving words from one guest frame to another, as a kernel's mremap() moves the entries of a page
 * table: the one operation that holds two atomic windows at once.
 *
 * Order: what may wait (the buffer) is had first; then the source's window, then the
 * destination's; nothing changes before both are there; they close in reverse, and one that was
 * not opened is not closed.
 * Locks: none; each word leaves the source by one atomic exchange. Read first: gmem.h.
 */
#include <errno.h>
#include <stdlib.h>

#include "shadow/gmem_internal.h"

#define MAX_BYTES SH_PAGE_SIZE

static uint64_t *buffer(size_t len)
{
	sh_may_wait();
	return malloc(len);
}

/* With the bugs: the buffer only now, seen by the checker or not. */
static uint64_t *buffer_late(size_t len)
{
	/* LINT: may-wait is left out on purpose. */
	return sh_mutant(SH_MUT_ALLOC_UNSEEN) ? malloc(len) : buffer(len);
}

static void move_words(uint64_t *to, uint64_t *from, uint64_t *buf, size_t words)
{
	for (size_t i = 0; i < words; i++)
		buf[i] = __atomic_exchange_n(&from[i], 0, __ATOMIC_ACQ_REL);
	for (size_t i = 0; i < words; i++)
		__atomic_store_n(&to[i], buf[i], __ATOMIC_RELEASE);
}

static void close_both(struct gmem *gm, void *from, void *to)
{
	bool fifo = sh_mutant(SH_MUT_UNMAP_FIFO);

	if (from && fifo)
		gmem_unmap(gm, from);
	if (to || sh_mutant(SH_MUT_UNMAP_NULL))
		gmem_unmap(gm, to);
	if (from && !fifo)
		gmem_unmap(gm, from);
}

static bool valid(const struct gmem *gm, gpa_t at, size_t len)
{
	return len && len <= MAX_BYTES && !(len & 7) && !(at.v & 7) &&
	       (at.v & (SH_PAGE_SIZE - 1)) + len <= SH_PAGE_SIZE && gmem_valid(gm, at, len);
}

static uint64_t *word_at(void *window, gpa_t at)
{
	return (uint64_t *)(void *)((uint8_t *)window + (at.v & (SH_PAGE_SIZE - 1)));
}

int gmem_move(struct gmem *gm, gpa_t dst, gpa_t src, size_t len)
{
	bool late = sh_mutant(SH_MUT_ALLOC_IN_WINDOW) || sh_mutant(SH_MUT_ALLOC_UNSEEN);
	uint64_t *buf;
	void *from, *to;

	if (!valid(gm, dst, len) || !valid(gm, src, len))
		return -EFAULT;
	buf = late ? NULL : buffer(len);
	if (!buf && !late)
		return -ENOMEM;
	from = gmem_map(gm, gpa_gfn(src));
	if (late && from)
		buf = buffer_late(len);
	to = from && buf ? gmem_map(gm, gpa_gfn(dst)) : NULL;
	if (from && buf && (to || sh_mutant(SH_MUT_MOVE_DST_UNCHECKED)))
		move_words(word_at(to, dst), word_at(from, src), buf, len / 8);
	close_both(gm, from, to);
	free(buf);
	return to ? 0 : -ENOMEM;
}
