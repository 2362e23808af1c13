/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host takes frames from a running machine and gives them back: an engine's own part in
 * shootdowns (hazards TG-2, TG-8, X-3). The guest passes its scenarios all the same, and between a
 * frame's flush and its release nobody writes it: it is looked at for a while. Of all
 * frames those are taken that a vCPU is writing most: the one its stack pointer is in. So an engine that
 * asks no vCPU is found out at once: that case takes frames until it has been, and fails if it is not.
 * Read first: shadow/unmap.h.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/inspect.h"
#include "shadow/page.h"
#include "shadow/spte.h"
#include "shadow/unmap.h"
#include "tests/unit/tap.h"
#include "vmm/clock.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine.h"

#define FRAMES	 16384u /* 64 MiB */
#define CHUNK	 64u
#define LIMIT_S	 100u
#define TAKE_S	 5u /* then the guest is left alone */
#define BRIEF_NS 10000u
#define CAUGHT	 8u    /* frames written before their release: no accident */
#define PASSED	 0x10u /* what our guest's kernel writes to the exit port */

struct storm {
	struct machine *m;
	_Atomic bool ended;
	bool broken;
	uint64_t looked, written, released, stacks, kicks;
	uint64_t until, patience_ns;
};

static char image[4096];

/* A frame in one number, without the bits that walks of the guest's tables set at any time. */
static uint64_t digest(struct gmem *gm, gfn_t gfn)
{
	uint64_t word[512], h = 0;

	if (gmem_read(gm, gfn_gpa(gfn), word, sizeof(word)))
		return 0;
	for (unsigned i = 0; i < 512; i++)
		h = (h ^ (word[i] & ~0x60ull)) * 0x100000001b3ull;
	return h;
}

static bool nobody_writes(void *ctx, gfn_t gfn)
{
	struct storm *s = ctx;
	uint64_t before = digest(s->m->gm, gfn), from = clock_ns();
	bool same = true;

	do
		if (s->patience_ns > BRIEF_NS)
			sched_yield(); /* to a vCPU, where there are fewer cores */
	while ((same = digest(s->m->gm, gfn) == before) && clock_ns() - from < s->patience_ns);
	s->looked++;
	s->written += !same;
	return true;
}

/* The next frame that the guest has mapped writable or not; a hint, read without a lock. */
static gfn_t mapped_from(struct sh_mmu *mmu, uint64_t at)
{
	for (unsigned i = 0; i < FRAMES; i++) {
		gfn_t gfn = GFN((at + i) % (FRAMES - CHUNK));

		if (atomic_load(&mmu->rmap[gfn.v]) >> 8)
			return gfn;
	}
	return GFN(at % (FRAMES - CHUNK));
}

/* The frame that a leaf of this view maps at gva. */
static bool frame_at(struct machine *m, unsigned vcpu, enum sh_view view, gva_t gva, gfn_t *gfn)
{
	struct sh_regs r;
	struct sh_mode mode;
	struct sh_path path;
	mfn_t root;
	uint64_t e;

	if (!sh_vcpu_peek(m->mmu, vcpu, &r, &mode) ||
	    !sh_root_of(m->mmu, vcpu, &r, view, &root) || !sh_path(m->mmu, root, gva, &path))
		return false;
	e = path.spte[path.level];
	if (path.level > 1 || !(e & PTE_W))
		return false;
	*gfn = gmem_gfn(m->gm, sh_spte_mfn(e));
	return true;
}

/* Where a vCPU's stack is by what it last said; a hint, too. On KVM those of processes alone: in
 * the kernel's the monitor itself writes, when it delivers an exception. */
static bool stack_of(struct machine *m, unsigned vcpu, gfn_t *gfn)
{
	gva_t sp =
		GVA(__atomic_load_n(&m->vcpu[vcpu].cpu.s.gpr[CPU_RSP], __ATOMIC_RELAXED) - 8);

	return frame_at(m, vcpu, SH_VIEW_USER, sp, gfn) ||
	       (m->engine == &engine_soft && frame_at(m, vcpu, SH_VIEW_KERNEL, sp, gfn));
}

static void take(struct storm *s, gfn_t first, uint64_t n, uint64_t patience_ns)
{
	const struct sh_release how = {nobody_writes, s};
	struct sh_unmapped u;

	s->patience_ns = patience_ns;
	sh_unmap_frames(s->m->mmu, NULL, first, n, &how, &u);
	s->released += u.released;
	s->kicks += u.kicks;
}

static void take_stacks(struct storm *s)
{
	gfn_t gfn;

	for (unsigned i = 0; i < s->m->cfg.cpus && s->written < CAUGHT; i++) {
		if (!stack_of(s->m, i, &gfn))
			continue;
		s->stacks++;
		take(s, gfn, 1, 1000000);
	}
}

