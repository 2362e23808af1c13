/* SPDX-License-Identifier: BSD-2-Clause
 *
 * QEMU through libvirt's embedded driver: no daemon. The driver's files lie in our own folder, which
 * keeper.c removes, and the QEMU it starts is a descendant of the keeper, which ends it if we can't.
 *
 * Facts that are in no header: as root the driver wants to be told to stay root, without security
 * labels, log daemon and mount namespaces (qemu.conf below); VIR_DOMAIN_START_AUTODESTROY is refused
 * by it; its callbacks need a thread that runs the event loop before the connection is opened.
 *
 * Read first: ref.h. Locks: none; libvirt has its own.
 */
#include "tools/ref/ref.h"

#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without its own idea of who owns a file libvirt leaves no mark on the guest's image, which would stay
 * if it were killed and be complained of from then on. */
static const char qemu_conf[] =
	"user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\n"
	"dynamic_ownership = 0\nremember_owner = 0\n"
	"stdio_handler = \"file\"\nnamespaces = []\ncgroup_controllers = []\n";

static void *loop(void *arg)
{
	(void)arg;
	while (!virEventRunDefaultImpl())
		continue;
	return NULL;
}

/* What libvirt says itself goes into why, not to the screen. */
static void quiet(void *arg, virErrorPtr err)
{
	(void)arg;
	(void)err;
}

static int write_conf(const char *dir)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/etc", dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/etc/qemu.conf", dir);
	f = fopen(path, "w");
	if (!f)
		return -errno;
	fputs(qemu_conf, f);
	return fclose(f) ? -errno : 0;
}

static void say(char *why, const char *what)
{
	const char *more = virGetLastErrorMessage();

	snprintf(why, REF_WHY, "%s: %s", what, more ? more : "unknown error");
	why[strcspn(why, "\r\n")] = '\0';
}

/* The driver is opened once in a process and stays. NULL with why set. */
static virConnectPtr driver(const char *dir, char *why)
{
	static virConnectPtr conn;
	char uri[PATH_MAX];
	pthread_t thread;

	if (conn)
		return conn;
	virSetErrorFunc(NULL, quiet);
	snprintf(uri, sizeof(uri), "4:file:%s/libvirt.log", dir);
	setenv("LIBVIRT_LOG_OUTPUTS", uri, 1);
	if (virInitialize() || virEventRegisterDefaultImpl()) {
		say(why, "libvirt");
		return NULL;
	}
	if (write_conf(dir) || pthread_create(&thread, NULL, loop, NULL)) {
		snprintf(why, REF_WHY, "can't prepare %s: %s", dir, strerror(errno));
		return NULL;
	}
	pthread_detach(thread);
	snprintf(uri, sizeof(uri), "qemu:///embed?root=%s", dir);
	conn = virConnectOpen(uri);
	if (!conn)
		say(why,
		    "libvirt's embedded QEMU driver (needs root, the user libvirt-qemu, and "
		    "the package libvirt-daemon-driver-qemu)");
	return conn;
}

static bool running(virDomainPtr dom)
{
	int state;

	/* A transient domain that has ended is no longer known. */
	return !virDomainGetState(dom, &state, NULL, 0) && state != VIR_DOMAIN_SHUTOFF &&
	       state != VIR_DOMAIN_CRASHED;
}

static enum ref_end wait_end(virDomainPtr dom, unsigned timeout)
{
	double end = tool_clock() + timeout;

	while (running(dom)) {
		if (keep_stopped())
			return REF_STOPPED;
		if (tool_clock() > end)
			return REF_TIMEOUT;
		usleep(20000);
	}
	return REF_ENDED;
}

enum ref_end virt_run(const struct ref_machine *m, const struct ref_job *job, char *why)
{
	virConnectPtr conn = driver(job->dir, why);
	virDomainPtr dom;
	enum ref_end end;
	char *xml;

	if (!conn)
		return REF_ABSENT;
	xml = virt_xml(m->kind, "umbra-ref", job);
	dom = xml ? virDomainCreateXML(conn, xml, 0) : NULL;
	if (!dom)
		say(why, "QEMU does not start");
	free(xml);
	if (!dom)
		return REF_ABSENT;
	end = wait_end(dom, job->timeout);
	if (end != REF_ENDED)
		virDomainDestroy(dom);
	virDomainFree(dom);
	return end;
}
