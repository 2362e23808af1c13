/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The trace: what each kind of event leaves behind and in which order; rings that overwrite their oldest
 * and count it; readers beside writers.
 */
#include <errno.h>
#include <pthread.h>

#include "shadow/inspect.h"
#include "shadow/page.h"
#include "shadow/unmap.h"
#include "tests/unit/shadow_dmap.h"

#define VA    0x5000ull /* entry 5 of G_PT */
#define EVERY (~0ull)
#define BATCH 512u

static struct sh_trace_record rec[BATCH];

static unsigned read_all(struct fake *f, uint64_t since)
{
	struct sh_trace_read rd = {.since = since};
	unsigned n = sh_trace_read(f->mmu, &rd, &SH_TRACE_ALL, rec, BATCH);

	CU_ASSERT_EQUAL(rd.lost, 0);
	CU_ASSERT_FALSE(rd.more);
	return n;
}

/* The place of the first such record from a place on; n if there is none. */
static unsigned find(unsigned n, unsigned from, enum sh_trace_id event)
{
	while (from < n && rec[from].event != event)
		from++;
	return from;
}

static void test_off(void)
{
	struct fake f;

	fx_default(&f);
	fx_store(&f, 0, VA, SH_WRITE, 1);
	CU_ASSERT_EQUAL(sh_trace_get(f.mmu), 0);
	CU_ASSERT_EQUAL(sh_trace_newest(f.mmu), 0);
	CU_ASSERT_PTR_NULL(atomic_load(&f.mmu->trace.rings));
	CU_ASSERT_EQUAL(read_all(&f, 0), 0);
	fx_end(&f);
}

/* Walk, its entries from the top, A on each and D on the leaf, tables, links, the leaf, the end. */
static void test_hidden_fault(void)
{
	static const uint64_t rip = 0xfeed;
	uint64_t begun;
	unsigned n, at, level = 4;
	struct fake f;

	fx_default(&f);
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, PTE_P | PTE_W | PTE_U));
	fx_invlpg(&f, 0, VA);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), 0);
	sh_vcpu_rip(f.vcpu[0].v, &rip);
	begun = sh_trace_newest(f.mmu);
	fx_store(&f, 0, VA, SH_WRITE, 1);
	n = read_all(&f, begun);
	at = find(n, 0, SH_TR_pagetable_walk);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].arg[0], VA);
	CU_ASSERT_TRUE(rec[at].arg[1] & SH_WRITE);
	for (; level; level--) {
		at = find(n, at, SH_TR_paging_element);
		CU_ASSERT_TRUE_FATAL(at < n);
		CU_ASSERT_EQUAL(rec[at++].level, level);
	}
	CU_ASSERT_EQUAL(rec[at].event, SH_TR_set_accessed_bit);
	CU_ASSERT_EQUAL(rec[at + 1].event, SH_TR_set_dirty_bit);
	CU_ASSERT_EQUAL(rec[at + 1].arg[1], (uint64_t)G_PT << 12 | 5 * 8);
	CU_ASSERT_EQUAL(rec[at + 1].arg[2], fx_get(&f, G_PT, 5));
	while (at < n && !(rec[at].event == SH_TR_set_spte && rec[at].level == 1))
		at++;
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].why, SH_WHY_FAULT);
	CU_ASSERT_EQUAL(rec[at].arg[1], 0);
	CU_ASSERT_TRUE(rec[at].arg[2] & PTE_W);
	CU_ASSERT_EQUAL(rec[at].arg[3], G_DATA);
	CU_ASSERT_EQUAL(rec[at].rip, rip);
	at = find(n, at, SH_TR_hidden_fault);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].arg[0], VA);
	CU_ASSERT_EQUAL(rec[at].arg[1], (uint64_t)G_DATA << 12);
	CU_ASSERT_EQUAL(find(n, at, SH_TR_true_fault), n);
	for (unsigned i = 1; i < n; i++)
		CU_ASSERT_TRUE(rec[i].seq == rec[i - 1].seq + 1 && rec[i].ns >= rec[i - 1].ns);
	fx_end(&f);
}

