/* SPDX-License-Identifier: BSD-2-Clause */
/* Every structure and function of mm/, grouped by the file that owns it. Addresses named pa are
 * physical and reached through phys(); addresses named va are virtual in some address space. */
#ifndef GUEST_MM_H
#define GUEST_MM_H

#include "kernel/kernel.h"

static inline void *phys(u64 pa)
{
	return (void *)(KBASE + pa);
}

/* frames.c */
void frames_init(void);
u64 frame_alloc(void); /* zeroed, one reference; panics when there is none */
void frame_get(u64 pa);
void frame_put(u64 pa);
u32 frame_refs(u64 pa);
u64 frames_used(void);
u64 frame_spare_huge(void);

/* tables.c */
pte_t pte_read(const pte_t *p);
void pte_write(pte_t *p, pte_t v);
pte_t pte_exchange(pte_t *p, pte_t v);
pte_t *table_of(pte_t entry);
pte_t *walk(u64 root, u64 va, int level, pte_t alloc);
pte_t *lookup(u64 root, u64 va, int *level);
void map_range(u64 root, u64 va, u64 pa, u64 len, pte_t flags);
void free_tables(pte_t entry, int level);

/* kmap.c */
extern struct mm kernel_mm;
void kmap_init(void);
void kmap_share(u64 root);
void *kmap_device(u64 pa, u64 len, pte_t flags);
void test_map(u64 va, u64 pa, pte_t flags);
pte_t *test_pte(u64 va);
void test_reset(void);

/* space.c */
struct vma {
	u64 start, end; /* empty slot when end is 0 */
	u32 prot;
	bool shared;
	const u8 *src; /* initial contents, or NULL for zeroes */
	u64 src_len;
};
#define MAX_VMAS 32
struct mm {
	u64 root;
	u32 refs;
	u64 cpus;	      /* CPUs whose CR3 may hold root */
	struct spinlock lock; /* vma[], brk, and every change to the user half of the tables */
	u64 frame;	      /* where this struct lives */
	u64 brk;
	bool clean_ptes; /* make entries with A and D clear */
	struct vma vma[MAX_VMAS];
};
struct mm *mm_create(void);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
void mm_switch(struct mm *mm);
struct vma *mm_find(struct mm *mm, u64 va);
bool mm_add(struct mm *mm, const struct vma *v);
void mm_load_image(struct mm *mm);
u64 mm_image_entry(void);

/* mapping.c: the system calls that change an address space; 0 or an address, -1 on error */
s64 mm_map(struct mm *mm, u64 len, u32 prot, u32 flags);
s64 mm_unmap(struct mm *mm, u64 va, u64 len);
s64 mm_protect(struct mm *mm, u64 va, u64 len, u32 prot);
s64 mm_brk(struct mm *mm, u64 brk);
pte_t prot_to_pte(const struct mm *mm, const struct vma *v);

/* fault.c */
bool mm_fault(struct mm *mm, u64 va, u64 error);

/* fork.c */
struct mm *mm_fork(struct mm *mm);

/* tlb.c */
void tlb_flush_mm(struct mm *mm, u64 start, u64 end);
void tlb_flush_kernel(u64 start, u64 end);
void tlb_serve(void);

/* gather.c: frames unhooked from the tables but perhaps still in some TLB */
#define GATHER_MAX 48
struct gather {
	struct mm *mm;
	u64 start, end; /* what has to be flushed; empty when start >= end */
	u32 count;
	u64 frame[GATHER_MAX];
};
void gather_begin(struct gather *g, struct mm *mm);
void gather_range(struct gather *g, u64 start, u64 end);
void gather_frame(struct gather *g, u64 pa);
void gather_end(struct gather *g);

#endif
