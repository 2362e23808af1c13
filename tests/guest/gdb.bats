#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# A machine under a debugger, on every engine: what a client of the protocol sees and what becomes of the
# guest, and GDB itself where there is one.

load common

setup() {
	common_setup
	need_image
	elf=$image.elf64
	stub=$BATS_TEST_TMPDIR/gdb.sock
}
teardown() { common_teardown; }

# debugged WORDS...: a machine that waits for a debugger.
debugged() { start -S --gdb "unix:$stub" "$@"; }

# debugger: runs the Python program on stdin, with c a client of the machine's stub.
debugger() {
	PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1 STUB=$stub ELF=$elf \
		timeout 300 python3 -c '
import os, re, subprocess, sys, time, gdb
c = gdb.Client(os.environ["STUB"])
c.no_ack()
c.ask("qSupported:swbreak+;hwbreak+")
c.description()
def sym(*names):
    return gdb.symbols(os.environ["ELF"], *names)
exec(compile(sys.stdin.read(), "debugger", "exec"))'
}

# look ENGINE: the first breakpoint lies where nothing is mapped yet.
look() {
	debugged --cpu "$1" --cpus 2
	debugger <<-'PY'
		main, kernel = sym("runner_main", "kernel_main")
		assert c.ask("?").startswith("T02thread:1;")
		assert c.ask("qfThreadInfo") == "m1,2"
		assert c.reg("cr0") & 1 << 31 == 0 and c.read(main, 1) is None
		c.ok("Z0,%x,1" % main)
		sig, why = c.go()
		assert sig == 5 and why == {"thread": "1", "swbreak": ""}, (sig, why)
		assert c.reg("rip") == main
		assert c.reg("cr0") >> 31 & 1 and c.reg("efer") & 0x500 == 0x500 and c.reg("cr4") & 0x20

		# The bytes are the image's, through the tables and past them; the breakpoint is not among them.
		text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", os.environ["ELF"],
		                       "--start-address=%d" % main, "--stop-address=%d" % (main + 200)],
		                      check=True, capture_output=True, text=True).stdout
		code = re.findall(r"^\s*([0-9a-f]+):\s+(\S+)", text, re.M)
		assert int(code[0][0], 16) == main
		virtual = c.read(main, 32)
		c.ok("Qqemu.PhyMemMode:1")
		assert c.read(main & 0x7fffffffff, 32) == virtual
		top = int.from_bytes(c.read(c.reg("cr3") + 8 * (main >> 39 & 511), 8), "little")
		assert top & 1, hex(top)
		c.ok("Qqemu.PhyMemMode:0")
		out = subprocess.run(["objcopy", "-O", "binary", "--only-section=.text", os.environ["ELF"],
		                      "/dev/stdout"], check=True, capture_output=True).stdout
		assert virtual in out

		# Each step is the next instruction of the listing, until one that goes elsewhere.
		steps = 0
		for (at, insn), (then, _) in zip(code, code[1:]):
		    assert c.reg("rip") == int(at, 16), (at, insn)
		    if insn[0] == "j" or insn in ("call", "ret"):
		        break
		    sig, why = c.go("vCont;s:1")
		    assert sig == 5 and why == {"thread": "1"}, why
		    steps += 1
		assert steps >= 3, steps
		assert c.console("gva2gpa 0x%x" % main) == "gpa: %#x\n" % (main & 0x7fffffffff)
		assert "RIP=%016x" % c.reg("rip") in c.console("info registers")

		# What would break the machine is refused.
		assert c.set_reg("rip", 1 << 63) == "E16" and c.set_reg("cr3", 0) == "E16"
		assert c.read(0x123456789000, 8) is None and c.write(0x123456789000, b"x") == "E0e"
		c.ok("D")
	PY
	ended 0 300
	all_ok "$out"
}

@test "soft: registers, memory, steps; after detach the suite passes" { look soft; }
@test "hybrid: registers, memory, steps; after detach the suite passes" {
	need_kvm
	look hybrid
}
@test "kvm: registers, memory, steps; after detach the suite passes" {
	need_kvm
	look kvm
}

# change ENGINE: what is written is there; all vCPUs come to a breakpoint, each once.
change() {
	debugged --cpu "$1" --cpus 4 --scenario brk,mprotect "${@:2}"
	debugger <<-'PY'
		ap, chosen, passed = sym("ap_main", "run_and_report", "passed")

		def over(thread, at):
		    """As GDB does it: the others stand still meanwhile, so none can slip by."""
		    c.ok("z0,%x,1" % at)
		    sig, why = c.go("vCont;s:%s" % thread)
		    assert sig == 5 and why == {"thread": thread}, why
		    c.ok("Z0,%x,1" % at)

		c.ok("Z0,%x,1" % ap)
		c.ok("Z1,%x,1" % chosen)
		seen = []
		while True:
		    sig, why = c.go()
		    at = c.reg("rip")
		    assert sig == 5 and "swbreak" in why
		    if at == chosen:
		        break
		    assert at == ap
		    seen.append(why["thread"])
		    over(why["thread"], at)
		assert sorted(seen) == ["2", "3", "4"], seen

		# The number of the scenario is the first argument, and is printed.
		assert c.reg("rdi") == 1
		assert c.set_reg("rdi", 77) == "OK"
		c.ok("z1,%x,1" % chosen)
		c.ok("z0,%x,1" % ap)

		# Every store to a counter, and it is made.
		c.ok("Z2,%x,4" % passed)
		for n in (1, 2):
		    sig, why = c.go()
		    assert sig == 5 and int(why["watch"], 16) == passed, why
		    assert c.read(passed, 4) == bytes([n, 0, 0, 0]), c.read(passed, 4)
		c.ok("z2,%x,4" % passed)
		assert c.write(passed, bytes([42, 0, 0, 0])) == "OK"
		c.ok("D")
	PY
	ended 0 120
	grep -q '^ok 77 - ' "$out"
	grep -q '^# 42 passed' "$out"
}

