/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memsave and pmemsave: guest memory into a file of the host's.
 *
 * The file must be a regular one: opening or writing anything else could keep this thread waiting. What
 * was written before an error stays. Read after: look.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/control/internal.h"

#define SIZE_MAX_BYTES (1ull << 40)

static int open_file(const char *name, struct control_error *e)
{
	struct stat st;
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0) {
		ctl_fail(e, CTL_GENERIC_ERROR, "Could not open '%.120s': %s", name,
			 strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || ftruncate(fd, 0)) {
		ctl_fail(e, CTL_GENERIC_ERROR, "'%.120s' is no regular file", name);
		close(fd);
		return -1;
	}
	return fd;
}

static int put(int fd, const uint8_t *p, size_t n, struct control_error *e)
{
	while (n) {
		ssize_t k = write(fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			ctl_fail(e, CTL_GENERIC_ERROR, "Could not write: %s", strerror(errno));
			return -1;
		}
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* A page at a time, so that nothing is held while the file is written. s NULL: physical. */
static int copy(struct sh_mmu *mmu, const struct ctl_subject *s, uint64_t at, uint64_t size,
		int fd, struct control_error *e)
{
	uint8_t page[SH_PAGE_SIZE];
	while (size) {
		uint64_t room = SH_PAGE_SIZE - (at & (SH_PAGE_SIZE - 1));
		size_t n = (size_t)(size < room ? size : room);
		gpa_t gpa = GPA(at);
		if ((s && !ctl_translate(s, GVA(at), &gpa)) ||
		    gmem_read(sh_mmu_gmem(mmu), gpa, page, n)) {
			ctl_fail(e, CTL_GENERIC_ERROR,
				 "Invalid addr 0x%016llx/size %llu specified",
				 (unsigned long long)at, (unsigned long long)size);
			return -1;
		}
		if (put(fd, page, n, e))
			return -1;
		at += n;
		size -= n;
	}
	return 0;
}

static struct json_object *save(const struct ctl_call *call, struct sh_mmu *mmu,
				const struct ctl_subject *s, struct control_error *e)
{
	uint64_t at = ctl_arg_hex(call, "val", 0), size = ctl_arg_hex(call, "size", 0);
	if (size > SIZE_MAX_BYTES || at + size < at) {
		ctl_fail(e, CTL_GENERIC_ERROR, "Parameter 'size' is too large");
		return NULL;
	}
	int fd = open_file(ctl_arg_string(call, "filename", ""), e);
	if (fd < 0)
		return NULL;
	int err = copy(mmu, s, at, size, fd, e);
	close(fd);
	return err ? NULL : json_object_new_object();
}

struct json_object *ctl_run_memsave(const struct ctl_call *call, struct control_error *e)
{
	struct ctl_subject s;
	if (ctl_subject_vcpu(call, "cpu-index", &s, e))
		return NULL;
	return save(call, s.mmu, &s, e);
}

struct json_object *ctl_run_pmemsave(const struct ctl_call *call, struct control_error *e)
{
	struct sh_mmu *mmu = ctl_mmu(call, e);
	return mmu ? save(call, mmu, NULL, e) : NULL;
}
