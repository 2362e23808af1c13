/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a random program draws: entries, addresses, offsets. Read first: shadow_run.h.
 */
#include "tests/unit/shadow_run.h"

const unsigned slots[VA_SLOTS] = {0, 1, 2, 3, 5, 511};

uint64_t rnd(struct run *r)
{
	uint64_t z = (r->rng += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

bool chance(struct run *r, unsigned percent)
{
	return rnd(r) % 100 < percent;
}

uint64_t upper_table(struct run *r)
{
	return LARGE * (1 + rnd(r) % 4) + rnd(r) % 3;
}

static uint64_t random_wide(struct run *r)
{
	uint64_t e = chance(r, 95) ? PTE_P : 0;
	uint64_t frame = rnd(r) % (chance(r, 93) ? TABLES : FRAMES);

	e |= (chance(r, 88) ? PTE_W : 0) | (chance(r, 85) ? PTE_U : 0);
	e |= (chance(r, 70) ? PTE_A : 0) | (chance(r, 40) ? PTE_D : 0);
	e |= chance(r, 4) ? PTE_NX : 0;
	e |= chance(r, 30) ? PTE_G : 0;
	if (r->formats >= 1u << SH_FMT_4LVL && chance(r, 40))
		e |= rnd(r) % 4 << 59;
	if (chance(r, 1))
		frame = upper_table(r);
	if (chance(r, 10)) {
		e |= PTE_PS;
		frame = chance(r, 30) ? 0 : rnd(r) % REGIONS * LARGE;
	}
	if (chance(r, 1))
		e |= 1ull << (40 + rnd(r) % 12);
	if (chance(r, 1))
		frame = 0x80000;
	return frame << 12 | e;
}

/* Two of 4 bytes: with bits 12 to 31 for the frame, and no NX. */
static uint64_t random_pair(struct run *r)
{
	return (random_wide(r) & 0xffffffff) | random_wide(r) << 32;
}

uint64_t random_entry(struct run *r)
{
	bool narrow = r->formats & 1u << SH_FMT_32 &&
		      (r->formats == 1u << SH_FMT_32 || chance(r, 50));

	return narrow ? random_pair(r) : random_wide(r);
}

const struct sh_format *format_of(struct run *r, unsigned vcpu)
{
	return &sh_formats[sh_vcpu_mode(r->f.vcpu[vcpu].v)->format];
}

/* Those bytes of a random entry that belong at this offset. */
uint64_t random_bytes(struct run *r, unsigned offset)
{
	return random_entry(r) >> (8 * (offset & 7));
}

/* An address whose tables' entries are where random entries are written. */
uint64_t random_va(struct run *r, unsigned vcpu)
{
	const struct sh_format *f = format_of(r, vcpu);
	unsigned unused = 64u - f->va_bits;
	uint64_t va = 0;

	if (!f->levels)
		return rnd(r) % (chance(r, 90) ? FRAMES : 4 * FRAMES) << 12;
	for (unsigned level = f->levels; level; level--) {
		uint64_t index =
			slots[rnd(r) % (chance(r, 85) ? level == 1 ? 3 : 1 : VA_SLOTS)];

		if (f->entry_bytes == 4)
			index = 2 * index + rnd(r) % 2;
		if (!f->level[level].perms)
			index = rnd(r) % 4;
		va |= index << f->level[level].shift;
	}
	if (!f->canonical) /* what lies above is cut off */
		return chance(r, 3) ? va | (rnd(r) & 0xffff) << 32 : va;
	if (chance(r, 1))
		return va;
	return (uint64_t)((int64_t)(va << unused) >> unused);
}

unsigned random_offset(struct run *r, unsigned size)
{
	unsigned off = slots[rnd(r) % (chance(r, 70) ? 2 : VA_SLOTS)] * 8;

	if (size < 8)
		off += rnd(r) % (8 / size) * size;
	if (chance(r, 5))
		off += 1 + rnd(r) % 7;
	return off + size > 4096 ? 4096 - size : off;
}

bool canonical(struct run *r, unsigned vcpu, uint64_t va)
{
	return sh_canonical(format_of(r, vcpu), GVA(va));
}

/* Perhaps of a page accessed before. */
uint64_t some_va(struct run *r, unsigned vcpu)
{
	return chance(r, 50) ? r->recent[vcpu][rnd(r) % RECENT] : random_va(r, vcpu);
}
