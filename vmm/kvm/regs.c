/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's registers in the shared page of a KVM vCPU, written only where they differ: each set of
 * them that is marked as dirty costs KVM a reload.
 *
 * Read first: kvm.h. Read next: enter.c.
 */
#include <string.h>

#include "shadow/format.h"
#include "vmm/kvm/kvm.h"

mfn_t kvm_hw_root(const struct kvm_vcpu *kv)
{
	return mpa_mfn(MPA(kv->run->s.regs.sregs.cr3 & 0x000ffffffffff000ull));
}

void kvm_move_root(struct kvm_vcpu *kv, mfn_t root)
{
	struct kvm_sregs *s = &kv->run->s.regs.sregs;

	if (s->cr3 == mfn_mpa(root).v)
		return;
	s->cr3 = mfn_mpa(root).v;
	kv->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

void kvm_set_cpl(struct kvm_vcpu *kv, unsigned cpl)
{
	struct kvm_sregs *s = &kv->run->s.regs.sregs;

	if (s->cs.dpl == cpl && s->cs.s)
		return;
	s->cs = (struct kvm_segment){.limit = 0xffffffff,
				     .type = 11,
				     .present = 1,
				     .s = 1,
				     .l = 1,
				     .g = 1,
				     .dpl = (uint8_t)cpl,
				     .selector = cpl ? GATE_SEL_UCS : GATE_SEL_CS};
	s->ss = (struct kvm_segment){.limit = 0xffffffff,
				     .type = 3,
				     .present = 1,
				     .s = 1,
				     .db = 1,
				     .g = 1,
				     .dpl = (uint8_t)cpl,
				     .selector = cpl ? GATE_SEL_UDS : GATE_SEL_SS};
	kv->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

void kvm_set_bases(struct kvm_vcpu *kv, const struct kvm_entry *e)
{
	struct kvm_sregs *s = &kv->run->s.regs.sregs;

	if (s->fs.base == e->fs_base && s->gs.base == e->gs_base)
		return;
	s->fs.base = e->fs_base;
	s->gs.base = e->gs_base;
	kv->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

/* What makes a vector or x87 instruction #NM or #UD, and #XM #UD, is the guest's to say. */
#define FPU_CR0 (CR0_MP | CR0_EM | CR0_TS)
#define FPU_CR4 (CR4_OSFXSR | CR4_OSXMMEXCPT)

void kvm_set_fpu_traps(struct kvm_vcpu *kv, const struct kvm_entry *e)
{
	struct kvm_sregs *s = &kv->run->s.regs.sregs;
	uint64_t cr0 = (s->cr0 & ~FPU_CR0) | (e->cr0 & FPU_CR0);
	uint64_t cr4 = (s->cr4 & ~FPU_CR4) | (e->cr4 & FPU_CR4);

	if (s->cr0 == cr0 && s->cr4 == cr4)
		return;
	s->cr0 = cr0;
	s->cr4 = cr4;
	kv->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

void kvm_put_gprs(struct kvm_regs *r, const uint64_t *g)
{
	*r = (struct kvm_regs){
		.rax = g[CPU_RAX],
		.rbx = g[CPU_RBX],
		.rcx = g[CPU_RCX],
		.rdx = g[CPU_RDX],
		.rsi = g[CPU_RSI],
		.rdi = g[CPU_RDI],
		.rsp = g[CPU_RSP],
		.rbp = g[CPU_RBP],
		.r8 = g[CPU_R8],
		.r9 = g[CPU_R9],
		.r10 = g[CPU_R10],
		.r11 = g[CPU_R11],
		.r12 = g[CPU_R12],
		.r13 = g[CPU_R13],
		.r14 = g[CPU_R14],
		.r15 = g[CPU_R15],
	};
}

void kvm_get_gprs(uint64_t *g, const struct kvm_regs *r)
{
	const uint64_t v[CPU_GPRS] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp,
				      r->rsi, r->rdi, r->r8,  r->r9,  r->r10, r->r11,
				      r->r12, r->r13, r->r14, r->r15};

	memcpy(g, v, sizeof(v));
}

uint64_t kvm_real_rflags(uint64_t virt)
{
	return (virt & ~(RFL_IOPL | RFL_NT | RFL_VM | RFL_VIF | RFL_VIP)) | RFL_IF | RFL_FIXED;
}
