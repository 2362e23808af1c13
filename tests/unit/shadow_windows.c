/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: atomic windows. Each case is named for the hazard it answers (HM-n: the list of what once
 * went wrong with temporary mappings of page tables); docs/windows.md says what each one is.
 * Read first: shadow_fixture.h, shadow/gmem.h. Read next: shadow_windows_pool.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "shadow/gmem_internal.h"
#include "shadow/rcu.h"
#include "tests/unit/shadow_fixture.h"

#define FRAMES 256u
#define WORDS  512u
#define CANARY 200u /* a frame that no test moves */

static struct gmem *make(uint64_t lowmem)
{
	struct gmem_config c = {.size = FRAMES << 12, .lowmem = lowmem};
	struct gmem *gm = NULL;

	CU_ASSERT_EQUAL_FATAL(gmem_create(&c, &gm), 0);
	return gm;
}

static struct gmem_stats stats(struct gmem *gm)
{
	struct gmem_stats st;

	gmem_stats(gm, &st);
	return st;
}

/* Nothing held, nothing refused, nobody waited in a window. */
static void end(struct gmem *gm)
{
	struct gmem_stats st = stats(gm);

	CU_ASSERT_EQUAL(st.lifo_errors, 0);
	CU_ASSERT_EQUAL(st.wait_violations, 0);
	CU_ASSERT_EQUAL(gmem_thread_exit(gm), 0);
	gmem_destroy(gm);
}

static uint64_t pattern(unsigned frame, unsigned word)
{
	return (uint64_t)frame << 32 | (word + 1) * 0x10001u;
}

static void fill(struct gmem *gm, unsigned frame)
{
	for (unsigned w = 0; w < WORDS; w++)
		CU_ASSERT_EQUAL(gmem_store(gm, GPA(frame << 12 | w << 3), pattern(frame, w), 8),
				0);
}

/* Whether all of frame reads as the pattern of from; from 0: zeroes. */
static bool reads(struct gmem *gm, unsigned frame, unsigned from)
{
	uint64_t buf[WORDS];

	if (gmem_read(gm, GPA(frame << 12), buf, sizeof(buf)))
		return false;
	for (unsigned w = 0; w < WORDS; w++)
		if (buf[w] != (from ? pattern(from, w) : 0))
			return false;
	return true;
}

/* ---- faults of this process ---- */
static sigjmp_buf trap;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(trap, 1);
}

bool fx_faults(volatile uint8_t *p)
{
	struct sigaction sa = {.sa_handler = on_fault}, segv, bus;
	bool faulted = true;

	sigaction(SIGSEGV, &sa, &segv);
	sigaction(SIGBUS, &sa, &bus);
	if (sigsetjmp(trap, 1) == 0) {
		*p = *p;
		faulted = false;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return faulted;
}

/* ---- moves ---- */

/* A move of frame 5 to 6 by a thread without slots, its kth allocation or mapping refused. Whether
 * one was. */
static bool move_refused(struct gmem *gm, unsigned k)
{
	bool refused;
	int err;

	fill(gm, 5);
	gmem_fill(gm, GPA(6 << 12), 0, SH_PAGE_SIZE);
	gmem_thread_exit(gm);
	fx_refuse_memory(k);
	err = gmem_move(gm, GPA(6 << 12), GPA(5 << 12), SH_PAGE_SIZE);
	refused = fx_refused();
	CU_ASSERT_EQUAL(err, refused ? -ENOMEM : 0);
	CU_ASSERT_EQUAL(gmem_held(gm), 0);
	CU_ASSERT(reads(gm, 5, refused ? 5 : 0));
	CU_ASSERT(reads(gm, 6, refused ? 0 : 5));
	return refused;
}

static void test_move_refused(void)
{
	struct gmem *gm = make(0);
	unsigned k = 0;

	while (move_refused(gm, k))
		k++;
	/* The buffer, the range of slots, a mapping for each window. */
	CU_ASSERT(k >= 4);
	end(gm);
}

static void test_null_not_unmapped(void)
{
	struct gmem *gm = make(0);

	for (unsigned k = 0; move_refused(gm, k); k++)
		CU_ASSERT_EQUAL(stats(gm).lifo_errors, 0);
	/* And with every slot taken, then all but one. */
	for (unsigned free = 0; free < 2; free++) {
		void *w[GMEM_SLOTS];
		unsigned n = GMEM_SLOTS - free;
		uint64_t violations = stats(gm).wait_violations;

		for (unsigned i = 0; i < n; i++)
			w[i] = gmem_map(gm, GFN(20 + i));
		CU_ASSERT_EQUAL(gmem_move(gm, GPA(7 << 12), GPA(8 << 12), 8), -ENOMEM);
		CU_ASSERT_EQUAL(gmem_held(gm), n);
		while (n-- > 0)
			gmem_unmap(gm, w[n]);
		/* This caller should not have moved with windows open, and it was seen. */
		CU_ASSERT(stats(gm).wait_violations > violations);
		CU_ASSERT_EQUAL(stats(gm).lifo_errors, 0);
	}
	CU_ASSERT_EQUAL(gmem_thread_exit(gm), 0);
	gmem_destroy(gm);
}

/* Overlaps, parts, and what is refused. */
static void test_move(void)
{
	struct gmem *gm = make(0x8000);
	uint64_t v;

	fill(gm, 9);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(0x9008), GPA(0x9000), SH_PAGE_SIZE - 8), 0);
	for (unsigned w = 0; w < WORDS; w++) {
		gmem_load64(gm, GPA(0x9000 + w * 8), &v);
		CU_ASSERT_EQUAL(v, w ? pattern(9, w - 1) : 0);
	}
	fill(gm, 9);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(0x1000), GPA(0x9000), SH_PAGE_SIZE), 0);
	CU_ASSERT(reads(gm, 1, 9) && reads(gm, 9, 0));
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(0x1000), GPA(0x9ff8), 16), -EFAULT);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(0x1004), GPA(0x9000), 8), -EFAULT);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(FRAMES << 12), GPA(0x9000), 8), -EFAULT);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(0x1000), GPA(0x9000), 0), -EFAULT);
	end(gm);
}