static void test_true_fault(void)
{
	struct fake f;
	unsigned n, at;

	fx_default(&f);
	fx_put(&f, G_PT, 5, 0);
	fx_invlpg(&f, 0, VA);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), 0);
	fx_try(&f, 0, VA, SH_WRITE | SH_USER);
	n = read_all(&f, 0);
	at = find(n, 0, SH_TR_walker_error);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].level, 1);
	CU_ASSERT_EQUAL(rec[at].arg[1], SH_PF_W | SH_PF_U);
	at = find(n, at, SH_TR_true_fault);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].arg[1], SH_PF_W | SH_PF_U);
	CU_ASSERT_EQUAL(find(n, 0, SH_TR_set_spte), n);
	fx_end(&f);
}

static void test_tracked_write(void)
{
	uint64_t old, begun, new = fx_pte(G_DATA + 1, T_RWUD);
	struct fake f;
	unsigned n, at;

	fx_default(&f);
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, T_RWUD));
	fx_try(&f, 0, VA, SH_READ);
	old = fx_get(&f, G_PT, 5);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), 0);
	begun = sh_trace_newest(f.mmu);
	fx_put(&f, G_PT, 5, new);
	n = read_all(&f, begun);
	at = find(n, 0, SH_TR_tracked_write);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].arg[0], (uint64_t)G_PT << 12 | 5 * 8);
	CU_ASSERT_EQUAL(rec[at].arg[1], old);
	CU_ASSERT_EQUAL(rec[at].arg[2], new);
	CU_ASSERT_EQUAL(rec[at].arg[3], 8);
	/* What followed from it: out with the old frame, in with the new one. */
	at = find(n, at, SH_TR_drop_spte);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].why, SH_WHY_WRITE);
	at = find(n, at, SH_TR_set_spte);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].why, SH_WHY_WRITE);
	CU_ASSERT_EQUAL(rec[at].arg[3], G_DATA + 1);
	fx_end(&f);
}

static void test_zap(void)
{
	struct fake f;
	unsigned n, at, tables = 0;

	fx_default(&f);
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), 0);
	CU_ASSERT_TRUE(sh_drop_all(f.mmu, NULL) > 0);
	fx_settle(&f);
	n = read_all(&f, 0);
	at = find(n, 0, SH_TR_prepare_zap_page);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].vcpu, SH_TRACE_OTHERS);
	CU_ASSERT_EQUAL(rec[at].rip, 0);
	for (unsigned i = at; i < n; i++)
		if (rec[i].event == SH_TR_drop_spte)
			CU_ASSERT_EQUAL(rec[i].why, SH_WHY_ZAP);
	for (unsigned i = 0; i < n; i++)
		tables += rec[i].event == SH_TR_prepare_zap_page;
	CU_ASSERT_TRUE(tables >= 3);
	at = find(n, at, SH_TR_shootdown);
	CU_ASSERT_TRUE_FATAL(at < n);
	at = find(n, at, SH_TR_grace_period);
	CU_ASSERT_TRUE(at < n);
	fx_end(&f);
}

/* A frame becomes a page table and ceases to be one, whoever sees to it. */
static void test_untrack(void)
{
	struct fake f;
	unsigned n, at, tracked, gone;

	fx_default(&f);
	CU_ASSERT_EQUAL(
		sh_trace_set(f.mmu, 1ull << SH_TR_track_page | 1ull << SH_TR_untrack_page), 0);
	fx_try(&f, 0, VA, SH_READ);
	tracked = read_all(&f, 0);
	CU_ASSERT_EQUAL(tracked, 4); /* one for each level */
	sh_drop_all(f.mmu, f.vcpu[0].v);
	n = read_all(&f, 0);
	gone = n - tracked;
	CU_ASSERT_EQUAL_FATAL(gone, tracked - 1); /* but for the root, which is in use */
	for (unsigned i = 0; i < tracked; i++) {
		if (rec[i].arg[0] == G_PML4)
			continue;
		CU_ASSERT_EQUAL(rec[i].event, SH_TR_track_page);
		CU_ASSERT_EQUAL(rec[i].why, SH_WHY_TRACK);
		at = tracked;
		while (at < n && rec[at].arg[0] != rec[i].arg[0])
			at++;
		CU_ASSERT_TRUE_FATAL(at < n);
		CU_ASSERT_EQUAL(rec[at].event, SH_TR_untrack_page);
		CU_ASSERT_EQUAL(rec[at].why, SH_WHY_ZAP);
		CU_ASSERT_EQUAL(rec[at].vcpu, 0);
		CU_ASSERT_FALSE(sh_tracked(f.mmu, GFN(rec[at].arg[0])));
	}
	/* Once more where nothing is tracked: silence. */
	gone = (unsigned)sh_trace_newest(f.mmu);
	sh_untrack(f.mmu, f.vcpu[0].v, GFN(G_PT));
	CU_ASSERT_EQUAL(sh_trace_newest(f.mmu), gone);
	fx_end(&f);
}

