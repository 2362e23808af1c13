#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# umbractl: against machines that run, against none, and against servers that are none.

load common
load qmp

setup() {
	common_setup
	ctl=$(realpath "${builddir:-$BATS_TEST_DIRNAME/../../build}/umbractl")
	server=
}
teardown() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	common_teardown
}

# ctl CODE WORDS...: it ends with CODE; what it printed is in $files/o and $files/e.
ctl() {
	local code=$1
	shift
	status=0
	timeout -k 5 "${LIMIT:-60}" "$ctl" "$@" >"$files/o" 2>"$files/e" </dev/null || status=$?
	echo "umbractl $*: $status"
	head -n 40 "$files/o" "$files/e"
	[ "$status" -eq "$code" ]
}
said_one_line() {
	[ "$(wc -l <"$files/e")" -eq 1 ]
	[[ $(<"$files/e") == "umbractl: "*"$1"* ]]
}
narrow() { [ "$(wc -L <"$files/o")" -le 100 ]; }

@test "wrong words: one line, and exit code 2" {
	ctl 2
	said_one_line "no command"
	ctl 2 nonsense
	said_one_line "unknown command"
	ctl 2 walk
	said_one_line "umbractl walk GVA"
	ctl 2 walk 1 2
	said_one_line "too many words"
	ctl 2 status --ring 0
	said_one_line "status has no option --ring"
	ctl 2 dump --format nonsense
	said_one_line "--format"
	ctl 2 dump --range 5-4
	said_one_line "no range"
	ctl 2 explain 1 --access execute
	said_one_line "no access"
	ctl 0 --help
	ctl 0 --version
}

@test "no machine, a dead one, several: one line each" {
	ctl 3 status
	said_one_line "no machine runs"
	ctl 3 -s nobody status
	said_one_line "no such machine"
	python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$files/dead"
	ctl 3 -s "$files/dead" status
	said_one_line "has gone"
	ctl 3 -s "$files/$(printf 'x%.0s' {1..200})" status
	said_one_line "107 bytes"
	need_image
	"$UMBRA" run --name b --scenario spin --cpu soft >/dev/null 2>&1 </dev/null 3>&- &
	local other=$!
	spinning --cpu soft
	until_true 60 test -S "$XDG_RUNTIME_DIR/umbra/b.sock"
	ctl 2 status
	said_one_line "several machines run"
	[[ $(<"$files/e") == *"b, t"* || $(<"$files/e") == *"t, b"* ]]
	ctl 0 -s b quit
	wait "$other"
	ctl 0 status
	grep -q '^name *t$' "$files/o"
	ctl 0 quit
	ended 0 60
}

@test "every command on a machine that runs, as text and as JSON" {
	need_image
	spinning --cpu soft --cpus 2
	local words
	while read -r words; do
		# shellcheck disable=SC2086 # words
		ctl 0 $words
		narrow
		# shellcheck disable=SC2086 # words
		ctl 0 $words --json
		python3 -c 'import json,sys; [json.loads(l) for l in sys.stdin]' <"$files/o"
	done <<-'END'
		status
		pause
		cont
		roots
		walk 0xffff888000100000
		walk 0
		walk 0x800000000000
		explain 0xffff888000100000 --access write --ring 0
		explain 0 --vcpu 1
		dump
		dump --view both
		dump --range 0xffff888000000000-0xffff888000000fff
		diff
		diff --view shadow
		audit
		audit --stopped
		stats
		stats --watch --count 2
		rcu --measure
		shootdowns
		set
		set prefetch=off
		flush
		inject
		inject kick pass=3 count=0
		reset
	END
	ctl 0 quit
	ended 0 60
}

@test "walk and explain name entry, bit and level" {
	need_image
	spinning --cpu soft
	ctl 0 walk 0xffff888000100000
	grep -qE '^ +guest, 4-level +shadow, kernel' "$files/o"
	[ "$(grep -cE '^L[1-4] ' "$files/o")" -eq 4 ]
	grep -qE '^frame +gpa 0000000000100000 ' "$files/o"
	grep -q 'real frame: mfn .* for gfn 100, RAM' "$files/o"
	ctl 0 explain 0xffff888000100000 --access write --ring 0
	grep -q 'true-fault' "$files/o"
	grep -q 'guest entry of level 1 is .*: W is 0' "$files/o"
	ctl 1 walk 0 --root 0x1
	said_one_line DeviceNotFound
	ctl 1 qmp '{"execute":"nonsense"}'
	grep -q CommandNotFound "$files/o"
	ctl 0 quit
	ended 0 60
}

