/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flush primitives on this host's own KVM: hazards X-1 to X-3 (docs/hazards.md). Each case also
 * runs with the flush left out, and reports how often the old entry was then still used: where that
 * is never, the case has no power here, and says so.
 *
 * The guest copies a word, counts, and starts over; its page moves between pages that hold their own
 * number. Read first: vmm/kvm/kvm.h, vmm/kvm/probe.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/page.h"
#include "tests/unit/tap.h"
#include "vmm/clock.h"
#include "vmm/kvm/probe.h"

#define SPIN_ROUNDS 10000u
#define STALE_TRIES 200u
#define SHOTS	    400u
#define LATE_NS	    5000000000ull

struct spinner {
	struct probe p;
	pthread_t thread;
	_Atomic int err;	 /* 1: not yet up */
	_Atomic uint32_t wanted; /* flushes asked for, counted */
	_Atomic uint32_t done;
	_Atomic bool stop, flush; /* flush: false leaves it out */
};

/* 1: mov (%rsi),%rax; mov %rax,(%rdi); incq 8(%rdi); jmp 1b */
static const uint8_t loop_code[] = {0x48, 0x8b, 0x06, 0x48, 0x89, 0x07,
				    0x48, 0xff, 0x47, 0x08, 0xeb, 0xf4};

static int build(struct probe *p, char *msg, size_t n)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->kv.fd = p->vm.kvm = p->vm.fd = -1;
	p->vm.own_mpa = MPA(1ull << 32);
	kvm_kick_install();
	err = kvm_vm_open(&p->vm, msg, n);
	if (!err)
		err = kvm_vm_create(&p->vm, 2, F_COUNT, msg, n);
	if (err)
		return err;
	kvm_table(&p->vm, F_ROOT)[1] = probe_frame(p, F_PDPT) | BITS;
	kvm_table(&p->vm, F_ROOT)[256] = p->vm.gate.pml4e;
	kvm_table(&p->vm, F_PDPT)[0] = probe_frame(p, F_PD) | BITS;
	kvm_table(&p->vm, F_PD)[0] = probe_frame(p, F_PT) | BITS;
	kvm_table(&p->vm, F_PT)[0] = probe_frame(p, F_CODE) | BITS;
	kvm_table(&p->vm, F_PT)[1] = probe_frame(p, F_OUT) | BITS;
	memcpy(kvm_table(&p->vm, F_CODE), loop_code, sizeof(loop_code));
	for (unsigned i = 0; i < PAGES; i++)
		kvm_table(&p->vm, F_DATA + i)[0] = i;
	probe_set_entry(p, 0);
	return 0;
}

static bool may_enter(void *arg)
{
	struct spinner *s = arg;

	return !atomic_load(&s->stop) && atomic_load(&s->wanted) == atomic_load(&s->done);
}

/* What a vCPU does for a shootdown: forget before it goes on. */
static void answer(struct spinner *s)
{
	uint32_t wanted = atomic_load(&s->wanted);

	if (atomic_load(&s->done) == wanted)
		return;
	if (atomic_load(&s->flush)) {
		kvm_queue_touch(&s->p.kv, probe_entry(&s->p));
		kvm_queue_invlpg(&s->p.kv, GVA(DATA_VA));
	}
	atomic_store(&s->done, wanted);
}

static void *spin(void *arg)
{
	struct spinner *s = arg;
	struct kvm_entry e = {
		.rip = USER_VA, .rflags = RFL_FIXED, .root = MFN(s->p.vm.table_mfn.v + F_ROOT)};
	enum kvm_left left = KVM_LEFT_KICKED;
	struct engine_exit x;
	int err = kvm_vcpu_open(&s->p.vm, 0, &s->p.kv);

	e.gpr[CPU_RSI] = DATA_VA;
	e.gpr[CPU_RDI] = OUT_VA;
	kvm_kick_arm(err ? NULL : s->p.kv.run);
	atomic_store(&s->err, err);
	while (!err && !atomic_load(&s->stop)) {
		answer(s);
		left = kvm_enter(&s->p.kv, &e, &x, may_enter, s);
		if (left != KVM_LEFT_KICKED && left != KVM_LEFT_NOT_ENTERED)
			break;
	}
	kvm_kick_arm(NULL);
	if (!atomic_load(&s->stop))
		atomic_store(&s->err, -EIO);
	return NULL;
}

static uint64_t word(struct spinner *s, unsigned i)
{
	return __atomic_load_n(&kvm_table(&s->p.vm, F_OUT)[i], __ATOMIC_ACQUIRE);
}

