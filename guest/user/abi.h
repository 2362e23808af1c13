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
	SYS_EXEC, /* name, array of strings that ends with 0: only returns on error */
	SYS_MADVISE, /* address, length, advice */
	SYS_PIPE,    /* int[2]: where to put the end to read from and the one to write to */
	SYS_CLOSE,   /* fd */
	SYS_READ,    /* fd, address, length -> bytes, 0 at the end */
	SYS_WRITE,   /* fd, address, length -> bytes */
	SYS_SIGNAL,  /* signal, handler, where the handler returns to */
	SYS_KILL,    /* pid, signal */
	SYS_SLEEP,   /* ticks */
	SYS_TICKS,   /* -> ticks since the boot */
	SYS_REPORT,  /* low, high: cycles of one round; operations in it: for the scenario */
	SYS_FILE,    /* enum file_op, file, ... */
	SYS_MSYNC,   /* address, length: what was written to files there is on disk */
	SYS_GUP,     /* address -> the word there, by reference to its page; -1: not mapped */
	SYS_HOLD,    /* address: keep a reference to its page, 0: let go -> its first word */
	SYS_MIGRATE, /* address: another frame for its page -> 1, 0: it is in use, -1: none */
	SYS_RMAP,    /* address -> how many spaces map its page */
	SYS_HARD,    /* enum hardship, loops: makes this process's life harder */
	SYS_BARRIER, /* until all tables are free that were unlinked */
	SYS_STAT,    /* enum statistic -> its value */
	SYS_CAPTURE, /* enum capture_op -> see there */
	SYS_DUMP,    /* struct dump_info *: all of the space but what drivers have in it */
	SYS_COUNT
};

/* With the stack as a handler leaves it; does not return. A number that start.S knows. */
#define SYS_SIGRETURN 0x1000

/* Results of calls that fail. */
#define ERR	 (-1L)
#define ERR_PIPE (-2L) /* nobody will read this */
#define ERR_INTR (-3L) /* a signal came first */

enum file_op {
	FILE_CREATE,   /* pages -> file */
	FILE_CLOSE,    /* file; -1 if mapped */
	FILE_MAP,      /* file, first page, pages -> address; shared, writable */
	FILE_TRUNCATE, /* file, pages */
	FILE_DROP,     /* file -> how many clean pages are not in memory any more */
	FILE_DISK,     /* file, page -> its first word on disk */
};

enum hardship {
	HARD_WANDER = 1, /* at every point of preemption it goes to another CPU */
	HARD_STARVE = 2, /* no memory to gather with */
	HARD_AT_TABLE =
		4, /* loops before the table is looked into; else, before its page is taken */
	HARD_MEET = 8, /* it waits where kernel/meet.c says */
};

enum statistic {
	STAT_FLUSHES, /* TLB flushes asked for */
	STAT_IPIS,    /* interrupts sent for them */
	STAT_GATHER_FLUSHES,
	STAT_GATHER_BATCHES,
	STAT_FORKS_JOINED, /* forks that have got as far as kernel/meet.c tells */
	STAT_COUNT
};

#define PROT_R 1
#define PROT_W 2
#define PROT_X 4

#define MAP_SHARED   1 /* populated at once, the same frames after fork */
#define MAP_POPULATE 2
#define MAP_IMAGE    16 /* a private copy of the user image, from its start */

#define MADV_DONTNEED 4

/* What a descriptor has at most in one call that is not cut by others' bytes. */
#define PIPE_ATOMIC 256
#define MAX_FDS	    16

enum signal {
	SIG_NONE,
	SIG_FAULT, /* an exception; from the kernel only */
	SIG_PIPE,
	SIG_USER,
	SIG_KILL, /* can't be handled */
	SIG_COUNT
};
/* Instead of a handler. */
#define SIG_DEFAULT 0 /* it ends the process */
#define SIG_IGNORE  1

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
	unsigned int killed;		   /* 1: by an exception, 2: by a signal */
	unsigned long code;		   /* what it passed to exit, or the signal */
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
	USER_FILE,
	USER_MSYNC,
	USER_RMAP,
	USER_MIGRATE,
	USER_GATHER,
	USER_GATHER_COUNT,
	USER_GUP,
	USER_TRUNCATE,
	USER_ALL_LOCKS,
	USER_SHARE_FLUSH,
	USER_BENCH_FAULT,
	USER_EXEC,
	USER_EXEC_STORM,
	USER_MADVISE,
	USER_BRK_SHRINK,
	USER_PIPE,
	USER_PIPE_END,
	USER_PIPELINE,
	USER_SMP_PIPE,
	USER_SIGNAL_FAULT,
	USER_SIGNAL_NESTED,
	USER_SIGNAL_BAD,
	USER_SIGNAL_REGISTERS,
	USER_KILL,
	USER_SLEEP,
	USER_ROAM,
	USER_MM_STORM,
	USER_SMP_STORM,
	USER_MICRO,
	USER_SWAP,
	USER_SWAP_FORK,
	USER_SWAP_THREADS,
	USER_SWAP_CLOCK,
	USER_SWAP_PIN,
	USER_SWAP_OOM,
	USER_RESERVED,
	USER_RESERVED_FORK,
	USER_RESERVED_OOM,
	USER_REMAP_FAIL,
	USER_CAPTURE,
	USER_CAPTURE_REGISTERS,
	USER_COUNT
};

/* What SYS_EXEC finds by name; each is exec_NAME(argc, argv) in user/. */
#define EXEC_PROGRAMS(X) X(args) X(chain) X(cat) X(code)

/* What SYS_EXEC leaves at the top of the stack; the argument of its program. */
#define EXEC_ARGS 16
struct exec_block {
	unsigned long argc;
	char *argv[EXEC_ARGS + 1];
};

/* The microbenchmarks: what USER_MICRO repeats. Its argument is (size << 8 | one of these). */
enum micro {
	MICRO_CALL,
	MICRO_FAULT_ANON,
	MICRO_FAULT_FILE,
	MICRO_FAULT_PROT,
	MICRO_FORK,
	MICRO_MAP,
	MICRO_REMAP,
	MICRO_SWITCH,
	MICRO_SHOOTDOWN,
	MICRO_COUNT
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
