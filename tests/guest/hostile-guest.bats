#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Our own kernel, gone mad: its scenarios hostile-*, by seed, and those that break a rule of its own.
# A hostile one ends in "guest crashed" (4), by the guest's own panic (1), or runs on, to the end of
# its steps (0) or of its time (124). Whatever it does, the monitor ends in order, its audit has
# nothing to say, and nothing is left behind. HOSTILE_SEEDS and HOSTILE_FIRST choose other seeds:
# see check-long-hostile.
# Read first: guest/scenarios/hostile.c.

load common

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

kinds=(tables cr3 descriptors alias control)
images=(amd64 la57 pae i386)

# mad WORDS...: one boot.
mad() {
	status=0
	timeout -k 5 60 "$UMBRA" run --timeout "${limit:-3}" "$@" >"$out" 2>"$err" </dev/null || status=$?
	case $status in
	0) grep -q ': ran on' "$out" ;;
	1) grep -q '^# panic: ' "$out" ;;
	4) grep -q '^umbra: guest crashed: ' "$err" ;;
	124) grep -q '^umbra: no result after ' "$err" ;;
	*) false ;;
	esac && ! grep -qE 'the audit found|leaked|bug of Umbra' "$err" && return
	echo "umbra run --timeout ${limit:-3} $*"
	said
	return 1
}

# seeds COUNT WORDS...: so many seeds with these words, each kind in turn, on 1, 2 and 4 CPUs.
seeds() {
	local s count=${HOSTILE_SEEDS:-$1} first=${HOSTILE_FIRST:-1} cpus=(2 4 1)
	shift
	for ((s = first; s < first + count; s++)); do
		mad --seed "$s" --cpus "${cpus[s % 3]}" --scenario "hostile-${kinds[s % 5]}" "$@"
	done
	nothing_left
}

@test "hostile on kvm" {
	need_kvm
	seeds 20 --cpu kvm
}

@test "hostile on hybrid" {
	need_kvm
	seeds 20 --cpu hybrid
}

@test "hostile on soft, with a thread for each CPU" { seeds 20 --cpu soft --soft-threads on; }

@test "hostile on soft, with a TLB as unhelpful as the manuals allow" {
	seeds 4 --cpu soft --tlb adversarial
}

@test "hostile on soft: the other images" {
	for image in "${images[@]:1}"; do
		seeds 5 --cpu soft --guest "$image"
	done
}

@test "one seed, one run, byte for byte" {
	limit=30 # of which it needs none, where there is time
	for kind in tables cr3 descriptors control; do
		mad --cpu soft --seed 7 --scenario "hostile-$kind"
		cp "$out" "$files/first"
		mad --cpu soft --seed 7 --scenario "hostile-$kind"
		cmp "$out" "$files/first"
	done
}

@test "all of it was seen: crashes, panics, and guests that run on" {
	local codes=
	for s in $(seq 1 8); do
		mad --cpu soft --soft-threads on --seed "$s" --scenario hostile-cr3
		codes+=" $status"
		mad --cpu soft --soft-threads on --seed "$s" --scenario hostile-descriptors
		codes+=" $status"
	done
	[[ "$codes " == *" 0 "* && "$codes " == *" 4 "* && "$codes " == *" 1 "* ]]
}

# panics WORDS TEXT: the guest kernel finds a breach of its own rules, and says which.
panics() {
	# shellcheck disable=SC2086 # words
	LIMIT=20 ends 1 --cpu soft --timeout 10 $1
	grep -q "^# panic: cpu 0: .*$2" "$out"
}

@test "the guest's own rules: each breach is found" {
	panics "--scenario panic-lock-order" "lock order: first is taken under third"
	panics "--scenario panic-lock-twice" "lock first taken twice"
	panics "--scenario panic-lock-sleep" "irq_depth == 1"
	panics "--scenario panic-lock-irq" "irq_depth == 0"
	panics "--append lowmem=32 --scenario panic-window-sleep" "kmap_depth == 0"
	panics "--scenario panic-poison" "was written after free: word 100 is 0x1"
	panics "--scenario panic-free-twice" "freed twice"
}

@test "microbenchmarks: a line of cycles and counts each, and more with size=" {
	local names
	names=$("$UMBRA" guests | grep -o 'micro-[a-z0-9-]*' | sort -u | paste -sd,)
	LIMIT=60 ends 0 --cpu soft --cpus 2 --timeout 50 --scenario "$names"
	all_ok "$out"
	[ "$(tr -d '\r' <"$out" |
		grep -cE '^# bench [a-zA-Z0-9-]+ cycles=[1-9][0-9]* min=[1-9][0-9]* count=[1-9][0-9]* rounds=7$')" \
		-eq "$(tr , '\n' <<<"$names" | wc -l)" ]
	grep -q ' null-syscall .* count=1000 ' "$out"
	LIMIT=60 ends 0 --cpu soft --timeout 50 --append size=3 --scenario micro-syscall,mm-storm
	grep -q ' null-syscall .* count=3000 ' "$out"
}
