# SPDX-License-Identifier: BSD-2-Clause
lib_LTLIBRARIES += libumbra-shadow.la

shadow_public = shadow/addr.h shadow/backend.h shadow/diff.h shadow/dmap.h shadow/explain.h shadow/flush.h shadow/format.h shadow/gmem.h shadow/inject.h shadow/inspect.h shadow/map.h shadow/mmu.h \
	shadow/option.h shadow/reserve.h shadow/role.h shadow/share.h shadow/stats.h shadow/trace.h shadow/unmap.h shadow/walk.h
shadow_sources = $(shadow_public) \
	shadow/audit.c shadow/audit_large.c shadow/audit_report.c shadow/audit_report.h \
	shadow/diff.c shadow/explain.c shadow/inspect.c shadow/scan.c \
	shadow/context.c shadow/context.h shadow/unsync.c shadow/unsync.h shadow/unsync_record.h shadow/unsync_sync.c \
	shadow/dmap.c shadow/dmap_alias.c shadow/dmap_audit.c shadow/dmap_change.c \
	shadow/dmap_collapse.c shadow/dmap_debug.c shadow/dmap_internal.h shadow/dmap_selftest.c \
	shadow/dmap_split.c shadow/dmap_track.c shadow/dmap_walk.c \
	shadow/fault.c shadow/flush.c shadow/format.c shadow/gmem.c shadow/gmem_atomic.c \
	shadow/gmem_internal.h shadow/gmem_move.c shadow/maywait.h shadow/window_pool.c \
	shadow/window_switch.c shadow/large.c shadow/leaf.c shadow/link.c shadow/locks.h \
	shadow/mmu.c shadow/mutant.c shadow/mutant.h shadow/option.c shadow/page.c \
	shadow/page.h shadow/path.c shadow/pool.c shadow/reclaim.c shadow/rmap.c shadow/rcu.h \
	shadow/role.c shadow/share.c shadow/spte.c shadow/spte.h shadow/stats.c shadow/track.c \
	shadow/reserve.c shadow/defer.c shadow/defer.h shadow/walker.c \
	shadow/gather.c shadow/gather.h shadow/map.c shadow/gmem_discard.c shadow/inject.c \
	shadow/shootdown.c shadow/shootdown.h shadow/unmap.c shadow/ways.c shadow/ways.h \
	shadow/trace.c shadow/trace_hook.h shadow/trace_left.c shadow/trace_walk.c \
	shadow/walk.c shadow/window.c shadow/write.c

umbraincdir = $(includedir)/umbra/shadow
umbrainc_HEADERS = $(shadow_public)

libumbra_shadow_la_SOURCES = $(shadow_sources)
libumbra_shadow_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined
libumbra_shadow_la_LIBADD = $(URCU_LIBS) -lpthread

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = shadow/umbra-shadow.pc

EXTRA_DIST += shadow/README.md examples/README.md examples/shadow-walk.c
