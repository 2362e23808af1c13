/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The differential test's instructions, decoded by Zydis itself, against the mnemonics that the
 * interpreter's table has handlers for. A handler that is not named below as something other than
 * an integer instruction must have run, so that a new one needs a form.
 *
 * Read first: interp_coverage.h. Read next: interp_forms.c.
 */
#include <stdio.h>

#include <CUnit/CUnit.h>

#include "interp_coverage.h"
#include "interp_suites.h"
#include "vmm/interp/fpu.h"

#define MNEMONICS (ZYDIS_MNEMONIC_MAX_VALUE + 1u)
#define ENOUGH	  100000u /* cases, for each form to come many times */
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

static unsigned ran[MNEMONICS];

/* System instructions, vectors, what waits or ends, and hints: not what this test compares. */
static enum cpu_result (*const other[])(struct exec *x) = {
	x_ud,	       x_gp,	   x_int,	x_int3,	    x_int1,    x_iret,	  x_syscall,
	x_sysret,      x_sysenter, x_sysexit,	x_cli,	    x_sti,     x_ac,	  x_in,
	x_out,	       x_ins,	   x_outs,	x_hlt,	    x_cpuid,   x_rdtsc,	  x_rdrand,
	x_rdmsr,       x_wrmsr,	   x_swapgs,	x_fsgsbase, x_rdpkru,  x_wrpkru,  x_xgetbv,
	x_xsetbv,      x_clflush,  x_lmsw,	x_smsw,	    x_clts,    x_wait,	  x_load_table,
	x_store_table, x_load_sys, x_store_sys, x_invlpg,   x_invpcid, x_lar,	  x_lsl,
	x_verify,      x_load_far, x_vmov,	x_vmovd,    x_vxor,    x_ldmxcsr, x_stmxcsr,
	x_maskmov,     x_emms,	   x_fxsave,	x_fxrstor,  x_xsave,   x_nop,	  x_xrstor,
	x_vzero,       x_vmaskmov, x_gather,
};

/* The forms are 64-bit code. These are not there in 64-bit mode. */
static const ZydisMnemonic legacy_only[] = {
	ZYDIS_MNEMONIC_AAA,    ZYDIS_MNEMONIC_AAS,    ZYDIS_MNEMONIC_DAA,
	ZYDIS_MNEMONIC_DAS,    ZYDIS_MNEMONIC_AAM,    ZYDIS_MNEMONIC_AAD,
	ZYDIS_MNEMONIC_SALC,   ZYDIS_MNEMONIC_INTO,   ZYDIS_MNEMONIC_BOUND,
	ZYDIS_MNEMONIC_PUSHA,  ZYDIS_MNEMONIC_PUSHAD, ZYDIS_MNEMONIC_POPA,
	ZYDIS_MNEMONIC_POPAD,  ZYDIS_MNEMONIC_ARPL,   ZYDIS_MNEMONIC_JCXZ,
	ZYDIS_MNEMONIC_PUSHFD, ZYDIS_MNEMONIC_POPFD,
};

void interp_coverage_count(const uint8_t *bytes, unsigned len)
{
	ZydisDecoder d;
	ZydisDecodedInstruction i;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, bytes, len, &i)))
		ran[i.mnemonic]++;
}

/* Whether the table has an entry for it, and of what kind. */
static bool is_integer(unsigned mnemonic)
{
	const struct insn i = {.mnemonic = (uint16_t)mnemonic, .unit = UNIT_NONE};
	const struct handler *h = handler_of(&i);

	for (unsigned k = 0; h->fn && k < COUNT(other); k++)
		if (h->fn == other[k])
			return false;
	return h->fn != NULL;
}

static bool is_legacy(unsigned mnemonic)
{
	for (unsigned k = 0; k < COUNT(legacy_only); k++)
		if (legacy_only[k] == mnemonic)
			return true;
	return false;
}

void interp_coverage(void)
{
	unsigned all = 0, covered = 0, legacy = 0, hints = 0;

	if (interp_options.last - interp_options.first < ENOUGH)
		return;
	for (unsigned m = 0; m < MNEMONICS; m++) {
		if (!is_integer(m)) {
			hints += ran[m] != 0;
			continue;
		}
		all++;
		covered += ran[m] != 0;
		legacy += is_legacy(m);
		if (!ran[m] && !is_legacy(m)) {
			printf("# never ran: %s\n", ZydisMnemonicGetString((ZydisMnemonic)m));
			CU_FAIL("an integer instruction without a form");
		}
		CU_ASSERT_FALSE(ran[m] && is_legacy(m));
	}
	printf("# %u integer mnemonics: %u ran on the processor, %u exist in 32-bit code only; "
	       "%u hints and fences ran too\n",
	       all, covered, legacy, hints);
	CU_ASSERT_EQUAL(covered + legacy, all);
}
