/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How stale a translation may be: an oracle that knows every value each word of guest memory had,
 * every value of the registers and every event that drops cached translations, and answers whether
 * some processor that keeps what it caches as long as it may could translate an access so now.
 * Written from the Intel SDM (vol. 3, section 4.10) on top of mmu_model.h; it shares nothing with
 * shadow/.
 *
 * What a processor may do, as modelled. It may load a translation at any time, for any reason, by
 * the entries it has in its paging-structure caches and, below them, by those in memory (4.10.2.3,
 * 4.10.3.2). So the entries of a translation come from different times, each read no earlier than
 * the one above it, and none from before the last event that dropped the paging-structure caches
 * ahead of the time the leaf was read. The leaf was read after the last event that dropped the
 * translation. An entry is cached only if it is present, has no reserved bit set and has A set
 * (4.10.2.3), and a translation used for a write has D set in its leaf. U/S, R/W, XD and the key are
 * what was cached; CR0.WP, SMEP, SMAP, EFLAGS.AC, PKRU and PKRS are those of now (4.6).
 *
 * Where manuals or sentences differ, the model drops less: what it forbids, all forbid.
 * Not modelled: stores that other processors see late; one walk with EFER.NXE or CR4.PSE changing
 * in the middle of it.
 * Read first: mmu_model.h. Locks: none.
 */
#ifndef UMBRA_TESTS_STALE_H
#define UMBRA_TESTS_STALE_H

#include <stddef.h>

#include "tests/model/mmu_model.h"

struct stale;

/* Memory from 0 to bytes, zero at first; beyond it everything reads as ones. NULL: out of memory. */
struct stale *stale_create(unsigned vcpus, uint64_t bytes);
void stale_destroy(struct stale *s);
/* Memory changed: A and D bits set by a processor included. What lies beyond memory is left out. */
void stale_write(struct stale *s, uint64_t pa, const void *from, size_t n);
/* What memory holds by what was told. */
void stale_read(const struct stale *s, uint64_t pa, void *to, size_t n);

/* The registers hold these values now, read and ctx aside; drops what changes of CR0 and CR4 drop
 * (4.10.4.1). */
void stale_regs(struct stale *s, unsigned vcpu, const struct mm_cpu *now);
/* The same by MOV CR3; keep: bit 63 of the operand with CR4.PCIDE=1. */
void stale_mov_cr3(struct stale *s, unsigned vcpu, const struct mm_cpu *now, bool keep);
/* These two drop all of a large page with the address in it, though the processor may hold it in pieces
 * (4.10.4.1, note 1, and 4.10.2.3); a page fault drops the piece. */
void stale_invlpg(struct stale *s, unsigned vcpu, uint64_t va);
void stale_invpcid(struct stale *s, unsigned vcpu, unsigned type, unsigned pcid, uint64_t va);

/* A page fault was delivered for va. */
void stale_fault(struct stale *s, unsigned vcpu, uint64_t va);
/* Everything is dropped. */
void stale_flush_all(struct stale *s, unsigned vcpu);

/* Whether the vCPU may translate this access to pa by what it may have cached, A and D being set. */
bool stale_permits(const struct stale *s, unsigned vcpu, const struct mm_access *a,
		   uint64_t pa);

#endif