/* ---- the checker ---- */
static void checked_move(struct gmem *gm)
{
	fill(gm, 5);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(6 << 12), GPA(5 << 12), SH_PAGE_SIZE), 0);
}

static void test_move_does_not_wait(void)
{
	struct gmem *gm = make(0);

	checked_move(gm);
	CU_ASSERT_EQUAL(stats(gm).wait_violations, 0);
	CU_ASSERT_PTR_NULL(stats(gm).violator);
	end(gm);
}

static void op_invlpg(struct fake *f)
{
	sh_invlpg(f->vcpu[0].v, GVA(0));
}
static void op_flush(struct fake *f)
{
	sh_flush_all(f->vcpu[0].v);
}
static void op_write(struct fake *f)
{
	uint64_t e = fx_pte(G_DATA, T_RWU);

	sh_write(f->mmu, f->vcpu[0].v, GPA(G_PT << 12), &e, 8);
}
static void op_crossing(struct fake *f)
{
	uint64_t two[2] = {0, 0};

	sh_write(f->mmu, f->vcpu[0].v, GPA((80 << 12) - 8), two, 16);
}
static void op_fault(struct fake *f)
{
	struct sh_walk w;

	sh_fault(f->vcpu[0].v, GVA(0x3000), SH_USER, &w);
}
static void op_root(struct fake *f)
{
	struct sh_regs r = fx_regs(G_PML4_B);
	mfn_t root;

	sh_set_regs(f->vcpu[0].v, &r, SH_FLUSH_ALL);
	sh_root(f->vcpu[0].v, SH_VIEW_USER, &root);
}
static void op_audit(struct fake *f)
{
	sh_audit(f->mmu, NULL, 0);
}
static void op_vcpu(struct fake *f)
{
	struct sh_vcpu *v = NULL;

	if (sh_vcpu_create(f->mmu, 9, &v) == 0)
		sh_vcpu_destroy(v);
}
static void op_pool(struct fake *f)
{
	gmem_pool_unmap(f->gm, gmem_pool_map(f->gm, GFN(90)));
}
static void op_move(struct fake *f)
{
	gmem_move(f->gm, GPA(90 << 12), GPA(91 << 12), 8);
}
static void op_grace(struct fake *f)
{
	(void)f;
	sh_read_wait();
}
static void op_memory(struct fake *f)
{
	struct gmem *gm = NULL;

	(void)f;
	if (gmem_create(&(struct gmem_config){.size = 1 << 20}, &gm) == 0)
		gmem_destroy(gm);
}

