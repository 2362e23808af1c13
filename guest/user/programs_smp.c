/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that need several CPUs: processes and threads bound to each, sharing memory. */
#include "user/user.h"

#define RW	 (PROT_R | PROT_W)
#define MAX_CPUS 16
#define LINE	 8 /* words between counters of different CPUs */
#define TOUCHED	 16

/* In a child: go to `cpu`, change copied pages, come out there again. */
static ulong visit(ulong cpu, volatile ulong *p)
{
	for (ulong i = 0; i < 4; i++) {
		CHECK(CALL1(SYS_PIN, 1UL << cpu) == (long)cpu);
		CHECK(p[i * WORDS] == i);
		p[i * WORDS] = cpu + 100;
		CHECK(p[i * WORDS] == cpu + 100);
	}
	return 0;
}

ulong prog_smp_fork(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS);
	volatile ulong *p = map(4, RW, 0);

	CHECK(p);
	for (ulong i = 0; i < 4; i++)
		p[i * WORDS] = i;
	for (ulong r = 0; r < rounds; r++) {
		CHECK(CALL1(SYS_PIN, 1UL << r % cpus) == (long)(r % cpus));
		for (ulong c = 0; c < cpus; c++) {
			long pid = CALL0(SYS_FORK);

			CHECK(pid >= 0);
			if (!pid)
				exit_with(visit(c, p));
		}
		CHECK(wait_all_ok((int)cpus) == 0);
		for (ulong i = 0; i < 4; i++)
			CHECK(p[i * WORDS] == i);
	}
	return 0;
}

ulong prog_smp_atomic(ulong count)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS);
	volatile ulong *p = map(1, RW, MAP_SHARED);

	CHECK(p);
	for (ulong c = 0; c < cpus; c++)
		if (CALL0(SYS_FORK) == 0) {
			CALL1(SYS_PIN, 1UL << c);
			for (ulong i = 0; i < count; i++)
				asm volatile("lock inc%z0 %0" : "+m"(*p) : : "memory");
			exit_with(0);
		}
	CHECK(wait_all_ok((int)cpus) == 0);
	CHECK(*p == cpus * count);
	return 0;
}

static volatile ulong *touched; /* pages that all threads fault in at the same time */
static volatile ulong arrived, stop, cpu_total;
static volatile ulong *writers;

static void toucher(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	while (arrived < cpu_total)
		pause();
	for (ulong i = 0; i < TOUCHED; i++)
		__atomic_add_fetch(&touched[i * WORDS], cpu + 1, __ATOMIC_SEQ_CST);
	exit_with(0);
}

/* Threads fault the same fresh pages at once: every page must come into being exactly once. */
ulong prog_smp_threads(ulong rounds)
{
	cpu_total = (ulong)CALL0(SYS_CPUS);
	for (ulong r = 0; r < rounds; r++) {
		touched = map(TOUCHED, RW, 0);
		CHECK(touched);
		arrived = 0;
		for (ulong c = 0, cpus = cpu_total; c < cpus; c++)
			if (start_thread(toucher, c) <= 0)
				cpu_total = 0; /* nobody waits for the others, and the sums are
						  wrong */
		CHECK(cpu_total && wait_all_ok((int)cpu_total) == 0);
		for (ulong i = 0; i < TOUCHED; i++)
			CHECK(touched[i * WORDS] == cpu_total * (cpu_total + 1) / 2);
		CHECK(CALL2(SYS_MUNMAP, touched, TOUCHED * PAGE) == 0);
	}
	return 0;
}

static void writer(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	while (!stop)
		writers[cpu * LINE]++;
	exit_with(0);
}

static ulong frozen_then_moving(ulong cpus)
{
	ulong before[MAX_CPUS];

	CHECK(CALL3(SYS_MPROTECT, writers, PAGE, PROT_R) == 0);
	for (ulong c = 1; c < cpus; c++)
		before[c] = writers[c * LINE];
	for (int i = 0; i < 1000; i++)
		pause();
	for (ulong c = 1; c < cpus; c++)
		CHECK(writers[c * LINE] == before[c]);
	CHECK(CALL3(SYS_MPROTECT, writers, PAGE, RW) == 0);
	for (ulong c = 1; c < cpus; c++)
		while (writers[c * LINE] == before[c])
			pause();
	return 0;
}

/* Once mprotect has returned, no thread on any CPU can write; after it is undone, all do. */
ulong prog_smp_mprotect(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), bad = 0;

	CALL1(SYS_RETRY, 1);
	CHECK(CALL1(SYS_PIN, 1) == 0);
	writers = map(1, RW, 0);
	CHECK(writers);
	writers[0] = 0;
	for (ulong c = 1; c < cpus; c++)
		if (start_thread(writer, c) <= 0)
			bad = __LINE__;
	for (ulong r = 0; r < rounds && !bad; r++)
		bad = frozen_then_moving(cpus);
	stop = 1;
	if (!bad)
		CHECK(wait_all_ok((int)cpus - 1) == 0);
	return bad;
}
