#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every scenario on every image, engine and number of CPUs, and on QEMU: one table of it all.

matrix.py [words for umbra-ref...], with $builddir and $UMBRA_GUEST_DIR; `make check-matrix`. By
default umbra-ref runs the images that are built on 1, 2 and 4 CPUs, on each machine that is here. What
fails is shown as umbra-ref shows it, and why a machine is not here. Exit status: 0 if all that can run
here passed, with the same plan everywhere.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile

IMAGES = ["amd64", "la57", "pae", "i386"]
MACHINES = ["umbra-kvm", "umbra-hybrid", "umbra-soft", "qemu-tcg"]


def ref(words, report):
    """One umbra-ref; its lines about what failed, or did not run, and its runs."""
    program = os.path.join(os.environ.get("builddir", "build"), "umbra-ref")
    with subprocess.Popen(
        [program, *words, "--json", report], stdout=subprocess.PIPE, text=True
    ) as done:
        try:
            out = done.communicate()[0]
        finally:  # whatever ends us ends it, and it its machines
            done.terminate()
    shown = [
        line
        for line in out.splitlines()
        if "FAIL" in line or line.strip().split(":")[0] in MACHINES
    ]
    with open(report, encoding="ascii") as f:
        return shown, [json.loads(line) for line in f]


def ran_nothing(run):
    """la57 on a CPU that has no five levels plans nothing; any other image has to."""
    return run["guest"] == "la57" and run["end"] == "whole" and not run.get("results")


def sound(run, planned):
    """Whether the run is as it should be: not possible here, or whole and the whole plan passed."""
    if run["end"] == "absent" or (ran_nothing(run) and run["machine"] != "umbra-soft"):
        return True
    results = run.get("results", {})
    return (
        run["end"] == "whole"
        and list(results) == planned
        and all(r in ("ok", "skip") for r in results.values())
    )


def cell(run):
    """What one run came to."""
    if run is None:
        return "-"
    if run["end"] == "absent":
        return "not here"
    if ran_nothing(run):
        return "no LA57"
    results = list(run.get("results", {}).values())
    count = {kind: results.count(kind) for kind in sorted(set(results), key=lambda k: k != "ok")}
    words = [f"{n} {kind}" for kind, n in count.items()]
    if run["end"] != "whole":
        words.append(run["end"])
    return ", ".join(words) + f" ({run['seconds']:.0f} s)"


def table(runs):
    """Rows: image and CPUs. Columns: machines."""
    by = {(r["guest"], r["cpus"], r["machine"]): r for r in runs}
    machines = [m for m in MACHINES if any(k[2] == m for k in by)]
    rows = [["image", "cpus", *machines]]
    for guest, cpus in dict.fromkeys((r["guest"], r["cpus"]) for r in runs):
        rows.append([guest, str(cpus), *(cell(by.get((guest, cpus, m))) for m in machines)])
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(c.ljust(w) for c, w in zip(row, width)).rstrip())


def main(words):
    folder = os.environ.get("UMBRA_GUEST_DIR") or os.path.join(
        os.environ.get("builddir", "build"), "guest"
    )
    os.environ["UMBRA_GUEST_DIR"] = folder
    images = [i for i in IMAGES if os.path.exists(os.path.join(folder, f"umbra-guest-{i}"))]
    usual = ["--machine", ",".join(MACHINES), "--cpus", "1,2,4", "--timeout", "900"]
    runs = []
    with tempfile.TemporaryDirectory() as tmp:
        for image in images:
            shown, these = ref([*usual, "--guest", image, *words], os.path.join(tmp, "json"))
            runs += these
            print(*(f"{image}: {line}" for line in shown), sep="\n", end="\n" if shown else "")
    table(runs)
    # The software engine is on every host: its plan is the one that others are held against.
    plan = next((list(r["results"]) for r in runs if r["machine"] == "umbra-soft"), [])
    bad = [r for r in runs if not sound(r, plan)]
    for r in bad:
        print(f"NOT SOUND: {r['guest']}, {r['cpus']} CPUs, {r['machine']}")
    return 1 if bad or not plan else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
