/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The KVM VM: its file descriptors, memory slots, and vCPUs in the one real state they ever have
 * (long mode, paging on, the gate's tables, all guest code at CPL 3).
 *
 * Slots: 0 and up guest RAM by region; the last one the gate and the pool of shadow tables, above
 * all RAM, so that no guest frame number leads there.
 * Read first: kvm.h.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shadow/format.h"
#include "vmm/kvm/kvm.h"

#define TWO_MIB	  (2ull << 20)
#define OWN_SLOT  GMEM_MAX_REGIONS
#define MAX_CPUID 256u

static int say(char *msg, size_t n, int err, const char *what)
{
	snprintf(msg, n, "%s: %s", what, strerror(err));
	return -err;
}

static const char *device(void)
{
	const char *other = getenv("UMBRA_KVM_DEVICE");

	return other && *other ? other : "/dev/kvm";
}

int kvm_vm_open(struct kvm_vm *vm, char *msg, size_t n)
{
	int sync;

	vm->fd = -1;
	kvm_foreign_open(vm);
	pthread_mutex_init(&vm->vcpus_lock, NULL);
	vm->kvm = open(device(), O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0) {
		int err = errno;

		snprintf(msg, n, "cannot open %s: %s; %s", device(), strerror(err),
			 err == EACCES ? "add yourself to group kvm or run as root"
				       : "load the kvm module of this machine's processor");
		return -err;
	}
	if (ioctl(vm->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(msg, n, "%s is not KVM's device; look at what it is by ls -l",
			 device());
		return -ENODEV;
	}
	sync = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	if (sync < 0 || (sync & 3) != 3 ||
	    ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0) {
		snprintf(msg, n,
			 "this KVM lacks KVM_CAP_SYNC_REGS or KVM_CAP_IMMEDIATE_EXIT; "
			 "a kernel of version 4.17 or later is needed");
		return -ENOTSUP;
	}
	return 0;
}

static int load_cpuid(struct kvm_vm *vm)
{
	size_t bytes = sizeof(*vm->cpuid) + MAX_CPUID * sizeof(struct kvm_cpuid_entry2);

	vm->cpuid = calloc(1, bytes);
	if (!vm->cpuid)
		return -ENOMEM;
	vm->cpuid->nent = MAX_CPUID;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, vm->cpuid) < 0)
		return -errno;
	for (unsigned i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 7 && !vm->cpuid->entries[i].index)
			vm->facts.umip = vm->cpuid->entries[i].ecx & 1u << 2;
	return 0;
}

static int set_slot(struct kvm_vm *vm, unsigned slot, mpa_t at, uint64_t bytes, void *mem)
{
	struct kvm_userspace_memory_region r = {.slot = slot,
						.guest_phys_addr = at.v,
						.memory_size = bytes,
						.userspace_addr = (uintptr_t)mem};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0 ? -errno : 0;
}

/* Lays out [gate pages | pad to 2 MiB | tables] and maps it into the VM. */
static int create_own(struct kvm_vm *vm, unsigned cpus, uint32_t tables)
{
	uint64_t window = ((uint64_t)tables * SH_PAGE_SIZE + TWO_MIB - 1) & ~(TWO_MIB - 1);
	uint64_t gate = ((uint64_t)gate_pages(cpus, window) * SH_PAGE_SIZE + TWO_MIB - 1) &
			~(TWO_MIB - 1);
	struct gate_config cfg = {.cpus = cpus, .window_bytes = window};

	vm->own_bytes = gate + window;
	vm->own = mmap(NULL, vm->own_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->own == MAP_FAILED) {
		vm->own = NULL;
		return -errno;
	}
	vm->tables = tables;
	vm->table_mfn = mpa_mfn(MPA(vm->own_mpa.v + gate));
	cfg.mem = vm->own;
	cfg.mpa = vm->own_mpa;
	cfg.window = mfn_mpa(vm->table_mfn);
	gate_build(&vm->gate, &cfg);
	return set_slot(vm, OWN_SLOT, vm->own_mpa, vm->own_bytes, vm->own);
}

