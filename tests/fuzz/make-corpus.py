#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the fuzzers' corpora: make-corpus.py [FOLDER], by default corpus/ next to this file.

corpus/boot     kernel images in each format, and broken ones
corpus/control  bytes sent to the control socket; the first is the size of the pieces (0: all)
corpus/gdb      bytes sent to the GDB stub; the first is the size of the pieces, odd: a 32-bit machine
corpus/shadow   guests for the shadow MMU: three bytes of configuration, then steps (shadow_fuzz.c)
"""
import json
import os
import struct
import sys

MULTIBOOT = 0x1BADB002
POINTS = ("gather-batch", "defer", "grace-period", "shootdown", "shadow-table", "record", "window", "pool-window",
          "answer", "none")


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

    def call(command, /, **arguments):
        arguments = {k.replace("_", "-"): v for k, v in arguments.items()}
        return json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n"

    def monitor(*lines, cpu=0):
        return b"".join(call("human-monitor-command", command_line=line, cpu_index=cpu) for line in lines)

    # Addresses of control_machine.c: each kind of entry, and none.
    places = ["0x%x" % a for a in (
        *range(0, 0x9000, 0x1000), 0x28000, 0x29000, 0x100000, 0x200000, 0x3ff000, 0x400000, 0x40000000, 0x80000000,
        0xffc00000, 1 << 39, 3 << 39, 4 << 39, 0x800000000000, 0xffff800000005000, 0xfffffffffffff800)]
    both = [(place, vcpu) for place in places for vcpu in (0, 1)]
    tables = ["0x%x" % (0x100000000 + n) for n in range(24)]

    return {
        "walks": session(*(call("shadow-walk", gva=p, vcpu=v) for p, v in both)),
        "walks-piecewise": session(*(call("shadow-walk", gva=p, vcpu=v) for p, v in both), piece=9),
        "walks-of-roots": session(*(call("shadow-walk", gva="0x5000", root=t) for t in tables)),
        "explanations": session(*(call("shadow-explain", gva=p, vcpu=v, access=a, ring=r) for p, v in both
                                  for a in ("read", "write", "fetch") for r in (0, 3)), piece=251),
        "dumps": session(*(call("shadow-dump", view=w, vcpu=v, merge=m) for w in ("guest", "kernel", "user", "kernel-ac")
                           for v in (0, 1, 2) for m in (False, True)), piece=50),
        "dumps-in-parts": session(*(call("shadow-dump", view=w, start=p, end=q, max=3) for w in ("guest", "kernel")
                                    for p in places for q in ("0xffffffffffffffff", "0x0"))),
        "dumps-of-roots": session(*(call(c, root=t) for t in tables for c in ("shadow-dump", "shadow-diff")), piece=70),
        "differences": session(*(call("shadow-diff", vcpu=v, view=w, start=p) for p, v in both for w in ("kernel", "user")),
                               piece=80),
        "pages": session(*(call("query-shadow-page", table=t, first=f) for t in tables for f in (0, 511, 512)),
                         *(call("query-shadow-page", gfn="0x%x" % n) for n in range(12))),
        "audits": session(call("shadow-audit") * 2, call("shadow-audit", stopped=True), call("query-shadow-roots"),
                          call("shadow-flush"), call("query-shadow-roots"), call("shadow-audit"), piece=20),
        "figures": session(call("query-stats", target="vm"), call("query-stats", target="vcpu"), call("query-rcu"),
                           call("query-rcu", measure=True), call("query-shadow-shootdowns"),
                           call("query-stats", target="vcpu", vcpus=["/machine/cpu[1]"]), piece=30),
        "techniques": session(*(call("shadow-set", name=n, value=v) + call("shadow-walk", gva="0x5000")
                                for n in ("prefetch", "unsync", "large", "inplace", "rootcache", "flood", "x")
                                for v in ("off", "on")), piece=40),
        "monitor": session(monitor("info tlb", "info mem", "info registers", "help", "gva2gpa 0x1000", "gva2gpa",
                                   "x/8xg 0x1000", "x/3xw 0x1ffe", "xp/4xb 0x1000", "xp/2i 0", "x/1000000000xg 0"),
                           monitor("info tlb", "info mem", "x/2xw 0", "xp/2xw 0x8000", cpu=1), piece=33),
        "monitor-of-memory": session(monitor(*("%s/%s %s" % (c, f, p) for c in ("x", "xp") for f in ("4xg", "9c", "1dh")
                                               for p in places[::3]))),
        "saved": session(call("memsave", val=0x1000, size=5000, filename="/x"),
                         call("memsave", val=0x28000, size=1 << 40, filename="x"),
                         call("pmemsave", val=0x1000, size=8192, filename="x"),
                         call("pmemsave", val=(4 << 20) - 1, size=2, filename="x"),
                         call("pmemsave", val=1 << 62, size=1 << 39, filename="x")),
        "traces": session(call("trace-event-set-state", name="*", enable=True),
                          *(call("trace-read", max=m) + call("shadow-walk", gva="0x5000") for m in (0, 1, 1000)),
                          *(call("shadow-blame", gva=p, vcpu=v) for p, v in both),
                          call("trace-event-get-state", name="*"),
                          call("trace-event-set-state", name="*", enable=False), call("trace-read"), piece=25),
        "failures": session(call("inject-fault"),
                            *(call("inject-fault", point=n, **{"pass": 0, "count": c, "stall-ms": 100000})
                              + call("shadow-flush") + call("shadow-walk", gva="0x5000")
                              for n in POINTS
                              for c in (1, 100)), piece=60),
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


def gdb():
    def packet(data):
        data = data if isinstance(data, bytes) else data.encode()
        return b"$" + data + b"#%02x" % (sum(data) & 0xFF)

    def session(*parts, piece=0):
        return bytes([piece]) + b"".join(
            p if isinstance(p, bytes) and p[:1] in (b"+", b"\x03", b"$") else packet(p)
            for p in parts)

    hello = ("qSupported:multiprocess+;swbreak+;hwbreak+", "vMustReplyEmpty", "QStartNoAckMode",
             "qXfer:features:read:target.xml:0,1000", "qTStatus", "?", "qfThreadInfo",
             "qsThreadInfo", "qAttached", "Hc-1", "qC")
    return {
        "hello": session(*hello),
        "hello-32-bit": session(*hello, piece=1),
        "registers": session("g", "p0", "P0=1122334455667788", "p10", "P10=0000000000008000",
                             "P11=ffffffff", "P18=0000000000008000", "G00", piece=8),
        "memory": session("m0,10", "M0,2:aabb", b"$X0,4:}\x03}\x04ab#00", "mffff,2",
                          "mffffffffffffffff,ffffffffffffffff"),
        "escapes": session(packet(b"X0,2:}\x04}\x5d"), b"$}#7d", packet(b"X0,1:}")),
        "points": session("Z0,1000,1", "Z1,1000,1", "Z2,1000,8", "Z4,ffffffffffffffff,ff",
                          "z0,1000,1", "Z5,0,0", "Z0,0,1;X3,22", "z3,0,0"),
        "running": session("vCont?", "vCont;s:2;c", b"\x03", "vCont;c", "g", "s", "c8000", "C05;0",
                           "S05", "vCont;s:1;t", piece=16),
        "no-ack": session("QStartNoAckMode", b"$?#00", "?", piece=3),
        "acks": session("?", b"+", b"+$", "?", b"$-", piece=2),
        "restart": session(b"$m0,1$?#3f"),
        "threads": session("Hg3", "Hg4", "Hg-1", "Hg", "T1", "T0", "T-1",
                           "qThreadExtraInfo,2", "qThreadExtraInfo,9"),
        "monitor": session("qRcmd,68656c70", "qRcmd,", "qRcmd,696e666f206d656d", "qRcmd,00ff"),
        "physical": session("Qqemu.PhyMemMode:1", "qqemu.PhyMemMode", "m0,8", "M0,1:00",
                            "Qqemu.PhyMemMode:9"),
        "detach": session("Z0,1,1", "D", "g"),
        "kill": session("vKill;1", "k"),
        "long": b"\0$" + b"m" * 40000 + b"#00" + packet("?"),
        "zeros": bytes(300),
        "dollars": b"\x02" + b"$" * 200,
        "hashes": b"\0$" + b"#" * 200,
        "binary": bytes(range(256)) * 3,
        "empty": b"\0",
    }


def shadow():
    def guest(*steps, options=15, kind=0, width=8):
        return bytes([options, kind, width]) + b"".join(steps)

    def address(*index, byte8=0):
        """index: of the eight an address chooses from, top level first."""
        way = byte8 << 12
        for level, i in enumerate(index):
            way |= i << (3 * level)
        return struct.pack("<H", way)

    def access(*index, vcpu=0, user=0, write=None, ac=0, fetch=0, size=0):
        op = vcpu << 4 | user << 5 | (write is not None) << 6
        how = fetch | ac << 1 | size << 2
        return bytes([op, how]) + address(*index) + (entry(*write) if write else b"")

    def entry(frame=5, flip=0):
        """flip: bits other than present, writable, user, accessed; 9 is NX, 10-14 reserved."""
        return struct.pack("<BH", frame, flip)

    def place(frame, index):
        return struct.pack("<H", next(v for v in range(0x8000) if v % 12 == frame and
                                      not v >> 4 & 1 and v >> 5 & 7 == index))

    def put(frame, index, *what, outside=0, vcpu=0, half=0):
        return bytes([3 | outside << 4 | vcpu << 5 | half << 6]) + place(frame, index) + \
            entry(*what)

    def bytes_at(frame, index, data, shift=0, outside=0, run=0):
        return bytes([5 | run << 3 | outside << 4 | (len(data) - 1) << 5]) + \
            place(frame, index) + bytes([shift]) + data

    def exchange(frame, index, *what, size=3, reads=1, outside=0):
        return bytes([8 | reads << 4 | size << 5 | outside << 7]) + place(frame, index) + \
            entry(*what)

    def invlpg(*index, vcpu=0):
        return bytes([6 | vcpu << 4]) + address(*index)

    def flush(vcpu=0):
        return bytes([6 | vcpu << 4 | 0x20])

    def cr3(frame, vcpu=0):
        return bytes([14 | vcpu << 4, frame])

    def mode(what, vcpu=0):
        return bytes([15 | vcpu << 4, what])

    smep, smap, nxe, wp, paging_off = 0x40, 0x41, 0x20, 0, 0x1F
    a, b, c = (0, 0, 0, 0), (3, 0, 0, 0), (4, 3, 0, 0)
    touch = access(*a) + access(*b, user=1) + access(*c, write=(7,)) + access(*a, fetch=1)
    rewrite = b"".join(put(t, i, 4 + i, 2 * (t & 1)) + access(*a) + invlpg(*a) + access(*a)
                       for t in range(6) for i in range(3))
    modes = b"".join(mode(m) + touch + access(*b, ac=1) for m in
                     (smep, smap, nxe, wp, smap, smep, nxe, wp))
    return {
        "empty": b"",
        "only-a-configuration": guest(),
        "accesses": guest(touch * 3),
        "rewrite-tables": guest(touch, rewrite),
        "no-techniques": guest(touch, rewrite, touch, options=0),
        "few-tables": guest(*(cr3(i % 12, vcpu=i & 1) + touch for i in range(40)), kind=1),
        "few-tables-gated": guest(*(cr3(i % 12) + touch for i in range(40)), kind=7),
        "gated": guest(touch, rewrite, kind=2),
        "tagged-and-evicting": guest(touch, rewrite, touch, kind=20),
        "cached-directories": guest(touch, rewrite, touch, kind=8),
        "no-low-memory": guest(touch, rewrite, kind=32),
        "some-low-memory": guest(touch, rewrite, kind=96),
        "modes": guest(modes),
        "modes-gated": guest(modes, kind=2, options=5),
        "two-processors": guest(*(access(*b, vcpu=i & 1, write=(i % 12,)) + flush(i & 1)
                                  for i in range(32))),
        "outside-writer": guest(touch, *(put(i % 8, 0, i % 24, outside=1) + access(*a)
                                         for i in range(32))),
        "halves": guest(touch, *(put(i % 5, i % 4, i, half=1) + access(*a) for i in range(24))),
        "torn-and-crossing": guest(
            touch, *(bytes_at(i % 6, i % 8, b"\x67\x50" * 3, shift=i & 7, run=i & 1,
                              outside=i >> 1 & 1) + access(*a) + invlpg(*a)
                     for i in range(24))),
        "exchanges": guest(touch, *(exchange(i % 6, i % 4, i % 24, size=i & 3, reads=i >> 2 & 1,
                                             outside=i >> 3 & 1) + access(*a)
                                    for i in range(32))),
        "large-pages": guest(*(put(t, i, f, 0x80) + access(i + 2, i + 2, i + 2, 0, write=(3,)) +
                               access(0, 0, 0, 0) for t in (1, 2, 3) for i in (0, 1, 2)
                               for f in (0, 0xF1))),
        "no-1g-pages": guest(put(1, 0, 0, 0x80), touch, kind=128),
        "not-accessed-not-dirty": guest(*(put(t, 0, t + 1, 0x20) + touch for t in range(5))),
        "reserved-bits": guest(*(put(t, 0, 8, 0x7C00) + touch + flush() for t in range(5))),
        "no-execute": guest(*(put(t, 0, t + 1, 0x200) + touch + mode(nxe) + touch
                              for t in range(5))),
        "no-ram": guest(put(3, 0, 0xF0), put(4, 1, 0xF2), touch, touch),
        "self-map": guest(put(0, 0, 0), touch, put(0, 0, 1), touch, put(0, 0, 0), flush(), touch),
        "read-only-and-dirty": guest(
            *(put(t, 0, t + 1, flip) + access(*a, user=u) + flush() + access(*a, user=u, write=(7,)) +
              access(*b, user=u) + access(*b, user=u, write=(7,)) + mode(wp)
              for flip in (0x42, 0x40) for t in (3, 2, 1, 0) for u in (0, 1, 0))),
        "becomes-a-table": guest(
            *(put(3, 1, f, 0x40) + access(0, 0, 0, 3, write=(9,)) + put(3, 1, other, flip) +
              put(2, 1, f) + access(0, 0, 3, 0) + access(0, 0, 0, 3, write=(8,)) +
              access(0, 0, 3, 0)
              for f in (14, 15, 16) for other, flip in ((0, 1), (f, 0), (f + 1, 0x40))),
            kind=4),
        "flood": guest(touch, *(put(i % 3 + 1, i % 6, i % 24) for i in range(90)), touch),
        "paging-off": guest(touch, mode(paging_off), touch, cr3(3), touch, mode(paging_off),
                            touch),
        "other-formats": guest(*(mode(m) + touch for m in (0x84, 0x83, 0x82, 0x85, 0x3F, 0x84,
                                                           0x83, 0x1F, 0x3F, 0x1F)),
                               options=1),
        "narrow-addresses": guest(touch, put(3, 0, 0xF4), touch, width=0),
        "not-canonical": guest(bytes([0, 0xFF]) + address(*a), bytes([0x40, 0xFF]) + address(*c)),
    }


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "corpus")
    for folder, files in (("boot", boot()), ("control", control()), ("gdb", gdb()),
                          ("shadow", shadow())):
        os.makedirs(os.path.join(top, folder), exist_ok=True)
        for name, data in files.items():
            with open(os.path.join(top, folder, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
