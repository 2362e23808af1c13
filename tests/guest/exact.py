# SPDX-License-Identifier: BSD-2-Clause
"""Tiny kernels that look closely at their processor: exact.py NAME FILE writes one, --list names all.

Each ends with 0x10 at port 0xf4 if everything is as the manuals say, with 0x11 if not. Machine code
is written out by hand; what it means stands beside it.
"""

import sys

from hostile import (BASE, EXTRA, GDT, GDTR, PD, PDPT, PML4, RW, STACK, Kernel, exit_with, fail_unless_equal, le16,
                     le32, le64, mov_ecx, mov_rax, mov_rdi, table_at)

JE, JNE, JB, JAE = 0x74, 0x75, 0x72, 0x73
PASS = exit_with(0x10)
HANDLER = BASE + 0xe000
CR4_PAE = b"\xb8" + le32(0x20) + b"\x0f\x22\xe0"
CR3_PML4 = b"\xb8" + le32(PML4) + b"\x0f\x22\xd8"


def mov_rbx(v):
    return b"\x48\xbb" + le64(v)


def need(jcc):
    """Fails unless jcc jumps."""
    bad = exit_with(0x11)
    return bytes([jcc, len(bad)]) + bad


def kernel(body, edit=None, first=b"", change=()):
    k = Kernel().code(body, first)
    if edit:
        edit(k)
    for old, new in change:
        at = k.mem.find(old)
        assert at >= 0 and len(old) == len(new)
        k.mem[at:at + len(old)] = new
    return k.elf()


def back(loop):
    """The loop's own length is the way back."""
    return loop + bytes([256 - len(loop) - 1])


def self_modify():
    """A function's immediate is patched before each of a thousand calls."""
    def edit(k):
        k.put(EXTRA, b"\xb8\0\0\0\0\xc3")  # mov eax, imm32; ret
    loop = b"\x89\x4f\x01"  # mov [rdi + 1], ecx
    loop += b"\xff\xd7"  # call rdi
    loop += b"\x39\xc8" + need(JE)  # cmp eax, ecx
    loop += b"\xff\xc9\x75"  # dec ecx; jnz
    return kernel(mov_rdi(EXTRA) + mov_ecx(1000) + back(loop) + PASS, edit)


def self_modify_next():
    """The very next instruction, which crosses a page, is rewritten through another mapping."""
    at = EXTRA + 0x1000 - 5  # mov [rdi], ecx is two bytes; of mov eax, imm32 two lie in this page
    alias = (1 << 39) + at + 3

    def edit(k):
        k.put(PML4 + 8, le64(PDPT | RW))
        k.put(at, b"\x90\x89\x0f\xb8\0\0\0\0\xc3")  # nop; mov [rdi], ecx; mov eax, imm32; ret
    loop = b"\xff\xd6"  # call rsi
    loop += b"\x39\xc8" + need(JE)
    loop += b"\xff\xc9\x75"
    body = mov_rdi(alias + 1) + b"\x48\xbe" + le64(at) + mov_ecx(300)
    return kernel(body + back(loop) + PASS, edit)


def flags():
    """IF by POPF and PUSHF."""
    pushf = b"\x9c\x58\xa9" + le32(0x200)  # pushf; pop rax; test eax, IF
    c = b"\xfa" + pushf + need(JE)  # cli
    c += b"\x68" + le32(0x202) + b"\x9d" + pushf + need(JNE)  # push; popf
    c += b"\x68" + le32(0x002) + b"\x9d" + pushf + need(JE)
    c += b"\xfb" + pushf + need(JNE)  # sti
    return kernel(c + PASS)


def selectors():
    c = b"\x8c\xc8\x3d" + le32(8) + need(JE)  # mov eax, cs; cmp
    c += b"\x8c\xd0\x3d" + le32(16) + need(JE)  # ss
    c += b"\x31\xc0\x8e\xd8\x8c\xd8\x85\xc0" + need(JE)  # DS = 0; test eax, eax
    c += b"\xb8" + le32(16) + b"\x8e\xd8\x8c\xd8\x3d" + le32(16) + need(JE)
    return kernel(c + PASS)