# qemu_tlb IMAGE: QEMU's info tlb of the image when it has halted, in $files/qemu; with so much RAM that ours equals it.
qemu_tlb() {
	have_qemu || skip "no qemu-system-x86_64"
	timeout 60 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 64 -smp 1 \
		-kernel "$1" -append "cpus=1 seed=0 scenario=hang" \
		-display none -monitor none -serial "file:$files/serial" -no-reboot \
		-qmp "unix:$files/q,server=on,wait=off" </dev/null 3>&- &
	SOCKET=$files/q SERIAL=$files/serial PYTHONPATH=$BATS_TEST_DIRNAME python3 -B - \
		>"$files/qemu" <<-'PY'
		import os, time, qmp
		c = qmp.Client.wait_for(os.environ["SOCKET"])
		c.negotiate()
		while "1..1" not in open(os.environ["SERIAL"]).read():
		    time.sleep(0.05)
		while "HLT=1" not in c.execute("human-monitor-command", command_line="info registers"):
		    time.sleep(0.05)
		text = c.execute("human-monitor-command", command_line="info tlb")
		print(text.replace("\r", ""), end="")
		c.execute("quit")
	PY
	wait $!
}
halted() {
	ctl 0 qmp '{"execute":"human-monitor-command","arguments":{"command-line":"info registers"}}' &&
		grep -q HLT=1 "$files/o"
}

# dumped GUEST WORDS...: umbractl prints what QEMU does.
dumped() {
	local guest=$1
	shift
	image=$UMBRA_GUEST_DIR/umbra-guest-$guest
	need_image
	qemu_tlb "$image"
	start -m 65404K --seed 0 --scenario hang --guest "$guest" "$@"
	until_true 60 guest_is_up
	until_true 60 halted
	ctl 0 pause
	ctl 0 dump --format qemu
	diff "$files/qemu" "$files/o"
	[ "$(wc -l <"$files/o")" -gt 100 ]
	ctl 0 quit
	ended 0 60
}

@test "dump --format qemu is what QEMU's info tlb says of the same image, halted" {
	dumped amd64 --cpu soft
}

@test "dump --format qemu of the same image on KVM is QEMU's" {
	need_kvm
	dumped amd64 --cpu kvm
}

@test "dump --format qemu of five levels is QEMU's" {
	dumped la57 --cpu soft
}

@test "dump --format qemu of PAE is QEMU's" {
	dumped pae --cpu soft
}

@test "dump --format qemu of two levels is QEMU's" {
	dumped i386 --cpu soft
}

@test "ptdump: ranges and holes cover the address space without gap" {
	need_image
	spinning --cpu soft
	for view in guest shadow; do
		ctl 0 dump --format ptdump --view $view
		narrow
		python3 - "$files/o" <<-'PY'
			import re, sys
			at = None
			for line in open(sys.argv[1]):
			    if line.startswith("---["):
			        assert at in (None, 1 << 64), hex(at)
			        at = 0
			    m = re.match(r"0x([0-9a-f]{16})-0x([0-9a-f]{16}) ", line)
			    if m:
			        first, last = (int(g, 16) for g in m.groups())
			        assert first == at, line
			        at = last + 1
			assert at == 1 << 64
		PY
	done
	grep -q 'writable and executable' "$files/o"
	ctl 0 quit
	ended 0 60
}

@test "dot: Graphviz takes the graph" {
	need_image
	command -v dot >/dev/null || skip "no dot"
	spinning --cpu soft
	for view in guest shadow both; do
		ctl 0 dump --format dot --view $view
		timeout 60 dot -Tsvg "$files/o" >"$files/svg"
		grep -q '</svg>' "$files/svg"
		grep -q '<g id="edge1"' "$files/svg"
	done
	ctl 0 quit
	ended 0 60
}

@test "report: one file, nothing half done" {
	need_image
	spinning --cpu soft
	ctl 0 report "$files/r.html"
	head -c 15 "$files/r.html" | grep -qi '<!doctype html'
	[ "$(stat -c %a "$files/r.html")" = "$(printf %o $((0666 & ~$(umask))))" ]
	ctl 3 report "$files/no/r.html"
	said_one_line "can't write"
	[ -z "$(find "$files" -name '*.html.*')" ]
	ctl 0 quit
	ended 0 60
}

