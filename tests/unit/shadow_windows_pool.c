/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suite: persistent windows, alone and under contention, and the debug mode of both kinds.
 * Read first: shadow_windows.c, shadow/window_pool.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shadow/gmem_internal.h"
#include "tests/unit/shadow_fixture.h"

#define FRAMES 256u

static struct gmem *make(unsigned slots, bool debug)
{
	struct gmem_config c = {.size = FRAMES << 12, .pool = slots, .debug = debug};
	struct gmem *gm = NULL;

	c.lowmem = debug ? c.size : 0; /* which debug mode does without */
	CU_ASSERT_EQUAL_FATAL(gmem_create(&c, &gm), 0);
	for (unsigned i = 0; i < FRAMES; i++)
		gmem_store(gm, GPA(i << 12), i + 1, 8);
	return gm;
}

static struct gmem_stats stats(struct gmem *gm)
{
	struct gmem_stats st;

	gmem_stats(gm, &st);
	return st;
}

static void end(struct gmem *gm)
{
	struct gmem_stats st = stats(gm);

	CU_ASSERT_EQUAL(st.pool_errors + st.lifo_errors + st.wait_violations, 0);
	CU_ASSERT_EQUAL(gmem_thread_exit(gm), 0);
	gmem_destroy(gm);
}

static uint64_t shown(const void *w)
{
	return w ? *(const volatile uint64_t *)w : 0;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* ---- the count ---- */
static void test_count(void)
{
	struct gmem *gm = make(4, false);
	void *a = gmem_pool_map(gm, GFN(7)), *b = gmem_pool_map(gm, GFN(7));

	CU_ASSERT_PTR_EQUAL(a, b);
	CU_ASSERT_EQUAL(shown(a), 8);
	CU_ASSERT_EQUAL(gmem_pool_count(gm, a), 3);
	gmem_pool_unmap(gm, a);
	CU_ASSERT_EQUAL(gmem_pool_count(gm, a), 2);
	gmem_pool_unmap(gm, a);
	CU_ASSERT_EQUAL(gmem_pool_count(gm, a), 1);
	/* No users: not below 1 without a flush. */
	gmem_pool_unmap(gm, a);
	CU_ASSERT_EQUAL(gmem_pool_count(gm, a), 1);
	CU_ASSERT_EQUAL(stats(gm).pool_errors, 1);
	CU_ASSERT_PTR_EQUAL(gmem_pool_map(gm, GFN(7)), a);
	CU_ASSERT_EQUAL(gmem_pool_count(gm, a), 2);
	CU_ASSERT_EQUAL(stats(gm).pool_hits, 2);
	CU_ASSERT_EQUAL(stats(gm).pool_flushes, 0);
	gmem_pool_unmap(gm, a);
	gmem_pool_unmap(gm, (uint8_t *)a + 1);
	gmem_pool_unmap(gm, NULL);
	CU_ASSERT_EQUAL(stats(gm).pool_errors, 3);
	CU_ASSERT_PTR_NULL(gmem_pool_map(gm, GFN(FRAMES)));
	gmem_destroy(gm);
}

/* P frames in turn, then again others: one flush a round, and each window shows its own frame. */
static void test_wrap(void)
{
	static const unsigned sizes[] = {2, 3, 4, 16, GMEM_POOL_MAX};

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		unsigned n = sizes[s];
		struct gmem *gm = make(n, false);

		for (unsigned i = 0; i < 8 * n; i++) {
			void *w = gmem_pool_map(gm, GFN(i * 3 % FRAMES));

			CU_ASSERT_EQUAL(shown(w), i * 3 % FRAMES + 1);
			gmem_pool_unmap(gm, w);
			CU_ASSERT_EQUAL(stats(gm).pool_flushes, i / n);
		}
		CU_ASSERT_EQUAL(stats(gm).pool_maps, 8 * n);
		CU_ASSERT_EQUAL(stats(gm).pool_waits, 0);
		end(gm);
	}
}

/* Held windows stay what they are through every flush around them. */
static void test_wrap_around_held(void)
{
	struct gmem *gm = make(8, false);
	void *held[3];

	for (unsigned i = 0; i < 3; i++) {
		held[i] = gmem_pool_map(gm, GFN(i));
		gmem_pool_unmap(gm, gmem_pool_map(gm, GFN(10 + i)));
	}
	for (unsigned i = 20; i < 220; i++) {
		void *w = gmem_pool_map(gm, GFN(i));

		CU_ASSERT_EQUAL(shown(w), i + 1);
		for (unsigned k = 0; k < 3; k++) {
			CU_ASSERT_EQUAL(shown(held[k]), k + 1);
			CU_ASSERT(w != held[k]);
		}
		gmem_pool_unmap(gm, w);
	}
	CU_ASSERT(stats(gm).pool_flushes >= 200 / 8);
	CU_ASSERT(stats(gm).pool_flushes < 200);
	for (unsigned i = 0; i < 3; i++)
		gmem_pool_unmap(gm, held[i]);
	end(gm);
}