def cpuid():
    """What this processor is, whatever the host's is: no MTRRs, an x2APIC, 46
    bits of physical address."""
    c = b"\xb8" + le32(1) + b"\x0f\xa2"
    c += b"\x0f\xba\xe1\x15" + need(JB)  # bt ecx, 21
    c += b"\x0f\xba\xe2\x0c" + need(JAE)  # bt edx, 12
    c += b"\xb8" + le32(0x80000008) + b"\x0f\xa2\x3c\x2e" + need(JE)  # cmp al, 46
    return kernel(c + PASS)


def cpuid_shown():
    """Prints what CPUID shows at CPL 0 and then, IOPL being 3, at CPL 3: a line for each leaf."""
    leaves = ((0, 0), (1, 0), (2, 0), (4, 0), (7, 0), (7, 1), (0xb, 0), (0xd, 0), (0xd, 1), (0xd, 2),
              (0x40000000, 0), (0x80000000, 0), (0x80000001, 0), (0x80000002, 0), (0x80000007, 0),
              (0x80000008, 0))
    rows, user = EXTRA + 0x400, EXTRA + 0x200
    # show, for each row at r12, r13 of them: mov eax, [r12]; mov ecx, [r12 + 4]; cpuid
    show = b"\x41\x8b\x04\x24\x41\x8b\x4c\x24\x04\x0f\xa2"
    show += b"\x41\x89\xd9\x41\x89\xca\x41\x89\xd3"  # mov r9d, ebx; r10d, ecx; r11d, edx
    show += b"\x89\xc7\xe8\x29\0\0\0"  # mov edi, eax; call hex
    for r in (b"\xcf\xe8\x21", b"\xd7\xe8\x19", b"\xdf\xe8\x11"):
        show += b"\x44\x89" + r + bytes(3)  # mov edi, r9d; call hex; r10d; r11d
    show += b"\xb0\x0a\x66\xba\xf8\x03\xee"  # mov al, 10; mov dx, 0x3f8; out dx, al
    show += b"\x49\x83\xc4\x08\x41\xff\xcd\x75\xbd\xc3"  # add r12, 8; dec r13d; jnz show; ret
    # hex: mov dx, 0x3f8; mov esi, 8; rol edi, 4; mov eax, edi; and al, 15; cmp al, 10; jb; add al, 39
    show += b"\x66\xba\xf8\x03\xbe\x08\0\0\0\xc1\xc7\x04\x89\xf8\x24\x0f\x3c\x0a\x72\x02\x04\x27"
    # add al, 48; out; dec esi; jnz; mov al, 32; out; ret
    show += b"\x04\x30\xee\xff\xce\x75\xec\xb0\x20\xee\xc3"
    call = b"\x49\xbc" + le64(rows) + b"\x41\xbd" + le32(len(leaves)) + mov_rax(EXTRA) + b"\xff\xd0"

    def edit(k):
        k.put(EXTRA, show)
        k.put(user, call + PASS)
        k.put(rows, b"".join(le32(a) + le32(b) for a, b in leaves))
        k.put(GDT + 32, le64(0x00affb000000ffff) + le64(0x00cff3000000ffff))
        k.put(GDTR, le16(47))
        for at, entry in ((PML4, PDPT | RW), (PDPT, PD | RW), (PD, 0x83)):
            k.put(at, le64(entry | 4))  # user
    c = call + b"\x6a\x2b\x68" + le32(STACK - 0x100)  # push ss, rsp
    c += b"\x68" + le32(0x3002) + b"\x6a\x23\x68" + le32(user) + b"\x48\xcf"  # rflags, cs, rip; iretq
    return kernel(c, edit)


def idt(vector, handler):
    def edit(k):
        k.put(EXTRA + 16 * vector, le16(handler) + le16(8) + le32(0x8e00 | handler & 0xffff0000)
              + le64(0))
        k.put(HANDLER, b"\x48\xff\xc3\x48\xcf")  # inc rbx; iretq
    return edit


def int_n():
    """INT n comes to its gate and back, with RIP behind it."""
    c = table_at(EXTRA, 0xfff, 3) + b"\x31\xdb" + b"\xcd\x80" * 3 + b"\x83\xfb\x03" + need(JE)
    return kernel(c + PASS, idt(0x80, HANDLER))


