/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rings of the trace in a file that they share with the machine: the newest records are in it however
 * the machine ends, also by a signal that nobody can catch.
 *
 * The file: a page that says what it is, then the rings as they are in memory. It is sparse, but what the
 * machine's vCPUs write has its room on the disk before they begin.
 * Read first: trace.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/trace/trace.h"

#define HEAD 4096u

/* Of the build that wrote it: another may have other events. */
struct head {
	char magic[16];
	uint64_t bytes, events;
};
_Static_assert(sizeof(struct head) <= HEAD, "one page");

/* A number that differs where the names or the fields of the events do. */
static uint64_t event_names(void)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (unsigned i = 0; i < SH_TRACES; i++) {
		const struct sh_trace_event *e = &sh_trace_events[i];

		for (const char *c = e->name; *c; c++)
			h = (h ^ (uint8_t)*c) * 0x100000001b3u;
		for (unsigned k = 0; k < SH_TRACE_ARGS; k++)
			h = (h ^ e->field[k].type) * 0x100000001b3u;
	}
	return h;
}

static struct head head_now(void)
{
	return (struct head){
		.magic = "umbra blackbox", .bytes = sh_trace_bytes(), .events = event_names()};
}

/* Without it, a full disk would end the machine at a store. */
static int make_room(int fd, unsigned vcpu)
{
	size_t at, bytes;

	sh_trace_part(vcpu, &at, &bytes);
	return posix_fallocate(fd, (off_t)(HEAD + at), (off_t)bytes);
}

static int lay_out(int fd, unsigned cpus)
{
	struct head h = head_now();
	int err = 0;

	if (ftruncate(fd, (off_t)(HEAD + sh_trace_bytes())))
		return errno;
	for (unsigned i = 0; i < cpus && !err; i++)
		err = make_room(fd, i);
	if (!err)
		err = make_room(fd, SH_TRACE_OTHERS);
	if (!err && pwrite(fd, &h, sizeof(h), 0) != sizeof(h))
		err = errno ? errno : EIO;
	return err;
}

/* Always another file: a machine may still have the old one, and would end if that were cut short. */
static int create(const char *path)
{
	struct stat st;

	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		errno = ENXIO;
		return -1;
	}
	if (unlink(path) && errno != ENOENT)
		return -1;
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

void *blackbox_make(const char *path, unsigned cpus, int *err)
{
	int fd = create(path);
	void *mem = MAP_FAILED;

	*err = fd < 0 ? errno : lay_out(fd, cpus);
	if (!*err) {
		mem = mmap(NULL, sh_trace_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   HEAD);
		*err = mem == MAP_FAILED ? errno : 0;
	}
	if (fd >= 0)
		close(fd);
	return *err ? NULL : mem;
}

void blackbox_close(const void *mem)
{
	if (mem)
		munmap((void *)(uintptr_t)mem, sh_trace_bytes());
}

/* Whether fd is what blackbox_make() makes here. */
static bool is_one(int fd)
{
	struct head h, now = head_now();
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_size >= (off_t)(HEAD + sh_trace_bytes()) &&
	       pread(fd, &h, sizeof(h), 0) == sizeof(h) && !memcmp(&h, &now, sizeof(h));
}

const void *blackbox_open(const char *path, int *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	void *mem = MAP_FAILED;

	*err = fd < 0 ? errno : 0;
	if (!*err && is_one(fd)) {
		mem = mmap(NULL, sh_trace_bytes(), PROT_READ, MAP_SHARED, fd, HEAD);
		*err = mem == MAP_FAILED ? errno : 0;
	}
	if (fd >= 0)
		close(fd);
	return mem == MAP_FAILED ? NULL : mem;
}
