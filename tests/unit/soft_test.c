/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The software processor's memory: accesses that cross pages, precise faults, tracked tables,
 * device memory, in a machine with one vCPU and no code. What must come out is computed byte by
 * byte from the page table the test itself wrote.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/urcu-memb.h>

#include "tests/unit/tap.h"
#include "vmm/soft/soft.h"

#define MEMORY	(4ull << 20)
#define LOWMEM	(1ull << 20) /* frames above have windows only */
#define PML4	0x1000ull
#define PDPT	0x2000ull
#define PD	0x3000ull
#define PT	0x4000ull /* maps the first 2 MiB; page 4 of them is itself */
#define FIRST	64u	  /* pages the tests use */
#define PAGES	8u
#define DEVICE	0xe0000000ull
#define BASE_VA ((uint64_t)FIRST << 12)

#define P  1ull
#define W  2ull
#define U  4ull
#define NX (1ull << 63)

static struct machine m;
static struct vcpu *v;
static struct cpu_fault f;
static uint64_t device_word;
static unsigned device_reads, device_writes;

static uint64_t dev_read(void *dev, unsigned vcpu, uint64_t offset, unsigned size)
{
	(void)dev;
	(void)vcpu;
	(void)size;
	device_reads++;
	return device_word >> (offset & 7) * 8;
}

static void dev_write(void *dev, unsigned vcpu, uint64_t offset, unsigned size, uint64_t val)
{
	(void)dev;
	(void)vcpu;
	device_writes++;
	memcpy((uint8_t *)&device_word + (offset & 7), &val, size);
}

static void poke(uint64_t gpa, uint64_t val)
{
	CU_ASSERT_EQUAL(sh_write(m.mmu, v->sh, GPA(gpa), &val, 8), 0);
}

/* The frame behind test page i: they alternate between lowmem and windows. */
static uint64_t frame_of(unsigned i)
{
	return i & 1 ? LOWMEM + 0x80000 + i * 4096ull : 0x80000 + i * 4096ull;
}

static void map(unsigned i, uint64_t entry)
{
	poke(PT + 8ull * (FIRST + i), entry);
	sh_invlpg(v->sh, GVA(BASE_VA + i * 4096ull));
}

static void long_mode(void)
{
	struct cpu_state *s = &v->cpu.s;

	cpu_reset(s, 0);
	s->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET;
	s->cr4 = CR4_PAE;
	s->cr3 = PML4;
	s->efer = EFER_LME | EFER_LMA | EFER_NXE;
	s->seg[CPU_CS].attr = 0x9b | SEG_L;
	s->seg[CPU_SS].attr = 0x93;
	v->regs_stale = true;
	v->regs_drops = SH_FLUSH_ALL;
}

static int create(void)
{
	struct gmem_config gc = {.size = MEMORY, .lowmem = LOWMEM};
	struct sh_mmu_config mc = {0};
	struct dev_range range = {.read = dev_read, .write = dev_write, .name = "test"};
	char msg[200];

	urcu_memb_register_thread();
	memset(&m, 0, sizeof(m));
	m.cfg = (struct machine_config){
		.memory = MEMORY, .lowmem = LOWMEM, .cpus = 1, .one_thread = true};
	m.engine = &engine_soft;
	pthread_mutex_init(&m.lock, NULL);
	pthread_mutex_init(&m.split_lock, NULL);
	pthread_cond_init(&m.changed, NULL);
	m.bus = bus_create();
	v = &m.vcpu[0];
	v->m = &m;
	v->cpu.ops = engine_soft.ops;
	v->cpu.m = v;
	v->cpu.model = &m.model;
	machine_model(true, &m.model, &mc.model);
	sh_options_default(&mc.options);
	if (!m.bus || bus_add_mmio(m.bus, GPA(DEVICE), 4096, &range) ||
	    gmem_create(&gc, &m.gm) ||
	    engine_soft.machine_create(&m, &mc.backend, msg, sizeof(msg)))
		return -1;
	mc.gm = m.gm;
	if (sh_mmu_create(&mc, &m.mmu) || engine_soft.vcpu_create(v) ||
	    sh_vcpu_create(m.mmu, 0, &v->sh))
		return -1;
	return 0;
}

