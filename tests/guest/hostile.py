# SPDX-License-Identifier: BSD-2-Clause
"""Tiny kernels that misbehave, and files that are no kernels: hostile.py NAME FILE writes one.

Every kernel is an ELF32 file with a multiboot header, loaded at 1 MiB, in one segment: code,
tables that map the first 4 GiB to themselves by 2 MiB pages, a GDT, and an IDT without gates. The
code enters 64-bit mode and then does what its name says. Machine code is written out by hand.
hostile.py --list prints the names.
"""

import random
import struct
import sys

BASE = 0x100000
PML4, PDPT, PD, GDT, IDTR, GDTR, SCRATCH, STACK = (BASE + 0x1000 * i for i in (1, 2, 3, 7, 8, 9, 10, 12))
SIZE = 0x10000  # PD takes four pages; behind the stack there is room for a case's own table
EXTRA = BASE + 0xd000
RW = 3  # present, writable
LARGE = 0x83
RAM = 256 << 20


def le16(v):
    return struct.pack("<H", v & 0xffff)


def le32(v):
    return struct.pack("<I", v & 0xffffffff)


def le64(v):
    return struct.pack("<Q", v & 0xffffffffffffffff)


# 64-bit instructions
def mov_rax(v):
    return b"\x48\xb8" + le64(v)


def mov_rdi(v):
    return b"\x48\xbf" + le64(v)


def mov_ecx(v):
    return b"\xb9" + le32(v)


MOV_CR3_RAX = b"\x0f\x22\xd8"
JMP_RAX = b"\xff\xe0"
UD2 = b"\x0f\x0b"
INT3 = b"\xcc"
FOREVER = b"\xeb\xfe"
NOP = b"\x90"


def exit_with(v):
    """mov al, v; out 0xf4, al; jmp ."""
    return b"\xb0" + bytes([v]) + b"\xe6\xf4" + FOREVER


def set_rsp(v):
    return b"\x48\xbc" + le64(v)


def table_at(base, limit, load):
    """Puts a limit and a base at SCRATCH; load is 2 for LGDT, 3 for LIDT."""
    return (mov_rdi(SCRATCH) + b"\x66\xc7\x07" + le16(limit) + mov_rax(base) + b"\x48\x89\x47\x02"
            + b"\x0f\x01" + bytes([load << 3 | 7]))


def fail_unless_equal():
    """cmp rax, rbx; je over a failing exit."""
    bad = exit_with(0x11)
    return b"\x48\x39\xd8\x74" + bytes([len(bad)]) + bad


class Kernel:
    def __init__(self):
        self.mem = bytearray(SIZE)
        self.put(PML4, le64(PDPT | RW))
        for i in range(4):
            self.put(PDPT + 8 * i, le64(PD + 0x1000 * i | RW))
        for i in range(2048):
            self.put(PD + 8 * i, le64(i << 21 | LARGE))
        self.put(GDT, le64(0) + le64(0x00af9b000000ffff) + le64(0x00cf93000000ffff)
                 + le64(0x00cf9b000000ffff))
        self.put(GDTR, le16(31) + le32(GDT))
        self.put(IDTR, le16(0) + le64(0))
        self.put(BASE, le32(0x1badb002) + le32(3) + le32(-(0x1badb002 + 3)))

    def put(self, at, data):
        self.mem[at - BASE:at - BASE + len(data)] = data

    def code(self, body, first=b""):
        """first runs in 32-bit mode, before paging; body in 64-bit mode."""
        c = first
        c += b"\xb8" + le32(0x20) + b"\x0f\x22\xe0"  # CR4.PAE
        c += b"\xb8" + le32(PML4) + b"\x0f\x22\xd8"
        c += b"\xb9" + le32(0xc0000080) + b"\xb8" + le32(0x900) + b"\x31\xd2\x0f\x30"  # LME, NXE
        c += b"\x0f\x01\x15" + le32(GDTR)
        c += b"\xb8" + le32(0x80010033) + b"\x0f\x22\xc0"
        at = BASE + 16 + len(c) + 7
        c += b"\xea" + le32(at) + le16(8)
        c += b"\x66\xb8\x10\x00\x8e\xd8\x8e\xc0\x8e\xd0"  # DS, ES, SS
        c += set_rsp(STACK) + b"\x0f\x01\x1c\x25" + le32(IDTR)
        self.put(BASE + 16, c + body)
        return self

    def elf(self):
        return elf32([(BASE, bytes(self.mem), SIZE)], BASE + 16)


