#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What it costs a guest to be looked at: look_bench.py BUILD-FOLDER [--help].

A storm on four vCPUs, in turns without and with ten clients of the control socket that dump, walk, explain, audit,
compare and read statistics without pause. Each row is a scenario on an engine: medians of the pairs' ratios
(with clients to without) of
  cpu    processor time of the vCPU threads for the same work,
  wall   the guest's own time for it (its TSC),
  exits  exits of the same work,
then how many seconds a run without clients takes, how many requests a second were answered, and the share of one
processor that the monitor's other threads took for them.

The clients have scheduling policy SCHED_IDLE: where there are fewer processors than vCPUs, whatever else a
processor does slows the guest, and what the clients do with their answers is not the monitor's doing. --clients-at normal
lets them have their share.

Every answer is checked (look_check.py). Ends with 1 if an answer was torn, or a median of cpu or wall is 1.10 or more.
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
        """Nanoseconds of the vCPU threads and of all others."""
        folder = "/proc/%d/task" % self.process.pid
        used = {}
        for t in os.listdir(folder):
            with open("%s/%s/schedstat" % (folder, t), encoding="ascii") as f:
                used[int(t)] = int(f.read().split()[0])
        mine = sum(used[t] for t in self.vcpus)
        return mine, sum(used.values()) - mine

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
        clients = look_check.Clients(args.clients if looked_at else 0, m.socket, MEMORY, CPUS,
                                     args.clients_at == "idle")
        m.client.execute("cont")
        m.wait(r"1\.\.")
        begun, since = m.sample(), time.monotonic()
        cycles = m.wait(r"\nok 1 - .*?# (\d+) thousand cycles")
        ended, took = m.sample(), time.monotonic() - since
        requests, _, torn = clients.end()
        exits = m.end()
    return {"cpu": (ended[0] - begun[0]) / 1e9, "others": (ended[1] - begun[1]) / 1e9, "took": took,
            "wall": int(cycles[1]), "exits": exits, "requests": requests, "torn": torn}


def row(args, engine, scenario):
    pairs = []
    for i in range(args.rounds):
        order = (False, True) if i % 2 == 0 else (True, False)
        both = {looked_at: run(args, engine, scenario, looked_at) for looked_at in order}
        pairs.append((both[False], both[True]))
    ratio = {k: statistics.median(b[k] / max(a[k], 1e-9) for a, b in pairs) for k in ("cpu", "wall", "exits")}
    torn = [t for _, b in pairs for t in b["torn"]]
    slow = ratio["cpu"] >= BAR or ratio["wall"] >= BAR
    cpu = [b["cpu"] / a["cpu"] for a, b in pairs]
    print("%-6s %-12s %6.2f %5.2f..%4.2f %6.2f %6.2f %9.1f %11.0f %8.0f %%%s%s" % (
        engine, scenario, ratio["cpu"], min(cpu), max(cpu), ratio["wall"], ratio["exits"],
        statistics.median(a["took"] for a, _ in pairs),
        statistics.median(b["requests"] / b["took"] for _, b in pairs),
        statistics.median(100 * b["others"] / b["took"] for _, b in pairs),
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
    p.add_argument("--engines", default="soft,kvm")
    p.add_argument("--scenarios", default=",".join(SCENARIOS))
    args = p.parse_args()
    print("%-6s %-12s %6s %11s %6s %6s %9s %11s %10s" %
          ("engine", "scenario", "cpu", "least..most", "wall", "exits", "seconds", "requests/s", "others"))
    bad = [row(args, e, s) for e in args.engines.split(",") for s in args.scenarios.split(",")]
    return int(any(bad))


if __name__ == "__main__":
    sys.exit(main())