static int destroy(void)
{
	unsigned left;

	sh_vcpu_destroy(v->sh);
	engine_soft.vcpu_destroy(v);
	left = sh_mmu_destroy(m.mmu);
	engine_soft.machine_destroy(&m);
	gmem_destroy(m.gm);
	bus_destroy(m.bus);
	pthread_cond_destroy(&m.changed);
	pthread_mutex_destroy(&m.split_lock);
	pthread_mutex_destroy(&m.lock);
	urcu_memb_unregister_thread();
	return left ? -1 : 0;
}

/* A machine anew, all test pages writable. */
static void begin(void)
{
	if (create()) {
		fputs("Bail out! no machine\n", stdout);
		exit(1);
	}
	poke(PML4, PDPT | P | W | U);
	poke(PDPT, PD | P | W | U);
	poke(PD, PT | P | W | U);
	poke(PT + 8 * 4, PT | P | W);
	for (unsigned i = 0; i < PAGES; i++)
		map(i, frame_of(i) | P | W | U);
	long_mode();
	vcpu_sync_regs(v);
	f = (struct cpu_fault){0};
	device_reads = device_writes = 0;
	device_word = 0;
	engine_soft.begin(v);
}

static void end(void)
{
	char text[300] = "";

	engine_soft.end(v);
	if (sh_audit(m.mmu, text, sizeof(text)))
		CU_FAIL(text);
	CU_ASSERT_EQUAL(m.verdict, VERDICT_NONE);
	CU_ASSERT_EQUAL(destroy(), 0);
}

static enum cpu_result rd(uint64_t va, void *buf, unsigned len, unsigned flags)
{
	return v->cpu.ops->read(v, &v->cpu.s, GVA(va), buf, len, flags, &f);
}

static enum cpu_result wr(uint64_t va, const void *buf, unsigned len, unsigned flags)
{
	return v->cpu.ops->write(v, &v->cpu.s, GVA(va), buf, len, flags, &f);
}

static uint8_t byte_at(uint64_t gpa)
{
	uint8_t b = 0;

	CU_ASSERT_EQUAL(gmem_read(m.gm, GPA(gpa), &b, 1), 0);
	return b;
}

/* ---- cases ---- */

static void crosses(void)
{
	uint8_t out[16], in[16];

	for (unsigned len = 2; len <= 16; len++)
		for (unsigned first = 1; first < len; first++) {
			uint64_t va = BASE_VA + 4096 - first;

			for (unsigned i = 0; i < len; i++)
				out[i] = (uint8_t)(len * 16 + i + first);
			CU_ASSERT_EQUAL(wr(va, out, len, MEM_WRITE), CPU_OK);
			CU_ASSERT_EQUAL(rd(va, in, len, MEM_READ), CPU_OK);
			CU_ASSERT_EQUAL(memcmp(in, out, len), 0);
			for (unsigned i = 0; i < len; i++)
				CU_ASSERT_EQUAL(byte_at(i < first
								? frame_of(0) + 4096 - first + i
								: frame_of(1) + i - first),
						out[i]);
		}
}

/* The half that is permitted stays as it was, and CR2 names the half that is not. */
static void crossing_faults(void)
{
	const uint64_t ones = UINT64_MAX;

	map(1, 0);
	map(2, frame_of(2) | P | U);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(wr(BASE_VA + 4096 - 3, &ones, 8, MEM_WRITE), CPU_FAULT);
		CU_ASSERT_EQUAL(f.vector, VEC_PF);
		CU_ASSERT_EQUAL(f.error, PFERR_W);
		CU_ASSERT_EQUAL(f.cr2, BASE_VA + 4096);
		CU_ASSERT_EQUAL(byte_at(frame_of(0) + 4095), 0);
	}
	map(1, frame_of(1) | P | W | U);
	CU_ASSERT_EQUAL(wr(BASE_VA + 2 * 4096 - 5, &ones, 8, MEM_WRITE), CPU_FAULT);
	CU_ASSERT_EQUAL(f.error, PFERR_W | PFERR_P);
	CU_ASSERT_EQUAL(f.cr2, BASE_VA + 2 * 4096);
	CU_ASSERT_EQUAL(byte_at(frame_of(1) + 4095), 0);
	CU_ASSERT_EQUAL(wr(BASE_VA + 3 * 4096 - 5, &ones, 8, MEM_WRITE), CPU_FAULT);
	CU_ASSERT_EQUAL(f.cr2, BASE_VA + 3 * 4096 - 5);
	CU_ASSERT_EQUAL(byte_at(frame_of(3)), 0);
}

