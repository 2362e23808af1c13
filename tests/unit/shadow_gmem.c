/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suites: guest memory and its windows; slot sets; formats; registers, mode and role.
 * Read first: shadow_fixture.h.
 */
#include <pthread.h>
#include <string.h>

#include "shadow/page.h"
#include "tests/unit/shadow_fixture.h"

static struct gmem *make(uint64_t size, uint64_t lowmem)
{
	struct gmem_config c = {.size = size, .lowmem = lowmem};
	struct gmem *gm = NULL;

	CU_ASSERT_EQUAL_FATAL(gmem_create(&c, &gm), 0);
	return gm;
}

static void test_sizes(void)
{
	struct gmem *gm;

	CU_ASSERT(gmem_create(&(struct gmem_config){.size = 4096}, &gm) < 0);
	CU_ASSERT(gmem_create(&(struct gmem_config){.size = (1 << 20) + 1}, &gm) < 0);
	CU_ASSERT(gmem_create(&(struct gmem_config){.size = 1ull << 47}, &gm) < 0);
	gm = make(1 << 20, 1ull << 40);
	CU_ASSERT_EQUAL(gmem_size(gm), 1 << 20);
	gmem_destroy(gm);
}

/* Nested windows without any lowmem: eight of them, closed in reverse, anything else refused. */
static void test_nested(void)
{
	struct gmem *gm = make(1 << 20, 0);
	struct gmem_stats st;
	uint8_t *w[GMEM_SLOTS];

	for (unsigned i = 0; i < GMEM_SLOTS; i++) {
		w[i] = gmem_map(gm, GFN(i));
		CU_ASSERT_PTR_NOT_NULL_FATAL(w[i]);
		memset(w[i], (int)(i + 1), 4096);
	}
	CU_ASSERT_PTR_NULL(gmem_map(gm, GFN(20)));
	gmem_unmap(gm, w[0]);
	gmem_unmap(gm, w[GMEM_SLOTS - 2]);
	gmem_stats(gm, &st);
	CU_ASSERT_EQUAL(st.lifo_errors, 2);
	for (unsigned i = GMEM_SLOTS; i-- > 0;) {
		CU_ASSERT_EQUAL(w[i][4095], i + 1);
		gmem_unmap(gm, w[i]);
	}
	gmem_unmap(gm, w[0]);
	gmem_stats(gm, &st);
	CU_ASSERT_EQUAL(st.lifo_errors, 3);
	CU_ASSERT_EQUAL(gmem_thread_exit(gm), 0);
	CU_ASSERT_PTR_NOT_NULL(gmem_map(gm, GFN(3)));
	CU_ASSERT_EQUAL(gmem_thread_exit(gm), 1);
	gmem_destroy(gm);
}

/* Lowmem and slots show the same memory. */
static void test_half_low(void)
{
	struct gmem *gm = make(1 << 20, 0x81234);
	uint8_t in[0x3000], out[0x3000];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	CU_ASSERT_EQUAL(gmem_write(gm, GPA(0x7f123), in, sizeof(in)), 0);
	CU_ASSERT_EQUAL(gmem_read(gm, GPA(0x7f123), out, sizeof(out)), 0);
	CU_ASSERT_EQUAL(memcmp(in, out, sizeof(in)), 0);
	CU_ASSERT_EQUAL(gmem_fill(gm, GPA(0x80ffe), 9, 4), 0);
	CU_ASSERT_EQUAL(gmem_read(gm, GPA(0x80ffc), out, 8), 0);
	CU_ASSERT(out[2] == 9 && out[5] == 9 && out[1] != 9);
	gmem_destroy(gm);
}

