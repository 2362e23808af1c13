/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to bring the machine down, for whoever has to survive that. They run only when named. */
#include "scenarios/scenarios.h"
#include "x86.h"

const char *crash_triple(void)
{
	struct table_reg none = {0, 0};

	lidt(&none);
	asm volatile("ud2");
	return NULL;
}

/* The next fetch finds no tables; nor does the delivery of the fault. */
const char *crash_cr3(void)
{
	write_cr3(0x000000fff0000000UL);
	asm volatile("ud2");
	return NULL;
}

/* Every walk ends in the root page itself, mapped without the code that runs. */
const char *crash_selfmap(void)
{
	u64 root = frame_alloc();
	pte_t *table = phys(root);

	for (int i = 0; i < PT_ENTRIES; i++)
		table[i] = root | PTE_P | PTE_W | PTE_A | PTE_D;
	write_cr3(root);
	((void (*)(void))(TEST_BASE))();
	return NULL;
}

const char *crash_idt(void)
{
	struct table_reg nowhere = {256 * 16 - 1, TEST_BASE + 0x1000};

	lidt(&nowhere);
	*(volatile u64 *)(TEST_BASE + 0x2000) = 0;
	return NULL;
}

/* A #PF handler whose first instruction faults; its IST stack never runs out, so this never
 * ends. */
static void loop_handler(void)
{
	asm volatile("1: movq (%0), %%rax; jmp 1b" : : "r"(TEST_BASE) : "rax", "memory");
}

const char *crash_loop(void)
{
	static struct {
		u16 offset0, selector, flags, offset1;
		u32 offset2, reserved;
	} gates[256] __attribute__((aligned(16)));
	struct table_reg reg = {sizeof(gates) - 1, (u64)gates};
	u64 at = (u64)loop_handler;

	gates[14].offset0 = (u16)at;
	gates[14].selector = SEL_KCODE;
	gates[14].flags = 0x8e01;
	gates[14].offset1 = (u16)(at >> 16);
	gates[14].offset2 = (u32)(at >> 32);
	lidt(&reg);
	loop_handler();
	return NULL;
}

const char *hang(void)
{
	for (;;)
		asm volatile("cli; hlt");
	return NULL;
}

const char *spin(void)
{
	for (;;)
		asm volatile("" : : : "memory");
	return NULL;
}
