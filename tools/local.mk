# SPDX-License-Identifier: BSD-2-Clause
bin_PROGRAMS += umbra-ref
umbra_ref_SOURCES = tools/ref/ref.h tools/ref/options.h tools/ref/main.c tools/ref/options.c \
	tools/ref/machine.c tools/ref/process.c tools/ref/keeper.c tools/ref/tap.c tools/ref/table.c
umbra_ref_LDADD = libumbra-front.la $(JSONC_LIBS)
if HAVE_LIBVIRT
umbra_ref_SOURCES += tools/ref/virt.c tools/ref/virt_xml.c
umbra_ref_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
umbra_ref_LDADD += $(LIBVIRT_LIBS) -lpthread
else
umbra_ref_SOURCES += tools/ref/virt_none.c
umbra_ref_CFLAGS = $(AM_CFLAGS)
EXTRA_DIST += tools/ref/virt.c tools/ref/virt_xml.c
endif
man1_MANS += docs/umbra-ref.1
EXTRA_DIST += docs/umbra-ref.1