/* Every offset in a word and every length: what is asked for, and not a byte more. */
static void test_copies(void)
{
	uint8_t from[64], to[64], back[64];

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i + 1);
	for (unsigned at = 16; at < 24; at++) {
		for (unsigned n = 0; n <= 40; n++) {
			memset(to, 0, sizeof(to));
			memset(back, 0, sizeof(back));
			gmem_copy_to(to + at, from + n % 8, n);
			CU_ASSERT_EQUAL(memcmp(to + at, from + n % 8, n), 0);
			CU_ASSERT(!to[at - 1] && !to[at + n]);
			gmem_copy_from(back + 1, to + at, n);
			CU_ASSERT_EQUAL(memcmp(back + 1, from + n % 8, n), 0);
			CU_ASSERT(!back[0] && !back[n + 1]);
		}
	}
}

/* Fourteen bytes: words of 2, 4 and 8. */
struct torn {
	_Alignas(8) uint8_t guest[16];
	_Atomic bool enough;
};

static void *writer(void *arg)
{
	struct torn *t = arg;
	uint8_t ones[14], zeroes[14] = {0};

	memset(ones, 0xff, sizeof(ones));
	while (!atomic_load(&t->enough)) {
		gmem_copy_to(t->guest + 2, ones, sizeof(ones));
		gmem_copy_to(t->guest + 2, zeroes, sizeof(zeroes));
	}
	return NULL;
}

static bool whole(const uint8_t *word, unsigned size)
{
	for (unsigned i = 1; i < size; i++)
		if (word[i] != word[0])
			return false;
	return true;
}

/* All the bits of an aligned word were written at once, and are read at once. */
static void test_words_whole(void)
{
	struct torn t = {.enough = false};
	unsigned torn = 0, changes = 0;
	uint8_t now[16], last = 0;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, writer, &t), 0);
	/* On a busy host the two may take long turns. */
	for (unsigned i = 0; i < 200000 || (changes < 200 && i < 50000000); i++) {
		gmem_copy_from(now + 2, t.guest + 2, 14);
		changes += now[15] != last;
		last = now[15];
		torn += !whole(now + 2, 2) || !whole(now + 4, 4) || !whole(now + 8, 8);
	}
	atomic_store(&t.enough, true);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(torn, 0);
}

static void test_bounds(void)
{
	struct gmem *gm = make(1 << 20, 0);
	uint64_t v = 0;

	CU_ASSERT(gmem_valid(gm, GPA(0), 1 << 20));
	CU_ASSERT_FALSE(gmem_valid(gm, GPA(0), (1 << 20) + 1));
	CU_ASSERT(gmem_valid(gm, GPA(~0ull), 0));
	CU_ASSERT_FALSE(gmem_valid(gm, GPA(~0ull), 1));
	CU_ASSERT_FALSE(gmem_valid(gm, GPA(0xff000), ~0ull));
	CU_ASSERT(gmem_read(gm, GPA(0xffffc), &v, 8) < 0);
	CU_ASSERT(gmem_write(gm, GPA(~3ull), &v, 8) < 0);
	CU_ASSERT(gmem_load64(gm, GPA(1 << 20), &v) < 0);
	CU_ASSERT(gmem_store(gm, GPA(1ull << 52), 0, 8) < 0);
	CU_ASSERT(gmem_cmpxchg(gm, GPA(1ull << 52), &v, 0, 8) < 0);
	CU_ASSERT_PTR_NULL(gmem_map(gm, GFN(UINT64_MAX)));
	gmem_destroy(gm);
}

/* 3.5 GiB: RAM goes on at 4 GiB; nothing lies across the hole. */
static void test_high_region(void)
{
	struct gmem *gm = make(7ull << 29, 16 << 20);
	uint64_t v = 0, top = (4ull << 30) + (1ull << 29);
	unsigned n;

	gmem_regions(gm, &n);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_EQUAL(gmem_end(gm).v, top >> 12);
	CU_ASSERT(gmem_mfn(gm, GFN(0xc0000)).v == UINT64_MAX);
	CU_ASSERT_EQUAL(gmem_gfn(gm, gmem_mfn(gm, GFN(0x100001))).v, 0x100001);
	CU_ASSERT_EQUAL(gmem_store(gm, GPA(4ull << 30), 0x1234, 8), 0);
	CU_ASSERT_EQUAL(gmem_store(gm, GPA(top - 8), 0x5678, 8), 0);
	CU_ASSERT(gmem_store(gm, GPA(top), 0, 8) < 0);
	CU_ASSERT(gmem_store(gm, GPA(3ull << 30), 0, 8) < 0);
	CU_ASSERT_FALSE(gmem_valid(gm, GPA((3ull << 30) - 8), 16));
	CU_ASSERT_FALSE(gmem_valid(gm, GPA(0), 5ull << 30));
	gmem_load64(gm, GPA(4ull << 30), &v);
	CU_ASSERT_EQUAL(v, 0x1234);
	gmem_load64(gm, GPA((3ull << 30) - 8), &v);
	CU_ASSERT_EQUAL(v, 0);
	gmem_destroy(gm);
}

