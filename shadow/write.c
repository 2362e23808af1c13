/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes to guest RAM by anybody but the guest's native stores, and what they do to shadow tables.
 *
 * A tracked write happens under mmu->lock: store to guest memory -> for every live page of that
 * frame and every entry the write touched, bring the shadow entry in step with what the guest entry
 * reads now. A flush by another vCPU passes through the same lock (sh_invlpg()), so whoever has seen
 * the new guest entry and flushes for it finds the shadow in step.
 * A frame that is not tracked is written without the lock; after a full barrier the mark is looked
 * at again. Together with track.c that is a store and a load on each side (Dekker), so a table never
 * starts being shadowed from a value that is then changed unseen.
 * No invalidation follows: the architecture lets the old translation live until the guest flushes
 * (SDM vol. 3, section 4.10.2.3), and then so do we.
 * Locks: mmu->lock, page locks inside. Read first: spte.h.
 */
#include <errno.h>
#include <string.h>

#include "shadow/spte.h"
#include "shadow/unsync.h"

/* Writes since the last use after which a table is taken for data, or for one that is being built or
 * taken apart: from then on it is written natively, and shadowed anew when it is next used. Small,
 * because each write costs an exit (16 us) and starting anew costs two or three: on the guest's suite
 * 16 and 3 make 52,400 exits, 4 and 2 41,200, 3 and 2 40,400, 2 and 1 38,200 but more new tables. */
#define FLOOD_LEAF  3u
#define FLOOD_UPPER 2u

void sh_update_upper(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index)
{
	uint64_t spte = atomic_load(&sh_page_table(mmu, p)[index]);
	struct sh_page *child = spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;
	struct sh_expect e;

	if (sh_spte_is_large(spte))
		sh_large_update(mmu, v, p, index);
	if (!child)
		return;
	e = sh_expect(mmu, p->gfn, p->role, index, sh_page_gpte(mmu, p, index));
	if (e.kind == SH_EXPECT_TABLE && gfn_eq(e.gfn, child->gfn) &&
	    sh_role_eq(e.role, child->role))
		return;
	sh_unlink(mmu, v, p, index);
	sh_count(mmu, v, SH_ST_PTE_ZAPPED, 1);
}

/* p->lock held. */
static void update_leaf(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p,
			unsigned index)
{
	bool present = atomic_load(&sh_page_table(mmu, p)[index]) & PTE_P;
	uint64_t gpte = sh_page_gpte(mmu, p, index);
	struct sh_expect e = sh_expect(mmu, p->gfn, p->role, index, gpte);
	bool fill = e.kind == SH_EXPECT_LEAF &&
		    mmu->opt.on[present ? SH_OPT_INPLACE : SH_OPT_PREFILL];

	sh_unsync_note(mmu, p, index, gpte);
	if (fill &&
	    sh_leaf_set(mmu, v, p, index, e.gfn, e.access, e.dirty, false) == SH_FAULT_RESUME) {
		sh_count(mmu, v, SH_ST_PTE_UPDATED, 1);
		/* A new mapping that will be used without a fault: a use, not a flood. */
		if (!present)
			atomic_store(&p->flood, 0);
	} else if (present && !fill) {
		sh_leaf_drop(mmu, v, p, index);
		sh_count(mmu, v, SH_ST_PTE_ZAPPED, 1);
	}
}

void sh_update_entries(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned first,
		       unsigned last)
{
	unsigned base = sh_role_first(p->role), split = sh_role_split(p->role);
	unsigned from = first << split, to = (last + 1) << split;

	from = from < base ? 0 : from - base;
	to = to < base ? 0 : to - base;
	for (unsigned i = from; i < to && i < SH_ENTRIES; i++) {
		if (p->role.level > 1) {
			sh_update_upper(mmu, v, p, i);
			continue;
		}
		pthread_spin_lock(&p->lock);
		update_leaf(mmu, v, p, i);
		pthread_spin_unlock(&p->lock);
	}
}