@test "soft: breakpoints on 4 vCPUs, writes, watchpoints" { change soft; }
@test "hybrid: breakpoints on 4 vCPUs, writes, watchpoints" {
	need_kvm
	change hybrid
}
@test "kvm: breakpoints on 4 vCPUs, writes, watchpoints" {
	need_kvm
	change kvm
}
@test "soft in one thread: breakpoints on 4 vCPUs, writes, watchpoints" { change soft --soft-threads off; }

# spins ENGINE [WORDS...]
spins() {
	debugged --cpu "$1" --cpus 2 --scenario spin "${@:2}"
	debugger <<-'PY'
		spin, = sym("spin")
		c.send("vCont;c")
		end = time.monotonic() + 60
		while True:
		    time.sleep(0.3)
		    c.interrupt()
		    sig, why = c.stopped(c.receive())
		    assert sig == 2, sig
		    if any(c.ask("Hg%d" % t) == "OK" and spin <= c.reg("rip") < spin + 32 for t in (1, 2)):
		        break
		    assert time.monotonic() < end
		    c.send("vCont;c")
		# A step of one vCPU leaves the other where it is.
		t = 1 if c.ask("Hg1") == "OK" and spin <= c.reg("rip") < spin + 32 else 2
		c.ok("Hg%d" % (3 - t))
		other = c.reg("rip")
		for i in range(20):
		    sig, why = c.go("vCont;s:%x" % t)
		    assert sig == 5 and why == {"thread": str(t)}
		    assert spin <= c.reg("rip") < spin + 32
		c.ok("Hg%d" % (3 - t))
		assert c.reg("rip") == other
		# All at rest, nobody runs.
		before = [c.ask("Hg%d" % i) and c.ask("g") for i in (1, 2)]
		time.sleep(0.3)
		assert before == [c.ask("Hg%d" % i) and c.ask("g") for i in (1, 2)]
		c.send("k")
	PY
	ended 0 60
}

@test "soft: the interrupt byte, steps of one vCPU alone, kill" { spins soft; }
@test "soft in one thread: the interrupt byte, steps of one vCPU alone, kill" {
	spins soft --soft-threads off
}
@test "hybrid: the interrupt byte, steps of one vCPU alone, kill" {
	need_kvm
	spins hybrid
}
@test "kvm: the interrupt byte, steps of one vCPU alone, kill" {
	need_kvm
	spins kvm
}

@test "the end of the machine, as an exit or as a signal" {
	debugged --cpu soft --scenario brk
	debugger <<<'assert c.ask("vCont;c") == "W00"'
	ended 0 60
	debugged --cpu soft --scenario crash-triple
	debugger <<<'assert c.ask("vCont;c") == "X06"'
	ended 4 60
}

