/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: struct mm with its areas, its reference count, its life and death.
 * A reference is held by every process in it and by every CPU whose CR3 holds its root, so
 * tables are freed only after the hardware has left them. kernel_mm is never freed.
 */
#include "mm/swap.h"
#include "x86.h"

extern const u8 user_image[];

/* At the start of the user image; user.ld. */
struct image_header {
	ulong entry, text_end, rodata_end, file_end, end;
};

static const struct image_header *header(void)
{
	return (const struct image_header *)user_image;
}

struct mm *mm_list;
struct spinlock mm_list_lock = {.name = "mm list"};

_Static_assert(sizeof(struct mm) <= PAGE_SIZE, "struct mm lives in one frame");

struct mm *mm_create(void)
{
	ulong frame = frame_alloc();
	struct mm *mm = phys(frame);

	mm->frame = frame;
	mm->refs = 1;
	mm->lock.name = "mm";
	mm->root = frame_alloc();
	for (int i = 0; i < PT_ROOT_FIXED; i++)
		walk(mm->root, (ulong)i << PT_SHIFT(PT_LEVELS), PT_LEVELS - 1,
		     PTE_TABLE | PTE_U);
	spin_lock(&mm_list_lock);
	kmap_share(mm->root);
	mm->next = mm_list;
	mm->prev = &mm_list;
	if (mm_list)
		mm_list->prev = &mm->next;
	mm_list = mm;
	spin_unlock(&mm_list_lock);
	return mm;
}

struct mm *mm_get(struct mm *mm)
{
	atomic_add(&mm->refs, 1);
	return mm;
}

/* The last-level table for `va`, if there is one, is nobody else's. False: no memory. */
bool mm_own(struct mm *mm, ulong va, bool try)
{
	pte_t *e = walk(mm->root, va, 2, 0);

	return !e || !share_is(pte_load(e)) || share_break(mm, e, va, try);
}

/* The last-level entry for `va`, to be written: its table is made, or made this space's own. */
pte_t *mm_walk(struct mm *mm, ulong va)
{
	mm_own(mm, va, false);
	return walk(mm->root, va, 1, PTE_TABLE | PTE_U);
}

/* The same where memory may run out: NULL. */
pte_t *mm_walk_try(struct mm *mm, ulong va)
{
	return mm_own(mm, va, true) ? walk_try(mm->root, va, 1, PTE_TABLE | PTE_U) : NULL;
}

/* Nobody uses the space any more, and no CPU has it loaded: no lock, no flush. */
static void free_pages(pte_t *table, int level)
{
	for (int i = 0; i < PT_USER_COUNT(level); i++) {
		pte_t *below;

		if (level == 1) {
			entry_drop(table[i]);
			continue;
		}
		if (!(table[i] & PTE_P))
			continue;
		if (level == 2 && share_is(table[i])) {
			share_drop(table[i] & PTE_ADDR);
			continue;
		}
		below = table_map(table[i], level - 1);
		free_pages(below, level - 1);
		pte_unmap(below);
		frame_put(table[i] & PTE_ADDR);
	}
}

void mm_put(struct mm *mm)
{
	if (atomic_sub(&mm->refs, 1))
		return;
	ASSERT(mm != &kernel_mm && mm->cpus == 0);
	spin_lock(&mm_list_lock);
	*mm->prev = mm->next;
	if (mm->next)
		mm->next->prev = mm->prev;
	spin_unlock(&mm_list_lock);
	free_pages(phys(mm->root), PT_LEVELS);
	frame_put(mm->root);
	frame_put(mm->frame);
}

/* Load the tables of `mm` on this CPU; the CPU's reference moves with them. IF is clear. */
void mm_switch(struct mm *mm)
{
	struct cpu *c = this_cpu();
	struct mm *old = c->mm;
	ulong bit = 1UL << c->index;

	if (mm == old)
		return;
	mm_get(mm);
	atomic_or(&mm->cpus, bit);
	c->mm = mm;
	write_cr3(mm->root);
	if (old) {
		atomic_and(&old->cpus, ~bit);
		mm_put(old);
	}
}

/* Caller holds mm->lock. */
struct vma *mm_find(struct mm *mm, ulong va)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->start <= va && va < v->end)
			return v;
	return NULL;
}

/* Caller holds mm->lock, or is the only user. */
bool mm_add(struct mm *mm, const struct vma *area)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++) {
		if (v->end)
			continue;
		*v = *area;
		return true;
	}
	return false;
}

static void add_segment(struct mm *mm, ulong start, ulong file_end, ulong end, u32 prot)
{
	struct vma v = {.start = start,
			.end = ALIGN_UP(end, PAGE_SIZE),
			.prot = prot,
			.src = user_image + (start - USER_IMAGE),
			.src_len = file_end - start};

	if (start < v.end)
		(void)mm_add(mm, &v);
}

void mm_load_image(struct mm *mm)
{
	const struct image_header *h = header();
	struct vma stack = {.start = USER_STACK_TOP - USER_STACK_LEN,
			    .end = USER_STACK_TOP,
			    .prot = PROT_R | PROT_W};

	add_segment(mm, USER_IMAGE, h->text_end, h->text_end, PROT_R | PROT_X);
	add_segment(mm, h->text_end, h->rodata_end, h->rodata_end, PROT_R);
	add_segment(mm, h->rodata_end, h->file_end, h->end, PROT_R | PROT_W);
	(void)mm_add(mm, &stack); /* a new space has room for these few */
	mm->brk = ALIGN_UP(h->end, PAGE_SIZE);
}

ulong mm_image_entry(void)
{
	return header()->entry;
}
