/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The TLBs of interpreted code and whoever makes them forget: another vCPU's shootdown, INVLPG, and
 * stores into code of which blocks are in use. Each case runs in a child process; the bugs of
 * shadow/mutant.h that are the monitor's are switched on one by one, and the case named for one must
 * fail with it.
 *
 * Two vCPUs of the software engine, mostly on one thread: what one of them does while the other is out
 * of the guest needs no second one. Linked with a build of shadow/ and of walker.c that has the bugs in
 * it (UMBRA_MUTANTS). What must come out follows from the tables and the code written here.
 * Read first: vmm/soft/walker.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu/urcu-memb.h>

#include "shadow/mutant.h"
#include "vmm/soft/soft.h"

#define MEMORY (4ull << 20)
#define CPUS   2u
#define PML4   0x1000ull
#define PDPT   0x2000ull
#define PD     0x3000ull
#define PT     0x4000ull /* maps the first 2 MiB */
#define A      0x80000ull
#define B      0x90000ull
#define CODE   0xa0000ull
#define ALIAS  0xb0000ull  /* CODE once more */
#define FAR    0x200000ull /* led to by entry 1 of the page directory */

#define P 1ull
#define W 2ull

static struct machine m;
static unsigned failures;

#define NEED(cond)                                                          \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __func__, __LINE__, #cond); \
			failures++;                                         \
		}                                                           \
	} while (0)

/* ---- a machine ---- */

static void poke(unsigned cpu, uint64_t gpa, uint64_t val)
{
	NEED(sh_write(m.mmu, m.vcpu[cpu].sh, GPA(gpa), &val, 8) == 0);
}

static void long_mode(struct vcpu *v)
{
	struct cpu_state *s = &v->cpu.s;

	cpu_reset(s, 0);
	s->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_ET;
	s->cr4 = CR4_PAE;
	s->cr3 = PML4;
	s->efer = EFER_LME | EFER_LMA | EFER_NXE;
	s->rflags = 2;
	s->activity = CPU_RUNNING;
	s->seg[CPU_CS].attr = 0x9b | SEG_L;
	s->seg[CPU_SS].attr = 0x93;
	v->regs_stale = true;
	v->regs_drops = SH_FLUSH_ALL;
}

static void create_vcpu(unsigned i)
{
	struct vcpu *v = &m.vcpu[i];

	v->m = &m;
	v->index = i;
	v->cpu.ops = engine_soft.ops;
	v->cpu.m = v;
	v->cpu.model = &m.model;
	v->in = interp_create();
	NEED(v->in && !engine_soft.vcpu_create(v) && !sh_vcpu_create(m.mmu, i, &v->sh));
	long_mode(v);
}

static void create(void)
{
	struct gmem_config gc = {.size = MEMORY, .lowmem = MEMORY};
	struct sh_mmu_config mc = {0};
	char msg[200];

	m.cfg = (struct machine_config){.memory = MEMORY, .lowmem = MEMORY, .cpus = CPUS};
	m.engine = &engine_soft;
	pthread_mutex_init(&m.lock, NULL);
	pthread_mutex_init(&m.split_lock, NULL);
	pthread_cond_init(&m.changed, NULL);
	machine_model(true, &m.model, &mc.model);
	sh_options_default(&mc.options);
	mc.options.on[SH_OPT_UNSYNC] = false; /* every table stays write-protected */
	if (gmem_create(&gc, &m.gm) ||
	    engine_soft.machine_create(&m, &mc.backend, msg, sizeof(msg)))
		exit(99);
	mc.gm = m.gm;
	if (sh_mmu_create(&mc, &m.mmu))
		exit(99);
	for (unsigned i = 0; i < CPUS; i++)
		create_vcpu(i);
	poke(0, PML4, PDPT | P | W);
	poke(0, PDPT, PD | P | W);
	poke(0, PD, PT | P | W);
	for (uint64_t i = 1; i < 512; i++)
		poke(0, PT + 8 * i, i << 12 | P | W);
	poke(0, PT + 8 * (ALIAS >> 12), CODE | P | W);
}

static uint64_t load(unsigned cpu, uint64_t va)
{
	struct vcpu *v = &m.vcpu[cpu];
	struct cpu_fault f = {0};
	uint64_t val = 0;

	soft_in(v);
	NEED(v->cpu.ops->read(v, &v->cpu.s, GVA(va), &val, 8, MEM_READ, &f) == CPU_OK);
	soft_out(v);
	return val;
}

static void store(unsigned cpu, uint64_t va, uint64_t val)
{
	struct vcpu *v = &m.vcpu[cpu];
	struct cpu_fault f = {0};

	soft_in(v);
	NEED(v->cpu.ops->write(v, &v->cpu.s, GVA(va), &val, 8, MEM_WRITE, &f) == CPU_OK);
	soft_out(v);
}

/* ---- what is to be forgotten ---- */

