/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: struct mm with its areas, its reference count, its life and death.
 * Its users are processes: when the last one leaves, what it maps goes. A reference is held by the
 * users together, by every CPU whose CR3 holds its root, and by who looks on: the root is freed
 * only after all have left. kernel_mm is never freed.
 */
#include "mm/file.h"
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

/* A space of the family, whose other members may be at work. */
struct mm *mm_create_in(struct anon_vma *family)
{
	ulong frame = frame_alloc();
	struct mm *mm = phys(frame);

	mm->frame = frame;
	mm->refs = 1;
	mm->users = 1;
	mm->lock.name = "mm";
	mutex_init(&mm->sem, RANK_MM, "mm");
	mutex_lock(&family->lock);
	anon_join(mm, family);
	mutex_unlock(&family->lock);
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

struct mm *mm_create(void)
{
	struct anon_vma *family = anon_create();
	struct mm *mm = mm_create_in(family);

	anon_put(family);
	return mm;
}

struct mm *mm_get(struct mm *mm)
{
	atomic_add(&mm->users, 1);
	return mm;
}

/* For who isn't a user, but looks at the struct or walks the tables: they stay. */
struct mm *mm_hold(struct mm *mm)
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

/* The last process has left; no CPU has it loaded. Others may come across it still, through a
 * file or the family, until it has left those. */
static void end_use(struct mm *mm)
{
	struct gather g;

	preempt_begin();
	mutex_lock(&mm->sem);
	gather_begin(&g, mm);
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->end)
			zap_range(&g, v->start, v->end, true);
	gather_end(&g);
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->end && v->file)
			file_leave(mm, v);
	mutex_unlock(&mm->sem);
	anon_leave(mm);
	preempt_end();
}

/* A process leaves; it may sleep. */
void mm_put(struct mm *mm)
{
	if (atomic_sub(&mm->users, 1))
		return;
	end_use(mm);
	mm_drop(mm);
}

static void free_root(struct mm *mm)
{
	pte_t *root = phys(mm->root);

	for (int i = 0; i < USER_SLOTS; i++) {
		ASSERT(!(root[i] & PTE_P) || i < PT_ROOT_FIXED);
		if (root[i] & PTE_P)
			frame_put(root[i] & PTE_ADDR);
	}
	frame_put(mm->root);
}

void mm_drop(struct mm *mm)
{
	if (atomic_sub(&mm->refs, 1))
		return;
	ASSERT(mm != &kernel_mm && mm->cpus == 0 && !mm->users);
	spin_lock(&mm_list_lock);
	*mm->prev = mm->next;
	if (mm->next)
		mm->next->prev = mm->prev;
	spin_unlock(&mm_list_lock);
	free_root(mm);
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
	mm_hold(mm);
	atomic_or(&mm->cpus, bit);
	c->mm = mm;
	write_cr3(mm->root);
	if (old) {
		atomic_and(&old->cpus, ~bit);
		mm_drop(old);
	}
}

/* Caller holds mm->sem or mm->lock. */
struct vma *mm_find(struct mm *mm, ulong va)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++)
		if (v->start <= va && va < v->end)
			return v;
	return NULL;
}

/* Caller holds mm->lock, and mm->sem unless it is the only user. */
bool mm_add(struct mm *mm, const struct vma *area)
{
	for (struct vma *v = mm->vma; v < mm->vma + MAX_VMAS; v++) {
		if (v->end)
			continue;
		*v = *area;
		if (!v->file && !v->reserved && !v->off)
			v->off = v->start >> PAGE_SHIFT;
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

	spin_lock(&mm->lock); /* reclaim may come by already */
	add_segment(mm, USER_IMAGE, h->text_end, h->text_end, PROT_R | PROT_X);
	add_segment(mm, h->text_end, h->rodata_end, h->rodata_end, PROT_R);
	add_segment(mm, h->rodata_end, h->file_end, h->end, PROT_R | PROT_W);
	(void)mm_add(mm, &stack); /* a new space has room for these few */
	spin_unlock(&mm->lock);
	mm->brk = mm_image_end();
}

/* The image as a file. */
const u8 *mm_image(ulong *len)
{
	*len = header()->file_end - USER_IMAGE;
	return user_image;
}

/* Where the heap begins. */
ulong mm_image_end(void)
{
	return ALIGN_UP(header()->end, PAGE_SIZE);
}

ulong mm_image_entry(void)
{
	return header()->entry;
}
