/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame allocator. Owns all RAM behind the kernel image up to MANAGED_END, one struct frame
 * each. Invariants: a free frame has no references and holds POISON in every word, checked when
 * it is handed out again; frames never used so far are handed out in address order and hold
 * anything. The free list is last in, first out, so that a page table of one moment is data of
 * the next. Lock: frame_lock for the list and the counts; poisoning and zeroing are done
 * outside it.
 */
#include "mm/mm.h"

#define MANAGED_END (512UL << 20)
#define POISON	    0xccccccccccccccccUL
#define NO_FRAME    0U

struct frame {
	u32 refs;
	u32 next; /* number of the next free frame */
};

extern char __image_end[];
static struct spinlock frame_lock = {.name = "frame"};
static struct frame *frames;
static u32 free_head;
static u64 fresh, fresh_end; /* frames never handed out */
static u64 used;
static u64 spare_huge;

static struct frame *frame_of(u64 pa)
{
	ASSERT(pa < fresh_end && pa % PAGE_SIZE == 0);
	return &frames[pa >> PAGE_SHIFT];
}

/* The region of RAM the image was loaded in; the others are mapped but left alone. */
static u64 region_end(u64 pa)
{
	for (u32 i = 0; i < bootinfo.ram_count; i++)
		if (bootinfo.ram[i].start <= pa && pa < bootinfo.ram[i].end)
			return bootinfo.ram[i].end;
	panic("the image is not in RAM");
}

void frames_init(void)
{
	u64 start = (u64)__image_end - KBASE;
	u64 end = region_end(start - 1);
	u64 size;

	if (end > MANAGED_END)
		end = MANAGED_END;
	size = ALIGN_UP((end >> PAGE_SHIFT) * sizeof(struct frame), PAGE_SIZE);
	if (start + size + 2 * HUGE_SIZE > end)
		panic("too little RAM: %lu KiB", end >> 10);
	frames = phys(start);
	memset(frames, 0, size);
	spare_huge = ALIGN_DOWN(end, HUGE_SIZE) - HUGE_SIZE;
	fresh = start + size;
	fresh_end = spare_huge;
}

/* 2 MiB of RAM outside the allocator, for scenarios with large pages. */
u64 frame_spare_huge(void)
{
	return spare_huge;
}

u64 frames_used(void)
{
	return atomic_load(&used);
}

static void poison(u64 pa)
{
	u64 *w = phys(pa);

	for (u64 i = 0; i < PAGE_SIZE / sizeof(*w); i++)
		w[i] = POISON;
}

static void check_poison(u64 pa)
{
	const u64 *w = phys(pa);

	for (u64 i = 0; i < PAGE_SIZE / sizeof(*w); i++)
		if (w[i] != POISON)
			panic("frame 0x%lx was written after free: word %lu is 0x%lx", pa, i,
			      w[i]);
}

u64 frame_alloc(void)
{
	bool recycled = false;
	u64 pa;

	spin_lock(&frame_lock);
	if (free_head != NO_FRAME) {
		pa = (u64)free_head << PAGE_SHIFT;
		free_head = frame_of(pa)->next;
		recycled = true;
	} else {
		pa = fresh;
		if (pa >= fresh_end)
			panic("out of memory: %lu frames in use", used);
		fresh += PAGE_SIZE;
	}
	ASSERT(frame_of(pa)->refs == 0);
	frame_of(pa)->refs = 1;
	used++;
	spin_unlock(&frame_lock);

	if (recycled)
		check_poison(pa);
	memset(phys(pa), 0, PAGE_SIZE);
	return pa;
}

void frame_get(u64 pa)
{
	u32 refs = atomic_add(&frame_of(pa)->refs, 1);

	ASSERT(refs > 1);
}

void frame_put(u64 pa)
{
	struct frame *f = frame_of(pa);
	u32 refs = atomic_sub(&f->refs, 1);

	if (refs == ~0U)
		panic("frame 0x%lx freed twice", pa);
	if (refs)
		return;
	poison(pa);
	spin_lock(&frame_lock);
	f->next = free_head;
	free_head = (u32)(pa >> PAGE_SHIFT);
	used--;
	spin_unlock(&frame_lock);
}

u32 frame_refs(u64 pa)
{
	return atomic_load(&frame_of(pa)->refs);
}
