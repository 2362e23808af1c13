# SPDX-License-Identifier: BSD-2-Clause
"""Clients that look at a machine without pause, and hold what they get against what can be.

A Checker of kind 0 to 9 has one thing it asks for; step() asks once, of another vCPU each time. What can't be goes
to .torn: an entry that points out of RAM, a flag or a right that the entry has not got, a level whose
table is not the one that the entry above names, addresses out of order, a counter that falls. A reply that says it is
consistent must agree with itself on both sides, too.
"""

import json
import os
import random
import signal
import traceback

import qmp

FRAME = 0x000ffffffffff000
DEVICES = range(0xfec00000, 0xfef00000)
FLAGS = {"P": 0, "W": 1, "U": 2, "PWT": 3, "PCD": 4, "A": 5, "D": 6, "PS": 7, "PAT": 7, "G": 8, "NX": 63}
PAGE = {1: 1 << 12, 2: 1 << 21, 3: 1 << 30}
# Nobody has such a tree now, the table went between two questions.
PASSING = "DeviceNotActive", "DeviceNotFound"


def number(text):
    return int(text, 16)


def flags_fit(x):
    return sum(1 << FLAGS[f] for f in x["flags"].split()) == number(x["entry"]) & (1 << 63 | 0x1ff)


class Checker:
    def __init__(self, memory, cpus, kind=0):
        self.memory, self.cpus, self.kind = memory, cpus, kind
        self.requests, self.consistent, self.torn = 0, 0, []
        self.random = random.Random(kind)
        self.known = [0x400000, 0x7fffffeff000, 0xffff888000100000]
        self.counts = {}
        self.next = ["0x0"] * cpus
        self.ask = [self.dump_guest, self.dump_kernel, self.dump_user, self.walk, self.walk, self.explain, self.audit,
                    self.diff, self.stats, self.tables][kind % 10]

    def step(self, client):
        vcpu = self.requests % self.cpus
        self.requests += 1
        try:
            self.ask(client, vcpu)
        except qmp.Error as e:
            if e.error_class not in PASSING:
                self.tear("an error", e.desc)

    def tear(self, *what):
        self.torn.append(" ".join(str(w) for w in what))

    def require(self, holds, *what):
        if not holds:
            self.tear(*what)

    # dumps

    def dump_guest(self, c, vcpu):
        self.dump(c, vcpu, "guest", False)

    def dump_kernel(self, c, vcpu):
        self.dump(c, vcpu, "kernel", False)
        self.dump(c, vcpu, "kernel", True)

    def dump_user(self, c, vcpu):
        self.dump(c, vcpu, "user", True)

    def dump(self, c, vcpu, view, merge):
        reply = c.execute("shadow-dump", view=view, vcpu=vcpu, merge=merge)
        end = 0
        for r in reply["regions"]:
            gva = number(r["gva"])
            self.require(gva >= end and number(r["entry"]) & 1, "out of order, or not present", r)
            end = gva + r["size"]
            # Of tables that the vCPU has left the guest may have made something else meanwhile.
            if view != "guest" or reply["consistent"]:
                self.region(view, r, gva)
            self.known.append(gva)
        self.known = self.known[-1000:]
        self.require("next" not in reply or number(reply["next"]) >= end, "next", reply.get("next"))

    def region(self, view, r, gva):
        entry, gpa, size = number(r["entry"]), number(r["gpa"]), r["page-size"]
        self.require(flags_fit(r) and size == PAGE[r["level"]] and not (gva | r["size"]) & (size - 1) and
                     entry & FRAME & -size == gpa, view, r)
        inside = gpa + r["size"] <= self.memory
        # Its boot tables map 4 GiB by large pages, whatever is there.
        self.require(inside or view == "guest" and (gpa in DEVICES or r["level"] > 1), view, "outside of RAM", r)
        a = r["access"]
        self.require(not ("w" in a and not entry & 2 or "x" in a and entry >> 63 or
                          view == "guest" and "u" in a and not entry & 4), view, "more rights than the entry", r)

    # walks

    def walk(self, c, vcpu):
        gva = self.random.choice(self.known)
        if self.random.random() < 0.02:
            self.dump(c, vcpu, "guest", False)
        reply = c.execute("shadow-walk", gva="%#x" % gva, vcpu=vcpu)
        self.paths(reply)

    def paths(self, reply):
        guest = reply["guest"]
        self.chain(guest["levels"], lambda x: number(x["gpa"]) >> 12)
        tables = {x["level"]: number(x["gpa"]) >> 12 for x in guest["levels"]}
        for view in "kernel", "user", "kernel-ac":
            levels = reply.get(view, {"levels": []})["levels"]
            self.chain(levels, lambda x: number(x["table"]))
            for x in levels if reply["consistent"] else []:
                if x["level"] in tables and not x["role"]["direct"]:
                    self.require(number(x["gfn"]) == tables[x["level"]], "consistent, and of different tables", reply)
        self.consistent += reply["consistent"]

    def chain(self, levels, table):
        """Each level's table is the one that the entry above names."""
        for above, below in zip(levels, levels[1:]):
            self.require(above["level"] == below["level"] + 1 and number(above["entry"]) & 1 and
                         (number(above["entry"]) & FRAME) >> 12 == table(below), "no path", above, below)
        for x in levels:
            self.require(flags_fit(x), "flags", x)

    def explain(self, c, vcpu):
        x = c.execute("shadow-explain", gva="%#x" % self.random.choice(self.known), vcpu=vcpu,
                      access=self.random.choice(["read", "write", "fetch"]), ring=self.random.choice([0, 3]))
        self.chain(x["guest"]["levels"], lambda x: number(x["gpa"]) >> 12)
        self.chain(x["shadow"]["levels"], lambda x: number(x["table"]))
        self.require(x["outcome"] != "true-fault" or x["reasons"], "a fault without a reason", x)
        if self.requests % 50 == 0:
            self.dump(c, vcpu, "guest", False)

    # the rest

    def audit(self, c, _):
        live = c.execute("shadow-audit")
        self.require(live["violations"] == 0, "audit", live)

    def diff(self, c, vcpu):
        d = c.execute("shadow-diff", vcpu=vcpu, start=self.next[vcpu], view=self.random.choice(["kernel", "user"]))
        self.require(d["counts"]["wrong"] == 0, "diff", [x for x in d["differences"] if x["kind"] == "wrong"])
        self.next[vcpu] = d.get("next", "0x0")

    def rises(self, key, value):
        self.require(value >= self.counts.get(key, 0), key, "fell to", value, "from", self.counts.get(key))
        self.counts[key] = value

    def stats(self, c, _):
        for target in "vm", "vcpu":
            for part in c.execute("query-stats", target=target):
                for s in part["stats"]:
                    # Gauges rise and fall.
                    if not s["name"].startswith(("tables_", "pages_", "mmu_unsync_now", "rmap_descs")):
                        self.rises((part.get("qom-path"), s["name"]), s["value"])

    def tables(self, c, vcpu):
        for r in c.execute("query-shadow-roots")["roots"]:
            self.require(r["role"]["level"] == 5 or r["role"]["level"] == 4, "root", r)
            try:
                reply = c.execute("query-shadow-page", table=r["mfn"])
            except qmp.Error as e:
                if e.error_class not in PASSING:
                    raise
                continue
            for e in reply["entries"]:
                self.require(e["verdict"] != "wrong" and flags_fit(e), "page", r, e)
        rcu = c.execute("query-rcu")
        for key in "grace-periods", "freed", "by-producers":
            self.rises(key, rcu[key])
        shoot = c.execute("query-shadow-shootdowns")
        for key in "shootdowns", "kicks", "drops":
            self.rises(key, shoot[key])