@test "shell: lines are commands, on one connection" {
	need_image
	spinning --cpu soft
	printf '# a remark\n\nstatus\n  qmp {"execute": "query-name"}\nset "prefetch=off"\n' >"$files/in"
	status=0
	timeout 60 "$ctl" shell <"$files/in" >"$files/o" 2>"$files/e" || status=$?
	[ "$status" -eq 0 ]
	grep -qF '{"return":{"name":"t"}}' "$files/o"
	grep -qE '^prefetch +no' "$files/o"
	printf 'walk\nshell\nstatus -s x\nset "a\nstatus\nquit\n' >"$files/in"
	status=0
	timeout 60 "$ctl" shell <"$files/in" >"$files/o" 2>"$files/e" || status=$?
	[ "$status" -eq 2 ]
	[ "$(wc -l <"$files/e")" -eq 4 ]
	grep -q '^status *running' "$files/o"
	ended 0 60
}

@test "watching a machine that ends: one line" {
	need_image
	spinning --cpu soft
	(sleep 1 && kill -KILL "$pid") 3>&- &
	ctl 3 stats --watch
	said_one_line "the machine has"
	wait $!
	until_true 60 gone "$pid"
	wait "$pid" || true
	pid=
	rm "$socket"
	nothing_left
}

# fake PROGRAM: a server whose connections run PROGRAM, Python with s the socket.
fake() {
	cat >"$files/fake.py" <<-PY
		import os, socket, sys, time
		l = socket.socket(socket.AF_UNIX)
		l.bind(sys.argv[1])
		l.listen(8)
		greeting = b'{"QMP":{"version":{},"capabilities":[]}}\r\n'
		def ok(s, n, value=b"{}"):
		    s.recv(65536)
		    s.sendall(b'{"return":' + value + b',"id":%d}\r\n' % n)
		while True:
		    s, _ = l.accept()
		    try:
		        $1
		    except OSError:
		        pass
		    s.close()
	PY
	[ -z "$server" ] || kill "$server"
	rm -f "$files/f"
	python3 -B "$files/fake.py" "$files/f" 3>&- &
	server=$!
	until_true 20 test -S "$files/f"
}

# lied TEXT: against the fake, it ends within time and memory, with one line that has TEXT.
lied() {
	status=0
	(ulimit -v 1000000 && exec timeout -k 1 20 "$ctl" -s "$files/f" --timeout 2 dump) \
		>"$files/o" 2>"$files/e" </dev/null || status=$?
	head -c 300 "$files/e"
	[ "$status" -eq 3 ]
	said_one_line "$1"
}

@test "servers that are none: silence, drops, floods, nonsense, lies" {
	fake 'time.sleep(30)'
	lied "no answer within 2 s"
	fake 'pass'
	lied "closed the control socket"
	fake 's.sendall(b"\0\xff nonsense\n")'
	lied "no object of JSON"
	fake 's.sendall(b"[" * 100000 + b"\n")'
	lied "no object of JSON"
	fake 's.sendall(b"{\"QMP\":[" + b"0," * 3000000 + b"0]}\n")'
	lied "no object of JSON"
	fake 's.sendall(b"{}\n")'
	lied "no greeting"
	fake 'exec("while True: s.sendall(b\"x\" * 65536)")'
	lied "a line of more than"
	fake 'exec("s.sendall(greeting)\nwhile True: s.sendall(b\"{\\\"event\\\":\\\"X\\\"}\\n\")")'
	lied "no answer within 2 s"
	fake 'exec("while True: s.sendall(b\" \"); time.sleep(0.1)")'
	lied "no answer within 2 s"
	fake 's.sendall(greeting); ok(s, 7)'
	lied "no reply to '1'"
	fake 's.sendall(greeting); ok(s, 1); ok(s, 2, b"{\"regions\":[7,{}],\"next\":\"0x0\"}")'
	lied "don't go forward"
}

@test "what a server sends is no command to the terminal" {
	fake 's.sendall(greeting); ok(s, 1); ok(s, 2, b"{\"name\":\"a\\u001b[31mb\\u009bc\"}"); ok(s, 3); ok(s, 4)'
	ctl 0 -s "$files/f" status
	run ! grep -qP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$files/o"
	grep -q 'a.\[31mb..c' "$files/o"
}
