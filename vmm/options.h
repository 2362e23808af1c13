/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What `umbra run` was asked to do.
 *
 * Strings point into argv. A parse never prints and never exits; main.c does both.
 *
 * Read first: opttable.h. Read next: commands.h.
 */
#ifndef UMBRA_OPTIONS_H
#define UMBRA_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/opttable.h"

enum umbra_engine { ENGINE_AUTO, ENGINE_KVM, ENGINE_SOFT, ENGINE_HYBRID };
enum umbra_exact { EXACT_AUTO, EXACT_ON, EXACT_OFF };
enum umbra_mmu { MMU_SHADOW, MMU_NATIVE };
enum umbra_pt_update { PT_UPDATE_AUTO, PT_UPDATE_DIRECT, PT_UPDATE_GATED };
enum umbra_serial { SERIAL_STDIO, SERIAL_NONE, SERIAL_FILE };
enum umbra_exit_style { EXIT_STYLE_UMBRA, EXIT_STYLE_RAW };
enum umbra_tlb { TLB_KIND_PLAIN, TLB_KIND_ADVERSARIAL };
enum umbra_threads { THREADS_AUTO, THREADS_ON, THREADS_OFF };
enum umbra_pagealloc { PAGEALLOC_OFF, PAGEALLOC_ON, PAGEALLOC_4K };
enum umbra_switch { SWITCH_UNSET = -1, SWITCH_OFF, SWITCH_ON };

#define HYBRID_AUTO    UINT32_MAX
#define HYBRID_FOREVER (UINT32_MAX - 1)

#define UMBRA_MAX_CPUS	      64
#define UMBRA_MAX_MMU_OPTIONS 64
#define UMBRA_NAME_MAX	      32
#define UMBRA_SOCKET_MAX      108 /* sockaddr_un's sun_path */

struct umbra_options {
	const char *kernel;   /* path; NULL: the image of guest */
	bool own_guest;	      /* kernel is one of our images: set by main.c */
	const char *guest;    /* "amd64" unless said otherwise */
	const char *scenario; /* NAME[,NAME...], checked for form only; NULL: all */
	const char *append;   /* NULL: none */
	const char *initrd;   /* NULL: none */

	uint64_t memory;	 /* bytes, a multiple of 4 KiB */
	const char *memory_file; /* keeps it; NULL: none */
	unsigned cpus;		 /* 1..UMBRA_MAX_CPUS */
	uint64_t swap;		 /* bytes, a multiple of 4 KiB; 0: no swap device */

	enum umbra_engine engine;
	enum umbra_exact exact;
	enum umbra_tlb tlb;
	enum umbra_threads soft_threads;
	uint32_t hybrid_budget; /* HYBRID_AUTO, HYBRID_FOREVER or instructions */

	enum umbra_mmu mmu;
	enum umbra_pt_update pt_update;
	uint64_t lowmem;		/* bytes always mapped; 0 allowed; may exceed memory */
	enum umbra_switch window_debug; /* windows fault once they are closed */
	enum umbra_pagealloc pagealloc; /* what is free is not in the direct map */
	uint64_t shadow_limit;		/* bytes of shadow tables; 0: the library's default */
	/* One per name in mmu_names, in its order: what --mmu-option said of it. */
	enum umbra_switch mmu_option[UMBRA_MAX_MMU_OPTIONS];
	const char *const *mmu_names; /* closed by NULL */

	char name[UMBRA_NAME_MAX + 1];	 /* "umbra-PID" unless said otherwise */
	char qmp_path[UMBRA_SOCKET_MAX]; /* "": the default place for name */
	bool qmp_wait;
	enum umbra_serial serial;
	const char *serial_file; /* SERIAL_FILE only */
	bool start_paused;
	const char
		*gdb; /* where a debugger may connect, checked for form only; NULL: nowhere */

	unsigned timeout; /* seconds; 0: none */
	uint64_t seed;
	bool seed_given;
	const char *stats_file;	  /* NULL: none */
	const char *result;	  /* NULL: none */
	const char *trace;	  /* EVENTS[:FILE]; NULL: none */
	const char *trace_filter; /* NULL: none */
	enum umbra_exit_style exit_style;

	bool help, version; /* asked for: print it instead of running */
};

/* The rows of `umbra run`. */
extern const struct option_def run_options[];

/* Fills in the defaults, then parses argv[1..]. mmu_names are the techniques that --mmu-option
 * may switch, closed by NULL, at most UMBRA_MAX_MMU_OPTIONS. Returns 0; or -1 with one line
 * "what is wrong; what to do" in msg. */
int options_parse(int argc, char **argv, const char *const *mmu_names, struct umbra_options *o,
		  char *msg, size_t n);

#endif
