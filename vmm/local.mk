# SPDX-License-Identifier: BSD-2-Clause
include vmm/front.mk
include vmm/cpu/local.mk
include vmm/interp/local.mk
include vmm/dev/local.mk
include vmm/boot/local.mk
include vmm/control/local.mk
include vmm/soft/local.mk
include vmm/hybrid/local.mk
include vmm/gdb/local.mk
include vmm/trace/local.mk

# Everything of the monitor but its commands, so that tests can link it.
noinst_LTLIBRARIES += libvmm.la
libvmm_la_SOURCES = $(cpu_sources) $(interp_sources) $(dev_sources) $(boot_sources) \
	$(control_sources) $(soft_sources) $(hybrid_sources) $(gdb_sources) $(trace_sources) \
	vmm/gate/gate.c vmm/gate/gate.h vmm/gate/gate_code.S \
	vmm/kvm/backend.c vmm/kvm/engine.c vmm/kvm/enter.c vmm/kvm/foreign.c vmm/kvm/fpu.c vmm/kvm/kvm.h vmm/kvm/probe.c vmm/kvm/probe.h vmm/kvm/probe_remote.c vmm/kvm/probe_stats.c vmm/kvm/regs.c \
	vmm/kvm/vm.c vmm/kvm/measure.c vmm/kvm/measure.h vmm/kvm/measure_cost.c \
	vmm/kvm/measure_host.c vmm/kvm/measure_insn.c vmm/kvm/measure_loop.c \
	vmm/kvm/measure_rig.h vmm/kvm/measure_tables.c \
	vmm/clock.h vmm/cpuid.c vmm/crash.c vmm/debug.c vmm/debug.h vmm/engine.c vmm/engine.h vmm/exits.c vmm/exitstat.c vmm/exitstat.h vmm/guestreport.c \
	vmm/inspect.c vmm/life.c vmm/machine.c vmm/machine.h vmm/memops.c vmm/memops.h vmm/reset.c vmm/upcalls.c \
	vmm/vcpu.c vmm/vcpu.h vmm/vcpu_call.c
libvmm_la_LIBADD = libumbra-shadow.la $(JSONC_LIBS) $(ZYDIS_LIBS) $(URCU_LIBS) -lpthread -lrt

bin_PROGRAMS += umbra
umbra_SOURCES = $(UMBRA_FRONT) vmm/run.c vmm/runresult.c vmm/runresult.h vmm/runtrace.c vmm/runtrace.h vmm/doctor.c vmm/doctor.h vmm/doctor_facts.c vmm/doctor_print.c \
	vmm/doctor_verdict.c
umbra_LDADD = libvmm.la libumbra-front.la

# The manual page of the control socket is what its table says.
noinst_PROGRAMS += vmm/control/qmp-man
vmm_control_qmp_man_SOURCES = vmm/control/man.c
vmm_control_qmp_man_LDADD = libvmm.la
nodist_man7_MANS = docs/umbra-qmp.7
CLEANFILES += docs/umbra-qmp.7
docs/umbra-qmp.7: vmm/control/qmp-man$(EXEEXT)
	@$(MKDIR_P) docs
	$(AM_V_GEN)vmm/control/qmp-man$(EXEEXT) >$@.tmp && mv $@.tmp $@
