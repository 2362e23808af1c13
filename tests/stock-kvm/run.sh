#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh [OPTION]... -- PROGRAM [ARG]...: run PROGRAM as root on a stock Debian kernel with a stock
# kvm_amd, inside QEMU's TCG. What it prints (stdout and stderr) comes out on our stdout, and its
# exit status is ours. README.md has the options, the exit statuses and the limits.
#
# The machine has two serial ports: ttyS0 takes the kernel's messages and, at the end, one line of
# ours that carries the status, marked with a nonce; ttyS1 is the program's alone.
set -euo pipefail
export LC_ALL=C

npt=1 cpus=1 threads=single mem=512 limit=120 kernel=${UMBRA_STOCK_KERNEL:-} with=()
here=$(dirname "$(realpath "$0")")
tmp='' children=()

say() { echo "run.sh: $*" >&2; }
die() { local status=$1; shift; say "$*"; exit "$status"; }
usage() {
	echo "usage: run.sh [--npt 0|1] [--cpus N] [--threads single|multi] [--mem MiB]" \
		"[--timeout S] [--kernel DIR] [--with FILE[:DEST]]... -- PROGRAM [ARG]..." >&2
	exit 2
}

# end PID...: end children of ours, whatever state they are in.
end() {
	local pid
	for pid; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# shellcheck disable=SC2317 # called by the traps
cleanup() {
	trap - EXIT HUP INT TERM
	end "${children[@]}"
	[ -z "$tmp" ] || rm -rf "$tmp"
}

number() { case $2 in '' | 0* | *[!0-9]*) die 2 "$1 wants a positive number, not '$2'" ;; esac; }

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--) shift; command=("$@"); break ;;
		--npt | --cpus | --threads | --mem | --timeout | --kernel | --with) [ $# -ge 2 ] || usage ;;&
		--npt) npt=$2 ;;
		--cpus) cpus=$2 ;;
		--threads) threads=$2 ;;
		--mem) mem=$2 ;;
		--timeout) limit=$2 ;;
		--kernel) kernel=$2 ;;
		--with) with+=("$2") ;;
		*) usage ;;
		esac
		shift 2
	done
	[ "${#command[@]}" -gt 0 ] || usage
	case $npt in 0 | 1) ;; *) die 2 "--npt wants 0 or 1, not '$npt'" ;; esac
	case $threads in single | multi) ;; *) die 2 "--threads wants single or multi, not '$threads'" ;; esac
	number --cpus "$cpus"
	number --mem "$mem"
	number --timeout "$limit"
}

# put FILE DEST: one file or folder, links followed, to its place in the initramfs.
put() {
	case $2 in
	/proc/* | /sys/* | /dev/* | /rig/* | /init) die 2 "$2: this place is taken in the machine" ;;
	esac
	[ -r "$1" ] || die 2 "$1: cannot read it"
	mkdir -p "$tmp/root$(dirname "$2")"
	cp -RL "$1" "$tmp/root$2"
}

# put_libraries FILE: the shared libraries and the dynamic loader that FILE needs, where it will
# look for them.
put_libraries() {
	local file=$1 list path paths
	list=$(ldd "$file" 2>/dev/null) || return 0 # static, or no ELF file
	case $list in
	*'not found'*) die 2 "$file: $(grep -m1 'not found' <<<"$list" | tr -d '\t')" ;;
	esac
	mapfile -t paths < <(sed -n 's/^\t\(.* => \)\?\(\/.*\) (0x.*/\2/p' <<<"$list")
	for path in "${paths[@]}"; do
		[ -e "$tmp/root$path" ] || put "$path" "$path"
	done
}

quote() { printf "'%s' " "${@//\'/\'\\\'\'}"; }

# The first program of the machine. Its messages go to the kernel's log, one record each, so that
# they cannot mix with the kernel's own.
make_init() {
	local nonce=$1 modules
	modules=$(tr '\n' ' ' <"$kernel/modules/order")
	cat >"$tmp/root/init" <<-INIT
		#!/rig/busybox sh
		PATH=/rig/bin:/bin:/usr/bin
		/rig/busybox mkdir -p /proc /sys /dev /tmp /rig/bin
		/rig/busybox --install -s /rig/bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs devtmpfs /dev
		finish() { echo "<1>$nonce \$*" >/dev/kmsg; reboot -f; }
		for module in $modules; do
			case \$module in kvm-amd) set -- nested=0 npt=$npt ;; *) set -- ;; esac
			why=\$(insmod /rig/\$module.ko "\$@" 2>&1) || finish "broken module \$module: \$why"
		done
		[ -c /dev/kvm ] || finish "broken no /dev/kvm"
		stty -F /dev/ttyS1 115200 raw -echo || finish "broken no second serial port"
		ip link set lo up
		cd $(quote "$PWD")
		echo "<5>$nonce start" >/dev/kmsg
		/rig/program </dev/null >/dev/ttyS1 2>&1
		status=\$?
		stty -F /dev/ttyS1 raw # waits until all is out
		finish "exit \$status"
	INIT
	cat >"$tmp/root/rig/program" <<-PROGRAM
		#!/rig/busybox sh
		export PATH=/bin:/usr/bin:/rig/bin HOME=/ TERM=dumb
		${LD_LIBRARY_PATH:+export LD_LIBRARY_PATH=$(quote "$LD_LIBRARY_PATH")}
		exec $(quote "${command[@]}")
	PROGRAM
	chmod 755 "$tmp/root/init" "$tmp/root/rig/program"
}

