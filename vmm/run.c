/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `umbra run`: from options to an exit code.
 *
 * The main thread only waits, with the signals that end a run blocked in every thread and taken
 * here by sigtimedwait(), so that whatever ends the machine, the same clean-up follows.
 * Read first: commands.h, machine.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "vmm/commands.h"
#include "vmm/gdb/gdb.h"
#include "vmm/machine.h"
#include "vmm/runresult.h"
#include "vmm/runtrace.h"

#define END_SIGNAL (SIGRTMIN + 1)

const char *const umbra_mmu_names[] = {"prefetch",  "prefill", "inplace", "flood",
				       "rootcache", "unsync",  "large",	  "dmap",
				       "collapse",  NULL};
_Static_assert(sizeof(umbra_mmu_names) / sizeof(char *) == SH_OPTIONS + 1,
	       "one name per technique");

struct run {
	const struct umbra_options *o;
	struct machine_config cfg;
	struct machine *m;
	struct run_result result;
	char append[2048];
	char socket[UMBRA_SOCKET_MAX];
	struct gdb_place gdb_place;
	struct gdb *gdb; /* NULL without */
	pthread_t main;
	sigset_t signals;
	int serial_fd;
	struct run_trace trace;
};

static void on_end(void *ctx)
{
	struct run *r = ctx;

	pthread_kill(r->main, END_SIGNAL);
}

static int build_append(struct run *r)
{
	const struct umbra_options *o = r->o;
	int n = snprintf(r->append, sizeof(r->append), "%s%scpus=%u seed=%llu%s%s",
			 o->append ? o->append : "", o->append ? " " : "", o->cpus,
			 (unsigned long long)o->seed, o->scenario ? " scenario=" : "",
			 o->scenario ? o->scenario : "");

	if (n < 0 || (size_t)n >= sizeof(r->append))
		return complain(UMBRA_USAGE,
				"the command line for the guest is longer than %zu "
				"bytes; shorten --append or --scenario",
				sizeof(r->append) - 1);
	return 0;
}

static void set_techniques(struct run *r)
{
	sh_options_default(&r->cfg.options);
	for (unsigned i = 0; umbra_mmu_names[i]; i++)
		if (r->o->mmu_option[i] != SWITCH_UNSET)
			sh_options_set(&r->cfg.options, umbra_mmu_names[i],
				       r->o->mmu_option[i] == SWITCH_ON);
}

