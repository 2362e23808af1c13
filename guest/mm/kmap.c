/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel half of every address space. Owns kernel_mm, whose upper slots are copied into
 * each new root: they are all linked in at boot, so a change below them is seen everywhere. The
 * direct map, which ends at direct_end, has large pages, except where the kernel image lies: there
 * 4 KiB pages give text R-X, rodata R-- and the rest RW-. Everything is global.
 * The test area belongs to the scenario that is running; test_reset() empties it.
 */
#include "mm/mm.h"
#include "x86.h"

extern char __text_start[], __text_end[], __rodata_end[];

struct mm kernel_mm = {.refs = 1, .lock = {.name = "kernel mm"}};

static void map_direct(pa_t start, pa_t end, pte_t flags)
{
	if (end > direct_end)
		end = direct_end;
	if (start < end)
		map_range(kernel_mm.root, KBASE + (ulong)start, start, end - start,
			  flags | PTE_G);
}

/* [0, HUGE_SIZE * n) around the image, in small pages, so that each section has its own rights. */
static ulong map_image(void)
{
	ulong text = (ulong)__text_start - KBASE, ro = (ulong)__text_end - KBASE;
	ulong data = (ulong)__rodata_end - KBASE, end = ALIGN_UP(data, HUGE_SIZE);

	map_direct(0, text, PTE_KDATA);
	map_direct(text, ro, PTE_KTEXT);
	map_direct(ro, data, PTE_KRO);
	map_direct(data, end, PTE_KDATA);
	return end;
}

static void map_ram(ulong mapped)
{
	for (u32 i = 0; i < bootinfo.ram_count; i++) {
		pa_t start = bootinfo.ram[i].start;

		if (start < mapped)
			start = mapped;
		map_direct(start, bootinfo.ram[i].end,
			   options.pagealloc == PAGEALLOC_4K ? PTE_KDATA : PTE_KDATA | PTE_PS);
	}
}

/* Make the pages of [pa, pa + len) visible, from the next free address of the device area on. At
 * boot only: nothing is flushed, and nothing is ever given back. */
void *kmap_device(pa_t pa, ulong len, pte_t flags)
{
	static ulong next = DEVICE_BASE;
	ulong va = next, offset = (ulong)(pa % PAGE_SIZE);

	for (pa_t at = pa - offset; at < pa + len; at += PAGE_SIZE, next += PAGE_SIZE)
		pte_store(walk(kernel_mm.root, next, 1, PTE_TABLE), at | flags);
	ASSERT(next <= DEVICE_BASE + DEVICE_LEN);
	return (void *)(va + offset);
}

void kmap_init(void)
{
	kernel_mm.root = frame_alloc();
	map_ram(map_image());
	kmap_device(APIC_PA, PAGE_SIZE, PTE_KDATA | PTE_PCD | PTE_PWT | PTE_G);
	/* Every table that an entry of the root leads to is there from now on, also those of the
	 * test area that lie above what belongs to the scenarios. */
	for (ulong at = 0; at < DEVICE_LEN; at += HUGE_SIZE)
		walk(kernel_mm.root, DEVICE_BASE + at, 1, PTE_TABLE);
	walk(kernel_mm.root, TEST_BASE, TEST_LEVEL, PTE_TABLE);
	highmem_init();
}

void kmap_share(ulong root)
{
	pte_t *to = phys(root), *from = phys(kernel_mm.root);

	for (int i = SLOT_DIRECT; i <= SLOT_SHARED; i++)
		pte_store(&to[i], from[i]);
}

/* The kernel's entry for `va` has changed. Only if it is one of the root, which with two levels
 * the large pages' are, there is anything to do: each space has its own. */
void kmap_publish(ulong va, int level)
{
	ulong i = PT_INDEX(va, PT_LEVELS);

	if (level != PT_LEVELS)
		return;
	spin_lock(&mm_list_lock);
	for (struct mm *mm = mm_list; mm; mm = mm->next)
		pte_store((pte_t *)phys(mm->root) + i,
			  pte_load((pte_t *)phys(kernel_mm.root) + i));
	spin_unlock(&mm_list_lock);
}

pte_t *test_pte(ulong va)
{
	return walk(kernel_mm.root, va, 1, PTE_TABLE);
}

void test_map(ulong va, pa_t pa, pte_t flags)
{
	pte_store(test_pte(va), pa | flags);
}

/* Unhook everything in the test area, flush it everywhere, then free its tables. */
void test_reset(void)
{
	pte_t unhooked[8];
	int n = 0;

	for (ulong va = TEST_BASE; va < TEST_END; va += PT_SPAN(TEST_LEVEL)) {
		pte_t *e = walk(kernel_mm.root, va, TEST_LEVEL, 0);

		if (!(pte_load(e) & PTE_P))
			continue;
		ASSERT(n < (int)ARRAY_SIZE(unhooked));
		unhooked[n++] = pte_swap(e, 0);
	}
	if (!n)
		return;
	tlb_flush_kernel(0, ~0UL);
	while (n)
		free_tables(unhooked[--n], TEST_LEVEL);
}
