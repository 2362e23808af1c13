#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# The hybrid engine: with any budget the results of KVM, a clean audit at the end of each run (its
# exit code), and fewer exits.

load common

setup_file() {
	local dir=${UMBRA_GUEST_DIR:-${builddir:-$BATS_TEST_DIRNAME/../../build}/guest}
	[ ! -e "$dir/umbra-guest-amd64" ] || ! python3 -B "$BATS_TEST_DIRNAME/kvm-works.py" >/dev/null ||
		UMBRA_GUEST_DIR=$dir timeout 300 "${UMBRA:-${builddir:-$BATS_TEST_DIRNAME/../../build}/umbra}" \
			run --cpu kvm --cpus 4 >"$BATS_FILE_TMPDIR/reference" 2>/dev/null </dev/null || true
}

setup() {
	common_setup
	need_kvm
}
teardown() { common_teardown; }

# passes WORDS...: umbra run --cpu hybrid WORDS passes, with the results of KVM.
passes() {
	LIMIT=${LIMIT:-400} ends 0 --cpu hybrid --timeout 390 "$@"
	[ ! -s "$err" ]
	all_ok "$out"
	as_reference
}

# Scenarios in which the two take turns on page tables, processes and interrupts.
mixed=mprotect,mmap-munmap,cow-fork,fork-tree,timer-preempt,sched-many,smp-shootdown,smp-table-writes,smp-mprotect,mremap

mixed() {
	LIMIT=400 ends 0 --cpu hybrid --timeout 390 --scenario "$mixed" "$@"
	all_ok "$out"
}

number() { python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
for k in sys.argv[2:]: o = o[k]
print(o)' "$@"; }

exits() { python3 -c 'import json, sys
print(sum(x["count"] for x in json.load(open(sys.argv[1]))["exits"].values()))' "$1"; }

@test "1 cpu" { passes; }
@test "2 cpus" { passes --cpus 2; }
@test "4 cpus" { passes --cpus 4 "${few[@]}"; }
@test "8 cpus" { passes --cpus 8 "${few[@]}"; }

@test "a budget of 0 is KVM" {
	passes --cpus 2 --hybrid-budget 0 --stats-file "$files/stats" "${few[@]}"
	[ "$(number "$files/stats" hybrid insns)" -eq 0 ]
	[ "$(number "$files/stats" hybrid entries)" -gt 10000 ]
}

@test "budgets of 1, 7 and 1000" {
	passes --cpus 1 --hybrid-budget 1 "${few[@]}"
	passes --cpus 2 --hybrid-budget 7 "${few[@]}"
	mixed --cpus 2 --hybrid-budget 1000
}

@test "a budget without end: nothing runs natively" {
	mixed --cpus 2 --hybrid-budget forever --stats-file "$files/stats"
	[ "$(number "$files/stats" hybrid insns)" -gt 100000 ]
	[ "$(number "$files/stats" hybrid entries)" -lt 100 ]
}

@test "the kernel's code always interpreted, processes mixed" {
	mixed --cpus 2 --exact on
	mixed --cpus 2 --exact on --hybrid-budget 7
}

@test "more vCPUs than processors, all interpreted: shootdowns are waited for" {
	LIMIT=170 ends 0 --cpu hybrid --cpus 8 --hybrid-budget forever --timeout 160 \
		--scenario smp-shootdown,smp-table-writes,smp-mprotect
	all_ok "$out"
}

@test "no memory stays mapped: --lowmem 0" { mixed --cpus 2 --lowmem 0; }

@test "each technique off" {
	local o
	for o in prefetch prefill inplace flood rootcache unsync large; do
		mixed --cpus 2 --mmu-option $o=off
	done
}

@test "fewer exits than KVM" {
	local words="--cpus 1 --scenario demand-paging,brk,syscalls,cow-fork"
	# shellcheck disable=SC2086
	ends 0 --cpu kvm --stats-file "$files/kvm" $words
	# shellcheck disable=SC2086
	ends 0 --cpu hybrid --stats-file "$files/hybrid" $words
	[ $(($(exits "$files/hybrid") * 2)) -lt "$(exits "$files/kvm")" ]
}

# exact NAME WORDS...: the kernel of exact.py is content with this processor.
exact() {
	local name=$1
	shift
	python3 -B "$BATS_TEST_DIRNAME/exact.py" "$name" "$files/$name"
	LIMIT=90 ends 0 --timeout 80 "$@" "$files/$name"
}

@test "kernels that look closely at the processor" {
	for name in $(python3 -B "$BATS_TEST_DIRNAME/exact.py" --list); do
		[ "$name" != la57 ] || continue # KVM's four levels
		exact "$name" --cpu hybrid
		exact "$name" --cpu kvm --exact on
		exact "$name" --cpu hybrid --exact on --hybrid-budget 3
		exact "$name" --cpu hybrid --exact off --hybrid-budget forever
	done
}

@test "crashes are told, with the state" {
	for name in triple cr3 selfmap idt loop; do
		LIMIT=90 ends 4 --cpu hybrid --timeout 80 --scenario "crash-$name"
		grep -q '^umbra: guest crashed: ' "$err"
		! grep -E 'the audit found|leaked' "$err" || return 1
	done
}

@test "stop, audit, cont and quit by the control socket" {
	qmp() { python3 -B "$BATS_TEST_DIRNAME/qmp.py" "$socket" "$@"; }
	for budget in auto forever; do
		start --cpu hybrid --hybrid-budget $budget --cpus 2 --scenario spin
		until_true 60 guest_is_up
		qmp stop
		qmp shadow-audit | grep -q '"violations": 0'
		qmp cont
		qmp shadow-audit | grep -q '"violations": 0'
		qmp quit
		ended 0 20
	done
}
