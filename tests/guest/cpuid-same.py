# SPDX-License-Identifier: BSD-2-Clause
"""Compares what two engines showed of CPUID: cpuid-same.py SOFT OTHER, files that exact.py's
cpuid-shown printed, each with the lines of the kernel and then those of its user code.

Run by engines.sh."""

import sys

ROWS = 16
# By row of exact.py: EAX, EBX, ECX, EDX bits of what only some engines can: FMA, XSAVE, OSXSAVE, AVX,
# F16C; AVX2, PKU, OSPKE, LA57; the leaves of XSAVE; linear address bits.
SOME = {1: (0, 0, 0x3c001000, 0), 4: (0, 0x20, 0x10018, 0), 7: (~0,) * 4, 8: (~0,) * 4, 9: (~0,) * 4,
        15: (0xff00, 0, 0, 0)}


def read(name):
    with open(name, encoding="ascii") as f:
        rows = [[int(word, 16) for word in line.split()] for line in f]
    if len(rows) != 2 * ROWS:
        return None
    return rows[:ROWS], rows[ROWS:]


def differences(want, got):
    for n, (a, b) in enumerate(zip(want, got)):
        mask = [~m for m in SOME.get(n, (0,) * 4)]
        if any((x ^ y) & m for x, y, m in zip(a, b, mask)):
            yield n


def main(argv):
    soft, other = read(argv[1]), read(argv[2])
    if not soft or not other:
        print("it printed something else")
        return 1
    if other[0] != other[1]:
        print("user code sees other values than the kernel")
        return 1
    rows = list(differences(soft[0], other[0]))
    if rows:
        print("other values than on soft in rows", *rows)
        return 1
    print(f"{ROWS} leaves, at CPL 0 and CPL 3")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
