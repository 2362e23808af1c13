/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel that has lost its mind: garbage in page tables and in CR3, drawn from seed=. Each of
 * these is a boot of its own, for it wrecks the machine: it ends when the machine resets or the
 * kernel panics, or after so many steps, in which case it says so and exits as passed. What is
 * judged is whoever runs the machine. Accesses go through probe_*(), so that a fault is no end.
 * Read next: hostile_cpu.c.
 */
#include "scenarios/scenarios.h"
#include "x86.h"

#define TABLES 8
#define DATA   8

/* Tables of garbage, and frames that garbage may as well point to. */
static ulong table[TABLES], data[DATA];

u32 chance(u32 n)
{
	return (u32)(random_next() >> 8) % n;
}

void ran_on(const char *what)
{
	print("# %s: ran on\n", what);
	machine_exit(EXIT_PASSED);
}

static ulong frame_in_ram(void)
{
	u64 end = chance(2) ? (u64)direct_end : 4U << 20; /* the kernel, and its tables */

	return ALIGN_DOWN((ulong)(random_next() % end), PAGE_SIZE);
}

/* An address where the machine has something that is not RAM, or nothing. */
static pte_t not_ram(void)
{
	return (pte_t)(chance(2) ? APIC_PA : 0xc0000000UL + ((ulong)chance(0x40000) << 12));
}

static pte_t garbage(void)
{
	pte_t flags = (pte_t)random_next() & 0xfff;

	switch (chance(8)) {
	case 0:
		return (pte_t)random_next();
	case 1:
		return (pte_t)random_next() | PTE_P;
	case 2:
		return frame_in_ram() | flags | PTE_P;
	case 3:
		return table[chance(TABLES)] | (flags & ~PTE_PS) | PTE_P | PTE_W;
	case 4:
		return not_ram() | flags | PTE_P;
	case 5:
		return kernel_mm.root | flags | PTE_P;
	case 6:
		return 0;
	default:
		return data[chance(DATA)] | PTE_KDATA;
	}
}

static void store_garbage(ulong pa)
{
	pte_store((pte_t *)phys(pa) + chance(PT_ENTRIES), garbage());
}

static void make_garbage(void)
{
	for (u32 i = 0; i < DATA; i++)
		data[i] = frame_alloc();
	for (u32 i = 0; i < TABLES; i++)
		table[i] = frame_alloc();
	for (u32 i = 0; i < TABLES; i++)
		for (u32 k = 0; k < PT_ENTRIES; k++)
			pte_store((pte_t *)phys(table[i]) + k, garbage());
}

/* Reads most of the time: a write hits whatever garbage points to, a call runs it. */
static void access_any(ulong va)
{
	struct fault f;
	ulong v;

	if (!chance(300))
		probe_call(va, &f);
	else if (!chance(16))
		probe_write(va, (ulong)random_next(), &f);
	else
		probe_read(va, &v, &f);
}

static ulong test_address(void)
{
	return TEST_BASE + (ulong)(random_next() % TEST_AREA) / sizeof(ulong) * sizeof(ulong);
}

static void tables_step(pte_t *top)
{
	switch (chance(8)) {
	case 0:
	case 1:
		store_garbage(table[chance(TABLES)]);
		break;
	case 2:
		pte_store(top, chance(4) ? table[chance(TABLES)] | PTE_TABLE : garbage());
		break;
	case 3:
		if (chance(4))
			invlpg(test_address());
		else
			write_cr3(read_cr3());
		break;
	default:
		access_any(test_address());
	}
}

const char *hostile_tables(void)
{
	pte_t *top;

	test_pte(TEST_BASE);
	top = walk(kernel_mm.root, TEST_BASE, TEST_LEVEL, 0);
	make_garbage();
	pte_store(top, table[0] | PTE_TABLE);
	for (ulong i = 0; i < scaled(1500); i++)
		tables_step(top);
	ran_on("garbage in page tables");
	return NULL;
}