static void test_unmap(void)
{
	struct sh_unmapped out;
	uint64_t begun;
	struct fake f;
	unsigned n, at;

	fx_default(&f);
	fx_put(&f, G_PT, 5, fx_pte(G_DATA, T_RWUD));
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), 0);
	begun = sh_trace_newest(f.mmu);
	CU_ASSERT_EQUAL(sh_unmap_frames(f.mmu, NULL, GFN(G_DATA), 1, NULL, &out), 0);
	n = read_all(&f, begun);
	at = find(n, 0, SH_TR_drop_spte);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].why, SH_WHY_UNMAP);
	CU_ASSERT_EQUAL(rec[at].vcpu, SH_TRACE_OTHERS);
	CU_ASSERT_EQUAL(rec[at].arg[1] >> 12 & 0xffffffffff, gmem_mfn(f.gm, GFN(G_DATA)).v);
	/* A table's frame: its shadow goes with it, for a reason of its own. */
	begun = sh_trace_newest(f.mmu);
	CU_ASSERT_EQUAL(sh_unmap_frames(f.mmu, NULL, GFN(G_PT), 1, NULL, &out), 0);
	n = read_all(&f, begun);
	at = find(n, 0, SH_TR_prepare_zap_page);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].arg[0], G_PT);
	CU_ASSERT_EQUAL(rec[at].why, SH_WHY_ZAP);
	fx_end(&f);
}

/* ---- the direct map: what is told is what a walk of its tables finds before and after ---- */

#define DM_FRAME (3 * M2 + 7)

static uint64_t machine_address(struct fake *f, const uint64_t *slot)
{
	return (uint64_t)(FAKE_TABLE_MFN << 12) + (uint64_t)(slot - f->tables) * 8;
}

static void start_dmap(struct fake *f)
{
	struct fake_config cfg;

	dmt_config(&cfg, 16 * BIGM);
	dmt_start(f, &cfg);
	CU_ASSERT_EQUAL(sh_trace_set(f->mmu, EVERY), 0);
}

/* The only record of an event; it must be of vCPU 0. */
static struct sh_trace_record only(unsigned n, enum sh_trace_id event)
{
	unsigned at = find(n, 0, event);

	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(find(n, at + 1, event), n);
	CU_ASSERT_EQUAL(rec[at].vcpu, 0);
	return rec[at];
}

