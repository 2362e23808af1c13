/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk in RAM, for machines without the swap device. Its frames are had when it is opened, so
 * that writing to it needs none.
 */
#include "dev/dev.h"

#define BLOCKS 512U

static pa_t frames[BLOCKS];
static u32 opened;

static void close_disk(void)
{
	while (opened)
		frame_put(frames[--opened]);
}

static bool open_disk(u32 n)
{
	for (opened = 0; opened < n && opened < BLOCKS; opened++) {
		frames[opened] = frame_try(ZONE_HIGH);
		if (!frames[opened]) {
			close_disk();
			return false;
		}
	}
	return true;
}

static u32 blocks(void)
{
	return BLOCKS;
}

static bool transfer(struct disk_io *io, u32 n, bool may_sleep)
{
	for (struct disk_io *i = io; i < io + n; i++) {
		if (i->block >= opened)
			return false;
		if (i->write)
			frame_copy(frames[i->block], i->frame);
		else
			frame_copy(i->frame, frames[i->block]);
	}
	if (may_sleep)
		sched_yield(); /* as with a real one, others get their turn */
	return true;
}

const struct disk ramdisk_disk = {"RAM disk", open_disk, close_disk, blocks, transfer};
