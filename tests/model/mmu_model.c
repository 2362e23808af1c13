/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The reference MMU. Each function names the section of the SDM (vol. 3) it restates.
 * Read first: mmu_model.h.
 */
#include "tests/model/mmu_model.h"

#define BIT(n) (1ull << (n))

/* Section 2.5: control registers. Section 2.2.1: EFER. */
#define WP   BIT(16)
#define PG   BIT(31)
#define PSE  BIT(4)
#define PAE  BIT(5)
#define LA57 BIT(12)
#define SMEP BIT(20)
#define SMAP BIT(21)
#define PKE  BIT(22)
#define PKS  BIT(24)
#define LMA  BIT(10)
#define NXE  BIT(11)

enum paging { OFF, BITS32, PAE_PAGING, LEVEL4, LEVEL5 };

/* One paging structure on the way down (figures 4-2 to 4-12). */
struct step {
	unsigned high, low; /* the linear-address bits that select its entry */
	char type; /* 't' page table, 'd' directory, 'p' PDPT, 'r' PDPTE register, '4', '5' */
};

static const struct step *steps_of(enum paging mode)
{
	static const struct step bits32[] = {{31, 22, 'd'}, {21, 12, 't'}};
	static const struct step pae[] = {{31, 30, 'r'}, {29, 21, 'd'}, {20, 12, 't'}};
	static const struct step lvl5[] = {
		{56, 48, '5'}, {47, 39, '4'}, {38, 30, 'p'}, {29, 21, 'd'}, {20, 12, 't'}};
	static const struct step *const all[] = {
		[BITS32] = bits32, [PAE_PAGING] = pae, [LEVEL4] = lvl5 + 1, [LEVEL5] = lvl5};

	return all[mode];
}

/* Section 4.1.1. */
static enum paging paging_of(const struct mm_cpu *cpu)
{
	if (!(cpu->cr0 & PG))
		return OFF;
	if (!(cpu->cr4 & PAE))
		return BITS32;
	if (!(cpu->efer & LMA))
		return PAE_PAGING;
	return cpu->cr4 & LA57 ? LEVEL5 : LEVEL4;
}

static uint64_t field(uint64_t value, unsigned high, unsigned low)
{
	uint64_t shifted = value >> low;

	return high - low == 63 ? shifted : shifted & (BIT(high - low + 1) - 1);
}

/* All the bits from high down to low, none if high is below low. */
static uint64_t ones(int high, int low)
{
	uint64_t r = 0;

	for (int i = low; i <= high; i++)
		r |= BIT(i);
	return r;
}

static bool execute_disable(const struct mm_cpu *cpu, enum paging mode)
{
	return mode >= PAE_PAGING && cpu->efer & NXE;
}

/* Does this entry map a page? Tables 4-5, 4-9, 4-16, 4-18: PS of a directory entry, where 32-bit
 * paging wants CR4.PSE too; PS of a PDPT entry where the processor has 1-GByte pages. */
static bool maps_page(const struct mm_cpu *cpu, enum paging mode, char type, uint64_t entry)
{
	if (type == 't')
		return true;
	if (!(entry & BIT(7)))
		return false;
	if (type == 'd')
		return mode != BITS32 || cpu->cr4 & PSE;
	return type == 'p' && cpu->gb_pages;
}

/* Section 4.3, table 4-4: bits 21:(M-19) of a 4-MByte page's entry, M the lesser of 40 and
 * MAXPHYADDR. Everything else in 32-bit paging is used or ignored. */
static uint64_t reserved32(const struct mm_cpu *cpu, char type, bool page)
{
	int m = cpu->maxphyaddr < 40 ? (int)cpu->maxphyaddr : 40;

	return type == 'd' && page ? ones(21, m - 19) : 0;
}

