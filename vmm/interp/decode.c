/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes to struct insn, by Zydis. No state of the CPU beyond the choice of the mode enters
 * here, so that a result may be cached by (mode, bytes).
 *
 * Read first: insn.h.
 */
#include "vmm/interp/insn.h"

static const struct {
	ZydisMachineMode mode;
	ZydisStackWidth stack;
} mode_table[DECODE_MODES] = {
	[DECODE_LONG64] = {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64},
	[DECODE_COMPAT32] = {ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32},
	[DECODE_COMPAT16] = {ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16},
	[DECODE_LEGACY32] = {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
	[DECODE_LEGACY16] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
	[DECODE_REAL16] = {ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16},
};

bool decoders_init(struct decoders *d)
{
	for (int m = 0; m < DECODE_MODES; m++) {
		ZydisDecoder *z = &d->by_mode[m];

		if (!ZYAN_SUCCESS(ZydisDecoderInit(z, mode_table[m].mode, mode_table[m].stack)))
			return false;
		/* Without MPX, its opcodes are the NOPs that MPX code relies on. */
		if (!ZYAN_SUCCESS(
			    ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE)))
			return false;
	}
	return true;
}

enum decode_mode decode_mode_of(const struct cpu_state *s)
{
	bool big = s->seg[CPU_CS].attr & SEG_DB;

	if (s->rflags & RFL_VM)
		return DECODE_REAL16;
	/* CS.D survives the switch to real mode until CS is loaded (SDM vol. 3, section 9.9.2).
	 */
	if (cpu_real_mode(s))
		return big ? DECODE_LEGACY32 : DECODE_REAL16;
	if (cpu_64bit(s))
		return DECODE_LONG64;
	if (cpu_long_mode(s))
		return big ? DECODE_COMPAT32 : DECODE_COMPAT16;
	return big ? DECODE_LEGACY32 : DECODE_LEGACY16;
}

static uint8_t gpr_of(ZydisRegister r)
{
	if (r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15)
		return (uint8_t)(r - ZYDIS_REGISTER_RAX);
	if (r >= ZYDIS_REGISTER_EAX && r <= ZYDIS_REGISTER_R15D)
		return (uint8_t)(r - ZYDIS_REGISTER_EAX);
	if (r >= ZYDIS_REGISTER_AX && r <= ZYDIS_REGISTER_R15W)
		return (uint8_t)(r - ZYDIS_REGISTER_AX);
	if (r >= ZYDIS_REGISTER_IP && r <= ZYDIS_REGISTER_RIP)
		return REG_RIP;
	return REG_NONE;
}

/* Zydis numbers AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8B...: the four high halves sit in the
 * middle, so that everything behind them is off by four. */
static void reg8_operand(struct opnd *o, ZydisRegister r)
{
	unsigned n = (unsigned)(r - ZYDIS_REGISTER_AL);

	o->kind = n >= 4 && n < 8 ? OPND_REG8H : OPND_REG;
	o->reg = (uint8_t)(n < 4 ? n : n - 4);
}

static const struct {
	ZydisRegister first, last;
	enum opnd_kind kind;
} reg_files[] = {
	{ZYDIS_REGISTER_AX, ZYDIS_REGISTER_R15W, OPND_REG},
	{ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15D, OPND_REG},
	{ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_R15, OPND_REG},
	{ZYDIS_REGISTER_ES, ZYDIS_REGISTER_GS, OPND_SEG},
	{ZYDIS_REGISTER_CR0, ZYDIS_REGISTER_CR15, OPND_CR},
	{ZYDIS_REGISTER_DR0, ZYDIS_REGISTER_DR15, OPND_DR},
	{ZYDIS_REGISTER_MM0, ZYDIS_REGISTER_MM7, OPND_MM},
	{ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM15, OPND_VEC},
	{ZYDIS_REGISTER_YMM0, ZYDIS_REGISTER_YMM15, OPND_VEC},
};

static void reg_operand(struct opnd *o, ZydisRegister r)
{
	if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_R15B) {
		reg8_operand(o, r);
		return;
	}
	o->kind = OPND_OTHER;
	for (size_t k = 0; k < sizeof(reg_files) / sizeof(reg_files[0]); k++) {
		if (r < reg_files[k].first || r > reg_files[k].last)
			continue;
		o->kind = (uint8_t)reg_files[k].kind;
		o->reg = (uint8_t)(r - reg_files[k].first);
		return;
	}
}

