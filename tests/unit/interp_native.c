/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A trampoline into one instruction and back. All registers, RSP included, are the
 * instruction's; nothing of the program's own is left in them, so the way back goes through
 * memory named absolutely. A fault returns the same way: the signal handler, on a stack of its
 * own, only replaces RIP.
 *
 * Read first: interp_native.h.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "interp_native.h"

/* Used by name from the assembly below. */
__attribute__((used)) struct native_regs native_state;
__attribute__((used)) uint64_t native_host_rsp;
__attribute__((used)) uint8_t native_taken;
__attribute__((used)) uint64_t native_target = NATIVE_CODE;

void native_enter(void);
extern const char native_return[], native_branched[];

__asm__(".text\n"
	".globl native_enter\n"
	"native_enter:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, native_host_rsp(%rip)\n"
	"	push native_state+128(%rip)\n"
	"	popfq\n"
	"	mov native_state+0(%rip), %rax\n"
	"	mov native_state+8(%rip), %rcx\n"
	"	mov native_state+16(%rip), %rdx\n"
	"	mov native_state+24(%rip), %rbx\n"
	"	mov native_state+32(%rip), %rsp\n"
	"	mov native_state+40(%rip), %rbp\n"
	"	mov native_state+48(%rip), %rsi\n"
	"	mov native_state+56(%rip), %rdi\n"
	"	mov native_state+64(%rip), %r8\n"
	"	mov native_state+72(%rip), %r9\n"
	"	mov native_state+80(%rip), %r10\n"
	"	mov native_state+88(%rip), %r11\n"
	"	mov native_state+96(%rip), %r12\n"
	"	mov native_state+104(%rip), %r13\n"
	"	mov native_state+112(%rip), %r14\n"
	"	mov native_state+120(%rip), %r15\n"
	"	jmp *native_target(%rip)\n"
	".globl native_branched\n"
	"native_branched:\n"
	"	movb $1, native_taken(%rip)\n"
	".globl native_return\n"
	"native_return:\n"
	"	mov %rax, native_state+0(%rip)\n"
	"	mov %rcx, native_state+8(%rip)\n"
	"	mov %rdx, native_state+16(%rip)\n"
	"	mov %rbx, native_state+24(%rip)\n"
	"	mov %rsp, native_state+32(%rip)\n"
	"	mov %rbp, native_state+40(%rip)\n"
	"	mov %rsi, native_state+48(%rip)\n"
	"	mov %rdi, native_state+56(%rip)\n"
	"	mov %r8, native_state+64(%rip)\n"
	"	mov %r9, native_state+72(%rip)\n"
	"	mov %r10, native_state+80(%rip)\n"
	"	mov %r11, native_state+88(%rip)\n"
	"	mov %r12, native_state+96(%rip)\n"
	"	mov %r13, native_state+104(%rip)\n"
	"	mov %r14, native_state+112(%rip)\n"
	"	mov %r15, native_state+120(%rip)\n"
	"	mov native_host_rsp(%rip), %rsp\n"
	"	pushfq\n"
	"	pop native_state+128(%rip)\n"
	"	cld\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

static volatile sig_atomic_t caught;
uint8_t native_fault_fpu[512];
static uint8_t signal_stack[64 * 1024];

uint8_t native_fault_ymm[16][16];

/* Behind the image, if the kernel says that it goes on: a header with the components that are not
 * initial, and the upper halves (SDM vol. 1, section 13.4). */
static void take_ymm(const uint8_t *frame)
{
	uint32_t magic;

	memset(native_fault_ymm, 0, sizeof(native_fault_ymm));
	memcpy(&magic, frame + 464, sizeof(magic));
	if (magic == 0x46505853 && (frame[512] & 4))
		memcpy(native_fault_ymm, frame + 576, sizeof(native_fault_ymm));
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)info;
	caught = sig;
	memcpy(native_fault_fpu, u->uc_mcontext.fpregs, sizeof(native_fault_fpu));
	take_ymm((const uint8_t *)u->uc_mcontext.fpregs);
	u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)native_return;
}

static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS};

bool native_open(void)
{
	const stack_t st = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
	struct sigaction sa = {.sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	void *at =
		mmap((void *)(uintptr_t)NATIVE_BASE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (at != (void *)(uintptr_t)NATIVE_BASE || sigaltstack(&st, NULL))
		return false;
	for (unsigned k = 0; k < sizeof(signals) / sizeof(signals[0]); k++)
		if (sigaction(signals[k], &sa, NULL))
			return false;
	return true;
}

void native_close(void)
{
	for (unsigned k = 0; k < sizeof(signals) / sizeof(signals[0]); k++)
		signal(signals[k], SIG_DFL);
	munmap((void *)(uintptr_t)NATIVE_BASE, 0x2000);
}

/* jmp *0(%rip), then the address: the only jump that needs no register and reaches anywhere. */
static void put_return(uint8_t *at, const char *label)
{
	static const uint8_t jmp[] = {0xff, 0x25, 0, 0, 0, 0};
	uint64_t to = (uintptr_t)label;

	_Static_assert(sizeof(jmp) + sizeof(to) == NATIVE_BRANCH, "no gap");
	memcpy(at, jmp, sizeof(jmp));
	memcpy(at + sizeof(jmp), &to, sizeof(to));
}

int native_run(const uint8_t *bytes, unsigned len, struct native_regs *r)
{
	uint8_t *code = (uint8_t *)(uintptr_t)NATIVE_CODE;

	memcpy(code, bytes, len);
	put_return(code + len, native_return);
	put_return(code + len + NATIVE_BRANCH, native_branched);
	native_taken = 0;
	native_state = *r;
	caught = 0;
	native_enter();
	*r = native_state;
	return caught;
}
