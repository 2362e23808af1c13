/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of what boot has set up: the kernel's own tables, and the exceptions. */
#include "scenarios/scenarios.h"
#include "x86.h"

extern char __text_start[], __text_end[], __rodata_end[], __data_start[];

struct census {
	ulong pages, huge, writable_text, user, writable_exec;
};

static void count_entries(struct census *c, const pte_t *table, int level, pte_t rights,
			  pte_t nx)
{
	for (int i = level == PT_LEVELS ? USER_SLOTS : 0; i < PT_COUNT(level); i++) {
		pte_t e = pte_load(&table[i]), r, x = nx | (e & PTE_NX);

		/* An entry of a root that has no rights of its own takes none away. */
		r = level == PT_LEVELS ? rights & (e | ~PT_ROOT_FLAGS) : rights & e;

		if (!(e & PTE_P))
			continue;
		if (level > 1 && !(e & PTE_PS)) {
			count_entries(c, phys((ulong)(e & PTE_ADDR)), level - 1, r, x);
			continue;
		}
		c->pages += level == 1;
		c->huge += level > 1;
		c->user += !!(r & PTE_U);
		c->writable_exec += PTE_NX && (r & PTE_W) && !x;
	}
}

/* Every page of [start, end) has exactly these rights. */
static bool rights_are(const char *start, const char *end, pte_t want)
{
	for (ulong va = (ulong)start; va < (ulong)end; va += PAGE_SIZE) {
		int level;
		pte_t e = pte_load(lookup(kernel_mm.root, va, &level));

		if (level != 1 || (e & (PTE_P | PTE_W | PTE_U | PTE_NX)) != want)
			return false;
	}
	return true;
}

static const char *check_rights(void)
{
	const pte_t *root = phys(kernel_mm.root);
	struct census c = {0};

	for (int i = 0; i < PT_ROOT_ENTRIES; i++)
		CHECK(!(root[i] & PTE_P) || (i >= SLOT_DIRECT && i <= SLOT_LAST),
		      "root entry %d is in use", i);
	count_entries(&c, root, PT_LEVELS, PTE_U | PTE_W, 0);
	CHECK(c.user == 0, "%lu kernel pages are open to ring 3", c.user);
	CHECK(c.writable_exec == 0, "%lu pages are writable and executable", c.writable_exec);
	CHECK((c.huge > 1 || options.pagealloc == PAGEALLOC_4K) && c.pages >= PT_ENTRIES,
	      "the direct map is incomplete");
	CHECK(rights_are(__text_start, __text_end, PTE_P), "text is not R-X");
	CHECK(rights_are(__text_end, __rodata_end, PTE_P | PTE_NX), "rodata is not R--");
	CHECK(rights_are(__data_start, __data_start + PAGE_SIZE, PTE_P | PTE_W | PTE_NX),
	      "data is not RW-");
	return NULL;
}

#define CHECK_FAULT(ok, f, want_error, want_addr, what)                                    \
	do {                                                                               \
		CHECK(!(ok), "%s did not fault", what);                                    \
		CHECK((f).vector == 14, "%s: vector %lu", what, (f).vector);               \
		CHECK((f).error == (want_error), "%s: error code 0x%lx", what, (f).error); \
		CHECK((f).addr == (ulong)(want_addr), "%s: wrong CR2", what);              \
	} while (0)

const char *boot_tables(void)
{
	static ulong data[2];
	const char *why = check_rights();
	struct fault f;
	ulong v, unmapped = TEST_BASE + 0x123450;

	if (why)
		return why;
	CHECK(probe_read((ulong)__text_start, &v, &f), "text cannot be read");
	CHECK_FAULT(probe_write((ulong)__text_start, v, &f), f, 0x3, __text_start,
		    "text write");
	CHECK_FAULT(probe_write((ulong)scenarios, 0, &f), f, 0x3, scenarios, "rodata write");
	if (PTE_NX) {
		CHECK_FAULT(probe_call((ulong)data, &f), f, 0x11, data, "data fetch");
		CHECK_FAULT(probe_call((ulong)scenarios, &f), f, 0x11, scenarios,
			    "rodata fetch");
	}
	CHECK_FAULT(probe_read(unmapped, &v, &f), f, 0x0, unmapped, "unmapped read");
	CHECK_FAULT(probe_write(unmapped, 0, &f), f, 0x2, unmapped, "unmapped write");
	CHECK_FAULT(probe_call(unmapped, &f), f, PF_I, unmapped, "unmapped fetch");
	return NULL;
}

/* #PF error codes on one page with one right after the other taken away. */
static const char *page_fault_codes(void)
{
	ulong pa = frame_alloc(), va = TEST_BASE + 0x5000, v;
	struct fault f;

	test_map(va, pa, PTE_KDATA);
	CHECK(probe_write(va + 8, 42, &f), "a mapped page cannot be written");
	CHECK(probe_read(va + 8, &v, &f) && v == 42, "a mapped page reads %lu", v);
	if (PTE_NX)
		CHECK_FAULT(probe_call(va + 8, &f), f, 0x11, va + 8, "NX fetch");
	pte_store(test_pte(va), pa | PTE_KRO);
	invlpg(va);
	CHECK(probe_read(va + 8, &v, &f) && v == 42, "a read-only page cannot be read");
	CHECK_FAULT(probe_write(va + 16, 1, &f), f, 0x3, va + 16, "RO write");
	pte_store(test_pte(va), pa);
	invlpg(va);
	CHECK_FAULT(probe_read(va + 24, &v, &f), f, 0x0, va + 24, "read");
	CHECK_FAULT(probe_write(va + 32, 1, &f), f, 0x2, va + 32, "write");
	CHECK_FAULT(probe_call(va + 40, &f), f, PF_I, va + 40, "fetch");
	frame_put(pa);
	return NULL;
}

const char *exceptions(void)
{
	struct fault f;
	ulong v;

	CHECK(!probe_divide(&f) && f.vector == 0, "divide: vector %lu", f.vector);
	CHECK(!probe_int3(&f) && f.vector == 3, "int3: vector %lu", f.vector);
	CHECK(!probe_ud(&f) && f.vector == 6, "ud2: vector %lu", f.vector);
	if (NONCANONICAL_VA) {
		CHECK(!probe_read(NONCANONICAL_VA, &v, &f) && f.vector == 13 && f.error == 0,
		      "non-canonical read: vector %lu error 0x%lx", f.vector, f.error);
		CHECK(!probe_write(NONCANONICAL_VA, 0, &f) && f.vector == 13 && f.error == 0,
		      "non-canonical write: vector %lu error 0x%lx", f.vector, f.error);
	}
	/* Absent on one vendor's CPUs, reserved bits on the other's. */
	CHECK(!probe_wrmsr(MSR_VM_HSAVE_PA, 0xfff, &f) && f.vector == 13 && f.error == 0,
	      "bad wrmsr: vector %lu error 0x%lx", f.vector, f.error);
	return page_fault_codes();
}