/* Tables 4-8 to 4-11 (PAE) and 4-14 to 4-20 (4- and 5-level). */
static uint64_t reserved64(const struct mm_cpu *cpu, enum paging mode, char type, bool page)
{
	uint64_t r = ones(51, (int)cpu->maxphyaddr);

	if (mode == PAE_PAGING)
		r |= ones(62, 52);
	if (type == 'r')
		return r | BIT(63) | ones(2, 1) | ones(8, 5);
	if (!execute_disable(cpu, mode))
		r |= BIT(63);
	if (type == '5' || type == '4' || (type == 'p' && !cpu->gb_pages))
		r |= BIT(7);
	if (page && type == 'p')
		r |= ones(29, 13);
	if (page && type == 'd')
		r |= ones(20, 13);
	return r;
}

static uint64_t reserved(const struct mm_cpu *cpu, enum paging mode, char type, bool page)
{
	return mode == BITS32 ? reserved32(cpu, type, page) : reserved64(cpu, mode, type, page);
}

/* Address of the page an entry maps: low is the number of offset bits. */
static uint64_t page_address(enum paging mode, char type, unsigned low, uint64_t entry)
{
	if (mode == BITS32 && type == 'd') /* table 4-4: bits 20:13 are address bits 39:32 */
		return field(entry, 31, 22) << 22 | field(entry, 20, 13) << 32;
	if (mode == BITS32)
		return field(entry, 31, 12) << 12;
	return field(entry, 51, low) << low;
}

static uint64_t table_address(enum paging mode, uint64_t entry)
{
	return field(entry, mode == BITS32 ? 31 : 51, 12) << 12;
}

static uint64_t first_table(const struct mm_cpu *cpu, enum paging mode)
{
	if (mode == PAE_PAGING)
		return cpu->cr3 & ones(31, 5);
	return table_address(mode, cpu->cr3);
}

/* What the entries of a translation add up to (section 4.6). */
struct rights {
	bool writable, user, no_execute;
};

/* Section 4.6.1, sentence by sentence. */
static bool supervisor_allowed(const struct mm_cpu *cpu, const struct mm_access *a,
			       struct rights r)
{
	bool explicit_ac = !a->implicit && a->ac;

	if (a->fetch) {
		if (r.user && cpu->cr4 & SMEP)
			return false;
		return !r.no_execute;
	}
	if (r.user && cpu->cr4 & SMAP && !explicit_ac)
		return false;
	if (a->write)
		return !(cpu->cr0 & WP) || r.writable;
	return true;
}

static bool user_allowed(const struct mm_access *a, struct rights r)
{
	if (!r.user)
		return false;
	if (a->fetch)
		return !r.no_execute;
	return !a->write || r.writable;
}

static bool user_mode(const struct mm_access *a)
{
	return a->user && !a->implicit;
}

/* Section 4.7, figure 4-12. */
static struct mm_result page_fault(const struct mm_cpu *cpu, const struct mm_access *a,
				   uint32_t cause)
{
	uint32_t e = cause;

	if (a->write)
		e |= BIT(1);
	if (user_mode(a))
		e |= BIT(2);
	if (a->fetch && (cpu->cr4 & SMEP || (cpu->cr4 & PAE && cpu->efer & NXE)))
		e |= BIT(4);
	return (struct mm_result){.kind = MM_PF, .error = e};
}

#define CAUSE_NOT_PRESENT 0u
#define CAUSE_PROTECTION  1u
#define CAUSE_RESERVED	  9u

/* Section 4.8: A in every entry used, D in the one that maps the page; PDPTE registers have none. */
static void mark(struct mm_result *r, uint64_t pa, uint64_t entry, bool dirty)
{
	uint64_t bits = BIT(5) | (dirty ? BIT(6) : 0);

	bits &= ~entry;
	if (bits)
		r->mark[r->marks++] = (struct mm_mark){pa, bits};
}

static struct rights add(struct rights r, const struct mm_cpu *cpu, enum paging mode, char type,
			 uint64_t entry)
{
	if (type == 'r')
		return r;
	r.writable = r.writable && entry & BIT(1);
	r.user = r.user && entry & BIT(2);
	r.no_execute = r.no_execute || (execute_disable(cpu, mode) && entry & BIT(63));
	return r;
}

