/* SPDX-License-Identifier: BSD-2-Clause */
/* Drivers, grouped by the file that owns them. The devices themselves: docs/devices.md. */
#ifndef GUEST_DEV_H
#define GUEST_DEV_H

#include "mm/swap.h"

#define CAPTURE_PA UL(0xfec80000)
#define SWAPDEV_PA UL(0xfec81000)

static inline u32 device_read(const volatile u32 *regs, u32 offset)
{
	return regs[offset / 4];
}

static inline void device_write(volatile u32 *regs, u32 offset, u32 v)
{
	regs[offset / 4] = v;
}

/* One block to or from one frame. */
struct disk_io {
	u32 block;
	bool write;
	bool done, failed; /* the driver's */
	pa_t frame;
};

struct disk {
	const char *name;
	bool (*open)(u32 blocks); /* room for so many, or as many as there are */
	void (*close)(void);
	u32 (*blocks)(void); /* 0: there is no such disk */
	/* All are done when it returns; false if one failed. */
	bool (*transfer)(struct disk_io *io, u32 n, bool may_sleep);
};

/* swapdev.c */
extern const struct disk swapdev_disk;
void swapdev_init(void);
void swapdev_interrupt(void);

/* ramdisk.c */
extern const struct disk ramdisk_disk;

/* capture.c */
#define CAPTURE_FRAMES 12
extern struct reserved capture_buffers, capture_registers;
void capture_init(void);
void capture_interrupt(void);
bool capture_present(void);
bool capture_open(void);
u32 capture_close(void);
slong capture_run(void);
u32 capture_reads(void);

#endif
