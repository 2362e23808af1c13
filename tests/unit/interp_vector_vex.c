/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random VEX encodings, valid or not, of the families that CPUID can offer; those of families that it
 * does not, which this processor may have, are thrown away.
 *
 * Read first: interp_vector.h.
 */
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>
#include <Zydis/Zydis.h>

#include "interp_suites.h"
#include "interp_vector.h"

#define ENOUGH 300000u /* cases, for each mnemonic to come many times */

static unsigned ran[ZYDIS_MNEMONIC_MAX_VALUE + 1];

static bool takes_imm(unsigned map, unsigned op)
{
	return map == 3 || (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
					 (op >= 0xc4 && op <= 0xc6)));
}

static bool is_gather(unsigned map, unsigned op)
{
	return map == 2 && op >= 0x90 && op <= 0x93;
}

static unsigned pick_opcode(struct gen *g, unsigned map)
{
	static const uint8_t imm[] = {
		0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
		0x0f, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1d, 0x20, 0x21, 0x22, 0x38, 0x39,
		0x40, 0x41, 0x42, 0x46, 0x4a, 0x4b, 0x4c, 0x60, 0x61, 0x62, 0x63};

	switch (map) {
	case 1:
		return pick(g, 3) ? 0x50 + pick(g, 0xb0) : 0x10 + pick(g, 0x20);
	case 2:
		return pick(g, 0xc0);
	default:
		return pick(g, 16) ? imm[pick(g, sizeof(imm))] : pick(g, 256);
	}
}

/* Few encodings of a scalar, or of an opcode without a second source, are valid by chance. */
static void encode(struct gen *g)
{
	const unsigned map = 1 + pick(g, 3), op = pick_opcode(g, map);
	const unsigned pp = pick(g, map == 1 ? 2 : 16) ? 1 : pick(g, 4);
	const unsigned vvvv = pick(g, 2) ? 15 : pick(g, 16), l = pick(g, 2);
	const unsigned rxb = 0xe0 & ~(pick(g, 4) << 7) & ~(pick(g, 4) ? 0 : 0x20);

	if (map == 1 && pick(g, 2)) {
		put(g, 0xc5);
		put(g, pick(g, 2) << 7 | vvvv << 3 | l << 2 | pp);
	} else {
		put(g, 0xc4);
		put(g, rxb | map);
		put(g, pick(g, 2) << 7 | vvvv << 3 | l << 2 | pp);
	}
	put(g, op);
	if (is_gather(map, op)) { /* index in register n, base RDI */
		put(g, 0x04 | pick(g, 8) << 3);
		put(g, pick(g, 4) << 6 | pick(g, 8) << 3 | 7);
	} else if (map != 1 || op != 0x77) {
		put_modrm(g, takes_imm(map, op));
	}
	if (takes_imm(map, op))
		put(g, (unsigned)rnd(g) & (pick(g, 2) ? 0x7f : 0xff));
}

/* VPCLMULQDQ has a bit of its own beside that of AVX. */
static bool offered(const ZydisDecodedInstruction *i)
{
	const unsigned isa = i->meta.isa_ext;

	return i->mnemonic != ZYDIS_MNEMONIC_VPCLMULQDQ &&
	       (isa == ZYDIS_ISA_EXT_AVX || isa == ZYDIS_ISA_EXT_AVX2 ||
		isa == ZYDIS_ISA_EXT_AVX2GATHER || isa == ZYDIS_ISA_EXT_FMA ||
		isa == ZYDIS_ISA_EXT_F16C);
}

/* Undecodable ones stay: the processor must have #UD for them too. */
static bool is_subject(const struct gen *g)
{
	ZydisDecoder d;
	ZydisDecodedInstruction i;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, g->bytes, g->len, &i)))
		return true;
	if (!offered(&i))
		return false;
	ran[i.mnemonic]++;
	return true;
}

void vector_vex(struct gen *g)
{
	do {
		memset(g->bytes, 0, sizeof(g->bytes));
		g->len = 0;
		encode(g);
	} while (!is_subject(g));
}

/* A gather that stays within the data, whatever register has the indices. */
static void small_indices(struct gen *g)
{
	for (unsigned r = 0; r < 16; r++)
		for (unsigned k = 0; k < 2; k++) {
			uint64_t low = (pick(g, 64) - 32ull), high = pick(g, 64) - 32ull;
			uint64_t v = g->bytes[3] & 1 ? low : high << 32 | (uint32_t)low;

			memcpy(g->fpu.xmm[r] + 8 * k, &v, 8);
			v ^= 4;
			memcpy(g->ymm_high[r] + 8 * k, &v, 8);
		}
}

/* The register of the mask, which is vvvv, is no index: its elements are on or off. */
static void random_mask(struct gen *g)
{
	const unsigned r = ~(g->bytes[2] >> 3) & 15;

	for (unsigned k = 3; k < 16; k += 4) {
		g->fpu.xmm[r][k] = (uint8_t)rnd(g);
		g->ymm_high[r][k] = (uint8_t)rnd(g);
	}
}

void vector_vex_registers(struct gen *g)
{
	if (g->bytes[0] != 0xc4 || !is_gather(g->bytes[1] & 31, g->bytes[3]))
		return;
	small_indices(g);
	random_mask(g);
	g->regs.gpr[CPU_RDI] = g->regs.gpr[15] = MIDDLE;
}

/* Names of what the families have, from the decoder: mnemonics that random bytes in all maps give. */
void vector_vex_coverage(void)
{
	ZydisDecoder d;
	ZydisDecodedInstruction i;
	unsigned all = 0, missing = 0;
	static bool seen[ZYDIS_MNEMONIC_MAX_VALUE + 1];

	if (!vector_has_avx() || interp_options.last - interp_options.first < ENOUGH)
		return;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (uint32_t n = 0; n < 1u << 22; n++) {
		const uint8_t b[12] = {0xc4,
				       (uint8_t)(0xe1 + (n & 3)),
				       (uint8_t)((n >> 2 & 8 ? 0x78 : 0x70) | (n >> 2 & 7) |
						 (n >> 2 & 16) << 3),
				       (uint8_t)(n >> 7),
				       (uint8_t)(n >> 15 & 0x7f ? 0xc0 | n >> 15 : 0x04),
				       0x08};

		if ((n & 3) == 3 ||
		    !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, b, sizeof(b), &i)) ||
		    !offered(&i) || seen[i.mnemonic])
			continue;
		seen[i.mnemonic] = true;
		all++;
		if (!ran[i.mnemonic]) {
			missing++;
			printf("# never ran: %s\n", ZydisMnemonicGetString(i.mnemonic));
		}
	}
	printf("# %u mnemonics of AVX, AVX2, FMA and F16C, %u ran on the processor\n", all,
	       all - missing);
	CU_ASSERT_EQUAL(missing, 0);
}
