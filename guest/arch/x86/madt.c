/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many processors the firmware's ACPI MADT lists; 1 if there is none. The root pointer is
 * looked for in the BIOS area only. Tables may lie in reserved memory: they are mapped
 * read-only for it.
 */
#include "mm/mm.h"

#define BIOS_START  0xe0000UL
#define BIOS_END    0x100000UL
#define ENTRY_CPU   0
#define CPU_ENABLED 1
#define MAX_TABLE   0x10000U

struct __attribute__((packed)) rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
};

struct __attribute__((packed)) acpi_table {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[6], oem_table[8];
	u32 oem_revision, creator, creator_revision;
	u8 body[];
};

static bool sum_is_zero(const void *p, size_t n)
{
	const u8 *b = p;
	u8 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (u8)(sum + b[i]);
	return sum == 0;
}

/* The header first, as it alone tells the length; NULL if the table is not a sound one. */
static const struct acpi_table *map_table(ulong pa)
{
	const struct acpi_table *t = kmap_device(pa, sizeof(*t), PTE_KRO);

	if (t->length < sizeof(*t) || t->length > MAX_TABLE)
		return NULL;
	kmap_device(pa, t->length, PTE_KRO);
	return sum_is_zero(t, t->length) ? t : NULL;
}

static const struct acpi_table *find_root(void)
{
	for (ulong pa = BIOS_START; pa < BIOS_END; pa += 16) {
		const struct rsdp *p = phys(pa);

		if (!memcmp(p->signature, "RSD PTR ", 8) && sum_is_zero(p, sizeof(*p)))
			return map_table(p->rsdt);
	}
	return NULL;
}

static u32 count_entries(const struct acpi_table *madt)
{
	const u8 *e = madt->body + 8, *end = (const u8 *)madt + madt->length;
	u32 n = 0;

	for (; e + 8 <= end && e[1]; e += e[1])
		if (e[0] == ENTRY_CPU && (e[4] & CPU_ENABLED))
			n++;
	return n ? n : 1;
}

u32 madt_count_cpus(void)
{
	const struct acpi_table *root = find_root();

	for (u32 at = sizeof(*root); root && at + 4 <= root->length; at += 4) {
		u32 pa;
		const struct acpi_table *t;

		memcpy(&pa, (const u8 *)root + at, sizeof(pa));
		t = map_table(pa);
		if (t && !memcmp(t->signature, "APIC", 4))
			return count_entries(t);
	}
	return 1;
}
