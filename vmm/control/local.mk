# SPDX-License-Identifier: BSD-2-Clause
# The control socket. Needs JSONC_CFLAGS and JSONC_LIBS.
control_sources = \
	vmm/control/args.c \
	vmm/control/blame.c \
	vmm/control/client.c \
	vmm/control/commands.c \
	vmm/control/control.h \
	vmm/control/dispatch.c \
	vmm/control/event.c \
	vmm/control/frame.c \
	vmm/control/inject.c \
	vmm/control/internal.h \
	vmm/control/list.c \
	vmm/control/look.c \
	vmm/control/monitor.c \
	vmm/control/monitor_mem.c \
	vmm/control/monitor_regs.c \
	vmm/control/monitor_tlb.c \
	vmm/control/reply.c \
	vmm/control/save.c \
	vmm/control/schema.c \
	vmm/control/server.c \
	vmm/control/session.c \
	vmm/control/shadow_check.c \
	vmm/control/shadow_dump.c \
	vmm/control/shadow_table.c \
	vmm/control/shadow_walk.c \
	vmm/control/share.c \
	vmm/control/socket.c \
	vmm/control/stats.c \
	vmm/control/table.c \
	vmm/control/text.c \
	vmm/control/trace.c \
	vmm/control/type.c
