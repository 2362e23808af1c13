#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Bad input to umbra run: one line that says what is wrong and what to do, the exit code of the
# manual, and nothing left behind. (What the command line alone tells is usage.bats's.)

load common

setup() { common_setup; }
teardown() { common_teardown; }

# refused CODE TEXT WORDS...: one line "umbra: ...TEXT...; what to do", and not a byte of output.
refused() {
	local code=$1 text=$2
	shift 2
	LIMIT=90 ends "$code" --timeout 80 "$@"
	[ ! -s "$out" ]
	one_line "$text"
}
one_line() {
	[ "$(wc -l <"$err")" -eq 1 ]
	[[ $(<"$err") == "umbra: "*"$1"*"; "?* ]]
}

# As `refused`, for an image of hostile.py.
refused_image() {
	python3 -B "$BATS_TEST_DIRNAME/hostile.py" "$1" "$files/$1"
	refused 2 "$2" "$files/$1"
}

@test "images that are not there, or no files" {
	refused 2 "can't be opened (No such file" "$files/none"
	refused 2 "can't be opened (No such file" --kernel "$files/none"
	refused 2 "can't be opened (Not a directory" /dev/null/x
	refused 2 "is a directory" "$files"
	refused 2 "is not a regular file" /dev/zero
	mkfifo "$files/fifo"
	refused 2 "is not a regular file" "$files/fifo"
	ln -s loop "$files/loop"
	refused 2 "can't be opened (Too many" "$files/loop"
}

@test "an image that can't be read" {
	echo secret >"$files/secret"
	chmod 000 "$files/secret"
	if [ "$(id -u)" -ne 0 ]; then
		refused 2 "can't be opened (Permission denied)" "$files/secret"
		return
	fi
	as_nobody
	status=0
	setpriv --reuid=65534 --regid=65534 --clear-groups timeout 20 "$UMBRA" run \
		"$files/secret" >"$out" 2>"$err" || status=$?
	said
	[ "$status" -eq 2 ]
	one_line "can't be opened (Permission denied)"
	nothing_left
}

@test "empty, tiny, and of another kind" {
	: >"$files/empty"
	refused 2 "is empty" "$files/empty"
	printf '\177ELF' >"$files/tiny"
	refused 2 "is cut off inside the ELF header" "$files/tiny"
	echo 'not a kernel' >"$files/text"
	refused 2 "is not an ELF file" "$files/text"
	head -c 100000 /dev/urandom >"$files/noise"
	LIMIT=90 ends 2 "$files/noise"
	one_line ""
}

@test "every way to cut the guest's image short" {
	need_image
	type readelf >/dev/null || skip "no readelf"
	for i in "$image" "$image.elf64"; do
		# Behind what is loaded there may be symbols, which nobody misses.
		size=$(readelf -lW "$i" | sed -n 's/^ *LOAD *\(0x[0-9a-f]*\) *0x[0-9a-f]* *0x[0-9a-f]* *\(0x[0-9a-f]*\).*/\1 \2/p' |
			while read -r at len; do echo $((at + len)); done | sort -n | tail -n 1)
		for n in 1 3 16 51 52 63 64 100 200 4096 8192 $((size / 2)) $((size - 1)); do
			head -c "$n" "$i" >"$files/cut"
			status=0
			timeout 20 "$UMBRA" run --timeout 5 "$files/cut" >"$out" 2>"$err" || status=$?
			echo "$n bytes"
			said
			[ "$status" -eq 2 ]
			one_line ""
		done
	done
	nothing_left
}

@test "the control: these images are good" {
	need_image
	for name in good good64; do
		python3 -B "$BATS_TEST_DIRNAME/hostile.py" "$name" "$files/$name"
		LIMIT=90 ends 0 "$files/$name"
	done
}

@test "segments that overlap, wrap around, or lie outside RAM" {
	refused_image bad-overlap "segments 0 and 1 overlap"
	refused_image bad-wrap "outside RAM"
	refused_image bad-wrap64 "wraps around"
	refused_image bad-outside "outside RAM"
	refused_image bad-huge "outside RAM"
	refused_image bad-low "the first 4 KiB"
	refused_image bad-shrink "more bytes in the file than in memory"
	refused_image bad-entry "is in no loaded segment"
}

@test "headers that make no sense" {
	refused_image bad-machine "is for ELF machine 40"
	refused_image bad-kind "is not an executable"
	refused_image bad-no-segments "has no program headers"
	refused_image bad-no-header "has neither a multiboot header"
	refused_image bad-checksum "wrong checksum"
}

@test "too little memory for the image" {
	need_image
	refused 2 "lies outside RAM" -m 1M
}

@test "a bad initrd" {
	need_image
	refused 2 "can't be opened (No such file" --initrd "$files/none"
	: >"$files/empty"
	refused 2 "is empty" --initrd "$files/empty"
	truncate -s 300M "$files/big"
	refused 2 "too many for the RAM" --initrd "$files/big"
}

