#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Guest instructions per second on the software engine, beside QEMU TCG on the same images.

engine_bench.py BUILD-FOLDER. Rows: a loop of arithmetic, a loop of loads and stores, and the boot
of our own guest up to its first scenarios. Each figure is processor time, the best of some runs, less
what a kernel that ends at once takes. Both sides execute the same instructions: how many, the software engine
counts.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))

from hostile import EXTRA, SCRATCH, Kernel, exit_with, mov_ecx, mov_rdi  # noqa: E402

ROUNDS = 3
LOOP = 40000000
QEMU = "qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 256 -smp 1 -display none " \
       "-monitor none -serial null -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4"

COMPUTE = (b"\x48\x01\xd8"  # add rax, rbx
           b"\x48\x31\xc3"  # xor rbx, rax
           b"\x48\xc1\xe3\x05"  # shl rbx, 5
           b"\x48\x8d\x54\x90\x11"  # lea rdx, [rax + rdx * 4 + 17]
           b"\x48\x29\xd6"  # sub rsi, rdx
           b"\x21\xf0"  # and eax, esi
           b"\x48\x0f\xaf\xd6"  # imul rdx, rsi
           b"\x48\x39\xf3"  # cmp rbx, rsi
           b"\x48\x0f\x42\xd8")  # cmovb rbx, rax

MEMORY = (b"\x48\x8b\x07"  # mov rax, [rdi]
          b"\x48\x03\x47\x08"  # add rax, [rdi + 8]
          b"\x48\x89\x47\x10"  # mov [rdi + 16], rax
          b"\x8b\x57\x18"  # mov edx, [rdi + 24]
          b"\x01\x57\x1c"  # add [rdi + 28], edx
          b"\x0f\xb6\x5f\x21"  # movzx ebx, byte [rdi + 33]
          b"\x53"  # push rbx
          b"\x5e"  # pop rsi
          b"\x89\x77\x24")  # mov [rdi + 36], esi


def loop(body, count):
    end = b"\xff\xc9\x0f\x85"  # dec ecx; jnz
    back = -(len(body) + len(end) + 4)
    code = mov_rdi(EXTRA) + mov_ecx(count) + body + end + (back & 0xffffffff).to_bytes(4, "little")
    return Kernel().code(code + exit_with(0x10)).elf()


def used():
    """Processor time of all children so far."""
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def timed(command):
    best = None
    for _ in range(ROUNDS):
        before = used()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, check=False)
        took = used() - before
        if done.returncode != 33:
            sys.exit("%s: status %d\n%s" % (" ".join(command), done.returncode, done.stderr.decode()))
        best = took if best is None else min(best, took)
    return best


class Bench:
    def __init__(self, build, folder):
        self.umbra = os.path.join(build, "umbra")
        self.folder = folder
        empty = self.file("empty", Kernel().code(exit_with(0x10)).elf())
        self.start = [timed(c) for c in (self.ours(empty), self.theirs(empty))]

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content)
        return path

    def ours(self, image, append=""):
        return [self.umbra, "run", image, "--cpu", "soft", "--cpus", "1", "--serial", "none", "--exit", "raw",
                "--append", append, "--stats-file", os.path.join(self.folder, "stats")]

    @staticmethod
    def theirs(image, append=""):
        return QEMU.split() + ["-kernel", image, "-append", append]

    def instructions(self):
        with open(os.path.join(self.folder, "stats"), encoding="utf-8") as f:
            return find(json.load(f), "insns_interpreted")

    def row(self, name, image, append=""):
        soft = timed(self.ours(image, append)) - self.start[0]
        count = self.instructions()
        tcg = timed(self.theirs(image, append)) - self.start[1]
        print("%-12s %8.1f %8.2f %10.1f %8.2f %8.1f" %
              (name, count / soft / 1e6, soft * 1e9 / count, count / tcg / 1e6, tcg * 1e9 / count,
               100 * tcg / soft), flush=True)


def find(tree, key):
    if isinstance(tree, dict):
        if key in tree:
            return tree[key]
        for v in tree.values():
            got = find(v, key)
            if got is not None:
                return got
    if isinstance(tree, list):
        return sum(find(v, key) or 0 for v in tree)
    return None


def main():
    build = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        b = Bench(build, folder)
        print("%-12s %8s %8s %10s %8s %8s" %
              ("", "soft M/s", "ns", "TCG M/s", "ns", "% of TCG"))
        b.row("compute", b.file("compute", loop(COMPUTE, LOOP)))
        b.row("memory", b.file("memory", loop(MEMORY, LOOP)))
        b.row("boot", os.path.join(build, "guest", "umbra-guest-amd64"),
              "cpus=1 quiet")


if __name__ == "__main__":
    main()
