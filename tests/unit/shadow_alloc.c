/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: the host runs out. Each thing the library allocates is refused in turn, at every index, and
 * so is each table of the pool and each record of a reverse map: an error comes up, the audit is
 * clean, nothing is lost or half made, and the same call succeeds when it is tried again.
 * The calls are stood in for by the linker's --wrap (tests/shadow.mk).
 * Read first: shadow_fixture.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shadow/page.h"
#include "tests/unit/shadow_fixture.h"

enum source { MEMORY, POOL, RECORD, SOURCES };

static struct {
	bool armed;
	unsigned left; /* calls that still succeed */
	bool refused;
} source[SOURCES];

static _Atomic long live; /* allocations and mappings made and not given back */

static bool refuse(enum source s)
{
	if (!source[s].armed || source[s].left-- != 0)
		return false;
	source[s].armed = false;
	return source[s].refused = true;
}

static void arm(enum source s, unsigned k)
{
	source[s].armed = true;
	source[s].left = k;
	source[s].refused = false;
}

/* Whether the call that was to be refused came at all. */
static bool disarm(enum source s)
{
	source[s].armed = false;
	return source[s].refused;
}

void fx_refuse_memory(unsigned k)
{
	arm(MEMORY, k);
}

bool fx_refused(void)
{
	return disarm(MEMORY);
}

void fx_refuse_part(bool record, unsigned k)
{
	arm(record ? RECORD : POOL, k);
}

bool fx_part_refused(bool record)
{
	return disarm(record ? RECORD : POOL);
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void __wrap_free(void *p);
void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n);
struct sh_page *__real_sh_pool_get(struct sh_mmu *mmu);
struct sh_page *__wrap_sh_pool_get(struct sh_mmu *mmu);
int __real_sh_set_add(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s);
int __wrap_sh_set_add(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s);

static void (*on_alloc)(void);

/* An allocation may sleep, and then others run. */
static void sleep_here(void)
{
	void (*fn)(void) = on_alloc;

	if (!fn)
		return;
	on_alloc = NULL; /* fn may allocate */
	fn();
	on_alloc = fn;
}

static void *counted(void *p)
{
	live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t n)
{
	sleep_here();
	return refuse(MEMORY) ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
	sleep_here();
	return refuse(MEMORY) ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	sleep_here();
	return refuse(MEMORY) ? NULL : counted(__real_aligned_alloc(align, n));
}

void __wrap_free(void *p)
{
	live -= p != NULL;
	__real_free(p);
}

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	void *p;

	if (refuse(MEMORY)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = __real_mmap(at, n, prot, flags, fd, offset);
	live += p != MAP_FAILED && !(flags & MAP_FIXED);
	return p;
}

int __wrap_munmap(void *p, size_t n)
{
	live--;
	return __real_munmap(p, n);
}

struct sh_page *__wrap_sh_pool_get(struct sh_mmu *mmu)
{
	return refuse(POOL) ? NULL : __real_sh_pool_get(mmu);
}

int __wrap_sh_set_add(struct sh_mmu *mmu, sh_set_t *set, sh_slot_t s)
{
	return refuse(RECORD) ? -ENOMEM : __real_sh_set_add(mmu, set, s);
}

void fx_on_alloc(void (*fn)(void))
{
	on_alloc = fn;
}

/* ---- creation ---- */
static void test_gmem(void)
{
	for (unsigned low = 0; low < 2; low++) {
		struct gmem_config c = {.size = 1 << 20, .lowmem = low << 19};
		struct gmem *gm = NULL;
		long before = live;
		unsigned k = 0;

		for (bool more = true; more; k++) {
			int err;

			arm(MEMORY, k);
			err = gmem_create(&c, &gm);
			more = disarm(MEMORY);
			CU_ASSERT_EQUAL(err, more ? -ENOMEM : 0);
			if (more)
				CU_ASSERT_EQUAL(live, before);
		}
		/* The record, lowmem, the pool's range, and the call that succeeds. */
		CU_ASSERT_EQUAL(k, 3 + low);
		gmem_destroy(gm);
		CU_ASSERT_EQUAL(live, before);
	}
}