/* A table no upper entry and no CR3 names: nothing is lost with it, and the next write to the frame
 * needs no fault. This is how a freed table that becomes data gets out of the way; it is no
 * technique with a switch, because without it every such write would fault for ever.
 * Pages that stand above the guest's own top level don't count: they are what its CR3 names, and
 * have no more right to be than the pin of theirs. At most three of them lie above each other. */
static bool orphaned(const struct sh_mmu *mmu, const struct sh_page *p)
{
	sh_slot_t s;

	if (atomic_load(&p->pins))
		return false;
	for (unsigned i = 0; (s = sh_set_at(&p->parents, i)) != SH_SLOT_NONE; i++) {
		const struct sh_page *parent = sh_slot_page(mmu, s);

		if (sh_role_is_table(parent->role) || !orphaned(mmu, parent))
			return false;
	}
	return true;
}

/* A last-level table is let go out of step instead, if it may. */
static bool flooded(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p)
{
	unsigned limit = p->role.level > 1 ? FLOOD_UPPER : FLOOD_LEAF;

	if (atomic_fetch_add(&p->flood, 1) < limit || p->unsync)
		return false;
	if (p->role.level == 1 && sh_unsync_start(mmu, v, p->gfn))
		return false;
	return mmu->opt.on[SH_OPT_FLOOD] &&
	       (!atomic_load(&p->pins) || sh_mutant(SH_MUT_FLOOD_IGNORES_PINS));
}

/* mmu->lock held. */
static void update_pages(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, unsigned len,
			 uint64_t before)
{
	struct sh_page *p, *next;
	unsigned off = gpa.v & (SH_PAGE_SIZE - 1);
	SH_TRACE_BECAUSE(mmu, v, SH_WHY_WRITE);

	sh_count(mmu, v, SH_ST_PTE_WRITE, 1);
	sh_trace(mmu, v, tracked_write, 0, gpa.v, before, sh_trace_word(mmu, gpa), len);
	for (p = sh_page_of_gfn(mmu, gpa_gfn(gpa), NULL); p; p = next) {
		unsigned bytes = sh_formats[p->role.format].entry_bytes;

		next = sh_mutant(SH_MUT_FIRST_ROLE_ONLY) ? NULL
							 : sh_page_of_gfn(mmu, gpa_gfn(gpa), p);
		if (orphaned(mmu, p) || flooded(mmu, v, p)) {
			sh_page_zap(mmu, v, p);
			sh_count(mmu, v, SH_ST_FLOODED, 1);
			continue;
		}
		sh_update_entries(mmu, v, p, off / bytes, (off + len - 1) / bytes);
	}
}

/* One store within a frame: a plain one, or a compare-and-exchange. */
struct store {
	gpa_t gpa;
	unsigned len;
	const void *buf; /* plain */
	bool rest;	 /* not the first frame of a write that crosses into another */
	uint8_t *at; /* plain: where it goes, in a window that is open; NULL: one is opened */
	uint64_t *expect; /* exchange; NULL for a plain store */
	uint64_t desired;
};

/* 1 stored, 0 not (the exchange found something else), -EFAULT. Aligned words are stored whole. */
static int do_store(struct sh_mmu *mmu, const struct store *st)
{
	uint64_t word = 0;
	int err = 0;

	if (st->expect)
		return gmem_cmpxchg(mmu->gm, st->gpa, st->expect, st->desired, st->len);
	if (st->len <= 8 && !(st->len & (st->len - 1)) && !(st->gpa.v & (st->len - 1))) {
		memcpy(&word, st->buf, st->len);
		if (st->at)
			gmem_store_at(st->at, word, st->len);
		else
			err = gmem_store(mmu->gm, st->gpa, word, st->len);
	} else if (st->at) {
		gmem_copy_to(st->at, st->buf, st->len);
	} else {
		err = gmem_write(mmu->gm, st->gpa, st->buf, st->len);
	}
	return err ? err : 1;
}

