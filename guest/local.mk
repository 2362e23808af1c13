# SPDX-License-Identifier: BSD-2-Clause
# The tiny guest: four images out of one source. Objects never see the host's CFLAGS; their suffix
# names the image, and the include path picks its arch/IMAGE/paging.h and, by word size, its
# arch/x86_64 or arch/x86_32. Two files come out of one link: an ELF32 with a multiboot header and a
# PVH note, and one with the note alone (.elf64, .elf32; multiboot loaders refuse ELF64).
# The 32-bit images are built where the compiler has -m32.
GUEST_OBJCOPY = objcopy
GUEST_CC_INCLUDE = `$(CC) -print-file-name=include`
GUEST_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -ffreestanding -fno-builtin -fno-stack-protector -fno-pic -fno-pie \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-omit-frame-pointer \
	-mno-sse -mno-mmx -mno-80387 -mgeneral-regs-only $(GUEST_SAME_ANYWHERE)
# Where it is built must not show: a seed's run is the same then, wherever that is.
GUEST_SAME_ANYWHERE = -ffile-prefix-map=$(top_srcdir)/= -ffile-prefix-map=$(abs_top_builddir)=.
GUEST_64 = -m64 -mcmodel=large -mno-red-zone
GUEST_32 = -m32 -march=i686
GUEST_CPPFLAGS = -nostdinc -isystem $(GUEST_CC_INCLUDE) -I$(top_srcdir)/guest
GUEST_PATH = -I$(top_srcdir)/guest/arch
GUEST_X86_64 = $(GUEST_PATH)/x86_64 $(GUEST_PATH)/x86
GUEST_X86_32 = $(GUEST_PATH)/x86_32 $(GUEST_PATH)/x86
GUEST_AMD64 = $(CC) $(GUEST_CFLAGS) $(GUEST_64) $(GUEST_CPPFLAGS) $(GUEST_PATH)/amd64 $(GUEST_X86_64)
GUEST_LA57 = $(CC) $(GUEST_CFLAGS) $(GUEST_64) $(GUEST_CPPFLAGS) $(GUEST_PATH)/la57 $(GUEST_X86_64)
GUEST_PAE = $(CC) $(GUEST_CFLAGS) $(GUEST_32) $(GUEST_CPPFLAGS) $(GUEST_PATH)/pae $(GUEST_X86_32)
GUEST_I386 = $(CC) $(GUEST_CFLAGS) $(GUEST_32) $(GUEST_CPPFLAGS) $(GUEST_PATH)/i386 $(GUEST_X86_32)
GUEST_CPP_LD = -E -P -x assembler-with-cpp
GUEST_LD_FLAGS = -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack

guest_kernel_sources = \
	guest/dev/capture.c guest/dev/ramdisk.c guest/dev/swapdev.c \
	guest/kernel/calls.c guest/kernel/exec.c guest/kernel/lockcheck.c guest/kernel/main.c \
	guest/kernel/meet.c \
	guest/kernel/mutant.c guest/kernel/mutex.c guest/kernel/options.c guest/kernel/panic.c \
	guest/kernel/pipe.c guest/kernel/preempt.c guest/kernel/print.c guest/kernel/process.c \
	guest/kernel/rcu.c guest/kernel/report.c guest/kernel/runner.c guest/kernel/sched.c \
	guest/kernel/serial.c guest/kernel/signal.c guest/kernel/smp.c guest/kernel/spinlock.c \
	guest/kernel/string.c guest/kernel/syscall.c guest/kernel/syscall_vm.c guest/kernel/timer.c \
	guest/mm/advise.c guest/mm/attr.c guest/mm/collapse.c guest/mm/fault.c guest/mm/file.c \
	guest/mm/filemap.c guest/mm/fork.c guest/mm/frames.c guest/mm/gather.c guest/mm/gup.c \
	guest/mm/highmem.c guest/mm/kmap.c guest/mm/kmap_pool.c guest/mm/mapping.c guest/mm/migrate.c \
	guest/mm/pagealloc.c guest/mm/procwalk.c guest/mm/quicklist.c guest/mm/remap.c guest/mm/reclaim.c \
	guest/mm/reserved.c guest/mm/rmap.c guest/mm/share.c guest/mm/space.c guest/mm/swap.c guest/mm/tables.c guest/mm/tlb.c guest/mm/zap.c \
	guest/scenarios/attr.c guest/scenarios/bench.c guest/scenarios/boot.c guest/scenarios/crash.c \
	guest/scenarios/gather.c guest/scenarios/hostile.c guest/scenarios/hostile_cpu.c \
	guest/scenarios/life.c guest/scenarios/pagealloc.c guest/scenarios/paging.c \
	guest/scenarios/reserved.c guest/scenarios/rules.c guest/scenarios/swap.c \
	guest/scenarios/process.c guest/scenarios/share.c guest/scenarios/smp.c guest/scenarios/table.c \
	guest/arch/x86/apic.c guest/arch/x86/bootinfo.c guest/arch/x86/madt.c \
	guest/arch/x86/probe.c guest/arch/x86/trap.c
