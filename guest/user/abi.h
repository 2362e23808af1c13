/* SPDX-License-Identifier: BSD-2-Clause */
/* What ring 3 and the kernel share: call numbers, flags, the programs, and how a process ended.
 */
#ifndef GUEST_ABI_H
#define GUEST_ABI_H

enum syscall_number {
	SYS_NULL,
	SYS_EXIT, /* code */
	SYS_FORK, /* -> pid, 0 in the child */
	SYS_WAIT, /* struct exit_info * or 0 -> pid, -1 without children */
	SYS_GETPID,
	SYS_YIELD,
	SYS_MMAP,     /* length, prot, flags -> address */
	SYS_MUNMAP,   /* address, length */
	SYS_MPROTECT, /* address, length, prot */
	SYS_BRK,      /* new end, 0 asks -> end */
	SYS_MIX,      /* six arguments -> a mix in which each has its own weight */
	SYS_PIN,      /* mask of CPUs, 0: all -> the CPU it is on */
	SYS_CPUS,     /* -> number of CPUs */
	SYS_THREAD,   /* entry, stack top, argument -> pid; shares the address space */
	SYS_PTE,      /* address -> low 12 bits of its last-level entry, 0 if not present */
	SYS_CLEAN,    /* flag: make new entries with A and D clear */
	SYS_CLEAR_AD, /* address: clear A and D in its entry and flush */
	SYS_SUM,      /* address, length -> sum of bytes, -1 if it cannot be read */
	SYS_RANDOM,   /* -> the next number of the seeded sequence */
	SYS_RETRY,    /* flag: protection faults repeat the instruction instead of killing */
	SYS_MREMAP,   /* address, length, new length, new address or 0 -> new address */
	SYS_FAIL, /* n: the n-th allocation that can fail does; 0: none -> what was left of n */
	SYS_WALK, /* -> present pages of the caller's space, counted with pauses; -1: garbage */
	SYS_CAPTURE, /* enum capture_op -> see there */
	SYS_DUMP,    /* struct dump_info *: all of the space but what drivers have in it */
	SYS_COUNT
};

#define PROT_R 1
#define PROT_W 2
#define PROT_X 4

#define MAP_SHARED   1 /* populated at once, the same frames after fork */
#define MAP_POPULATE 2

enum capture_op {
	CAPTURE_NOPAGE,	   /* map the buffers, to be filled in by faults -> address, -1 */
	CAPTURE_REMAP,	   /* map them at once -> address, -1 */
	CAPTURE_REGISTERS, /* map the device's registers -> address, -1 */
	CAPTURE_RUN,	   /* new pictures -> their sequence number, -1 */
	CAPTURE_PAGES,	   /* -> pages of the buffers */
	CAPTURE_FAULTS,	   /* -> how often nopage was asked */
	CAPTURE_READS, /* -> how often the device's registers were read, this time included */
};

struct dump_info {
	unsigned long pages, sum, skipped;
};

#define KILLED_NO_MEMORY 0x200 /* exit_info.vector */

struct exit_info {
	unsigned int pid;
	unsigned int killed;
	unsigned long code;		   /* what it passed to exit */
	unsigned long vector, error, addr; /* why it was killed */
};

enum user_program {
	USER_EXIT,
	USER_NULL_CALLS,
	USER_ARGUMENTS,
	USER_DEMAND,
	USER_COW,
	USER_FORK_TREE,
	USER_FORK_STORM,
	USER_FAULT,
	USER_PREEMPT,
	USER_SCHED_MANY,
	USER_MPROTECT,
	USER_MMAP_CHURN,
	USER_BRK,
	USER_AD_BITS,
	USER_SMP_FORK,
	USER_SMP_ATOMIC,
	USER_SMP_THREADS,
	USER_SMP_MPROTECT,
	USER_MREMAP,
	USER_MREMAP_FAIL,
	USER_SMP_MREMAP,
	USER_WALK,
	USER_TABLES,
	USER_SHARE_ZAP,
	USER_BENCH_FAULT,
	USER_SWAP,
	USER_SWAP_FORK,
	USER_SWAP_THREADS,
	USER_SWAP_CLOCK,
	USER_SWAP_OOM,
	USER_RESERVED,
	USER_RESERVED_FORK,
	USER_RESERVED_OOM,
	USER_REMAP_FAIL,
	USER_CAPTURE,
	USER_CAPTURE_REGISTERS,
	USER_COUNT
};

enum user_fault_kind {
	FAULT_NULL_READ,
	FAULT_NULL_WRITE,
	FAULT_WRITE_RO,
	FAULT_EXEC_NX,
	FAULT_KERNEL_READ,
	FAULT_KERNEL_WRITE,
	FAULT_KERNEL_EXEC,
	FAULT_PRIVILEGED,
	FAULT_UD,
	FAULT_NONCANONICAL,
	FAULT_COUNT
};

#endif
