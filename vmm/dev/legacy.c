/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ports that kernels for PCs poke out of habit and that need no device behind them.
 *
 * Each group below is a latch: what is written is kept and read back, unless the group has a read
 * function of its own. Nothing here raises interrupts or keeps time.
 *
 * Owns one struct legacy per bus, freed with the bus. Locks: none; every byte is atomic, as
 * several vCPUs may poke at once and any order of theirs is a legal one.
 *
 * Known limits: the PIT does not count, so a guest can't calibrate a clock with it; the RTC
 * stands at 1 January 2000, 0:00:00.
 *
 * Read first: dev.h.
 */
#include "vmm/dev/dev.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define GROUP_PORTS 4

struct legacy;

/* One group of ports. read: NULL for plain read-back. */
struct legacy_group {
	uint16_t first, count;
	uint8_t (*read)(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset);
	const char *name;
};

static uint8_t read_61(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset);
static uint8_t read_cmos(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset);
static uint8_t read_zero(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset);
static uint8_t read_crtc(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset);

static const struct legacy_group groups[] = {
	{0x20, 2, NULL, "pic1"},
	{0xa0, 2, NULL, "pic2"},
	{0x40, 4, NULL, "pit"},
	{0x60, 1, read_zero, "kbd-data"},
	{0x61, 1, read_61, "system-control"},
	{0x64, 1, read_zero, "kbd-status"}, /* output buffer empty, input buffer empty */
	{0x70, 2, read_cmos, "cmos"},
	{0x80, 1, NULL, "delay"},
	{0x3d4, 2, read_crtc, "crtc"},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

struct legacy_latch {
	struct legacy *owner;
	const struct legacy_group *group;
	_Atomic uint8_t byte[GROUP_PORTS];
};

struct legacy {
	struct legacy_latch latch[GROUPS];
	_Atomic uint8_t refresh;
	_Atomic uint8_t crtc[256];
};

/* MC146818A registers of a clock that was never set; all others read 0. Register A: 32768 Hz base
 * and no update in progress; B: 24 hours; D: the battery is good. */
static const uint8_t cmos_value[128] = {
	[0x07] = 0x01, [0x08] = 0x01, [0x0a] = 0x26,
	[0x0b] = 0x02, [0x0d] = 0x80, [0x32] = 0x20,
};

/* Bit 4 toggles with DRAM refresh and bit 5 is the output of PIT channel 2. Loops wait for either
 * to change or to be set, so the first toggles at each read and the second is always set. */
static uint8_t read_61(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset)
{
	uint8_t toggle = atomic_fetch_xor(&l->refresh, 0x10);

	(void)offset;
	return (uint8_t)((latch[0] & 0x0f) | toggle | 0x20);
}

static uint8_t read_cmos(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset)
{
	(void)l;
	if (offset == 0)
		return latch[0];
	return cmos_value[latch[0] & 0x7f]; /* bit 7 of the index masks NMIs */
}

static uint8_t read_zero(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset)
{
	(void)l;
	(void)latch;
	(void)offset;
	return 0;
}

static uint8_t read_crtc(struct legacy *l, _Atomic uint8_t *latch, uint16_t offset)
{
	return offset == 0 ? latch[0] : l->crtc[latch[0]];
}

static uint32_t legacy_in(void *dev, uint16_t offset, unsigned size)
{
	struct legacy_latch *la = dev;
	uint32_t val = 0;
	unsigned i;

	for (i = 0; i < size; i++) {
		uint16_t at = (uint16_t)(offset + i);
		uint8_t byte = la->group->read ? la->group->read(la->owner, la->byte, at)
					       : la->byte[at];

		val |= (uint32_t)byte << (8 * i);
	}
	return val;
}

static void legacy_out(void *dev, uint16_t offset, unsigned size, uint32_t val)
{
	struct legacy_latch *la = dev;
	unsigned i;

	for (i = 0; i < size; i++)
		la->byte[offset + i] = (uint8_t)(val >> (8 * i));
	/* The CRTC is the one with registers behind an index that keep their own values. */
	if (la->group->read == read_crtc && offset + size == 2)
		la->owner->crtc[la->byte[0]] = la->byte[1];
}

int legacy_attach(struct bus *b)
{
	struct legacy *l = calloc(1, sizeof(*l));
	unsigned i;
	int err;

	if (!l)
		return -ENOMEM;
	for (i = 0; i < GROUPS; i++) {
		struct dev_range r = {
			.dev = &l->latch[i],
			.in = legacy_in,
			.out = legacy_out,
			.name = groups[i].name,
			/* latch[0] is at the start of the allocation. */
			.release = i == 0 ? free : NULL,
		};

		l->latch[i].owner = l;
		l->latch[i].group = &groups[i];
		err = bus_add_ports(b, groups[i].first, groups[i].count, &r);
		if (err)
			break;
	}
	/* Once the first range is in, the bus owns l, whatever happens to the others. */
	if (err && i == 0)
		free(l);
	return err;
}
