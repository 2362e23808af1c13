# SPDX-License-Identifier: BSD-2-Clause
# The control socket. Needs JSONC_CFLAGS and JSONC_LIBS.
control_sources = \
	vmm/control/client.c \
	vmm/control/commands.c \
	vmm/control/control.h \
	vmm/control/dispatch.c \
	vmm/control/event.c \
	vmm/control/frame.c \
	vmm/control/inject.c \
	vmm/control/internal.h \
	vmm/control/list.c \
	vmm/control/reply.c \
	vmm/control/server.c \
	vmm/control/session.c \
	vmm/control/socket.c \
	vmm/control/table.c \
	vmm/control/text.c