/* vCPU 1 may write A by what it remembers; vCPU 0 makes a page table of it. */
static void becomes_table(void)
{
	store(0, A, A | P | W); /* entry 0 of what will be a table */
	store(0, B, 0xbbbb);
	store(1, A + 8, 1);
	poke(0, PD + 8, A | P | W);
	NEED((load(0, FAR) & ~0xfffull) == A); /* A is set by now */
	store(1, A, B | P | W);		       /* a change of a page table now */
	sh_invlpg(m.vcpu[0].sh, GVA(FAR));
	NEED(load(0, FAR) == 0xbbbb);
}

static void invlpg(void)
{
	store(1, A, 0xaaaa);
	store(1, B, 0xbbbb);
	NEED(load(1, A) == 0xaaaa);
	poke(0, PT + 8 * (A >> 12), B | P | W);
	NEED(load(1, A) == 0xaaaa || load(1, A) == 0xbbbb);
	sh_invlpg(m.vcpu[1].sh, GVA(A));
	NEED(load(1, A) == 0xbbbb);
}

/* ---- who is waited for ---- */

static _Atomic int stage;

static void *interprets(void *arg)
{
	struct vcpu *v = arg;

	soft_in(v);
	atomic_store(&stage, 1);
	usleep(100000); /* an instruction that takes its time */
	atomic_store(&stage, 2);
	soft_out(v);
	return NULL;
}

static void waits(void)
{
	pthread_t t;

	NEED(pthread_create(&t, NULL, interprets, &m.vcpu[1]) == 0);
	while (atomic_load(&stage) != 1)
		sched_yield();
	NEED(soft_shootdown(&m, m.vcpu[0].sh) == 1);
	NEED(atomic_load(&stage) == 2);
	pthread_join(t, NULL);
	NEED(atomic_load(&m.vcpu[1].requests) == REQ_FORGET);
	soft_in(&m.vcpu[1]);
	NEED(atomic_load(&m.vcpu[1].requests) == 0);
	soft_out(&m.vcpu[1]);
}

/* The hardware's guest is not the interpreter's, and a vCPU in it is nobody to wait for. */
static void not_in_hardware(void)
{
	store(1, A, 0xaaaa);
	atomic_store(&m.vcpu[1].mode, VCPU_IN_GUEST);
	NEED(soft_shootdown(&m, m.vcpu[0].sh) == 0);
	NEED(atomic_load(&m.vcpu[1].requests) == REQ_FORGET);
	atomic_store(&m.vcpu[1].mode, VCPU_OUTSIDE);
	NEED(load(1, A) == 0xaaaa);
	NEED(atomic_load(&m.vcpu[1].requests) == 0);
}

/* An access that can come to no end ends with the machine, and gives way to a pause. */
static _Atomic uint32_t asked;

static void *asks(void *arg)
{
	struct vcpu *v = arg;

	usleep(50000);
	atomic_fetch_or(&v->requests, atomic_load(&asked));
	return NULL;
}

static int ended_by(struct vcpu *v, uint32_t request)
{
	struct cpu_fault f = {0};
	uint64_t val;
	pthread_t t;

	atomic_store(&asked, request);
	NEED(pthread_create(&t, NULL, asks, v) == 0);
	soft_in(v);
	NEED(v->cpu.ops->read(v, &v->cpu.s, GVA(A), &val, 8, MEM_READ, &f) == CPU_HOST);
	soft_out(v);
	pthread_join(t, NULL);
	atomic_fetch_and(&v->requests, ~request);
	return f.host_errno;
}

static void endless(void)
{
	struct vcpu *v = &m.vcpu[1];

	store(1, A, 1);
	/* As if what the shadow MMU says it has made never were there. */
	m.soft->tables.gate_slot = 0;
	tlb_flush(soft_vcpu(v)->tlb);
	NEED(ended_by(v, REQ_PAUSE) == EAGAIN);
	NEED(ended_by(v, REQ_QUIT) == ECANCELED);
}

/* ---- code that changes while blocks of it are in use ---- */

/* MOV EAX, imm32; JMP back. */
static void write_code(void)
{
	static const uint8_t code[] = {0xb8, 1, 0, 0, 0, 0xeb, 0xf9};

	NEED(gmem_write(m.gm, GPA(CODE), code, sizeof(code)) == 0);
	NEED(load(1, CODE) != 0);
}

static uint64_t run(unsigned n)
{
	struct vcpu *v = &m.vcpu[1];
	struct interp_info info;
	struct cpu_fault f;
	unsigned done = 0, blocks = 0;

	soft_in(v);
	while (done < n) {
		unsigned k = interp_ahead(v->in, &v->cpu, n - done, &v->requests);

		blocks += k;
		done += k;
		if (done < n)
			NEED(interp_step(v->in, &v->cpu, 1, &info, &f) == CPU_OK);
		done += done < n;
	}
	soft_out(v);
	NEED(!(n > 10) || blocks > n / 2);
	return v->cpu.s.gpr[CPU_RAX];
}

