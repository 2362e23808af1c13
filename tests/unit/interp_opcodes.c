/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every opcode of every map, as the decoder knows them, is one of three: it has something to execute
 * it; it is #UD, and CPUID does not offer its extension; or it would stop the run as not emulated, of
 * which there is none.
 *
 * Read first: ../../vmm/interp/insn.h. Manual: SDM vol. 2, appendix A.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "interp_suites.h"
#include "vmm/interp/exec.h"
#include "vmm/interp/fpu.h"
#include "vmm/machine.h"

#define MNEMONICS (ZYDIS_MNEMONIC_MAX_VALUE + 1u)

enum outcome { UNSEEN, EXECUTES, ABSENT, STOPS };

struct walk {
	struct decoders decoders;
	uint8_t outcome[MNEMONICS];
	uint16_t ext[MNEMONICS];
	uint64_t forms, counts[4];
};

static struct walk walk;

static bool has_stub(const struct insn *i)
{
	switch (i->unit) {
	case UNIT_X87:
		return fpu_stub_x87(i);
	case UNIT_SIMD:
	case UNIT_SIMD_NEW:
		return fpu_stub_simd(i);
	default:
		return fpu_stub_avx(i);
	}
}

static enum outcome judge(const struct insn *i)
{
	const struct handler *h = handler_of(i);

	if (!h->fn)
		return STOPS;
	if (h->fn == x_ud)
		return ABSENT;
	if (h->fn == x_simd || h->fn == x_avx)
		return has_stub(i) ? EXECUTES : STOPS;
	return EXECUTES;
}

static void look(enum decode_mode mode, const uint8_t *bytes)
{
	ZydisDecodedInstruction z;
	struct insn i;
	enum outcome v;

	if (decode_insn(&walk.decoders, mode, bytes, 15, &i) != DECODE_OK)
		return;
	ZydisDecoderDecodeInstruction(&walk.decoders.by_mode[mode], NULL, bytes, 15, &z);
	v = judge(&i);
	walk.forms++;
	walk.counts[v]++;
	if (v > walk.outcome[i.mnemonic]) {
		walk.outcome[i.mnemonic] = (uint8_t)v;
		walk.ext[i.mnemonic] = (uint16_t)z.meta.isa_ext;
	}
}

/* All values of ModRM, or of the byte behind the opcode. */
static void look_all(enum decode_mode mode, uint8_t *bytes, unsigned at)
{
	for (unsigned modrm = 0; modrm < 256; modrm++) {
		bytes[at] = (uint8_t)modrm;
		look(mode, bytes);
	}
}

static void legacy_maps(enum decode_mode mode)
{
	static const uint8_t maps[][3] = {{0}, {1, 0x0f}, {2, 0x0f, 0x38}, {2, 0x0f, 0x3a}};
	static const uint8_t prefixes[] = {0, 0x66, 0xf2, 0xf3};
	uint8_t b[16] = {0};

	for (unsigned n = 0; n < 4u * 4 * 2 * 256; n++) {
		const uint8_t *map = maps[n & 3];
		const uint8_t prefix = prefixes[n >> 2 & 3];
		unsigned at = 0;

		if (prefix)
			b[at++] = prefix;
		if (n >> 4 & 1 && mode == DECODE_LONG64)
			b[at++] = 0x48;
		memcpy(b + at, map + 1, map[0]);
		at += map[0];
		b[at++] = (uint8_t)(n >> 5);
		look_all(mode, b, at);
	}
}

/* VEX with three bytes and XOP: map, W, vvvv none or register 1, L, pp. */
static void vex_maps(enum decode_mode mode, uint8_t lead, unsigned first_map)
{
	uint8_t b[16] = {lead};

	for (unsigned n = 0; n < 3u * 2 * 2 * 2 * 4 * 256; n++) {
		unsigned k = n >> 8;

		b[1] = (uint8_t)(0xe0 | (first_map + k % 3));
		k /= 3;
		b[2] = (uint8_t)((k & 1) << 7 | (k & 2 ? 0x70 : 0x78) | (k & 4) | k >> 3);
		b[3] = (uint8_t)n;
		look_all(mode, b, 4);
	}
}

