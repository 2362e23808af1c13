/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loader says: command line and RAM, by multiboot 1 or PVH, copied before any memory
 * is handed out (loaders put their structures right behind the kernel image). Runs on the boot
 * tables, which reach the first GiB.
 */
#include "mm/mm.h"

#define MULTIBOOT_MAGIC	  0x2badb002
#define MULTIBOOT_MEM	  0x001
#define MULTIBOOT_CMDLINE 0x004
#define MULTIBOOT_MEMMAP  0x040
#define PVH_MAGIC	  0x336ec578
#define MEMORY_RAM	  1

struct multiboot_info {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
	u32 syms[4], mmap_length, mmap_addr;
};

struct __attribute__((packed)) multiboot_mmap {
	u32 size; /* of what follows */
	u64 addr, len;
	u32 type;
};

struct pvh_info {
	u32 magic, version, flags, nr_modules;
	u64 modlist, cmdline, rsdp, memmap;
	u32 memmap_entries, reserved;
};

struct pvh_memmap {
	u64 addr, size;
	u32 type, reserved;
};

struct bootinfo bootinfo;
extern u32 boot_magic, boot_info;

static void add_ram(u64 start, u64 len, u32 type)
{
	u64 end = ALIGN_DOWN(start + len, PAGE_SIZE);

	start = ALIGN_UP(start, PAGE_SIZE);
	if (type == MEMORY_RAM && start < end && bootinfo.ram_count < MAX_RAM)
		bootinfo.ram[bootinfo.ram_count++] = (struct ram){start, end};
}

static void set_cmdline(ulong pa)
{
	if (pa)
		format(bootinfo.cmdline, sizeof(bootinfo.cmdline), "%s",
		       (const char *)phys(pa));
}

static void read_multiboot(const struct multiboot_info *mi)
{
	bootinfo.protocol = "multiboot";
	if (mi->flags & MULTIBOOT_CMDLINE)
		set_cmdline(mi->cmdline);
	if (mi->flags & MULTIBOOT_MEMMAP) {
		ulong at = mi->mmap_addr, end = at + mi->mmap_length;

		while (at < end) {
			const struct multiboot_mmap *m = phys(at);

			add_ram(m->addr, m->len, m->type);
			at += m->size + sizeof(m->size);
		}
	} else if (mi->flags & MULTIBOOT_MEM) {
		add_ram(0, mi->mem_lower * 1024ULL, MEMORY_RAM);
		add_ram(0x100000, mi->mem_upper * 1024ULL, MEMORY_RAM);
	}
}

static void read_pvh(const struct pvh_info *pi)
{
	const struct pvh_memmap *m = phys((ulong)pi->memmap);

	bootinfo.protocol = "pvh";
	set_cmdline((ulong)pi->cmdline);
	for (u32 i = 0; i < pi->memmap_entries; i++)
		add_ram(m[i].addr, m[i].size, m[i].type);
}

void bootinfo_read(void)
{
	const struct pvh_info *pi = phys(boot_info);

	if (boot_magic == MULTIBOOT_MAGIC)
		read_multiboot(phys(boot_info));
	else if (pi->magic == PVH_MAGIC)
		read_pvh(pi);
	else
		panic("booted neither by multiboot nor by PVH");
	if (!bootinfo.ram_count)
		panic("the loader gave no memory map");
}

u64 bootinfo_ram_total(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < bootinfo.ram_count; i++)
		sum += bootinfo.ram[i].end - bootinfo.ram[i].start;
	return sum;
}