/* A flush or a mapping that the host refuses changes nothing, and the next call succeeds. */
static void test_refused(void)
{
	struct gmem *gm = make(2, false);

	for (unsigned i = 0; i < 40; i++) {
		void *w;

		fx_refuse_memory(i % 3);
		w = gmem_pool_map(gm, GFN(i));
		if (!fx_refused())
			CU_ASSERT_PTR_NOT_NULL(w);
		if (!w)
			w = gmem_pool_map(gm, GFN(i));
		CU_ASSERT_EQUAL(shown(w), i + 1);
		gmem_pool_unmap(gm, w);
	}
	end(gm);
}

/* ---- waiters ---- */
struct waiter {
	struct gmem *gm;
	pthread_t thread;
	unsigned gfn;
	void *window;
};

static void *wait_for(void *arg)
{
	struct waiter *w = arg;

	w->window = gmem_pool_map(w->gm, GFN(w->gfn));
	gmem_thread_exit(w->gm);
	return NULL;
}

/* Two wait for one frame while all slots are held; both slots come free: one window, two users. */
static void test_recheck(void)
{
	struct gmem *gm = make(2, false);
	void *held[2] = {gmem_pool_map(gm, GFN(1)), gmem_pool_map(gm, GFN(2))};
	struct waiter w[2];

	for (unsigned i = 0; i < 2; i++) {
		w[i] = (struct waiter){.gm = gm, .gfn = 9};
		pthread_create(&w[i].thread, NULL, wait_for, &w[i]);
	}
	for (unsigned i = 0; i < 20000 && stats(gm).pool_waits < 2; i++)
		nap();
	CU_ASSERT_EQUAL(stats(gm).pool_waits, 2);
	gmem_pool_unmap(gm, held[0]);
	gmem_pool_unmap(gm, held[1]);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
	CU_ASSERT_EQUAL(shown(w[0].window), 10);
	CU_ASSERT_PTR_EQUAL(w[0].window, w[1].window);
	CU_ASSERT_EQUAL(gmem_pool_count(gm, w[0].window), 3);
	for (unsigned i = 0; i < 2; i++)
		gmem_pool_unmap(gm, w[i].window);
	end(gm);
}

/* Nobody releases anything: the wait ends. */
static void test_patience(void)
{
	struct gmem *gm = make(2, false);
	void *p[2], *two[2];

	CU_ASSERT_EQUAL(gmem_pool_map_n(gm, GFN(1), 2, p), 0);
	CU_ASSERT_EQUAL(gmem_pool_map_n(gm, GFN(2), 2, two), -ETIMEDOUT);
	CU_ASSERT_EQUAL(stats(gm).pool_timeouts, 1);
	/* All or none: frame 2, which is there, was not left with a user more. */
	CU_ASSERT_EQUAL(gmem_pool_count(gm, p[1]), 2);
	CU_ASSERT_EQUAL(gmem_pool_map_n(gm, GFN(FRAMES - 1), 2, two), -EFAULT);
	CU_ASSERT_EQUAL(gmem_pool_map_n(gm, GFN(1), 3, two), -EINVAL);
	gmem_pool_unmap(gm, p[0]);
	gmem_pool_unmap(gm, p[1]);
	end(gm);
}

/* ---- threads against each other ---- */
#define THREADS 4u
#define HOT	12u

static struct {
	struct gmem *gm;
	pthread_mutex_t lock;
	void *window[HOT]; /* of each frame that has users */
	unsigned users[HOT];
	atomic_uint wrong;
} storm;

/* Under the test's own lock: one frame never has two windows. */
static void enter(unsigned f, void *w)
{
	pthread_mutex_lock(&storm.lock);
	if (storm.users[f]++ && storm.window[f] != w)
		atomic_fetch_add(&storm.wrong, 1);
	storm.window[f] = w;
	pthread_mutex_unlock(&storm.lock);
}

static void leave(unsigned f)
{
	pthread_mutex_lock(&storm.lock);
	storm.users[f]--;
	pthread_mutex_unlock(&storm.lock);
}

