/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to bring the machine down, for whoever has to survive that. They run only when named. */
#include "scenarios/scenarios.h"
#include "x86.h"
#include "word.h"

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
	write_cr3(0xf0000000UL);
	asm volatile("ud2");
	return NULL;
}

/* Every walk ends in the root page itself, mapped without the code that runs. */
const char *crash_selfmap(void)
{
	ulong root = frame_alloc();
	pte_t *table = phys(root);

	for (int i = 0; i < PT_ROOT_ENTRIES; i++)
		table[i] = root | (PTE_KDATA & ~PTE_NX & PT_ROOT_FLAGS);
	write_cr3(root);
	((void (*)(void))(TEST_BASE))();
	return NULL;
}

const char *crash_idt(void)
{
	struct table_reg nowhere = {256 * 16 - 1, TEST_BASE + 0x1000};

	lidt(&nowhere);
	*(volatile ulong *)(TEST_BASE + 0x2000) = 0;
	return NULL;
}

/* A #PF handler whose first instruction faults; on 64-bit images its IST stack never
 * runs out, so this never ends. */
static void loop_handler(void)
{
	asm volatile("1: testb $1, (%0); jmp 1b" : : "r"(TEST_BASE) : "memory");
}

const char *crash_loop(void)
{
	static struct gate gates[256] __attribute__((aligned(16)));
	struct table_reg reg = {sizeof(gates) - 1, (ulong)gates};

	gates[14] = gate_make((ulong)loop_handler, GATE_LOOP);
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
