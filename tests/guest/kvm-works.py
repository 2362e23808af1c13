# SPDX-License-Identifier: BSD-2-Clause
# Whether guests can run on this host's KVM, asked of the kernel and not of umbra: 0, or 1 and the reason.
# The device is opened and nothing else: what a shell's <> does makes a file where there is none.
# The numbers are those of <linux/kvm.h>.
import fcntl
import os
import sys

KVM_GET_API_VERSION, KVM_CREATE_VM, KVM_CHECK_EXTENSION = 0xAE00, 0xAE01, 0xAE03
KVM_CREATE_VCPU = 0xAE41
KVM_CAP_SYNC_REGS, KVM_CAP_IMMEDIATE_EXIT = 74, 136

device = os.environ.get("UMBRA_KVM_DEVICE") or "/dev/kvm"


def why():
    if not os.path.exists(device):
        return f"no {device}"
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as e:
        return f"{device} can't be opened: {e.strerror}"
    try:
        if fcntl.ioctl(kvm, KVM_GET_API_VERSION, 0) != 12:
            return f"{device} has another API than version 12"
        if fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & 3 != 3:
            return f"{device} has no KVM_CAP_SYNC_REGS"
        if fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0:
            return f"{device} has no KVM_CAP_IMMEDIATE_EXIT"
        vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
        fcntl.ioctl(vm, KVM_CREATE_VCPU, 0)
    except OSError as e:
        return f"{device} makes no machine: {e.strerror}"
    return ""


if reason := why():
    print(reason)
    sys.exit(1)
