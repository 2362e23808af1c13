#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# The guest's scenarios under KVM, in every shape of the monitor: they pass, with the results of the
# reference, and the shadow tables are right at the end (exit code 0 says so). All scenarios run on 1, 2
# and 4 CPUs and with every technique off; elsewhere a few of each family.

load common

setup_file() {
	local dir=${UMBRA_GUEST_DIR:-${builddir:-$BATS_TEST_DIRNAME/../../build}/guest}
	[ ! -e "$dir/umbra-guest-amd64" ] || ! have_qemu ||
		qemu "$dir/umbra-guest-amd64" 4 "$BATS_FILE_TMPDIR/reference"
}

setup() {
	common_setup
	need_kvm
}
teardown() { common_teardown; }

# passes WORDS...: umbra run --cpu kvm WORDS passes and says nothing, and results are those of the
# reference, if there is one.
passes() {
	ends 0 --cpu kvm "$@"
	[ ! -s "$err" ]
	all_ok "$out"
	[ ! -e "$BATS_FILE_TMPDIR/reference" ] || as_reference
}

# Where each takes its time.
quick=boot-tables,exceptions,wp-bit,invlpg,global-pages,large-pages,ad-bits,self-map,alias,syscalls
quick+=,user-fault,demand-paging,mprotect,cow-fork,timer-preempt,smp-boot,ipi,smp-shootdown
quick+=,smp-table-writes,smp-fork

number() { python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
for k in sys.argv[2:]: o = o[k]
print(o)' "$@"; }

@test "1 cpu" { passes --cpus 1; }
@test "2 cpus" { passes --cpus 2; }

@test "4 cpus" {
	LIMIT=400 passes --cpus 4
}

@test "16 cpus, more than the host has" {
	[ "$broad" = all ] || few=(--scenario "$quick,smp-atomic,smp-threads,gup-storm,smp-storm")
	LIMIT=400 passes --cpus 16 --timeout 390 "${few[@]}"
}

# The guest starts as many as it has room for; the monitor has a thread and a gate for each.
@test "64 vcpus" {
	ends 0 --cpus 64 --timeout 250 --scenario boot-tables
}

@test "PVH" {
	passes --cpus 2 --exact off --kernel "$image.elf64" "${few[@]}"
	grep -q '^umbra-guest amd64: boot by pvh, 256 MiB, 2 cpus' "$out"
}

@test "multiboot, by QEMU's option names, another seed" {
	passes -m 128M -smp 2 --exact off -kernel "$image" --seed 77 "${few[@]}"
	grep -q '^umbra-guest amd64: boot by multiboot, 128 MiB, 2 cpus' "$out"
}

@test "--exact on: the kernel's code interpreted, processes native" {
	[ "$broad" = all ] || few=(--scenario "$quick") # 0.2 us an instruction
	LIMIT=400 passes --cpus 2 --exact on --timeout 390 "${few[@]}"
}

@test "no memory stays mapped: --lowmem 0" {
	passes --cpus 2 --lowmem 0 "${few[@]}"
}

@test "guest RAM in a file, windows unmapped as they are closed" {
	passes --cpus 2 --memory-file "$BATS_TEST_TMPDIR/ram" --window-debug on "${few[@]}"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/ram")" -eq $((256 << 20)) ]
}

@test "tables that are free are not in the direct map: --pagealloc on" {
	LIMIT=400 passes --cpus 2 --pagealloc on --stats-file "$files/stats" "${few[@]}"
	pagealloc_was_on "$files/stats"
}

@test "a file for guest RAM that can't be" {
	ends 3 --memory-file "$BATS_TEST_TMPDIR"
	grep -q "cannot keep guest memory in" "$err"
}

@test "1000 GiB of RAM on a machine with less, all of it through windows" {
	ends 0 -m 1000G --lowmem 0 --scenario boot-tables,exceptions,invlpg
	all_ok "$out"
}

