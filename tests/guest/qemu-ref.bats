#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# One guest image, two machines: what it prints on QEMU's TCG, it prints on Umbra. And four images,
# one machine: what the amd64 one finds on QEMU, the others find there.

load common

# The reference runs, once.
setup_file() {
	have_qemu || skip "no qemu-system-x86_64"
	local dir=${UMBRA_GUEST_DIR:-${builddir:-$BATS_TEST_DIRNAME/../../build}/guest} n
	[ -e "$dir/umbra-guest-amd64" ] || skip "no guest image in $dir"
	for n in 1 2 4; do
		qemu "$dir/umbra-guest-amd64" "$n" "$BATS_FILE_TMPDIR/qemu-$n"
	done
	qemu "$dir/umbra-guest-amd64.elf64" 2 "$BATS_FILE_TMPDIR/qemu-pvh"
}

setup() { common_setup; }
teardown() { common_teardown; }

# reference IMAGE OPTIONS...: a run of another image on QEMU, in $out; its results are those of the
# amd64 image, whose run with as many processors is there.
reference() {
	local name=$1 cpus=$2 append=$3 ram=$4
	local file=$UMBRA_GUEST_DIR/umbra-guest-$name
	[ -e "$file" ] || skip "no guest image $file"
	status=0
	timeout 120 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m "$ram" -smp "$cpus" \
		-kernel "$file" -append "cpus=$cpus $append" -display none -monitor none \
		-serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 \
		>"$out" </dev/null || status=$?
	grep -a -B2 '^not ok' "$out" || true
	tail -n 30 "$out"
	[ "$status" -eq 33 ]
	grep -q "^umbra-guest ${name%.*}: boot by .*, $cpus cpus" "$out"
	all_ok "$out"
	diff <(results "$BATS_FILE_TMPDIR/qemu-$cpus") <(results "$out")
}

# same FILE: the lines of the run before are those of FILE, with every word of them: the number of
# CPUs is the same. Only that QEMU has no capture device is no difference.
lines() {
	tr -d '\r' <"$1" | grep -E '^umbra-guest|^1\.\.|^(not )?ok ' | sed 's/ # SKIP no capture device$//'
}
same() { diff <(lines "$BATS_FILE_TMPDIR/$1") <(lines "$out"); }

@test "QEMU passes every scenario" {
	for n in 1 2 4 pvh; do
		all_ok "$BATS_FILE_TMPDIR/qemu-$n"
	done
}

@test "1 cpu: the same on both" {
	need_kvm
	ends 0 --cpus 1
	same qemu-1
}

@test "2 cpus: the same on both" {
	need_kvm
	ends 0 --cpus 2
	same qemu-2
}

@test "4 cpus: the same on both" {
	need_kvm
	LIMIT=400 ends 0 --cpus 4
	same qemu-4
}

@test "2 cpus, booted by PVH: the same on both" {
	need_kvm
	ends 0 --cpus 2 "$image.elf64"
	same qemu-pvh
}

@test "la57 on QEMU: the results of amd64, on 1, 2 and 4 cpus" {
	for n in 1 2 4; do reference la57 $n "" 256; done
}

@test "la57 on QEMU, booted by PVH" {
	reference la57.elf64 2 "" 256
}

@test "pae on QEMU: the results of amd64, on 1, 2 and 4 cpus" {
	for n in 1 2 4; do reference pae $n "" 256; done
}

@test "pae on QEMU, booted by PVH" {
	reference pae.elf32 2 "" 256
}

@test "i386 on QEMU: the results of amd64, on 1, 2 and 4 cpus" {
	for n in 1 2 4; do reference i386 $n "" 256; done
}

@test "i386 on QEMU, booted by PVH" {
	reference i386.elf32 2 "" 256
}

@test "16 MiB of lowmem: what is left of it is highmem, on each image" {
	for name in amd64 la57 pae i386; do reference $name 2 "lowmem=16" 64; done
}

@test "RAM above 4 GiB is highmem where entries are wide enough" {
	for name in amd64 pae; do reference $name 2 "lowmem=32" 5G; done
}

@test "la57 on a CPU without five levels: nothing is run, and it says why" {
	local file=$UMBRA_GUEST_DIR/umbra-guest-la57
	status=0
	timeout 60 qemu-system-x86_64 -accel tcg -cpu qemu64 -kernel "$file" -display none \
		-monitor none -serial stdio -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=4 >"$out" </dev/null || status=$?
	[ "$status" -eq 33 ]
	grep -q '^1\.\.0 # SKIP the CPU has no 5-level paging' "$out"
}
