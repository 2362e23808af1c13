#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What it costs a guest to be looked at: look_bench.py BUILD-FOLDER [--help].

A storm on four vCPUs, in turns without and with ten clients of the control socket that dump, walk, explain, audit,
compare and read statistics without pause. Each row is a scenario on an engine, and each figure the median of the pairs:
  cpu     processor time of the vCPU threads for the same work, with clients to without; and its least and most,
  others  of each processor that the machine may use, the share that the monitor's other threads took,
  cost    both together: how much longer the work takes on a host with nothing else to do,
  wall    the guest's own time for it (its TSC), with clients to without: the same if the host has nothing else to do,
  asleep  the share of its time that a vCPU neither ran nor waited for a processor, without and with: halted, or
          waiting for another thread,
  exits   exits, with clients to without,
then the seconds that a run without clients takes, and how many requests a second were answered.

The clients have scheduling policy SCHED_IDLE: where there are fewer processors than vCPUs, whatever else a
processor does slows the guest, and what the clients do with their answers is not the monitor's doing. --clients-at normal
lets them have their share, which is then part of wall and of nothing else.

Every answer is checked (look_check.py). Ends with 1 if an answer was torn or a cost is 1.10 or more; with --wall, a wall.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "guest"))

import look_check  # noqa: E402
import qmp  # noqa: E402

CPUS = 4
MEMORY = 256 << 20
BAR = 1.10
PROCESSORS = len(os.sched_getaffinity(0))
# size= of each storm, so that it takes 10 s and more.
SCENARIOS = {"mm-storm": 40, "smp-storm": 40, "exec-storm": 300}


class Machine:
    """Paused at first; the guest halts when the storm is over."""

    def __init__(self, args, engine, scenario, folder):
        self.socket = os.path.join(folder, "s")
        self.serial = os.path.join(folder, "out")
        self.stats = os.path.join(folder, "stats")
        self.process = subprocess.Popen(
            [os.path.join(args.build, "umbra"), "run", "-S", "--cpus", str(CPUS), "--cpu", engine,
             "-m", str(MEMORY >> 20), "--scenario", scenario + ",hang", "--append", "size=%d" % max(1, int(SCENARIOS.get(scenario, 1) * args.scale)),
             "--serial", "file:" + self.serial, "--stats-file", self.stats, "--qmp", "unix:" + self.socket, "--timeout", "600"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.client = qmp.Client.wait_for(self.socket)
        self.client.negotiate()
        self.vcpus = [c["thread-id"] for c in self.client.execute("query-cpus-fast")]

    def wait(self, pattern):
        while True:
            with open(self.serial, encoding="ascii", errors="replace") as f:
                found = re.search(pattern, f.read(), re.S)
            if found:
                return found
            if self.process.poll() is not None:
                sys.exit("look_bench.py: the machine ended with %d" % self.process.returncode)
            time.sleep(0.01)

    def sample(self):
        """Nanoseconds that the vCPU threads ran, that they waited for a processor, and that all others ran."""
        folder = "/proc/%d/task" % self.process.pid
        used = {}
        for t in os.listdir(folder):
            with open("%s/%s/schedstat" % (folder, t), encoding="ascii") as f:
                used[int(t)] = [int(n) for n in f.read().split()]
        ran, waited = (sum(used[t][i] for t in self.vcpus) for i in (0, 1))
        return ran, waited, sum(u[0] for u in used.values()) - ran

    def end(self):
        """Exits of all its life."""
        self.client.execute("quit")
        self.client.close()
        self.process.wait()
        with open(self.stats, encoding="utf-8") as f:
            return sum(c["count"] for c in json.load(f)["exits"].values())


def run(args, engine, scenario, looked_at):
    """Figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        m = Machine(args, engine, scenario, folder)
        try:
            clients = look_check.Clients(args.clients if looked_at else 0, m.socket, MEMORY, CPUS,
                                         args.clients_at == "idle")
            m.client.execute("cont")
            m.wait(r"1\.\.")
            begun, since = m.sample(), time.monotonic()
            cycles = m.wait(r"\nok 1 - .*?# (\d+) thousand cycles")
            ended, took = m.sample(), time.monotonic() - since
            requests, _, torn = clients.end()
            exits = m.end()
        finally:
            m.process.kill()
            m.process.wait()
    ran, waited, others = ((b - a) / 1e9 for a, b in zip(begun, ended))
    return {"cpu": ran, "ready": waited, "others": others, "took": took, "asleep": CPUS * took - ran - waited,
            "wall": int(cycles[1]), "exits": exits, "requests": requests, "torn": torn}


def median(values):
    return statistics.median(list(values))


def row(args, engine, scenario):
    pairs = []
    for i in range(args.rounds):
        order = (False, True) if i % 2 == 0 else (True, False)
        both = {looked_at: run(args, engine, scenario, looked_at) for looked_at in order}
        pairs.append((both[False], both[True]))
    cpu = [b["cpu"] / a["cpu"] for a, b in pairs]
    others = [b["others"] / b["took"] / PROCESSORS for _, b in pairs]
    cost = median(c / (1 - o) for c, o in zip(cpu, others))
    wall, exits = (median(b[k] / a[k] for a, b in pairs) for k in ("wall", "exits"))
    asleep = [median(100 * p[i]["asleep"] / p[i]["took"] / CPUS for p in pairs) for i in (0, 1)]
    torn = [t for _, b in pairs for t in b["torn"]]
    slow = cost >= BAR or args.wall and wall >= BAR
    print("%-6s %-12s %5.2f %5.2f..%4.2f %5.1f %% %5.2f %5.2f %4.0f,%3.0f %% %5.2f %8.1f %10.0f%s%s" % (
        engine, scenario, median(cpu), min(cpu), max(cpu), 100 * median(others), cost, wall, *asleep, exits,
        median(a["took"] for a, _ in pairs), median(b["requests"] / b["took"] for _, b in pairs),
        " SLOWER" if slow else "", " TORN" if torn else ""), flush=True)
    for t in torn:
        print("#", t)
    return slow or torn


def main():
    p = argparse.ArgumentParser(description="What it costs a guest to be looked at.")
    p.add_argument("build")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--scale", type=float, default=1, help="how much longer than 10 s")
    p.add_argument("--clients", type=int, default=10)
    p.add_argument("--clients-at", choices=["idle", "normal"], default="idle")
    p.add_argument("--wall", action="store_true", help="let the guest's own time decide, too")
    p.add_argument("--engines", default="soft,kvm")
    p.add_argument("--scenarios", default=",".join(SCENARIOS))
    args = p.parse_args()
    print("%-6s %-12s %5s %11s %7s %5s %5s %10s %5s %8s %10s" % ("engine", "scenario", "cpu", "least..most", "others",
                                                              "cost", "wall", "asleep", "exits", "seconds",
                                                              "requests/s"))
    bad = [row(args, e, s) for e in args.engines.split(",") for s in args.scenarios.split(",")]
    return int(any(bad))


if __name__ == "__main__":
    sys.exit(main())