def elf32(segments, entry, machine=3, kind=2):
    """segments: (physical address, bytes, size in memory)."""
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", kind, machine, 1, entry & 0xffffffff, 52, 0, 0, 52, 32,
                        len(segments), 0, 0, 0)
    at = 52 + 32 * len(segments)
    at += -at % 4  # the multiboot header is looked for at multiples of 4
    table, data = b"", b""
    for addr, content, memsz in segments:
        table += struct.pack("<IIIIIIII", 1, at + len(data), addr, addr, len(content),
                             memsz & 0xffffffff, 7, 4)
        data += content
    return (head + table).ljust(at, b"\0") + data


def elf64(segments, entry):
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    at = 64 + 56 * len(segments)
    table, data = b"", b""
    for addr, content, memsz in segments:
        table += struct.pack("<IIQQQQQQ", 1, 7, at + len(data), addr, addr, len(content), memsz, 4)
        data += content
    return head + table + data


def good(memsz=SIZE):
    """The one segment of a kernel that passes."""
    return (BASE, bytes(Kernel().code(exit_with(0x10)).mem), memsz)


def kernel(body, first=b"", edit=None):
    k = Kernel().code(body, first)
    if edit:
        edit(k)
    return k.elf()


def load_cr3(root):
    return mov_rax(root) + MOV_CR3_RAX + NOP * 8 + FOREVER


def filled_table(value):
    """A table at EXTRA with one value in all of its entries, loaded as the root."""
    return kernel(load_cr3(EXTRA), edit=lambda k: k.put(EXTRA, le64(value) * 512))


def touch_slot(entry):
    """Reads and writes through PML4 slot 1, whose entry is this."""
    return kernel(mov_rax(1 << 39) + b"\x48\x8b\x18\x48\x89\x18" + FOREVER,
                  edit=lambda k: k.put(PML4 + 8, le64(entry)))


def slot256():
    def edit(k):
        k.put(PML4 + 8 * 256, le64(PDPT | RW))
    return edit


SLOT256 = 0xffff800000000000


def slot256_data():
    """Stores through slot 256 and loads directly, and the other way round, with an INVLPG."""
    c = b""
    for i in range(4):
        val = 0x1122334455667788 + i
        a, b = (SLOT256 + 0x400000, 0x400000)[::1 if i & 1 else -1]
        c += b"\x48\xbb" + le64(val) + mov_rdi(a) + b"\x48\x89\x1f"  # mov [rdi], rbx
        c += b"\x0f\x01\x3f"  # invlpg [rdi]
        c += mov_rdi(b) + b"\x48\x8b\x07" + fail_unless_equal()  # mov rax, [rdi]
    return kernel(c + exit_with(0x10), edit=slot256())


def slot256_code():
    """Calls a function at its address in slot 256, ten times."""
    def edit(k):
        slot256()(k)
        k.put(EXTRA, b"\x48\x8d\x05\x01\0\0\0\xc3\x90")  # lea rax, [rip + 1]; ret; nop
    c = b"\x41\xb8" + le32(10)  # mov r8d, 10
    loop = mov_rax(SLOT256 + EXTRA) + b"\xff\xd0"  # call rax
    loop += b"\x48\xbb" + le64(SLOT256 + EXTRA + 8) + fail_unless_equal()
    loop += b"\x41\xff\xc8\x75"  # dec r8d; jnz
    c += loop + bytes([256 - len(loop) - 1])
    return kernel(c + exit_with(0x10), edit=edit)


def fill(first, step, count, value):
    """Stores a dword count times."""
    loop = b"\xc7\x07" + le32(value) + b"\x48\x81\xc7" + le32(step) + b"\xff\xc9\x75"
    return mov_rdi(first) + mov_ecx(count) + loop + bytes([256 - len(loop) - 1])


def device_writes():
    c = b""
    for value in (0, 0xffffffff, 0x5a5a5a5a):
        c += fill(0xfee00000, 4, 1024, value) + fill(0xfee00000, 16, 256, value)
    c += fill(0xfec00000, 4, 64, 0xffffffff) + fill(0xa0000, 4, 64, 1) + fill(RAM, 0x1000, 64, 1)
    c += fill(0xe0000000, 0x100000, 256, 0xffffffff)
    return kernel(c + exit_with(0x10))


def port_writes():
    """OUT 0xff to every port but those that end the machine."""
    c = b"\x31\xd2"  # xor edx, edx
    body = b"\x0f\xb6\xc2\x89\xd3\x83\xe3\xfc\x81\xfb\xf4\0\0\0\x74\x04"  # skip 0xf4 to 0xf7
    body += b"\xb0\xff\xee\xec"  # mov al, 0xff; out dx, al; in al, dx
    body += b"\xff\xc2\x81\xfa\0\0\x01\0\x75"
    return kernel(c + body + bytes([256 - len(body) - 1]) + exit_with(0x10))


