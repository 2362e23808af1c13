/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel half of every address space. Owns kernel_mm, whose upper slots are copied into
 * each new root: they are all linked in at boot, so a change below them is seen everywhere. The
 * direct map has 2 MiB pages, except where the kernel image lies: there 4 KiB pages give text
 * R-X, rodata R-- and the rest RW-. Everything is global.
 * The test slot belongs to the scenario that is running; test_reset() empties it.
 */
#include "mm/mm.h"
#include "x86.h"

extern char __text_start[], __text_end[], __rodata_end[];

struct mm kernel_mm = {.refs = 1, .lock = {.name = "kernel mm"}};

static void map_direct(u64 start, u64 end, pte_t flags)
{
	if (start < end)
		map_range(kernel_mm.root, KBASE + start, start, end - start, flags | PTE_G);
}

/* [0, 2 MiB * n) around the image, in small pages, so that each section has its own rights. */
static u64 map_image(void)
{
	u64 text = (u64)__text_start - KBASE, ro = (u64)__text_end - KBASE;
	u64 data = (u64)__rodata_end - KBASE, end = ALIGN_UP(data, HUGE_SIZE);

	map_direct(0, text, PTE_KDATA);
	map_direct(text, ro, PTE_KTEXT);
	map_direct(ro, data, PTE_KRO);
	map_direct(data, end, PTE_KDATA);
	return end;
}

static void map_ram(u64 mapped)
{
	for (u32 i = 0; i < bootinfo.ram_count; i++) {
		u64 start = bootinfo.ram[i].start;

		if (start < mapped)
			start = mapped;
		map_direct(start, bootinfo.ram[i].end, PTE_KDATA | PTE_PS);
	}
}

/* Make the pages of [pa, pa + len) visible in the device slot. At boot only: nothing is
 * flushed. */
void *kmap_device(u64 pa, u64 len, pte_t flags)
{
	for (u64 at = ALIGN_DOWN(pa, PAGE_SIZE); at < pa + len; at += PAGE_SIZE) {
		pte_t *e = walk(kernel_mm.root, DEVICE_BASE + at, 1, PTE_TABLE);

		if (!(pte_read(e) & PTE_P))
			pte_write(e, at | flags);
	}
	return (void *)(DEVICE_BASE + pa);
}

void kmap_init(void)
{
	kernel_mm.root = frame_alloc();
	map_ram(map_image());
	kmap_device(APIC_PA, PAGE_SIZE, PTE_KDATA | PTE_PCD | PTE_PWT | PTE_G);
	/* The test slot gets its first table now, and keeps it. */
	walk(kernel_mm.root, TEST_BASE, PT_LEVELS - 1, PTE_TABLE);
}

void kmap_share(u64 root)
{
	pte_t *to = phys(root), *from = phys(kernel_mm.root);

	for (int i = SLOT_DIRECT; i <= SLOT_TEST; i++)
		pte_write(&to[i], from[i]);
}

pte_t *test_pte(u64 va)
{
	return walk(kernel_mm.root, va, 1, PTE_TABLE);
}

void test_map(u64 va, u64 pa, pte_t flags)
{
	pte_write(test_pte(va), pa | flags);
}

/* Unhook everything below the test slot, flush it everywhere, then free its tables. */
void test_reset(void)
{
	pte_t *slot = walk(kernel_mm.root, TEST_BASE, PT_LEVELS, 0);
	pte_t *table = table_of(*slot);
	pte_t unhooked[8];
	int n = 0;

	for (int i = 0; i < PT_ENTRIES; i++) {
		if (!(pte_read(&table[i]) & PTE_P))
			continue;
		ASSERT(n < (int)ARRAY_SIZE(unhooked));
		unhooked[n++] = pte_exchange(&table[i], 0);
	}
	if (!n)
		return;
	tlb_flush_kernel(0, ~0UL);
	while (n)
		free_tables(unhooked[--n], PT_LEVELS - 1);
}