/* A store into the page table itself, alone and as one half, is followed by the shadow. */
static void tracked(void)
{
	uint64_t at = PT + 8ull * (FIRST + 3), entry = frame_of(5) | P | W | U, val = 0;
	bool done = false;

	poke(frame_of(3), 0x3333);
	poke(frame_of(5), 0x5555);
	CU_ASSERT_EQUAL(rd(BASE_VA + 3 * 4096, &val, 8, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(val, 0x3333);
	CU_ASSERT_TRUE(sh_is_tracked(m.mmu, GFN(PT >> 12)));
	CU_ASSERT_EQUAL(wr(at, &entry, 8, MEM_WRITE), CPU_OK);
	CU_ASSERT_EQUAL(v->cpu.ops->invlpg(v, &v->cpu.s, GVA(BASE_VA + 3 * 4096)), CPU_OK);
	CU_ASSERT_EQUAL(rd(BASE_VA + 3 * 4096, &val, 8, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(val, 0x5555);
	CU_ASSERT_EQUAL(rd(at, &val, 8, MEM_READ | MEM_WRITE), CPU_OK);
	val &= ~0x60ull; /* A and D */
	CU_ASSERT_EQUAL(val, entry);
	rd(at, &entry, 8, MEM_READ);
	val = frame_of(3) | P | W | U;
	CU_ASSERT_EQUAL(v->cpu.ops->cmpxchg(v, &v->cpu.s, GVA(at), &entry, &val, 8, &done, &f),
			CPU_OK);
	CU_ASSERT_TRUE(done);
	v->cpu.ops->invlpg(v, &v->cpu.s, GVA(BASE_VA + 3 * 4096));
	CU_ASSERT_EQUAL(rd(BASE_VA + 3 * 4096, &val, 8, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(val, 0x3333);
}

/* The page behind the page table in linear memory: one half is tracked, the other plain. */
static void half_tracked(void)
{
	const uint64_t ones = UINT64_MAX;
	uint64_t val;

	poke(PT + 8 * 5, frame_of(6) | P | W);
	poke(PT + 8 * 3, frame_of(7) | P | W);
	rd(4 * 4096, &val, 8, MEM_READ);
	CU_ASSERT_TRUE(sh_is_tracked(m.mmu, GFN(PT >> 12)));
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(wr(5 * 4096 - 4, &ones, 8, MEM_WRITE), CPU_OK);
		CU_ASSERT_EQUAL(byte_at(PT + 4095), 0xff);
		CU_ASSERT_EQUAL(byte_at(frame_of(6) + 3), 0xff);
		CU_ASSERT_EQUAL(byte_at(frame_of(6) + 4), 0);
	}
	CU_ASSERT_EQUAL(wr(4 * 4096 - 4, &ones, 4, MEM_WRITE), CPU_OK);
	CU_ASSERT_EQUAL(wr(4 * 4096 - 2, "\1\2\0\0", 4, MEM_WRITE), CPU_OK);
	CU_ASSERT_EQUAL(byte_at(frame_of(7) + 4094), 1);
	CU_ASSERT_EQUAL(byte_at(frame_of(7) + 4095), 2);
}

static void exchange(uint64_t va, unsigned len)
{
	uint8_t expect[16], desired[16], now[16];
	bool done = true;

	for (unsigned i = 0; i < 16; i++)
		desired[i] = (uint8_t)(0x40 + i);
	memset(now, 0x77, sizeof(now));
	CU_ASSERT_EQUAL(wr(va, now, len, MEM_WRITE), CPU_OK);
	memset(expect, 0, sizeof(expect));
	CU_ASSERT_EQUAL(
		v->cpu.ops->cmpxchg(v, &v->cpu.s, GVA(va), expect, desired, len, &done, &f),
		CPU_OK);
	CU_ASSERT_FALSE(done);
	CU_ASSERT_EQUAL(memcmp(expect, now, len), 0);
	CU_ASSERT_EQUAL(
		v->cpu.ops->cmpxchg(v, &v->cpu.s, GVA(va), expect, desired, len, &done, &f),
		CPU_OK);
	CU_ASSERT_TRUE(done);
	CU_ASSERT_EQUAL(rd(va, now, len, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(memcmp(now, desired, len), 0);
}

static void exchanges(void)
{
	bool done = true;
	uint64_t a = 0, b = 1;

	for (unsigned len = 1; len <= 16; len *= 2)
		for (unsigned i = 0; i < 16; i++) {
			exchange(BASE_VA + 4096 - i - 1, len);
			exchange(BASE_VA + 4096 + 64 + i, len);
		}
	map(0, DEVICE | P | W | U);
	exchange(BASE_VA, 8);
	map(1, frame_of(1) | P | U);
	CU_ASSERT_EQUAL(
		v->cpu.ops->cmpxchg(v, &v->cpu.s, GVA(BASE_VA + 4096), &a, &b, 8, &done, &f),
		CPU_FAULT);
	CU_ASSERT_EQUAL(f.error, PFERR_W | PFERR_P);
}

static void device(void)
{
	uint64_t val = 0x1122334455667788;
	uint8_t b[4];

	map(2, DEVICE | P | W | U);
	CU_ASSERT_EQUAL(wr(BASE_VA + 2 * 4096, &val, 8, MEM_WRITE), CPU_OK);
	CU_ASSERT_EQUAL(device_writes, 1);
	CU_ASSERT_EQUAL(device_word, val);
	CU_ASSERT_EQUAL(rd(BASE_VA + 2 * 4096 + 4, b, 4, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(device_reads, 1);
	CU_ASSERT_EQUAL(b[0], 0x44);
	CU_ASSERT_EQUAL(rd(BASE_VA + 2 * 4096 + 1, b, 4, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(device_reads, 5); /* misaligned: byte by byte */
	/* One half RAM, one half device. */
	CU_ASSERT_EQUAL(wr(BASE_VA + 2 * 4096 - 2, "\1\2\3\4", 4, MEM_WRITE), CPU_OK);
	CU_ASSERT_EQUAL(byte_at(frame_of(1) + 4095), 2);
	CU_ASSERT_EQUAL(device_word & 0xffff, 0x0403);
}

static void fetches(void)
{
	uint8_t buf[15];
	unsigned got = 0;

	poke(frame_of(0) + 4088, 0x8877665544332211);
	CU_ASSERT_EQUAL(v->cpu.ops->fetch(v, &v->cpu.s, GVA(BASE_VA + 4096 - 5), buf, &got, &f),
			CPU_OK);
	CU_ASSERT_EQUAL(got, 5);
	CU_ASSERT_EQUAL(buf[0], 0x44);
	CU_ASSERT_EQUAL(buf[4], 0x88);
	map(3, frame_of(3) | P | W | U | NX);
	CU_ASSERT_EQUAL(rd(BASE_VA + 3 * 4096, buf, 8, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(v->cpu.ops->fetch(v, &v->cpu.s, GVA(BASE_VA + 3 * 4096), buf, &got, &f),
			CPU_FAULT);
	CU_ASSERT_EQUAL(f.error, PFERR_P | PFERR_I);
	map(4, DEVICE | P);
	device_word = 0x90;
	CU_ASSERT_EQUAL(v->cpu.ops->fetch(v, &v->cpu.s, GVA(BASE_VA + 4 * 4096), buf, &got, &f),
			CPU_OK);
	CU_ASSERT_EQUAL(buf[0], 0x90);
}

static void privilege(void)
{
	struct cpu_state *s = &v->cpu.s;
	uint64_t val = 0;

	map(1, frame_of(1) | P | W);
	s->seg[CPU_SS].attr = 0xf3;
	CU_ASSERT_EQUAL(rd(BASE_VA, &val, 8, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(rd(BASE_VA + 4096, &val, 8, MEM_READ), CPU_FAULT);
	CU_ASSERT_EQUAL(f.error, PFERR_P | PFERR_U);
	CU_ASSERT_EQUAL(rd(BASE_VA + 4096, &val, 8, MEM_READ | MEM_IMPLICIT), CPU_OK);
	s->seg[CPU_SS].attr = 0x93;
	s->cr4 |= CR4_SMAP;
	v->regs_stale = true;
	CU_ASSERT_EQUAL(rd(BASE_VA, &val, 8, MEM_READ), CPU_FAULT);
	CU_ASSERT_EQUAL(f.error, PFERR_P);
	s->rflags |= RFL_AC;
	CU_ASSERT_EQUAL(rd(BASE_VA, &val, 8, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(rd(BASE_VA, &val, 8, MEM_READ | MEM_IMPLICIT), CPU_FAULT);
	s->rflags &= ~RFL_AC;
	CU_ASSERT_EQUAL(rd(BASE_VA, &val, 8, MEM_READ), CPU_FAULT);
}

/* Without paging, addresses wrap at 4 GiB: the last byte below is nobody's, the next is RAM's. */
static void wraps(void)
{
	struct cpu_state *s = &v->cpu.s;
	uint8_t b[4] = {0};

	poke(0, 0x44332211);
	s->cr0 = CR0_PE | CR0_ET;
	s->efer = 0;
	s->seg[CPU_CS].attr = 0x9b | SEG_DB;
	v->regs_stale = true;
	CU_ASSERT_EQUAL(rd(0xffffffff, b, 4, MEM_READ), CPU_OK);
	CU_ASSERT_EQUAL(b[0], 0xff);
	CU_ASSERT_EQUAL(b[1], 0x11);
	CU_ASSERT_EQUAL(b[3], 0x33);
}

/* ---- a random walk beside a model of one byte per byte ---- */

static uint64_t rng = 20;
static unsigned rnd(unsigned n)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(rng >> 33) % n;
}

static const uint64_t kinds[] = {0, P | U, P | W | U, P | W | U, P | W | U | NX};

/* What the model says: 0, or the page at fault with its error code. */
static bool denied(const uint64_t *entry, unsigned off, unsigned len, bool write, uint64_t *cr2,
		   uint32_t *error)
{
	for (unsigned i = 0; i < len; i++) {
		uint64_t e = entry[(off + i) / 4096];

		if (e & P && (!write || e & W))
			continue;
		*cr2 = BASE_VA + (i ? (off + i) & ~4095u : off);
		*error = (e & P ? PFERR_P : 0) | (write ? PFERR_W : 0);
		return true;
	}
	return false;
}

static void remap(uint64_t *entry, unsigned i)
{
	uint64_t kind = kinds[rnd(5)];

	entry[i] = kind ? frame_of(i) | kind : 0;
	CU_ASSERT_EQUAL(wr(PT + 8ull * (FIRST + i), &entry[i], 8, MEM_WRITE), CPU_OK);
	v->cpu.ops->invlpg(v, &v->cpu.s, GVA(BASE_VA + i * 4096ull));
}

static void random_walk(void)
{
	static uint8_t model[PAGES * 4096];
	uint64_t entry[PAGES], cr2 = 0;
	uint32_t error = 0;

	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < PAGES; i++)
		remap(entry, i);
	for (unsigned n = 0; n < 200000; n++) {
		unsigned len = 1 + rnd(16), off = rnd(PAGES) * 4096 + 4096 - rnd(24);
		bool write = rnd(2);
		uint8_t buf[16];
		enum cpu_result r;

		if (off + len > sizeof(model))
			continue;
		if (!rnd(50))
			remap(entry, rnd(PAGES));
		for (unsigned i = 0; i < len; i++)
			buf[i] = (uint8_t)rnd(256);
		r = write ? wr(BASE_VA + off, buf, len, MEM_WRITE)
			  : rd(BASE_VA + off, buf, len, MEM_READ);
		if (denied(entry, off, len, write, &cr2, &error)) {
			CU_ASSERT_EQUAL(r, CPU_FAULT);
			CU_ASSERT_EQUAL(f.cr2, cr2);
			CU_ASSERT_EQUAL(f.error, error);
			continue;
		}
		CU_ASSERT_EQUAL(r, CPU_OK);
		if (write)
			memcpy(model + off, buf, len);
		else
			CU_ASSERT_EQUAL(memcmp(model + off, buf, len), 0);
	}
	for (unsigned i = 0; i < sizeof(model); i += 7)
		CU_ASSERT_EQUAL(byte_at(frame_of(i / 4096) + i % 4096), model[i]);
}

static const struct tap_case cases[] = {
	{"accesses that cross a page", crosses},
	{"a crossing store changes all or nothing", crossing_faults},
	{"stores to page tables", tracked},
	{"one half a page table", half_tracked},
	{"compare and exchange, crossing, misaligned, 16 bytes, device", exchanges},
	{"device memory", device},
	{"fetches", fetches},
	{"privilege, SMAP, implicit accesses", privilege},
	{"addresses wrap at 4 GiB", wraps},
	{"200,000 accesses beside a model", random_walk},
	TAP_NO_CASE,
};

static const struct tap_suite suites[] = {
	{.name = "soft memory", .cases = cases, .each_setup = begin, .each_teardown = end},
	TAP_END,
};

int main(void)
{
	return tap_run_suites(suites);
}
