/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * madvise: pages are given up, the area stays, and whoever touches it again finds what a first
 * touch finds. Under mm->sem. Shared areas refuse: their pages are all there is of them.
 * Read first: mapping.c.
 */
#include "mm/mm.h"

/* Is all of it mapped, and private? */
static bool covered(struct mm *mm, ulong va, ulong len)
{
	ulong end = va + len;

	while (va < end) {
		const struct vma *v = mm_find(mm, va);

		if (!v || v->shared)
			return false;
		va = v->end;
	}
	return true;
}

slong mm_discard(struct mm *mm, ulong va, ulong len)
{
	slong r = ERR;

	if (mm_bad_range(va, len))
		return ERR;
	preempt_begin();
	mutex_lock(&mm->sem);
	if (covered(mm, va, len)) {
		mm_clear(mm, va, len);
		r = 0;
	}
	mutex_unlock(&mm->sem);
	preempt_end();
	return r;
}
