/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A processor that executes guest code at CPL 3: TLB, walk of the shadow tables, loads and stores.
 * CR0.WP=1, EFER.NXE=1. After a fault it forgets the faulting address (SDM vol. 3, 4.10.4.1).
 * Read first: fake_hardware.h.
 */
#include <string.h>

#include "tests/unit/fake_hardware.h"

#define FRAME 0x000ffffffffff000ull

void fake_violation(struct fake *f, const char *why)
{
	if (atomic_fetch_add(&f->violations, 1) == 0)
		f->why = why;
}

static uint64_t rnd(struct fake_vcpu *vc)
{
	vc->rng ^= vc->rng << 13;
	vc->rng ^= vc->rng >> 7;
	vc->rng ^= vc->rng << 17;
	return vc->rng;
}

static unsigned tlb_set(uint64_t page)
{
	return (unsigned)((page * 0x9e3779b97f4a7c15ull) >> 40) % FAKE_TLB_SETS;
}

void fake_forget(struct fake_vcpu *vc, uint64_t gva)
{
	struct fake_tlb_entry *set = vc->tlb[tlb_set(gva >> 12)];

	for (unsigned w = 0; w < FAKE_TLB_WAYS; w++)
		if (set[w].page == gva >> 12)
			set[w].tag = 0;
	for (unsigned i = 0; i < FAKE_PDE_SETS; i++)
		if (vc->pde[i].region == gva >> 21)
			vc->pde[i].tag = 0;
}

void fake_forget_all(struct fake_vcpu *vc)
{
	memset(vc->tlb, 0, sizeof(vc->tlb));
	memset(vc->pde, 0, sizeof(vc->pde));
}

void fake_apply_touches(struct fake *f)
{
	if (!f->cfg.gated)
		return;
	pthread_mutex_lock(&f->touch_lock);
	for (unsigned i = 0; i < f->n_touched; i++) {
		uint32_t s = f->touched[i];

		atomic_store(&f->hidden[s], atomic_load((_Atomic uint64_t *)&f->tables[s]));
	}
	f->n_touched = 0;
	pthread_mutex_unlock(&f->touch_lock);
}

static bool touch_pending(struct fake *f, uint32_t slot)
{
	bool found = false;

	pthread_mutex_lock(&f->touch_lock);
	for (unsigned i = 0; i < f->n_touched && !found; i++)
		found = f->touched[i] == slot;
	pthread_mutex_unlock(&f->touch_lock);
	return found;
}

/* The entry as the hardware sees it. */
static uint64_t entry_at(struct fake *f, uint32_t slot, struct fake_path *p)
{
	uint64_t real = atomic_load((_Atomic uint64_t *)&f->tables[slot]), seen;

	if (!f->cfg.gated)
		return real;
	seen = atomic_load(&f->hidden[slot]);
	if (!(seen & PTE_P))
		atomic_store(&f->hidden[slot], seen = real);
	if (seen != real && touch_pending(f, slot))
		p->uncertain = true;
	return seen;
}

static struct fake_pde *pde_of(struct fake_vcpu *vc, uint64_t gva)
{
	return &vc->pde[(gva >> 21 ^ gva >> 39 ^ vc->root * 7) % FAKE_PDE_SETS];
}

static bool permits(uint64_t spte, unsigned flags)
{
	if (!(spte & PTE_P) || !(spte & PTE_U))
		return false;
	if (flags & SH_WRITE && !(spte & PTE_W))
		return false;
	return !(flags & SH_FETCH) || !(spte & PTE_NX);
}

/* The rights and frame of a large leaf, as the 4-KByte page of it that gva is in (SDM vol. 3, tables 4-16 and 4-18). */
static uint64_t large(struct fake *f, uint64_t gva, unsigned level, uint64_t entry,
		      uint64_t rights)
{
	uint64_t within = (1ull << (3 + 9 * level)) - 4096;

	if (level > 3 || (level == 3 && !f->cfg.gb_pages) || entry & within) {
		fake_violation(f, "the hardware finds a reserved bit in a shadow entry");
		return 0;
	}
	return (entry & FRAME) | (gva & within) | rights;
}

/* Rights of the whole path with the frame of the leaf; 0 where an entry is missing. */
static uint64_t walk(struct fake_vcpu *vc, uint64_t gva, struct fake_path *p)
{
	struct fake *f = vc->f;
	struct fake_pde *c = pde_of(vc, gva);
	uint64_t table = vc->root, entry = 0, rights = PTE_W | PTE_U | PTE_P;
	unsigned level = f->cfg.levels;

	if (f->cfg.pde_cache && c->tag == vc->root + 1 && c->region == gva >> 21) {
		table = c->table;
		level = 1;
		p->uncertain = true;
	}
	for (;; level--) {
		uint64_t frame = table - FAKE_TABLE_MFN;

		if (frame == f->cfg.tables && f->cfg.gate_entry)
			return 0; /* the gate: supervisor only */
		if (frame >= f->cfg.tables) {
			fake_violation(f, "the hardware walks memory that is no shadow table");
			return 0;
		}
		entry = entry_at(f, (uint32_t)(frame * 512 + (gva >> (3 + 9 * level) & 511)),
				 p);
		rights = (rights & entry) | ((rights | entry) & PTE_NX);
		if (!(entry & PTE_P))
			return 0;
		if (level == 1)
			return (entry & FRAME) | rights;
		if (entry & PTE_PS)
			return large(f, gva, level, entry, rights);
		table = (entry & FRAME) >> 12;
		if (level == 2 && f->cfg.pde_cache)
			*c = (struct fake_pde){vc->root + 1, gva >> 21, table};
	}
}