def paging_32():
    """32-bit paging with a directory at EXTRA: 4 MiB pages."""
    first = b"\xb8\x10\0\0\0\x0f\x22\xe0\xb8" + le32(EXTRA) + b"\x0f\x22\xd8"
    first += b"\xb8" + le32(0x80010033) + b"\x0f\x22\xc0" + NOP * 4 + FOREVER
    return kernel(b"", first, lambda k: k.put(
        EXTRA, b"".join(le32(i << 22 | LARGE) for i in range(1024))))


def paging_pae():
    first = b"\xb8\x20\0\0\0\x0f\x22\xe0\xb8" + le32(EXTRA) + b"\x0f\x22\xd8"
    first += b"\xb8" + le32(0x80010033) + b"\x0f\x22\xc0" + NOP * 4 + FOREVER
    return kernel(b"", first, lambda k: k.put(
        EXTRA, b"".join(le64(PD + 0x1000 * i | 1) for i in range(4))))


def table_noise():
    """Stores changing values all over the directory it runs on, its own page's entry included."""
    body = b"\x69\xc0" + le32(1103515245) + b"\x05" + le32(12345)  # eax = eax * a + c
    body += b"\x89\xc3\xc1\xeb\x10\x81\xe3\xf8\x3f\0\0"  # ebx = (eax >> 16) & 0x3ff8
    body += b"\x89\x04\x1f" + b"\x0f\x01\x3f\xeb"  # mov [rdi + rbx], eax; invlpg [rdi]; jmp
    return kernel(mov_rdi(PD) + b"\xb8\1\0\0\0" + body + bytes([256 - len(body) - 1]))


def garbage(seed):
    rnd = random.Random(seed)
    return kernel(bytes(rnd.randrange(256) for _ in range(3500)))


def real_mode():
    """Clears CR0.PE in 32-bit mode and goes on."""
    return kernel(b"", b"\x31\xc0\x0f\x22\xc0\xea\0\0\0\0\0\xf0" + NOP * 16)


JUNK = 0xdeadbeefcafe1234

# cr4 |= OSFXSR | OSXMMEXCPT
SSE_ON = b"\x0f\x20\xe0\x0d\x00\x06\x00\x00\x0f\x22\xe0"


def fpu_handover():
    """Sums in XMM0 and on the x87 stack, every second term added in the shadow of STI: there the
    monitor executes, elsewhere the processor."""
    addend = b"\x66\x0f\xd4\xc1"  # paddq xmm0, xmm1
    c = SSE_ON + mov_rax(1) + b"\x66\x48\x0f\x6e\xc0\x66\x48\x0f\x6e\xc8"  # movq xmm0/1, rax
    c += b"\xdb\xe3\xd9\xe8" + mov_ecx(500)  # fninit; fld1
    loop = addend + b"\xd9\xe8\xfb" + addend  # paddq; fld1; sti; paddq
    loop += b"\xfa\xfb\xde\xc1\xfa\xff\xc9"  # cli; sti; faddp; cli; dec ecx
    c += loop + b"\x75" + bytes([256 - len(loop) - 2])
    c += b"\x66\x48\x0f\x7e\xc0\x48\xbb" + le64(1001) + fail_unless_equal()
    c += mov_rdi(SCRATCH) + b"\xdf\x3f\x48\x8b\x07\x48\xbb" + le64(501) + fail_unless_equal()
    return kernel(c + exit_with(0x10))


def fpu_trap():
    """CR0.TS: the first vector instruction is #NM, and runs after the handler's CLTS."""
    handler = EXTRA + 0x800
    gate = le16(handler) + le16(8) + b"\0\x8e" + le16(handler >> 16) + le64(0)

    def edit(k):
        k.put(EXTRA + 7 * 16, gate)
        k.put(handler, b"\x0f\x06\x48\xff\xc3\x48\xcf")  # clts; inc rbx; iretq

    c = SSE_ON + table_at(EXTRA, 0xfff, 3) + b"\x31\xdb"
    c += b"\x0f\x20\xc0\x48\x83\xc8\x08\x0f\x22\xc0"  # cr0 |= TS
    c += b"\x66\x0f\xef\xc0\x66\x0f\xef\xc0"  # pxor xmm0, xmm0 twice
    return kernel(c + mov_rax(1) + fail_unless_equal() + exit_with(0x10), edit=edit)


