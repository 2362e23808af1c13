/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FNSTENV, FLDENV, FNSAVE, FRSTOR: the x87 environment in its four formats, by mode and operand
 * size, and the registers behind it. Selectors are saved as 0, as CPUID.7.EBX[13] announces.
 *
 * Read first: fpu.h. Manual: SDM vol. 1, section 8.1.10, figures 8-9 to 8-12.
 */
#include <string.h>

#include "vmm/interp/fpu.h"

#define ENV_16	   14u
#define ENV_32	   28u
#define REGS_BYTES 80u

static bool real_format(const struct cpu_state *s)
{
	return cpu_real_mode(s) || (s->rflags & RFL_VM);
}

/* Seven words, in 16 or 32 bits each: control, status, tags, then the pointers. */
static void to_words(const struct cpu_state *s, unsigned bytes, uint32_t w[7])
{
	const struct cpu_fpu *f = &s->fpu;
	const uint32_t ip = (uint32_t)f->fip, dp = (uint32_t)f->fdp;
	const bool wide = bytes == ENV_32, real = real_format(s);
	const uint32_t high = wide ? 0xffff0000u : 0;

	w[0] = high | f->fcw;
	w[1] = high | f->fsw;
	w[2] = high | cpu_fpu_tags(f);
	if (real) {
		w[3] = ip & 0xffff;
		w[4] = (wide ? ip >> 16 << 12 : ip >> 16 << 12 & 0xf000) | f->fop;
		w[5] = dp & 0xffff;
		w[6] = wide ? dp >> 16 << 12 : dp >> 16 << 12 & 0xf000;
	} else {
		w[3] = ip;
		w[4] = wide ? (uint32_t)f->fop << 16 : 0;
		w[5] = dp;
		w[6] = high;
	}
}

static void from_words(const struct cpu_state *s, struct cpu_fpu *f, unsigned bytes,
		       const uint32_t w[7])
{
	const bool wide = bytes == ENV_32;

	f->fcw = (uint16_t)w[0];
	cpu_fpu_set_top(f, w[1] >> 11 & 7);
	f->fsw = (uint16_t)w[1];
	cpu_fpu_set_tags(f, (uint16_t)w[2]);
	if (real_format(s)) {
		f->fip = (w[3] & 0xffff) | (w[4] & 0x0ffff000) << 4;
		f->fdp = (w[5] & 0xffff) | (w[6] & 0x0ffff000) << 4;
		f->fop = w[4] & 0x7ff;
	} else {
		f->fip = w[3];
		f->fdp = w[5];
		f->fop = wide ? w[4] >> 16 & 0x7ff : 0;
	}
}

static void pack(uint8_t *buf, unsigned bytes, const uint32_t w[7])
{
	for (unsigned k = 0; k < 7; k++)
		memcpy(buf + k * bytes / 7, &w[k], bytes / 7);
}

static void unpack(const uint8_t *buf, unsigned bytes, uint32_t w[7])
{
	for (unsigned k = 0; k < 7; k++) {
		w[k] = 0;
		memcpy(&w[k], buf + k * bytes / 7, bytes / 7);
	}
}

/* The operand's size tells the format, and whether registers follow. */
static unsigned env_bytes(const struct opnd *o)
{
	return o->size == ENV_16 || o->size == ENV_16 + REGS_BYTES ? ENV_16 : ENV_32;
}

enum cpu_result x_fpu_store_env(struct exec *x, const struct opnd *o)
{
	struct cpu_state *s = exec_state(x);
	const unsigned env = env_bytes(o);
	uint8_t buf[ENV_32 + REGS_BYTES];
	enum cpu_result r;
	uint32_t w[7];

	to_words(s, env, w);
	pack(buf, env, w);
	for (unsigned k = 0; k < 8; k++)
		memcpy(buf + env + 10 * k, s->fpu.st[k], 10);
	r = fpu_write_block(x, o, buf, o->size);
	if (r != CPU_OK)
		return r;
	if (o->size > env) {
		cpu_fpu_init(&s->fpu);
	} else {
		s->fpu.fcw |= FPU_EXCEPTIONS;
		fpu_canonical(&s->fpu);
	}
	return CPU_OK;
}

enum cpu_result x_fpu_load_env(struct exec *x, const struct opnd *o)
{
	struct cpu_state *s = exec_state(x);
	const unsigned env = env_bytes(o);
	uint8_t buf[ENV_32 + REGS_BYTES];
	struct cpu_fpu f = s->fpu;
	enum cpu_result r = fpu_read_block(x, o, buf, o->size);
	uint32_t w[7];

	if (r != CPU_OK)
		return r;
	unpack(buf, env, w);
	from_words(s, &f, env, w);
	for (unsigned k = 0; k < 8 && o->size > env; k++)
		memcpy(f.st[k], buf + env + 10 * k, 10);
	fpu_canonical(&f);
	s->fpu = f;
	return CPU_OK;
}