/* Waits until the guest has been round twice: what it shows then it has read since. */
static bool turns(struct spinner *s)
{
	uint64_t from = word(s, 1), start = clock_ns();

	while (word(s, 1) < from + 2)
		if (clock_ns() - start > LATE_NS)
			return false;
	return true;
}

/* Moves the page and kicks. False: the guest does not answer. */
static bool change(struct spinner *s, unsigned page)
{
	uint32_t n = atomic_load(&s->wanted) + 1;
	uint64_t start = clock_ns();

	probe_set_entry(&s->p, page);
	atomic_store(&s->wanted, n);
	while (atomic_load(&s->done) != n) {
		pthread_kill(s->thread, KVM_KICK_SIGNAL);
		if (clock_ns() - start > LATE_NS || atomic_load(&s->err) < 0)
			return false;
		for (unsigned i = 0; i < 2000 && atomic_load(&s->done) != n; i++)
			__builtin_ia32_pause();
	}
	return turns(s);
}

static bool begin(struct spinner *s)
{
	char msg[200] = "";

	memset(s, 0, sizeof(*s));
	s->err = 1;
	s->flush = true;
	if (build(&s->p, msg, sizeof(msg)) || pthread_create(&s->thread, NULL, spin, s)) {
		CU_FAIL("no VM");
		fprintf(stderr, "%s\n", msg);
		return false;
	}
	while (atomic_load(&s->err) == 1)
		__builtin_ia32_pause();
	return turns(s);
}

static void end(struct spinner *s)
{
	atomic_store(&s->stop, true);
	do
		pthread_kill(s->thread, KVM_KICK_SIGNAL);
	while (pthread_tryjoin_np(s->thread, NULL) == EBUSY && usleep(1000) == 0);
	CU_ASSERT(atomic_load(&s->err) == 0);
	kvm_vcpu_close(&s->p.kv);
	kvm_vm_destroy(&s->p.vm);
}

/* with the guest spinning on it. */
static void test_changed_entry(void)
{
	unsigned seen = 0, stale = 0;
	struct spinner s;

	if (!begin(&s))
		return;
	for (unsigned i = 1; i <= SPIN_ROUNDS && change(&s, i % PAGES); i++)
		seen += word(&s, 0) == i % PAGES;
	CU_ASSERT_EQUAL(seen, SPIN_ROUNDS);
	atomic_store(&s.flush, false);
	for (unsigned i = 1; i <= STALE_TRIES && change(&s, i % PAGES); i++)
		stale += word(&s, 0) != i % PAGES;
	printf("# %u of %u seen with the flush, %u of %u stale without%s\n", seen, SPIN_ROUNDS,
	       stale, STALE_TRIES, stale ? "" : ": no power on this host");
	end(&s);
}

/* ---- one vCPU, always on the same root ---- */

/* 0: nothing; 1: the same special registers once more; 2: the primitive. */
static unsigned rounds_seen(struct probe *p, unsigned how, unsigned rounds)
{
	static const uint8_t once[] = {0x48, 0x8b, 0x06, 0x0f, 0x0b}; /* load; ud2 */
	struct kvm_entry e;
	struct engine_exit x;
	unsigned seen = 0;

	memcpy(kvm_table(&p->vm, F_CODE), once, sizeof(once));
	for (unsigned i = 1; i <= rounds; i++) {
		e = (struct kvm_entry){.rip = USER_VA,
				       .rflags = RFL_FIXED,
				       .root = MFN(p->vm.table_mfn.v + F_ROOT)};
		e.gpr[CPU_RSI] = DATA_VA;
		probe_set_entry(p, i % PAGES);
		if (how == 1)
			p->kv.run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
		if (how == 2) {
			kvm_queue_touch(&p->kv, probe_entry(p));
			p->kv.flush_all = true;
		}
		if (kvm_enter(&p->kv, &e, &x, may_enter, &(struct spinner){.stop = false}) !=
		    KVM_LEFT_EXCEPTION)
			break;
		seen += e.gpr[CPU_RAX] == i % PAGES;
	}
	return seen;
}

