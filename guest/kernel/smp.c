/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other processors: starting them, and running functions on them for scenarios.
 * Owns the trampoline page and cpu.call_fn. APs are started one at a time by CPU 0; a started
 * AP lives in sched_loop() and takes work from there, with IF clear. Only the runner hands out
 * work.
 */
#include "mm/mm.h"
#include "x86.h"

#define ONLINE_BOUND 20000000000ULL /* TSC cycles until an AP counts as dead: some seconds */

extern char trampoline_start[], trampoline_end[], boot_root[];
extern ulong trampoline_cr3, trampoline_stack, trampoline_entry;
static u8 ap_stack[MAX_CPUS][4096] __attribute__((aligned(16)));
static u32 starting;

void delay_cycles(u64 n)
{
	u64 start = rdtsc();

	while (cycles_since(start) < n)
		pause();
}

/* On the boot tables and the trampoline's GDT; GS is not set up yet. */
static void ap_main(void)
{
	u32 index = atomic_load(&starting);
	struct cpu *c = &cpus[index];

	write_cr3(kernel_mm.root);
	cpu_init(c, index);
	push_off();
	mm_switch(&kernel_mm);
	pop_off();
	apic_init();
	apic_timer_start();
	atomic_store(&c->online, 1);
	sched_loop();
}

/* A word of the trampoline, in the copy that the AP will run. */
static void set_trampoline(const ulong *word, ulong v)
{
	*(ulong *)phys(TRAMPOLINE_PA + (ulong)((const char *)word - trampoline_start)) = v;
}

static bool start_one(u32 i)
{
	u64 begin;

	set_trampoline(&trampoline_stack, (ulong)(ap_stack[i] + sizeof(ap_stack[i])));
	atomic_store(&starting, i);
	apic_start_ap(i, TRAMPOLINE_PA);
	begin = rdtsc();
	while (!atomic_load(&cpus[i].online)) {
		if (cycles_since(begin) > ONLINE_BOUND)
			return false;
		cpu_relax();
	}
	return true;
}

/* Bring up CPUs 1..cpu_count-1. On failure cpu_count is what did come up, and `why` says the
 * rest. */
bool smp_start(char *why, size_t size)
{
	u32 wanted = cpu_count;

	memcpy(phys(TRAMPOLINE_PA), trampoline_start,
	       (size_t)(trampoline_end - trampoline_start));
	set_trampoline(&trampoline_cr3, (ulong)boot_root - KBASE);
	set_trampoline(&trampoline_entry, (ulong)ap_main);
	for (u32 i = 1; i < wanted; i++)
		if (!start_one(i)) {
			format(why, size, "cpu %u did not start", i);
			cpu_count = i;
			return false;
		}
	return true;
}

/* Called by sched_loop(): run what was handed to this CPU. */
void smp_serve(struct cpu *c)
{
	void (*fn)(void *) = atomic_load(&c->call_fn);

	if (!fn)
		return;
	fn(c->call_arg);
	ASSERT(!c->irq_on);
	atomic_store(&c->call_fn, NULL);
}

/* Have another CPU call fn(arg) as soon as it can; the one before must be done. */
void smp_run(u32 cpu, void (*fn)(void *), void *arg)
{
	struct cpu *c = &cpus[cpu];

	ASSERT(cpu != this_cpu()->index && smp_done(cpu));
	c->call_arg = arg;
	atomic_store(&c->call_fn, fn);
	apic_send(cpu, VEC_RESCHED);
}

bool smp_done(u32 cpu)
{
	return !atomic_load(&cpus[cpu].call_fn);
}

void smp_wait_all(void)
{
	for (u32 i = 0; i < cpu_count; i++)
		while (!smp_done(i))
			cpu_relax();
}

/* Until every other CPU idles on the kernel's tables: then nothing of a scenario is left
 * anywhere. */
void smp_quiesce(void)
{
	ulong others = ((1UL << cpu_count) - 1) & ~(1UL << this_cpu()->index);

	smp_wait_all();
	while ((atomic_load(&idle_cpus) & others) != others)
		cpu_relax();
}
