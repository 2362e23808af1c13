/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A random program's loads of paging registers. The library is told what sh_flush_of() says they
 * drop; the oracle works that out by itself. Read first: shadow_run.h.
 */
#include <string.h>

#include "tests/unit/shadow_run.h"

/* PAE loads and checks the PDPTEs. False: #GP. */
static bool load_pdptes(struct run *r, unsigned vcpu, struct sh_regs *regs)
{
	struct mm_cpu cpu = fx_cpu(&r->f, vcpu);

	if (sh_mode_of(regs, &r->f.cfg.model).format != SH_FMT_PAE)
		return true;
	cpu.cr3 = regs->cr3;
	if (!mm_load_pdptes(&cpu))
		return false;
	memcpy(regs->pdpte, cpu.pdpte, sizeof(regs->pdpte));
	return true;
}

/* One register of CR0, CR4, EFER and the key rights has a new value. No change made here loads
 * PDPTEs but that of PSE, PGE and SMEP (SDM vol. 3, section 4.4.1), and the values are the same. */
static void load_regs(struct run *r, unsigned vcpu, enum sh_flush_reg reg,
		      const struct sh_regs *regs)
{
	const struct sh_regs *old = sh_vcpu_regs(r->f.vcpu[vcpu].v);
	uint64_t val = reg == SH_REG_CR0   ? regs->cr0
		       : reg == SH_REG_CR4 ? regs->cr4
					   : regs->efer;
	enum sh_flush drops = sh_flush_of(old, reg, val);
	struct mm_cpu cpu;

	if (r->bug == PROGRAM_BUG_CR4)
		drops = SH_FLUSH_NONE;
	sh_set_regs(r->f.vcpu[vcpu].v, regs, drops);
	cpu = fx_cpu(&r->f, vcpu);
	stale_regs(r->s, vcpu, &cpu);
}

/* To registers that no single instruction leads to; all is dropped on the way. */
void jump(struct run *r, unsigned vcpu, const struct sh_regs *regs)
{
	struct mm_cpu cpu;

	sh_set_regs(r->f.vcpu[vcpu].v, regs, SH_FLUSH_ALL);
	cpu = fx_cpu(&r->f, vcpu);
	stale_regs(r->s, vcpu, &cpu);
	stale_flush_all(r->s, vcpu);
}

static uint64_t random_cr3(struct run *r, enum sh_format_id format)
{
	if (format == SH_FMT_PAE)
		return (PDPTS << 12) + rnd(r) % 4 * 32;
	return rnd(r) % (chance(r, 70) ? 3 : TABLES) << 12;
}

void set_format(struct sh_regs *regs, enum sh_format_id format)
{
	static const struct {
		uint64_t cr4, efer;
	} bits[] = {[SH_FMT_PAE] = {1 << 5, 0},
		    [SH_FMT_4LVL] = {1 << 5, 0x500},
		    [SH_FMT_5LVL] = {1 << 5 | 1 << 12, 0x500}};

	regs->cr0 = (regs->cr0 & ~(1ull << 31)) | (uint64_t)(format != SH_FMT_NONE) << 31;
	regs->cr4 = (regs->cr4 & ~(1ull << 5 | 1ull << 12)) | bits[format].cr4;
	regs->efer = (regs->efer & ~0x500ull) | bits[format].efer;
	if (format < SH_FMT_4LVL)
		regs->cr4 &= ~R_PCIDE;
}

/* To another of the program's formats, on the same memory. */
void step_format(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS, format = rnd(r) % SH_FORMATS;
	struct sh_regs regs = *sh_vcpu_regs(r->f.vcpu[vcpu].v);

	if (!(r->formats & 1u << format))
		return;
	set_format(&regs, format);
	regs.cr3 = random_cr3(r, format);
	if (!load_pdptes(r, vcpu, &regs))
		return;
	jump(r, vcpu, &regs);
	r->v->switches++;
}

void step_cr3(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS;
	struct sh_regs regs = *sh_vcpu_regs(r->f.vcpu[vcpu].v);

	struct mm_cpu cpu;
	enum sh_flush drops;
	bool keep = false;

	if (chance(r, 60)) /* else the same once more, as to flush */
		regs.cr3 = random_cr3(r, sh_vcpu_mode(r->f.vcpu[vcpu].v)->format);
	if (regs.cr4 & R_PCIDE) {
		regs.cr3 &= ~0xfffull;
		regs.cr3 |= rnd(r) % PCIDS;
		keep = chance(r, 60);
	}
	if (!load_pdptes(r, vcpu, &regs))
		return;
	drops = sh_flush_of(sh_vcpu_regs(r->f.vcpu[vcpu].v), SH_REG_CR3,
			    regs.cr3 | (keep ? NOFLUSH : 0));
	if (r->bug == PROGRAM_BUG_CR3)
		drops = SH_FLUSH_NONE;
	sh_set_regs(r->f.vcpu[vcpu].v, &regs, drops);
	cpu = fx_cpu(&r->f, vcpu);
	stale_mov_cr3(r->s, vcpu, &cpu, keep);
}

/* PCIDE is set in long mode only, with PCID 0 (SDM vol. 3, section 4.10.1). */
static uint64_t pcide_toggle(const struct sh_regs *regs, enum sh_format_id format)
{
	if (regs->cr4 & R_PCIDE)
		return R_PCIDE;
	return format >= SH_FMT_4LVL && !(regs->cr3 & 0xfff) ? R_PCIDE : 0;
}

void step_mode(struct run *r)
{
	unsigned vcpu = rnd(r) % VCPUS;
	struct sh_regs regs = *sh_vcpu_regs(r->f.vcpu[vcpu].v);
	enum sh_flush_reg reg = SH_REG_CR4;

	switch (rnd(r) % (r->formats & 1u << SH_FMT_32 ? 10 : 9)) {
	case 0:
		regs.cr0 ^= R_WP;
		reg = SH_REG_CR0;
		break;
	case 1:
		regs.cr4 ^= R_SMEP;
		break;
	case 2:
		regs.cr4 ^= R_SMAP;
		break;
	case 3:
		regs.efer ^= R_NXE;
		reg = SH_REG_EFER;
		break;
	case 4:
		regs.cr4 ^= chance(r, 50) ? 1ull << 22 : 1ull << 24; /* PKE, PKS */
		break;
	case 5: /* WRPKRU flushes nothing */
		regs.pkru = (uint32_t)(rnd(r) & rnd(r) & rnd(r));
		break;
	case 6:
		regs.pkrs = (uint32_t)(rnd(r) & rnd(r) & rnd(r));
		break;
	case 7:
		regs.cr4 ^= R_PGE;
		break;
	case 8:
		regs.cr4 ^= pcide_toggle(&regs, sh_vcpu_mode(r->f.vcpu[vcpu].v)->format);
		break;
	default:
		regs.cr4 ^= 1 << 4; /* PSE */
		break;
	}
	load_regs(r, vcpu, reg, &regs);
}