/* Some that are mapped anywhere, then the stack of each vCPU. */
static void take_frames(struct storm *s)
{
	uint64_t rng = 88172645463325252ull, from = clock_ns();

	while (!s->ended && clock_ns() < s->until && s->written < CAUGHT) {
		if (!s->broken && clock_ns() - from > TAKE_S * 1000000000ull)
			return;
		rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
		if (!s->broken)
			take(s, mapped_from(s->m->mmu, rng % FRAMES), 1 + rng % CHUNK,
			     BRIEF_NS);
		take_stacks(s);
		usleep(200);
	}
}

static void on_end(void *ctx)
{
	((struct storm *)ctx)->ended = true;
}

static unsigned ask_nobody(void *ctx, struct sh_vcpu *cur, uint64_t vcpus)
{
	(void)ctx, (void)cur, (void)vcpus;
	return 0;
}

static unsigned ask_none(void *ctx, struct sh_vcpu *cur)
{
	(void)ctx, (void)cur;
	return 0;
}

static void run(const struct engine *engine, struct storm *s, bool broken, unsigned seconds)
{
	struct machine_config cfg = {
		.name = "unmap",
		.memory = (uint64_t)FRAMES << 12,
		.lowmem = (uint64_t)FRAMES << 12,
		.cpus = 3,
		.kernel = image,
		.append = "cpus=3 seed=1 scenario=smp-threads,smp-mprotect,cow-fork,smp-fork",
		.serial_fd = -1};
	char msg[512];

	memset(s, 0, sizeof(*s));
	s->broken = broken;
	sh_options_default(&cfg.options);
	CU_ASSERT_EQUAL_FATAL(machine_create(&cfg, engine, &s->m, msg, sizeof(msg)), 0);
	s->m->on_end = on_end;
	s->m->on_end_ctx = s;
	if (broken) {
		s->m->mmu->be.shootdown_some = ask_nobody;
		s->m->mmu->be.shootdown = ask_none;
	}
	s->until = clock_ns() + seconds * 1000000000ull;
	CU_ASSERT_EQUAL_FATAL(machine_start(s->m, msg, sizeof(msg)), 0);
	take_frames(s);
	while (!s->ended && clock_ns() < s->until && !broken)
		usleep(1000);
	if (!s->ended)
		machine_end(s->m, VERDICT_TIMEOUT, "too slow");
	machine_join(s->m);
}

static void done(struct storm *s)
{
	gmem_thread_exit(s->m->gm);
	CU_ASSERT_EQUAL(machine_destroy(s->m), 0);
}

static void storm_of(const struct engine *engine)
{
	struct storm s;
	char buf[512] = "";

	run(engine, &s, false, LIMIT_S);
	CU_ASSERT_EQUAL(s.m->verdict, VERDICT_GUEST_EXIT);
	CU_ASSERT_EQUAL(s.m->exit_value, PASSED);
	CU_ASSERT_EQUAL(sh_audit(s.m->mmu, buf, sizeof(buf)), 0);
	CU_ASSERT(s.looked > 0);
	CU_ASSERT_EQUAL(s.written, 0);
	CU_ASSERT(s.stacks > 0);
	printf("# %s: %llu frames taken, %llu of them stacks, %llu kicks, %llu written before "
	       "their release\n",
	       engine->name, (unsigned long long)s.released, (unsigned long long)s.stacks,
	       (unsigned long long)s.kicks, (unsigned long long)s.written);
	done(&s);
}

static void test_soft(void)
{
	storm_of(&engine_soft);
}

static void test_kvm(void)
{
	struct kvm_facts facts;
	char why[256];

	if (kvm_host_facts(&facts, why, sizeof(why)))
		printf("# not run: %s\n", why);
	else
		storm_of(&engine_kvm);
}

static void test_power(void)
{
	struct storm s;

	run(&engine_soft, &s, true, LIMIT_S);
	printf("# nobody asked: %llu of %llu frames, %llu of them stacks, written before their "
	       "release\n",
	       (unsigned long long)s.written, (unsigned long long)s.looked,
	       (unsigned long long)s.stacks);
	CU_ASSERT_EQUAL(s.written, CAUGHT);
	done(&s);
}

static const struct tap_case cases[] = {
	{"TG-2 frames taken from a machine on the software engine", test_soft},
	{"TG-2 frames taken from a machine on KVM", test_kvm},
	{"TG-2 the same with an engine that asks nobody", test_power},
	{0},
};

int main(void)
{
	static const struct tap_suite suites[] = {{.name = "unmap", .cases = cases}, TAP_END};
	const char *dir = getenv("UMBRA_GUEST_DIR");
	int code;

	snprintf(image, sizeof(image), "%s/umbra-guest-amd64", dir ? dir : "guest");
	if (access(image, R_OK)) {
		printf("1..0 # SKIP no guest image %s\n", image);
		return 0;
	}
	urcu_memb_register_thread();
	code = tap_run_suites(suites);
	urcu_memb_unregister_thread();
	return code;
}