guest_64_sources = $(guest_kernel_sources) guest/arch/x86_64/cpu.c
guest_64_asm = guest/arch/x86_64/boot.S guest/arch/x86_64/entry.S guest/arch/x86_64/trampoline.S
guest_32_sources = $(guest_kernel_sources) guest/arch/x86_32/cpu.c
guest_32_asm = guest/arch/x86_32/boot.S guest/arch/x86_32/entry.S guest/arch/x86_32/trampoline.S
guest_user_sources = \
	guest/user/main.c guest/user/programs_calls.c guest/user/programs_bench.c guest/user/programs_memory.c \
	guest/user/programs_exec.c guest/user/programs_file.c guest/user/programs_gather.c \
	guest/user/programs_micro.c guest/user/programs_misc.c guest/user/programs_pipe.c \
	guest/user/programs_process.c guest/user/programs_remap.c guest/user/programs_reserved.c guest/user/programs_rmap.c \
	guest/user/programs_signal.c guest/user/programs_smp.c guest/user/programs_storm.c \
	guest/user/programs_swap.c guest/user/programs_walk.c
guest_headers = \
	guest/arch/amd64/paging.h guest/arch/i386/paging.h guest/arch/la57/paging.h \
	guest/arch/pae/paging.h guest/arch/x86/format.h guest/arch/x86/layout.h \
	guest/arch/x86/pte_word.h guest/arch/x86/x86.h guest/arch/x86_32/frame.h \
	guest/arch/x86_32/pte_wide.h guest/arch/x86_32/usercall.h guest/arch/x86_32/word.h \
	guest/arch/x86_64/frame.h guest/arch/x86_64/usercall.h guest/arch/x86_64/word.h \
	guest/dev/dev.h \
	guest/kernel/kernel.h guest/kernel/mutant.h guest/kernel/mutex.h guest/kernel/rcu.h \
	guest/kernel/types.h guest/mm/attr.h guest/mm/file.h guest/mm/mm.h guest/mm/rmap.h guest/mm/swap.h guest/scenarios/pressure.h \
	guest/scenarios/scenarios.h guest/user/abi.h guest/user/signal.h guest/user/try.h guest/user/user.h

SUFFIXES = .amd64o .la57o .paeo .i386o
AM_V_GUESTCC = $(AM_V_GUESTCC_@AM_V@)
AM_V_GUESTCC_ = $(AM_V_GUESTCC_@AM_DEFAULT_V@)
AM_V_GUESTCC_0 = @echo "  GUESTCC " $@;
.c.amd64o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_AMD64) -MMD -MP -MF $(@:o=d) -c -o $@ $<
.S.amd64o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_AMD64) -DUSER_BIN='"guest/amd64-user.bin"' -MMD -MP -MF $(@:o=d) -c -o $@ $<
.c.la57o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_LA57) -MMD -MP -MF $(@:o=d) -c -o $@ $<
.S.la57o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_LA57) -DUSER_BIN='"guest/la57-user.bin"' -MMD -MP -MF $(@:o=d) -c -o $@ $<
.c.paeo:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_PAE) -MMD -MP -MF $(@:o=d) -c -o $@ $<
.S.paeo:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_PAE) -DUSER_BIN='"guest/pae-user.bin"' -MMD -MP -MF $(@:o=d) -c -o $@ $<
.c.i386o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_I386) -MMD -MP -MF $(@:o=d) -c -o $@ $<
.S.i386o:
	@$(MKDIR_P) $(@D)
	$(AM_V_GUESTCC)$(GUEST_I386) -DUSER_BIN='"guest/i386-user.bin"' -MMD -MP -MF $(@:o=d) -c -o $@ $<

guest_amd64_objects = $(guest_64_asm:.S=.amd64o) guest/user/image.amd64o \
	$(guest_64_sources:.c=.amd64o)
guest_amd64_user = guest/arch/x86_64/start.amd64o $(guest_user_sources:.c=.amd64o)
guest/amd64-user.elf: $(guest_amd64_user) $(top_srcdir)/guest/arch/x86/user.ld
	$(AM_V_GEN)$(GUEST_AMD64) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/user.ld \
		-o guest/amd64-user.ld && \
	$(GUEST_AMD64) $(GUEST_LD_FLAGS) -Wl,-T,guest/amd64-user.ld -o $@ $(guest_amd64_user) -lgcc