static void *storm_main(void *arg)
{
	uint64_t x = 77 + (uintptr_t)arg;

	for (unsigned i = 0; i < 4000; i++) {
		void *w[2], *a;
		unsigned f, n;
		uint64_t v = 0;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		f = x % (HOT - 1);
		n = 1 + (x >> 20) % 2;
		if (gmem_pool_map_n(storm.gm, GFN(f), n, w)) {
			atomic_fetch_add(&storm.wrong, 1);
			continue;
		}
		for (unsigned k = 0; k < n; k++) {
			enter(f + k, w[k]);
			if (shown(w[k]) != f + k + 1)
				atomic_fetch_add(&storm.wrong, 1);
		}
		/* Atomic windows on the same frames, and others, of this thread. */
		a = gmem_map(storm.gm, GFN(f));
		gmem_load64(storm.gm, GPA((x >> 30) % FRAMES << 12), &v);
		if (shown(a) != f + 1 || v != (x >> 30) % FRAMES + 1)
			atomic_fetch_add(&storm.wrong, 1);
		gmem_unmap(storm.gm, a);
		for (unsigned k = n; k-- > 0;) {
			leave(f + k);
			gmem_pool_unmap(storm.gm, w[k]);
		}
	}
	atomic_fetch_add(&storm.wrong, gmem_thread_exit(storm.gm));
	return NULL;
}

static void test_storm(void)
{
	pthread_t t[THREADS];

	for (unsigned debug = 0; debug < 2; debug++) {
		memset(&storm, 0, sizeof(storm));
		pthread_mutex_init(&storm.lock, NULL);
		storm.gm = make(4, debug);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_create(&t[i], NULL, storm_main, (void *)(uintptr_t)i);
		for (unsigned i = 0; i < 200; i++)
			CU_ASSERT(stats(storm.gm).pool_hits <= 2 * stats(storm.gm).pool_maps);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		CU_ASSERT_EQUAL(atomic_load(&storm.wrong), 0);
		CU_ASSERT_EQUAL(stats(storm.gm).pool_maps, THREADS * 4000);
		end(storm.gm);
		pthread_mutex_destroy(&storm.lock);
	}
}

/* ---- debug mode ---- */
static void test_debug(void)
{
	struct gmem *gm = make(4, true);
	uint8_t *p = gmem_pool_map(gm, GFN(1)), *a = gmem_map(gm, GFN(1));

	CU_ASSERT_FALSE(fx_faults(a));
	gmem_unmap(gm, a);
	CU_ASSERT(fx_faults(a));
	CU_ASSERT_PTR_EQUAL(gmem_pool_map(gm, GFN(1)), p);
	gmem_pool_unmap(gm, p);
	CU_ASSERT_FALSE(fx_faults(p));
	gmem_pool_unmap(gm, p);
	CU_ASSERT(fx_faults(p));
	CU_ASSERT_EQUAL(gmem_pool_count(gm, p), 0);
	end(gm);
	/* Without it, neither does. */
	gm = make(4, false);
	a = gmem_map(gm, GFN(1));
	gmem_unmap(gm, a);
	CU_ASSERT_FALSE(fx_faults(a));
	end(gm);
}

/* ---- a file for RAM ---- */
static void test_file(void)
{
	char path[] = "/tmp/umbra-memory-XXXXXX";
	struct gmem_config c = {.size = 1 << 20, .file = path};
	int fd = mkstemp(path);
	struct gmem *gm = NULL, *other = NULL;
	uint64_t v = 0;
	struct stat st;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(gmem_create(&c, &gm), 0);
	gmem_store(gm, GPA(0xff000), 0x1234, 8);
	CU_ASSERT_EQUAL(gmem_create(&c, &other), -EBUSY);
	gmem_destroy(gm);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 1 << 20);
	CU_ASSERT(st.st_blocks <= 64); /* of 512 bytes: sparse */
	CU_ASSERT_EQUAL_FATAL(gmem_create(&c, &gm), 0);
	gmem_load64(gm, GPA(0xff000), &v);
	CU_ASSERT_EQUAL(v, 0x1234);
	gmem_destroy(gm);
	c.size = 2 << 20;
	CU_ASSERT_EQUAL(gmem_create(&c, &gm), -EFBIG);
	c.file = "/dev/null";
	CU_ASSERT_EQUAL(gmem_create(&c, &gm), -ENODEV);
	c.file = "/tmp";
	CU_ASSERT_EQUAL(gmem_create(&c, &gm), -EISDIR);
	c.file = "/tmp/umbra-no-such-folder/file";
	CU_ASSERT_EQUAL(gmem_create(&c, &gm), -ENOENT);
	c.file = NULL;
	c.pool = 1;
	CU_ASSERT_EQUAL(gmem_create(&c, &gm), -EINVAL);
	close(fd);
	unlink(path);
}

const struct tap_case suite_pool[] = {
	{"HM-8 the count: 0, 1 and n", test_count},
	{"HM-8 one flush a wrap, none is stale", test_wrap},
	{"HM-8 flushes around held windows", test_wrap_around_held},
	{"HM-6 a flush or mapping refused", test_refused},
	{"HM-7 who waited looks again", test_recheck},
	{"a wait that nobody ends", test_patience},
	{"HM-7 threads against each other", test_storm},
	{"debug mode: a closed window faults", test_debug},
	{"a file for guest RAM", test_file},
	{0},
};
