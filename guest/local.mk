# SPDX-License-Identifier: BSD-2-Clause
# The tiny guest. Its objects never see the host's CFLAGS: .g64o is the kernel, .u64o its ring-3
# programs. Two files come out of one link: an ELF32 with a multiboot header and a PVH note, and an
# ELF64 with the note alone (multiboot loaders refuse ELF64).
GUEST_OBJCOPY = objcopy
GUEST_CPPFLAGS = -nostdinc -isystem $(GUEST_CC_INCLUDE) -I$(top_srcdir)/guest \
	-I$(top_srcdir)/guest/arch/amd64 -DUSER_BIN='"guest/amd64-user.bin"'
GUEST_CC_INCLUDE = `$(CC) -print-file-name=include`
GUEST_CFLAGS = -std=gnu11 -m64 -O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -ffreestanding -fno-builtin -fno-stack-protector -fno-pic -fno-pie \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-omit-frame-pointer \
	-mno-sse -mno-mmx -mno-80387 -mgeneral-regs-only \
	-mno-red-zone
GUEST_CC = $(CC) $(GUEST_CFLAGS) $(GUEST_CPPFLAGS) -MMD -MP
GUEST_LD = $(CC) -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack

guest_kernel_sources = \
	guest/kernel/main.c guest/kernel/options.c guest/kernel/panic.c guest/kernel/print.c \
	guest/kernel/process.c guest/kernel/runner.c guest/kernel/sched.c guest/kernel/serial.c \
	guest/kernel/smp.c guest/kernel/spinlock.c guest/kernel/string.c guest/kernel/syscall.c \
	guest/mm/fault.c guest/mm/fork.c guest/mm/frames.c guest/mm/gather.c guest/mm/kmap.c \
	guest/mm/mapping.c guest/mm/space.c guest/mm/tables.c guest/mm/tlb.c \
	guest/scenarios/boot.c guest/scenarios/crash.c guest/scenarios/paging.c \
	guest/scenarios/process.c guest/scenarios/smp.c guest/scenarios/table.c
guest_amd64_sources = \
	guest/arch/amd64/apic.c guest/arch/amd64/bootinfo.c guest/arch/amd64/cpu.c \
	guest/arch/amd64/madt.c guest/arch/amd64/probe.c guest/arch/amd64/trap.c
guest_amd64_asm = \
	guest/arch/amd64/boot.S guest/arch/amd64/entry.S guest/arch/amd64/trampoline.S \
	guest/user/image.S
guest_user_sources = \
	guest/user/main.c guest/user/programs_calls.c guest/user/programs_memory.c \
	guest/user/programs_process.c guest/user/programs_smp.c
guest_user_asm = guest/user/start.S
guest_headers = \
	guest/arch/amd64/frame.h guest/arch/amd64/layout.h guest/arch/amd64/paging.h \
	guest/arch/amd64/x86.h guest/kernel/kernel.h guest/kernel/types.h guest/mm/mm.h \
	guest/scenarios/scenarios.h guest/user/abi.h guest/user/user.h

guest_amd64_objects = $(guest_amd64_asm:.S=.g64o) $(guest_amd64_sources:.c=.g64o) \
	$(guest_kernel_sources:.c=.g64o)
guest_user_objects = $(guest_user_asm:.S=.u64o) $(guest_user_sources:.c=.u64o)

SUFFIXES = .g64o .u64o
AM_V_GUESTCC = $(AM_V_GUESTCC_@AM_V@)
AM_V_GUESTCC_ = $(AM_V_GUESTCC_@AM_DEFAULT_V@)
AM_V_GUESTCC_0 = @echo "  GUESTCC " $@;

.c.g64o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_CC) -mcmodel=large -c -o $@ $<
.S.g64o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_CC) -c -o $@ $<
.c.u64o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_CC) -c -o $@ $<
.S.u64o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_CC) -c -o $@ $<

guest/amd64-user.elf: $(guest_user_objects) $(top_srcdir)/guest/user/user.ld
	$(AM_V_GEN)$(GUEST_LD) -Wl,-T,$(top_srcdir)/guest/user/user.ld -o $@ $(guest_user_objects)
guest/amd64-user.bin: guest/amd64-user.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -O binary guest/amd64-user.elf $@
guest/user/image.g64o: guest/amd64-user.bin

guest/amd64-kernel.elf: $(guest_amd64_objects) $(top_srcdir)/guest/arch/amd64/guest.ld
	$(AM_V_GEN)$(GUEST_LD) -Wl,-T,$(top_srcdir)/guest/arch/amd64/guest.ld -o $@ \
		$(guest_amd64_objects)
guest/umbra-guest-amd64: guest/amd64-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -S -I elf64-x86-64 -O elf32-i386 guest/amd64-kernel.elf $@
guest/umbra-guest-amd64.elf64: guest/amd64-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -R .multiboot guest/amd64-kernel.elf $@

# What `umbra guests` lists, out of the one table. A line: name, tab, help.
guest/umbra-guest-amd64.scenarios: guest/scenarios/table.c
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)tr '\n\t' '  ' < $(top_srcdir)/guest/scenarios/table.c | \
		grep -o '{"[^"]*", *"[^"]*"' | sed 's/{"\([^"]*\)", *"\(.*\)"/\1\t\2/' > $@

guest_DATA += guest/umbra-guest-amd64 guest/umbra-guest-amd64.elf64 \
	guest/umbra-guest-amd64.scenarios
EXTRA_DIST += $(guest_kernel_sources) $(guest_amd64_sources) $(guest_amd64_asm) \
	$(guest_user_sources) $(guest_user_asm) $(guest_headers) guest/README.md tests/guest/qemu-tcg.bats \
	guest/arch/amd64/guest.ld guest/user/user.ld
CLEANFILES += $(guest_amd64_objects) $(guest_user_objects) $(guest_amd64_objects:.g64o=.d) \
	$(guest_user_objects:.u64o=.d) guest/amd64-user.elf guest/amd64-user.bin \
	guest/amd64-kernel.elf guest/umbra-guest-amd64 guest/umbra-guest-amd64.elf64 \
	guest/umbra-guest-amd64.scenarios

-include $(guest_amd64_objects:.g64o=.d)
-include $(guest_user_objects:.u64o=.d)