# place FILE DEST: FILE, with its libraries, at DEST as seen from our own working directory, which
# is the program's too: so what names a file here names it there.
place() {
	put "$1" "$(realpath -sm "$2")"
	put_libraries "$(realpath "$1")"
}

# make_initramfs NONCE
make_initramfs() {
	local entry name
	mkdir -p "$tmp/root/rig" "$tmp/root$PWD" "$tmp/root/bin"
	for entry in "${with[@]}"; do
		place "${entry%%:*}" "${entry#*:}" # without a colon both are the whole
	done
	place "${command[0]}" "${command[0]}"
	[ -e "$tmp/root/bin/sh" ] || ln -s /rig/busybox "$tmp/root/bin/sh"
	cp "$busybox" "$tmp/root/rig/busybox"
	while read -r name; do
		cp "$kernel/modules/$name.ko" "$tmp/root/rig/"
	done <"$kernel/modules/order"
	make_init "$1"
	(cd "$tmp/root" && find . | cpio --quiet -o -H newc --owner=0:0) >"$tmp/initramfs"
	rm -rf "$tmp/root"
}

# child COMMAND...: become COMMAND, to be ended with this script even when that is killed in a way
# that leaves no time for its trap.
child() { exec setpriv --pdeathsig KILL "$@"; }

start_qemu() {
	touch "$tmp/out" "$tmp/log"
	child qemu-system-x86_64 -nodefaults -no-user-config \
		-machine q35,sata=off,smbus=off,usb=off,vmport=off -accel "tcg,thread=$threads" \
		-cpu max,+svm -smp "$cpus" -m "$mem" -display none -no-reboot \
		-chardev "file,id=log,path=$tmp/log" -serial chardev:log \
		-chardev "file,id=out,path=$tmp/out" -serial chardev:out \
		-kernel "$kernel/vmlinuz" -initrd "$tmp/initramfs" \
		-append "console=ttyS0,115200 ignore_loglevel printk.devkmsg=on rdinit=/init \
reboot=t panic=-1 oops=panic tsc=reliable mitigations=off nokaslr i8042.noaux random.trust_cpu=on" \
		</dev/null >"$tmp/qemu" 2>&1 &
	qemu=$!
	children+=("$qemu")
	child tail -q -c +1 -s 0.1 -f --pid="$qemu" "$tmp/out" &
	reader=$!
	children+=("$reader")
	child sleep "$limit" &
	children+=("$!")
}

keep_log() {
	local kept
	kept=$(mktemp --tmpdir stock-kvm-XXXXXX.log)
	cat "$tmp/qemu" "$tmp/log" >"$kept" 2>/dev/null || true
	say "kernel messages: $kept"
}

# fail STATUS TEXT: the run ended otherwise than by the program's own exit.
fail() {
	keep_log
	die "$@"
}

# report NONCE: what our line in the kernel's log says.
report() {
	local said
	said=$(tr -d '\r' <"$tmp/log" | sed -n "s/^.*$1 \(exit\|broken\) /\1 /p" | tail -n 1)
	case $said in
	'exit '*)
		if grep -qE '\] (WARNING: |BUG: |kernel BUG |------------\[ cut)' "$tmp/log"; then
			say "the program ended, but the kernel complained"
			keep_log
		fi
		exit "${said#exit }"
		;;
	'broken '*) fail 3 "${said#broken }" ;;
	esac
	! grep -q "$1 start" "$tmp/log" || fail 4 "the kernel died under the program"
	fail 3 "the machine ended before the program was started: $(tail -n 1 "$tmp/qemu")"
}

command=()
parse_options "$@"
case ${command[0]} in
*/*) ;;
*) command[0]=$(type -P "${command[0]}") || die 2 "${command[0]}: not found" ;;
esac
for tool in qemu-system-x86_64 cpio setpriv busybox; do
	type -P "$tool" >/dev/null || die 77 "$tool is not installed"
done
busybox=$(type -P busybox)
! ldd "$busybox" >/dev/null 2>&1 || die 77 "busybox is not static: install busybox-static"
kernel=${kernel:-${XDG_CACHE_HOME:-$HOME/.cache}/umbra/stock-kvm}
"$here/fetch-kernel.sh" "$kernel" || exit $?

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
tmp=$(mktemp -d --tmpdir stock-kvm-XXXXXX)
nonce=rig-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
make_initramfs "$nonce"
start_qemu
ended=''
wait -n -p ended "$qemu" "${children[-1]}" || true
[ "$ended" = "$qemu" ] || end "$qemu"
wait "$reader" || true # all of the program's output is out
[ "$ended" = "$qemu" ] || fail 124 "no end after $limit s"
report "$nonce"
