#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The guest's scenarios on the software engine with the adversarial TLB, by seed.
#   seeds.sh [--all] COUNT [FIRST]   COUNT seeds from FIRST (1) on, one machine each; what fails is told
#                                    with the command that runs it again, progress every 50 seeds
#   seeds.sh --storms COUNT [FIRST]  the same with two storms each, drawn: three seconds of one core
#   seeds.sh                         ten seeds on 1, 2 and 4 CPUs with quick scenarios, in TAP
# A seed chooses the machine too: CPUs, scenarios, and now and then few tables, a technique that is
# off, or no memory that stays mapped. --all runs every scenario instead, about 40 times as long.
# Same seed, same run, byte for byte. Needs $UMBRA, or the program in build/.
set -uo pipefail

srcdir=${srcdir:-$(dirname "$0")/../..}
builddir=${builddir:-$srcdir/build}
UMBRA=$(realpath "${UMBRA:-$builddir/umbra}")
export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$builddir/guest}
tmp=$(mktemp -d)
export XDG_RUNTIME_DIR=$tmp
trap 'rm -rf "$tmp"' EXIT

# A tenth of a second or so each.
quick=(boot-tables exceptions wp-bit invlpg global-pages large-pages ad-bits self-map alias syscalls
	user-fault demand-paging brk mprotect cow-fork quicklists mremap-fail cpa-rights cpa-large
	cpa-cache smp-boot ipi smp-table-writes smp-fork smp-atomic smp-threads smp-mprotect cpa-smp
	cpa-fail file-map file-sync rmap share-flush gather-count madvise brk-shrink signal-fault
	signal-nested signal-bad-stack pipe-end sleep reserved reserved-fork reserved-oom remap-fail
	dma-table capture-device)
# Up to one and a half, and more.
middle=(mmap-munmap fork-tree sched-many smp-shootdown pagealloc timer-preempt share-zap walk-yield
	smp-share fork-storm smp-mremap file-storm rmap-share migrate-storm gather-storm gup-storm
	all-locks exec exec-storm pipe pipeline signal-registers kill smp-pipe smp-migrate smp-storm swap
	swap-fork swap-clock swap-pin swap-oom smp-swap capture-reclaim)
slow=(mremap share-fork cpa-selftest mm-storm)
# What the seeds of --storms draw two of: fork, mmap, mprotect, mremap, CPA, swap, sharing, shootdown, each
# as hard as it comes. All of them take 23 s of one core on one CPU, 41 s on four.
storms=(fork-storm exec-storm mm-storm mmap-munmap smp-mprotect smp-mremap mremap cpa-smp cpa-fail
	swap swap-fork swap-clock swap-pin swap-oom smp-swap capture-reclaim share-fork smp-share
	smp-shootdown smp-storm gather-storm gup-storm file-storm migrate-storm)
machines=("" "" "" "" "--shadow-limit 512K" "--lowmem 0" "--mmu-option unsync=off"
	"--mmu-option large=off" "--mmu-option rootcache=off --shadow-limit 1M"
	"--mmu-option prefetch=off --mmu-option prefill=off --mmu-option inplace=off")

# draw N: sets $drawn below N from $state (Park and Miller's generator).
draw() {
	state=$((state * 48271 % 2147483647))
	drawn=$((state / 7 % $1))
}

# draw_quick: four quick scenarios that follow each other in a circle of steps of 7, into $chosen.
draw_quick() {
	local i
	draw ${#quick[@]}
	for ((i = 0; i < 4; i++)); do
		chosen+=("${quick[(drawn + 7 * i) % ${#quick[@]}]}")
	done
}

# choose SEED: what it runs, as $words.
choose() {
	local chosen=()
	state=$((($1 * 2654435761 + 1) % 2147483647))
	draw 1 # the first is near the seed
	draw 4
	words="--seed $1 --cpus $((drawn + 1))"
	draw ${#machines[@]}
	words+=" ${machines[drawn]}"
	if [[ $which == all ]]; then return; fi
	if [[ $which == storms ]]; then
		draw ${#storms[@]}
		chosen=("${storms[drawn]}" "${storms[(drawn + 1 + $1 % 11) % ${#storms[@]}]}")
		words+=" --scenario $(IFS=, && echo "${chosen[*]}")"
		return
	fi
	draw_quick
	draw 4
	if [[ $drawn == 0 ]]; then
		draw ${#middle[@]}
		chosen+=("${middle[drawn]}")
	fi
	draw 40
	if [[ $drawn == 0 ]]; then
		draw ${#slow[@]}
		chosen+=("${slow[drawn]}")
	fi
	words+=" --scenario $(IFS=, && echo "${chosen[*]}")"
}

# run: the machine of $words; it passes, says nothing, and nothing is reported.
run() {
	local status=0
	# shellcheck disable=SC2086 # words
	timeout -k 5 1000 "$UMBRA" run --cpu soft --tlb adversarial --timeout 900 $words \
		>"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	[[ $status -eq 0 && ! -s $tmp/err ]] && grep -q '^# .* 0 failed' "$tmp/out" && return
	why="exit code $status: $({ cat "$tmp/err"; grep -a '^not ok' "$tmp/out"; } | head -n 1 |
		tr -d '\r')"
	return 1
}

command_line() { echo "umbra run --cpu soft --tlb adversarial $words"; }

many() {
	local seed failed=0 count=$1 first=$2
	for ((seed = first; seed < first + count; seed++)); do
		choose "$seed"
		if ! run; then
			failed=$((failed + 1))
			echo "FAIL $(command_line)   # $why"
		fi
		(((seed - first + 1) % 50)) || echo "$((seed - first + 1)) of $count seeds, $failed failed"
	done
	echo "$count seeds from $first on: $((count - failed)) passed, $failed failed"
	[[ $failed -eq 0 ]]
}

# unlisted: scenarios of `all` that no seed would choose.
unlisted() {
	cut -f1 "$UMBRA_GUEST_DIR/umbra-guest-amd64.scenarios" |
		grep -vE '^((crash|hostile|panic|bench|micro)-|(hang|spin)$)' |
		grep -vxF -f <(printf '%s\n' "${quick[@]}" "${middle[@]}" "${slow[@]}") | paste -sd' '
}

few() {
	local seed cpus n=0 chosen missing
	if [[ ! -e $UMBRA_GUEST_DIR/umbra-guest-amd64 ]]; then
		echo "1..0 # SKIP no guest image"
		return
	fi
	echo "1..31"
	for cpus in 1 2 4; do
		for ((seed = 1; seed <= 10; seed++)); do
			chosen=()
			state=$((cpus * 1000003 + seed * 7919))
			draw_quick
			words="--seed $seed --cpus $cpus --scenario $(IFS=, && echo "${chosen[*]}")"
			n=$((n + 1))
			if run; then
				echo "ok $n - ${words#--}"
			else
				echo "# $(command_line)"
				echo "# $why"
				echo "not ok $n - ${words#--}"
			fi
		done
	done
	missing=$(unlisted)
	[[ -z $missing ]] || echo -n "not "
	echo "ok 31 - all scenarios are in a list${missing:+, but not: $missing}"
}

which=drawn
if [[ ${1-} == --all || ${1-} == --storms ]]; then
	which=${1#--}
	shift
fi
if [[ $# -eq 0 ]]; then few; else many "$1" "${2:-1}"; fi