@test "the socket: mode 0600, one client; one that hangs up or sends garbage harms nothing" {
	debugged --cpu soft --scenario brk
	until_true 20 test -S "$stub"
	[ "$(stat -c %a "$stub")" = 600 ]
	debugger <<-'PY'
		main, = sym("runner_main")
		assert gdb.hung_up_on(os.environ["STUB"])
		c.ok("Z0,%x,1" % main)
		c.go()
		c.sock.sendall(bytes(range(256)) * 64 + b"$" + b"m" * 100000 + b"#00")
		assert c.ask("qC") == "QC1"
		# Hangs up with a breakpoint ahead and half a packet sent.
		c.ok("Z0,%x,1" % sym("run_and_report")[0])
		c.sock.sendall(b"$vCont;")
	PY
	ended 0 60
	all_ok "$out"
	[ ! -e "$stub" ]
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# listens PORT: the local addresses with a listener there, as the kernel writes them.
listens() {
	awk -v port="$(printf ':%04X' "$1")" \
		'FNR > 1 && $4 == "0A" && index($2, port) { sub(":.*", "", $2); print $2 }' /proc/net/tcp*
}
is_listening() { [ -n "$(listens "$1")" ]; }

@test "tcp: at the loopback address and nowhere else, one client" {
	local port
	port=$(free_port)
	start -S --gdb "tcp::$port" --cpu soft --scenario brk
	until_true 20 is_listening "$port"
	[ "$(listens "$port")" = 0100007F ]
	stub=127.0.0.1:$port debugger <<-'PY'
		import socket
		# No other address of this host's answers there.
		port = int(os.environ["STUB"].split(":")[1])
		out = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
		for host in out + ["127.0.0.2", "::1"]:
		    try:
		        socket.create_connection((host, port), 5).close()
		        assert False, host
		    except OSError:
		        pass
		# A second client is hung up on; the first one does not notice.
		for i in range(5):
		    assert gdb.hung_up_on(os.environ["STUB"])
		main, = sym("runner_main")
		c.ok("Z0,%x,1" % main)
		c.go()
		assert c.reg("rip") == main and c.ask("qC") == "QC1"
		c.ok("D")
	PY
	ended 0 60
	all_ok "$out"
	run ! is_listening "$port"
}

@test "tcp: the next client is served when one has gone; a port that is taken; a host by its name" {
	local port
	port=$(free_port)
	start -S --gdb "tcp:localhost:$port" --cpu soft --scenario spin
	until_true 20 is_listening "$port"
	[[ $(listens "$port") == 0100007F || $(listens "$port") == 00000000000000000000000001000000 ]]
	for _ in 1 2 3; do
		stub=localhost:$port debugger <<<'assert c.ask("?").startswith("T"); c.ok("D")'
	done
	LIMIT=60 timeout 60 "$UMBRA" run --cpu soft --scenario brk --gdb "tcp:localhost:$port" >"$files/o" 2>"$files/e" </dev/null ||
		status=$?
	[ "$status" -eq 3 ]
	grep -q "^umbra: --gdb: can't listen at localhost port $port: Address already in use; " "$files/e"
	stub=localhost:$port debugger <<<'c.send("k")'
	ended 0 60
}

@test "places that are none" {
	local where
	for where in tcp: tcp:: tcp::x tcp::65536 tcp:1234x unix: udp::1 "unix:$(printf 'x%.0s' {1..200})"; do
		ends 2 --cpu soft --gdb "$where"
		grep -q -e '--gdb' "$err"
	done
	ends 3 --cpu soft --gdb "unix:$BATS_TEST_TMPDIR/none/x"
}

@test "a 32-bit guest is described as one" {
	[ -e "${image%amd64}i386.elf32" ] || skip "no i386 image"
	elf=${image%amd64}i386.elf32
	debugged --guest i386 --scenario brk
	debugger <<-'PY'
		assert "<architecture>i386<" in c.description()
		main, = sym("runner_main")
		c.ok("Z0,%x,1" % main)
		c.go()
		assert c.reg("eip") == main and c.read(main, 4)
		c.ok("D")
	PY
	ended 0 60
}

# with_gdb ENGINE: over a UNIX socket; with $port, over TCP.
with_gdb() {
	command -v gdb >/dev/null || skip "no gdb"
	if [ -n "${port-}" ]; then
		start -S --gdb "tcp::$port" --cpu "$1" --cpus 2
		until_true 20 is_listening "$port"
		stub=127.0.0.1:$port
	else
		debugged --cpu "$1" --cpus 2
		until_true 20 test -S "$stub"
	fi
	timeout 120 gdb -nx -batch -ex 'set pagination off' -ex "file $elf" \
		-ex "target remote $stub" -ex 'break runner_main' -ex continue -ex 'stepi' -ex 'stepi' \
		-ex 'info registers rip cr3 fs_base' -ex 'info threads' -ex 'x/2i runner_main' \
		-ex 'print $efer & 0x400' -ex 'print $xmm0.uint128' -ex 'monitor gva2gpa $rip' \
		-ex 'maintenance packet Qqemu.PhyMemMode:1' -ex 'x/4xb $cr3' \
		-ex 'maintenance packet Qqemu.PhyMemMode:0' -ex 'watch passed' -ex 'continue' \
		-ex 'delete' -ex 'detach' >"$BATS_TEST_TMPDIR/gdb.out" 2>&1 </dev/null
	cat "$BATS_TEST_TMPDIR/gdb.out"
	grep -q 'hit Breakpoint 1, runner_main' "$BATS_TEST_TMPDIR/gdb.out"
	grep -q '<runner_main+1[01]>' "$BATS_TEST_TMPDIR/gdb.out"
	grep -q 'Thread 2 (CPU#1' "$BATS_TEST_TMPDIR/gdb.out"
	grep -q '= 1024$' "$BATS_TEST_TMPDIR/gdb.out"
	grep -q '^New value = 1$' "$BATS_TEST_TMPDIR/gdb.out"
	grep -q 'detached' "$BATS_TEST_TMPDIR/gdb.out"
	ended 0 300
	all_ok "$out"
}

@test "GDB itself, soft" { with_gdb soft; }
@test "GDB itself, over TCP" { port=$(free_port) && with_gdb soft; }
@test "GDB itself, hybrid" {
	need_kvm
	with_gdb hybrid
}
@test "GDB itself, kvm" {
	need_kvm
	with_gdb kvm
}
