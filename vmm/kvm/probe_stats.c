/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One counter of KVM's own, by its binary statistics (KVM_GET_STATS_FD; the kernel's
 * Documentation/virt/kvm/api.rst, section 4.133). Read first: probe.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/kvm/probe.h"

/* Offset of the counter's value in the file; -1 if there is none of that name. */
static off_t find(int fd, const char *name)
{
	struct kvm_stats_header h;
	char *descs = NULL;
	size_t each, bytes;
	off_t at = -1;

	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || h.num_desc > 1024 || h.name_size > 256)
		return -1;
	each = sizeof(struct kvm_stats_desc) + h.name_size;
	bytes = each * h.num_desc;
	descs = malloc(bytes);
	if (descs && pread(fd, descs, bytes, h.desc_offset) == (ssize_t)bytes)
		for (uint32_t i = 0; i < h.num_desc && at < 0; i++) {
			const struct kvm_stats_desc *d = (const void *)(descs + i * each);

			if (!strncmp(d->name, name, h.name_size))
				at = (off_t)h.data_offset + d->offset;
		}
	free(descs);
	return at;
}

bool probe_counter_open(struct probe_counter *c, const struct kvm_vm *vm, const char *name)
{
	c->fd = ioctl(vm->fd, KVM_GET_STATS_FD, NULL);
	c->at = c->fd < 0 ? -1 : find(c->fd, name);
	return c->at >= 0;
}

uint64_t probe_counter_read(const struct probe_counter *c)
{
	uint64_t v = 0;

	return pread(c->fd, &v, sizeof(v), c->at) == sizeof(v) ? v : 0;
}

void probe_counter_close(struct probe_counter *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}
