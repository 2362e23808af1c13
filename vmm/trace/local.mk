# SPDX-License-Identifier: BSD-2-Clause
# The shadow MMU's trace, in words, JSON and Chrome's format.
trace_sources = vmm/trace/blackbox.c vmm/trace/drain.c vmm/trace/record.c vmm/trace/spec.c vmm/trace/trace.h \
	vmm/trace/write_chrome.c vmm/trace/write_json.c vmm/trace/write_text.c
