/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every look for people must keep to: it reads tables in read-side sections only, takes no lock,
 * sees a change that was under way, and takes nothing for wrong that is just changing.
 * Read first: shadow_inspect.c, shadow/inspect.h.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <urcu/urcu-memb.h>

#include "shadow/diff.h"
#include "shadow/explain.h"
#include "shadow/page.h"
#include "tests/unit/shadow_fixture.h"
#include "tests/unit/shadow_share_rig.h"

#define VA    0x5000ull /* entry 5 of G_PT */
#define SPARE 3u	/* a vCPU that does not run */

struct subject {
	struct fake f;
	struct sh_regs regs;
	struct sh_mode mode;
	mfn_t root, table; /* the tree, and its table of level 1 */
};

static void start(struct subject *s, const struct fake_config *cfg)
{
	struct sh_path p;

	fx_start(&s->f, cfg);
	fx_put(&s->f, G_PT, 5, fx_pte(G_DATA, T_RWUD));
	fx_try(&s->f, 0, VA, SH_WRITE);
	CU_ASSERT_FATAL(sh_vcpu_peek(s->f.mmu, 0, &s->regs, &s->mode));
	CU_ASSERT_FATAL(sh_root_of(s->f.mmu, 0, &s->regs, SH_VIEW_KERNEL, &s->root));
	CU_ASSERT_FATAL(sh_path(s->f.mmu, s->root, GVA(VA), &p) && p.level == 1);
	s->table = p.table[1];
}

static void start_default(struct subject *s)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	start(s, &cfg);
}

/* ---- looks at tables ---- */

static void look_path(struct subject *s)
{
	struct sh_path p;

	CU_ASSERT_TRUE(sh_path(s->f.mmu, s->root, GVA(VA), &p));
}

static void look_scan(struct subject *s)
{
	struct sh_scan n = {.at = GVA(VA), .last = GVA(VA), .steps = 1};

	CU_ASSERT_TRUE(sh_scan_shadow(s->f.mmu, s->root, &n));
}

static void look_diff(struct subject *s)
{
	struct sh_diff d = {.scan = {.at = GVA(VA), .last = GVA(VA), .steps = 1}};

	CU_ASSERT_TRUE(sh_diff_next(s->f.mmu, s->root, &s->mode, &s->regs, &d));
}

static void look_entries(struct subject *s)
{
	struct sh_entry e;
	unsigned index = 5;

	CU_ASSERT_EQUAL(sh_table_entries(s->f.mmu, s->table, &index, &e, 1), 1);
}

static void look_audit(struct subject *s)
{
	struct sh_live live;
	char text[64];

	CU_ASSERT_EQUAL(sh_audit_live(s->f.mmu, text, sizeof(text), &live), 0);
}

static void look_explain(struct subject *s)
{
	struct sh_explanation x;

	sh_explain(s->f.mmu, 0, &s->regs, GVA(VA), SH_READ, &x);
	CU_ASSERT_EQUAL(x.outcome, SH_OUT_HIT);
}

static void (*const looks[])(struct subject *) = {look_path,	look_scan,  look_diff,
						  look_entries, look_audit, look_explain};
#define LOOKS (sizeof(looks) / sizeof(looks[0]))

/* ---- sections ---- */

static struct {
	char *page;
	unsigned reads, outside;
} guard;

/* The first read of the guarded table. */
static void on_read(int sig, siginfo_t *info, void *context)
{
	char *at = info->si_addr;

	(void)context;
	if (at < guard.page || at >= guard.page + SH_PAGE_SIZE) {
		signal(sig, SIG_DFL);
		return;
	}
	guard.reads++;
	guard.outside += !urcu_memb_read_ongoing();
	mprotect(guard.page, SH_PAGE_SIZE, PROT_READ | PROT_WRITE);
}

static void test_sections(void)
{
	struct sigaction sa = {.sa_sigaction = on_read, .sa_flags = SA_SIGINFO}, before;
	struct subject s;

	start_default(&s);
	guard.page = (char *)&s.f.tables[(s.table.v - FAKE_TABLE_MFN) * SH_ENTRIES];
	sigaction(SIGSEGV, &sa, &before);
	for (unsigned i = 0; i < LOOKS; i++) {
		guard.reads = guard.outside = 0;
		mprotect(guard.page, SH_PAGE_SIZE, PROT_NONE);
		looks[i](&s);
		CU_ASSERT_EQUAL(guard.reads, 1);
		CU_ASSERT_EQUAL(guard.outside, 0);
		CU_ASSERT_FALSE(urcu_memb_read_ongoing());
	}
	sigaction(SIGSEGV, &before, NULL);
	fx_end(&s.f);
}

/* ---- locks ---- */

static void note(void *ctx)
{
	++*(unsigned *)ctx;
}

static void look_at_figures(struct subject *s)
{
	struct sh_shootdown_info shoot;
	struct sh_trace_record record;
	struct sh_trace_read rd = {0};
	uint64_t counters[SH_STATS];
	struct sh_root_info root;
	struct sh_waiting waiting;
	struct sh_table table;
	struct sh_stats stats;
	struct sh_frame frame;
	struct sh_rcu_info rcu;

	sh_mmu_stats(s->f.mmu, &stats);
	sh_vcpu_stats(s->f.mmu, 0, counters);
	sh_waiting(s->f.mmu, &waiting);
	sh_rcu_info(s->f.mmu, &rcu);
	sh_shootdown_info(s->f.mmu, 0, &shoot);
	sh_roots(s->f.mmu, &root, 1);
	sh_table_find(s->f.mmu, s->table, &table);
	sh_tables_of(s->f.mmu, GFN(G_PT), &table, 1);
	sh_frame_look(s->f.mmu, GFN(G_PT), &frame);
	sh_trace_read(s->f.mmu, &rd, &SH_TRACE_ALL, &record, 1);
}

