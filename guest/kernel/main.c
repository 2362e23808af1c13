/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot order. Entered by boot.S on CPU 0 with IF clear, on the boot tables and stack. */
#include "dev/dev.h"
#include "mm/attr.h"
#include "x86.h"

static u8 runner_stack[16384] __attribute__((aligned(16)));

static u32 wanted_cpus(void)
{
	u32 n = options.cpus ? options.cpus : madt_count_cpus();

	return n > MAX_CPUS ? MAX_CPUS : n;
}

void kernel_main(void);
void kernel_main(void)
{
	struct cpu *c = &cpus[0];

	trap_init();
	cpu_init(c, 0);
	serial_init();
	bootinfo_read();
	options_parse(bootinfo.cmdline);
	frames_init();
	kmap_init();
	mm_switch(&kernel_mm);
	swapdev_init();
	capture_init();
	if (options.pagealloc && !pagealloc_start())
		panic("pagealloc: no memory");
	cpu_count = wanted_cpus();
	apic_init();
	c->online = 1;
	apic_timer_start();
	process_start_runner(runner_main, (ulong)(runner_stack + sizeof(runner_stack)));
	sched_loop();
}