static void test_same_root(void)
{
	char msg[200] = "";
	struct probe p;
	unsigned seen, kept;

	CU_ASSERT_FATAL(build(&p, msg, sizeof(msg)) == 0);
	CU_ASSERT_FATAL(kvm_vcpu_open(&p.vm, 0, &p.kv) == 0);
	seen = rounds_seen(&p, 2, 1000);
	CU_ASSERT_EQUAL(seen, 1000);
	kept = STALE_TRIES - rounds_seen(&p, 1, STALE_TRIES);
	printf("# 1000 of 1000 wanted, %u seen; %u of %u stale by identical registers%s\n",
	       seen, kept, STALE_TRIES, kept ? "" : ": no power on this host");
	kvm_vcpu_close(&p.kv);
	kvm_vm_destroy(&p.vm);
}

/* ---- a machine with one vCPU that spins and one that has not been started ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Shoots, and says how long it took; *left counts the times the spinning vCPU had left. */
static double shoot(struct machine *m, unsigned *left)
{
	uint64_t runs = atomic_load(&m->vcpu[0].runs), start;

	pthread_mutex_lock(&m->mmu->lock);
	start = clock_ns();
	m->mmu->be.shootdown(m->mmu->be.ctx, NULL);
	start = clock_ns() - start;
	pthread_mutex_unlock(&m->mmu->lock);
	*left += atomic_load(&m->vcpu[0].runs) != runs ||
		 atomic_load(&m->vcpu[0].mode) == VCPU_OUTSIDE;
	return (double)start;
}

static void series(struct machine *m, const char *what)
{
	double ns[SHOTS];
	unsigned left = 0;

	for (unsigned i = 0; i < SHOTS; i++) {
		ns[i] = shoot(m, &left);
		usleep(200);
	}
	qsort(ns, SHOTS, sizeof(ns[0]), by_value);
	CU_ASSERT_EQUAL(left, SHOTS);
	printf("# %s: p50 %.0f ns, p99 %.0f ns\n", what, ns[SHOTS / 2], ns[SHOTS * 99 / 100]);
}

/* The other vCPU waits for its start: it is told, and not waited for. */
static void test_shootdown(void)
{
	char kernel[4096], msg[512] = "";
	struct machine_config cfg = {.name = "flush",
				     .memory = 64 << 20,
				     .lowmem = 64 << 20,
				     .cpus = 2,
				     .kernel = kernel,
				     .append = "scenario=spin",
				     .serial_fd = open("/dev/null", O_WRONLY)};
	struct machine *m = NULL;
	const char *dir = getenv("builddir");

	snprintf(kernel, sizeof(kernel), "%s/guest/umbra-guest-amd64", dir ? dir : ".");
	sh_options_default(&cfg.options);
	CU_ASSERT_EQUAL_FATAL(machine_create(&cfg, &engine_kvm, &m, msg, sizeof(msg)), 0);
	CU_ASSERT_EQUAL_FATAL(machine_start(m, msg, sizeof(msg)), 0);
	usleep(1000000);
	CU_ASSERT_FALSE(atomic_load(&m->ended));
	series(m, "one runs, one waits");
	CU_ASSERT(atomic_load(&m->vcpu[1].mode) == VCPU_OUTSIDE);
	machine_pause(m);
	series(m, "all outside");
	CU_ASSERT(atomic_load(&m->vcpu[0].requests) & REQ_FLUSH);
	CU_ASSERT(atomic_load(&m->vcpu[1].requests) & REQ_FLUSH);
	machine_resume(m);
	usleep(100000);
	/* Who goes on has forgotten first. */
	CU_ASSERT_FALSE(atomic_load(&m->vcpu[0].requests) & REQ_FLUSH);
	machine_end(m, VERDICT_QUIT, "enough");
	machine_join(m);
	CU_ASSERT_EQUAL(sh_audit(m->mmu, msg, sizeof(msg)), 0);
	CU_ASSERT_EQUAL(machine_destroy(m), 0);
	close(cfg.serial_fd);
}

static const struct tap_case cases[] = {
	{"a changed entry is seen after a flush", test_changed_entry},
	{"a flush without a change of CR3", test_same_root},
	{"a shootdown reaches every vCPU", test_shootdown},
	{0},
};

int main(void)
{
	static const struct tap_suite suites[] = {{.name = "engine", .cases = cases}, TAP_END};
	const char *device = getenv("UMBRA_KVM_DEVICE");
	int kvm, code;

	device = device ? device : "/dev/kvm";
	kvm = open(device, O_RDWR);
	if (kvm < 0 || ioctl(kvm, KVM_GET_API_VERSION, 0) < 0) {
		printf("1..0 # SKIP no KVM behind %s: %s\n", device, strerror(errno));
		return 0;
	}
	close(kvm);
	urcu_memb_register_thread();
	code = tap_run_suites(suites);
	urcu_memb_unregister_thread();
	return code;
}
