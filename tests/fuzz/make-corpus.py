#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the fuzzers' corpora: make-corpus.py [FOLDER], by default corpus/ next to this file.

corpus/boot     kernel images in each format, and broken ones
corpus/control  bytes sent to the control socket; the first is the size of the pieces (0: all)
"""
import os
import struct
import sys

MULTIBOOT = 0x1BADB002


def p32(*values):
    return struct.pack("<%dI" % len(values), *(v & 0xFFFFFFFF for v in values))


def multiboot(flags):
    return p32(MULTIBOOT, flags, -(MULTIBOOT + flags))


def elf32(entry=0x10000C, flags=3, segments=None, **header):
    """A kernel of two segments: text at 1 MiB that begins with the header, and 16 low bytes."""
    if segments is None:
        segments = [
            (1, 0x80, 0xC0100000, 0x100000, 64, 0x1000, 7, 4),
            (1, 0xC0, 0x8000, 0x8000, 16, 16, 7, 4),
        ]
    h = dict(type=2, machine=3, phoff=52, phentsize=32, phnum=len(segments), ident=b"\x01\x01\x01")
    h.update(header)
    ident = (b"\x7fELF" + h["ident"]).ljust(16, b"\0")
    head = ident + struct.pack("<HHIIIIIHHHHHH", h["type"], h["machine"], 1, entry, h["phoff"], 0,
                               0, 52, h["phentsize"], h["phnum"], 0, 0, 0)
    body = head + b"".join(struct.pack("<8I", *s) for s in segments)
    text = multiboot(flags).ljust(64, b"\x90")
    return body.ljust(0x80, b"\0") + text + b"\xcc" * 16


def elf64(note=None, segments=None, **header):
    """A kernel that starts through its PVH note."""
    if note is None:
        note = p32(4, 4, 18) + b"Xen\0" + p32(0x100010)
    if segments is None:
        segments = [
            (1, 7, 0x100, 0xFFFFFFFF80100000, 0x100000, 64, 0x1000, 4),
            (4, 4, 0x150, 0, 0, len(note), len(note), 4),
            (1, 7, 0x140, 0x8000, 0x8000, 16, 16, 4),
        ]
    h = dict(machine=62, phoff=64, phentsize=56, phnum=len(segments))
    h.update(header)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, h["machine"], 1, 0x100000, h["phoff"], 0, 0, 64, h["phentsize"],
        h["phnum"], 0, 0, 0)
    body = head + b"".join(struct.pack("<IIQQQQQQ", *s) for s in segments)
    return body.ljust(0x100, b"\0") + b"\x90" * 64 + b"\xcc" * 16 + note


def flat(at=16, load=0x100000, end=0x100040, bss=0x101000, entry=0x100004, flags=0x10000):
    head = multiboot(flags) + p32(load + at, load, end, bss, entry)
    return (b"\x90" * at + head).ljust(96, b"\x90")


def load32(offset, gpa, filesz, memsz):
    return (1, offset, gpa, gpa, filesz, memsz, 7, 4)


def boot():
    bz = bytearray(0x400)
    bz[0x1FE:0x200] = b"\x55\xaa"
    bz[0x202:0x206] = b"HdrS"
    return {
        "elf32-multiboot": elf32(),
        "elf64-pvh": elf64(),
        "flat-multiboot": flat(),
        "empty": b"",
        "one-byte": b"\x7f",
        "elf32-half-a-header": elf32()[:40],
        "elf32-cut": elf32()[:0x90],
        "elf32-big-endian": elf32(ident=b"\x01\x02\x01"),
        "elf32-other-machine": elf32(machine=40),
        "elf32-shared": elf32(type=3),
        "elf32-phoff-at-the-end": elf32(phoff=0xFFFFFFF0),
        "elf32-many-phdrs": elf32(phnum=0xFFFF),
        "elf32-phentsize-1": elf32(phentsize=1),
        "elf32-no-segments": elf32(segments=[]),
        "elf32-entry-outside": elf32(entry=0x300000),
        "elf32-unknown-flags": elf32(flags=0x1003),
        "elf32-overlap": elf32(segments=[load32(0x80, 0x100000, 64, 0x2000),
                                         load32(0x80, 0x101000, 64, 0x2000)]),
        "elf32-page-0": elf32(segments=[load32(0x80, 0, 64, 64)]),
        "elf32-behind-ram": elf32(segments=[load32(0x80, 0x3FF000, 64, 0x2000)]),
        "elf32-wraps": elf32(segments=[load32(0x80, 0xFFFFF000, 64, 0x2000)]),
        "elf32-file-longer-than-memory": elf32(segments=[load32(0x80, 0x100000, 64, 16)]),
        "elf32-offset-behind-file": elf32(segments=[load32(0xFFFFFFF0, 0x100000, 64, 64)]),
        "elf64-other-machine": elf64(machine=183),
        "elf64-note-too-long": elf64(note=p32(4, 0xFFFFFFFC, 18) + b"Xen\0" + p32(0x100010)),
        "elf64-note-name-too-long": elf64(note=p32(0xFFFFFFFD, 4, 18) + b"Xen\0"),
        "elf64-note-of-others": elf64(note=p32(4, 4, 1) + b"GNU\0" + p32(0)),
        "elf64-entry-above-4g": elf64(note=p32(4, 8, 18) + b"Xen\0" + p32(0x100010, 1)),
        "elf64-offset-wraps": elf64(segments=[(1, 7, 2**64 - 8, 0, 0x100000, 64, 64, 4)]),
        "elf64-memory-wraps": elf64(segments=[(1, 7, 0x100, 0, 2**64 - 4096, 64, 2**63, 4)]),
        "elf64-note-behind-file": elf64(segments=[(1, 7, 0x100, 0, 0x100000, 64, 64, 4),
                                                  (4, 4, 2**63, 0, 0, 64, 64, 4)]),
        "flat-end-below-load": flat(end=0xFFFFF),
        "flat-bss-below-end": flat(bss=0x100020),
        "flat-load-wraps": flat(load=0xFFFFFFF0, end=0x10, bss=0x20),
        "flat-end-zero": flat(end=0, bss=0),
        "flat-cut": flat()[:30],
        "flat-bad-checksum": flat().replace(p32(MULTIBOOT), p32(MULTIBOOT + 1)),
        "bzimage": bytes(bz),
        "text": b"#!/bin/sh\nexit 0\n",
    }


def control():
    hello = b'{"execute":"qmp_capabilities"}\n'

    def session(*parts, piece=0, greet=True):
        return bytes([piece]) + (hello if greet else b"") + b"".join(parts)

    def depth(n):
        return b'{"execute":"query-name","id":' + b"[" * n + b"]" * n + b"}\n"

    return {
        "status": session(b'{"execute":"query-status","id":1}\n'),
        "status-bytewise": session(b'{"execute":"query-status","id":1}\r\n', piece=1),
        "all-commands": session(
            b'{"execute":"query-commands"}{"execute":"query-version"}{"execute":"query-name"}'
            b'{"execute":"stop"}{"execute":"cont"}{"execute":"query-cpus-fast"}'
            b'{"execute":"quit"}\n'),
        "walk": session(b'{"execute":"x-query-shadow-walk","arguments":{"gva":4096}}\n'
                        b'{"execute":"query-shadow-walk","arguments":{"gva":"0x1000",'
                        b'"vcpu":1}}\n'),
        "shadow": session(b'{"execute":"query-shadow-roots"}{"execute":"query-shadow-audit"}'
                          b'{"execute":"query-shadow-stats","arguments":{}}'),
        "empty": b"",
        "only-a-size": b"\x07",
        "not-negotiated": session(b'{"execute":"query-status"}\n', greet=False),
        "twice-negotiated": session(hello),
        "capabilities": session(b'{"execute":"qmp_capabilities","arguments":'
                                b'{"enable":["oob","x"]}}', greet=False),
        "half-a-command": session(b'{"execute":"query-sta'),
        "resynchronise": session(b'{"execute":"que\xff{"execute":"query-name"}\n', piece=3),
        "not-an-object": session(b'[1,2]"x"17 null true -0.5e3\n'),
        "unknown": session(b'{"execute":"x-y-z","id":{"a":[null]}}\n'),
        "unknown-argument": session(b'{"execute":"stop","arguments":{"x":1}}\n'),
        "unknown-member": session(b'{"execute":"stop","more":1}\n'),
        "arguments-not-an-object": session(b'{"execute":"stop","arguments":[]}\n'),
        "execute-not-a-string": session(b'{"execute":{}}{"execute":null}{"id":3}\n'),
        "same-key-twice": session(b'{"execute":"stop","execute":"cont"}\n'),
        "deep": session(depth(24)),
        "too-deep": session(depth(2000)),
        "unbalanced": session(b"]" * 20 + b"}" * 20 + b"\n" + b'{"execute":"stop"}}\n'),
        "huge-numbers": session(b'{"execute":"query-name","id":' + b"9" * 400 + b'}\n'
                                b'{"execute":"query-name","id":-9223372036854775809}'
                                b'{"execute":"query-name","id":1e999}\n'),
        "escapes": session(b'{"execute":"query-name","id":"\\u0000\\ud83d\\ude00\\ud83d\\"\\\\"}'),
        "bad-escapes": session(b'{"execute":"query-name","id":"\\x \\u12g4"}\n'),
        "raw-utf-8": session('{"execute":"query-name","id":"m\u00fc\U0001f600"}\n'.encode()),
        "bad-utf-8": session(b'{"execute":"query-name","id":"\xc0\x80\xed\xa0\x80\xf8"}\n'),
        "nul-bytes": session(b'{"execute":\0"stop"}\n\0\0{"execute":"stop"}\n'),
        "control-characters": session(b'{"execute":"query-name","id":"\x01\x1f\x7f"}\n'),
        "comments": session(b'/* x */{"execute":"stop"}// y\n'),
        "single-quotes": session(b"{'execute':'query-name','id':'\"'}\n"),
        "white-space": session(b"\r\n\t \v\f\n" * 20),
        "long-string": session(b'{"execute":"' + b"a" * 1500 + b'"}\n', piece=255),
    }


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "corpus")
    for folder, files in (("boot", boot()), ("control", control())):
        os.makedirs(os.path.join(top, folder), exist_ok=True)
        for name, data in files.items():
            with open(os.path.join(top, folder, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
