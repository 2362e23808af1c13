/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture device's driver. Owns the buffers, which lie in frames apart from each other, and
 * the page with their list. They are there from capture_open() to capture_close(), whoever maps
 * them. Without the device capture_run() draws the pictures itself.
 * Lock: lock, for the run; sched_lock is inside.
 */
#include "dev/dev.h"

#define ID	      0x50414355U
#define REG_ID	      0x00
#define REG_CONTROL   0x08
#define REG_STATUS    0x0c
#define REG_LIST      0x10
#define REG_LIST_HIGH 0x14
#define REG_COUNT     0x18
#define REG_SEQUENCE  0x1c
#define REG_MSI	      0x28
#define REG_DATA      0x2c
#define REG_READS     0x30
#define START	      1
#define RESET	      4
#define STATUS_DONE   2
#define STATUS_ERROR  4
#define WORDS	      (PAGE_SIZE / sizeof(u32))

static volatile u32 *regs;
static bool present;
static struct spinlock lock = {.name = "capture"};
static bool running;
static u32 status, sequence;
static ulong list;
static pa_t frames[CAPTURE_FRAMES];
static pa_t window = CAPTURE_PA;
struct reserved capture_buffers = {
	.name = "capture buffers", .frame = frames, .count = CAPTURE_FRAMES};
struct reserved capture_registers = {
	.name = "capture registers", .frame = &window, .count = 1, .device = true};

void capture_init(void)
{
	regs = kmap_device(CAPTURE_PA, PAGE_SIZE, PTE_KDATA | PTE_PCD | PTE_PWT | PTE_G);
	present = device_read(regs, REG_ID) == ID;
}

bool capture_present(void)
{
	return present;
}

/* How often anybody has read a register, this time included. */
u32 capture_reads(void)
{
	return device_read(regs, REG_READS);
}

static void setup(void)
{
	device_write(regs, REG_CONTROL, RESET);
	device_write(regs, REG_MSI, (u32)APIC_PA); /* CPU 0 */
	device_write(regs, REG_DATA, VEC_CAPTURE);
	device_write(regs, REG_LIST, (u32)list);
	device_write(regs, REG_LIST_HIGH, 0);
	device_write(regs, REG_COUNT, CAPTURE_FRAMES);
}

/* Every other frame of twice as many, last first: no two are neighbours. */
static bool take_frames(void)
{
	pa_t gap[CAPTURE_FRAMES];
	bool ok = true;

	for (u32 i = 0; i < CAPTURE_FRAMES; i++) {
		gap[i] = frame_try(ZONE_HIGH);
		frames[CAPTURE_FRAMES - 1 - i] = frame_try(ZONE_HIGH);
		ok &= gap[i] && frames[CAPTURE_FRAMES - 1 - i];
	}
	for (u32 i = 0; i < CAPTURE_FRAMES; i++)
		if (gap[i])
			frame_put(gap[i]);
	return ok;
}

bool capture_open(void)
{
	u64 *entry;

	list = frame_alloc();
	entry = phys(list);
	sequence = 0;
	capture_buffers.faults = 0;
	if (!take_frames()) {
		capture_close();
		return false;
	}
	for (u32 i = 0; i < CAPTURE_FRAMES; i++)
		entry[i] = frames[i];
	if (present)
		setup();
	return true;
}

/* Nobody maps them any more. Returns how many have a user all the same. */
u32 capture_close(void)
{
	u32 bad = 0;

	if (present)
		device_write(regs, REG_CONTROL, RESET);
	for (u32 i = 0; i < CAPTURE_FRAMES; i++) {
		if (!frames[i])
			continue;
		bad += frame_refs(frames[i]) != 1;
		frame_put(frames[i]);
		frames[i] = 0;
	}
	frame_put(list);
	return bad;
}

/* The picture of docs/devices.md. */
static void draw(pa_t frame, u32 index)
{
	u32 *w = kmap_local(frame), sum = 0x811c9dc5U;

	w[0] = sequence;
	w[1] = index;
	for (u32 i = 2; i < WORDS - 1; i++)
		w[i] = sequence * 0x9e3779b9U + index * 0x85ebca6bU + i * 0xc2b2ae35U;
	for (u32 i = 0; i < WORDS - 1; i++)
		sum = (sum ^ w[i]) * 0x01000193U;
	w[WORDS - 1] = sum;
	kunmap_local(w);
}

void capture_interrupt(void)
{
	spin_lock(&lock);
	status = device_read(regs, REG_STATUS);
	device_write(regs, REG_STATUS, status);
	running &= !(status & STATUS_DONE);
	spin_lock(&sched_lock);
	wake_all(&running);
	spin_unlock(&sched_lock);
	spin_unlock(&lock);
}

/* Under the lock. */
static slong run_device(void)
{
	while (running) /* somebody else's */
		sleep_on(&running, &lock);
	running = true;
	device_write(regs, REG_CONTROL, START);
	while (running)
		sleep_on(&running, &lock);
	return status & STATUS_ERROR ? -1 : (slong)device_read(regs, REG_SEQUENCE);
}

/* New pictures in all buffers; sleeps until they are there. Returns their sequence number, or -1. */
slong capture_run(void)
{
	slong r;

	spin_lock(&lock);
	if (present) {
		r = run_device();
	} else {
		r = ++sequence;
		for (u32 i = 0; i < CAPTURE_FRAMES; i++)
			draw(frames[i], i);
	}
	spin_unlock(&lock);
	return r;
}