static int open_serial(struct run *r)
{
	const struct umbra_options *o = r->o;

	r->serial_fd = -1;
	if (o->serial == SERIAL_STDIO)
		r->serial_fd = STDOUT_FILENO;
	if (o->serial != SERIAL_FILE)
		return 0;
	r->serial_fd = open(o->serial_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (r->serial_fd < 0)
		return complain(UMBRA_HOST, "cannot open %s: %s; give another file to --serial",
				o->serial_file, strerror(errno));
	return 0;
}

/* Tried before the run, not after it. */
int check_output(const char *path, const char *option)
{
	char dir[4096];
	char *slash;

	if (!path || access(path, W_OK) == 0)
		return 0;
	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	if (errno == ENOENT && access(slash ? dir : ".", W_OK) == 0)
		return 0;
	return complain(UMBRA_HOST, "cannot write %s: %s; give another file to %s", path,
			strerror(errno), option);
}

/* Our own guests do without what CPL 3 can't show exactly; any other kernel may read its selectors
 * or set IF by POPF, and is interpreted unless told otherwise. */
static bool interpret_kernel(const struct umbra_options *o)
{
	return o->exact == EXACT_ON || (o->exact == EXACT_AUTO && !o->own_guest);
}

static int configure(struct run *r)
{
	const struct umbra_options *o = r->o;
	uint64_t tables = o->shadow_limit / SH_PAGE_SIZE;
	char msg[256];
	int err = build_append(r);

	if (err)
		return err;
	if (o->gdb && gdb_place_parse(o->gdb, &r->gdb_place, msg, sizeof(msg)))
		return complain(UMBRA_USAGE, "--gdb: %s", msg);
	if (o->shadow_limit && tables < SH_MIN_TABLES)
		return complain(UMBRA_USAGE, "--shadow-limit is less than %u KiB; give more",
				SH_MIN_TABLES * 4);
	r->cfg = (struct machine_config){
		.name = o->name,
		.memory = o->memory,
		.lowmem = o->lowmem,
		.memory_file = o->memory_file,
		.window_debug = o->window_debug == SWITCH_ON,
		.dmap = {.pagealloc = o->pagealloc != PAGEALLOC_OFF,
			 .largest = o->pagealloc == PAGEALLOC_4K},
		.cpus = o->cpus,
		.swap = o->swap,
		.shadow_limit = (uint32_t)tables,
		.pt_update = o->pt_update,
		.kernel = o->kernel,
		.initrd = o->initrd,
		.append = r->append,
		.start_paused = o->start_paused,
		.interpret_kernel = interpret_kernel(o),
		.tlb_adversarial = o->tlb == TLB_KIND_ADVERSARIAL,
		.seed = o->seed,
		.hybrid_budget = o->hybrid_budget,
	};
	set_techniques(r);
	if (r->cfg.dmap.pagealloc && !r->cfg.options.on[SH_OPT_DMAP])
		return complain(UMBRA_USAGE, "--pagealloc is about the direct map; %s",
				"leave out --mmu-option dmap=off");
	err = run_trace_configure(&r->trace, o);
	if (!err)
		err = check_output(o->stats_file, "--stats-file");
	if (!err)
		err = check_output(o->result, "--result");
	if (!err)
		err = open_serial(r);
	r->cfg.serial_fd = r->serial_fd;
	return err;
}

static void block_signals(struct run *r)
{
	static const int all[] = {SIGINT, SIGTERM, SIGHUP};

	sigemptyset(&r->signals);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sigaddset(&r->signals, all[i]);
	sigaddset(&r->signals, END_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &r->signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->main = pthread_self();
}

static int start_control(struct run *r)
{
	const struct umbra_options *o = r->o;
	char msg[512];

	if (o->qmp_path[0])
		snprintf(r->socket, sizeof(r->socket), "%s", o->qmp_path);
	else if (control_default_path(o->name, r->socket, sizeof(r->socket)))
		return complain(UMBRA_HOST,
				"the default socket path for name %s is too long; give "
				"one with --qmp unix:PATH",
				o->name);
	if (control_start(r->socket, o->qmp_wait, &machine_control_ops, r->m, &r->m->control,
			  msg, sizeof(msg)))
		return complain(UMBRA_HOST, "%s", msg);
	return 0;
}

/* One of our 32-bit images is debugged as what it is; all else as 64-bit code, which includes 32-bit code
 * on its way there. */
static enum gdb_arch debug_arch(const struct umbra_options *o)
{
	if (o->own_guest && (!strcmp(o->guest, "i386") || !strcmp(o->guest, "pae")))
		return GDB_I386;
	return GDB_AMD64;
}

/* Once the vCPUs' threads are there: a debugger begins by bringing them to rest. */
static void start_gdb(struct run *r)
{
	char msg[512];

	if (r->o->gdb && gdb_start(&r->gdb_place, debug_arch(r->o), &gdb_machine_ops, r->m,
				   &r->gdb, msg, sizeof(msg)))
		machine_end(r->m, VERDICT_HOST, "%s", msg);
}

static void wait_for_end(struct run *r)
{
	struct timespec t = {.tv_sec = r->o->timeout};
	int sig;

	while (!atomic_load(&r->m->ended)) {
		sig = r->o->timeout ? sigtimedwait(&r->signals, NULL, &t)
				    : sigwaitinfo(&r->signals, NULL);
		if (sig < 0 && errno == EAGAIN)
			machine_end(r->m, VERDICT_TIMEOUT, "no result after %u s",
				    r->o->timeout);
		else if (sig > 0 && sig != END_SIGNAL)
			machine_end(r->m, VERDICT_QUIT, "ended by signal %d", sig);
	}
}

static int supervise(struct run *r)
{
	struct run_result *res = &r->result;
	char msg[512];
	int code, err;

	if (r->o->gdb)
		machine_debug_init(r->m);
	if (machine_start(r->m, msg, sizeof(msg)))
		machine_end(r->m, VERDICT_HOST, "%s", msg);
	else
		start_gdb(r);
	wait_for_end(r);
	run_tell_clients(res, r->m->verdict == VERDICT_CRASH, "GUEST_PANICKED");
	machine_join(r->m);
	res->violations = sh_audit(r->m->mmu, res->audit, sizeof(res->audit));
	run_tell_clients(res, res->violations, "SHADOW_AUDIT_FAILED");
	machine_event(r->m, "SHUTDOWN", run_shutdown_reason(r->m->verdict));
	code = run_exit_code(res);
	gdb_stop(r->gdb, (unsigned)code, r->m->verdict == VERDICT_CRASH ? SIGABRT : 0);
	control_stop(r->m->control);
	run_tell(res);
	err = run_write_files(res, code);
	return code ? code : err;
}

/* Our images besides amd64 are 32-bit or have five levels: none of their code would run natively, and
 * the software engine interprets fastest. */
static bool interpreted_anyway(const struct umbra_options *o)
{
	return o->own_guest && o->guest && strcmp(o->guest, "amd64") != 0;
}

/* The fastest engine that works here, or the one that was asked for; why says what speaks against
 * a faster one. */
static const struct engine *choose_engine(const struct umbra_options *o, char *why, size_t n)
{
	char no_kvm[256];

	*why = 0;
	if (o->engine == ENGINE_SOFT)
		return &engine_soft;
	if (o->engine == ENGINE_HYBRID)
		return &engine_hybrid;
	if (o->engine == ENGINE_KVM)
		return &engine_kvm;
	if (interpreted_anyway(o)) {
		snprintf(why, n, "natively only 64-bit code with 4-level paging is run");
		return &engine_soft;
	}
	if (engine_hybrid.usable(why, n))
		return &engine_hybrid;
	if (engine_kvm.usable(no_kvm, sizeof(no_kvm)))
		return &engine_kvm;
	snprintf(why, n, "%s", no_kvm);
	return &engine_soft;
}

static int check_engine(struct run *r, const struct engine *e)
{
	const struct umbra_options *o = r->o;
	bool soft = e == &engine_soft, given = o->seed_given || r->cfg.tlb_adversarial;

	if (!soft && r->cfg.tlb_adversarial)
		return complain(UMBRA_USAGE, "--tlb adversarial is the software engine's; add "
					     "--cpu soft");
	if (!soft && o->soft_threads != THREADS_AUTO)
		return complain(UMBRA_USAGE,
				"--soft-threads is the software engine's; add --cpu soft");
	if (e != &engine_hybrid && o->hybrid_budget != HYBRID_AUTO)
		return complain(UMBRA_USAGE, "--hybrid-budget is the hybrid engine's; add "
					     "--cpu hybrid");
	r->cfg.one_thread = soft && (o->soft_threads == THREADS_OFF ||
				     (o->soft_threads == THREADS_AUTO && given));
	if (soft)
		r->cfg.interpret_kernel = false; /* all of it is, and exact */
	return 0;
}

static void tell_engine(const struct run *r, const char *why)
{
	const struct machine *m = r->m;

	if (r->o->engine != ENGINE_AUTO)
		return;
	if (*why)
		complain(0, "engine %s (%s; %s)", m->engine->name, m->engine_note, why);
	else
		complain(0, "engine %s (the fastest here; %s%s)", m->engine->name,
			 m->engine_note,
			 r->cfg.interpret_kernel ? ", kernel code interpreted" : "");
}

static int run_machine(struct run *r)
{
	char msg[512], why[256];
	const struct engine *engine = choose_engine(r->o, why, sizeof(why));
	int code = check_engine(r, engine);
	unsigned leaked;

	if (code)
		return code;
	code = machine_create(&r->cfg, engine, &r->m, msg, sizeof(msg));
	if (code)
		return complain(code == -2 ? UMBRA_USAGE : UMBRA_HOST, "%s", msg);
	r->result = (struct run_result){.o = r->o, .m = r->m};
	r->m->on_end = on_end;
	r->m->on_end_ctx = r;
	if (r->m->engine_warning)
		complain(0, "%s", r->m->engine_warning);
	tell_engine(r, why);
	code = run_trace_start(&r->trace, r->m);
	if (!code)
		code = start_control(r);
	if (!code)
		code = supervise(r);
	code = run_trace_stop(&r->trace, r->m, code);
	gmem_thread_exit(r->m->gm);
	leaked = machine_destroy(r->m);
	blackbox_close(r->trace.rings);
	if (leaked)
		code = complain(UMBRA_CRASH, "%u shadow objects leaked; this is a bug of Umbra",
				leaked);
	return code;
}

int cmd_run(const struct umbra_options *o)
{
	struct run *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return complain(UMBRA_HOST, "out of memory");
	r->o = o;
	urcu_memb_register_thread();
	block_signals(r);
	code = configure(r);
	if (!code)
		code = run_machine(r);
	if (r->serial_fd > STDERR_FILENO)
		close(r->serial_fd);
	urcu_memb_unregister_thread();
	free(r);
	return code;
}