/* Section 4.6.2; the same words define bit 5 of the error code in 4.7. */
static bool key_forbids(const struct mm_cpu *cpu, const struct mm_access *a, enum paging mode,
			struct rights r, uint64_t entry)
{
	unsigned i = (unsigned)field(entry, 62, 59);
	uint32_t reg = r.user ? cpu->pkru : cpu->pkrs;

	if (mode < LEVEL4 || !(cpu->cr4 & (r.user ? PKE : PKS)) || a->fetch)
		return false;
	if (reg & BIT(2 * i))
		return true;
	return reg & BIT(2 * i + 1) && a->write && (cpu->cr0 & WP || user_mode(a));
}

/* Tables 4-5 to 4-20: where PAT stands. */
static unsigned pat_of(char type, uint64_t entry)
{
	unsigned pat = entry & BIT(type == 't' ? 7 : 12) ? 4 : 0;

	return pat + (entry & BIT(4) ? 2 : 0) + (entry & BIT(3) ? 1 : 0);
}

static struct mm_result walk(const struct mm_cpu *cpu, const struct mm_access *a,
			     enum paging mode)
{
	unsigned bytes = mode == BITS32 ? 4 : 8;
	uint64_t table = first_table(cpu, mode);
	struct rights r = {.writable = true, .user = true};
	struct mm_result res = {.kind = MM_OK};
	bool key = false;

	for (const struct step *s = steps_of(mode);; s++) {
		uint64_t at = table + field(a->va, s->high, s->low) * bytes;
		uint64_t entry = s->type == 'r' ? cpu->pdpte[field(a->va, s->high, s->low)]
						: cpu->read(cpu->ctx, at, bytes);
		bool page = maps_page(cpu, mode, s->type, entry);

		if (!(entry & BIT(0)))
			return page_fault(cpu, a, CAUSE_NOT_PRESENT);
		if (entry & reserved(cpu, mode, s->type, page))
			return page_fault(cpu, a, CAUSE_RESERVED);
		r = add(r, cpu, mode, s->type, entry);
		if (s->type != 'r')
			mark(&res, at, entry, page && a->write);
		if (page) {
			res.page_bytes = BIT(s->low);
			res.pat_index = pat_of(s->type, entry);
			key = key_forbids(cpu, a, mode, r, entry);
			res.pa = page_address(mode, s->type, s->low, entry) |
				 (a->va & (res.page_bytes - 1));
			break;
		}
		table = table_address(mode, entry);
	}
	if (key)
		return page_fault(cpu, a, CAUSE_PROTECTION | BIT(5));
	if (user_mode(a) ? user_allowed(a, r) : supervisor_allowed(cpu, a, r))
		return res;
	return page_fault(cpu, a, CAUSE_PROTECTION);
}

/* Vol. 1, section 3.3.7.1. */
static bool canonical(enum paging mode, uint64_t va)
{
	unsigned top = mode == LEVEL5 ? 56 : 47;
	uint64_t high = field(va, 63, top);

	return mode < LEVEL4 || high == 0 || high == field(~0ull, 63, top);
}

struct mm_result mm_translate(const struct mm_cpu *cpu, const struct mm_access *a)
{
	enum paging mode = paging_of(cpu);

	if (mode == OFF)
		return (struct mm_result){
			.kind = MM_OK, .pa = field(a->va, 31, 0), .page_bytes = 4096};
	if (!canonical(mode, a->va))
		return (struct mm_result){.kind = MM_NOT_CANONICAL};
	return walk(cpu, a, mode);
}

bool mm_load_pdptes(struct mm_cpu *cpu)
{
	uint64_t entry[4];

	for (unsigned i = 0; i < 4; i++) {
		entry[i] = cpu->read(cpu->ctx, first_table(cpu, PAE_PAGING) + 8 * i, 8);
		if (entry[i] & BIT(0) && entry[i] & reserved64(cpu, PAE_PAGING, 'r', false))
			return false;
	}
	for (unsigned i = 0; i < 4; i++)
		cpu->pdpte[i] = entry[i];
	return true;
}