static void test_dmap(void)
{
	struct sh_trace_record r;
	uint64_t big, small, begun;
	uint64_t *big_slot, *slot;
	unsigned n, level;
	struct fake f;

	start_dmap(&f);
	big_slot = dmt_slot(&f, DM_FRAME, &level);
	CU_ASSERT_EQUAL_FATAL(level, 2);
	big = *big_slot;
	begun = sh_trace_newest(f.mmu);
	dmt_change(&f, DM_FRAME, 1, 0, SH_DM_W);
	n = read_all(&f, begun);
	slot = dmt_slot(&f, DM_FRAME, &level);
	CU_ASSERT_EQUAL_FATAL(level, 1);
	small = *slot;
	r = only(n, SH_TR_dmap_split);
	CU_ASSERT_TRUE(r.level == 2 && r.why == SH_WHY_ATTR && r.arg[0] == 3 * M2);
	CU_ASSERT_EQUAL(r.arg[1], machine_address(&f, big_slot));
	CU_ASSERT_EQUAL(r.arg[2], big);
	CU_ASSERT_EQUAL(r.arg[3], machine_address(&f, slot) >> 12);
	r = only(n, SH_TR_dmap_change);
	CU_ASSERT_TRUE(r.level == 1 && r.why == SH_WHY_ATTR && r.arg[0] == DM_FRAME);
	CU_ASSERT_EQUAL(r.arg[1], machine_address(&f, slot));
	CU_ASSERT_TRUE(r.arg[2] & PTE_W && (r.arg[2] ^ r.arg[3]) < 0x1000);
	CU_ASSERT_FALSE(r.arg[3] & PTE_W);
	CU_ASSERT_EQUAL(r.arg[3], small);
	/* As asked already: nothing to tell. */
	begun = sh_trace_newest(f.mmu);
	dmt_change(&f, DM_FRAME, 1, 0, SH_DM_W);
	CU_ASSERT_EQUAL(find(read_all(&f, begun), 0, SH_TR_dmap_change), read_all(&f, begun));
	/* Back, and large again. */
	begun = sh_trace_newest(f.mmu);
	dmt_change(&f, DM_FRAME, 1, SH_DM_W, 0);
	n = read_all(&f, begun);
	r = only(n, SH_TR_dmap_change);
	CU_ASSERT_TRUE(r.arg[0] == DM_FRAME && r.arg[2] == small);
	r = only(n, SH_TR_dmap_collapse);
	CU_ASSERT_TRUE(r.level == 2 && r.arg[0] == 3 * M2);
	CU_ASSERT_EQUAL(r.arg[1], machine_address(&f, big_slot));
	CU_ASSERT_EQUAL(r.arg[3], *big_slot);
	fx_end(&f);
}

/* A tracked frame loses W in the direct map and gets it back; a shadow leaf of a frame follows the map. */
static void test_dmap_follows(void)
{
	struct sh_dmap_req req = {.clear = SH_DM_W, .alias = true};
	uint64_t begun;
	struct fake f;
	unsigned n, at;

	start_dmap(&f);
	begun = sh_trace_newest(f.mmu);
	fx_store(&f, 0, VA, SH_WRITE, 1);
	n = read_all(&f, begun);
	at = find(n, 0, SH_TR_dmap_change);
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].why, SH_WHY_TRACK);
	CU_ASSERT_EQUAL(rec[at].arg[2] ^ rec[at].arg[3], PTE_W);
	CU_ASSERT_FALSE(rec[at].arg[3] & PTE_W);
	begun = sh_trace_newest(f.mmu);
	CU_ASSERT_EQUAL(sh_dmap_change(f.mmu, f.vcpu[0].v, GFN(G_DATA + 5), 1, &req), 0);
	n = read_all(&f, begun);
	for (at = 0;
	     at < n && !(rec[at].event == SH_TR_set_spte && rec[at].why == SH_WHY_ATTR);)
		at++;
	CU_ASSERT_TRUE_FATAL(at < n);
	CU_ASSERT_EQUAL(rec[at].arg[1] ^ rec[at].arg[2], PTE_W);
	CU_ASSERT_EQUAL(rec[at].arg[1] >> 12 & 0xffffffffff, gmem_mfn(f.gm, GFN(G_DATA + 5)).v);
	fx_end(&f);
}

static void test_filter(void)
{
	struct sh_trace_filter range = SH_TRACE_ALL;
	uint64_t begun;
	struct fake f;
	unsigned n;

	fx_default(&f);
	range.first = VA;
	range.last = VA + 0xfff;
	sh_trace_filter(f.mmu, &range);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, 1ull << SH_TR_hidden_fault), 0);
	fx_try(&f, 0, VA + 0x1000, SH_READ);
	CU_ASSERT_EQUAL(read_all(&f, 0), 0);
	sh_drop_all(f.mmu, f.vcpu[0].v); /* the neighbours too */
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_EQUAL_FATAL(read_all(&f, 0), 1);
	CU_ASSERT_EQUAL(rec[0].arg[0], VA);
	/* A frame is all of its bytes. */
	range.first = range.last = (uint64_t)G_PT << 12 | 0x800;
	sh_trace_filter(f.mmu, &range);
	begun = sh_trace_newest(f.mmu);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), 0);
	sh_drop_all(f.mmu, NULL);
	n = read_all(&f, begun);
	CU_ASSERT_TRUE(n > 0);
	for (unsigned i = 0; i < n; i++)
		CU_ASSERT_TRUE(rec[i].event == SH_TR_prepare_zap_page ||
			       rec[i].event == SH_TR_untrack_page);
	range = SH_TRACE_ALL;
	range.others = false;
	range.vcpus = 2;
	sh_trace_filter(f.mmu, &range);
	begun = sh_trace_newest(f.mmu);
	fx_try(&f, 0, VA, SH_READ);
	CU_ASSERT_EQUAL(read_all(&f, begun), 0);
	fx_end(&f);
}

