/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * change_page_attr: rights, memory type and presence of pages of the direct map.
 *
 * A large page of which only a part changes is split first: a table of small pages with the same
 * attributes takes its place and every CPU forgets the large one, before any of them differs, so
 * that no TLB holds two sizes with two opinions. One that changes whole is rewritten in place, and
 * one that has it so already is left alone. All splits come before the first change: if memory
 * runs out, nothing has changed.
 * attr_lock is not held while a table is allocated. Afterwards the page is looked at again; who
 * finds it split by somebody else gives the table back.
 * A page taken out keeps its frame number, and a large one its size, in the entry without P.
 * Read first: arch/x86/format.h, mm/tables.c.
 */
#include "kernel/mutant.h"
#include "mm/attr.h"
#include "x86.h"

#define LINE	    64
#define CACHE_BITS  (PTE_PWT | PTE_PCD | PTE_PAT)
#define PTE_MARK    ((pte_t)0x400)
#define PAT_SHIFTED ((pte_t)PTE_PAT << 5) /* PAT in a large page: bit 12 */

static const struct {
	pte_t clear, set;
} changes[ATTR_COUNT] = {
	[ATTR_RO] = {PTE_W, 0},
	[ATTR_RW] = {0, PTE_W},
	[ATTR_NX] = {0, PTE_NX},
	[ATTR_X] = {PTE_NX, 0},
	[ATTR_UC] = {CACHE_BITS, PTE_PWT | PTE_PCD},
	[ATTR_WC] = {CACHE_BITS, PTE_PAT}, /* entry 4 of the PAT: cpu_init() */
	[ATTR_WB] = {CACHE_BITS, 0},
	[ATTR_NOT_PRESENT] = {PTE_P, 0},
	[ATTR_PRESENT] = {0, PTE_P},
	[ATTR_MARK] = {0, PTE_MARK},
	[ATTR_UNMARK] = {PTE_MARK, 0},
};

struct attr_stats attr_stats;
struct spinlock attr_lock = {.name = "attr"};

/* The entry that maps `va`, also if it is not present, and its level. Under attr_lock, if it is
 * to stay. */
pte_t *attr_leaf(ulong va, int *level)
{
	pte_t *e = lookup(kernel_mm.root, va, level);

	ASSERT(*level == 1 || (pte_load(e) & PTE_PS));
	return e;
}

/* Flags of a leaf in the form a small page has them in: PAT is where it is there, and no PS. */
pte_t attr_flags(pte_t entry, int level)
{
	pte_t flags = entry & PTE_FLAGS;

	if (level > 1)
		flags = (flags & ~PTE_PS) | (entry & PAT_SHIFTED ? PTE_PAT : 0);
	return flags;
}

pa_t attr_pa(pte_t entry, int level)
{
	return ALIGN_DOWN((pa_t)(entry & PTE_ADDR), PT_SPAN(level));
}

pte_t attr_entry(pa_t pa, pte_t flags, int level)
{
	if (level > 1 && mutant(CPA_PAT_BIT))
		flags |= PTE_PS;
	else if (level > 1)
		flags = (flags & ~PTE_PAT) | PTE_PS | (flags & PTE_PAT ? PAT_SHIFTED : 0);
	return (pte_t)pa | flags;
}

static pte_t changed(pte_t flags, enum attr attr)
{
	return (flags & ~changes[attr].clear) | changes[attr].set;
}

static void flush(ulong start, ulong end)
{
	attr_stats.flushes++;
	if (!mutant(CPA_NO_FLUSH))
		tlb_flush_kernel(start, end);
}

/* Write the lines of [va, end) back: only these, and on the CPU's own word for all CPUs. */
static void flush_cache(ulong va, ulong end)
{
	for (; va < end; va += LINE, attr_stats.lines++)
		asm volatile("clflush (%0)" : : "r"(va) : "memory");
	asm volatile("mfence" : : : "memory");
}

