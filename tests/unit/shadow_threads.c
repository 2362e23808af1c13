/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Stress with real threads: four vCPUs fault, store into tables natively or by emulation, switch
 * address spaces (and paging formats) and invalidate, while a device writes tables too and a monitor
 * looks on and changes attributes of the direct map. At the end: audit, leaks, and every address of every vCPU held against the reference.
 * Meant for -fsanitize=thread as well. Argument: milliseconds, default 2000.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <urcu/urcu-memb.h>

#include "shadow/dmap.h"
#include "shadow/trace.h"
#include "tests/unit/shadow_fixture.h"

#define THREADS 4u
#define TABLES	8u
#define LARGE	512ull /* frames of a region of 2 MiB: what large pages name */
#define REGIONS 8u     /* the first has the tables, the next two one now and then */

static struct fake f;
static bool mixed; /* every vCPU goes from one paging format to another */
static _Atomic bool stop;
static _Atomic uint64_t done, bad;

static uint64_t rnd(uint64_t *x)
{
	*x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
	return *x;
}

static uint64_t entry(uint64_t *x)
{
	uint64_t r = rnd(x);

	uint64_t e = T_RWU | (r & 0x100000 ? PTE_D : 0);

	if (r >> 32 & 1 && !(r & 0x600000)) /* a large page: with the tables, or above them */
		return e | PTE_PS | (r >> 41) % REGIONS * LARGE << 12;
	return (r >> 40 & 63 ? r % TABLES : LARGE * (1 + (r >> 50) % 2) + r % 2) << 12 | e;
}

/* Two bits of n for each level: entries 0 and 1 of tables of 8-byte entries, 0 and 2 of others. */
static uint64_t address_of(unsigned i, uint64_t n)
{
	const struct sh_format *fmt = &sh_formats[sh_vcpu_mode(f.vcpu[i].v)->format];
	uint64_t va = fmt->levels ? 0 : n % TABLES << 12;

	for (unsigned level = 1; level <= fmt->levels; level++, n >>= 2)
		va |= (fmt->level[level].perms ? (n & 1) * (8 / fmt->entry_bytes) : n & 3)
		      << fmt->level[level].shift;
	return va;
}

static uint64_t address(unsigned i, uint64_t *x)
{
	return address_of(i, rnd(x)) | (rnd(x) & 1) << 3;
}

static struct sh_regs registers(uint64_t *x)
{
	static const uint64_t cr4[] = {0, 1 << 4, 1 << 5, 1 << 5, 1 << 5 | 1 << 12};
	unsigned format = mixed ? rnd(x) % SH_FORMATS : SH_FMT_4LVL;
	struct sh_regs r = fx_regs(rnd(x) % TABLES);

	r.cr0 ^= rnd(x) & 1 ? R_WP : 0;
	if (format == SH_FMT_NONE)
		r.cr0 &= 0x7fffffff;
	if (format < SH_FMT_4LVL)
		r.efer = R_NXE;
	r.cr4 = cr4[format];
	for (unsigned i = 0; i < 4 && format == SH_FMT_PAE; i++)
		r.pdpte[i] = fx_pte(rnd(x) % TABLES, PTE_P);
	return r;
}

static void vcpu_step(unsigned i, uint64_t *x)
{
	uint64_t r = rnd(x) % 100, v = entry(x);
	struct sh_regs regs;

	if (r < 85) {
		unsigned flags = (r & 1 ? SH_WRITE : 0) | (r & 2 ? SH_USER : 0);
		struct fake_result got = fake_access(&f, i, address(i, x), flags, &v, 8);

		if ((got.kind == FAKE_HOST || got.kind == FAKE_STUCK) &&
		    atomic_fetch_add(&bad, 1) < 3)
			printf("vCPU %u: %s, last %d after %u faults\n", i,
			       got.kind == FAKE_HOST ? "error" : "stuck", got.last, got.faults);
	} else if (r < 92) {
		sh_write(f.mmu, f.vcpu[i].v, GPA(rnd(x) % TABLES << 12 | (r & 1) << 3), &v, 8);
	} else if (r < 97) {
		fx_invlpg(&f, i, address(i, x));
	} else {
		regs = registers(x);
		fake_set_regs(&f, i, &regs, true);
	}
}

