/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks with kernel code on several CPUs. CPU 0 runs the scenario and hands a function to each
 * other CPU; they share the static state below, by atomics only. A scenario always stops and
 * collects the others before it returns, also when a check fails.
 */
#include "scenarios/scenarios.h"
#include "x86.h"

#define VA     (TEST_BASE + 2 * TEST_AREA)
#define ROUNDS 200
#define BURST  50
/* Coprime: whoever keeps an old page looks while its number is an old one. */
#define FRAMES	   8
#define LOOK_EVERY 5

static u32 bad_cpu; /* 1 + a CPU that saw something wrong */
static ulong bad_value, stop;

static void run_on_others(void (*fn)(void *))
{
	atomic_store(&bad_cpu, 0);
	atomic_store(&stop, 0);
	for (u32 i = 1; i < cpu_count; i++)
		smp_run(i, fn, NULL);
}

static void complain(ulong value)
{
	atomic_store(&bad_value, value);
	atomic_store(&bad_cpu, this_cpu()->index + 1);
}

/* smp-boot */
static struct {
	u32 index, apic, errors;
	ulong cr3;
} seen[MAX_CPUS];

static void look(void *arg)
{
	u32 i = this_cpu()->index;

	(void)arg;
	seen[i].index = (u32)(this_cpu() - cpus);
	seen[i].apic = apic_id();
	seen[i].errors = apic_errors();
	seen[i].cr3 = read_cr3() & PTE_ADDR;
}

const char *smp_boot(void)
{
	run_on_others(look);
	smp_wait_all();
	look(NULL);
	for (u32 i = 0; i < cpu_count; i++) {
		CHECK(cpus[i].online, "cpu %u is not online", i);
		CHECK(seen[i].index == i, "cpu %u thinks it is %u", i, seen[i].index);
		CHECK(seen[i].apic == i, "cpu %u has APIC ID %u", i, seen[i].apic);
		CHECK(seen[i].errors == 0, "cpu %u has APIC errors 0x%x", i, seen[i].errors);
		CHECK(seen[i].cr3 == kernel_mm.root, "cpu %u is on other tables", i);
	}
	return NULL;
}

/* ipi: the APIC merges interrupts of one vector, so the next is sent when the last was counted.
 */
static bool await_ipis(u32 cpu, ulong want)
{
	u64 begin = rdtsc();

	while (atomic_load(&cpus[cpu].test_ipis) < want) {
		if (cycles_since(begin) > 20000000000ULL)
			return false;
		cpu_relax();
	}
	return atomic_load(&cpus[cpu].test_ipis) == want;
}

const char *ipi(void)
{
	ulong want = 0;

	for (u32 i = 0; i < cpu_count; i++)
		atomic_store(&cpus[i].test_ipis, 0);
	for (int round = 0; round < 10; round++) {
		want++;
		for (u32 i = 1; i < cpu_count; i++) {
			apic_send(i, VEC_TEST);
			CHECK(await_ipis(i, want), "cpu %u: its interrupt is missing", i);
		}
		want++;
		apic_send_others(VEC_TEST);
		for (u32 i = 1; i < cpu_count; i++)
			CHECK(await_ipis(i, want), "cpu %u: the broadcast is missing", i);
	}
	CHECK(cpus[0].test_ipis == 0, "cpu 0 got interrupts of others");
	apic_send_self(VEC_TEST);
	irq_enable();
	CHECK(await_ipis(0, 1), "the interrupt to oneself is missing");
	irq_disable();
	for (u32 i = 1; i < cpu_count; i++)
		CHECK(cpus[i].test_ipis == want, "cpu %u got %lu", i, cpus[i].test_ipis);
	return NULL;
}

/* smp-shootdown: the page holds the number of its round; an acknowledged round may not be
 * undercut. */
static ulong acknowledged;
static ulong reads[MAX_CPUS];

