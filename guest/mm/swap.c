/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Swap slots: which are in use, by how many entries, and the way to the disk behind them. The disk
 * is the swap device or a RAM disk (dev/). A slot belongs to the pages of one moment: an entry that
 * is copied counts once more, one that is dropped or read in counts once less, and the last one
 * frees the slot. Whoever reads a slot without the lock of the space it is in holds a count
 * meanwhile.
 * Lock: swap_lock, for the counts; inside mm->lock.
 */
#include "mm/swap.h"
#include "dev/dev.h"
#include "kernel/mutant.h"

struct swap_stats swap_stats;
static struct spinlock swap_lock = {.name = "swap"};
static u16 count[SWAP_SLOTS];
static u32 slots, in_use, hand;
static const struct disk *disk;

/* Up to `n` slots on the swap device, or on the RAM disk if there is none or that is asked for. */
bool swap_on(u32 n, bool ramdisk)
{
	disk = !ramdisk && swapdev_disk.blocks() ? &swapdev_disk : &ramdisk_disk;
	if (!disk->open(n))
		return false;
	swap_stats = (struct swap_stats){0};
	hand = 0;
	slots = disk->blocks() < n ? disk->blocks() : n;
	if (slots > SWAP_SLOTS)
		slots = SWAP_SLOTS;
	return true;
}

/* Returns how many slots still have a user: 0, if every process is gone. */
u32 swap_off(void)
{
	u32 left = in_use;

	slots = in_use = 0;
	memset(count, 0, sizeof(count));
	disk->close();
	return left;
}

const char *swap_name(void)
{
	return disk->name;
}

static u32 slot_of(pte_t entry)
{
	return (u32)((entry & PTE_ADDR) >> PAGE_SHIFT) - 1;
}

/* An entry for a slot nobody uses, counted once; 0 if there is none. */
pte_t swap_alloc(void)
{
	pte_t e = 0;

	spin_lock(&swap_lock);
	for (u32 i = 0; i < slots && !e; i++) {
		hand = hand + 1 < slots ? hand + 1 : 0;
		if (count[hand])
			continue;
		count[hand] = 1;
		in_use++;
		e = (pte_t)(hand + 1) << PAGE_SHIFT | PTE_SWAP;
	}
	spin_unlock(&swap_lock);
	return e;
}

void swap_get(pte_t entry)
{
	spin_lock(&swap_lock);
	ASSERT(count[slot_of(entry)]);
	count[slot_of(entry)]++;
	spin_unlock(&swap_lock);
}

void swap_put(pte_t entry)
{
	u16 *c = &count[slot_of(entry)];

	spin_lock(&swap_lock);
	if (!*c)
		panic("swap slot %u freed twice", slot_of(entry));
	if (--*c == 0)
		in_use--;
	spin_unlock(&swap_lock);
}

/* The pages are in no table and no TLB any more. Waits without sleeping: the caller holds locks. */
bool swap_write(const pte_t *entry, const pa_t *frame, u32 n)
{
	struct disk_io io[SWAP_BATCH];

	for (u32 i = 0; i < n; i++)
		io[i] = (struct disk_io){.block = slot_of(entry[i]), .frame = frame[i]};
	for (u32 i = 0; i < n; i++)
		io[i].write = true;
	atomic_add(&swap_stats.out, n);
	return disk->transfer(io, n, false);
}

/* Sleeps. The caller holds a count of the slot. */
bool swap_read(pte_t entry, pa_t frame)
{
	struct disk_io io = {.block = slot_of(entry), .frame = frame};

	atomic_add(&swap_stats.in, 1);
	return disk->transfer(&io, 1, true);
}

/* A last-level entry is about to stand in one table more; false if there is nothing to copy. */
bool entry_copy(pte_t e)
{
	if (entry_is_swap(e)) {
		if (!mutant(SWAP_COPY_UNCOUNTED))
			swap_get(e);
	} else if ((e & PTE_P) && !(e & PTE_PFN)) {
		frame_get(e & PTE_ADDR);
	}
	return e & (PTE_P | PTE_SWAP);
}

/* A page that may be a file's remembers that it was written. */
void entry_keep_dirty(pte_t e)
{
	if ((e & PTE_P) && (e & PTE_SOFT) && (e & PTE_D) && !(e & PTE_PFN))
		frame_set_dirty(e & PTE_ADDR);
}

/* What an entry held that is in no table and no TLB any more. */
void entry_drop(pte_t e)
{
	if (entry_is_swap(e)) {
		if (!mutant(SWAP_SLOT_LEAKS))
			swap_put(e);
	} else if ((e & PTE_P) && (!(e & PTE_PFN) || mutant(RESERVED_PUTS))) {
		frame_put(e & PTE_ADDR);
	}
}
