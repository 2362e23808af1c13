/* SPDX-License-Identifier: BSD-2-Clause */
/* How many processors the firmware's MP table lists; 1 if there is none. Reads the first MiB only. */
#include "mm/mm.h"

#define BIOS_START 0xe0000UL
#define BIOS_END   0x100000UL
#define ENTRY_CPU  0
#define CPU_USABLE 1

struct mp_pointer {
	char signature[4];
	u32 table;
	u8 length, revision, checksum, features[5];
};

struct mp_table {
	char signature[4];
	u16 length;
	u8 revision, checksum;
	char oem[20];
	u32 oem_table;
	u16 oem_size, entries;
};

static bool sum_is_zero(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (u8)(sum + b[i]);
	return sum == 0;
}

static u32 count_entries(const struct mp_table *t)
{
	const u8 *e = (const u8 *)t + 44;
	u32 n = 0;

	for (u32 i = 0; i < t->entries; i++) {
		if (e[0] == ENTRY_CPU && (e[3] & CPU_USABLE))
			n++;
		e += e[0] == ENTRY_CPU ? 20 : 8;
	}
	return n ? n : 1;
}

u32 mptable_count_cpus(void)
{
	for (u64 pa = BIOS_START; pa < BIOS_END; pa += 16) {
		const struct mp_pointer *p = phys(pa);
		const struct mp_table *t;

		if (memcmp(p->signature, "_MP_", 4) || !sum_is_zero(p, 16))
			continue;
		t = phys(p->table);
		if (!p->table || p->table >= BIOS_END || memcmp(t->signature, "PCMP", 4))
			continue;
		return count_entries(t);
	}
	return 1;
}