/* Whatever may wait says so, from the way in that a caller takes. */
static void test_checker_covers(void)
{
	static void (*const op[])(struct fake * f) = {
		op_invlpg, op_flush, op_write, op_crossing, op_fault, op_root,
		op_audit,  op_vcpu,  op_pool,  op_move,	    op_grace, op_memory};
	struct fake_config cfg;
	uint64_t seen = 0;
	struct fake f;

	fake_defaults(&cfg);
	cfg.lowmem = 0;
	fx_start(&f, &cfg);
	fx_try(&f, 0, 0x1000, SH_USER);
	for (unsigned i = 0; i < sizeof(op) / sizeof(op[0]); i++) {
		void *w;

		op[i](&f);
		CU_ASSERT_EQUAL(stats(f.gm).wait_violations, seen);
		w = gmem_map(f.gm, GFN(100));
		op[i](&f);
		gmem_unmap(f.gm, w);
		if (stats(f.gm).wait_violations == seen)
			printf("# operation %u was not seen\n", i);
		CU_ASSERT(stats(f.gm).wait_violations > seen);
		CU_ASSERT_PTR_NOT_NULL(stats(f.gm).violator);
		seen = stats(f.gm).wait_violations;
	}
	CU_ASSERT_EQUAL(fake_destroy(&f), seen);
}

/* ---- what happens to the slots of one who waits ---- */
static struct gmem *stolen_from;

static void steal(void)
{
	gmem_windows_steal(stolen_from, GFN(CANARY));
}

static void test_stealing(void)
{
	struct gmem *gm = make(0);

	fill(gm, CANARY);
	checked_move(gm); /* the thread has slots */
	fill(gm, 5);
	stolen_from = gm;
	fx_on_alloc(steal);
	CU_ASSERT_EQUAL(gmem_move(gm, GPA(6 << 12), GPA(5 << 12), SH_PAGE_SIZE), 0);
	fx_on_alloc(NULL);
	CU_ASSERT(reads(gm, 6, 5));
	CU_ASSERT(reads(gm, 5, 0));
	CU_ASSERT(reads(gm, CANARY, CANARY));
	gmem_thread_exit(gm);
	gmem_destroy(gm);
}

/* ---- the stack ---- */
static void test_lifo(void)
{
	struct gmem *gm = make(0);
	void *a = gmem_map(gm, GFN(1)), *b = gmem_map(gm, GFN(1)), *pool;

	CU_ASSERT(a != b);
	gmem_unmap(gm, a);
	CU_ASSERT_EQUAL(stats(gm).lifo_errors, 1);
	CU_ASSERT_EQUAL(gmem_held(gm), 2);
	gmem_unmap(gm, b);
	gmem_unmap(gm, a);
	gmem_unmap(gm, a);
	CU_ASSERT_EQUAL(stats(gm).lifo_errors, 2);
	CU_ASSERT_EQUAL(stats(gm).max_depth, 2);
	CU_ASSERT_EQUAL(gmem_held(gm), 0);
	/* The other flavour's pointers. */
	pool = gmem_pool_map(gm, GFN(3));
	gmem_unmap(gm, pool);
	gmem_pool_unmap(gm, a);
	CU_ASSERT_EQUAL(stats(gm).lifo_errors, 3);
	CU_ASSERT_EQUAL(stats(gm).pool_errors, 1);
	gmem_pool_unmap(gm, pool);
	CU_ASSERT_EQUAL(gmem_thread_exit(gm), 0);
	gmem_destroy(gm);

	gm = make(0);
	checked_move(gm);
	end(gm);
}

/* Any operation on frame a (and b). */
static void any_op(struct gmem *gm, unsigned op, unsigned a, unsigned b)
{
	uint64_t v = 0, buf[4] = {0};
	uint32_t v32;

	switch (op) {
	case 0:
		gmem_read(gm, GPA((a << 12) - 8), buf, 16);
		break;
	case 1:
		gmem_write(gm, GPA((a << 12) - 8), buf, 16);
		break;
	case 2:
		gmem_load64(gm, GPA(a << 12), &v);
		break;
	case 3:
		gmem_load32(gm, GPA(a << 12), &v32);
		break;
	case 4:
		gmem_cmpxchg(gm, GPA(a << 12), &v, 1, 8);
		break;
	case 5:
		gmem_fill(gm, GPA(a << 12), 0, 2 * SH_PAGE_SIZE);
		break;
	default:
		gmem_move(gm, GPA(b << 12), GPA(a << 12), 64);
		break;
	}
}

