/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One virtual machine: memory, shadow MMU, vCPUs, devices, and its life.
 *
 * Life: created -> (prelaunch, if asked) -> running <-> paused -> ended with a verdict. The first
 * verdict counts; machine_end() may be called by anybody.
 *
 * Locks. m->lock (mutex, with m->changed) guards state, pausing and halting; it is a leaf: nothing
 * else is taken under it but a device's lock never. The shadow MMU's locks (shadow/locks.h) are
 * never taken with m->lock held.
 * Read first: engine.h, vcpu.h.
 */
#ifndef UMBRA_MACHINE_H
#define UMBRA_MACHINE_H

#include "vmm/boot/boot.h"
#include "vmm/control/control.h"
#include "vmm/debug.h"
#include "vmm/dev/dev.h"
#include "vmm/options.h"
#include "vmm/vcpu.h"

#define MACHINE_MAX_CPUS 64

struct hybrid_machine;
struct soft;

/* Why a machine ended. */
enum verdict {
	VERDICT_NONE,
	VERDICT_GUEST_EXIT, /* debug-exit port; value in exit_value */
	VERDICT_CRASH,	    /* triple fault, not emulated, audit failure */
	VERDICT_HOST,	    /* the host failed */
	VERDICT_QUIT,	    /* by the control socket or a signal */
	VERDICT_TIMEOUT,
};

struct machine_config {
	const char *name;
	uint64_t memory, lowmem;
	const char *memory_file; /* NULL: none */
	bool window_debug;
	struct sh_dmap_config dmap;
	unsigned cpus;
	uint64_t swap;	       /* bytes of the swap device; 0: there is none */
	uint32_t shadow_limit; /* tables; 0 for the default */
	enum umbra_pt_update pt_update;
	struct sh_options options;
	const char *kernel, *initrd, *append;
	int serial_fd; /* -1 for none */
	bool start_paused;
	bool interpret_kernel; /* --exact: guest code below CPL 3 is interpreted */
	/* Software engine. one_thread: all vCPUs take turns in one thread, in an order and in a
	 * time that follow from the seed alone. */
	bool one_thread;
	bool tlb_adversarial;
	uint64_t seed;
	uint32_t hybrid_budget; /* HYBRID_AUTO, HYBRID_FOREVER or instructions */
};

struct machine {
	struct machine_config cfg;
	const struct engine *engine;
	unsigned can; /* CAN_ bits of the engine */
	void *eng;
	struct soft *soft;	       /* soft and hybrid: where interpreted code walks */
	struct hybrid_machine *hybrid; /* hybrid only */
	uint32_t exit_ns;	       /* KVM: an exit and the way back, as probed */
	uint32_t insn_ps;	       /* hybrid: an interpreted instruction, as measured */
	struct gmem *gm;
	struct sh_mmu *mmu;
	struct bus *bus;
	struct apic *apic;
	struct uart *uart;
	struct capture *capture;
	struct swapdev *swapdev; /* NULL: none */
	struct cpu_model model;
	struct vcpu vcpu[MACHINE_MAX_CPUS];
	struct control *control; /* NULL without a socket */
	struct machine_debug debug;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned pausers; /* how many want it paused */
	bool user_paused; /* one of them is the control socket */
	unsigned resting; /* vCPU threads that are paused or ended */
	unsigned threads;
	enum verdict verdict;
	uint32_t exit_value;
	char why[4096]; /* of a crash or host error */
	_Atomic bool ended;

	_Atomic uint64_t epoch;	     /* CLOCK_MONOTONIC at machine time 0 */
	_Atomic uint64_t stopped_at; /* machine time while paused, else 0 */
	_Atomic uint64_t turned;     /* machine time with cfg.one_thread */
	struct dev_host host;
	pthread_mutex_t split_lock; /* LOCKed accesses that no single host instruction does */
	uint64_t tsc_khz;
	struct boot_result boot; /* how its image is entered */
	struct {		 /* tick() of inspect.c */
		uint64_t since, shootdowns, kicks;
	} storm;
	struct { /* guestreport.c; the serial device's lock */
		char line[256];
		unsigned len;
	} report;
	void (*on_end)(void *ctx); /* called once, by whoever ends it */
	void *on_end_ctx;
	const char *pt_update_name; /* what the engine settled on */
	char engine_note[128];
	const char *engine_warning; /* NULL: none */
};

