/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest can run on. A further machine is a row here, and a transport if it needs another.
 *
 * Read first: ref.h.
 */
#include "tools/ref/ref.h"

#include <unistd.h>

/* QEMU expects KVM to run kernels at CPL 0 without a gate. Other modules than these two offer the same
 * device and don't: with them guests hang. */
static bool stock_kvm(void)
{
	return !access("/dev/kvm", R_OK | W_OK) &&
	       (!access("/sys/module/kvm_intel", F_OK) || !access("/sys/module/kvm_amd", F_OK));
}

const struct ref_machine ref_machines[] = {
	{"qemu-tcg", "QEMU, which translates the guest's code", virt_run, "qemu", NULL},
	{"qemu-kvm", "QEMU on this host's KVM", virt_run, "kvm", stock_kvm},
	{"umbra-kvm", "umbra run --cpu kvm", process_run, "kvm", NULL},
	{"umbra-hybrid", "umbra run --cpu hybrid", process_run, "hybrid", NULL},
	{"umbra-soft", "umbra run --cpu soft", process_run, "soft", NULL},
	{.name = NULL},
};