static int tracked_store(struct sh_mmu *mmu, struct sh_vcpu *v, const struct store *st)
{
	uint64_t before;
	int r;

	sh_may_wait();
	pthread_mutex_lock(&mmu->lock);
	before = SH_TRACING(mmu, tracked_write) ? sh_trace_word(mmu, st->gpa) : 0;
	r = do_store(mmu, st);
	if (r == 1 && !sh_mutant(SH_MUT_TRACKED_WRITE_LOST))
		update_pages(mmu, v, st->gpa, st->len, before);
	pthread_mutex_unlock(&mmu->lock);
	return r;
}

static int store_and_follow(struct sh_mmu *mmu, struct sh_vcpu *v, const struct store *st)
{
	gfn_t gfn = gpa_gfn(st->gpa);
	uint64_t before;
	int r;

	if ((sh_mutant(SH_MUT_CMPXCHG_UNTRACKED) && st->expect) ||
	    (sh_mutant(SH_MUT_CROSSING_HALF_TRACKED) && st->rest))
		return do_store(mmu, st);
	if (sh_shadowed(mmu, gfn))
		return tracked_store(mmu, v, st);
	before = SH_TRACING(mmu, tracked_write) ? sh_trace_word(mmu, st->gpa) : 0;
	r = do_store(mmu, st);
	atomic_thread_fence(memory_order_seq_cst);
	if (r == 1 && sh_shadowed(mmu, gfn) && !sh_mutant(SH_MUT_TRACKED_WRITE_LOST)) {
		sh_may_wait();
		pthread_mutex_lock(&mmu->lock);
		update_pages(mmu, v, st->gpa, st->len, before);
		pthread_mutex_unlock(&mmu->lock);
	}
	return r;
}

static int store(struct sh_mmu *mmu, struct sh_vcpu *v, const struct store *st)
{
	int r;

	sh_change_begin(mmu, v);
	r = store_and_follow(mmu, v, st);
	sh_change_end(mmu, v);
	return r;
}

/* One write within two frames. If it crosses from one into the other, both windows are had before
 * anything is stored: persistent ones, because mmu->lock may be waited for in between. */
static int write_two(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, const uint8_t *from,
		     unsigned len, bool rest)
{
	unsigned off = gpa.v & (SH_PAGE_SIZE - 1), room = SH_PAGE_SIZE - off;
	struct store st = {.gpa = gpa, .len = len, .buf = from, .rest = rest}, st2;
	void *w[2];
	int r;

	if (len <= room)
		return store(mmu, v, &st);
	st.len = room;
	st2 = (struct store){
		.gpa = GPA(gpa.v + room), .len = len - room, .buf = from + room, .rest = true};
	if (sh_mutant(SH_MUT_CROSSING_NOT_RESERVED)) {
		r = store(mmu, v, &st);
		return r < 0 ? r : store(mmu, v, &st2);
	}
	if (gmem_pool_map_n(mmu->gm, gpa_gfn(gpa), 2, w))
		return -ENOMEM;
	st.at = (uint8_t *)w[0] + off;
	st2.at = w[1];
	r = store(mmu, v, &st);
	if (r == 1)
		r = store(mmu, v, &st2);
	gmem_pool_unmap(mmu->gm, w[1]);
	gmem_pool_unmap(mmu->gm, w[0]);
	return r;
}

int sh_write(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, const void *buf, unsigned len)
{
	const uint8_t *from = buf;

	if (!gmem_valid(mmu->gm, gpa, len))
		return -EFAULT;
	if (sh_desc_reserve(mmu, SH_PAGE_SIZE / 64))
		return -ENOMEM;
	while (len) {
		unsigned room = 2 * SH_PAGE_SIZE - (gpa.v & (SH_PAGE_SIZE - 1));
		unsigned n = len < room ? len : room;
		int r = write_two(mmu, v, gpa, from, n, from != buf);

		if (r < 0)
			return r;
		gpa.v += n;
		from += n;
		len -= n;
	}
	return 0;
}

int sh_cmpxchg(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, uint64_t *expect,
	       uint64_t desired, unsigned size)
{
	struct store st = {.gpa = gpa, .len = size, .expect = expect, .desired = desired};

	if (!gmem_valid(mmu->gm, gpa, size))
		return -EFAULT;
	if (sh_desc_reserve(mmu, 2))
		return -ENOMEM;
	return store(mmu, v, &st);
}