/* The first page in [va, end) that has to be split before `attr` can be applied, or `end`. */
static ulong first_to_split(ulong va, ulong end, enum attr attr)
{
	while (va < end) {
		int level;
		pte_t e = pte_load(attr_leaf(va, &level)), flags = attr_flags(e, level);
		ulong base = ALIGN_DOWN(va, PT_SPAN(level)), next = base + PT_SPAN(level);

		if (level > 1 && changed(flags, attr) != flags && (base < va || next > end))
			return va;
		va = next;
	}
	return end;
}

/* In place of a large page: the same in small ones. PTE_SOFT in the entry above tells collapse.c
 * that the table was made here. */
static void install(pte_t *e, int level, ulong va, pa_t table)
{
	pte_t old = pte_load(e), *t = phys((ulong)table);
	pte_t flags = attr_flags(old, level);
	pa_t pa = attr_pa(old, level);

	for (int i = 0; i < PT_ENTRIES; i++)
		t[i] = attr_entry(pa + i * PAGE_SIZE, flags, level - 1);
	pte_store(e, table | PTE_TABLE | PTE_SOFT);
	kmap_publish(va, level);
	va = ALIGN_DOWN(va, PT_SPAN(level));
	flush(va, va + PT_SPAN(level));
	attr_stats.splits++;
}

/* For cpa-smp: as many CPUs as this says wait here for each other, having found a page large. */
u32 attr_gate;

static void gate(void)
{
	if (!atomic_load(&attr_gate))
		return;
	atomic_sub(&attr_gate, 1);
	while (atomic_load(&attr_gate))
		cpu_relax();
}

/* Lets go of attr_lock for a while. False if there is no memory. */
static bool split(ulong va)
{
	pa_t table;
	int level;
	pte_t *e = attr_leaf(va, &level);

	spin_unlock(&attr_lock);
	gate();
	table = pagealloc_on ? pagealloc_table() : frame_try(ZONE_LOW);
	spin_lock(&attr_lock);
	if (!table)
		return false;
	if (!mutant(CPA_NO_RELOOK))
		e = attr_leaf(va, &level);
	if (level > 1)
		install(e, level, va, table);
	else
		attr_table_put(table);
	return true;
}

/* Everything in [va, end) can be changed now; returns whether anything had to be. */
static bool apply(ulong va, ulong end, enum attr attr)
{
	bool any = false;

	while (va < end) {
		int level;
		pte_t *e = attr_leaf(va, &level), old = pte_load(e), seen;
		pte_t flags = attr_flags(old, level);

		if (changed(flags, attr) == flags) {
			attr_stats.same++;
		} else {
			pa_t pa = attr_pa(old, level);

			/* The CPU may be setting A or D at this moment. */
			while ((seen = pte_cas(e, old,
					       attr_entry(pa, changed(flags, attr), level))) !=
			       old) {
				old = seen;
				flags = attr_flags(old, level);
			}
			kmap_publish(va, level);
			attr_stats.preserved += level > 1;
			any = true;
		}
		va = ALIGN_DOWN(va, PT_SPAN(level)) + PT_SPAN(level);
	}
	return any;
}

/* A page of one's own, of which no other CPU has to forget anything. */
bool attr_change_local(ulong va, enum attr attr)
{
	bool ok = true;

	spin_lock(&attr_lock);
	while (ok && first_to_split(va, va + PAGE_SIZE, attr) == va)
		ok = split(va);
	if (ok && apply(va, va + PAGE_SIZE, attr))
		invlpg(va);
	spin_unlock(&attr_lock);
	return ok;
}

/* False if there is no memory for a split; then no page has changed. */
bool attr_change(ulong va, ulong pages, enum attr attr)
{
	ulong end = va + pages * PAGE_SIZE, at;
	bool ok = true;

	spin_lock(&attr_lock);
	while (ok && (at = first_to_split(va, end, attr)) < end)
		ok = split(at);
	if (ok && apply(va, end, attr)) {
		/* What was absent is in no TLB. */
		if (attr != ATTR_PRESENT)
			flush(va, end);
		if ((changes[attr].clear | changes[attr].set) & CACHE_BITS)
			flush_cache(va, end);
	}
	spin_unlock(&attr_lock);
	if (!ok)
		attr_collapse(va, pages * PAGE_SIZE);
	return ok;
}
