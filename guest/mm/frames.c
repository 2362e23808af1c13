/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame allocator. Owns the RAM behind the kernel image, in zones, one struct frame each:
 *
 *   image | struct frame[] | ZONE_LOW ... | spare | ZONE_HIGH ...     4 GiB | ZONE_HIGH
 *                                        direct_end      MANAGED_END
 *
 * ZONE_LOW is direct mapped. ZONE_HIGH, which exists where lowmem= or the format leaves RAM
 * outside the direct map, is seen through the windows of highmem.c: it has the pages of processes
 * and their last-level tables, and begins above 4 GiB if there is RAM, so that the upper halves
 * of entries matter. Invariants: a free frame has no references and holds POISON in every word,
 * checked when it is handed out again; frames never used so far are handed out in address order
 * and hold anything. The free lists are last in, first out, so that a page table of one moment
 * is data of the next. Lock: frame_lock for the lists and the counts; poisoning and zeroing are
 * done outside it.
 */
#include "kernel/mutant.h"
#include "mm/rmap.h"

#define MANAGED_END  ((pa_t)512 << 20)
#define ABOVE_4G     ((u64)1 << 32)
#define ABOVE_4G_MAX ((u64)64 << 20) /* of what is there; each frame costs lowmem */
#define POISON	     (~0UL / 255 * 0xcc)
#define NO_FRAME     0U
#define MAX_SPANS    3

struct frame {
	u32 refs;
	u32 next;   /* number of the next in a list, plus one */
	u32 shares; /* a table's owners beside the first: share.c */
	u32 anon;   /* frame number of its anon_vma, on which it has a reference; 0: none */
	u32 index;  /* its place in there: rmap.c */
	u32 pins;   /* references of who reads or writes it by its frame: gup.c */
	bool dirty; /* a file's page that was written: file.c */
};

struct span {
	pa_t start, fresh, end; /* frames from `fresh` on were never handed out */
	u32 first;		/* number of the frame at start */
	enum zone zone;
};

extern char __image_end[];
pa_t direct_end;
static struct spinlock frame_lock = {.name = "frame"};
static struct frame *frames;
static struct span spans[MAX_SPANS];
static u32 span_count, frame_count;
static u32 free_head[ZONE_COUNT];
static ulong used;
static ulong spare_huge;
static ulong fail_after; /* frame_fail_after() */

static const struct span *span_of(pa_t pa)
{
	const struct span *s = spans;

	while (s < spans + span_count && !(s->start <= pa && pa < s->end))
		s++;
	if (s == spans + span_count || pa % PAGE_SIZE || pa >= s->fresh)
		panic("0x%llx is no frame", (u64)pa);
	return s;
}

static u32 number_of(pa_t pa)
{
	const struct span *s = span_of(pa);

	return s->first + (u32)((pa - s->start) >> PAGE_SHIFT);
}

static struct frame *frame_of(pa_t pa)
{
	return &frames[number_of(pa)];
}

static pa_t pa_of(u32 number)
{
	const struct span *s = spans;

	while (number - s->first >= (u32)((s->end - s->start) >> PAGE_SHIFT))
		s++;
	return s->start + ((pa_t)(number - s->first) << PAGE_SHIFT);
}

static void add_span(enum zone zone, pa_t start, pa_t end)
{
	if (start >= end)
		return;
	ASSERT(span_count < MAX_SPANS);
	spans[span_count++] = (struct span){start, start, end, frame_count, zone};
	frame_count += (u32)((end - start) >> PAGE_SHIFT);
}

/* The region of RAM the image was loaded in; the others are mapped but left alone. */
static pa_t region_end(pa_t pa)
{
	for (u32 i = 0; i < bootinfo.ram_count; i++)
		if (bootinfo.ram[i].start <= pa && pa < bootinfo.ram[i].end)
			return bootinfo.ram[i].end < MANAGED_END ? bootinfo.ram[i].end
								 : MANAGED_END;
	panic("the image is not in RAM");
}

static void add_above_4g(void)
{
	for (u32 i = 0; sizeof(pte_t) > 4 && i < bootinfo.ram_count; i++) {
		u64 start = bootinfo.ram[i].start, end = bootinfo.ram[i].end;

		if (start != ABOVE_4G)
			continue;
		if (end > start + ABOVE_4G_MAX)
			end = start + ABOVE_4G_MAX;
		add_span(ZONE_HIGH, (pa_t)start, (pa_t)end);
	}
}