/* ---- rings by themselves ---- */

struct load {
	struct sh_trace *t;
	struct sh_vcpu *v; /* NULL: one of the others */
	uint64_t n;
};

static void *write_many(void *arg)
{
	struct load *l = arg;

	for (uint64_t i = 1; i <= l->n; i++)
		sh_trace_put(l->t, l->v, SH_TR_tracked_write, (unsigned)(i & 7),
			     (const uint64_t[]){i, ~i, i * 3, i ^ (l->v ? l->v->index : 99)});
	return NULL;
}

static bool whole(const struct sh_trace_record *r)
{
	uint64_t i = r->arg[0], who = r->vcpu == SH_TRACE_OTHERS ? 99 : r->vcpu;

	return r->event == SH_TR_tracked_write && r->level == (i & 7) && r->arg[1] == ~i &&
	       r->arg[2] == i * 3 && r->arg[3] == (i ^ who);
}

static void test_wrap(void)
{
	struct sh_trace_read rd = {.since = 0};
	struct sh_vcpu v = {.index = 3};
	struct load l = {.v = &v, .n = SH_TRACE_SLOTS + 1000};
	uint64_t got = 0, lost = 0, last = 0;
	struct fake f;
	unsigned n;

	fx_default(&f);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, 1ull << SH_TR_cr3), 0);
	l.t = &f.mmu->trace;
	write_many(&l);
	do {
		n = sh_trace_read(f.mmu, &rd, &SH_TRACE_ALL, rec, BATCH);
		for (unsigned i = 0; i < n; i++) {
			CU_ASSERT_TRUE(whole(&rec[i]) && rec[i].seq > last);
			last = rec[i].seq;
		}
		got += n;
		lost += rd.lost;
		rd.since = rd.next;
	} while (rd.more);
	CU_ASSERT_EQUAL(got, SH_TRACE_SLOTS);
	CU_ASSERT_EQUAL(lost, 1000);
	CU_ASSERT_EQUAL(rd.next, sh_trace_newest(f.mmu));
	fx_end(&f);
}

/* What was read and what was lost are all that was written; nothing is torn or comes twice. */
static void test_beside_writers(void)
{
	struct sh_vcpu v[2] = {{.index = 0}, {.index = 1}};
	struct load l[4] = {{.v = &v[0]}, {.v = &v[1]}, {.v = NULL}, {.v = NULL}};
	struct sh_trace_read rd = {.since = 0};
	uint64_t got = 0, lost = 0, last = 0, torn = 0, each = 60000;
	pthread_t thread[4];
	struct fake f;

	fx_default(&f);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, 1ull << SH_TR_cr3), 0);
	for (unsigned i = 0; i < 4; i++) {
		l[i].t = &f.mmu->trace;
		l[i].n = each;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, write_many, &l[i]), 0);
	}
	while (rd.since < 4 * each) {
		unsigned n = sh_trace_read(f.mmu, &rd, &SH_TRACE_ALL, rec, BATCH);

		for (unsigned i = 0; i < n; i++) {
			torn += !whole(&rec[i]) || rec[i].seq <= last;
			last = rec[i].seq;
		}
		got += n;
		lost += rd.lost;
		rd.since = rd.next;
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	CU_ASSERT_EQUAL(torn, 0);
	CU_ASSERT_TRUE(got > 0);
	CU_ASSERT_EQUAL(got + lost, 4 * each);
	CU_ASSERT_EQUAL(sh_trace_newest(f.mmu), 4 * each);
	fx_end(&f);
}

