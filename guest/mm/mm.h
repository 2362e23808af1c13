/* SPDX-License-Identifier: BSD-2-Clause */
/* Every structure and function of mm/, grouped by the file that owns it. Addresses named pa are
 * physical and reached through phys(); addresses named va are virtual in some address space. */
#ifndef GUEST_MM_H
#define GUEST_MM_H

#include "kernel/kernel.h"
#include "kernel/mutex.h"

/* Only for what is direct mapped: ZONE_LOW and below, which an ulong can name. */
static inline void *phys(ulong pa)
{
	return (void *)(KBASE + pa);
}

/* frames.c */
void frames_init(void);
enum zone { ZONE_LOW, ZONE_HIGH, ZONE_COUNT };
extern pa_t direct_end;	 /* physical addresses below it are direct mapped */
ulong frame_alloc(void); /* low, zeroed, one reference; panics when there is none */
pa_t frame_alloc_high(void);
pa_t frame_try(enum zone zone); /* 0 when there is none */
pa_t frame_user(void);
ulong frame_fail_after(ulong n);
void frame_get(pa_t pa);
void frame_put(pa_t pa);
bool frame_pin(pa_t pa);
void frame_unpin(pa_t pa);
u32 frame_pins(pa_t pa);
u32 frame_refs(pa_t pa);
struct anon_vma;
void frame_set_anon(pa_t pa, struct anon_vma *a, u32 index);
u32 frame_anon(pa_t pa);
u32 frame_index(pa_t pa);
void frame_set_dirty(pa_t pa);
bool frame_is_dirty(pa_t pa);
bool frame_clear_dirty(pa_t pa);
void frame_push(u32 *list, pa_t pa);
pa_t frame_pop(u32 *list);
enum zone frame_zone(pa_t pa);
u32 *frame_shares(pa_t pa);
bool frame_may_fail(void);
ulong frames_used(void);
ulong frames_high(void);
ulong frame_spare_huge(void);
ulong frames_low_end(void);

/* share.c */
struct share_stats {
	ulong shared, copied, taken;
};
extern struct share_stats share_stats;
bool share_is(pte_t entry);
bool share_break(struct mm *mm, pte_t *e, ulong va, bool try);
void share_drop(pa_t table);
void share_all(struct mm *from, struct mm *to);

/* quicklist.c */
extern ulong quicklist_hits;
ulong quicklist_total(void);
pa_t quicklist_get(enum zone zone);
void table_put(pa_t pa);

/* kmap_pool.c */
struct kmap_stats {
	ulong flushes, waits;
};
extern struct kmap_stats kmap_stats;
void *kmap(pa_t pa);
void kunmap(const void *p);

/* procwalk.c */
slong mm_count_pages(struct mm *mm);

/* highmem.c */
#define LOCAL_SLOTS 8 /* windows of each CPU */
void highmem_init(void);
void *kmap_local(pa_t pa);
void kunmap_local(const void *p);
void frame_zero(pa_t pa);
void frame_copy(pa_t to, pa_t from);

/* tables.c */
pte_t pte_clear_bits(pte_t *p, pte_t bits);
pte_t *table_map(pte_t entry, int level);
void pte_unmap(const pte_t *p);
pte_t *walk(ulong root, ulong va, int level, pte_t alloc);
pte_t *walk_try(ulong root, ulong va, int level, pte_t alloc);
pte_t *lookup(ulong root, ulong va, int *level);
void map_range(ulong root, ulong va, pa_t pa, u64 len, pte_t flags);
void free_tables(pte_t entry, int level);

/* kmap.c */
extern struct mm kernel_mm;
void kmap_init(void);
void kmap_share(ulong root);
void kmap_publish(ulong va, int level);
void *kmap_device(pa_t pa, ulong len, pte_t flags);
void test_map(ulong va, pa_t pa, pte_t flags);
pte_t *test_pte(ulong va);
void test_reset(void);

