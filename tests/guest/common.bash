# SPDX-License-Identifier: BSD-2-Clause
# What the tests share that run machines. Each test has a working directory, a runtime directory
# and a folder for temporary files of its own, all empty, and at its end they must be so again.
# shellcheck disable=SC2034 # used by the tests

bats_require_minimum_version 1.5.0

# Scenarios of every family, for machines that differ little from one which runs all of them. UMBRA_LONG=1, as
# make check-long sets it, runs all instead.
broad=boot-tables,exceptions,wp-bit,invlpg,global-pages,large-pages,ad-bits,self-map,alias
broad+=,syscalls,user-fault,demand-paging,brk,mprotect,mmap-munmap,cow-fork,fork-tree
broad+=,timer-preempt,smp-boot,ipi,smp-shootdown,smp-table-writes,smp-fork,smp-atomic
broad+=,smp-threads,smp-mprotect,mremap-fail,smp-mremap,quicklists,share-fork,share-zap,cpa-rights
broad+=,cpa-large,cpa-cache,cpa-smp,pagealloc,file-map,file-sync,rmap,gather-count,gup-storm
broad+=,exec,madvise,pipe,signal-fault,kill,mm-storm,smp-storm,swap,swap-fork,swap-clock
broad+=,dma-table,reserved,capture-device
[ -z "${UMBRA_LONG-}" ] || broad=all
few=(--scenario "$broad")

common_setup() {
	: "${srcdir:=$BATS_TEST_DIRNAME/../..}"
	: "${builddir:=$srcdir/build}"
	: "${UMBRA:=$builddir/umbra}"
	UMBRA=$(realpath "$UMBRA")
	export UMBRA_GUEST_DIR=${UMBRA_GUEST_DIR:-$builddir/guest}
	UMBRA_GUEST_DIR=$(realpath -m "$UMBRA_GUEST_DIR")
	image=$UMBRA_GUEST_DIR/umbra-guest-amd64
	pid=
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run TMPDIR=$BATS_TEST_TMPDIR/tmp
	export UMBRA_TEST=$BATS_TEST_TMPDIR # how this test's processes are known
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err files=$BATS_TEST_TMPDIR/files
	mkdir "$XDG_RUNTIME_DIR" "$TMPDIR" "$BATS_TEST_TMPDIR/cwd" "$files"
	cd "$BATS_TEST_TMPDIR/cwd" || return 1
}

# End what a failed test has left running.
common_teardown() {
	local p
	for p in $(machines); do
		kill -KILL "$p" 2>/dev/null || true
	done
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || true
}

# pagealloc_was_on FILE: in a run with these statistics free tables were out of the direct map, no
# change of it asked for another, and none was left out.
pagealloc_was_on() {
	python3 - "$1" <<-'PY'
		import json, sys
		d = json.load(open(sys.argv[1]))["shadow"]["direct_map"]
		assert d["holes"] > 0, d
		assert d["pagealloc_depth"] == 1 and d["pagealloc_missed"] == 0, d
	PY
}

need_image() { [ -e "$image" ] || skip "no guest image $image"; }
need_kvm() {
	local why
	need_image
	why=$(python3 -B "$BATS_TEST_DIRNAME/kvm-works.py") || skip "${why:-no python3}"
}

# machines: the processes of umbra that this test started, whoever their parent is by now.
machines() {
	local f
	for f in $(grep -lzsxF "UMBRA_TEST=$UMBRA_TEST" /proc/[0-9]*/environ); do
		f=${f%/environ}
		case $(cat "$f/comm" 2>/dev/null) in umbra | lt-umbra) echo "${f#/proc/}" ;; esac
	done
}

# nothing_left: no process, no socket, no temporary file, no core.
nothing_left() {
	local left
	left=$(machines)
	[ -z "$left" ] || echo "left running: $left"
	[ -z "$left" ]
	left=$(find "$XDG_RUNTIME_DIR" "$TMPDIR" . -mindepth 1 ! -path "$XDG_RUNTIME_DIR/umbra")
	[ -z "$left" ] || echo "left behind: $left"
	[ -z "$left" ]
}

said() {
	echo "status $status"
	grep -a -B2 '^not ok' "$out" || true
	tail -n 30 "$out"
	head -c 6000 "$err"
}

# ends CODE WORDS...: `umbra run WORDS` ends with CODE and leaves nothing behind. $LIMIT seconds
# are the test's own limit; to reach it is a failure whatever CODE is.
ends() {
	local code=$1
	shift
	status=0
	timeout -k 5 "${LIMIT:-300}" "$UMBRA" run "$@" >"$out" 2>"$err" </dev/null || status=$?
	echo "umbra run $*"
	said
	[ "$status" -eq "$code" ]
	[ "$code" -ne 124 ] || grep -q '^umbra: no result after ' "$err"
	nothing_left
}

# start WORDS...: `umbra run WORDS` in the background, as $pid; the others of a test find it by
# its name, which is t.
start() {
	: >"$out" # now, lest the last machine's be taken for this one's
	: >"$err"
	"$UMBRA" run --name t "$@" >"$out" 2>"$err" </dev/null 3>&- &
	pid=$!
	socket=$XDG_RUNTIME_DIR/umbra/t.sock
}

# until_true SECONDS COMMAND...: waits for COMMAND to succeed.
until_true() {
	local i limit=$1
	shift
	for ((i = 0; i < limit * 20; i++)); do
		! "$@" || return 0
		sleep 0.05
	done
	echo "not within $limit s: $*"
	return 1
}

gone() { ! kill -0 "$1" 2>/dev/null; }
guest_is_up() { grep -q '^1\.\.' "$out"; }

# ended CODE SECONDS: what start began ends by itself with CODE, and leaves nothing behind.
ended() {
	local p=$pid
	until_true "$2" gone "$p"
	pid=
	status=0
	wait "$p" || status=$?
	said
	[ "$status" -eq "$1" ]
	nothing_left
}

# results FILE: its scenario lines, without what depends on the number of CPUs.
results() { tr -d '\r' <"$1" | grep -E '^(not )?ok [0-9]+ - ' | sed 's/ # SKIP.*//'; }

# What ran ended as it did there, in the same order.
as_reference() {
	local left="$files/ran"
	results "$out" | sed 's/^\(.*ok\) [0-9]* /\1 /' >"$left"
	diff <(results "$BATS_FILE_TMPDIR/reference" | sed 's/^\(.*ok\) [0-9]* /\1 /' |
		grep -Fxf "$left") "$left"
}

# all_ok FILE: as many results as were planned, none of them "not ok".
all_ok() {
	local planned
	planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$1")
	[ "$(grep -c '^ok ' "$1")" = "$planned" ]
	[ "$(grep -c '^not ok' "$1")" = 0 ]
}

# qemu IMAGE CPUS FILE: what the image prints on a machine that is not Umbra.
have_qemu() { command -v qemu-system-x86_64 >/dev/null; }
qemu() {
	local status=0
	timeout 300 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 256 -smp "$2" \
		-kernel "$1" -append "cpus=$2" -display none -monitor none -serial stdio \
		-no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 >"$3" </dev/null || status=$?
	[ "$status" -eq 33 ]
}