/* Where the direct map ends: LOWMEM_MAX, or what the command line says. */
static pa_t lowmem_end(void)
{
	ulong n = options.lowmem && options.lowmem < LOWMEM_MAX ? options.lowmem : LOWMEM_MAX;

	return ALIGN_DOWN(n, HUGE_SIZE);
}

void frames_init(void)
{
	pa_t start = (ulong)__image_end - KBASE, all = region_end(start - 1), end = all;
	pa_t size;

	direct_end = lowmem_end();
	if (end > direct_end)
		end = direct_end;
	spare_huge = (ulong)ALIGN_DOWN(end, HUGE_SIZE) - HUGE_SIZE;
	size = (all + ABOVE_4G_MAX) / PAGE_SIZE * sizeof(struct frame);
	size = ALIGN_UP(size, PAGE_SIZE);
	if (start + size + HUGE_SIZE / 2 > spare_huge)
		panic("too little lowmem: %lu KiB", (ulong)end >> 10);
	frames = phys(start);
	memset(frames, 0, (size_t)size);
	add_span(ZONE_LOW, start + size, spare_huge);
	if (direct_end < all || direct_end < ABOVE_4G)
		add_above_4g();
	add_span(ZONE_HIGH, direct_end, all);
}

/* HUGE_SIZE of RAM outside the allocator, for scenarios with large pages. */
ulong frame_spare_huge(void)
{
	return spare_huge;
}

ulong frames_used(void)
{
	return atomic_load(&used) - quicklist_total();
}

/* The end of the low zone, the spare RAM included. */
ulong frames_low_end(void)
{
	return spare_huge + HUGE_SIZE;
}

/* The frames of the high zone; 0: everything is direct mapped. */
ulong frames_high(void)
{
	ulong n = 0;

	for (u32 i = 0; i < span_count; i++)
		if (spans[i].zone == ZONE_HIGH)
			n += (ulong)((spans[i].end - spans[i].start) >> PAGE_SHIFT);
	return n;
}

static void poison(pa_t pa)
{
	ulong *w = kmap_local(pa);

	for (ulong i = 0; i < PAGE_SIZE / sizeof(*w); i++)
		w[i] = POISON;
	kunmap_local(w);
}

static void check_poison(pa_t pa)
{
	const ulong *w = kmap_local(pa);

	for (ulong i = 0; i < PAGE_SIZE / sizeof(*w); i++)
		if (w[i] != POISON)
			panic("frame 0x%llx was written after free: word %lu is 0x%lx", (u64)pa,
			      i, w[i]);
	kunmap_local(w);
}

static pa_t take_fresh(enum zone zone)
{
	for (struct span *s = spans; s < spans + span_count; s++)
		if (s->zone == zone && s->fresh < s->end) {
			s->fresh += PAGE_SIZE;
			return s->fresh - PAGE_SIZE;
		}
	return 0;
}

/* Under frame_lock: an unused frame of the zone, 0 if there is none. */
static pa_t take(enum zone zone, bool *recycled)
{
	u32 head = free_head[zone];

	*recycled = head != NO_FRAME;
	if (head == NO_FRAME)
		return take_fresh(zone);
	free_head[zone] = frames[head - 1].next;
	return pa_of(head - 1);
}

/* The n-th call of frame_try() from now on fails; 0 ends that. Returns what was left of the last
 * n: 0, if that call has failed. */
ulong frame_fail_after(ulong n)
{
	return atomic_xchg(&fail_after, n);
}

/* Nobody allocates with a window open: an allocator that waits would come back on another
 * CPU. */
static pa_t alloc(enum zone zone)
{
	bool recycled;
	pa_t pa;

	ASSERT(cpu_read(kmap_depth) == 0);
	spin_lock(&frame_lock);
	pa = take(zone, &recycled);
	if (!pa && zone != ZONE_LOW)
		pa = take(ZONE_LOW, &recycled);
	if (pa) {
		ASSERT(frame_of(pa)->refs == 0);
		frame_of(pa)->refs = 1;
		used++;
	}
	spin_unlock(&frame_lock);
	if (!pa)
		return 0;
	if (recycled) {
		pagealloc_map(pa);
		check_poison(pa);
	}
	frame_zero(pa);
	return pa;
}

/* One allocation that can bear it: has it been told to fail? */
bool frame_may_fail(void)
{
	return atomic_load(&fail_after) && atomic_sub(&fail_after, 1) == 0;
}