/* 100,000 operations at random, at random depths, each with one refusal somewhere. */
static void test_depth_as_found(void)
{
	struct gmem *gm = make(0);
	uint64_t x = 88172645463325252ull, refusals = 0;

	for (unsigned i = 0; i < 100000; i++) {
		unsigned depth, op;
		void *w[6];

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		depth = x % 7;
		op = (unsigned)(x >> 8) % (depth ? 6 : 7); /* a move may not be made in one */
		for (unsigned d = 0; d < depth; d++)
			w[d] = gmem_map(gm, GFN((x >> 16) % (FRAMES - 8) + d));
		fx_refuse_memory((unsigned)(x >> 24) % 4);
		any_op(gm, op, 1 + (unsigned)(x >> 32) % 250, 1 + (unsigned)(x >> 40) % 250);
		refusals += fx_refused();
		if (gmem_held(gm) != depth)
			CU_FAIL_FATAL("depth changed");
		while (depth-- > 0)
			gmem_unmap(gm, w[depth]);
		if (i % 64 == 0)
			gmem_thread_exit(gm);
	}
	CU_ASSERT(refusals > 10000);
	end(gm);
}

/* Another walker uses all slots in between; the first finds its frames where it left them. */
static void test_park(void)
{
	for (unsigned k = 0; k <= GMEM_SLOTS; k++) {
		struct gmem *gm = make(0);
		struct gmem_parked parked;
		uint64_t *w[GMEM_SLOTS], *other;

		for (unsigned i = 0; i < k; i++) {
			w[i] = gmem_map(gm, GFN(i));
			w[i][WORDS - 1] = pattern(i, 7);
		}
		gmem_park(gm, &parked);
		CU_ASSERT_EQUAL(gmem_held(gm), 0);
		CU_ASSERT(!k || fx_faults((volatile uint8_t *)w[0]));
		sh_may_wait();
		for (unsigned i = 0; i < FRAMES - GMEM_SLOTS; i++) {
			other = gmem_map(gm, GFN(GMEM_SLOTS + i));
			memset(other, 0xee, SH_PAGE_SIZE);
			CU_ASSERT_EQUAL(gmem_unpark(gm, &parked), k ? -EBUSY : 0);
			gmem_unmap(gm, other);
		}
		CU_ASSERT_EQUAL(gmem_unpark(gm, &parked), 0);
		CU_ASSERT_EQUAL(gmem_held(gm), k);
		for (unsigned i = k; i-- > 0;) {
			CU_ASSERT_EQUAL(w[i][WORDS - 1], pattern(i, 7));
			gmem_unmap(gm, w[i]);
		}
		end(gm);
	}
}

static void guarded(uint8_t *p)
{
	CU_ASSERT(fx_faults(p - 1));
	CU_ASSERT(fx_faults(p + SH_PAGE_SIZE));
	CU_ASSERT_FALSE(fx_faults(p));
	CU_ASSERT_FALSE(fx_faults(p + SH_PAGE_SIZE - 1));
}

/* Each of the slots there are: one byte before and one behind it is no memory. */
static void test_guards(void)
{
	struct gmem *gm = make(0);
	uint8_t *low = NULL, *high = NULL, *w[GMEM_POOL_MAX];

	for (unsigned i = 0; i < FRAMES; i++) {
		uint8_t *p = gmem_map(gm, GFN(i));

		guarded(p);
		low = !low || p < low ? p : low;
		high = p > high ? p : high;
		gmem_unmap(gm, p);
	}
	CU_ASSERT_EQUAL((size_t)(high - low), (WINDOW_CACHE - 1) * WINDOW_STRIDE);
	CU_ASSERT_EQUAL(WINDOW_BYTES(16), 33 * SH_PAGE_SIZE);
	for (unsigned i = 0; i < GMEM_POOL_MAX; i++) {
		w[i] = gmem_pool_map(gm, GFN(i));
		guarded(w[i]);
	}
	for (unsigned i = 0; i < GMEM_POOL_MAX; i++)
		gmem_pool_unmap(gm, w[i]);
	end(gm);
}

const struct tap_case suite_windows[] = {
	{"HM-1 a move refused at every index", test_move_refused},
	{"HM-2 a window that was not had is not closed", test_null_not_unmapped},
	{"moves", test_move},
	{"HM-3 a move does not wait in a window", test_move_does_not_wait},
	{"HM-3 all that may wait says so", test_checker_covers},
	{"HM-4 slots stolen at every wait of a move", test_stealing},
	{"HM-5 last in, first out", test_lifo},
	{"HM-6 the depth as it was found", test_depth_as_found},
	{"HM-9 windows parked under a walker", test_park},
	{"HM-10 guard pages", test_guards},
	{0},
};