static void test_no_locks(void)
{
	unsigned mutexes = 0, spins = 0;
	struct subject s;

	start_default(&s);
	CU_ASSERT_EQUAL(sh_trace_set(s.f.mmu, ~0ull), 0);
	sr_hook_mutex(0, note, &mutexes);
	fx_hook_spin(0, note, &spins);
	for (unsigned i = 0; i < LOOKS; i++)
		looks[i](&s);
	look_at_figures(&s);
	CU_ASSERT_EQUAL(mutexes, 0);
	CU_ASSERT_EQUAL(spins, 0);
	/* And the hooks are where locks are. */
	fx_put(&s.f, G_PT, 5, fx_pte(G_DATA + 1, T_RWUD));
	sh_drop_all(s.f.mmu, NULL);
	CU_ASSERT_EQUAL(mutexes, 1);
	CU_ASSERT_EQUAL(spins, 1);
	fx_end(&s.f);
}

/* ---- moments ---- */

static struct {
	struct sh_mmu *mmu;
	struct sh_look look;
	unsigned begun, whole;
} midway;

static void look_midway(void *ctx, uint32_t slot)
{
	(void)ctx, (void)slot;
	sh_look_begin(midway.mmu, &midway.look);
	midway.whole += sh_look_end(midway.mmu, &midway.look);
	midway.begun++;
}

/* An entry has its new value, and what follows from that is not done yet. */
static void test_under_way(void)
{
	struct fake_config cfg;
	struct subject s;

	fake_defaults(&cfg);
	cfg.gated = true;
	start(&s, &cfg);
	midway.mmu = s.f.mmu;
	midway.begun = midway.whole = 0;
	s.f.on_touch = look_midway;
	fx_put(&s.f, G_PT, 5, fx_pte(G_DATA + 1, T_RWUD));
	s.f.on_touch = NULL;
	CU_ASSERT_TRUE(midway.begun > 0);
	CU_ASSERT_EQUAL(midway.whole, 0);
	CU_ASSERT_FALSE(sh_look_end(s.f.mmu, &midway.look));
	sh_look_begin(s.f.mmu, &midway.look);
	CU_ASSERT_TRUE(sh_look_end(s.f.mmu, &midway.look));
	fx_end(&s.f);
}

static void change_it(void *ctx)
{
	fx_put(ctx, G_PT, 5, fx_pte(G_DATA + 1, T_RWUD));
}

/* Between the look at the shadow's entry and that at the guest's, both change. */
static void test_just_changing(void)
{
	struct fake_config cfg;
	unsigned index = 5;
	struct sh_entry e;
	struct subject s;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	start(&s, &cfg);
	fx_hook_window(0, change_it, &s.f);
	CU_ASSERT_EQUAL_FATAL(sh_table_entries(s.f.mmu, s.table, &index, &e, 1), 1);
	CU_ASSERT_TRUE(fx_hooks_ran());
	CU_ASSERT_EQUAL(e.index, 5);
	CU_ASSERT_EQUAL(e.gpte & ~PTE_A, fx_pte(G_DATA + 1, T_RWUD) & ~PTE_A);
	CU_ASSERT_TRUE(e.verdict == SH_VERDICT_SAME || e.verdict == SH_VERDICT_LAZY);
	fx_end(&s.f);
}

/* ---- registers ---- */

static struct sh_regs all_of(uint64_t n)
{
	return (struct sh_regs){.cr0 = n,
				.cr3 = n,
				.cr4 = n,
				.efer = n,
				.pdpte = {n, n, n, n},
				.pkru = (uint32_t)n,
				.pkrs = (uint32_t)n};
}

static bool of_one(const struct sh_regs *r)
{
	bool same = r->cr3 == r->cr0 && r->cr4 == r->cr0 && r->efer == r->cr0;

	for (unsigned i = 0; i < 4; i++)
		same &= r->pdpte[i] == r->cr0;
	return same && r->pkru == r->cr0 && r->pkrs == r->cr0;
}

static _Atomic bool enough;

static void *set_registers(void *mmu)
{
	for (uint64_t n = 1; !enough; n++) {
		struct sh_regs r = all_of(n & 0xffff);

		sh_seen_set(mmu, SPARE, &r);
	}
	sh_seen_set(mmu, SPARE, NULL);
	return NULL;
}

static void test_registers(void)
{
	uint64_t last = 0, changes = 0, torn = 0;
	struct sh_mode mode;
	struct sh_regs r;
	struct subject s;
	pthread_t t;

	start_default(&s);
	enough = false;
	CU_ASSERT_FATAL(!pthread_create(&t, NULL, set_registers, s.f.mmu));
	/*
	 * Enough to meet the writer in the middle, on one processor too. On two, every look starts
	 * again while the writer is at it: 4 us each, of which 3,000,000 are 12 s.
	 */
	for (uint64_t i = 0; !torn && (i < 100000 || changes < 20); i++) {
		if (!sh_vcpu_peek(s.f.mmu, SPARE, &r, &mode))
			continue;
		torn += !of_one(&r);
		changes += r.cr0 != last;
		last = r.cr0;
	}
	enough = true;
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(torn, 0);
	CU_ASSERT_FALSE(sh_vcpu_peek(s.f.mmu, SPARE, &r, &mode));
	fx_end(&s.f);
}

const struct tap_case suite_look[] = {
	{"every look at a table is a read-side section", test_sections},
	{"looks take no lock", test_no_locks},
	{"a change that was under way", test_under_way},
	{"an entry that is just changing", test_just_changing},
	{"registers are of one moment", test_registers},
	TAP_END,
};
