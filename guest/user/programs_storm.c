/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Storms: random changes of an address space against a model of it, in one process and its
 * children; and changes by one thread while others look at every byte they read.
 */
#include "user/try.h"

#define RW	     (PROT_R | PROT_W)
#define SLOTS	     12
#define MAX_CHILDREN 3

/* Slot i is the page at area + i * stride. Between the slots nothing is ever touched. */
static struct {
	char *area;
	ulong stride;
	ulong value[SLOTS]; /* the word in it; what was never written is 0 */
	bool writable[SLOTS];
	ulong children;
} model;

static ulong *slot(ulong i)
{
	return (ulong *)(model.area + i * model.stride + i * sizeof(ulong));
}

static ulong pick(ulong n)
{
	return (ulong)CALL0(SYS_RANDOM) % n;
}

static ulong verify(void)
{
	for (ulong i = 0; i < SLOTS; i++)
		CHECK(*slot(i) == model.value[i]);
	return 0;
}

static ulong write_slot(ulong i, ulong n)
{
	(void)n;
	faults = 0;
	if (!model.writable[i]) {
		TRY(WRITE, slot(i));
		CHECK(faults == 1);
		return 0;
	}
	*slot(i) = model.value[i] = pick(1000000);
	CHECK(faults == 0);
	return 0;
}

static ulong protect_slots(ulong i, ulong n)
{
	ulong prot = pick(2) ? RW : PROT_R;

	CHECK(CALL3(SYS_MPROTECT, model.area + i * model.stride, n * model.stride, prot) == 0);
	for (; n--; i++)
		model.writable[i] = prot == RW;
	return 0;
}

static ulong discard_slots(ulong i, ulong n)
{
	CHECK(CALL3(SYS_MADVISE, model.area + i * model.stride, n * model.stride,
		    MADV_DONTNEED) == 0);
	for (; n--; i++)
		model.value[i] = 0;
	return 0;
}

/* Away and back; a space has so many areas, and when there is no room, nothing moves. */
static ulong move_slots(ulong i, ulong n)
{
	ulong len = model.stride;
	char *from = model.area + i * len;
	long to;

	(void)n;
	to = CALL4(SYS_MREMAP, from, len, len, 0);
	if (to == ERR)
		return 0;
	CHECK(*(ulong *)(to + (long)(i * sizeof(ulong))) == model.value[i]);
	faults = 0;
	if ((char *)to != from)
		TRY(READ, from);
	CHECK((char *)to == from || faults == 1);
	CHECK(CALL4(SYS_MREMAP, to, len, len, from) == (long)from);
	return 0;
}

static ulong reap(void)
{
	ulong n = model.children;

	model.children = 0;
	return (ulong)wait_all_ok((int)n);
}

/* The child sees what there was; what it writes, nobody else sees. */
static ulong fork_slots(ulong i, ulong n)
{
	long pid;

	if (model.children == MAX_CHILDREN)
		CHECK(reap() == 0);
	pid = CALL0(SYS_FORK);
	CHECK(pid >= 0);
	model.children++;
	if (pid)
		return 0;
	model.children = 0;
	CALL0(SYS_YIELD);
	if (verify() != 0)
		exit_with(__LINE__);
	for (; n--; i++)
		if (write_slot(i, 1) != 0)
			exit_with(__LINE__);
	exit_with(verify());
}

static ulong (*const steps[])(ulong i, ulong n) = {
	write_slot,    write_slot,    write_slot, protect_slots,
	protect_slots, discard_slots, move_slots, fork_slots,
};

static ulong storm(ulong rounds)
{
	model.stride = (pick(6) ? 1 : 520) * PAGE;
	model.area = map(SLOTS * model.stride / PAGE, RW, 0);
	CHECK(model.area);
	for (ulong i = 0; i < SLOTS; i++) {
		model.writable[i] = true;
		model.value[i] = 0;
	}
	for (ulong r = 0; r < rounds; r++) {
		ulong i = pick(SLOTS),
		      bad = steps[pick(ARRAY_SIZE(steps))](i, 1 + pick(SLOTS - i));

		CHECK(bad == 0 && *slot(i) == model.value[i]);
	}
	CHECK(verify() == 0 && reap() == 0);
	return 0;
}

static void storm_child(ulong rounds)
{
	exit_with(storm(rounds));
}

/* Two of them at once on each CPU. */
ulong prog_mm_storm(ulong rounds)
{
	ulong n = 2 * (ulong)CALL0(SYS_CPUS);

	handle(SIG_FAULT, skip_fault);
	for (ulong i = 0; i < n; i++)
		CHECK(fork_child(storm_child, rounds) > 0);
	return (ulong)wait_all_ok((int)n);
}

#define WATCHED 4

/* What is in the watched pages was written for this generation, or a later one, or is 0. */
static volatile ulong *watched;
static volatile ulong generation, stop_watching, looks;

static void watch(ulong cpu)
{
	CALL1(SYS_PIN, 1UL << cpu);
	while (!stop_watching) {
		for (ulong i = 0; i < WATCHED; i++) {
			ulong before = generation, v = watched[i * WORDS], after = generation;

			if (v && (v < before || v > after + 1))
				exit_with(__LINE__);
		}
		__atomic_add_fetch(&looks, 1, __ATOMIC_SEQ_CST);
	}
	exit_with(0);
}

static void write_generation(ulong g)
{
	for (ulong i = 0; i < WATCHED; i++)
		watched[i * WORDS] = g;
}

/* Fresh pages: when the call returns, nobody sees the old ones. */
static ulong renew_by_discard(ulong g)
{
	CHECK(CALL3(SYS_MADVISE, watched, WATCHED * PAGE, MADV_DONTNEED) == 0);
	generation = g;
	write_generation(g);
	return 0;
}

/* A child holds the old pages: the writes make copies, and nobody sees the old ones after. */
static ulong renew_by_copy(ulong g)
{
	long pid = CALL0(SYS_FORK);

	CHECK(pid >= 0);
	if (!pid)
		exit_with(watched[0] + 1 == g ? 0 : __LINE__);
	write_generation(g);
	generation = g;
	return (ulong)wait_all_ok(1);
}

/* The same with the rights taken away and given back in between. */
static ulong renew_by_protect(ulong g)
{
	CHECK(CALL3(SYS_MPROTECT, watched, WATCHED * PAGE, PROT_R) == 0);
	CHECK(CALL3(SYS_MPROTECT, watched, WATCHED * PAGE, RW) == 0);
	return renew_by_copy(g);
}

static ulong (*const renewals[])(ulong g) = {renew_by_discard, renew_by_copy, renew_by_protect};

static ulong renew(ulong rounds)
{
	for (ulong g = 2; g < rounds + 2; g++) {
		ulong seen = looks;

		CHECK(renewals[pick(ARRAY_SIZE(renewals))](g) == 0);
		while (looks == seen)
			pause();
	}
	return 0;
}

ulong prog_smp_storm(ulong rounds)
{
	ulong cpus = (ulong)CALL0(SYS_CPUS), bad = 0;

	CHECK(CALL1(SYS_PIN, 1) == 0);
	CALL1(SYS_RETRY, 1);
	watched = map(WATCHED, RW, 0);
	CHECK(watched);
	generation = 1;
	write_generation(1);
	for (ulong c = 1; c < cpus; c++)
		CHECK(start_thread(watch, c) > 0);
	bad = renew(rounds);
	stop_watching = 1;
	return bad ? bad : (ulong)wait_all_ok((int)cpus - 1);
}
