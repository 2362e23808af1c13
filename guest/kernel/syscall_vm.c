/* SPDX-License-Identifier: BSD-2-Clause */
/* System calls about files, references to pages and what goes on behind them. Most exist for the
 * scenarios: no other kernel would let a process move its pages or slow itself down. */
#include "kernel/rcu.h"
#include "mm/file.h"

static slong file_op(struct trapframe *tf, struct file *f)
{
	switch (tf->ARG0) {
	case FILE_CLOSE:
		return file_close(f);
	case FILE_MAP:
		return mm_map_file(current()->mm, f, tf->ARG2, tf->ARG3, PROT_R | PROT_W);
	case FILE_TRUNCATE:
		return file_truncate(f, tf->ARG2);
	case FILE_DROP:
		return file_drop(f);
	case FILE_DISK:
		return file_disk_word(f, tf->ARG2);
	default:
		return -1;
	}
}

slong sys_file(struct trapframe *tf)
{
	struct file *f;

	if (tf->ARG0 == FILE_CREATE)
		return file_create(tf->ARG1);
	f = file_by_id(tf->ARG1);
	return f ? file_op(tf, f) : -1;
}

slong sys_msync(struct trapframe *tf)
{
	return mm_sync(current()->mm, tf->ARG0, tf->ARG1);
}

/* The word at an address, through a reference to its page and none of the user's entries. */
static slong peek(pa_t page, ulong va)
{
	const slong *p = kmap_local(page);
	slong word = p[va % PAGE_SIZE / sizeof(slong)];

	kunmap_local(p);
	return word;
}

slong sys_gup(struct trapframe *tf)
{
	ulong va = tf->ARG0;
	slong word = -1;
	pa_t page;

	preempt_begin();
	page = gup_fast(current()->mm, va);
	if (page) {
		word = peek(page, va);
		frame_unpin(page);
	}
	preempt_end();
	return word;
}

/* Keep a reference to the page under an address; 0 lets go of it. The word there. */
slong sys_hold(struct trapframe *tf)
{
	struct proc *p = current();
	slong word = -1;

	if (p->held_page) {
		word = peek(p->held_page, 0);
		frame_unpin(p->held_page);
		p->held_page = 0;
	}
	if (tf->ARG0)
		p->held_page = gup(p->mm, tf->ARG0);
	return p->held_page ? peek(p->held_page, 0) : word;
}

slong sys_migrate(struct trapframe *tf)
{
	return mm_migrate(current()->mm, tf->ARG0);
}

slong sys_rmap(struct trapframe *tf)
{
	return rmap_count(current()->mm, tf->ARG0);
}

slong sys_hard(struct trapframe *tf)
{
	struct proc *p = current();

	p->wander = tf->ARG0 & HARD_WANDER;
	p->starve = tf->ARG0 & HARD_STARVE;
	p->at_table = tf->ARG0 & HARD_AT_TABLE;
	p->meets = tf->ARG0 & HARD_MEET;
	p->dawdle = (u32)tf->ARG1;
	return 0;
}

slong sys_barrier(struct trapframe *tf)
{
	(void)tf;
	rcu_barrier();
	return 0;
}

slong sys_stat(struct trapframe *tf)
{
	const ulong stats[STAT_COUNT] = {
		[STAT_FLUSHES] = tlb_stats.flushes,
		[STAT_IPIS] = tlb_stats.ipis,
		[STAT_GATHER_FLUSHES] = gather_stats.flushes,
		[STAT_GATHER_BATCHES] = gather_stats.batches,
		[STAT_FORKS_JOINED] = meet_count(MEET_FORK_JOINED),
	};

	return tf->ARG0 < STAT_COUNT ? (slong)stats[tf->ARG0] : -1;
}