@test "--mmu-option prefetch=off" { passes --cpus 2 --mmu-option prefetch=off "${few[@]}"; }
@test "--mmu-option inplace=off" { passes --cpus 2 --mmu-option inplace=off "${few[@]}"; }
@test "--mmu-option rootcache=off" { passes --cpus 2 --mmu-option rootcache=off "${few[@]}"; }

@test "--mmu-option prefill=off" { passes --cpus 2 --mmu-option prefill=off "${few[@]}"; }
@test "--mmu-option unsync=off" { passes --cpus 2 --mmu-option unsync=off "${few[@]}"; }
@test "--mmu-option large=off" { passes --cpus 2 --mmu-option large=off "${few[@]}"; }
@test "--mmu-option dmap=off" { passes --cpus 2 --mmu-option dmap=off "${few[@]}"; }

@test "--mmu-option flood=off" {
	LIMIT=400 passes --cpus 2 --mmu-option flood=off "${few[@]}"
}

@test "every technique off" {
	LIMIT=400 passes --cpus 2 --mmu-option prefetch=off --mmu-option inplace=off \
		--mmu-option flood=off --mmu-option rootcache=off --mmu-option prefill=off \
		--mmu-option unsync=off --mmu-option large=off \
		--mmu-option dmap=off --mmu-option collapse=off
}

@test "these are all techniques that there are" {
	names=$("$UMBRA" run --help | sed "1,/^Techniques/d" | tr -d " ")
	[ "$(sort <<<"$names")" = $'collapse\ndmap\nflood\ninplace\nlarge\nprefetch\nprefill\nrootcache\nunsync' ]
}

@test "few shadow tables: --shadow-limit 1M" {
	passes --cpus 2 --shadow-limit 1M --stats-file "$files/stats" "${few[@]}"
	[ "$(number "$files/stats" shadow tables_limit)" -eq 256 ]
}

@test "very few shadow tables: --shadow-limit 256K" {
	LIMIT=400 passes --cpus 2 --shadow-limit 256K --stats-file "$files/stats" "${few[@]}"
	[ "$(number "$files/stats" shadow tables_limit)" -eq 64 ]
	[ "$(number "$files/stats" shadow tables_used)" -le 64 ]
}

@test "--pt-update gated, whatever the host is" {
	passes --cpus 2 --pt-update gated --stats-file "$files/stats" "${few[@]}"
	[ "$(number "$files/stats" pt_update)" = gated ]
}

@test "--result and --stats-file say what happened" {
	passes --cpus 1 --result "$files/result" --stats-file "$files/stats" "${few[@]}"
	[ "$(number "$files/result" verdict)" = guest-exit ]
	[ "$(number "$files/result" exit_code)" -eq 0 ]
	[ "$(number "$files/result" audit_violations)" -eq 0 ]
	[ "$(number "$files/stats" engine)" = kvm ]
	[ "$(number "$files/stats" exits hidden_fault count)" -gt 0 ]
}

@test "--serial file: the same, in a file" {
	ends 0 --serial "file:$files/serial" "${few[@]}"
	[ ! -s "$out" ]
	all_ok "$files/serial"
}

@test "a failing guest: exit code 1" {
	ends 1 --scenario no-such-thing
	grep -q '^not ok 1 - no-such-thing' "$out"
}

@test "a list of scenarios that the guest has no room for fails, and runs nothing" {
	ends 1 --scenario "$(printf 'invlpg,%.0s' {1..240})invlpg"
	[ "$(results "$out")" = "not ok 1 - scenario-list-too-long # unknown scenario" ]
}

# Kernels of hostile.py that do no harm. Not every host heeds CR0.TS at CPL 3.
@test "vector and x87 registers between the monitor and the processor" {
	python3 -B "$BATS_TEST_DIRNAME/hostile.py" fpu-handover "$files/handover"
	python3 -B "$BATS_TEST_DIRNAME/hostile.py" fpu-trap "$files/trap"
	ends 0 --exact off --kernel "$files/handover"
	ends 0 --exact on --kernel "$files/handover"
	ends 0 --exact on --kernel "$files/trap"
}