/* Rings in memory of the caller's: there when the MMU has gone, and what is no record is left out. */
static void test_left(void)
{
	struct sh_vcpu v[2] = {{.index = 0}, {.index = 1}};
	struct load l = {.n = BATCH};
	struct sh_trace_ring *ring = calloc(1, sh_trace_bytes());
	struct fake f;
	uint64_t lost = 99;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
	CU_ASSERT_EQUAL(sh_trace_left(ring, rec, BATCH, &lost), 0);
	CU_ASSERT_EQUAL(lost, 0);
	fx_default(&f);
	sh_trace_memory(f.mmu, ring);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, 1ull << SH_TR_cr3), 0);
	CU_ASSERT_PTR_EQUAL(atomic_load(&f.mmu->trace.rings), ring);
	l.t = &f.mmu->trace;
	for (unsigned i = 0; i < 3; i++) {
		l.v = i < 2 ? &v[i] : NULL;
		write_many(&l);
	}
	sh_trace_set(f.mmu, 0);
	fx_end(&f);
	/* The newest half of the last ring's. */
	CU_ASSERT_EQUAL_FATAL(sh_trace_left(ring, rec, BATCH / 2, &lost), BATCH / 2);
	CU_ASSERT_EQUAL(lost, 0);
	for (unsigned i = 0; i < BATCH / 2; i++) {
		CU_ASSERT_TRUE(whole(&rec[i]) && rec[i].vcpu == SH_TRACE_OTHERS);
		CU_ASSERT_EQUAL(rec[i].seq, 2 * BATCH + BATCH / 2 + 1 + i);
	}
	/* One that is being written, with and without its number, and three of no event, reason, thread. */
	atomic_fetch_or(&ring[SH_TRACE_OTHERS].slot[BATCH - 2].stamp, SH_TRACE_BUSY);
	atomic_store(&ring[SH_TRACE_OTHERS].slot[BATCH - 3].stamp, SH_TRACE_BUSY);
	atomic_store(&ring[SH_TRACE_OTHERS].slot[BATCH - 4].word[2], SH_TRACES);
	atomic_store(&ring[SH_TRACE_OTHERS].slot[BATCH - 5].word[2], SH_WHYS << 16);
	atomic_store(&ring[SH_TRACE_OTHERS].slot[BATCH - 6].word[2], 0xff00);
	CU_ASSERT_EQUAL(sh_trace_left(ring, rec, BATCH, &lost), BATCH - 5);
	CU_ASSERT_EQUAL(lost, 5);
	CU_ASSERT_EQUAL(rec[BATCH - 6].seq, 3 * BATCH);
	free(ring);
}

static void test_no_memory(void)
{
	struct fake f;

	fx_default(&f);
	fx_refuse_memory(0);
	CU_ASSERT_EQUAL(sh_trace_set(f.mmu, EVERY), -ENOMEM);
	CU_ASSERT_TRUE(fx_refused());
	CU_ASSERT_EQUAL(sh_trace_get(f.mmu), 0);
	fx_try(&f, 0, VA, SH_READ);
	fx_end(&f);
}

static void test_names(void)
{
	for (unsigned i = 0; i < SH_TRACES; i++) {
		const struct sh_trace_event *e = &sh_trace_events[i];

		CU_ASSERT_EQUAL(sh_trace_find(e->name), i);
		CU_ASSERT_PTR_NOT_NULL(e->help);
		CU_ASSERT_PTR_NOT_NULL(e->field[0].name);
	}
	CU_ASSERT_EQUAL(sh_trace_find("nothing"), SH_TRACES);
}

const struct tap_case suite_trace[] = {
	{"names", test_names},
	{"nothing is recorded while it is off", test_off},
	{"a hidden fault, in order", test_hidden_fault},
	{"a true fault", test_true_fault},
	{"a tracked write and what follows from it", test_tracked_write},
	{"a zap, its shootdown and its grace period", test_zap},
	{"a frame becomes a page table and ceases to be one", test_untrack},
	{"frames taken back, and why", test_unmap},
	{"the direct map: a split, a change, a collapse", test_dmap},
	{"the direct map follows tables, shadow leaves follow it", test_dmap_follows},
	{"filter by event, address and vCPU", test_filter},
	{"a full ring counts what it overwrites", test_wrap},
	{"a reader beside four writers", test_beside_writers},
	{"rings that outlive their writer", test_left},
	{"no memory for the rings", test_no_memory},
	TAP_END,
};
