#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Does the guest's suite on the adversarial TLB notice a lost shootdown or flush? umbra-mutants is the
# whole of umbra with one bug of shadow/mutant.h switched on; each row names the machine that finds it.
# The machine runs in one thread from its seed, so the same is found every time; without the bug it
# must pass and say nothing. TAP, from make check.
# Read first: mutant_switch.c.
set -uo pipefail

srcdir=${srcdir:-$(dirname "$0")/../..}
builddir=${builddir:-$srcdir/build}
program=$builddir/tests/guest/umbra-mutants
export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$builddir/guest}

report='^umbra: guest crashed: vCPU [0-9]+'
audit='^umbra: guest crashed: the audit found'
# bug|what shows it|seed|cpus|scenario|other options
rows=(
	"no-flush-on-track|$report stores into a tracked frame|1|2|ad-bits|"
	"no-write-protect|$report stores into a tracked frame|1|2|ad-bits|"
	"free-without-flush|$report uses a translation of an older life|1|2|fork-storm|--shadow-limit 256K"
	"reclaim-ignores-pins|$report walks a table that is not in use|1|2|fork-storm|--shadow-limit 256K"
	"zap-leaves-parents|$report walks a table that is not in use|1|2|fork-storm|--shadow-limit 256K"
	"invlpg-lost|^not ok 1 - invlpg|1|2|invlpg|"
	"cr3-flush-lost|^not ok 1 - invlpg|1|2|invlpg|"
	"flush-unsynced|^not ok 1 - invlpg|1|2|invlpg|"
	"sync-wrong-entry|^not ok 1 - invlpg|1|2|invlpg|"
	"sync-first-role-only|$audit|1|2|cow-fork|"
	"link-unsynced|^not ok [12] - |2|2|exec,mmap-munmap|"
	"unsync-upper|$audit|1|2|self-map,alias|"
	"large-over-tracked|$report stores into a tracked frame|1|2|cow-fork|"
	"track-no-split|$audit|1|2|large-pages|"
	# Without an end, but for --timeout.
	"upper-over-unsync|$audit|1|1|cow-fork|--timeout 15"
	"large-stale-rmap|$audit|1|1|exceptions|"
)

# Bugs of this kind that no machine tried here has shown, and the test of the library that does.
# PCIDs and touches can't: our guest has no PCIDs, and no TLB of the software engine needs touches.
elsewhere=(
	"drop-not-counted|tests/unit/tlb_mutants, a dropped translation, then a table"
	"narrow-not-counted|tests/unit/tlb_mutants, a narrowed translation, then a table"
	"loaded-not-pinned|tests/unit/tlb_mutants, the guest has left, the hardware has not"
	"flood-ignores-pins|tests/unit/tlb_mutants, a root in use is written"
	"invlpg-one-piece|tests/unit/shadow_mutants, INVLPG of a large page"
	"split-not-counted|tests/unit/shadow_mutants, a table inside a large leaf of two vCPUs"
	"fill-not-marked|tests/unit/shadow_mutants, a value changed there and back"
	"end-unsynced|tests/unit/shadow_mutants, an unsync table becomes a directory"
	"others-kept|tests/unit/shadow_mutants, INVPCID of a context that is not current"
	"noflush-trusted|tests/unit/shadow_mutants, MOV CR3 without a flush"
	"invpcid-lost|tests/unit/shadow_mutants, INVPCID of a context that is not current"
	"touch-lost|tests/unit/shadow_mutants"
	"interpreter-keeps|tests/unit/walker_mutants"
	"interpreter-not-awaited|tests/unit/walker_mutants"
	"interpreter-invlpg-lost|tests/unit/walker_mutants"
)

tmp=$(mktemp -d)
export XDG_RUNTIME_DIR=$tmp
trap 'rm -rf "$tmp"' EXIT

# machine BUG: the row's machine, with the bug or, for "", without. With it the guest may never end.
machine() {
	local limit=${1:+30}
	status=0
	# shellcheck disable=SC2086 # words
	env ${1:+UMBRA_MUTANT=$1} timeout -k 5 150 "$program" run --cpu soft --tlb adversarial \
		--seed "$seed" --cpus "$cpus" --scenario "$scenario" --timeout "${limit:-120}" $words \
		>"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

# hunt: whether a seed finds the bug. Another build of the guest has other timing, in which the bug may
# do nothing, or hang the guest before it is told: the next seeds are as good.
SEEDS=12
hunt() {
	local last=$((seed + SEEDS))
	for (( ; seed < last; seed++)); do
		machine "$bug"
		[[ $status -ne 1 && $status -ne 4 ]] || ! found || return 0
	done
	return 1
}

found() { cat "$tmp/out" "$tmp/err" | tr -d '\r' | grep -aqE "$shown"; }

if [[ ! -x $program || ! -e $UMBRA_GUEST_DIR/umbra-guest-amd64 ]]; then
	echo "1..0 # SKIP no umbra-mutants or no guest image"
	exit 0
fi
echo "1..${#rows[@]}"
n=0
declare -A clean
for row in "${rows[@]}"; do
	IFS='|' read -r bug shown seed cpus scenario words <<<"$row"
	n=$((n + 1)) why=
	key="$seed|$cpus|$scenario|$words"
	if [[ -z ${clean[$key]-} ]]; then
		machine ""
		clean[$key]=yes
		[[ $status -eq 0 && ! -s $tmp/err ]] || clean[$key]=no
	fi
	[[ ${clean[$key]} == yes ]] || why="fails WITHOUT the bug"
	hunt || why="${why:+$why, }SURVIVES $SEEDS seeds (exit code $status)"
	at="--seed $seed --cpus $cpus --scenario $scenario${words:+ $words}"
	if [[ -z $why ]]; then
		echo "ok $n - $bug is found: $at"
	else
		echo "# UMBRA_MUTANT=$bug umbra-mutants run --cpu soft --tlb adversarial $at"
		head -n 3 "$tmp/err" | sed 's/^/# /'
		echo "not ok $n - $bug: $why"
	fi
done
for row in "${elsewhere[@]}"; do
	echo "# not by the guest's suite: ${row%%|*}; by ${row#*|}"
done