static void *vcpu_main(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	uint64_t x = 0x9e3779b97f4a7c15ull * (i + 1);

	urcu_memb_register_thread();
	while (!atomic_load(&stop)) {
		vcpu_step(i, &x);
		atomic_fetch_add(&done, 1);
	}
	gmem_thread_exit(f.gm);
	urcu_memb_unregister_thread();
	return NULL;
}

static void *device_main(void *arg)
{
	uint64_t x = 77;

	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t v = entry(&x);

		sh_write(f.mmu, NULL, GPA(rnd(&x) % TABLES << 12 | (rnd(&x) & 1) << 3), &v, 8);
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	gmem_thread_exit(f.gm);
	return NULL;
}

/* Attributes of the direct map that no guest notices, so that its large pages come and go. */
static void paint(uint64_t *x)
{
	static const unsigned bits[] = {SH_DM_PIN, SH_DM_PCD, SH_DM_PAT};
	unsigned bit = bits[rnd(x) % 3];
	bool one = rnd(x) % 4, on = rnd(x) % 2;
	struct sh_dmap_req req = {.set = on ? bit : 0, .clear = on ? 0 : bit};
	uint64_t first = rnd(x) % 4 * LARGE;
	int err = sh_dmap_change(f.mmu, NULL, GFN(one ? first + rnd(x) % 8 : first),
				 one ? 1 : LARGE, &req);

	if (err && err != -ENOMEM && err != -EOPNOTSUPP && atomic_fetch_add(&bad, 1) < 3)
		printf("direct map: error %d\n", err);
}

/* Records switched on and off, and read while they come: in order, none lost unnoticed. */
static void trace(uint64_t *x)
{
	static struct sh_trace_record rec[256];
	static struct sh_trace_read rd;
	unsigned n;

	if (rnd(x) % 8 == 0)
		sh_trace_set(f.mmu, rnd(x) & rnd(x));
	n = sh_trace_read(f.mmu, &rd, &SH_TRACE_ALL, rec, 256);
	for (unsigned i = 0; i < n; i++)
		if (rec[i].event >= SH_TRACES || rec[i].seq <= rd.since ||
		    (i && rec[i].seq <= rec[i - 1].seq))
			atomic_fetch_add(&bad, 1);
	if (n + rd.lost != rd.next - rd.since)
		atomic_fetch_add(&bad, 1);
	rd.since = rd.next <= sh_trace_newest(f.mmu) ? rd.next : 0;
}

