/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The vector and x87 registers between struct cpu_state and KVM. They travel by ioctls of some us, so
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

/* In the region of KVM_GET_XSAVE, which has the processor's format: an FXSAVE image, and behind it which
 * components are not in their initial state (SDM vol. 1, section 13.4). */
#define XSTATE_BV   512u
#define XSTATE_X87  (1ull << 0)
#define XSTATE_SSE  (1ull << 1)
#define IMAGE_BYTES 416u /* x87 and XMM; what follows is reserved */

/* KVM_SET_FPU would write XMM registers but not say that they are in use: KVM ignores them then, if
 * they were not before. */
static void to_kvm(uint8_t *region, const struct cpu_fpu *f)
{
	uint64_t used;

	memcpy(region, f, IMAGE_BYTES);
	memcpy(&used, region + XSTATE_BV, sizeof(used));
	used |= XSTATE_X87 | XSTATE_SSE;
	memcpy(region + XSTATE_BV, &used, sizeof(used));
}

static void from_kvm(struct cpu_fpu *f, const uint8_t *region)
{
	*f = (struct cpu_fpu){.fcw = 0};
	memcpy(f, region, IMAGE_BYTES);
	f->mxcsr &= FPU_MXCSR_MASK;
	f->mxcsr_mask = FPU_MXCSR_MASK;
}

/* What of the region is not in struct cpu_fpu is kept from one call to the next. */
static int get(struct kvm_vcpu *kv)
{
	if (ioctl(kv->fd, KVM_GET_XSAVE, &kv->xsave) < 0)
		return -errno;
	kv->xsave_here = true;
	return 0;
}

int kvm_fpu_take(struct kvm_vcpu *kv, struct cpu_state *s, bool write)
{
	int err = 0;

	if (!kv->fpu_here) {
		err = get(kv);
		if (err)
			return err;
		from_kvm(&s->fpu, (const uint8_t *)kv->xsave.region);
		kv->fpu_here = true;
	}
	kv->fpu_newer |= write;
	return 0;
}

int kvm_fpu_put(struct kvm_vcpu *kv, const struct cpu_state *s)
{
	int err = 0;

	if (!kv->fpu_newer)
		return 0;
	if (!kv->xsave_here)
		err = get(kv);
	if (err)
		return err;
	to_kvm((uint8_t *)kv->xsave.region, &s->fpu);
	if (ioctl(kv->fd, KVM_SET_XSAVE, &kv->xsave) < 0)
		return -errno;
	kv->fpu_newer = false;
	return 0;
}
