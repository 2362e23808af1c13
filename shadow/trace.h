/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the shadow MMU did, event by event: a ring of fixed-size records for each vCPU, and one for all
 * other threads, each overwriting its oldest.
 *
 * Off, an event costs a load and a branch that is not taken. On, its writer takes a number that counts
 * all records of the MMU, so that they have one order whatever ring they are in, and stores eight words.
 * Nobody waits for anybody. Whoever reads copies records while writers go on and gets whole ones only;
 * what was overwritten before it came shows as numbers that are missing, and they are counted.
 *
 * Events have the names that KVM's tracepoints have where the thing is the same. SH_TRACE_EVENTS is the
 * one place that lists them: the enum, the table of names and fields, and the probes of --enable-usdt
 * (provider umbra; arguments are the record's) are made of it.
 *
 * Read first: mmu.h. Read next: trace.c, trace_hook.h.
 */
#ifndef UMBRA_SHADOW_TRACE_H
#define UMBRA_SHADOW_TRACE_H

#include "shadow/mmu.h"

#define SH_TRACE_ARGS	4u
#define SH_TRACE_OTHERS 64u    /* vcpu of a record whose thread is none */
#define SH_TRACE_SLOTS	16384u /* records of a ring */

/* What a field of a record is. Frames and slots are addresses too: the filter compares those of guest
 * memory. */
enum sh_trace_type {
	SH_TF_NONE,
	SH_TF_GVA,
	SH_TF_GPA,
	SH_TF_GFN,
	SH_TF_MFN,    /* of a shadow table, or of what an entry maps */
	SH_TF_SLOT,   /* machine address of a shadow entry */
	SH_TF_ENTRY,  /* a page-table entry */
	SH_TF_ACCESS, /* SH_WRITE and so on */
	SH_TF_ERROR,  /* a #PF error code */
	SH_TF_RESULT, /* enum sh_fault_result */
	SH_TF_COUNT,
	SH_TF_NS, /* how long it took; the record is made at its end */
};

/* X(name, help, type and name of each field...). level: whether the record's level says something. */
/* clang-format off */
#define SH_TRACE_EVENTS(X) \
	X(pagetable_walk, "a walk of the guest's tables", false, \
	  {"gva", SH_TF_GVA}, {"access", SH_TF_ACCESS}) \
	X(paging_element, "an entry that a walk of the guest's tables read", true, \
	  {"gva", SH_TF_GVA}, {"gpa", SH_TF_GPA}, {"entry", SH_TF_ENTRY}) \
	X(set_accessed_bit, "a walk set A in a guest entry", true, \
	  {"gva", SH_TF_GVA}, {"gpa", SH_TF_GPA}, {"entry", SH_TF_ENTRY}) \
	X(set_dirty_bit, "a walk set D in a guest entry", true, \
	  {"gva", SH_TF_GVA}, {"gpa", SH_TF_GPA}, {"entry", SH_TF_ENTRY}) \
	X(walker_error, "a walk ended in a fault of the guest's", true, \
	  {"gva", SH_TF_GVA}, {"error", SH_TF_ERROR}) \
	X(hidden_fault, "a page fault that the guest does not see was served", false, \
	  {"gva", SH_TF_GVA}, {"gpa", SH_TF_GPA}, {"access", SH_TF_ACCESS}, {"ns", SH_TF_NS}) \
	X(true_fault, "a page fault is the guest's", false, \
	  {"gva", SH_TF_GVA}, {"error", SH_TF_ERROR}, {"access", SH_TF_ACCESS}, {"ns", SH_TF_NS}) \
	X(other_fault, "a page fault ended otherwise: spurious, emulated, no memory", false, \
	  {"gva", SH_TF_GVA}, {"result", SH_TF_RESULT}, {"access", SH_TF_ACCESS}, {"ns", SH_TF_NS}) \
	X(tracked_write, "a write to a guest table was emulated; old and new: its first word", false, \
	  {"gpa", SH_TF_GPA}, {"old", SH_TF_ENTRY}, {"new", SH_TF_ENTRY}, {"bytes", SH_TF_COUNT}) \
	X(get_page, "a shadow table was made", true, \
	  {"gfn", SH_TF_GFN}, {"table", SH_TF_MFN}, {"direct", SH_TF_COUNT}) \
	X(prepare_zap_page, "a shadow table goes out of use", true, \
	  {"gfn", SH_TF_GFN}, {"table", SH_TF_MFN}, {"present", SH_TF_COUNT}) \
	X(set_spte, "a shadow entry was set", true, \
	  {"slot", SH_TF_SLOT}, {"old", SH_TF_ENTRY}, {"new", SH_TF_ENTRY}, {"gfn", SH_TF_GFN}) \
	X(drop_spte, "a shadow entry was dropped", true, \
	  {"slot", SH_TF_SLOT}, {"old", SH_TF_ENTRY}) \
	X(split, "a large leaf goes because a frame in it is a page table now", true, \
	  {"slot", SH_TF_SLOT}) \
	X(track_page, "a guest frame is a page table now: writes to it fault", false, \
	  {"gfn", SH_TF_GFN}, {"narrowed", SH_TF_COUNT}) \
	X(untrack_page, "a guest frame is no page table any more, or one left writable", false, \
	  {"gfn", SH_TF_GFN}) \
	X(unsync_page, "a last-level table is left writable", false, \
	  {"gfn", SH_TF_GFN}) \
	X(sync_page, "such a table was looked through for changes", false, \
	  {"gfn", SH_TF_GFN}, {"changed", SH_TF_COUNT}) \
	X(sync_entry, "a word of such a table was found changed", false, \
	  {"gpa", SH_TF_GPA}, {"old", SH_TF_ENTRY}, {"new", SH_TF_ENTRY}) \
	X(dmap_change, "an entry of the direct map was changed", true, \
	  {"gfn", SH_TF_GFN}, {"slot", SH_TF_SLOT}, {"old", SH_TF_ENTRY}, {"new", SH_TF_ENTRY}) \
	X(dmap_split, "a large page of the direct map became small ones", true, \
	  {"gfn", SH_TF_GFN}, {"slot", SH_TF_SLOT}, {"old", SH_TF_ENTRY}, {"table", SH_TF_MFN}) \
	X(dmap_collapse, "small pages of the direct map became a large one", true, \
	  {"gfn", SH_TF_GFN}, {"slot", SH_TF_SLOT}, {"table", SH_TF_MFN}, {"new", SH_TF_ENTRY}) \
	X(cr3, "a guest address space was entered", false, \
	  {"gpa", SH_TF_GPA}, {"value", SH_TF_ENTRY}) \
	X(invlpg, "the guest dropped the translations of a page", false, \
	  {"gva", SH_TF_GVA}) \
	X(flush, "a vCPU forgets all of its translations", false, \
	  {"drops", SH_TF_COUNT}) \
	X(shootdown, "vCPUs were made to forget translations", false, \
	  {"vcpus", SH_TF_ENTRY}, {"kicks", SH_TF_COUNT}, {"ns", SH_TF_NS}) \
	X(grace_period, "readers of dropped tables have gone", false, \
	  {"tables", SH_TF_COUNT}, {"ns", SH_TF_NS})
/* clang-format on */

enum sh_trace_id {
#define X(name, ...) SH_TR_##name,
	SH_TRACE_EVENTS(X)
#undef X
		SH_TRACES
};

struct sh_trace_event {
	const char *name, *help;
	bool has_level;
	struct {
		const char *name; /* NULL: there are no more */
		enum sh_trace_type type;
	} field[SH_TRACE_ARGS];
};
extern const struct sh_trace_event sh_trace_events[SH_TRACES];

/* On whose behalf entries change: the innermost that applies. */
enum sh_trace_why {
	SH_WHY_NONE,
	SH_WHY_FAULT,	 /* a page fault is being served */
	SH_WHY_PREFETCH, /* a neighbour of the page that faulted */
	SH_WHY_WRITE,	 /* a tracked write, or one to a table that is out of step */
	SH_WHY_SYNC,	 /* a table that was out of step is brought in step */
	SH_WHY_ZAP,	 /* its table goes out of use */
	SH_WHY_TRACK,	 /* the frame became a page table */
	SH_WHY_UNMAP,	 /* the monitor takes frames back, or ends a mapping that it made */
	SH_WHY_ATTR,	 /* attributes of the direct map were changed, and its aliases follow */
	SH_WHYS
};
extern const char *const sh_trace_why_names[SH_WHYS];

struct sh_trace_record {
	uint64_t seq; /* from 1 */
	uint64_t ns;  /* by the MMU's clock */
	uint64_t rip; /* of the guest instruction; 0: not known */
	uint64_t arg[SH_TRACE_ARGS];
	uint8_t event, vcpu, why, level;
};

/* Bit i: event i is recorded. Taken together with a filter below: both may change while vCPUs run. 0, or
 * -ENOMEM where the rings, made by the first event that is switched on, can't be had. */
int sh_trace_set(struct sh_mmu *mmu, uint64_t events);
uint64_t sh_trace_get(const struct sh_mmu *mmu);

/* What is recorded or read of those. All zero but for last: nothing. */
struct sh_trace_filter {
	uint64_t events; /* bit set */
	uint64_t vcpus;	 /* bit set */
	bool others;	 /* of threads that are no vCPU */
	uint64_t first,
		last; /* some guest address of the record lies there; 0, UINT64_MAX: any */
};
#define SH_TRACE_ALL ((struct sh_trace_filter){UINT64_MAX, UINT64_MAX, true, 0, UINT64_MAX})
bool sh_trace_match(const struct sh_trace_filter *f, const struct sh_trace_record *r);
/* Of what is recorded; its events are not looked at. */
void sh_trace_filter(struct sh_mmu *mmu, const struct sh_trace_filter *f);

/* Where time stamps come from; CLOCK_MONOTONIC if it is not called. Before any event is on. */
void sh_trace_clock(struct sh_mmu *mmu, uint64_t (*now)(void *ctx), void *ctx);
/* Where the address of v's instruction stands whenever v's functions are called. */
void sh_vcpu_rip(struct sh_vcpu *v, const uint64_t *rip);

/* Copies the records that follow number `since` and match, in order, at most max of them. next is where to
 * go on; lost is how many numbers up to there are not to be had any more; more: another call would give
 * some at once. Any thread, several at a time. Returns how many were copied. */
struct sh_trace_read {
	uint64_t since, next, lost;
	bool more;
};
unsigned sh_trace_read(struct sh_mmu *mmu, struct sh_trace_read *rd,
		       const struct sh_trace_filter *f, struct sh_trace_record *out,
		       unsigned max);
/* The number of the newest record so far. */
uint64_t sh_trace_newest(const struct sh_mmu *mmu);

/* ---- rings that outlive their writer ---- */

/* Memory for the rings instead of the library's own: sh_trace_bytes() of zeros at a page, the caller's until
 * mmu has gone. Where it is shared with a file, the newest records are there whatever becomes of the process.
 * Before any event is on. */
size_t sh_trace_bytes(void);
void sh_trace_memory(struct sh_mmu *mmu, void *mem);
/* Which of those bytes a vCPU writes, SH_TRACE_OTHERS for all other threads. */
void sh_trace_part(unsigned vcpu, size_t *at, size_t *bytes);
/* The newest max records of such memory, in order, whoever wrote it and however that ended: what was being
 * written is left out, and what can't be a record. Returns how many; *lost: how many numbers between them are
 * missing. */
unsigned sh_trace_left(const void *mem, struct sh_trace_record *out, unsigned max,
		       uint64_t *lost);

/* Event by name, SH_TRACES if there is none. */
enum sh_trace_id sh_trace_find(const char *name);

#endif
