/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the host says of itself: processor, kernel, KVM's modules, parameters and capabilities.
 *
 * Read first: measure_rig.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm/kvm/measure_rig.h"

const int measure_caps[] = {
	[CAP_VCPUS] = KVM_CAP_MAX_VCPUS,	  [CAP_SLOTS] = KVM_CAP_NR_MEMSLOTS,
	[CAP_SYNC_REGS] = KVM_CAP_SYNC_REGS,	  [CAP_IMMEDIATE_EXIT] = KVM_CAP_IMMEDIATE_EXIT,
	[CAP_STATS_FD] = KVM_CAP_BINARY_STATS_FD, [CAP_READONLY_MEM] = KVM_CAP_READONLY_MEM,
};

static const char *const modules[] = {"kvm_pvm", "kvm_intel", "kvm_amd"};
#define MODULES (sizeof(modules) / sizeof(modules[0]))

void measure_cpu_model(struct measure *m, const void *arg, struct measured *v)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	(void)m;
	(void)arg;
	rig_not(v, "not in /proc/cpuinfo");
	while (f && fgets(line, sizeof(line), f)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		v->kind = MEASURED_TEXT;
		snprintf(v->text, sizeof(v->text), "%.180s", colon + 1 + (colon[1] == ' '));
		break;
	}
	if (f)
		fclose(f);
}

void measure_kernel(struct measure *m, const void *arg, struct measured *v)
{
	struct utsname u;

	(void)m;
	(void)arg;
	if (uname(&u)) {
		rig_not(v, "uname failed");
		return;
	}
	v->kind = MEASURED_TEXT;
	snprintf(v->text, sizeof(v->text), "%s %s", u.sysname, u.release);
}

void measure_module(struct measure *m, const void *arg, struct measured *v)
{
	char path[64];

	(void)m;
	(void)arg;
	v->kind = MEASURED_TEXT;
	for (unsigned i = 0; i < MODULES; i++) {
		size_t len = strlen(v->text);

		snprintf(path, sizeof(path), "/sys/module/%s", modules[i]);
		if (!access(path, F_OK))
			snprintf(v->text + len, sizeof(v->text) - len, "%s%s", len ? ", " : "",
				 modules[i]);
	}
	if (!v->text[0])
		snprintf(v->text, sizeof(v->text), "unknown");
}

static void add_parameter(const char *module, const char *name, struct measured *v)
{
	char path[96], value[32] = "";
	size_t len = strlen(v->text);
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s", module, name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(value, sizeof(value), f)) {
		value[strcspn(value, "\n")] = '\0';
		snprintf(v->text + len, sizeof(v->text) - len, "%s%s.%s=%s", len ? " " : "",
			 module, name, value);
	}
	fclose(f);
}

void measure_parameters(struct measure *m, const void *arg, struct measured *v)
{
	(void)m;
	(void)arg;
	v->kind = MEASURED_TEXT;
	add_parameter("kvm_intel", "ept", v);
	add_parameter("kvm_intel", "nested", v);
	add_parameter("kvm_amd", "npt", v);
	add_parameter("kvm_amd", "nested", v);
	add_parameter("kvm", "tdp_mmu", v);
	if (!v->text[0])
		rig_not(v, "none can be read");
}

void measure_api(struct measure *m, const void *arg, struct measured *v)
{
	(void)arg;
	v->kind = MEASURED_NUMBER;
	v->number = ioctl(m->vm.kvm, KVM_GET_API_VERSION, 0);
}

void measure_cap(struct measure *m, const void *arg, struct measured *v)
{
	int n = ioctl(m->vm.kvm, KVM_CHECK_EXTENSION, *(const int *)arg);

	if (n < 0) {
		rig_not(v, strerror(errno));
		return;
	}
	v->kind = MEASURED_NUMBER;
	v->number = n;
}
