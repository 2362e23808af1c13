/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Read first: shadow_share_rig.h. Grace periods and mutexes are stood in for by the linker's --wrap
 * (tests/shadow.mk).
 */
#include "tests/unit/shadow_share_rig.h"

/* ---- hooks: grace periods and mutexes ---- */

void __real_urcu_memb_synchronize_rcu(void);
void __wrap_urcu_memb_synchronize_rcu(void);
int __real_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m);

_Atomic unsigned sr_grace_periods;
static __thread unsigned waited_here;
static __thread void (*at_mutex)(void *ctx);
static __thread void *at_mutex_ctx;
static __thread unsigned at_mutex_nth;

void __wrap_urcu_memb_synchronize_rcu(void)
{
	atomic_fetch_add(&sr_grace_periods, 1);
	waited_here++;
	__real_urcu_memb_synchronize_rcu();
}

unsigned sr_waited_here(void)
{
	return waited_here;
}

/* Calls the hook before this thread's nth next mutex is taken. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	void (*fn)(void *) = at_mutex;

	if (fn && at_mutex_nth-- == 0) {
		at_mutex = NULL;
		fn(at_mutex_ctx);
	}
	return __real_pthread_mutex_lock(m);
}

void sr_hook_mutex(unsigned nth, void (*fn)(void *ctx), void *ctx)
{
	at_mutex = fn;
	at_mutex_ctx = ctx;
	at_mutex_nth = nth;
}

/* ---- two roots ---- */

/* Root A is vCPU 0's, root B vCPU 1's. They have the table of this level in common, and all below. */
void sr_start(struct fake *f, unsigned level)
{
	struct sh_regs b = fx_regs(G_PML4_B);
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.vcpus = 2;
	cfg.tagged = true;
	fx_start(f, &cfg);
	for (unsigned i = 0; i < PAGES; i++)
		gmem_store(f->gm, GPA((G_PT << 12) + 8 * i), fx_pte(G_DATA + i, T_RWUD), 8);
	if (level < 3) {
		gmem_store(f->gm, GPA(G_PML4_B << 12), fx_pte(OWN_PDPT, T_RWU), 8);
		gmem_store(f->gm, GPA(OWN_PDPT << 12),
			   fx_pte(level == 2 ? G_PD : OWN_PD, T_RWU), 8);
		gmem_store(f->gm, GPA(OWN_PD << 12), fx_pte(G_PT, T_RWU), 8);
	}
	fake_set_regs(f, 1, &b, true);
}

void sr_touch_all(struct fake *f, unsigned vcpu)
{
	for (unsigned i = 0; i < PAGES; i++)
		CU_ASSERT_EQUAL(fx_try(f, vcpu, (uint64_t)i << 12, 0).gpa,
				(uint64_t)(G_DATA + i) << 12);
}

void sr_start_touched(struct fake *f, unsigned level)
{
	sr_start(f, level);
	sr_touch_all(f, 0);
	sr_touch_all(f, 1);
}

/* The root a vCPU is on, as a client of the library would find it. */
struct sh_root_info sr_root_of(struct fake *f, unsigned vcpu)
{
	struct sh_root_info r[16];
	unsigned n = sh_roots(f->mmu, r, 16);

	for (unsigned i = 0; i < n && i < 16; i++)
		if (r[i].mfn.v == f->vcpu[vcpu].root)
			return r[i];
	CU_FAIL("the root of a vCPU is not listed");
	return r[0];
}

struct sh_zap sr_zap_root(struct fake *f, unsigned vcpu)
{
	struct sh_root_info r = sr_root_of(f, vcpu);
	struct sh_zap z;

	CU_ASSERT_EQUAL(sh_zap_root(f->mmu, NULL, r.gfn, r.role, &z), 0);
	return z;
}

struct sh_zap sr_zap_pages(struct fake *f, unsigned vcpu, uint64_t first, uint64_t last)
{
	struct sh_root_info r = sr_root_of(f, vcpu);
	struct sh_zap z;

	CU_ASSERT_EQUAL(sh_zap_range(f->mmu, NULL, r.gfn, r.role, GVA(first << 12),
				     GVA((last << 12) + 0xfff), &z),
			0);
	return z;
}

/* The words of the last-level table that root's page 0 goes through; NULL if there is none. */
const uint64_t *sr_table_of(struct fake *f, unsigned vcpu)
{
	struct sh_path p;

	if (!sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA(0), &p) || p.level != 1)
		return NULL;
	return f->tables + (p.table[1].v - FAKE_TABLE_MFN) * 512;
}

unsigned sr_mapped(struct fake *f, unsigned vcpu)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGES; i++) {
		struct sh_path p;

		n += sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA((uint64_t)i << 12), &p) &&
		     p.level == 1 && p.spte[1] & PTE_P;
	}
	return n;
}

struct sh_page *sr_page_at(struct fake *f, unsigned vcpu, unsigned level)
{
	struct sh_path p;

	CU_ASSERT_FATAL(sh_path(f->mmu, MFN(f->vcpu[vcpu].root), GVA(0), &p));
	return &f->mmu->pages[p.table[level].v - FAKE_TABLE_MFN];
}

uint64_t sr_tables_used(struct fake *f)
{
	struct sh_stats st;

	sh_mmu_stats(f->mmu, &st);
	return st.tables_used;
}

uint64_t sr_leaves(struct fake *f)
{
	struct sh_stats st;

	sh_mmu_stats(f->mmu, &st);
	return st.pages_4k;
}