/* From this zone or a lower one; 0 if there is none, or if it is told to fail. */
pa_t frame_try(enum zone zone)
{
	return frame_may_fail() ? 0 : alloc(zone);
}

/* The same for a page of a process: reclaim.c. It is never told to fail. */
pa_t frame_user(void)
{
	return alloc(ZONE_HIGH);
}

static pa_t must_alloc(enum zone zone)
{
	pa_t pa = alloc(zone);

	if (!pa)
		panic("out of memory: %lu frames in use", used);
	return pa;
}

ulong frame_alloc(void)
{
	return (ulong)must_alloc(ZONE_LOW);
}

pa_t frame_alloc_high(void)
{
	return must_alloc(ZONE_HIGH);
}

void frame_get(pa_t pa)
{
	u32 refs = atomic_add(&frame_of(pa)->refs, 1);

	ASSERT(refs > 1);
}

void frame_put(pa_t pa)
{
	struct frame *f = frame_of(pa);
	u32 refs = atomic_sub(&f->refs, 1);
	enum zone zone = span_of(pa)->zone;
	u32 anon;

	if (refs == ~0U)
		panic("frame 0x%llx freed twice", (u64)pa);
	if (refs)
		return;
	ASSERT(f->shares == 0 && (f->pins == 0 || mutant(GUP_NO_ZERO_CHECK)));
	anon = f->anon;
	f->anon = 0;
	f->dirty = false;
	poison(pa);
	pagealloc_unmap(pa);
	spin_lock(&frame_lock);
	f->next = free_head[zone];
	free_head[zone] = number_of(pa) + 1;
	used--;
	spin_unlock(&frame_lock);
	if (anon)
		anon_put(phys((ulong)anon << PAGE_SHIFT));
}

/* A reference, if there is one already: a frame that is free, or about to be, stays so. */
static bool try_get(pa_t pa)
{
	u32 *refs = &frame_of(pa)->refs, seen = atomic_load(refs);

	if (mutant(GUP_NO_ZERO_CHECK))
		return atomic_add(refs, 1);
	while (seen && !__atomic_compare_exchange_n(refs, &seen, seen + 1, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return seen;
}

/* The same, and the page stays where it is: nobody takes it out of memory. */
bool frame_pin(pa_t pa)
{
	if (!try_get(pa))
		return false;
	atomic_add(&frame_of(pa)->pins, 1);
	return true;
}

void frame_unpin(pa_t pa)
{
	atomic_sub(&frame_of(pa)->pins, 1);
	frame_put(pa);
}

u32 frame_pins(pa_t pa)
{
	return atomic_load(&frame_of(pa)->pins);
}

/* By who made the page. */
void frame_set_anon(pa_t pa, struct anon_vma *a, u32 index)
{
	struct frame *f = frame_of(pa);

	ASSERT(!f->anon);
	if (!mutant(ANON_NO_REF))
		atomic_add(&a->refs, 1);
	f->index = index;
	f->anon = (u32)(((ulong)a - KBASE) >> PAGE_SHIFT);
}

/* With a reference. */
u32 frame_anon(pa_t pa)
{
	return READ_ONCE(frame_of(pa)->anon);
}

u32 frame_index(pa_t pa)
{
	return frame_of(pa)->index;
}

void frame_set_dirty(pa_t pa)
{
	atomic_store(&frame_of(pa)->dirty, true);
}

bool frame_is_dirty(pa_t pa)
{
	return atomic_load(&frame_of(pa)->dirty);
}

bool frame_clear_dirty(pa_t pa)
{
	return atomic_xchg(&frame_of(pa)->dirty, false);
}

/* Lists of frames that are in use but of no use; under the lock of whoever owns the list. */
void frame_push(u32 *list, pa_t pa)
{
	frame_of(pa)->next = *list;
	*list = number_of(pa) + 1;
}

pa_t frame_pop(u32 *list)
{
	pa_t pa;

	if (!*list)
		return 0;
	pa = pa_of(*list - 1);
	*list = frame_of(pa)->next;
	return pa;
}

/* Under the lock that share.c has for the table. */
u32 *frame_shares(pa_t pa)
{
	return &frame_of(pa)->shares;
}

enum zone frame_zone(pa_t pa)
{
	return span_of(pa)->zone;
}

u32 frame_refs(pa_t pa)
{
	return atomic_load(&frame_of(pa)->refs);
}
