# SPDX-License-Identifier: BSD-2-Clause
# umbra's front end. The command line as a library of its own, so that unit tests link it; the
# commands are part of umbra.
noinst_LTLIBRARIES += libumbra-front.la
libumbra_front_la_CPPFLAGS = $(AM_CPPFLAGS) -DPKGDATADIR='"$(pkgdatadir)"'
libumbra_front_la_SOURCES = vmm/sizes.c vmm/sizes.h vmm/opttable.c vmm/opttable.h \
	vmm/optvalue.c vmm/options.c vmm/options.h vmm/guestpath.c vmm/guestpath.h

UMBRA_FRONT = vmm/main.c vmm/commands.h vmm/cmd_help.c vmm/cmd_list.c vmm/cmd_guests.c \
	vmm/cmd_blackbox.c

man1_MANS += docs/umbra.1
EXTRA_DIST += docs/umbra.1
