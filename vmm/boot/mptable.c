/* SPDX-License-Identifier: BSD-2-Clause
 *
 * MP tables (Intel MultiProcessor Specification 1.4, chapter 4) and the two words of the BIOS data
 * area that tell old kernels where to look for them.
 *
 * Owns guest memory from 0xf0000 to 0xfffff. There is one bus and no I/O APIC: the tables are for
 * counting processors.
 *
 * Read first: image.h.
 */
#include "vmm/boot/image.h"

#include <string.h>

#define MP_POINTER  0xf0000ull
#define MP_CONFIG   0xf0010ull
#define BDA_EBDA    0x40eull /* segment of the extended BIOS data area */
#define BDA_BASEMEM 0x413ull /* KiB of memory below it */

enum { ENTRY_PROCESSOR = 0, ENTRY_BUS = 1 };
enum { CPU_ENABLED = 1, CPU_BOOT = 2 };

struct mp_pointer {
	char signature[4];
	uint32_t config;
	uint8_t length; /* in 16 bytes */
	uint8_t revision, checksum, features[5];
};

struct mp_config {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, entries;
	uint32_t lapic;
	uint16_t ext_length;
	uint8_t ext_checksum, reserved;
};

struct mp_processor {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features;
	uint32_t reserved[2];
};

struct mp_bus {
	uint8_t type, id;
	char name[6];
};

#define MAX_CPUS 255

struct mp_tables {
	struct mp_config config;
	struct mp_processor cpu[MAX_CPUS];
	struct mp_bus bus; /* the last entry; moved to follow the last processor in use */
};

/* The byte that makes the sum of all 0. */
static uint8_t checksum(const void *p, size_t len)
{
	const uint8_t *bytes = p;
	unsigned sum = 0;

	while (len--)
		sum += *bytes++;
	return (uint8_t)-sum;
}

static int write_pointer(struct gmem *gm)
{
	struct mp_pointer p = {
		.signature = {'_', 'M', 'P', '_'},
		.config = MP_CONFIG,
		.length = 1,
		.revision = 4,
	};

	p.checksum = checksum(&p, sizeof(p));
	return gmem_write(gm, GPA(MP_POINTER), &p, sizeof(p));
}

static void fill_processor(struct mp_processor *p, unsigned index)
{
	*p = (struct mp_processor){
		.type = ENTRY_PROCESSOR,
		.apic_id = (uint8_t)index,
		.apic_version = 0x14,
		.flags = CPU_ENABLED | (index == 0 ? CPU_BOOT : 0),
		.signature = 0x600, /* family 6 */
		.features = 0x201,  /* FPU and APIC, as in CPUID leaf 1 */
	};
}

static int write_config(struct gmem *gm, unsigned cpus)
{
	static const struct mp_bus bus = {ENTRY_BUS, 0, {'I', 'S', 'A', ' ', ' ', ' '}};
	struct mp_tables t;
	size_t len = offsetof(struct mp_tables, cpu) + cpus * sizeof(t.cpu[0]);
	unsigned i;

	t.config = (struct mp_config){
		.signature = {'P', 'C', 'M', 'P'},
		.revision = 4,
		.oem = {'U', 'M', 'B', 'R', 'A', ' ', ' ', ' '},
		.entries = (uint16_t)(cpus + 1),
		.lapic = 0xfee00000u,
	};
	memcpy(t.config.product, "UMBRA       ", sizeof(t.config.product));
	for (i = 0; i < cpus; i++)
		fill_processor(&t.cpu[i], i);
	memcpy((uint8_t *)&t + len, &bus, sizeof(bus));
	len += sizeof(bus);
	t.config.length = (uint16_t)len;
	t.config.checksum = checksum(&t, len);
	return gmem_write(gm, GPA(MP_CONFIG), &t, len);
}

/* A kernel that finds both words 0 looks for the tables below address 0. */
static int write_bda(struct gmem *gm)
{
	uint16_t ebda = LOW_RAM_END >> 4, kib = LOW_RAM_END / 1024;

	if (gmem_write(gm, GPA(BDA_EBDA), &ebda, sizeof(ebda)))
		return -1;
	return gmem_write(gm, GPA(BDA_BASEMEM), &kib, sizeof(kib));
}

int mptable_write(struct gmem *gm, unsigned cpus)
{
	if (write_bda(gm) || write_pointer(gm) || write_config(gm, cpus))
		return -1;
	return 0;
}
