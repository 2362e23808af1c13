/* SPDX-License-Identifier: BSD-2-Clause */
/* The ways to stop the machine. Owns the debug-exit port. The first panicking CPU speaks,
 * others halt. */
#include "kernel/kernel.h"
#include "x86.h"

#define DEBUG_EXIT_PORT 0xf4

static u32 panicking; /* 1 + index of the CPU */

void machine_exit(u32 code)
{
	outl(DEBUG_EXIT_PORT, code);
	cli();
	for (;;)
		asm volatile("hlt");
}

/* A CPU that panics while it panics goes at once; another one leaves the stage to the first. */
static void begin_panic(void)
{
	u32 me = this_cpu()->index + 1, nobody = 0;

	cli();
	if (!__atomic_compare_exchange_n(&panicking, &nobody, me, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		if (nobody == me)
			machine_exit(EXIT_PANIC);
		for (;;)
			asm volatile("hlt");
	}
	print_panic_mode();
}

void panic(const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	begin_panic();
	va_start(ap, fmt);
	vformat(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	print("# panic: cpu %u: %s\n", this_cpu()->index, buf);
	machine_exit(EXIT_PANIC);
}

void panic_trap(const struct trapframe *tf, ulong addr)
{
	struct cpu *c = this_cpu();

	begin_panic();
	print("# panic: cpu %u: vector %lu error 0x%lx addr 0x%lx pid %u\n", c->index,
	      tf->vector, tf->error, addr, c->proc ? c->proc->pid : 0);
	print_registers(tf);
	machine_exit(EXIT_PANIC);
}
