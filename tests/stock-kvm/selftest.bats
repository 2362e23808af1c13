#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# The rig itself: exit statuses, clean output, nothing left behind. Runs one machine at a time.

setup_file() {
	rig=$(cd "$BATS_TEST_DIRNAME" && pwd)
	kernel=${UMBRA_STOCK_KERNEL:-${XDG_CACHE_HOME:-$HOME/.cache}/umbra/stock-kvm}
	export rig kernel
	run "$rig/fetch-kernel.sh" "$kernel"
	[ "$status" -ne 77 ] || skip "$output"
	[ "$status" -eq 0 ]
	type qemu-system-x86_64 cpio busybox >/dev/null || skip "QEMU, cpio or busybox is missing"
}

setup() {
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	cd "$BATS_TEST_TMPDIR" || return
}

rig() { run "$rig/run.sh" --kernel "$kernel" --timeout 60 "$@"; }

script() { # script NAME: stdin becomes an executable shell script
	{ echo '#!/bin/sh'; cat; } >"$1"
	chmod +x "$1"
}

# machines: the QEMU processes of this test, known by the temporary folder in their arguments.
machines() { grep -lsF "path=$TMPDIR/" /proc/[0-9]*/cmdline || true; }

nothing_left() {
	[ -z "$(ls -A "$TMPDIR")" ]
	[ -z "$(machines)" ]
}

wait_for() { # wait_for TEXT FILE
	local i
	for ((i = 0; i < 300; i++)); do
		! grep -qsF "$1" "$2" || return 0
		sleep 0.1
	done
	return 1
}

@test "the program's exit status is ours, 0 and others" {
	script prog <<<'exit "$1"'
	rig -- ./prog 0
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	rig -- ./prog 42
	[ "$status" -eq 42 ]
	[ -z "$output" ]
	nothing_left
}

@test "a program ended by a signal gives 128 and its number" {
	script prog <<<'kill -SEGV $$'
	rig -- ./prog
	[ "$status" -eq 139 ]
	nothing_left
}

@test "arguments, working directory and --with files arrive as they are" {
	echo "hello there" >"a file"
	script prog <<-'PROG'
		printf '<%s>' "$@"; pwd; cat "a file" /data/b; echo err >&2
	PROG
	rig --with "a file" --with "a file:/data/b" -- ./prog "it's" '$HOME "x"' '' '*'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "<it's><\$HOME \"x\"><><*>$PWD" ]
	[ "${lines[1]}" = "hello there" ]
	[ "${lines[2]}" = "hello there" ]
	[ "${lines[3]}" = err ]
	[ "${#lines[@]}" -eq 4 ]
	nothing_left
}

@test "output is the program's alone, byte for byte" {
	head -c 300000 /dev/urandom >bytes
	"$rig/run.sh" --kernel "$kernel" --timeout 60 --with bytes -- "$(type -P cat)" bytes >copy
	cmp bytes copy
	nothing_left
}

@test "kvm_amd is there, with the npt asked for and the CPUs asked for" {
	script prog <<-'PROG'
		[ -c /dev/kvm ] || exit 1
		cat /sys/module/kvm_amd/parameters/npt; grep -c ^processor /proc/cpuinfo
	PROG
	rig --npt 1 --cpus 2 -- ./prog
	[ "$status" -eq 0 ]
	[ "$output" = $'Y\n2' ]
	rig --npt 0 -- ./prog
	[ "$status" -eq 0 ]
	[ "$output" = $'N\n1' ]
	nothing_left
}

@test "timeout: 124, what was printed so far, the kernel's messages kept" {
	script prog <<<'echo before; exec sleep 1000'
	rig --timeout 10 -- ./prog
	[ "$status" -eq 124 ]
	[ "${lines[0]}" = before ]
	log=$(sed -n 's/^run.sh: kernel messages: //p' <<<"$output")
	grep -q 'Linux version' "$log"
	rm "$log"
	nothing_left
}

@test "kernel panic under the program: 4" {
	script prog <<<'echo c >/proc/sysrq-trigger; sleep 1000'
	rig -- ./prog
	[ "$status" -eq 4 ]
	log=$(sed -n 's/^run.sh: kernel messages: //p' <<<"$output")
	grep -q 'Kernel panic' "$log"
	rm "$log"
	nothing_left
}

@test "a module that does not load: 3, and which one" {
	cp -R "$kernel" broken
	head -c 1000 "$kernel/modules/kvm.ko" >broken/modules/kvm.ko
	script prog <<<'exit 0'
	rig --kernel "$PWD/broken" -- ./prog
	[ "$status" -eq 3 ]
	[[ "$output" == *"run.sh: module kvm: "* ]]
	rm "$TMPDIR"/stock-kvm-*.log
	nothing_left
}

@test "a machine that does not start: 3, with QEMU's reason" {
	script prog <<<'exit 0'
	rig --mem 999999999 -- ./prog
	[ "$status" -eq 3 ]
	[[ "$output" == *"before the program was started: qemu-system-x86_64: "* ]]
	rm "$TMPDIR"/stock-kvm-*.log
	nothing_left
}

@test "usage errors: 2, and no machine" {
	for args in "" "--npt 2 -- true" "--cpus 0 -- true" "--threads 2 -- true" "--nonsense 1 -- true" \
		"-- ./no-such-file" "--with ./no-such-file -- true"; do
		# shellcheck disable=SC2086 # split on purpose
		rig $args
		[ "$status" -eq 2 ]
		nothing_left
	done
}

@test "SIGTERM ends the machine and clears up" {
	script prog <<<'echo up; exec sleep 1000'
	"$rig/run.sh" --kernel "$kernel" -- ./prog >out 2>&1 3>&- &
	wait_for up out
	[ -n "$(machines)" ]
	kill "$!"
	status=0
	wait "$!" || status=$?
	[ "$status" -eq 143 ]
	nothing_left
}

@test "SIGKILL leaves no machine" {
	script prog <<<'echo up; exec sleep 1000'
	"$rig/run.sh" --kernel "$kernel" --timeout 30 -- ./prog >out 2>&1 3>&- &
	wait_for up out
	kill -KILL "$!"
	wait "$!" || true
	sleep 1
	[ -z "$(machines)" ]
}

@test "fetch-kernel: no network gives 77 and one line naming the package" {
	! compgen -G '/boot/vmlinuz-*-amd64' >/dev/null || skip "a kernel package is installed here"
	mkdir bin
	script bin/apt-get <<<'exit 100'
	script bin/apt-cache <<<'echo "  Depends: linux-image-9.9.9-1-amd64"'
	PATH=$PWD/bin:$PATH run "$rig/fetch-kernel.sh" "$PWD/kernel"
	[ "$status" -eq 77 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *linux-image-9.9.9-1-amd64* ]]
	[ -z "$(compgen -G 'kernel*')" ]
	nothing_left
}

@test "fetch-kernel: a complete folder is left alone" {
	before=$(find "$kernel" -printf '%p %T@\n')
	run "$rig/fetch-kernel.sh" "$kernel"
	[ "$status" -eq 0 ]
	[ "$before" = "$(find "$kernel" -printf '%p %T@\n')" ]
}
