#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# The guest on a stock kvm_amd inside QEMU's TCG, with nested paging and without: the same results,
# and the probe chose the right way to update tables.

load common

# For one CPU, every kind of fault and tracked writes; two CPUs run those of $broad.
scenarios=boot-tables,exceptions,wp-bit,invlpg,global-pages,large-pages,ad-bits,alias,user-fault
scenarios=$scenarios,demand-paging,mprotect,cow-fork

setup_file() {
	local kernel=${UMBRA_STOCK_KERNEL:-${XDG_CACHE_HOME:-$HOME/.cache}/umbra/stock-kvm}
	export UMBRA_STOCK_KERNEL=$kernel
	for tool in qemu-system-x86_64 cpio busybox; do
		type -P "$tool" >/dev/null || skip "$tool is not installed"
	done
	run "$BATS_TEST_DIRNAME/../stock-kvm/fetch-kernel.sh" "$kernel"
	[ "$status" -ne 77 ] || skip "$output"
	echo "$output"
	[ "$status" -eq 0 ]
}

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

# The program itself: build/umbra may be a script of libtool's that finds it.
execute() {
	if [ -x "$builddir/libtool" ] && head -c 2 "$UMBRA" | grep -q '^#!'; then
		"$builddir/libtool" --mode=execute "$@"
	else
		"$@"
	fi
}

# on_stock NPT CPUS MODE SCENARIOS [WORDS...]; "all" for all of them.
on_stock() {
	local npt=$1 cpus=$2 mode=$3 names=$4
	shift 4
	status=0
	execute "$BATS_TEST_DIRNAME/../stock-kvm/run.sh" --npt "$npt" --timeout 300 --with "$image" -- \
		"$UMBRA" run --exact off --timeout 280 --cpus "$cpus" --scenario "$names" --kernel "$image" "$@" \
		>"$out" 2>"$err" || status=$?
	said
	rm -f "$TMPDIR"/stock-kvm-*.log
	[ "$status" -ne 77 ] || skip "$(tail -n 1 "$err")"
	[ "$status" -eq 0 ]
	all_ok "$out"
	[ "$names" = all ] || [ "$(results "$out" | sed 's/.* - //' | paste -sd ,)" = "$names" ]
	grep -qE "^umbra: engine (kvm|hybrid) .*table updates $mode" "$out"
	nothing_left
}

@test "nested paging, 1 cpu: updates are direct" {
	on_stock 1 1 direct "$scenarios"
}

@test "nested paging, 2 cpus" {
	on_stock 1 2 direct "$broad"
}

@test "nested paging, gated all the same" {
	on_stock 1 1 gated boot-tables,exceptions,demand-paging,cow-fork --pt-update gated
}

@test "no nested paging, 1 cpu: updates are gated" {
	on_stock 0 1 gated "$scenarios"
}

@test "no nested paging, 2 cpus" {
	on_stock 0 2 gated "$broad"
}
