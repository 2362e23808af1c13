/* SPDX-License-Identifier: BSD-2-Clause */
/* Who maps a page: the spaces of a family of forks for anonymous pages (rmap.c), and those that map
 * a file for its pages (file.c). */
#ifndef GUEST_RMAP_H
#define GUEST_RMAP_H

#include "kernel/mutex.h"
#include "mm/mm.h"

/* Spaces in the order in which they came; a child comes after its parent. Under the owner's
 * mutex. */
struct members {
	u32 count;
	struct mm *mm[MAX_PROCS];
};
void members_add(struct members *m, struct mm *mm);
void members_remove(struct members *m, const struct mm *mm);

/* One frame. A reference is held by each member and by each page that was made for one. */
struct anon_vma {
	struct mutex lock;
	u32 refs;
	struct members members;
};
struct anon_vma *anon_create(void);
struct anon_vma *anon_of(pa_t page);
void anon_put(struct anon_vma *a);
void anon_join(struct mm *mm, struct anon_vma *a);
void anon_leave(struct mm *mm);

/* Where a page may be mapped: visit() under mm->lock, for every space and area. */
struct rmap_visitor {
	void (*visit)(struct rmap_visitor *w, struct mm *mm, const struct vma *v, ulong va);
	pa_t page;
	ulong count;
};
void rmap_anon(struct anon_vma *a, u32 index, struct rmap_visitor *w);
void rmap_file(const struct members *m, const struct file *f, ulong index,
	       struct rmap_visitor *w);
pte_t *rmap_entry(struct mm *mm, ulong va, pa_t page);
slong rmap_count(struct mm *mm, ulong va);

/* migrate.c */
extern struct mutex all_locks;
slong mm_migrate(struct mm *mm, ulong va);

/* gup.c */
struct gup_stats {
	ulong fast, slow, lost; /* lost: the entry changed, or its page had no reference */
};
extern struct gup_stats gup_stats;
extern ulong gup_events; /* mapped, unmapped: what one who dawdles waits for */
pa_t gup_fast(struct mm *mm, ulong va);
pa_t gup(struct mm *mm, ulong va);

#endif
