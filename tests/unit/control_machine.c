/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See control_machine.h.
 */
#define _GNU_SOURCE 1 /* memfd_create */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/inject.h"
#include "shadow/page.h"
#include "tests/unit/control_machine.h"

/* Guest frames of the tables; DATA and what follows is mapped. */
enum { PML4 = 1, PDPT = 2, PD = 3, PT = 4, PD32 = 8, PT32 = 9, DATA = 64 };

#define RWU (PTE_P | PTE_W | PTE_U)

/* ---- its tables ---- */

static void put8(struct fake *f, unsigned table, unsigned index, uint64_t frame, uint64_t bits)
{
	gmem_store(f->gm, GPA(((uint64_t)table << 12) + 8 * index), frame << 12 | bits, 8);
}

static void put4(struct fake *f, unsigned table, unsigned index, uint64_t frame, uint64_t bits)
{
	gmem_store(f->gm, GPA(((uint64_t)table << 12) + 4 * index), frame << 12 | bits, 4);
}

static void build_4_levels(struct fake *f)
{
	static const unsigned top[] = {0, 3, 256};

	for (unsigned i = 0; i < sizeof(top) / sizeof(top[0]); i++)
		put8(f, PML4, top[i], PDPT, RWU);
	put8(f, PML4, 511, PML4, PTE_P | PTE_W);  /* itself */
	put8(f, PML4, 4, PDPT, RWU | 1ull << 51); /* malformed */
	put8(f, PDPT, 0, PD, RWU);
	put8(f, PDPT, 1, 0, RWU | PTE_PS);
	put8(f, PDPT, 2, 0xabcde, 0);
	put8(f, PD, 0, PT, RWU);
	put8(f, PD, 1, 0, RWU | PTE_PS);
	put8(f, PD, 2, 0xfffff, RWU); /* there is no RAM */
	for (unsigned i = 0; i < 32; i++)
		put8(f, PT, i, DATA + i,
		     PTE_P | (i & 1 ? PTE_W : 0) | (i & 2 ? PTE_U : 0) | (i & 4 ? PTE_NX : 0) |
			     (i & 8 ? PTE_A : 0) | (i & 16 ? PTE_D : 0));
	put8(f, PT, 40, PML4, RWU);
	put8(f, PT, 41, 0xfee00, RWU);
}

static void build_2_levels(struct fake *f)
{
	put4(f, PD32, 0, PT32, RWU);
	put4(f, PD32, 1, 0, RWU | PTE_PS);
	put4(f, PD32, 1023, PD32, PTE_P | PTE_W);
	for (unsigned i = 0; i < 16; i++)
		put4(f, PT32, i, DATA + i, PTE_P | (i & 1 ? PTE_W : 0) | (i & 2 ? PTE_U : 0));
}

static void set_registers(struct fake *f)
{
	struct sh_regs r = {.cr0 = 0x80010001, .cr3 = PML4 << 12, .cr4 = 0x20, .efer = 0xd00};

	fake_set_regs(f, 0, &r, true);
	r = (struct sh_regs){.cr0 = 0x80010001, .cr3 = PD32 << 12, .cr4 = 0x10};
	fake_set_regs(f, 1, &r, true);
}

/* ---- its life ---- */

int cm_start(struct fake *f)
{
	static bool registered;
	struct fake_config cfg;

	if (!registered)
		urcu_memb_register_thread();
	registered = true;
	fake_defaults(&cfg);
	cfg.tables = 64;
	cfg.vcpus = 2;
	if (fake_create(&cfg, f))
		return -1;
	f->mmu->no_thread = true; /* all that happens follows from the input */
	build_4_levels(f);
	build_2_levels(f);
	set_registers(f);
	for (unsigned n = 0; n < 64; n++)
		cm_live(f, n);
	return 0;
}

static void touch(struct fake *f, unsigned n)
{
	static const unsigned kinds[] = {SH_READ, SH_WRITE, SH_FETCH, SH_READ};
	uint64_t va = (uint64_t)(n / 8 % 44) << 12 | 0xff8, val = n;
	unsigned flags = kinds[n / 4 % 4] | (n & 2 ? SH_USER : 0);

	if (n % 16 == 9)
		va |= 1ull << 21; /* in a large page */
	fake_access(f, n & 1, va, flags, &val, 4);
}

/* As its kernel does: an entry changes its frame and its rights. */
static void change(struct fake *f, unsigned n)
{
	uint64_t e = (uint64_t)(DATA + n % 7) << 12 | (n & 8 ? 0 : PTE_P) |
		     (n & 16 ? PTE_W : 0) | (n & 32 ? PTE_U : 0);

	if (n & 1)
		sh_write(f->mmu, f->vcpu[1].v, GPA((PT32 << 12) + 4 * (n / 2 % 16)), &e, 4);
	else
		sh_write(f->mmu, f->vcpu[0].v, GPA((PT << 12) + 8 * (n / 2 % 32)), &e, 8);
}

void cm_live(struct fake *f, unsigned n)
{
	if (n % 5 == 3)
		change(f, n / 5);
	else if (n % 64 == 40)
		set_registers(f);
	else
		touch(f, n);
}

void cm_unstall(struct fake *f)
{
	struct sh_inject *in = sh_mmu_inject(f->mmu);

	for (unsigned p = 0; p < SH_INJECTS; p++) {
		struct sh_inject_state s;

		sh_inject_look(in, (enum sh_inject_point)p, &s);
		if (s.stall_ms)
			sh_inject_arm(in, (enum sh_inject_point)p, s.pass, s.fail, 0);
	}
}

bool cm_end(struct fake *f)
{
	char why[512] = "";
	unsigned bad = sh_audit(f->mmu, why, sizeof(why)), violations = f->violations;

	if (bad || violations)
		fprintf(stderr, "# audit: %u %s; hardware: %s\n", bad, why,
			violations ? f->why : "");
	return fake_destroy(f) == 0 && !bad && !violations;
}

/* ---- its files ---- */

/* In place of the system's: what memsave makes is in memory, whatever name the input has for it. */
int open(const char *name, int flags, ...)
{
	mode_t mode = 0;

	if (flags & O_CREAT)
		return memfd_create("saved", MFD_CLOEXEC);
	return (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
}