@test "more memory than the host has" {
	need_image
	status=0
	(ulimit -v 400000 && exec timeout 20 "$UMBRA" run -m 64G --timeout 5) >"$out" 2>"$err" </dev/null ||
		status=$?
	said
	[ "$status" -eq 3 ]
	one_line ""
	nothing_left
}

@test "sizes and numbers out of range" {
	need_image
	refused 2 "--shadow-limit" --shadow-limit 4K
	refused 2 "--shadow-limit" --shadow-limit 0
	refused 2 "--pagealloc" --pagealloc maybe
	refused 2 "--pagealloc" --pagealloc on --mmu-option dmap=off
	refused 3 "--pagealloc" --pagealloc 4k --shadow-limit 256K --cpu soft
	refused 2 "--memory" -m 1K
	refused 2 "--cpus" --cpus 65
	refused 2 "command line" --append "$(printf '%05000d' 0)"
	refused 2 "--guest" --guest ../x
}

@test "a socket that can't be made" {
	need_image
	refused_late 3 "No such file" --qmp "unix:$files/none/x.sock"
	echo precious >"$files/file"
	refused_late 3 "is not a socket" --qmp "unix:$files/file"
	[ "$(<"$files/file")" = precious ]
}

# As `refused`, after the line that names the engine.
refused_late() {
	local code=$1 text=$2
	shift 2
	LIMIT=90 ends "$code" --timeout 80 --scenario boot-tables "$@"
	sed -i '/^umbra: engine /d' "$err"
	[ "$(wc -l <"$err")" -eq 1 ]
	[[ $(<"$err") == "umbra: "*"$text"* ]]
}

@test "files that can't be written: serial line, statistics, result" {
	need_image
	for bad in "$files/none/x" "$files" /dev/full; do
		[ -e "$bad" ] || [ "$bad" != /dev/full ] || continue
		refused_late 3 "$bad" --stats-file "$bad"
		grep -q '; give another file to --stats-file' "$err"
		refused_late 3 "$bad" --result "$bad"
		grep -q '; give another file to --result' "$err"
	done
	refused_late 3 "$files/none/x: No such file" --serial "file:$files/none/x"
	[ ! -s "$out" ]
}

# Skips unless another user can run umbra; gives the test's folders to that user.
as_nobody() {
	type -P setpriv >/dev/null || skip "no setpriv"
	chmod 755 "$BATS_RUN_TMPDIR" "${BATS_TEST_TMPDIR%/*}" "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR"
	chown 65534 "$XDG_RUNTIME_DIR" "$TMPDIR" "$files"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$UMBRA" --version >/dev/null 2>&1 ||
		skip "another user can't run the program at this place"
}

@test "no permission to open /dev/kvm" {
	unset UMBRA_KVM_DEVICE
	need_image
	[ -e /dev/kvm ] || skip "no /dev/kvm"
	if [ "$(id -u)" -eq 0 ]; then
		as_nobody
		who=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	else
		who=(env)
	fi
	! "${who[@]}" bash -c ': <>/dev/kvm' 2>/dev/null || skip "everyone may open /dev/kvm here"
	status=0
	"${who[@]}" timeout 20 "$UMBRA" run --cpu kvm >"$out" 2>"$err" </dev/null || status=$?
	said
	[ "$status" -eq 3 ]
	one_line "cannot open /dev/kvm: Permission denied"
	nothing_left
}

# A /dev of its own for one program.
other_dev() {
	mkdir "$files/dev"
	: >"$files/dev/null"
	cat >"$files/in-dev" <<-'SH'
		mount --bind /dev/null "$1/null" && mount --rbind "$1" /dev || exit 99
		shift
		exec "$@"
	SH
	unshare -rm sh "$files/in-dev" "$files/dev" true 2>/dev/null || skip "no mount namespaces here"
}

@test "no /dev/kvm" {
	unset UMBRA_KVM_DEVICE
	need_image
	other_dev
	status=0
	timeout 20 unshare -rm sh "$files/in-dev" "$files/dev" "$UMBRA" run --cpu kvm >"$out" 2>"$err" </dev/null ||
		status=$?
	said
	[ "$status" -eq 3 ]
	one_line "cannot open /dev/kvm: No such file"
	nothing_left
}

@test "a /dev/kvm that is something else" {
	unset UMBRA_KVM_DEVICE
	need_image
	other_dev
	: >"$files/dev/kvm"
	status=0
	timeout 20 unshare -rm sh "$files/in-dev" "$files/dev" "$UMBRA" run --cpu kvm >"$out" 2>"$err" </dev/null ||
		status=$?
	said
	[ "$status" -eq 3 ]
	one_line "/dev/kvm is not KVM's device"
	nothing_left
}
