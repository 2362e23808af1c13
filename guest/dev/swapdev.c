/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The swap device's driver. Owns its registers and which request is in which of its four slots. Who
 * may sleep is woken by the interrupt; who holds locks asks the device until it is done. Either
 * finishes what it finds done, whoever it belongs to, and frees the slot at once: a sleeper need
 * not run for others to go on.
 * Lock: lock, for all of it; sched_lock is inside.
 */
#include "dev/dev.h"

#define ID	    0x50575355U
#define REG_ID	    0x00
#define REG_CONTROL 0x08
#define REG_STATUS  0x0c
#define REG_BLOCKS  0x10
#define REG_MSI	    0x18
#define REG_DATA    0x1c
#define REG_BLOCK   0x100 /* of slot 0; the next 16 bytes are slot 1's */
#define REG_LOW	    0x104
#define REG_HIGH    0x108
#define REG_COMMAND 0x10c
#define RESET	    4
#define READ	    1
#define WRITE	    2
#define SLOTS	    4

static volatile u32 *regs;
static u32 block_count;
static struct spinlock lock = {.name = "swap device"};
static struct disk_io *slot[SLOTS];

void swapdev_init(void)
{
	regs = kmap_device(SWAPDEV_PA, PAGE_SIZE, PTE_KDATA | PTE_PCD | PTE_PWT | PTE_G);
	if (device_read(regs, REG_ID) == ID)
		block_count = device_read(regs, REG_BLOCKS);
}

static u32 blocks(void)
{
	return block_count;
}

static bool open_disk(u32 n)
{
	(void)n;
	device_write(regs, REG_CONTROL, RESET);
	device_write(regs, REG_MSI, (u32)APIC_PA); /* CPU 0 */
	device_write(regs, REG_DATA, VEC_SWAP);
	return true;
}

static void close_disk(void)
{
	device_write(regs, REG_CONTROL, RESET);
}

/* Under the lock: what the device has done is done. */
static void serve(void)
{
	u32 status = device_read(regs, REG_STATUS) & 0xff;

	if (!status)
		return;
	device_write(regs, REG_STATUS, status);
	for (u32 i = 0; i < SLOTS; i++) {
		if (!(status >> i & 1) || !slot[i])
			continue;
		slot[i]->failed = status >> (SLOTS + i) & 1;
		slot[i]->done = true;
		slot[i] = NULL;
	}
	spin_lock(&sched_lock);
	wake_all(slot);
	spin_unlock(&sched_lock);
}

void swapdev_interrupt(void)
{
	spin_lock(&lock);
	serve();
	spin_unlock(&lock);
}

/* Under the lock; false if all slots are taken. */
static bool submit(struct disk_io *io)
{
	u32 i = 0;

	while (i < SLOTS && slot[i])
		i++;
	if (i == SLOTS)
		return false;
	slot[i] = io;
	device_write(regs, REG_BLOCK + 16 * i, io->block);
	device_write(regs, REG_LOW + 16 * i, (u32)io->frame);
	device_write(regs, REG_HIGH + 16 * i, (u32)((u64)io->frame >> 32));
	device_write(regs, REG_COMMAND + 16 * i, io->write ? WRITE : READ);
	return true;
}

/* Under the lock, which is let go meanwhile: something may have been done. */
static void wait(bool may_sleep)
{
	if (may_sleep) {
		sleep_on(slot, &lock);
		return;
	}
	serve();
	spin_unlock(&lock);
	cpu_relax();
	spin_lock(&lock);
}

static bool transfer(struct disk_io *io, u32 n, bool may_sleep)
{
	bool ok = true;

	spin_lock(&lock);
	for (u32 i = 0; i < n; i++)
		while (!submit(&io[i]))
			wait(may_sleep);
	for (u32 i = 0; i < n; i++) {
		while (!io[i].done)
			wait(may_sleep);
		ok &= !io[i].failed;
	}
	spin_unlock(&lock);
	return ok;
}

const struct disk swapdev_disk = {"swap device", open_disk, close_disk, blocks, transfer};
