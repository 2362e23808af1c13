/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The transport of a build without libvirt: it says so.
 *
 * Read first: ref.h.
 */
#include "tools/ref/ref.h"

enum ref_end virt_run(const struct ref_machine *m, const struct ref_job *job, char *why)
{
	(void)m;
	(void)job;
	snprintf(why, REF_WHY,
		 "built without libvirt; apt-get install libvirt-dev libvirt-daemon-system "
		 "qemu-system-x86, then configure again");
	return REF_ABSENT;
}