static void by_device(void)
{
	for (uint32_t i = 2; i < 10; i++) {
		NEED(gmem_write(m.gm, GPA(CODE + 1), &i, 4) == 0);
		NEED(run(20) == i);
	}
}

static void by_monitor(void)
{
	for (uint32_t i = 10; i < 20; i++) {
		NEED(sh_write(m.mmu, m.vcpu[0].sh, GPA(CODE + 1), &i, 4) == 0);
		NEED(run(20) == i);
	}
}

static void by_vcpu(unsigned cpu, uint64_t va)
{
	struct vcpu *v = &m.vcpu[cpu];
	struct cpu_fault f = {0};

	for (uint32_t i = 20; i < 30; i++) {
		soft_in(v);
		NEED(v->cpu.ops->write(v, &v->cpu.s, GVA(va + 1), &i, 4, MEM_WRITE, &f) ==
		     CPU_OK);
		soft_out(v);
		NEED(run(20) == i);
	}
}

/* Another frame under the same address, which needs INVLPG. */
static void by_table(void)
{
	static const uint8_t other[] = {0xb8, 0x77, 0, 0, 0, 0xeb, 0xf9};

	NEED(gmem_write(m.gm, GPA(B), other, sizeof(other)) == 0);
	poke(0, PT + 8 * (CODE >> 12), B | P | W);
	sh_invlpg(m.vcpu[1].sh, GVA(CODE));
	NEED(run(20) == 0x77);
}

/* MOV [RDI], ECX; MOV EAX, imm32; INC ECX; JMP back: RDI is where imm32 stands. */
static void by_itself(uint64_t va)
{
	static const uint8_t code[] = {0x89, 0x0f, 0xb8, 0, 0, 0, 0, 0xff, 0xc1, 0xeb, 0xf5};
	struct cpu_state *s = &m.vcpu[1].cpu.s;

	NEED(gmem_write(m.gm, GPA(CODE), code, sizeof(code)) == 0);
	s->rip = CODE;
	s->gpr[CPU_RDI] = va + 3;
	s->gpr[CPU_RCX] = 100;
	for (unsigned i = 0; i < 50; i++) {
		NEED(run(4) == 100 + i);
		NEED(s->rip == CODE);
	}
}

static void code_changes(void)
{
	write_code();
	m.vcpu[1].cpu.s.rip = CODE;
	NEED(run(20) == 1);
	by_device();
	by_monitor();
	by_vcpu(0, CODE);
	by_vcpu(0, ALIAS);
	by_vcpu(1, ALIAS);
	by_table();
}

static void code_changes_itself(void)
{
	write_code();
	by_itself(CODE);
	by_itself(ALIAS);
}

/* ---- children ---- */

static const struct {
	const char *name;
	void (*fn)(void);
	enum sh_mutant bug; /* SH_MUTANTS: none */
} row[] = {
	{"a page that interpreted code may write becomes a table", becomes_table,
	 SH_MUT_INTERPRETER_KEEPS},
	{"a shootdown waits for who interprets", waits, SH_MUT_INTERPRETER_NOT_AWAITED},
	{"INVLPG is of what interpreted code remembers, too", invlpg,
	 SH_MUT_INTERPRETER_INVLPG_LOST},
	{"a shootdown does not wait for the hardware here", not_in_hardware, SH_MUTANTS},
	{"an access without an end ends with the machine", endless, SH_MUTANTS},
	{"code changed by another vCPU, a device, the monitor, a table", code_changes,
	 SH_MUTANTS},
	{"code that changes the next instruction", code_changes_itself, SH_MUTANTS},
};
#define ROWS (sizeof(row) / sizeof(row[0]))

/* A machine is not taken apart: the child ends with it. */
static bool fails(unsigned i, enum sh_mutant bug)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		urcu_memb_register_thread();
		create();
		if (bug != SH_MUTANTS)
			sh_mutant_on[bug] = true;
		row[i].fn();
		fflush(stdout);
		_exit(failures != 0);
	}
	waitpid(pid, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

int main(void)
{
	unsigned n = 0, bad = 0;

	printf("1..%u\n", (unsigned)ROWS + SH_MUTANTS - SH_MUTANTS_LIBRARY);
	for (unsigned i = 0; i < ROWS; i++) {
		bool good = !fails(i, SH_MUTANTS);

		printf("%s %u - %s\n", good ? "ok" : "not ok", ++n, row[i].name);
		bad += !good;
		if (row[i].bug == SH_MUTANTS)
			continue;
		good = fails(i, row[i].bug);
		printf("%s %u - %s %s by \"%s\"\n", good ? "ok" : "not ok", ++n,
		       sh_mutant_names[row[i].bug], good ? "killed" : "SURVIVES", row[i].name);
		bad += !good;
	}
	return bad != 0;
}
