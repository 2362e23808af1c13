/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes to guest RAM by anybody but the guest's native stores, and what they do to shadow tables.
 *
 * Steps of a tracked write: store to guest memory -> full barrier -> look whether the frame is
 * tracked -> under mmu->lock, for every live page of that frame and every entry the write touched,
 * bring the shadow entry in step with what the guest entry reads now. Together with track.c this is
 * a store/load pair on each side (Dekker), so a table never starts being shadowed from a value that
 * is then changed unseen.
 * No invalidation follows: the architecture lets the old translation live until the guest flushes
 * (SDM vol. 3, section 4.10.2.3), and then so do we.
 * Locks: mmu->lock, page locks inside. Read first: spte.h.
 */
#include <errno.h>
#include <string.h>

#include "shadow/spte.h"

/* Writes since the last use after which a table is taken for data: at the last level a run of
 * writes is how guests fill tables, so it gets more. */
#define FLOOD_LEAF  16u
#define FLOOD_UPPER 3u

static void update_upper(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index)
{
	uint64_t spte = atomic_load(&sh_page_table(mmu, p)[index]);
	struct sh_page *child = spte & PTE_P ? sh_spte_child(mmu, spte) : NULL;
	struct sh_expect e;

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
static void update_leaf(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned index)
{
	bool present = atomic_load(&sh_page_table(mmu, p)[index]) & PTE_P;
	struct sh_expect e = sh_expect(mmu, p->gfn, p->role, index, sh_page_gpte(mmu, p, index));
	bool fill = e.kind == SH_EXPECT_LEAF &&
		    mmu->opt.on[present ? SH_OPT_INPLACE : SH_OPT_PREFETCH];

	if (fill && sh_leaf_set(mmu, v, p, index, e.gfn, e.access, e.dirty, false) ==
			    SH_FAULT_RESUME) {
		sh_count(mmu, v, SH_ST_PTE_UPDATED, 1);
	} else if (present && !fill) {
		sh_leaf_drop(mmu, v, p, index);
		sh_count(mmu, v, SH_ST_PTE_ZAPPED, 1);
	}
}

static void update_range(struct sh_mmu *mmu, struct sh_vcpu *v, struct sh_page *p, unsigned first,
			 unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		if (p->role.level > 1) {
			update_upper(mmu, v, p, i);
			continue;
		}
		pthread_spin_lock(&p->lock);
		update_leaf(mmu, v, p, i);
		pthread_spin_unlock(&p->lock);
	}
}

/* A table no upper entry and no CR3 names: nothing is lost with it, and the next write to the frame
 * needs no fault. This is how a freed table that becomes data gets out of the way; it is no
 * technique with a switch, because without it every such write would fault for ever. */
static bool orphaned(const struct sh_page *p)
{
	return !atomic_load(&p->pins) && sh_set_count(&p->parents) == 0;
}

static bool flooded(struct sh_mmu *mmu, struct sh_page *p)
{
	unsigned limit = p->role.level > 1 ? FLOOD_UPPER : FLOOD_LEAF;

	return mmu->opt.on[SH_OPT_FLOOD] && atomic_fetch_add(&p->flood, 1) >= limit &&
	       !atomic_load(&p->pins);
}

static void tracked_write(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, unsigned len)
{
	struct sh_page *p, *next;
	unsigned off = gpa.v & (SH_PAGE_SIZE - 1);

	sh_count(mmu, v, SH_ST_PTE_WRITE, 1);
	pthread_mutex_lock(&mmu->lock);
	for (p = sh_page_of_gfn(mmu, gpa_gfn(gpa), NULL); p; p = next) {
		unsigned bytes = sh_formats[p->role.format].entry_bytes;

		next = sh_page_of_gfn(mmu, gpa_gfn(gpa), p);
		if (orphaned(p) || flooded(mmu, p)) {
			sh_page_zap(mmu, v, p);
			sh_count(mmu, v, SH_ST_FLOODED, 1);
			continue;
		}
		update_range(mmu, v, p, off / bytes, (off + len - 1) / bytes);
	}
	pthread_mutex_unlock(&mmu->lock);
}

static void check_tracked(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, unsigned len)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (sh_tracked(mmu, gpa_gfn(gpa)) && !sh_mutant(SH_MUT_TRACKED_WRITE_LOST))
		tracked_write(mmu, v, gpa, len);
}

/* One piece within a frame; aligned words are stored whole. */
static int write_piece(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, const void *buf,
		       unsigned len)
{
	uint64_t word = 0;
	int err;

	if (len <= 8 && !(len & (len - 1)) && !(gpa.v & (len - 1))) {
		memcpy(&word, buf, len);
		err = gmem_store(mmu->gm, gpa, word, len);
	} else {
		err = gmem_write(mmu->gm, gpa, buf, len);
	}
	if (!err)
		check_tracked(mmu, v, gpa, len);
	return err;
}

int sh_write(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, const void *buf, unsigned len)
{
	const uint8_t *from = buf;

	if (!gmem_valid(mmu->gm, gpa, len))
		return -EFAULT;
	if (sh_desc_reserve(mmu, SH_PAGE_SIZE / 64))
		return -ENOMEM;
	while (len) {
		unsigned room = SH_PAGE_SIZE - (gpa.v & (SH_PAGE_SIZE - 1));
		unsigned n = len < room ? len : room;
		int err = write_piece(mmu, v, gpa, from, n);

		if (err)
			return err;
		gpa.v += n;
		from += n;
		len -= n;
	}
	return 0;
}

int sh_cmpxchg(struct sh_mmu *mmu, struct sh_vcpu *v, gpa_t gpa, uint64_t *expect,
	       uint64_t desired, unsigned size)
{
	int r;

	if (!gmem_valid(mmu->gm, gpa, size))
		return -EFAULT;
	if (sh_desc_reserve(mmu, 2))
		return -ENOMEM;
	r = gmem_cmpxchg(mmu->gm, gpa, expect, desired, size);
	if (r == 1)
		check_tracked(mmu, v, gpa, size);
	return r;
}
