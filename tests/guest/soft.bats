#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# The software engine: the guest's scenarios with the results of the reference, runs that are the
# same byte for byte, a TLB as unhelpful as the manuals allow, and kernels that look closely.

load common

setup_file() {
	local dir=${UMBRA_GUEST_DIR:-${builddir:-$BATS_TEST_DIRNAME/../../build}/guest}
	[ ! -e "$dir/umbra-guest-amd64" ] || ! have_qemu ||
		qemu "$dir/umbra-guest-amd64" 4 "$BATS_FILE_TMPDIR/reference"
}

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

# clean WORDS...: umbra run --cpu soft WORDS passes and says nothing.
clean() {
	LIMIT=${LIMIT:-400} ends 0 --cpu soft --timeout 390 "$@"
	[ ! -s "$err" ]
	all_ok "$out"
}

# passes WORDS...: likewise, and results are those of the reference, if there is one.
passes() {
	clean "$@"
	[ ! -e "$BATS_FILE_TMPDIR/reference" ] ||
		as_reference
}

number() { python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
for k in sys.argv[2:]: o = o[k]
print(o)' "$@"; }

@test "1 cpu" { passes; }
@test "2 cpus" { passes --cpus 2; }
@test "4 cpus" { passes --cpus 4; }

# Their code is 32-bit or has five levels, so that auto takes the software engine and says why.
image() {
	[ -e "${image%amd64}$1" ] || skip "no $1 image: gcc has no -m32 here"
	ends 0 --guest "$1" --cpus 2
	all_ok "$out"
	grep -q "^umbra: engine soft (.*; natively only 64-bit code" "$err"
}
@test "the image la57" { image la57; }
@test "the image pae" { image pae; }
@test "the image i386" { image i386; }

@test "the same results as KVM" {
	need_kvm
	ends 0 --cpu kvm --cpus 2 "${few[@]}"
	results "$out" >"$files/kvm"
	passes --cpus 2 "${few[@]}"
	diff "$files/kvm" <(results "$out")
}

@test "16 cpus in turns" {
	LIMIT=400 ends 0 --cpu soft --cpus 16 --soft-threads off --timeout 390 "${few[@]}"
	all_ok "$out"
	grep -q ' 0 failed, 0 skipped' "$out"
}

# In turns: threads that wait for each other take minutes on a host that has other things to do.
# Ten times as slow as with.
@test "no memory stays mapped: --lowmem 0" {
	[ "$broad" = all ] || few=(--scenario "self-map,alias,cow-fork,fork-tree,smp-fork,share-zap,cpa-rights,file-map,mm-storm,swap")
	passes --cpus 2 --seed 1 --lowmem 0 "${few[@]}"
}

@test "every technique off, few shadow tables" {
	passes --cpus 2 --seed 1 --shadow-limit 512K --mmu-option prefetch=off --mmu-option inplace=off \
		--mmu-option flood=off --mmu-option rootcache=off --mmu-option prefill=off \
		--mmu-option unsync=off --mmu-option large=off
}

# Tables come and go all the time, each time the map changes, and large pages of it with it.
@test "tables that are free are not in the direct map: --pagealloc" {
	passes --cpus 2 --seed 1 --shadow-limit 2M --pagealloc on --stats-file "$files/stats" "${few[@]}"
	pagealloc_was_on "$files/stats"
	[ "$(number "$files/stats" shadow direct_map splits_2m)" -gt 0 ]
	clean --cpus 2 --seed 1 --tlb adversarial --pagealloc 4k --stats-file "$files/stats" \
		--scenario mmap-munmap,fork-tree,smp-fork
	pagealloc_was_on "$files/stats"
	[ "$(number "$files/stats" tlb reports)" -eq 0 ]
	[ "$(number "$files/stats" shadow direct_map splits_2m)" -eq 0 ]
}

# same CPUS WORDS...: two runs leave the same behind, byte for byte; another seed something else.
same() {
	local i cpus=$1
	shift
	for i in 1 2 3; do
		clean --cpus "$cpus" --seed $((i == 3 ? 8 : 7)) --stats-file "$files/stats$i" \
			--result "$files/result$i" "$@"
		cp "$out" "$files/out$i"
	done
	for i in out stats result; do
		cmp "$files/${i}1" "$files/${i}2"
	done
	! cmp -s "$files/stats1" "$files/stats3" || return 1
}

some=demand-paging,mprotect,mmap-munmap,cow-fork,fork-tree,timer-preempt,sched-many,pagealloc
parallel="smp-shootdown,smp-table-writes,smp-fork,smp-threads,smp-mprotect"
# Else a seed would mean something else in every folder.
@test "an image does not say where it was built" {
	local i
	for i in "$UMBRA_GUEST_DIR"/umbra-guest-*; do
		run ! grep -aqF -e "$(realpath "$UMBRA_GUEST_DIR/..")" -e ./guest/ "$i"
	done
}

@test "one seed, one run, byte for byte: 1 cpu" { same 1 --scenario $some; }
@test "one seed, one run, byte for byte: 2 cpus" { same 2 "${few[@]}"; }
@test "one seed, one run, byte for byte: 4 cpus" { same 4 --scenario $some,$parallel; }
@test "one seed, one run, byte for byte: adversarial" {
	same 2 --tlb adversarial --scenario cow-fork,mprotect,smp-shootdown
}

@test "adversarial" {
	passes --cpus 2 --tlb adversarial --stats-file "$files/stats" "${few[@]}"
	[ "$(number "$files/stats" tlb reports)" -eq 0 ]
	[ "$(number "$files/stats" tlb evictions)" -gt 1000 ]
	[ "$(number "$files/stats" tlb speculative)" -gt 1000 ]
}

@test "adversarial: several seeds" {
	for seed in 0 2 3 4 18446744073709551615; do
		clean --cpus 3 --tlb adversarial --seed $seed \
			--scenario demand-paging,mprotect,fork-tree,smp-shootdown,smp-table-writes
	done
}

@test "adversarial with threads" {
	clean --cpus 2 --tlb adversarial --soft-threads on \
		--scenario mprotect,fork-tree,smp-shootdown,smp-table-writes,smp-mprotect
}

@test "time is the machine's own: a timer does not wait for the host" {
	clean --cpus 1 --seed 1 --scenario timer-preempt --stats-file "$files/stats"
	[ "$(number "$files/stats" engine)" = soft ]
	[ "$(number "$files/stats" insns_interpreted)" -gt 10000 ]
}

# Without a device to open: auto takes soft and says why, --cpu kvm is refused.
@test "no /dev/kvm" {
	export UMBRA_KVM_DEVICE=$files/none
	LIMIT=400 ends 0 --cpus 2 --timeout 390 "${few[@]}"
	all_ok "$out"
	[ "$(wc -l <"$err")" -eq 1 ]
	grep -q "^umbra: engine soft (.*; cannot open $files/none: No such file or directory; " "$err"
	ends 3 --cpu kvm
	[ "$(wc -l <"$err")" -eq 1 ]
	run timeout 20 "$UMBRA" doctor
	[ "$status" -eq 0 ]
	grep -qE '^  --cpu auto takes +soft: ' <<<"$output"
}

@test "no /dev/kvm in the whole of /dev" {
	unshare -rm sh -c 'mount --bind /dev/null /dev/kvm' 2>/dev/null || skip "/dev/kvm can't be hidden here"
	status=0
	timeout 60 unshare -rm sh -c 'mount --bind /dev/null /dev/kvm && exec "$@"' sh \
		"$UMBRA" run --scenario boot-tables >"$out" 2>"$err" </dev/null || status=$?
	said
	[ "$status" -eq 0 ]
	grep -q '^umbra: engine soft ' "$err"
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
		exact "$name" --cpu soft
		exact "$name" --cpu soft --tlb adversarial --seed 3
		exact "$name" --cpu soft --lowmem 0
	done
}

@test "the same kernels on KVM, interpreted where it is not exact" {
	need_kvm
	for name in $(python3 -B "$BATS_TEST_DIRNAME/exact.py" --list); do
		[ "$name" = la57 ] || exact "$name" --cpu kvm --exact on
	done
}

@test "crashes are told, with the state" {
	for name in triple cr3 selfmap idt loop; do
		LIMIT=90 ends 4 --cpu soft --timeout 80 --scenario "crash-$name"
		grep -q '^umbra: guest crashed: ' "$err"
		grep -qE '^RIP=[0-9a-f]{16} ' "$err"
		! grep -E 'the audit found|leaked' "$err" || return 1
	done
}

@test "garbage" {
	for seed in 1 2 3 4 5 6 7 8; do
		python3 -B "$BATS_TEST_DIRNAME/hostile.py" "garbage-$seed" "$files/garbage"
		status=0
		timeout -k 5 20 "$UMBRA" run --cpu soft --timeout 2 "$files/garbage" >"$out" 2>"$err" \
			</dev/null || status=$?
		said
		[[ " 0 1 4 124 " == *" $status "* ]]
		! grep -E 'the audit found|leaked|failed' "$err" || return 1
	done
}

@test "stop, audit, walk, cont and quit by the control socket, in threads and in turns" {
	qmp() { python3 -B "$BATS_TEST_DIRNAME/qmp.py" "$socket" "$@"; }
	for threads in on off; do
		start --cpu soft --soft-threads $threads --cpus 2 --scenario spin
		until_true 60 guest_is_up
		qmp stop
		qmp query-status | grep -q paused
		qmp shadow-audit | grep -q '"violations": 0'
		qmp shadow-walk gva=0x100000 >"$files/walk"
		grep -q '"table"' "$files/walk"
		qmp cont
		qmp shadow-audit | grep -q '"violations": 0'
		qmp quit
		ended 0 20
	done
}
