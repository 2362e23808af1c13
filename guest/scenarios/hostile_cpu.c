/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Garbage in descriptor tables, control registers and MSRs: see hostile.c. What is loaded here is
 * made here, for nothing in this kernel reads back a descriptor table's register.
 */
#include "scenarios/scenarios.h"
#include "x86.h"
#include "word.h"

#define GDT_SLOTS 32
#define MSR_BASE  0x1b /* of the local APIC */

static struct gate gates[256] __attribute__((aligned(16)));
static u64 slots[GDT_SLOTS] __attribute__((aligned(16)));

static void good_gates(void)
{
	for (ulong i = 0; i < 256; i++)
		gates[i] =
			gate_make((ulong)vectors + 16 * i,
				  i == VEC_SYSCALL && WORD_SIZE == 4 ? GATE_USER : GATE_KERNEL);
}

static u64 per_cpu_descriptor(void)
{
	u64 at = (ulong)this_cpu();

	return 0x00cf93000000ffffULL | (at & 0xffffff) << 16 | (at >> 24 & 0xff) << 56;
}

/* What the kernel lives on is as it was; all other slots are garbage, some of it well formed. */
static void fill_gdt(void)
{
	for (u32 i = 1; i < GDT_SLOTS; i++) {
		slots[i] = random_next();
		if (chance(2)) /* present, of a random type, and a limit that is not all too small */
			slots[i] = (slots[i] & ~(0x60ULL << 40)) | 0x80ULL << 40 | 0xffff;
	}
	slots[SEL_KCODE / 8] = WORD_SIZE == 8 ? 0x00af9b000000ffffULL : 0x00cf9b000000ffffULL;
	slots[SEL_KDATA / 8] = 0x00cf93000000ffffULL;
	if (chance(8)) { /* and what processes live on */
		slots[SEL_UCODE / 8] =
			WORD_SIZE == 8 ? 0x00affb000000ffffULL : 0x00cffb000000ffffULL;
		slots[SEL_UDATA / 8] = 0x00cff3000000ffffULL;
	}
	if (WORD_SIZE == 4)
		slots[SEL_PERCPU / 8] = per_cpu_descriptor();
}

static void load_gdt(void)
{
	struct table_reg reg = {sizeof(slots) - 1, (ulong)slots};

	fill_gdt();
	lgdt(&reg);
}

static void load_idt(void)
{
	struct table_reg reg = {sizeof(gates) - 1, (ulong)gates};

	if (!chance(16))
		reg.limit = (u16)chance(sizeof(gates));
	if (!chance(64))
		reg.base = (ulong)random_next();
	lidt(&reg);
}

static void spoil_gate(void)
{
	u8 *byte = (u8 *)&gates[chance(256)];

	for (u32 n = chance(4); n; n--)
		byte[chance(sizeof(gates[0]))] = (u8)random_next();
}

static void load_selector(void)
{
	ulong selector = chance(2) ? chance(GDT_SLOTS) * 8 | chance(4) : chance(0x10000);
	struct fault f;

	switch (chance(8)) {
	case 0:
		probe_load_tr(selector, &f);
		break;
	case 1:
		probe_load_ldt(selector, &f);
		break;
	case 2:
	case 3:
	case 4:
		probe_load_fs(selector, &f);
		break;
	default: /* the kernel's string instructions need it on 32-bit images */
		probe_load_es(selector, &f);
		probe_load_es(SEL_KDATA, &f);
	}
}

/* Something goes through a gate. */
static void trap_somehow(void)
{
	struct fault f;
	ulong v;

	switch (chance(5)) {
	case 0:
		probe_ud(&f);
		break;
	case 1:
		probe_int3(&f);
		break;
	case 2:
		probe_divide(&f);
		break;
	case 3:
		probe_read(TEST_BASE, &v, &f);
		break;
	default:
		apic_send_self(VEC_TEST);
		irq_enable();
		delay_cycles(1000);
		irq_disable();
	}
}

static void descriptors_step(void)
{
	switch (chance(8)) {
	case 0:
		load_gdt();
		break;
	case 1:
		load_idt();
		break;
	case 2:
		spoil_gate();
		break;
	case 3:
		good_gates();
		break;
	case 4:
		if (!chance(16))
			run_program(USER_EXIT, 0);
		break;
	case 5:
		load_selector();
		break;
	default:
		trap_somehow();
	}
}

const char *hostile_descriptors(void)
{
	good_gates();
	load_gdt();
	for (ulong i = 0; i < scaled(120); i++)
		descriptors_step();
	ran_on("garbage in descriptor tables");
	return NULL;
}

static const u32 msrs[] = {MSR_PAT,
			   MSR_EFER,
			   MSR_STAR,
			   MSR_LSTAR,
			   MSR_SFMASK,
			   MSR_KERNEL_GS_BASE,
			   MSR_VM_HSAVE_PA,
			   MSR_BASE,
			   0x10,
			   0x174,
			   0x175,
			   0x176,
			   0x1a0,
			   0x200,
			   0x201,
			   0x250,
			   0x277,
			   0x2ff,
			   0x3a,
			   0x48b,
			   0x6e0,
			   0x802,
			   0xc0000083,
			   0xc0000100,
			   0xc0000103,
			   0xc0010015,
			   0xc0010114};

static void msr_step(void)
{
	u32 msr = chance(4)   ? msrs[chance(ARRAY_SIZE(msrs))]
		  : chance(2) ? chance(0x1000)
			      : 0xc0000000 + chance(0x200);
	struct fault f;
	u64 old, new;

	if (!probe_rdmsr(msr, &old, &f))
		old = 0;
	new = chance(2) ? old ^ 1ULL << chance(64) : random_next();
	if (msr == MSR_GS_BASE || !probe_wrmsr(msr, new, &f))
		return;
	trap_somehow();
	if (chance(16))
		probe_wrmsr(msr, old, &f);
}

/* One bit, or, seldom, all of them. */
static ulong spoiled(ulong v)
{
	return chance(64) ? v ^ 1UL << chance(32) : (ulong)random_next();
}

static void control_step(void)
{
	ulong cr0 = read_cr0(), cr4 = read_cr4(), v;
	struct fault f;

	switch (chance(4)) {
	case 0: /* without paging there is no next instruction */
		v = spoiled(cr0);
		if (probe_write_cr0(chance(8) ? v | 0x80000001UL : v, &f))
			trap_somehow();
		probe_write_cr0(cr0, &f);
		break;
	case 1:
		if (probe_write_cr4(spoiled(cr4), &f))
			trap_somehow();
		probe_write_cr4(cr4, &f);
		break;
	default:
		msr_step();
	}
}

const char *hostile_control(void)
{
	for (ulong i = 0; i < scaled(120); i++)
		control_step();
	ran_on("garbage in control registers");
	return NULL;
}
