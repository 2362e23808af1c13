# SPDX-License-Identifier: BSD-2-Clause
# The stub of GDB's remote protocol. What of it needs no machine is a list of its own, for the fuzzer.
gdb_session_sources = \
	vmm/gdb/data.c \
	vmm/gdb/gdb.h \
	vmm/gdb/internal.h \
	vmm/gdb/packet.c \
	vmm/gdb/points.c \
	vmm/gdb/query.c \
	vmm/gdb/regs.c \
	vmm/gdb/run.c \
	vmm/gdb/session.c \
	vmm/gdb/target.c
gdb_sources = $(gdb_session_sources) \
	vmm/gdb/machine.c \
	vmm/gdb/place.c \
	vmm/gdb/place.h \
	vmm/gdb/server.c
