/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which stub executes an instruction: arithmetic on the lists the assembler made them from.
 *
 * Read first: fpu_host.S, avx_host.S.
 */
#include <string.h>

#include "vmm/interp/avx_ops.h"
#include "vmm/interp/fpu.h"
#include "vmm/interp/fpu_ops.h"

extern const char fpu_stubs_0f[], fpu_stubs_38[], fpu_stubs_imm[], fpu_stubs_x87[],
	fpu_stubs_x87_mem[];
extern const char avx_stubs_0f[], avx_stubs_38[], avx_stubs_imm[];

#define STUB_BYTES 8u
#define X87_BYTES  4u

static const uint8_t ops_0f[] = {FPU_OPS_0F};
static const uint8_t ops_38[] = {FPU_OPS_38};
static const uint8_t avx_ops_38[] = {AVX_OPS_38};

#define IMM_ROW(prefix, map, op, reg, w) {prefix, map, op, reg, w},
static const struct {
	uint8_t prefix, map, op, reg, w;
} ops_imm[] = {FPU_OPS_IMM(IMM_ROW)};

#define AVX_ROW(prefix, map, op, reg, w, l, v) {prefix, map, op, reg, w, l, v},
static const struct {
	uint8_t prefix, map, op, reg, w, l, v;
} avx_ops_imm[] = {AVX_OPS_IMM(AVX_ROW)};

static bool is_mem(const struct insn *i)
{
	return i->modrm < 0xc0;
}

static const uint8_t nth[256] = {[0x66] = 1, [0xf2] = 2, [0xf3] = 3};

static const void *plain(const char *base, const uint8_t *ops, size_t n, const struct insn *i)
{
	const uint8_t *at = memchr(ops, i->opcode, n);

	if (!at)
		return NULL;
	return base + STUB_BYTES * ((size_t)(at - ops) * 16 + nth[i->prefix] * 4u +
				    i->rex_w * 2u + is_mem(i));
}

/* Opcodes 71 to 73 have more opcode in ModRM.reg. */
static uint8_t reg_field(const struct insn *i)
{
	bool group = i->map == 1 && i->opcode >= 0x71 && i->opcode <= 0x73;

	return group ? i->modrm >> 3 & 7 : 2;
}

/* REX.W has a meaning for general registers, and for the lengths of PCMPESTRI and PCMPESTRM. */
static bool wants_w(const struct insn *i)
{
	static const uint8_t ops[] = {0x16, 0x22, 0x60, 0x61};

	return i->rex_w && i->map == 3 && memchr(ops, i->opcode, sizeof(ops));
}

static const void *with_immediate(const struct insn *i)
{
	const uint8_t reg = reg_field(i), w = wants_w(i);

	for (size_t k = 0; k < sizeof(ops_imm) / sizeof(ops_imm[0]); k++)
		if (ops_imm[k].op == i->opcode && ops_imm[k].map == i->map &&
		    ops_imm[k].prefix == i->prefix && ops_imm[k].reg == reg &&
		    ops_imm[k].w == w)
			return fpu_stubs_imm +
			       STUB_BYTES * (k * 512 + is_mem(i) * 256u + i->imm8);
	return NULL;
}

const void *fpu_stub_simd(const struct insn *i)
{
	const void *stub = NULL;

	if (i->map == 1)
		stub = plain(fpu_stubs_0f, ops_0f, sizeof(ops_0f), i);
	else if (i->map == 2)
		stub = plain(fpu_stubs_38, ops_38, sizeof(ops_38), i);
	return stub ? stub : with_immediate(i);
}

/* ---- VEX ---- */

static bool has_role(const struct insn *i, unsigned role)
{
	for (unsigned k = 0; k < i->nops; k++)
		if (i->op[k].role & role)
			return true;
	return false;
}

static const void *avx_plain(const char *base, const uint8_t *ops, size_t n, unsigned prefixes,
			     const struct insn *i)
{
	const uint8_t *at = memchr(ops, i->opcode, n);
	size_t k;

	if (!at)
		return NULL;
	k = (size_t)(at - ops) * prefixes + (prefixes > 1 ? nth[i->prefix] : 0);
	k = k * 2 + has_role(i, ROLE_VVVV);
	k = k * 2 + i->wide;
	k = k * 2 + i->rex_w;
	return base + STUB_BYTES * (k * 2 + is_mem(i));
}

/* VPERMQ and VPERMPD have it set; where it is ignored it counts as 0. */
static bool avx_wants_w(const struct insn *i)
{
	static const uint8_t ops[] = {0x00, 0x01, 0x16, 0x22, 0x60, 0x61};

	return i->rex_w && i->map == 3 && memchr(ops, i->opcode, sizeof(ops));
}

static const void *avx_with_immediate(const struct insn *i)
{
	const uint8_t reg = reg_field(i), w = avx_wants_w(i), v = has_role(i, ROLE_VVVV);
	const uint8_t imm = has_role(i, ROLE_IS4) ? 0 : i->imm8;

	for (size_t k = 0; k < sizeof(avx_ops_imm) / sizeof(avx_ops_imm[0]); k++)
		if (avx_ops_imm[k].op == i->opcode && avx_ops_imm[k].map == i->map &&
		    avx_ops_imm[k].prefix == i->prefix && avx_ops_imm[k].reg == reg &&
		    avx_ops_imm[k].w == w && avx_ops_imm[k].l == i->wide &&
		    avx_ops_imm[k].v == v)
			return avx_stubs_imm + STUB_BYTES * (k * 512 + is_mem(i) * 256u + imm);
	return NULL;
}

const void *fpu_stub_avx(const struct insn *i)
{
	const void *stub = NULL;

	if (i->map == 1)
		stub = avx_plain(avx_stubs_0f, ops_0f, sizeof(ops_0f), 4, i);
	else if (i->map == 2 && i->prefix == 0x66)
		stub = avx_plain(avx_stubs_38, avx_ops_38, sizeof(avx_ops_38), 1, i);
	return stub ? stub : avx_with_immediate(i);
}

const void *fpu_stub_x87(const struct insn *i)
{
	unsigned op = i->opcode - 0xd8u;

	if (op > 7)
		return NULL;
	if (is_mem(i))
		return fpu_stubs_x87_mem + X87_BYTES * (op * 8 + (i->modrm >> 3 & 7u));
	return fpu_stubs_x87 + X87_BYTES * (op * 64 + (i->modrm & 63u));
}