static void test_words(void)
{
	struct gmem *gm = make(1 << 20, 0);
	uint64_t v, e;
	uint32_t v32;

	gmem_store(gm, GPA(0x100), 0x1122334455667788ull, 8);
	gmem_store(gm, GPA(0x101), 0xaa, 1);
	gmem_store(gm, GPA(0x102), 0xbbbb, 2);
	gmem_store(gm, GPA(0x104), 0xcccccccc, 4);
	gmem_load64(gm, GPA(0x100), &v);
	CU_ASSERT_EQUAL(v, 0xccccccccbbbbaa88ull);
	gmem_load32(gm, GPA(0x100), &v32);
	CU_ASSERT_EQUAL(v32, 0xbbbbaa88u);
	for (unsigned size = 1; size <= 8; size *= 2) {
		e = 1;
		CU_ASSERT_EQUAL(gmem_cmpxchg(gm, GPA(0x100), &e, 2, size), 0);
		CU_ASSERT_EQUAL(e, size == 8 ? v : v & ((1ull << 8 * (size & 7)) - 1));
		CU_ASSERT_EQUAL(gmem_cmpxchg(gm, GPA(0x100), &e, e, size), 1);
	}
	gmem_destroy(gm);
}

const struct tap_case suite_gmem[] = {
	{"sizes", test_sizes},
	{"nested windows, in reverse only", test_nested},
	{"half in lowmem", test_half_low},
	{"copies of every length, at every offset", test_copies},
	{"copies take aligned words whole", test_words_whole},
	{"bounds and wrap", test_bounds},
	{"a region at 4 GiB", test_high_region},
	{"words", test_words},
	{0},
};

static void seen(void *ctx, sh_slot_t s)
{
	uint8_t *naive = ctx;

	naive[s] ^= 1;
}

/* Random adds and removals against an array of flags. */
static void test_sets(void)
{
	uint8_t naive[200], check[200];
	sh_set_t set = SH_SET_TRACKED;
	uint64_t x = 88172645463325252ull;
	struct fake f;

	fx_default(&f);
	memset(naive, 0, sizeof(naive));
	for (unsigned i = 0; i < 20000; i++) {
		unsigned s, n = 0, range = i / 1000 % 2 ? 200 : 5;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		s = x % range;
		CU_ASSERT_EQUAL(sh_desc_reserve(f.mmu, 1), 0);
		if (naive[s])
			CU_ASSERT(sh_set_del(f.mmu, &set, s));
		if (!naive[s] && x >> 32 & 1)
			CU_ASSERT_FALSE(sh_set_del(f.mmu, &set, s));
		if (!naive[s])
			CU_ASSERT_EQUAL(sh_set_add(f.mmu, &set, s), 0);
		naive[s] ^= 1;
		memcpy(check, naive, sizeof(check));
		sh_set_each(&set, seen, check);
		for (unsigned k = 0; k < 200; k++) {
			n += naive[k];
			CU_ASSERT_EQUAL(check[k], 0);
		}
		CU_ASSERT_EQUAL(sh_set_count(&set), n);
		CU_ASSERT(sh_set_at(&set, n) == SH_SLOT_NONE);
		CU_ASSERT(!n || naive[sh_set_at(&set, n - 1)]);
		CU_ASSERT(set & SH_SET_TRACKED);
	}
	while (sh_set_count(&set))
		sh_set_del(f.mmu, &set, sh_set_at(&set, 0));
	CU_ASSERT_EQUAL(sh_desc_live(f.mmu), 0);
	fx_end(&f);
}