def fault_is_precise():
    """A store across into a page that is not there changes nothing; CR2 is the second page's."""
    page = 0x200000 * 40  # the last bytes of one large page, the next is absent

    def edit(k):
        idt(14, HANDLER)(k)
        # add rsp, 8 (the error code); mov rbx, cr2; add qword [rsp], 3 (the store); iretq
        k.put(HANDLER, b"\x48\x83\xc4\x08\x0f\x20\xd3\x48\x83\x04\x24\x03\x48\xcf")
        k.put(PD + 8 * 40, le64(0))
    c = table_at(EXTRA, 0xfff, 3) + mov_rdi(page - 4)
    c += b"\xc7\x07" + le32(0x12345678)  # mov dword [rdi], imm
    c += mov_rax(0xffffffffffffffff) + b"\x31\xdb"
    c += b"\x48\x89\x07"  # mov [rdi], rax: faults
    c += b"\x48\x89\xd8" + mov_rbx(page) + fail_unless_equal()  # mov rax, rbx
    c += b"\x8b\x07\x3d" + le32(0x12345678) + need(JE)
    return kernel(c + PASS, edit)


def slot511():
    """Calls code through the last slot of the upper half."""
    def edit(k):
        k.put(PML4 + 8 * 511, le64(PDPT | RW))
        k.put(EXTRA, b"\x48\x8d\x05\x01\0\0\0\xc3\x90")  # lea rax, [rip + 1]; ret
    there = 0xffffff8000000000 + EXTRA
    c = mov_rax(there) + b"\xff\xd0" + mov_rbx(there + 8) + fail_unless_equal()
    return kernel(c + PASS, edit)


def la57():
    """Five levels: the same memory at 0 and at 1 << 48."""
    def edit(k):
        k.put(EXTRA, le64(PML4 | RW) + le64(PML4 | RW))
    c = mov_rdi((1 << 48) + GDT + 8) + b"\x48\x8b\x07" + mov_rdi(GDT + 8) + b"\x48\x8b\x1f"
    c += fail_unless_equal()
    c += b"\x0f\x20\xe0\x0f\xba\xe0\x0c" + need(JB)  # mov rax, cr4; bt eax, 12
    return kernel(c + PASS, edit, change=(
        (CR4_PAE, b"\xb8" + le32(0x1020) + b"\x0f\x22\xe0"),
        (CR3_PML4, b"\xb8" + le32(EXTRA) + b"\x0f\x22\xd8")))


def legacy(cr4, root, tables):
    """32-bit code under other paging: what is stored at 4 MiB is there, and at its alias."""
    first = b"\xb8" + le32(cr4) + b"\x0f\x22\xe0\xb8" + le32(root) + b"\x0f\x22\xd8"
    first += b"\xb8" + le32(0x80010033) + b"\x0f\x22\xc0"
    for i in range(8):
        first += b"\xc7\x05" + le32(0x400000 + 4 * i) + le32(0xa5a50000 + i)  # mov [m], imm32
        first += b"\xa1" + le32(0x800000 + 4 * i)  # mov eax, [alias]
        first += b"\x3d" + le32(0xa5a50000 + i) + need(JE)
    return kernel(b"", tables, first + PASS)


def paging_32():
    def tables(k):
        k.put(EXTRA, b"".join(le32((1 if i == 2 else i) << 22 | 0x83) for i in range(1024)))
    return legacy(0x10, EXTRA, tables)


def paging_pae():
    def tables(k):
        k.put(EXTRA, b"".join(le64(PD + 0x1000 * i | 1) for i in range(4)))
        for i in (4, 5):
            k.put(PD + 8 * i, le64((i - 2) << 21 | 0x83))
    return legacy(0x20, EXTRA, tables)


CASES = {
    "self-modify": self_modify,
    "self-modify-next": self_modify_next,
    "flags": flags,
    "selectors": selectors,
    "cpuid": cpuid,
    "cpuid-shown": cpuid_shown,
    "int-n": int_n,
    "fault-is-precise": fault_is_precise,
    "slot511": slot511,
    "la57": la57,
    "paging-32": paging_32,
    "paging-pae": paging_pae,
}


def main(argv):
    if argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    with open(argv[2], "wb") as f:
        f.write(CASES[argv[1]]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