int kvm_vm_create(struct kvm_vm *vm, unsigned cpus, uint32_t tables, char *msg, size_t n)
{
	int size, err;

	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return say(msg, n, errno, "KVM_CREATE_VM");
	size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return say(msg, n, EINVAL, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = (size_t)size;
	err = load_cpuid(vm);
	if (err)
		return say(msg, n, -err, "KVM_GET_SUPPORTED_CPUID");
	if (kvm_foreign_init(vm, tables))
		return say(msg, n, ENOMEM, "table marks");
	/* Intel hosts without unrestricted guests want a place for their own TSS; below 4 GiB and
	 * away from RAM. Ignored elsewhere. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	err = create_own(vm, cpus, tables);
	if (err)
		return say(msg, n, -err, "memory slot for gate and shadow tables");
	return 0;
}

int kvm_vm_add_ram(struct kvm_vm *vm, struct gmem *gm, char *msg, size_t n)
{
	const struct gmem_region *r;
	unsigned regions;

	/* Made once for KVM's sake and never dereferenced by us. */
	vm->ram = mmap(NULL, gmem_size(gm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		       gmem_fd(gm), 0);
	if (vm->ram == MAP_FAILED) {
		vm->ram = NULL;
		return say(msg, n, errno, "mapping guest memory; give the guest less with -m");
	}
	madvise(vm->ram, gmem_size(gm), MADV_DONTDUMP);
	r = gmem_regions(gm, &regions);
	for (unsigned i = 0; i < regions; i++) {
		int err = set_slot(vm, i, mfn_mpa(r[i].mfn), r[i].frames << SH_PAGE_SHIFT,
				   vm->ram + r[i].offset);

		if (err)
			return say(msg, n, -err, "memory slot for guest RAM");
	}
	return 0;
}

void kvm_vm_destroy(struct kvm_vm *vm)
{
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm >= 0)
		close(vm->kvm);
	if (vm->own)
		munmap(vm->own, vm->own_bytes);
	if (vm->ram)
		munmap(vm->ram, gmem_size(vm->m->gm));
	free(vm->cpuid);
	kvm_foreign_close(vm);
	pthread_mutex_destroy(&vm->vcpus_lock);
}

uint64_t *kvm_table(struct kvm_vm *vm, uint32_t i)
{
	return (uint64_t *)(void *)(vm->own + (mfn_mpa(vm->table_mfn).v - vm->own_mpa.v)) +
	       (size_t)i * 512;
}

static void real_segments(struct kvm_sregs *s, unsigned cpu)
{
	const struct kvm_segment data = {.limit = 0xffffffff,
					 .selector = GATE_SEL_UDS,
					 .type = 3,
					 .present = 1,
					 .dpl = 3,
					 .db = 1,
					 .s = 1,
					 .g = 1};

	s->ds = s->es = s->fs = s->gs = data;
	s->tr = (struct kvm_segment){.base = gate_cpu_va(cpu, GATE_CPU_TSS),
				     .limit = 0x67,
				     .selector = GATE_SEL_TSS,
				     .type = 11,
				     .present = 1};
	s->ldt = (struct kvm_segment){.unusable = 1, .type = 2, .present = 0};
	s->gdt.base = gate_cpu_va(cpu, GATE_CPU_GDT);
	s->gdt.limit = 0xfff;
	s->idt.base = (uint64_t)GATE_VA + GATE_IDT;
	s->idt.limit = 0x1ff;
}

/* CR0.AM stays 0: EFLAGS.AC of a guest kernel at CPL 3 means SMAP, not alignment checks. */
static int real_registers(struct kvm_vm *vm, struct kvm_vcpu *kv)
{
	struct kvm_sregs s;

	if (ioctl(kv->fd, KVM_GET_SREGS, &s) < 0)
		return -errno;
	s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	s.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (vm->facts.umip ? CR4_UMIP : 0);
	s.efer = EFER_LME | EFER_LMA | EFER_NXE;
	s.cr3 = mfn_mpa(vm->gate.empty_root).v;
	s.cs = (struct kvm_segment){.limit = 0xffffffff,
				    .selector = GATE_SEL_CS,
				    .type = 11,
				    .present = 1,
				    .s = 1,
				    .l = 1,
				    .g = 1};
	s.ss = (struct kvm_segment){.limit = 0xffffffff,
				    .selector = GATE_SEL_SS,
				    .type = 3,
				    .present = 1,
				    .db = 1,
				    .s = 1,
				    .g = 1};
	real_segments(&s, kv->index);
	if (ioctl(kv->fd, KVM_SET_SREGS, &s) < 0)
		return -errno;
	kv->run->s.regs.sregs = s;
	return 0;
}

/* SYSCALL must trap: EFER.SCE stays 0. A host that enters LSTAR all the same finds the gate there. */
static int real_msrs(struct kvm_vcpu *kv)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[3];
	} m = {.h = {.nmsrs = 3}};

	m.h.entries[0] = (struct kvm_msr_entry){.index = 0xc0000081,
						.data = (uint64_t)GATE_SEL_CS << 32 |
							(uint64_t)(GATE_SEL_UDS - 8) << 48};
	m.h.entries[1] =
		(struct kvm_msr_entry){.index = 0xc0000082, .data = gate_label(gate_syscall)};
	m.h.entries[2] =
		(struct kvm_msr_entry){.index = 0xc0000084, .data = RFL_IF | RFL_TF | RFL_DF};
	return ioctl(kv->fd, KVM_SET_MSRS, &m) < 0 ? -errno : 0;
}