static struct fake_tlb_entry *lookup(struct fake_vcpu *vc, uint64_t gva)
{
	struct fake_tlb_entry *set = vc->tlb[tlb_set(gva >> 12)];

	if (vc->f->cfg.evict && rnd(vc) % vc->f->cfg.evict == 0)
		set[rnd(vc) % FAKE_TLB_WAYS].tag = 0;
	for (unsigned w = 0; w < FAKE_TLB_WAYS; w++)
		if (set[w].tag == vc->root + 1 && set[w].page == gva >> 12)
			return &set[w];
	return NULL;
}

static struct fake_tlb_entry *victim(struct fake_vcpu *vc, uint64_t gva)
{
	struct fake_tlb_entry *set = vc->tlb[tlb_set(gva >> 12)];

	for (unsigned w = 0; w < FAKE_TLB_WAYS; w++)
		if (!set[w].tag)
			return &set[w];
	return &set[rnd(vc) % FAKE_TLB_WAYS];
}

static struct fake_tlb_entry *fill(struct fake_vcpu *vc, uint64_t gva, unsigned flags)
{
	struct fake_path p = {.vcpu = vc->index, .gva = GVA(gva), .flags = flags};
	uint64_t spte = walk(vc, gva, &p);
	struct fake_tlb_entry *e;

	if (!permits(spte, flags))
		return NULL;
	p.gpa = (gmem_gfn(vc->f->gm, MFN((spte & FRAME) >> 12)).v << 12) | (gva & 4095);
	if (vc->f->on_fill)
		vc->f->on_fill(vc->f->ctx, &p);
	e = victim(vc, gva);
	*e = (struct fake_tlb_entry){vc->root + 1, gva >> 12, spte, fake_now(vc->f)};
	return e;
}

static void store(uint8_t *p, uint64_t val, unsigned size)
{
	if (size == 8 && !((uintptr_t)p & 7))
		__atomic_store_n((uint64_t *)p, val, __ATOMIC_RELAXED);
	else
		memcpy(p, &val, size);
}

static void load(const uint8_t *p, uint64_t *val, unsigned size)
{
	*val = 0;
	if (size == 8 && !((uintptr_t)p & 7))
		*val = __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
	else
		memcpy(val, p, size);
}

static void perform(struct fake_vcpu *vc, gfn_t gfn, unsigned offset, unsigned flags,
		    uint64_t *val, unsigned size)
{
	struct fake *f = vc->f;
	uint8_t *page = gmem_map(f->gm, gfn);

	if (!page) {
		fake_violation(f, "the hardware reaches memory that is no RAM");
		return;
	}
	/* With threads, track() may have marked the frame and be waiting for this very vCPU. */
	if (flags & SH_WRITE && !f->cfg.threads && sh_is_tracked(f->mmu, gfn))
		fake_violation(f, "a native store into a tracked table");
	if (flags & SH_WRITE)
		store(page + offset, *val, size);
	else
		load(page + offset, val, size);
	gmem_unmap(f->gm, page);
}

static bool locked(struct fake_vcpu *vc, uint64_t gva, unsigned flags, uint64_t *val,
		   unsigned size, struct fake_result *r)
{
	struct fake_tlb_entry *e = lookup(vc, gva);

	r->tlb_hit = e && permits(e->spte, flags);
	if (!r->tlb_hit) {
		if (e)
			e->tag = 0;
		e = fill(vc, gva, flags);
	}
	if (!e) {
		fake_forget(vc, gva);
		return false;
	}
	r->kind = FAKE_OK;
	r->filled = e->filled;
	r->gpa = (gmem_gfn(vc->f->gm, MFN((e->spte & FRAME) >> 12)).v << 12) | (gva & 4095);
	perform(vc, GFN(r->gpa >> 12), gva & 4095, flags, val, size);
	return true;
}

/* Outside of 64-bit code linear addresses have 32 bits (SDM vol. 1, section 3.3.7). */
static bool long_mode(const struct fake_vcpu *vc)
{
	return sh_vcpu_mode(vc->v)->format >= SH_FMT_4LVL;
}

bool fake_native(struct fake_vcpu *vc, uint64_t gva, unsigned flags, uint64_t *val,
		 unsigned size, struct fake_result *r)
{
	unsigned unused = 64 - (12 + 9 * vc->f->cfg.levels);
	bool done;

	if (!long_mode(vc))
		gva = (uint32_t)gva;
	if ((uint64_t)((int64_t)(gva << unused) >> unused) != gva)
		return false;
	fake_apply_touches(vc->f);
	pthread_mutex_lock(&vc->guest_lock);
	while (atomic_exchange(&vc->due, false)) {
		pthread_mutex_unlock(&vc->guest_lock);
		sh_catch_up(vc->v);
		pthread_mutex_lock(&vc->guest_lock);
	}
	done = locked(vc, gva, flags, val, size, r);
	pthread_mutex_unlock(&vc->guest_lock);
	if (done)
		atomic_fetch_add(&vc->f->native, 1);
	return done;
}