/* Reads in bursts and halts in between: each shootdown's interrupt begins another burst. */
static void reader(void *arg)
{
	u32 me = this_cpu()->index;

	(void)arg;
	irq_enable();
	while (!atomic_load(&stop)) {
		for (int i = 0; i < BURST; i++) {
			ulong least = atomic_load(&acknowledged);
			ulong got = *(volatile ulong *)VA;

			if (got < least)
				complain(got);
			WRITE_ONCE(reads[me], reads[me] + 1);
			pause();
		}
		asm volatile("hlt");
	}
	irq_disable();
}

/* Wake everybody, whether a shootdown did or not, until each has made a whole new read. */
static void await_reads(void)
{
	ulong before[MAX_CPUS];

	for (u32 i = 1; i < cpu_count; i++)
		before[i] = atomic_load(&reads[i]);
	apic_send_others(VEC_RESCHED);
	for (u32 i = 1; i < cpu_count; i++)
		while (atomic_load(&reads[i]) < before[i] + 2)
			cpu_relax();
}

const char *smp_shootdown(void)
{
	ulong frame[FRAMES];

	for (u32 i = 0; i < FRAMES; i++)
		frame[i] = frame_alloc();
	atomic_store(&acknowledged, 0);
	test_map(VA, frame[0], PTE_KDATA);
	memset(reads, 0, sizeof(reads));
	run_on_others(reader);
	await_reads();
	for (ulong r = 1; r <= ROUNDS && !atomic_load(&bad_cpu); r++) {
		*(volatile ulong *)phys(frame[r % FRAMES]) = r;
		pte_store(test_pte(VA), frame[r % FRAMES] | PTE_KDATA | (r & 2 ? PTE_G : 0));
		tlb_flush_kernel(VA, VA + PAGE_SIZE);
		atomic_store(&acknowledged, r);
		if (r % LOOK_EVERY == 0)
			await_reads();
	}
	atomic_store(&stop, 1);
	smp_wait_all();
	pte_store(test_pte(VA), 0);
	tlb_flush_kernel(VA, VA + PAGE_SIZE);
	for (u32 i = 0; i < FRAMES; i++)
		frame_put(frame[i]);
	CHECK(!bad_cpu, "cpu %u saw the page of round %lu", bad_cpu - 1, bad_value);
	return NULL;
}

/* smp-table-writes: entry i of one table belongs to CPU i % cpu_count. */
#define TABLE_ENTRIES 128
static ulong table_frame[2];

static void write_entries(void *arg)
{
	u32 me = this_cpu()->index;

	(void)arg;
	for (ulong round = 0; round < 4; round++)
		for (ulong i = me; i < TABLE_ENTRIES; i += cpu_count) {
			ulong va = VA + i * PAGE_SIZE, pa = table_frame[(i + round) & 1];

			pte_store(test_pte(va), pa | PTE_KDATA);
			invlpg(va);
			if (*(volatile ulong *)va != ((i + round) & 1))
				complain(i);
		}
}

const char *smp_table_writes(void)
{
	for (ulong i = 0; i < 2; i++) {
		table_frame[i] = frame_alloc();
		*(ulong *)phys(table_frame[i]) = i;
	}
	test_pte(VA); /* the tables are there before the others look for them */
	run_on_others(write_entries);
	write_entries(NULL);
	smp_wait_all();
	CHECK(!bad_cpu, "cpu %u: its entry %lu did not take", bad_cpu - 1, bad_value);
	for (ulong i = 0; i < TABLE_ENTRIES; i++) {
		ulong want = table_frame[(i + 3) & 1];

		CHECK((pte_load(test_pte(VA + i * PAGE_SIZE)) & PTE_ADDR) == want,
		      "entry %lu is lost", i);
		pte_store(test_pte(VA + i * PAGE_SIZE), 0);
	}
	tlb_flush_kernel(VA, VA + TABLE_ENTRIES * PAGE_SIZE);
	for (ulong i = 0; i < 2; i++)
		frame_put(table_frame[i]);
	return NULL;
}