/* space.c */
struct vma {
	ulong start, end; /* empty slot when end is 0 */
	u32 prot;
	bool shared;
	const u8 *src; /* initial contents, or NULL for zeroes */
	ulong src_len;
	ulong off; /* of the first page: in its file or `reserved`, or where it was mapped first */
	struct file *file;	   /* NULL: anonymous */
	struct reserved *reserved; /* a driver's memory; reserved.c */
	bool pfn;		   /* mapped at once, without references */
};
#define MAX_VMAS 32
struct mm {
	ulong root;
	u32 refs;	      /* CPUs whose CR3 holds root, lookers-on, and one for the users */
	u32 users;	      /* processes */
	ulong cpus;	      /* CPUs whose CR3 may hold root */
	struct mutex sem;     /* whoever changes vma[] or brk, or relies on them */
	struct spinlock lock; /* every change to vma[], and to the user half of the tables */
	struct anon_vma *anon;	 /* the family's: rmap.c */
	ulong frame;		 /* where this struct lives */
	struct mm *next, **prev; /* all of them but kernel_mm: mm_list */
	ulong brk;
	ulong hand;	 /* of the clock in reclaim.c */
	bool clean_ptes; /* make entries with A and D clear */
	struct vma vma[MAX_VMAS];
};
extern struct mm *mm_list;
extern struct spinlock mm_list_lock; /* and the roots' shares of the kernel */
struct mm *mm_create(void);
struct mm *mm_create_in(struct anon_vma *family);
struct mm *mm_get(struct mm *mm);
void mm_put(struct mm *mm);
struct mm *mm_hold(struct mm *mm);
void mm_drop(struct mm *mm);
void mm_switch(struct mm *mm);
pte_t *mm_walk(struct mm *mm, ulong va);
pte_t *mm_walk_try(struct mm *mm, ulong va);
bool mm_own(struct mm *mm, ulong va, bool try);
struct vma *mm_find(struct mm *mm, ulong va);
bool mm_add(struct mm *mm, const struct vma *v);
void mm_load_image(struct mm *mm);
ulong mm_image_entry(void);
const u8 *mm_image(ulong *len);
ulong mm_image_end(void);

/* mapping.c: the system calls that change an address space; 0 or an address, -1 on error */
slong mm_map(struct mm *mm, ulong len, u32 prot, u32 flags);
slong mm_unmap(struct mm *mm, ulong va, ulong len);
slong mm_protect(struct mm *mm, ulong va, ulong len, u32 prot);
slong mm_brk(struct mm *mm, ulong brk);
bool mm_bad_range(ulong va, ulong len);
ulong mm_find_hole(struct mm *mm, ulong len);
bool mm_split(struct mm *mm, ulong va);
void mm_new_page(struct mm *mm, const struct vma *v, ulong va, pa_t pa);
pte_t prot_to_pte(const struct mm *mm, const struct vma *v);

/* remap.c */
slong mm_remap(struct mm *mm, ulong va, ulong len, ulong new_len, ulong to);

/* advise.c */
slong mm_discard(struct mm *mm, ulong va, ulong len);

/* fault.c */
bool mm_fault(struct mm *mm, ulong va, ulong error);

/* fork.c */
struct mm *mm_fork(struct mm *mm);

/* tlb.c */
struct tlb_stats {
	ulong flushes, ipis;
};
extern struct tlb_stats tlb_stats;
void tlb_flush_mm(struct mm *mm, ulong start, ulong end);
void tlb_flush_kernel(ulong start, ulong end);
void tlb_serve(void);

/* pagealloc.c: frames that become free leave the direct map, and come back when handed out */
extern bool pagealloc_on;
void pagealloc_map(pa_t pa);
void pagealloc_unmap(pa_t pa);

/* gather.c: frames unhooked from the tables but perhaps still in some TLB */
#define GATHER_LOCAL 8
struct gather_batch;
struct gather {
	struct mm *mm;
	ulong start, end; /* what has to be flushed; empty when start >= end */
	u32 count, batches;
	struct gather_batch *first, *last;
	pa_t frame[GATHER_LOCAL];
};
struct gather_stats {
	ulong flushes, batches, no_memory;
};
extern struct gather_stats gather_stats;
void gather_begin(struct gather *g, struct mm *mm);
u32 gather_room(struct gather *g);
void gather_range(struct gather *g, ulong start, ulong end);
void gather_frame(struct gather *g, pa_t pa);
void gather_page(struct gather *g, pte_t e);
void gather_table(struct gather *g, pa_t pa);
void gather_shared(struct gather *g, pa_t pa);
void gather_flush(struct gather *g);
void gather_end(struct gather *g);

/* zap.c */
void zap_range(struct gather *g, ulong va, ulong end, bool tables);
void mm_clear(struct mm *mm, ulong va, ulong len);

#endif