/* Builds everything up to loaded memory; no thread runs yet. 0; or with one line in msg, -2 if
 * the image is to blame, -1 if anything else is. */
int machine_create(const struct machine_config *cfg, const struct engine *engine,
		   struct machine **out, char *msg, size_t n);
/* Starts the vCPU threads. 0 or -1 with msg. */
int machine_start(struct machine *m, char *msg, size_t n);
/* Stops all threads; after it nothing executes. */
void machine_join(struct machine *m);
/* Frees everything. Returns the number of leaked shadow objects (0 unless there is a bug). */
unsigned machine_destroy(struct machine *m);

/* Ends the machine with a verdict; fmt gives the reason. The first call wins. Any thread. */
void machine_end(struct machine *m, enum verdict v, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Brings all vCPUs to rest and returns; nests. Not from a vCPU's thread. */
void machine_pause(struct machine *m);
void machine_resume(struct machine *m);
/* Devices with threads of their own rest while vCPUs do: part of the two above, which each stop of another
 * kind pairs up with. Nests. Not with m->lock held. */
void machine_hold_devices(struct machine *m, bool hold);

/* Loads kernel, command line and the rest into memory; m->boot says how to enter it. 0 or -EINVAL with
 * one line in msg. */
int machine_load_image(struct machine *m, char *msg, size_t n);
/* reset.c: the machine as it was when it started, with the image loaded anew. Not from a vCPU's thread.
 * 0, or -1 with one line in msg: it has ended, or will because its image can't be loaded any more. */
int machine_reset(struct machine *m, char *msg, size_t n);
/* v's part of it, on its own thread, while it rests. */
void vcpu_reset(struct vcpu *v);
/* An event with a reason, in QEMU's words. inspect.c */
void machine_event(struct machine *m, const char *kind, const char *reason);
/* Bytes of the serial line, for GUEST_REPORT. guestreport.c */
void guest_report_feed(struct machine *m, const uint8_t *buf, size_t n);

uint64_t machine_now(struct machine *m);
/* The time stamp counter that all vCPUs see, before their offsets. */
uint64_t machine_tsc(struct machine *m);

/* A crash report of v: why, registers, a walk of the address. Ends the machine. */
void machine_crash(struct vcpu *v, gva_t gva, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

extern const struct cpu_ops vcpu_ops;
extern const struct control_ops machine_control_ops;
/* upcalls.c: fills in m->host. */
void machine_host_init(struct machine *m);

/* report.c: what a run came to, as JSON: engine, exits, shadow statistics. A new object. */
struct json_object *machine_stats_json(struct machine *m);

/* cpuid.c */
void machine_cpuid(const struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* can: CAN_ bits of whatever executes the guest. */
void machine_model(unsigned can, struct cpu_model *model, struct sh_cpu_model *sh);

/* A control register or EFER changed in v->cpu.s: the shadow MMU hears of it before the next
 * translation. memops.c */
void vcpu_sync_regs(struct vcpu *v);

/* exits.c: acts on what the engine reported. */
void vcpu_handle_exit(struct vcpu *v, const struct engine_exit *x);
/* Delivers an event through the guest's IDT; ends the machine if that can't be done. */
struct cpu_event;
void vcpu_deliver(struct vcpu *v, const struct cpu_event *e, uint64_t insn_start);
/* Interprets one instruction, with delivery; true if the vCPU can go on. */
bool vcpu_interpret(struct vcpu *v);
/* An exception of the instruction at RIP that came from no exit: delivers it as vcpu_handle_exit()
 * does, and ends the machine if it comes for ever. */
void vcpu_raise(struct vcpu *v, const struct cpu_fault *f);
/* What the interpreter could not go on from: ends the machine. */
void vcpu_broken(struct vcpu *v, enum cpu_result r, const struct interp_info *info,
		 const struct cpu_fault *f);

#endif