guest/amd64-user.bin: guest/amd64-user.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -O binary guest/amd64-user.elf $@
guest/user/image.amd64o: guest/amd64-user.bin
guest/amd64-kernel.elf: $(guest_amd64_objects) $(top_srcdir)/guest/arch/x86/guest.ld
	$(AM_V_GEN)$(GUEST_AMD64) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/guest.ld \
		-o guest/amd64-kernel.ld && \
	$(GUEST_AMD64) $(GUEST_LD_FLAGS) -Wl,-T,guest/amd64-kernel.ld -o $@ $(guest_amd64_objects) -lgcc
guest/umbra-guest-amd64: guest/amd64-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -S -I elf64-x86-64 -O elf32-i386 guest/amd64-kernel.elf $@
guest/umbra-guest-amd64.elf64: guest/amd64-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -R .multiboot guest/amd64-kernel.elf $@
guest/umbra-guest-amd64.scenarios: guest/umbra-guest.scenarios
	$(AM_V_GEN)cp guest/umbra-guest.scenarios $@

guest_la57_objects = $(guest_64_asm:.S=.la57o) guest/user/image.la57o \
	$(guest_64_sources:.c=.la57o)
guest_la57_user = guest/arch/x86_64/start.la57o $(guest_user_sources:.c=.la57o)
guest/la57-user.elf: $(guest_la57_user) $(top_srcdir)/guest/arch/x86/user.ld
	$(AM_V_GEN)$(GUEST_LA57) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/user.ld \
		-o guest/la57-user.ld && \
	$(GUEST_LA57) $(GUEST_LD_FLAGS) -Wl,-T,guest/la57-user.ld -o $@ $(guest_la57_user) -lgcc
guest/la57-user.bin: guest/la57-user.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -O binary guest/la57-user.elf $@
guest/user/image.la57o: guest/la57-user.bin
guest/la57-kernel.elf: $(guest_la57_objects) $(top_srcdir)/guest/arch/x86/guest.ld
	$(AM_V_GEN)$(GUEST_LA57) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/guest.ld \
		-o guest/la57-kernel.ld && \
	$(GUEST_LA57) $(GUEST_LD_FLAGS) -Wl,-T,guest/la57-kernel.ld -o $@ $(guest_la57_objects) -lgcc
guest/umbra-guest-la57: guest/la57-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -S -I elf64-x86-64 -O elf32-i386 guest/la57-kernel.elf $@
guest/umbra-guest-la57.elf64: guest/la57-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -R .multiboot guest/la57-kernel.elf $@
guest/umbra-guest-la57.scenarios: guest/umbra-guest.scenarios
	$(AM_V_GEN)cp guest/umbra-guest.scenarios $@

guest_pae_objects = $(guest_32_asm:.S=.paeo) guest/user/image.paeo \
	$(guest_32_sources:.c=.paeo)
guest_pae_user = guest/arch/x86_32/start.paeo $(guest_user_sources:.c=.paeo)
guest/pae-user.elf: $(guest_pae_user) $(top_srcdir)/guest/arch/x86/user.ld
	$(AM_V_GEN)$(GUEST_PAE) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/user.ld \
		-o guest/pae-user.ld && \
	$(GUEST_PAE) $(GUEST_LD_FLAGS) -Wl,-T,guest/pae-user.ld -o $@ $(guest_pae_user) -lgcc
guest/pae-user.bin: guest/pae-user.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -O binary guest/pae-user.elf $@
guest/user/image.paeo: guest/pae-user.bin
guest/pae-kernel.elf: $(guest_pae_objects) $(top_srcdir)/guest/arch/x86/guest.ld
	$(AM_V_GEN)$(GUEST_PAE) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/guest.ld \
		-o guest/pae-kernel.ld && \
	$(GUEST_PAE) $(GUEST_LD_FLAGS) -Wl,-T,guest/pae-kernel.ld -o $@ $(guest_pae_objects) -lgcc
guest/umbra-guest-pae: guest/pae-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -S guest/pae-kernel.elf $@
guest/umbra-guest-pae.elf32: guest/pae-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -R .multiboot guest/pae-kernel.elf $@
guest/umbra-guest-pae.scenarios: guest/umbra-guest.scenarios
	$(AM_V_GEN)cp guest/umbra-guest.scenarios $@

guest_i386_objects = $(guest_32_asm:.S=.i386o) guest/user/image.i386o \
	$(guest_32_sources:.c=.i386o)
guest_i386_user = guest/arch/x86_32/start.i386o $(guest_user_sources:.c=.i386o)
guest/i386-user.elf: $(guest_i386_user) $(top_srcdir)/guest/arch/x86/user.ld
	$(AM_V_GEN)$(GUEST_I386) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/user.ld \
		-o guest/i386-user.ld && \
	$(GUEST_I386) $(GUEST_LD_FLAGS) -Wl,-T,guest/i386-user.ld -o $@ $(guest_i386_user) -lgcc
