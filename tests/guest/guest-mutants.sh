#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Do the guest's scenarios notice bugs of a kernel's mm? Each row is a deliberate bug of
# guest/kernel/mutant.c and the machine on which a scenario finds it: the software engine, in one
# thread from its seed, most of them with the adversarial TLB, which keeps what it may keep. Without
# the bug the machine must pass. TAP, from make check.
#   guest-mutants.sh            those that take a second or so
#   guest-mutants.sh --all      those of slow scenarios too: make check-long
#   guest-mutants.sh [BUG...]   those alone
set -uo pipefail

srcdir=${srcdir:-$(dirname "$0")/../..}
builddir=${builddir:-$srcdir/build}
UMBRA=$(realpath "${UMBRA:-$builddir/umbra}")
export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$builddir/guest}

panic='panic: '
# bug|what shows it|image|seed|cpus|scenario
rows=(
	"no-shootdown|^not ok 1 - smp-shootdown|amd64|1|2|smp-shootdown"
	"free-before-flush|^not ok 1 - gather-storm|amd64|1|2|gather-storm"
	"gather-per-cpu|^not ok 1 - gather-storm|amd64|1|2|gather-storm"
	"gather-drops|^not ok 1 - gather-count|amd64|1|1|gather-count"
	"table-no-grace|$panic|amd64|1|2|gup-storm"
	"gup-no-recheck|^not ok 1 - gup-storm|amd64|1|2|gup-storm"
	"gup-no-zero-check|$panic|amd64|1|2|gup-storm"
	"gup-preempted|$panic|amd64|1|2|gup-storm"
	"rmap-child-first|^not ok 1 - file-storm|amd64|1|2|file-storm"
	"rmap-offset-lost|^not ok 1 - rmap|amd64|1|1|rmap"
	"truncate-no-flush|^not ok 1 - file-map|amd64|1|1|file-map"
	"msync-no-flush|^not ok 1 - file-sync|amd64|1|1|file-sync"
	"unmap-loses-dirty|^not ok 1 - file-sync|amd64|1|1|file-sync"
	"migrate-no-pins|^not ok 1 - rmap|amd64|1|1|rmap"
	"anon-no-ref|$panic|amd64|1|1|rmap"
	"all-locks-unguarded|$panic|amd64|1|1|all-locks"
	"sleep-in-spinlock|$panic|amd64|1|1|mmap-munmap"
	"mremap-no-flush|^not ok 1 - smp-mremap|amd64|1|2|smp-mremap"
	"mremap-no-null-check|$panic|amd64|1|1|mremap-fail"
	"mremap-window-order|$panic|pae|1|1|mremap"
	"mremap-alloc-in-window|$panic|pae|1|1|mremap"
	"walk-in-window|$panic|pae|1|1|walk-yield"
	"share-zap-in-place|$panic|amd64|1|1|share-zap"
	"share-lost-count|$panic|amd64|1|1|share-fork"
	"share-keeps-write|^not ok 1 - share-fork|amd64|1|1|share-fork"
	"cpa-no-flush|^not ok 1 - cpa-rights|amd64|1|1|cpa-rights"
	"cpa-pat-bit|^not ok 1 - cpa-cache|amd64|1|1|cpa-cache"
	"cpa-no-relook|^not ok 1 - cpa-smp|amd64|1|3|cpa-smp"
	"collapse-blind|^not ok 1 - cpa-cache|amd64|1|1|cpa-cache"
	"pagealloc-stays|^not ok 1 - pagealloc|amd64|1|1|pagealloc"
)

tmp=$(mktemp -d)
export XDG_RUNTIME_DIR=$tmp
trap 'rm -rf "$tmp"' EXIT

# machine BUG: the row's machine, with the bug or, for "", without.
machine() {
	status=0
	timeout -k 5 100 "$UMBRA" run --guest "$image" --cpu soft --tlb adversarial \
		--seed "$seed" --cpus "$cpus" --scenario "$scenario" --timeout 60 \
		${1:+--append "mutant=$1"} >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
}

found() { cat "$tmp/out" "$tmp/err" | tr -d '\r' | grep -aqE "$shown"; }

# sound: whether the row's machine passes without the bug; many rows have the same.
declare -A passes=()
sound() {
	local key="$image $seed $cpus $scenario"
	if [[ -z ${passes[$key]-} ]]; then
		machine ""
		passes[$key]=$status
	fi
	[[ ${passes[$key]} -eq 0 ]]
}

SEEDS=12
# try: the row; says why it fails, or nothing.
try() {
	# Another compiler's build has other timing: the next seeds are as good.
	for ((more = 0; more < SEEDS; more++, seed++)); do
		machine "$bug"
		if ! grep -q "^# mutant $bug:" "$tmp/out"; then
			echo "is unknown to the guest"
			return
		fi
		[[ $status -eq 0 || $status -eq 124 ]] || ! found || return 0
	done
	echo "SURVIVES $SEEDS seeds (exit code $status)"
}

chosen=()
for row in "${rows[@]}"; do
	[[ ${1-} == --all || " $* " == *" ${row%%|*} "* || ($# -eq 0 && ! $row =~ pae.*mremap$|gup-storm$) ]] &&
		chosen+=("$row")
done
if [[ ! -e $UMBRA_GUEST_DIR/umbra-guest-amd64 ]]; then
	echo "1..0 # SKIP no guest image"
	exit 0
fi
echo "1..${#chosen[@]}"
n=0
for row in "${chosen[@]}"; do
	IFS='|' read -r bug shown image seed cpus scenario <<<"$row"
	n=$((n + 1))
	at="--guest $image --seed $seed --cpus $cpus --scenario $scenario"
	if [[ ! -e $UMBRA_GUEST_DIR/umbra-guest-$image ]]; then
		echo "ok $n - $bug # SKIP no image $image"
		continue
	fi
	why=
	sound || why="fails WITHOUT the bug, "
	why+=$(try)
	if [[ -z $why ]]; then
		echo "ok $n - $bug is found: $at"
	else
		echo "# umbra run --cpu soft --tlb adversarial $at --append mutant=$bug"
		head -n 3 "$tmp/err" | sed 's/^/# /'
		tail -n 4 "$tmp/out" | tr -d '\r' | sed 's/^/# /'
		echo "not ok $n - $bug: $why"
	fi
done
