# SPDX-License-Identifier: BSD-2-Clause
"""Models of machines for tests of the picture: a small one of which all is known, and bad ones."""

DIRECT = 0xffff888000000000


def region(gva, size, gpa, page, level, entry, flags, access):
    return {"gva": "0x%016x" % gva, "size": size, "gpa": "0x%016x" % gpa, "page-size": page,
            "level": level, "entry": "0x%016x" % entry, "flags": flags, "access": access}


def table(frame, level, view, children=()):
    return {"table": "0x%016x" % frame, "gfn": "0x%016x" % (frame + 0x100), "present": len(children),
            "role": {"level": level, "view": view}, "tracked": True, "unsync": False,
            "entries": [{"index": i, "entry": "0x%016x" % (c << 12 | 7)} for i, c in children]}


def small():
    """User code and data, a direct map of one large page; two roots that share the kernel's tables."""
    text = region(0x400000, 8192, 0x2dd000, 4096, 1, 0x2dd025, "A U P", "ur-x")
    data = region(0x404000, 4096, 0x24e000, 4096, 1, 0x800000000024e067, "NX D A U W P", "urw-")
    low = region(DIRECT, 1 << 21, 0, 1 << 21, 2, 0x80000000000001e3, "NX G PS D A W P", "-rw-")
    both = region(DIRECT + (1 << 21), 4096, 1 << 21, 4096, 1, 0x200163, "G D A W P", "-rwx")
    difference = {"gva": "0x%016x" % DIRECT, "size": 1 << 20, "level": 1, "kind": "lazy",
                  "guest": low["entry"], "shadow": "0x0000000000000000", "text": "not yet"}
    tracked = dict(difference, gva="0x%016x" % (DIRECT + (1 << 20)), size=1 << 20, kind="tracked",
                   text="not writable, because it holds a page table")
    kernel = [region(DIRECT + (1 << 20), 1 << 20, 1 << 20, 4096, 1, 0x8000000000100065, "NX D A U P",
                     "-r--"), both]
    return {
        "name": "small", "time": 1795229734, "status": "paused", "format": "4-level",
        "views": {"guest": [text, data, low, both], "kernel": kernel, "kernel-ac": kernel, "user": [text]},
        "complete": {"guest": True, "kernel": True, "kernel-ac": True, "user": True},
        "diff": {"kernel": [difference, tracked], "kernel-ac": [difference, tracked],
                 "user": [dict(difference, gva="0x0000000000404000", size=4096, guest=data["entry"])]},
        "counts": {"kernel": {"same": 1, "lazy": 256, "tracked": 256, "held": 0, "unsync": 0, "wrong": 0}},
        "roots": [{"gfn": "0x104", "mfn": "0x0000000000010001", "pins": 1, "vcpus": [0],
                   "role": {"level": 4, "view": "kernel"}},
                  {"gfn": "0x105", "mfn": "0x0000000000010002", "pins": 0, "vcpus": [],
                   "role": {"level": 4, "view": "kernel"}}],
        "tables": [table(0x10001, 4, "kernel", [(273, 0x10003)]), table(0x10002, 4, "kernel", [(273, 0x10003)]),
                   table(0x10003, 3, "kernel", [(0, 0x10004)]), table(0x10004, 2, "kernel", [(0, 0x10005)]),
                   table(0x10005, 1, "kernel")],
        "stats": {"pf_taken": 5121, "tlb_flush": 0}, "trace": trace(),
    }


def trace():
    kinds = [("hidden_fault", 0), ("tracked_write", 0), ("shootdown", 1), ("grace_period", -1)]
    return [{"ns": 10**12 + i * 100000, "vcpu": vcpu, "event": event, "gva": "0x%016x" % (DIRECT + i * 4096),
             **({"took": 50000} if event == "grace_period" else {})}
            for i in range(40) for event, vcpu in [kinds[i % 4]]]


def many(n):
    """n regions and as many events, which would take a second a frame if each were drawn."""
    m = small()
    m["views"]["guest"] = [region(DIRECT + i * 0x3000, 4096 * (1 + i % 2), i * 4096, 4096, 1, 0x163,
                                  "G D A W P", ("-rw-", "-r-x", "ur--")[i % 3]) for i in range(n)]
    m["views"]["kernel"] = m["views"]["kernel-ac"] = m["views"]["guest"][::2]
    m["diff"] = {"kernel": [{"gva": r["gva"], "size": r["size"], "level": 1, "kind": "lazy", "guest": "0x1",
                             "shadow": "0x0", "text": "not yet"} for r in m["views"]["guest"][1::2]]}
    m["trace"] = [{"ns": i * 1000, "vcpu": i % 8, "event": "hidden_fault"} for i in range(n)]
    return m


MARKUP = ('</script><script>document.title="owned"</script><!--<script><img src=http://127.0.0.1:9/x '
          'onerror="document.title=1"><style>body{display:none}</style>\u2028\'"&amp;')


def poisoned(value):
    """The same, with markup for every string that is no address and for half of the members' names."""
    if isinstance(value, dict):
        extra = {MARKUP + str(i): poisoned(v) for i, v in enumerate(value.values()) if i % 2}
        return {**{k: poisoned(v) for k, v in value.items()}, **extra}
    if isinstance(value, list):
        return [poisoned(v) for v in value]
    if isinstance(value, str) and not value.startswith("0x"):
        return MARKUP
    return value


def hostile():
    """Everything of a wrong kind, beside what is right: numbers too large, cycles, things missing."""
    m = poisoned(small())
    junk = [None, 5, True, "x", [], {}, {"gva": 7, "size": 4096}, {"gva": "0x1000", "size": -4096},
            {"gva": "0x" + "f" * 40, "size": 4096}, {"gva": "0x5000", "size": "4096"},
            {"gva": "0x00007ffffffff000", "size": 1e300, "level": 1e99, "page-size": {}, "access": 9, "flags": []},
            {"gva": "0x0000000000400000", "size": 4096, "level": -3, "kind": "constructor"}]
    for view in m["views"]:
        m["views"][view] = small()["views"].get(view, []) + junk
        m["diff"][view] = small()["diff"].get(view, []) + junk
    m["roots"] += junk + [{"mfn": "0x10001", "vcpus": 3, "role": None}]
    loop = [table(f, 1 + f % 5, MARKUP, [(i, (f * 7 + i) % 400) for i in range(512)]) for f in range(400)]
    m["tables"] += junk + loop + [dict(table(0x10009, 4, "x"), entries=junk + [{"index": 1e9, "entry": "0x1"}])]
    m["trace"] += junk + [{"ns": 1e300, "vcpu": 0, "event": MARKUP}, {"ns": "1", "vcpu": 1e9},
                          {"ns": -5, "vcpu": -5, "event": None, "took": "x", "gva": MARKUP}]
    m["stats"] = {MARKUP + str(i): 2**63 - 1 for i in range(3000)}
    m["counts"] = {"kernel": {"same": 1e308, "lazy": MARKUP}, "guest": None, MARKUP: []}
    m["complete"] = {MARKUP: False, "guest": "no"}
    m["time"], m["rcu"], m["shootdowns"] = 2**62, [MARKUP], 5
    return m