guest/i386-user.bin: guest/i386-user.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -O binary guest/i386-user.elf $@
guest/user/image.i386o: guest/i386-user.bin
guest/i386-kernel.elf: $(guest_i386_objects) $(top_srcdir)/guest/arch/x86/guest.ld
	$(AM_V_GEN)$(GUEST_I386) $(GUEST_CPP_LD) $(top_srcdir)/guest/arch/x86/guest.ld \
		-o guest/i386-kernel.ld && \
	$(GUEST_I386) $(GUEST_LD_FLAGS) -Wl,-T,guest/i386-kernel.ld -o $@ $(guest_i386_objects) -lgcc
guest/umbra-guest-i386: guest/i386-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -S guest/i386-kernel.elf $@
guest/umbra-guest-i386.elf32: guest/i386-kernel.elf
	$(AM_V_GEN)$(GUEST_OBJCOPY) -R .multiboot guest/i386-kernel.elf $@
guest/umbra-guest-i386.scenarios: guest/umbra-guest.scenarios
	$(AM_V_GEN)cp guest/umbra-guest.scenarios $@

# What `umbra guests` lists, out of the one table. A line: name, tab, help.
guest/umbra-guest.scenarios: guest/scenarios/table.c
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)tr '\n\t' '  ' < $(top_srcdir)/guest/scenarios/table.c | \
		grep -o '{"[^"]*", *"[^"]*"' | sed 's/{"\([^"]*\)", *"\(.*\)"/\1\t\2/' > $@

guest_64_data = guest/umbra-guest-amd64 guest/umbra-guest-amd64.elf64 \
	guest/umbra-guest-amd64.scenarios guest/umbra-guest-la57 guest/umbra-guest-la57.elf64 \
	guest/umbra-guest-la57.scenarios
guest_32_data = guest/umbra-guest-pae guest/umbra-guest-pae.elf32 \
	guest/umbra-guest-pae.scenarios guest/umbra-guest-i386 guest/umbra-guest-i386.elf32 \
	guest/umbra-guest-i386.scenarios
guest_DATA += $(guest_64_data)
if HAVE_M32
guest_DATA += $(guest_32_data)
endif
EXTRA_DIST += $(guest_kernel_sources) guest/arch/x86_64/cpu.c guest/arch/x86_32/cpu.c \
	$(guest_64_asm) $(guest_32_asm) guest/arch/x86_64/start.S guest/arch/x86_32/start.S \
	guest/user/image.S $(guest_user_sources) $(guest_headers) guest/README.md \
	tests/guest/qemu-tcg.bats guest/arch/x86/guest.ld guest/arch/x86/user.ld
guest_all_objects = $(guest_amd64_objects) $(guest_amd64_user) $(guest_la57_objects) \
	$(guest_la57_user) $(guest_pae_objects) $(guest_pae_user) $(guest_i386_objects) \
	$(guest_i386_user)
CLEANFILES += $(guest_all_objects) $(guest_64_data) $(guest_32_data) guest/umbra-guest.scenarios \
	guest/amd64-user.elf guest/amd64-user.bin guest/amd64-user.ld guest/amd64-kernel.elf guest/amd64-kernel.ld \
	$(guest_amd64_objects:.amd64o=.amd64d) $(guest_amd64_user:.amd64o=.amd64d) \
	guest/la57-user.elf guest/la57-user.bin guest/la57-user.ld guest/la57-kernel.elf guest/la57-kernel.ld \
	$(guest_la57_objects:.la57o=.la57d) $(guest_la57_user:.la57o=.la57d) \
	guest/pae-user.elf guest/pae-user.bin guest/pae-user.ld guest/pae-kernel.elf guest/pae-kernel.ld \
	$(guest_pae_objects:.paeo=.paed) $(guest_pae_user:.paeo=.paed) \
	guest/i386-user.elf guest/i386-user.bin guest/i386-user.ld guest/i386-kernel.elf guest/i386-kernel.ld \
	$(guest_i386_objects:.i386o=.i386d) $(guest_i386_user:.i386o=.i386d)

-include $(guest_amd64_objects:.amd64o=.amd64d)
-include $(guest_amd64_user:.amd64o=.amd64d)
-include $(guest_la57_objects:.la57o=.la57d)
-include $(guest_la57_user:.la57o=.la57d)
-include $(guest_pae_objects:.paeo=.paed)
-include $(guest_pae_user:.paeo=.paed)
-include $(guest_i386_objects:.i386o=.i386d)
-include $(guest_i386_user:.i386o=.i386d)