static void mem_operand(struct opnd *o, const ZydisDecodedOperandMem *m)
{
	o->kind = m->type == ZYDIS_MEMOP_TYPE_VSIB ? OPND_VSIB : OPND_MEM;
	o->seg = m->segment == ZYDIS_REGISTER_NONE ? CPU_DS
						   : (uint8_t)(m->segment - ZYDIS_REGISTER_ES);
	o->base = gpr_of(m->base);
	o->index = gpr_of(m->index);
	if (o->kind == OPND_VSIB)
		o->reg = (uint8_t)((m->index - ZYDIS_REGISTER_XMM0) & 15);
	o->shift = m->scale ? (uint8_t)__builtin_ctz(m->scale) : 0;
	o->imm = (uint64_t)m->disp.value;
}

static uint8_t role_of(const ZydisDecodedOperand *z)
{
	unsigned role = 0;

	if (z->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
		role |= ROLE_READ;
	if (z->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		role |= ROLE_WRITE;
	if (z->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
		role |= ROLE_REG;
	if (z->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
		role |= ROLE_RM;
	if (z->encoding == ZYDIS_OPERAND_ENCODING_NDSNDD)
		role |= ROLE_VVVV;
	if (z->encoding == ZYDIS_OPERAND_ENCODING_IS4)
		role |= ROLE_IS4;
	return (uint8_t)role;
}

static void take_operand(struct opnd *o, const ZydisDecodedOperand *z)
{
	*o = (struct opnd){.size = (uint8_t)(z->size / 8), .role = role_of(z)};
	switch (z->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		reg_operand(o, z->reg.value);
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		mem_operand(o, &z->mem);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		o->kind = OPND_IMM;
		o->imm = z->imm.value.u;
		break;
	case ZYDIS_OPERAND_TYPE_POINTER:
		o->kind = OPND_FAR;
		o->far_sel = z->ptr.segment;
		o->imm = z->ptr.offset;
		break;
	case ZYDIS_OPERAND_TYPE_UNUSED:
	default:
		o->kind = OPND_OTHER;
	}
}

static uint8_t rep_of(ZydisInstructionAttributes a)
{
	if (a & ZYDIS_ATTRIB_HAS_REPNE)
		return REP_NE;
	return a & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE) ? REP_E : REP_NONE;
}

/* In 64-bit mode the prefixes of the four flat segments are ignored. */
static uint8_t seg_of(ZydisInstructionAttributes a, enum decode_mode mode)
{
	static const struct {
		ZydisInstructionAttributes attr;
		uint8_t seg;
	} overrides[] = {
		{ZYDIS_ATTRIB_HAS_SEGMENT_FS, CPU_FS}, {ZYDIS_ATTRIB_HAS_SEGMENT_GS, CPU_GS},
		{ZYDIS_ATTRIB_HAS_SEGMENT_ES, CPU_ES}, {ZYDIS_ATTRIB_HAS_SEGMENT_CS, CPU_CS},
		{ZYDIS_ATTRIB_HAS_SEGMENT_SS, CPU_SS}, {ZYDIS_ATTRIB_HAS_SEGMENT_DS, CPU_DS},
	};
	unsigned n = mode == DECODE_LONG64 ? 2 : 6;

	for (unsigned k = 0; k < n; k++)
		if (a & overrides[k].attr)
			return overrides[k].seg;
	return CPU_SEGS;
}

/* What CPUID doesn't offer is absent: other VEX, EVEX, XOP and 3DNow! instructions too. */
static uint8_t vex_unit_of(const ZydisDecodedInstruction *z)
{
	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
		return UNIT_ABSENT;
	switch (z->meta.isa_ext) {
	case ZYDIS_ISA_EXT_AVX:
		return UNIT_AVX;
	case ZYDIS_ISA_EXT_AVX2:
	case ZYDIS_ISA_EXT_AVX2GATHER:
		return UNIT_AVX2;
	case ZYDIS_ISA_EXT_FMA:
		return UNIT_FMA;
	case ZYDIS_ISA_EXT_F16C:
		return UNIT_F16C;
	default:
		return UNIT_ABSENT;
	}
}

static uint8_t unit_of(const ZydisDecodedInstruction *z)
{
	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return vex_unit_of(z);
	switch (z->meta.isa_ext) {
	case ZYDIS_ISA_EXT_X87:
		return UNIT_X87;
	case ZYDIS_ISA_EXT_MMX:
	case ZYDIS_ISA_EXT_SSE:
	case ZYDIS_ISA_EXT_SSE2:
		return UNIT_SIMD;
	case ZYDIS_ISA_EXT_SSE3: /* and FISTTP */
		return z->opcode_map ? UNIT_SIMD_NEW : UNIT_X87;
	case ZYDIS_ISA_EXT_SSSE3:
	case ZYDIS_ISA_EXT_SSE4:
		return UNIT_SIMD_NEW;
	case ZYDIS_ISA_EXT_AES:
	case ZYDIS_ISA_EXT_PCLMULQDQ:
	case ZYDIS_ISA_EXT_SHA:
	case ZYDIS_ISA_EXT_GFNI:
	case ZYDIS_ISA_EXT_SSE4A:
	case ZYDIS_ISA_EXT_KEYLOCKER:
	case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
	case ZYDIS_ISA_EXT_AMD3DNOW: /* FEMMS */
		return UNIT_ABSENT;
	default:
		return UNIT_NONE;
	}
}

/* Mandatory prefixes extend the opcode. VEX has them as two bits. */
static uint8_t mandatory_prefix(const ZydisDecodedInstruction *z)
{
	static const uint8_t vex_pp[] = {0, 0x66, 0xf3, 0xf2};

	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
		return vex_pp[z->raw.vex.pp & 3];
	for (unsigned k = 0; k < z->raw.prefix_count; k++)
		if (z->raw.prefixes[k].type == ZYDIS_PREFIX_TYPE_MANDATORY)
			return z->raw.prefixes[k].value;
	return 0;
}

/* Where VEX.W is the width of a general register, it counts in 64-bit mode only. */
static bool w_is_width(const struct insn *i)
{
	switch (i->map << 8 | i->opcode) {
	case 0x12a: /* VCVTSI2SS and its kin */
	case 0x12c:
	case 0x12d:
	case 0x316: /* VPEXTRD */
	case 0x322: /* VPINSRD */
	case 0x360: /* VPCMPESTRM */
	case 0x361:
		return true;
	default:
		return false;
	}
}

static bool take_w(const struct insn *i, const ZydisDecodedInstruction *z,
		   enum decode_mode mode)
{
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return z->raw.rex.W;
	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
		return false;
	return z->raw.vex.W && (mode == DECODE_LONG64 || !w_is_width(i));
}

static void take_opcode(struct insn *out, const ZydisDecodedInstruction *z)
{
	out->map = (uint8_t)z->opcode_map;
	out->opcode = z->opcode;
	out->prefix = mandatory_prefix(z);
	out->modrm = (uint8_t)(z->raw.modrm.mod << 6 | z->raw.modrm.reg << 3 | z->raw.modrm.rm);
	out->imm8 = (uint8_t)z->raw.imm[0].value.u;
	out->unit = unit_of(z);
}

static void take_insn(struct insn *out, const ZydisDecodedInstruction *z, enum decode_mode mode)
{
	out->mnemonic = (uint16_t)z->mnemonic;
	out->len = z->length;
	out->opsize = z->operand_width / 8;
	out->addrsize = z->address_width / 8;
	out->nops =
		z->operand_count_visible < INSN_OPNDS ? z->operand_count_visible : INSN_OPNDS;
	out->rep = rep_of(z->attributes);
	out->seg = seg_of(z->attributes, mode);
	out->lock = z->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	out->vex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	out->evex = z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	take_opcode(out, z);
	out->far_branch = z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	out->rex_w = take_w(out, z, mode);
	out->wide = false;
}

static enum decode_status status_of(ZyanStatus st)
{
	if (st == ZYDIS_STATUS_NO_MORE_DATA)
		return DECODE_MORE;
	return st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_LONG : DECODE_INVALID;
}

/* VEX.L = 1 where it has a meaning: with scalars it has none. */
static bool is_wide(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o)
{
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return o->reg.value >= ZYDIS_REGISTER_YMM0 &&
		       o->reg.value <= ZYDIS_REGISTER_YMM15;
	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	return o->size == 256 || (o->mem.type == ZYDIS_MEMOP_TYPE_VSIB && z->raw.vex.L);
}

enum decode_status decode_insn(const struct decoders *d, enum decode_mode mode,
			       const uint8_t *bytes, unsigned len, struct insn *out)
{
	const ZydisDecoder *z = &d->by_mode[mode];
	ZydisDecoderContext ctx;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[INSN_OPNDS];
	ZyanStatus st = ZydisDecoderDecodeInstruction(z, &ctx, bytes, len, &insn);

	if (!ZYAN_SUCCESS(st))
		return status_of(st);
	take_insn(out, &insn, mode);
	st = ZydisDecoderDecodeOperands(z, &ctx, &insn, ops, out->nops);
	if (!ZYAN_SUCCESS(st))
		return status_of(st);
	for (unsigned k = 0; k < out->nops; k++)
		take_operand(&out->op[k], &ops[k]);
	for (unsigned k = 0; k < out->nops; k++)
		out->wide |= is_wide(&insn, &ops[k]);
	return DECODE_OK;
}