class Clients:
    """Processes, one for each kind and then again, which ask until the machine has ended or end() is called."""

    def __init__(self, n, socket, memory, cpus, idle=False):
        self.children = []
        for kind in range(n):
            mine, theirs = os.pipe()
            pid = os.fork()
            if not pid:
                status = 1
                try:
                    os.close(mine)
                    if idle:
                        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
                    self.ask(socket, Checker(memory, cpus, kind), theirs)
                    status = 0
                except Exception:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            os.close(theirs)
            self.children.append((pid, mine))
        for _, pipe in self.children:
            os.read(pipe, 1)  # it is connected

    @staticmethod
    def ask(socket, checker, report):
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
        with qmp.Client.wait_for(socket, 120) as c:
            c.negotiate()
            os.write(report, b".")
            try:
                while not stop:
                    checker.step(c)
            except (qmp.Closed, OSError):
                pass
        os.write(report, json.dumps([checker.requests, checker.consistent, checker.torn[:3]]).encode("ascii"))

    def end(self, kill=True):
        """Requests, walks that were consistent, what was torn; of all of them."""
        requests, consistent, torn = 0, 0, []
        for pid, _ in self.children:
            if kill:
                os.kill(pid, signal.SIGTERM)
        for pid, pipe in self.children:
            with os.fdopen(pipe) as f:
                said = f.read()
            _, status = os.waitpid(pid, 0)
            if status or not said:
                raise ChildProcessError("a client failed with status %d" % status)
            for_it = json.loads(said)
            requests += for_it[0]
            consistent += for_it[1]
            torn += for_it[2]
        return requests, consistent, torn