/* CPUID at CPL 3 is to fault, so that the monitor answers it: by the VM's own control where KVM
 * decides, by this thread's where the VM's CPL 3 is the bare host's (kvm_pvm). From then on it faults
 * on this thread too. Not every host can: vmm/doctor_facts.c measures what comes of it. */
#define MSR_MISC_FEATURES_ENABLES 0x140u

static void trap_cpuid(struct kvm_vcpu *kv, bool on)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e;
	} m = {.h = {.nmsrs = 1}};

	m.h.entries[0] = (struct kvm_msr_entry){.index = MSR_MISC_FEATURES_ENABLES, .data = on};
	ioctl(kv->fd, KVM_SET_MSRS, &m);
	syscall(SYS_arch_prctl, ARCH_SET_CPUID, on ? 0ul : 1ul);
}

int kvm_vcpu_open(struct kvm_vm *vm, unsigned index, struct kvm_vcpu *kv)
{
	int err;

	memset(kv, 0, sizeof(*kv));
	pthread_spin_init(&kv->qlock, PTHREAD_PROCESS_PRIVATE);
	kv->vm = vm;
	kv->index = index;
	kv->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (kv->fd < 0)
		return -errno;
	kv->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, kv->fd, 0);
	if (kv->run == MAP_FAILED) {
		kv->run = NULL;
		return -errno;
	}
	kv->table_bits = calloc((vm->tables + 63) / 64, sizeof(uint64_t));
	if (!kv->table_bits)
		return -ENOMEM;
	if (ioctl(kv->fd, KVM_SET_CPUID2, vm->cpuid) < 0)
		return -errno;
	err = real_registers(vm, kv);
	if (!err)
		err = real_msrs(kv);
	trap_cpuid(kv, true);
	kv->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	return err;
}

void kvm_vcpu_close(struct kvm_vcpu *kv)
{
	if (kv->fd >= 0)
		trap_cpuid(kv, false);
	if (kv->run)
		munmap(kv->run, kv->vm->run_size);
	if (kv->fd >= 0)
		close(kv->fd);
	free(kv->table_bits);
	kv->run = NULL;
	kv->table_bits = NULL;
	kv->fd = -1;
}