const struct tap_case suite_rmap[] = {{"sets against a naive set", test_sets}, {0}};

static uint64_t cr(unsigned wp, unsigned pg)
{
	return (wp ? R_WP : 0) | (pg ? 1ull << 31 : 0);
}

static void test_modes(void)
{
	static const struct {
		uint64_t cr0_pg, cr4, efer;
		enum sh_format_id want;
	} c[] = {
		{0, 0, 0, SH_FMT_NONE},
		{1, 0, 0, SH_FMT_32},
		{1, 1 << 5, 0, SH_FMT_PAE},
		{1, 1 << 5, 1 << 10, SH_FMT_4LVL},
		{1, 1 << 5 | 1 << 12, 1 << 10, SH_FMT_5LVL},
	};
	struct sh_cpu_model m = {.maxphyaddr = 40};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct sh_regs r = {.cr0 = cr(i & 1, c[i].cr0_pg != 0),
				    .cr4 = c[i].cr4,
				    .efer = c[i].efer | R_NXE};
		struct sh_mode mode = sh_mode_of(&r, &m);

		CU_ASSERT_EQUAL(mode.format, c[i].want);
		CU_ASSERT_EQUAL(mode.wp, i & 1);
		CU_ASSERT_EQUAL(mode.nxe, c[i].want >= SH_FMT_PAE);
		CU_ASSERT_EQUAL(sh_role_root(&mode, SH_VIEW_USER, 5).level, 5);
	}
}

/* The user view is one tree whatever WP, SMEP and SMAP are; the kernel's is not. */
static void test_roles(void)
{
	for (unsigned bit = 0; bit < 3; bit++) {
		struct sh_mode a = {.format = SH_FMT_4LVL}, b = a;

		b.wp = bit == 0;
		b.smep = bit == 1;
		b.smap = bit == 2;
		CU_ASSERT(sh_role_eq(sh_role_root(&a, SH_VIEW_USER, 4),
				     sh_role_root(&b, SH_VIEW_USER, 4)));
		CU_ASSERT_FALSE(sh_role_eq(sh_role_root(&a, SH_VIEW_KERNEL, 4),
					   sh_role_root(&b, SH_VIEW_KERNEL, 4)));
	}
}

static void test_reserved_bits(void)
{
	const struct sh_format *f32 = &sh_formats[SH_FMT_32], *pae = &sh_formats[SH_FMT_PAE],
			       *l4 = &sh_formats[SH_FMT_4LVL];

	CU_ASSERT_EQUAL(sh_rsvd_bits(f32, 2, true, 36, false, false), 0x3e0000);
	CU_ASSERT_EQUAL(sh_rsvd_bits(f32, 2, true, 40, false, false), 0x200000);
	CU_ASSERT_EQUAL(sh_rsvd_bits(f32, 1, false, 32, false, false), 0);
	CU_ASSERT_EQUAL(sh_rsvd_bits(pae, 3, false, 52, true, false), 0xfff00000000001e6ull);
	CU_ASSERT_EQUAL(sh_rsvd_bits(l4, 1, false, 52, true, true), 0);
	CU_ASSERT_EQUAL(sh_rsvd_bits(l4, 4, false, 40, true, true), 0x000fff0000000080ull);
	CU_ASSERT_EQUAL(sh_rsvd_bits(l4, 2, true, 52, false, true), PTE_NX | 0x1fe000);
	CU_ASSERT_EQUAL(sh_entry_addr(f32, 2, true, 0x00c06083).v, 0x300c00000ull);
}

const struct tap_case suite_format[] = {
	{"modes", test_modes},
	{"roles", test_roles},
	{"reserved bits", test_reserved_bits},
	{0},
};