static void test_mmu(void)
{
	struct fake_config fc;
	struct sh_mmu_config mc;
	struct sh_mmu *mmu = NULL;
	struct sh_vcpu *v = NULL;
	struct fake f;
	long before;
	unsigned k = 0;

	fake_defaults(&fc);
	fx_start(&f, &fc);
	/* A second MMU on the same memory, with the first one's backend. */
	mc = (struct sh_mmu_config){
		.gm = f.gm, .backend = f.mmu->be, .model = fc.model, .options = fc.options};
	before = live;
	for (bool more = true; more; k++) {
		int err;

		arm(MEMORY, k);
		err = sh_mmu_create(&mc, &mmu);
		more = disarm(MEMORY);
		CU_ASSERT_EQUAL(err, more ? -ENOMEM : 0);
		if (more)
			CU_ASSERT_EQUAL(live, before);
	}
	CU_ASSERT_EQUAL(k, 10);
	arm(MEMORY, 0);
	CU_ASSERT_EQUAL(sh_vcpu_create(mmu, 3, &v), -ENOMEM);
	CU_ASSERT_EQUAL(sh_vcpu_create(mmu, 3, &v), 0);
	CU_ASSERT_EQUAL(sh_vcpu_create(mmu, 3, &(struct sh_vcpu *){NULL}), -EINVAL);
	sh_vcpu_destroy(v);
	CU_ASSERT_EQUAL(sh_mmu_destroy(mmu), 0);
	CU_ASSERT_EQUAL(live, before);
	fx_end(&f);
}

/* ---- events ---- */
static void start(struct fake *f, uint64_t lowmem)
{
	struct fake_config cfg;

	fake_defaults(&cfg);
	cfg.lowmem = lowmem;
	fx_start(f, &cfg);
	if (!lowmem)
		gmem_thread_exit(f->gm); /* so that the next window needs everything */
}

/* Each k in turn in a machine of its own: event() with the kth call to s refused. Returns how many
 * calls event() makes. */
static unsigned each(enum source s, uint64_t lowmem, int (*event)(struct fake *f))
{
	long before = live;
	unsigned k = 0;

	for (bool more = true; more; k++) {
		struct fake f;
		int err;

		start(&f, lowmem);
		arm(s, k);
		err = event(&f);
		more = disarm(s);
		fx_audit(&f);
		if (!more)
			CU_ASSERT_EQUAL(err, 0);
		CU_ASSERT(err == 0 || err == -ENOMEM || err == -EFAULT);
		/* Once more. */
		CU_ASSERT_EQUAL(event(&f), 0);
		fx_audit(&f);
		CU_ASSERT_EQUAL(fx_try(&f, 0, 0x1000, SH_USER).kind, FAKE_OK);
		fx_end(&f);
		CU_ASSERT_EQUAL(live, before);
	}
	return k - 1;
}

/* The root and three tables below it. 0 or what the host is out of; a fault the guest would see is
 * neither. */
static int first_fault(struct fake *f)
{
	enum sh_fault_result r;
	struct sh_walk w;

	if (fake_enter(f, 0, SH_USER))
		return -ENOMEM;
	r = sh_fault(f->vcpu[0].v, GVA(0x1000), SH_USER, &w);
	if (r == SH_FAULT_HOST)
		return -(int)w.error;
	return r == SH_FAULT_RESUME || r == SH_FAULT_SPURIOUS ? 0 : -EIO;
}

/* A leaf that gets a record, and one that changes its frame. */
static int write_entries(struct fake *f)
{
	uint64_t two[2] = {fx_pte(G_DATA + 30, T_RWU), fx_pte(G_DATA + 31, T_RWU)};

	return sh_write(f->mmu, f->vcpu[0].v, GPA((G_PT << 12) + 16), two, 16);
}

