#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What interpreting ahead is worth: hybrid_bench.sh [ROUNDS [UMBRA]] runs the guest's bench- scenarios on
# kvm and on hybrid in turns, and prints a row each: the time of either (the scenario's own cycles,
# the median of the rounds), their ratio (less than 1: hybrid is faster), the exits of either, and the
# exits per page fault that the guest took, for which those of kvm are counted. The exits of a
# process that ends at once are taken off. Ends with 1 if hybrid is slower than kvm by more than 5 % on
# a row, or takes more than 1.3 exits for a page fault on one that has page faults: all but bench-syscall.
set -eu
rounds=${1:-5}
umbra=${2:-./umbra}
export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$(dirname "$umbra")/guest}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for s in none fault fault-work fork mmap syscall switch; do
	for ((i = 0; i < rounds; i++)); do
		for e in kvm hybrid; do
			"$umbra" run --cpu $e --scenario "bench-$s" --stats-file "$dir/$s.$e.$i" \
				>"$dir/$s.$e.$i.out" 2>&1 </dev/null ||
				{ cat "$dir/$s.$e.$i.out"; exit 1; }
		done
	done
done

python3 - "$dir" "$rounds" <<'EOF'
import json
import re
import statistics
import sys

where, rounds = sys.argv[1], int(sys.argv[2])


def one(s, e):
    """Median kilocycles, exits, true faults of a scenario on an engine."""
    rows = []
    for i in range(rounds):
        x = json.load(open(f"{where}/{s}.{e}.{i}"))["exits"]
        out = open(f"{where}/{s}.{e}.{i}.out", errors="replace").read()
        rows.append((int(re.search(r"# (\d+) thousand cycles", out)[1]),
                     sum(c["count"] for c in x.values()), x["true_fault"]["count"]))
    return [statistics.median(c) for c in zip(*rows)]


base = {e: one("none", e) for e in ("kvm", "hybrid")}
bad = False
print(f"{'scenario':12} {'kvm kcycles':>12} {'hybrid':>10} {'ratio':>6} {'kvm exits':>10} "
      f"{'hybrid':>8} {'faults':>7} {'per fault: kvm':>14} {'hybrid':>7}")
for s in ("fault", "fault-work", "fork", "mmap", "syscall", "switch"):
    k, h = one(s, "kvm"), one(s, "hybrid")
    ke, he = k[1] - base["kvm"][1], h[1] - base["hybrid"][1]
    faults = k[2] - base["kvm"][2]
    per = [n / faults if faults > 30 else float("nan") for n in (ke, he)]
    slow = h[0] > 1.05 * k[0]
    many = s != "syscall" and not per[1] <= 1.3
    bad = bad or slow or many
    print(f"{s:12} {k[0]:12.0f} {h[0]:10.0f} {h[0] / k[0]:6.2f} {ke:10.0f} {he:8.0f} {faults:7.0f} "
          f"{per[0]:14.2f} {per[1]:7.2f}" + (" SLOWER" if slow else "") + (" TOO MANY" if many else ""))
sys.exit(bad)
EOF