CASES = {
    "fpu-handover": fpu_handover,
    "fpu-trap": fpu_trap,
    "exit-00": lambda: kernel(exit_with(0)),
    "exit-2a": lambda: kernel(exit_with(0x2a)),
    "cr3-outside": lambda: kernel(load_cr3(RAM + 0x1000)),
    "cr3-reserved": lambda: kernel(load_cr3(0x7ff0000000000000)),
    "cr3-device": lambda: kernel(load_cr3(0xfee00000)),
    "tables-self": lambda: filled_table(EXTRA | RW),
    "tables-self-large": lambda: kernel(
        load_cr3(EXTRA), edit=lambda k: k.put(EXTRA, (le64(EXTRA | RW) + le64(LARGE)) * 256)),
    "tables-outside": lambda: touch_slot(RAM + 0x5000 | RW),
    "tables-device": lambda: touch_slot(0xfee00000 | RW),
    "tables-reserved": lambda: touch_slot(0xffffffffffffffff),
    "idt-outside": lambda: kernel(table_at(RAM + 0x1000, 0xfff, 3) + INT3 + FOREVER),
    "idt-noncanonical": lambda: kernel(table_at(JUNK, 0xffff, 3) + UD2 + FOREVER),
    "idt-garbage": lambda: kernel(
        table_at(EXTRA, 0xfff, 3) + UD2 + FOREVER,
        edit=lambda k: k.put(EXTRA, random.Random(7).randbytes(4096))),
    "gdt-garbage": lambda: kernel(table_at(0x123456789a, 0xff, 2)
                                  + b"\x66\xb8\x18\x00\x8e\xd0" + FOREVER),
    "stack-unmapped": lambda: kernel(set_rsp(0x700000000000) + b"\x50" + FOREVER),
    "stack-noncanonical": lambda: kernel(set_rsp(JUNK) + b"\x50" + FOREVER),
    "jump-noncanonical": lambda: kernel(mov_rax(0x800000000000) + JMP_RAX),
    "jump-unmapped": lambda: kernel(mov_rax(0x700000000000) + JMP_RAX),
    "jump-device": lambda: kernel(mov_rax(0xfee00000) + JMP_RAX),
    "run-off-ram": lambda: kernel(  # zeros are add [rax], al
        mov_rax(SCRATCH) + b"\x48\xbb" + le64(RAM - 64) + b"\xff\xe3"),
    "slot256-data": slot256_data,
    "slot256-code": slot256_code,
    "device-writes": device_writes,
    "port-writes": port_writes,
    "paging-32": paging_32,
    "paging-pae": paging_pae,
    "paging-la57": lambda: kernel(b"", b"\xb8" + le32(0x1020) + b"\x0f\x22\xe0" + UD2),
    "real-mode": real_mode,
    "table-noise": table_noise,
    "good": lambda: elf32([good()], BASE + 16),
    "good64": lambda: elf64([good()], BASE + 16),
    # What is no kernel.
    "bad-overlap": lambda: elf32([good(), (BASE + 0x8000, bytes(64), 64)], BASE + 16),
    "bad-wrap": lambda: elf32([good(), (0xfffff000, bytes(64), 0x2000)], BASE + 16),
    "bad-wrap64": lambda: elf64([good(), (0xfffffffffffff000, bytes(64), 0x2000)], BASE + 16),
    "bad-outside": lambda: elf32([good(), (RAM - 32, bytes(64), 64)], BASE + 16),
    "bad-low": lambda: elf32([good(), (0x400, bytes(64), 64)], BASE + 16),
    "bad-huge": lambda: elf32([good(0x7fffffff)], BASE + 16),
    "bad-entry": lambda: elf32([good()], 0x500000),
    "bad-machine": lambda: elf32([good()], BASE, machine=40),
    "bad-kind": lambda: elf32([good()], BASE, kind=1),
    "bad-no-segments": lambda: elf32([], BASE) + good()[1],
    "bad-no-header": lambda: elf32([(BASE, bytes(4096), 4096)], BASE),
    "bad-checksum": lambda: elf32([(BASE, le32(0x1badb002) + le32(3) + le32(1), 4096)], BASE),
    "bad-shrink": lambda: elf32([good(16)], BASE),
}


def main(argv):
    if argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if len(argv) != 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    name = argv[1]
    data = garbage(int(name[8:])) if name.startswith("garbage-") else CASES[name]()
    with open(argv[2], "wb") as f:
        f.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
