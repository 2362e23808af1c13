/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The vector and x87 registers between struct cpu_state and KVM. They travel by ioctls of 8 us, so
 * only when an interpreted instruction looks at them, and back only if it changed them: guest code
 * at CPL 3 that the hardware runs finds its own registers where it left them.
 *
 * State, of the vCPU's thread alone: fpu_here, s->fpu is what the guest has; fpu_newer, KVM's copy
 * is not. One of the two copies is always right.
 * Read first: kvm.h, ../cpu/fpu.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/kvm/kvm.h"

static void from_kvm(struct cpu_fpu *f, const struct kvm_fpu *k)
{
	*f = (struct cpu_fpu){.fcw = k->fcw,
			      .fsw = k->fsw,
			      .ftw = k->ftwx,
			      .fop = k->last_opcode,
			      .fip = k->last_ip,
			      .fdp = k->last_dp,
			      .mxcsr = k->mxcsr & FPU_MXCSR_MASK,
			      .mxcsr_mask = FPU_MXCSR_MASK};
	memcpy(f->st, k->fpr, sizeof(f->st));
	memcpy(f->xmm, k->xmm, sizeof(f->xmm));
}

static void to_kvm(struct kvm_fpu *k, const struct cpu_fpu *f)
{
	*k = (struct kvm_fpu){.fcw = f->fcw,
			      .fsw = f->fsw,
			      .ftwx = f->ftw,
			      .last_opcode = f->fop,
			      .last_ip = f->fip,
			      .last_dp = f->fdp,
			      .mxcsr = f->mxcsr};
	memcpy(k->fpr, f->st, sizeof(f->st));
	memcpy(k->xmm, f->xmm, sizeof(f->xmm));
}

int kvm_fpu_take(struct kvm_vcpu *kv, struct cpu_state *s, bool write)
{
	struct kvm_fpu k;

	if (!kv->fpu_here) {
		if (ioctl(kv->fd, KVM_GET_FPU, &k) < 0)
			return -errno;
		from_kvm(&s->fpu, &k);
		kv->fpu_here = true;
	}
	kv->fpu_newer |= write;
	return 0;
}

int kvm_fpu_put(struct kvm_vcpu *kv, const struct cpu_state *s)
{
	struct kvm_fpu k;

	if (!kv->fpu_newer)
		return 0;
	to_kvm(&k, &s->fpu);
	if (ioctl(kv->fd, KVM_SET_FPU, &k) < 0)
		return -errno;
	kv->fpu_newer = false;
	return 0;
}