static int write_tracked(struct fake *f)
{
	int err = first_fault(f);

	return err ? err : write_entries(f);
}

static int write_crossing(struct fake *f)
{
	uint64_t two[2] = {0, fx_pte(G_DATA + 9, T_RWU)};
	int err = first_fault(f);

	return err ? err : sh_write(f->mmu, f->vcpu[0].v, GPA((G_PT << 12) - 8), two, 16);
}

static int exchange(struct fake *f)
{
	int err = first_fault(f), r;
	uint64_t expect = 0;

	if (err)
		return err;
	r = sh_cmpxchg(f->mmu, f->vcpu[0].v, GPA((G_PT << 12) + 16), &expect, 0, 8);
	if (r == 0)
		r = sh_cmpxchg(f->mmu, f->vcpu[0].v, GPA((G_PT << 12) + 16), &expect,
			       fx_pte(G_DATA + 30, T_RWU), 8);
	return r < 0 ? r : 0;
}

/* A large leaf and the two tables above it. */
static int large_fault(struct fake *f)
{
	enum sh_fault_result r;
	struct sh_walk w;

	if (gmem_store(f->gm, GPA((G_PD << 12) + 8), PTE_PS | fx_pte(512, T_RWU), 8))
		return -EFAULT;
	if (fake_enter(f, 0, SH_USER))
		return -ENOMEM;
	r = sh_fault(f->vcpu[0].v, GVA(2 << 20), SH_USER, &w);
	if (r == SH_FAULT_HOST)
		return -(int)w.error;
	return r == SH_FAULT_RESUME || r == SH_FAULT_SPURIOUS ? 0 : -EIO;
}

static int (*const events[])(struct fake *f) = {first_fault, write_tracked, write_crossing,
						exchange, large_fault};

static void test_memory(void)
{
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		CU_ASSERT(each(MEMORY, 4 << 20, events[i]) >= 1);
}

/* The same where each look at guest memory maps a window first. */
static void test_windows(void)
{
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		CU_ASSERT(each(MEMORY, 0, events[i]) >= 7);
}

static void test_records(void)
{
	/* Three links, and the leaf with its neighbours. */
	CU_ASSERT_EQUAL(each(RECORD, 4 << 20, first_fault), 3 + 8);
	CU_ASSERT(each(RECORD, 4 << 20, write_tracked) > 3 + 8);
	CU_ASSERT_EQUAL(each(RECORD, 4 << 20, large_fault), 2 + 1);
}

/* A table that was reserved is not there after all. */
static void test_tables(void)
{
	CU_ASSERT_EQUAL(each(POOL, 4 << 20, first_fault), 4);
	CU_ASSERT_EQUAL(each(POOL, 4 << 20, large_fault), 3);
}

/* The pool has n tables, and all of them are in use. */
static void test_pool_exhausted(void)
{
	for (unsigned n = 0; n <= 5; n++) {
		struct fake f;
		uint32_t limit;

		start(&f, 4 << 20);
		limit = f.mmu->limit;
		f.mmu->limit = n;
		CU_ASSERT_EQUAL(first_fault(&f), n < 4 ? -ENOMEM : 0);
		fx_audit(&f);
		f.mmu->limit = limit;
		CU_ASSERT_EQUAL(first_fault(&f), 0);
		fx_end(&f);
	}
}

const struct tap_case suite_alloc[] = {
	{"guest memory", test_gmem},
	{"an MMU and a vCPU", test_mmu},
	{"faults and writes without memory", test_memory},
	{"faults and writes without windows", test_windows},
	{"faults and writes without records", test_records},
	{"tables reserved and gone", test_tables},
	{"the pool used up at each table", test_pool_exhausted},
	{0},
};