/* A root that has the kernel and garbage for the rest. */
static void load_mixed(ulong root)
{
	struct fault f;
	ulong v;

	memcpy(phys(root), phys(kernel_mm.root), PAGE_SIZE);
	for (int i = 0; i < USER_SLOTS; i++)
		if (chance(2))
			pte_store((pte_t *)phys(root) + i, garbage());
	if (probe_write_cr3(root | (chance(4096) & ~7U), &f))
		for (u32 i = 0; i < 8; i++)
			probe_read((ulong)random_next() % USER_END & ~7UL, &v, &f);
	write_cr3(kernel_mm.root);
}

static void cr3_step(ulong root)
{
	struct fault f;

	switch (chance(256)) {
	case 0: /* the next fetch has no mapping, unless by chance */
		probe_write_cr3(frame_in_ram(), &f);
		break;
	case 1:
		probe_write_cr3((ulong)random_next(), &f);
		break;
	case 2:
		probe_write_cr3(data[chance(DATA)], &f);
		break;
	default:
		if (chance(4))
			load_mixed(root);
		else /* too wide for any CPU, where that is possible */
			probe_write_cr3(kernel_mm.root | ~(~0UL >> 6), &f);
	}
}

const char *hostile_cr3(void)
{
	ulong root = frame_alloc();

	make_garbage();
	for (ulong i = 0; i < scaled(60); i++)
		cr3_step(root);
	ran_on("garbage in CR3");
	return NULL;
}

/* The test area's first last-level table, and where it can be written by itself. */
#define SELF_ALIAS  (TEST_BASE + PT_SPAN(2))
#define ALIAS_PAGES 32
static ulong alias_table;
static u32 walkers_done;

/* What the entries say, as often as they are right; sometimes a table. */
static pte_t alias_entry(void)
{
	switch (chance(16)) {
	case 0:
		return garbage();
	case 1:
		return alias_table | PTE_KDATA;
	case 2:
	case 3:
		return 0;
	default:
		return data[chance(DATA)] | (chance(2) ? PTE_KDATA : PTE_KRO);
	}
}

/* Whole entries, halves, bytes, and words over two of them. */
static void write_alias(ulong base)
{
	ulong at = base + chance(ALIAS_PAGES) * sizeof(pte_t);
	pte_t e = alias_entry();
	struct fault f;

	switch (chance(5)) {
	case 0:
		probe_write(at + 1 + chance(2 * sizeof(pte_t)), (ulong)e, &f);
		break;
	case 1:
		if (base != SELF_ALIAS)
			*(volatile u8 *)(at + chance(sizeof(e))) = (u8)e;
		break;
	case 2:
		if (base != SELF_ALIAS)
			pte_swap((pte_t *)at, e);
		break;
	default:
		probe_write(at, (ulong)e, &f);
	}
}

static void look_around(void)
{
	ulong va = TEST_BASE + chance(ALIAS_PAGES) * PAGE_SIZE + chance(PAGE_SIZE / 8) * 8;
	struct fault f;
	ulong v;

	if (chance(8))
		probe_read(va, &v, &f);
	else
		probe_write(va, (ulong)random_next(), &f);
	if (!chance(16))
		invlpg(va);
}

static void walk_alias(void *arg)
{
	(void)arg;
	for (ulong i = 0; i < scaled(600); i++)
		look_around();
	atomic_add(&walkers_done, 1);
}

static void write_aliases(void)
{
	for (ulong i = 0; i < scaled(600); i++) {
		write_alias(chance(2) ? (ulong)phys(alias_table) : SELF_ALIAS);
		if (!chance(8))
			invlpg(TEST_BASE + chance(ALIAS_PAGES) * PAGE_SIZE);
		look_around();
	}
}

const char *hostile_alias(void)
{
	make_garbage();
	test_map(TEST_BASE, data[0], PTE_KDATA);
	alias_table = (ulong)(pte_load(walk(kernel_mm.root, TEST_BASE, 2, 0)) & PTE_ADDR);
	test_map(SELF_ALIAS, alias_table, PTE_KDATA);
	for (u32 i = 0; i < cpu_count; i++)
		if (i != this_cpu()->index)
			smp_run(i, walk_alias, NULL);
	write_aliases();
	while (atomic_load(&walkers_done) < cpu_count - 1)
		cpu_relax();
	ran_on("tables written through aliases");
	return NULL;
}
