/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The libvirt domain for a run: as small a PC as our guests need, the serial line into a file, and
 * QEMU's debug-exit device, by which a guest ends it.
 *
 * Read first: ref.h. Locks: none.
 */
#include "tools/ref/ref.h"

#include <stdio.h>
#include <stdlib.h>

static void escaped(FILE *f, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '\'':
			fputs("&apos;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*s, f);
		}
}

static void element(FILE *f, const char *before, const char *text, const char *behind)
{
	fputs(before, f);
	escaped(f, text);
	fputs(behind, f);
}

char *virt_xml(const char *type, const char *name, const struct ref_job *job)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f,
		"<domain type='%s' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
		"<name>%s</name><memory unit='b'>%llu</memory><vcpu>%u</vcpu>"
		"<os><type arch='x86_64' machine='q35'>hvm</type>",
		type, name, (unsigned long long)job->memory, job->cpus);
	element(f, "<kernel>", job->kernel, "</kernel>");
	element(f, "<cmdline>", job->words, "</cmdline></os>");
	/* As many features as there are: five levels of tables, keys. */
	fputs("<features><acpi/><apic/></features><cpu mode='maximum'/>"
	      "<on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot>"
	      "<on_crash>destroy</on_crash><devices><controller type='usb' model='none'/>"
	      "<memballoon model='none'/>",
	      f);
	element(f, "<serial type='file'><source path='", job->serial,
		"'/><target type='isa-serial' port='0'/></serial></devices>");
	fputs("<qemu:commandline><qemu:arg value='-device'/>"
	      "<qemu:arg value='isa-debug-exit,iobase=0xf4,iosize=4'/></qemu:commandline>"
	      "</domain>",
	      f);
	return fclose(f) ? (free(text), NULL) : text;
}