static void evex_maps(void)
{
	uint8_t b[16] = {0x62};

	for (unsigned n = 0; n < 3u * 2 * 4 * 4 * 256; n++) {
		unsigned k = n >> 8;

		b[1] = (uint8_t)(0xf1 + k % 3);
		k /= 3;
		b[2] = (uint8_t)((k & 1) << 7 | 0x74 | (k >> 1 & 3));
		b[3] = (uint8_t)((k >> 3 & 3) << 5 | 0x08);
		b[4] = (uint8_t)n;
		for (unsigned modrm = 0x80; modrm < 256; modrm += 9) {
			b[5] = (uint8_t)modrm;
			look(DECODE_LONG64, b);
		}
	}
}

static void take_all(void)
{
	static const enum decode_mode modes[] = {DECODE_LONG64, DECODE_LEGACY32};

	if (walk.forms)
		return;
	CU_ASSERT_TRUE_FATAL(decoders_init(&walk.decoders));
	for (unsigned k = 0; k < 2; k++) {
		legacy_maps(modes[k]);
		vex_maps(modes[k], 0xc4, 1);
		vex_maps(modes[k], 0x8f, 8);
	}
	evex_maps();
}

static const char *name_of(unsigned mnemonic)
{
	return ZydisMnemonicGetString((ZydisMnemonic)mnemonic);
}

static void nothing_stops(void)
{
	take_all();
	for (unsigned m = 0; m < MNEMONICS; m++)
		if (walk.outcome[m] == STOPS) {
			printf("# not emulated: %s\n", name_of(m));
			CU_FAIL("an instruction that stops the run");
		}
	CU_ASSERT(walk.counts[EXECUTES] > 100000);
	printf("# %llu forms: %llu executed, %llu #UD by CPUID\n",
	       (unsigned long long)walk.forms, (unsigned long long)walk.counts[EXECUTES],
	       (unsigned long long)walk.counts[ABSENT]);
}

/* Where CPUID has the bit of an extension; its table here has none of these leaves above 0x80000008. */
enum { EAX, EBX, ECX, EDX };
struct bit {
	ZydisISAExt ext;
	uint32_t leaf, subleaf;
	uint8_t reg, bit;
};
static const struct bit bits[] = {
	{ZYDIS_ISA_EXT_AES, 1, 0, ECX, 25},
	{ZYDIS_ISA_EXT_AVXAES, 1, 0, ECX, 25},
	{ZYDIS_ISA_EXT_PCLMULQDQ, 1, 0, ECX, 1},
	{ZYDIS_ISA_EXT_AVX, 1, 0, ECX, 1}, /* VPCLMULQDQ */
	{ZYDIS_ISA_EXT_MONITOR, 1, 0, ECX, 3},
	{ZYDIS_ISA_EXT_VTX, 1, 0, ECX, 5},
	{ZYDIS_ISA_EXT_VMFUNC, 1, 0, ECX, 5},
	{ZYDIS_ISA_EXT_TDX, 1, 0, ECX, 5},
	{ZYDIS_ISA_EXT_SMX, 1, 0, ECX, 6},
	{ZYDIS_ISA_EXT_SGX, 7, 0, EBX, 2},
	{ZYDIS_ISA_EXT_SGX_ENCLV, 7, 0, EBX, 2},
	{ZYDIS_ISA_EXT_RTM, 7, 0, EBX, 11},
	{ZYDIS_ISA_EXT_AVX512EVEX, 7, 0, EBX, 16},
	{ZYDIS_ISA_EXT_AVX512VEX, 7, 0, EBX, 16},
	{ZYDIS_ISA_EXT_CLWB, 7, 0, EBX, 24},
	{ZYDIS_ISA_EXT_SHA, 7, 0, EBX, 29},
	{ZYDIS_ISA_EXT_WAITPKG, 7, 0, ECX, 5},
	{ZYDIS_ISA_EXT_CET, 7, 0, ECX, 7},
	{ZYDIS_ISA_EXT_GFNI, 7, 0, ECX, 8},
	{ZYDIS_ISA_EXT_RDPID, 7, 0, ECX, 22},
	{ZYDIS_ISA_EXT_KEYLOCKER, 7, 0, ECX, 23},
	{ZYDIS_ISA_EXT_KEYLOCKER_WIDE, 7, 0, ECX, 23},
	{ZYDIS_ISA_EXT_MOVDIR, 7, 0, ECX, 27},
	{ZYDIS_ISA_EXT_ENQCMD, 7, 0, ECX, 29},
	{ZYDIS_ISA_EXT_UINTR, 7, 0, EDX, 5},
	{ZYDIS_ISA_EXT_SERIALIZE, 7, 0, EDX, 14},
	{ZYDIS_ISA_EXT_TSX_LDTRK, 7, 0, EDX, 16},
	{ZYDIS_ISA_EXT_PCONFIG, 7, 0, EDX, 18},
	{ZYDIS_ISA_EXT_AMX_BF16, 7, 0, EDX, 22},
	{ZYDIS_ISA_EXT_AMX_TILE, 7, 0, EDX, 24},
	{ZYDIS_ISA_EXT_AMX_INT8, 7, 0, EDX, 25},
	{ZYDIS_ISA_EXT_AVX_VNNI, 7, 1, EAX, 4},
	{ZYDIS_ISA_EXT_HRESET, 7, 1, EAX, 22},
	{ZYDIS_ISA_EXT_XSAVES, 0xd, 1, EAX, 3},
	{ZYDIS_ISA_EXT_PT, 0x14, 0, EBX, 4},
	{ZYDIS_ISA_EXT_SVM, 0x80000001, 0, ECX, 2},
	{ZYDIS_ISA_EXT_SSE4A, 0x80000001, 0, ECX, 6},
	{ZYDIS_ISA_EXT_XOP, 0x80000001, 0, ECX, 11},
	{ZYDIS_ISA_EXT_FMA4, 0x80000001, 0, ECX, 16},
	{ZYDIS_ISA_EXT_TBM, 0x80000001, 0, ECX, 21},
	{ZYDIS_ISA_EXT_MONITORX, 0x80000001, 0, ECX, 29},
	{ZYDIS_ISA_EXT_AMD3DNOW, 0x80000001, 0, EDX, 31},
	{ZYDIS_ISA_EXT_CLZERO, 0x80000008, 0, EBX, 0},
	{ZYDIS_ISA_EXT_AMD_INVLPGB, 0x80000008, 0, EBX, 3},
	{ZYDIS_ISA_EXT_RDPRU, 0x80000008, 0, EBX, 4},
	{ZYDIS_ISA_EXT_MCOMMIT, 0x80000008, 0, EBX, 8},
	{ZYDIS_ISA_EXT_SNP, 0x8000001f, 0, EAX, 4},
	{ZYDIS_ISA_EXT_PADLOCK, 0xc0000001, 0, EDX, 2},
	{ZYDIS_ISA_EXT_KNC, 7, 0, EBX, 16}, /* of Xeon Phi's ancestors, and without a bit */
	{ZYDIS_ISA_EXT_KNCV, 7, 0, EBX, 16},
};

