# SPDX-License-Identifier: BSD-2-Clause
noinst_LTLIBRARIES += libumbra-tools.la
libumbra_tools_la_SOURCES = tools/common/keeper.c tools/common/keeper.h tools/common/program.c \
	tools/common/program.h tools/common/tap.c tools/common/tap.h
libumbra_tools_la_LIBADD = libumbra-front.la

bin_PROGRAMS += umbra-ref
umbra_ref_SOURCES = tools/ref/ref.h tools/ref/options.h tools/ref/main.c tools/ref/options.c \
	tools/ref/machine.c tools/ref/process.c tools/ref/table.c
umbra_ref_LDADD = libumbra-tools.la $(JSONC_LIBS)
if HAVE_LIBVIRT
umbra_ref_SOURCES += tools/ref/virt.c tools/ref/virt_xml.c
umbra_ref_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
umbra_ref_LDADD += $(LIBVIRT_LIBS) -lpthread
else
umbra_ref_SOURCES += tools/ref/virt_none.c
umbra_ref_CFLAGS = $(AM_CFLAGS)
EXTRA_DIST += tools/ref/virt.c tools/ref/virt_xml.c
endif

bin_PROGRAMS += umbra-stress
umbra_stress_SOURCES = tools/stress/stress.h tools/stress/options.h tools/stress/main.c \
	tools/stress/options.c tools/stress/key.c tools/stress/script.c tools/stress/check.c \
	tools/stress/plan.c tools/stress/runner.c tools/stress/report.c \
	tools/stress/failure.c
umbra_stress_LDADD = libumbra-tools.la $(JSONC_LIBS)

man1_MANS += docs/umbra-ref.1 docs/umbra-stress.1
man5_MANS += docs/umbra-stress.5
EXTRA_DIST += docs/umbra-ref.1 docs/umbra-stress.1 docs/umbra-stress.5

# The picture: a page with everything in it. The demo writes one from a model on its input.
PICTURE_PAGE = tools/ctl/picture.html tools/ctl/picture.css tools/ctl/picture-model.js \
	tools/ctl/picture-map.js tools/ctl/picture-parts.js
noinst_LTLIBRARIES += libumbra-picture.la
libumbra_picture_la_SOURCES = tools/ctl/picture.c tools/ctl/picture.h tools/ctl/picture_page.S
libumbra_picture_la_LIBADD = $(JSONC_LIBS)
tools/ctl/picture_page.lo: $(PICTURE_PAGE)
noinst_PROGRAMS += tools/ctl/picture-demo
tools_ctl_picture_demo_SOURCES = tools/ctl/picture_demo.c
tools_ctl_picture_demo_LDADD = libumbra-picture.la $(JSONC_LIBS)
EXTRA_DIST += $(PICTURE_PAGE) docs/picture.md docs/pictures/make.sh docs/pictures/overview.png \
	docs/pictures/dark.png docs/pictures/tables.png docs/pictures/timeline.png docs/pictures/umbractl.png

bin_PROGRAMS += umbractl
umbractl_SOURCES = tools/ctl/ctl.h tools/ctl/options.h tools/ctl/qmp.h \
	tools/ctl/main.c tools/ctl/options.c tools/ctl/find.c tools/ctl/qmp.c tools/ctl/commands.c \
	tools/ctl/fields.c tools/ctl/show.c tools/ctl/walk.c tools/ctl/pages.c tools/ctl/dump.c \
	tools/ctl/dump_print.c tools/ctl/collect.c tools/ctl/dot.c tools/ctl/stats.c tools/ctl/report.c tools/ctl/shell.c
umbractl_LDADD = libumbra-picture.la libumbra-tools.la $(JSONC_LIBS)
man1_MANS += docs/umbractl.1
EXTRA_DIST += docs/umbractl.1

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completion/umbra completion/umbra-ref completion/umbra-stress completion/umbractl