static void *monitor_main(void *arg)
{
	struct sh_root_info info[16];
	struct sh_path path;
	struct sh_stats st;
	uint64_t x = 99;

	(void)arg;
	urcu_memb_register_thread();
	while (!atomic_load(&stop)) {
		for (unsigned i = 0; i < 8; i++)
			paint(&x);
		unsigned n = sh_roots(f.mmu, info, 16);

		for (unsigned i = 0; i < n && i < 16; i++)
			sh_path(f.mmu, info[i].mfn, GVA(0x1000), &path);
		sh_mmu_stats(f.mmu, &st);
		trace(&x);
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	urcu_memb_unregister_thread();
	return NULL;
}

static void start(uint32_t limit)
{
	struct fake_config cfg;
	struct sh_regs regs = fx_regs(0);
	uint64_t x = 5;

	fake_defaults(&cfg);
	cfg.vcpus = THREADS;
	cfg.threads = true;
	cfg.tagged = true;
	cfg.size = cfg.lowmem = REGIONS * LARGE << 12;
	cfg.limit = limit;
	cfg.levels = mixed ? 5 : 4;
	if (fake_create(&cfg, &f))
		exit(1);
	for (unsigned i = 0; i < TABLES * 2; i++)
		gmem_store(f.gm, GPA((i / 2) << 12 | (i & 1) << 3), entry(&x), 8);
	for (unsigned i = 0; i < THREADS; i++)
		fake_set_regs(&f, i, &regs, true);
}

/* What all the runs have met, so that there was something to get wrong; one short run may not. */
static struct {
	uint64_t large, split, dmap_splits, collapses;
} met;

static unsigned met_everything(unsigned number)
{
	bool ok = met.large && met.split && met.dmap_splits && met.collapses;

	printf("# %lu large leaves, %lu split; direct map: %lu splits, %lu collapses\n",
	       (unsigned long)met.large, (unsigned long)met.split,
	       (unsigned long)met.dmap_splits, (unsigned long)met.collapses);
	printf("%s %u - large leaves and the direct map were among it\n", ok ? "ok" : "not ok",
	       number);
	return !ok;
}

static unsigned finish(void)
{
	char buf[500] = "";
	unsigned wrong = sh_audit(f.mmu, buf, sizeof(buf)), leaks;
	struct sh_dmap_stats dm;
	struct sh_stats st;
	uint64_t v = 0;

	if (wrong)
		printf("audit: %s", buf);
	for (unsigned i = 0; i < THREADS; i++) {
		sh_flush_all(f.vcpu[i].v);
		for (uint64_t n = 0; n < 1024; n++) {
			uint64_t va = address_of(i, n);
			struct mm_cpu cpu = fx_cpu(&f, i);
			struct mm_access a = fx_access_of(va, 0);
			struct mm_result m = mm_translate(&cpu, &a);
			struct fake_result r = fake_access(&f, i, va, 0, &v, 8);

			if (fx_agrees(&f, &m, &r))
				continue;
			wrong++;
			printf("vCPU %u va %#lx: reference %d %#x %#lx, shadow %d %#x %#lx\n",
			       i, (unsigned long)va, m.kind, m.error, (unsigned long)m.pa,
			       r.kind, r.error, (unsigned long)r.gpa);
		}
	}
	wrong += f.violations + (unsigned)atomic_load(&bad);
	if (f.violations)
		printf("# %s\n", f.why);
	sh_mmu_stats(f.mmu, &st);
	met.large += st.v[SH_ST_LARGE];
	met.split += st.v[SH_ST_LARGE_SPLIT];
	if (sh_dmap_stats(f.mmu, &dm)) {
		met.dmap_splits += dm.splits[2];
		met.collapses += dm.collapses[2];
	}
	leaks = fake_destroy(&f);
	return wrong + leaks;
}

static unsigned run(unsigned number, unsigned ms, uint32_t limit, bool formats)
{
	pthread_t t[THREADS + 2];
	unsigned wrong;

	mixed = formats;
	start(limit);
	atomic_store(&stop, false);
	atomic_store(&done, 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, vcpu_main, (void *)(uintptr_t)i);
	pthread_create(&t[THREADS], NULL, device_main, NULL);
	pthread_create(&t[THREADS + 1], NULL, monitor_main, NULL);
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L},
		  NULL);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < THREADS + 2; i++)
		pthread_join(t[i], NULL);
	wrong = finish();
	printf("%s %u - threads against each other, %s, limit %u\n# %lu steps, %u wrong\n",
	       wrong ? "not ok" : "ok", number, mixed ? "every paging format" : "4-level",
	       limit, (unsigned long)atomic_load(&done), wrong);
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned ms = argc > 1 ? (unsigned)atoi(argv[1]) : 2000, wrong;

	urcu_memb_register_thread();
	printf("1..5\n");
	wrong = run(1, ms / 4, 0, false) + run(2, ms / 4, 40, false);
	wrong += run(3, ms / 4, 0, true) + run(4, ms / 4, 40, true);
	wrong += met_everything(5);
	urcu_memb_unregister_thread();
	return wrong != 0;
}