static bool is_offered(const struct bit *b)
{
	static struct machine machine;
	uint32_t out[4];

	machine.can = CAN_PKU | CAN_LA57 | CAN_AVX;
	machine.cfg.cpus = 1;
	machine.vcpu[0].m = &machine;
	machine_cpuid(&machine.vcpu[0], b->leaf, b->subleaf, out);
	return out[b->reg] >> b->bit & 1;
}

static const struct bit *bit_of(unsigned ext)
{
	for (size_t k = 0; k < sizeof(bits) / sizeof(bits[0]); k++)
		if (bits[k].ext == ext)
			return &bits[k];
	return NULL;
}

/* UD0, UD1 and UD2, and RSM outside system-management mode: whatever CPUID says. */
static bool always_ud(unsigned mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_UD0 || mnemonic == ZYDIS_MNEMONIC_UD1 ||
	       mnemonic == ZYDIS_MNEMONIC_UD2 || mnemonic == ZYDIS_MNEMONIC_RSM;
}

static void absent_is_not_offered(void)
{
	unsigned all = 0;

	take_all();
	for (unsigned m = 0; m < MNEMONICS; m++) {
		const struct bit *b = bit_of(walk.ext[m]);

		if (walk.outcome[m] != ABSENT || always_ud(m))
			continue;
		all++;
		if (b && !is_offered(b))
			continue;
		printf("# #UD, but %s: %s (%s)\n", b ? "offered" : "of what extension?",
		       name_of(m), ZydisISAExtGetString((ZydisISAExt)walk.ext[m]));
		CU_FAIL("#UD without a reason");
	}
	printf("# %u mnemonics are #UD for want of their bit\n", all);
	CU_ASSERT(all > 100);
}

static const struct tap_case cases[] = {
	{"nothing stops the run", nothing_stops},
	{"what is #UD is not offered", absent_is_not_offered},
	TAP_NO_CASE,
};
const struct tap_suite interp_opcodes_suite = {
	.name = "every opcode",
	.cases = cases,
};
