#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Looking at a machine from outside, and steering it: what the monitor shows is what QEMU's shows of the
# same image; what is looked at while vCPUs run is never torn; what is changed leaves the guest alone.

load common
load qmp

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

# reference GUEST COMMAND...: what QEMU's monitor says of the image when it has halted, in $files/qemu.
reference() {
	local guest=$1
	shift
	have_qemu || skip "no qemu-system-x86_64"
	timeout 60 qemu-system-x86_64 -machine q35 -accel tcg -cpu max -m 64 -smp 1 \
		-kernel "$UMBRA_GUEST_DIR/umbra-guest-$guest" -append "cpus=1 seed=0 scenario=hang" \
		-display none -monitor none -serial "file:$files/serial" -no-reboot \
		-qmp "unix:$files/q,server=on,wait=off" </dev/null 3>&- &
	SOCKET=$files/q SERIAL=$files/serial PYTHONPATH=$BATS_TEST_DIRNAME python3 -B - "$@" \
		>"$files/qemu" <<-'PY'
		import os, sys, time, qmp
		c = qmp.Client.wait_for(os.environ["SOCKET"])
		c.negotiate()
		while "1..1" not in open(os.environ["SERIAL"]).read():
		    time.sleep(0.05)
		while "HLT=1" not in c.execute("human-monitor-command", command_line="info registers"):
		    time.sleep(0.05)
		for command in sys.argv[1:]:
		    print(c.execute("human-monitor-command", command_line=command))
		c.execute("quit")
	PY
	wait $!
	rm -f "$files/q" "$files/serial"
}

# QEMU keeps the last 132 KiB of RAM for its tables: so much less has ours.
halted() {
	start -m 65404K --seed 0 --scenario hang --guest "$@"
	until_true 60 guest_is_up
	client <<-'PY'
		deadline = time.monotonic() + 60
		def monitor(line):
		    return c.execute("human-monitor-command", command_line=line)
		while "HLT=1" not in monitor("info registers") and time.monotonic() < deadline:
		    time.sleep(0.05)
		c.execute("stop")
		for line in os.environ["COMMANDS"].split(";"):
		    print(monitor(line))
		assert "unknown command" in monitor("info nonsense")
		c.execute("quit")
	PY
}

# alike GUEST COMMANDS WORDS...: both say the same to each command of the list.
alike() {
	local guest=$1 commands=$2
	shift 2
	[ -e "$UMBRA_GUEST_DIR/umbra-guest-$guest" ] || skip "no guest image for $guest"
	mapfile -td ';' list < <(printf %s "$commands")
	reference "$guest" "${list[@]}"
	COMMANDS=$commands halted "$guest" "$@" >"$files/umbra"
	diff "$files/qemu" "$files/umbra"
	[ "$(grep -c . "$files/umbra")" -gt 1000 ]
	ended 0 60
}

@test "info tlb, info mem, xp, gva2gpa say what QEMU's say of the same image, halted" {
	alike amd64 "info tlb;info mem;xp/4xw 0x100000;gva2gpa 0xffff888000001000;gva2gpa 0x700000000000;x/2xg 0x700000000000;xp/2ob 0x100000;xp/3dh 0x100000"
}

@test "info tlb of five levels is QEMU's" {
	alike la57 "info tlb" --cpu soft
}

@test "info tlb and info mem of PAE are QEMU's" {
	alike pae "info tlb;info mem" --cpu soft
}

@test "info tlb and info mem of two levels are QEMU's" {
	alike i386 "info tlb;info mem" --cpu soft
}

# A machine that is reset comes up again, whatever it was doing, and can then pass.
resets() {
	start --scenario spin "$@"
	until_true 60 guest_is_up
	client <<-'PY'
		up = lambda: open(os.environ["OUT"]).read().count("1..")
		for i in range(3):
		    before = up()
		    c.execute("system_reset")
		    event = c.wait_event("RESET", 60)
		    assert event["data"]["reason"] == "host-qmp-system-reset", event
		    deadline = time.monotonic() + 60
		    while up() == before:
		        assert time.monotonic() < deadline
		        time.sleep(0.05)
		    assert c.execute("shadow-audit", stopped=True)["violations"] == 0
		# A stopped machine stays so, and shows the state after reset.
		c.execute("stop")
		before = up()
		c.execute("system_reset")
		assert not c.execute("query-status")["running"]
		registers = c.execute("human-monitor-command", command_line="info registers")
		assert "CR0=00000011" in registers or "CR0=60000011" in registers, registers
		time.sleep(0.3)
		assert up() == before
		c.execute("cont")
		deadline = time.monotonic() + 60
		while up() == before:
		    assert time.monotonic() < deadline
		    time.sleep(0.05)
		c.execute("quit")
	PY
	ended 0 60
}

@test "system_reset: the guest boots again" {
	OUT=$out resets
}

@test "system_reset on two cpus, on each engine" {
	OUT=$out resets --cpus 2 --cpu soft
	OUT=$out resets --cpus 2 --cpu soft --soft-threads off
	need_kvm
	OUT=$out resets --cpus 2 --cpu kvm
	OUT=$out resets --cpus 2 --cpu hybrid
}

# resets_devices WORDS...: with a capture under way and an interrupt pending. Each time the kernel finds
# what it found the first time, and nobody writes into its memory. RESETS of them.
resets_devices() {
	: >"$out"
	start --exact off "$@" "$files/devices"
	OUT=$out client <<-'PY'
		def lines(word):
		    text = open(os.environ["OUT"]).read().replace("\r", "")
		    return [l for l in text.split("\n")[:-1] if l.startswith(word)]
		def boots(n):
		    deadline = time.monotonic() + 60
		    while len(lines("armed")) < n:
		        assert time.monotonic() < deadline, lines("")
		        time.sleep(0.02)
		boots(1)
		first = lines("found")[0].split()
		assert first[1] == "50414355" and first[10] == "50575355", first
		assert all(int(x, 16) == 0 for x in first[2:10] + first[11:16] + first[17:]), first
		for i in range(4):
		    time.sleep(0.05)
		    c.execute("system_reset")
		    boots(i + 2)
		assert [l.split() for l in lines("found")] == [first] * 5, lines("found")
		c.execute("quit")
	PY
	ended 0 60
}

@test "system_reset with a DMA under way and an interrupt pending, on each engine" {
	command -v as >/dev/null || skip "no assembler"
	as --32 -o "$files/devices.o" "$BATS_TEST_DIRNAME/devices.S"
	ld -m elf_i386 -N -Ttext 0x100000 -o "$files/devices" "$files/devices.o"
	resets_devices --cpu soft
	resets_devices --cpu soft --soft-threads off
	need_kvm
	resets_devices --cpu kvm
	resets_devices --cpu hybrid
}

@test "stop and cont with four cpus, on each engine" {
	local engine
	for engine in "soft" "soft --soft-threads off" kvm hybrid; do
		[[ $engine == soft* ]] || need_kvm
		# shellcheck disable=SC2086 # words
		start --cpus 4 --scenario smp-shootdown,smp-fork,smp-threads,smp-table-writes,smp-mprotect --cpu $engine
		client <<-'PY'
			times = 0
			try:
			    while True:
			        c.execute("stop")
			        c.execute("human-monitor-command", command_line="info registers",
			                  cpu_index=times % 4)
			        c.execute("cont")
			        times += 1
			        time.sleep(0.01)
			except (qmp.Closed, qmp.Error, OSError):
			    pass
			assert times > 5, times
		PY
		ended 0 100
		all_ok "$out"
	done
}

@test "clients that look without pause see nothing wrong and stop nobody" {
	start --cpus 4 --scenario smp-shootdown,smp-table-writes,smp-fork,smp-threads,smp-mprotect
	until_true 60 guest_is_up # before that its text may be writable
	client <<-'PY'
		rounds = 0
		try:
		    while True:
		        for vcpu in range(4):
		            for view in "guest", "kernel", "user":
		                dump = c.execute("shadow-dump", view=view, vcpu=vcpu, merge=True)
		                last = -1
		                for r in dump["regions"]:
		                    assert int(r["gva"], 16) > last, dump
		                    last = int(r["gva"], 16)
		            try:
		                diff = c.execute("shadow-diff", vcpu=vcpu, start="0xffff888000000000")
		                assert diff["counts"]["wrong"] == 0, diff
		            except qmp.Error as e:
		                assert e.error_class == "DeviceNotActive", e
		            for access in "read", "write", "fetch":
		                x = c.execute("shadow-explain", gva="0xffff888000100000", vcpu=vcpu,
		                              access=access, ring=0)
		                if access == "write":
		                    assert x["outcome"] == "true-fault", x
		                    assert any(r["bit"] == "W" for r in x["reasons"]), x
		        live = c.execute("shadow-audit")
		        assert live["violations"] == 0, live
		        c.execute("query-shadow-shootdowns")
		        c.execute("query-rcu")
		        rounds += 1
		except (qmp.Closed, OSError):
		    pass
		except qmp.Error as e:
		    assert e.error_class == "DeviceNotActive", e
		print(rounds, "rounds")
		assert rounds
	PY
	ended 0 100
	all_ok "$out"
}

# torn WORDS...: ten clients ask without pause while storms rage; what they get can be, and the guest passes.
torn() {
	start --cpus 4 --scenario smp-storm,mm-storm,exec-storm --append size=3 -S "$@"
	client <<-'PY'
		import look_check
		asked = look_check.Clients(10, os.environ["SOCKET"], 256 << 20, 4)
		c.execute("cont")
		requests, consistent, torn = asked.end(kill=False)
		print(requests, "requests,", consistent, "walks of one moment")
		assert not torn, torn
		assert requests > 20 and consistent
	PY
	ended 0 200
	all_ok "$out"
}

@test "ten clients during storms see nothing torn" {
	torn --cpu soft
}

@test "ten clients during storms see nothing torn, on KVM" {
	need_kvm
	torn --cpu kvm
}

# The checks above, held against replies that were spoilt one by one.
@test "what is torn is seen" {
	spinning --cpu soft
	client <<-'PY'
		import copy, look_check
		gva = "0xffff888000100000"
		dump = {v: c.execute("shadow-dump", view=v) for v in ("guest", "kernel")}
		walk = c.execute("shadow-walk", gva=gva)
		assert walk["consistent"] and len(walk["kernel"]["levels"]) > 3

		class Canned:
		    def __init__(self, reply):
		        self.reply = reply
		    def execute(self, command, **arguments):
		        return self.reply

		def torn(kind, reply, spoil):
		    k = look_check.Checker(256 << 20, 1, kind)
		    reply = copy.deepcopy(reply)
		    spoil(reply)
		    k.step(Canned(reply))
		    return k.torn

		def change(path, key, how):
		    def spoil(reply):
		        for p in path:
		            reply = reply[p]
		        reply[key] = how(reply[key])
		    return spoil
		flip = lambda bits: lambda text: "0x%016x" % (int(text, 16) ^ bits)
		nothing = lambda reply: None
		for kind, reply in (0, dump["guest"]), (1, dump["kernel"]), (3, walk):
		    assert not torn(kind, reply, nothing), torn(kind, reply, nothing)
		for kind, reply in (0, dump["guest"]), (1, dump["kernel"]):
		    at = ["regions", 1]
		    for key, how in (("entry", flip(1)), ("entry", flip(0x20)), ("entry", flip(0x1000)), ("entry", flip(1 << 63)),
		                     ("gpa", flip(1 << 40)), ("gpa", flip(0x1000)), ("gva", flip(1 << 62)),
		                     ("gva", flip(0x800)), ("page-size", lambda n: 2 * n), ("size", lambda n: n + 1),
		                     ("level", lambda n: n + 1)):
		        assert torn(kind, reply, change(at, key, how)), (kind, key)
		    assert torn(kind, reply, lambda r: r["regions"].reverse())
		for side in "guest", "kernel":
		    for i in range(len(walk[side]["levels"]) - 1):
		        assert torn(3, walk, change([side, "levels", i], "entry", flip(0x1000))), (side, i)
		        assert torn(3, walk, change([side, "levels", i], "entry", flip(1))), (side, i)
		        assert torn(3, walk, lambda r: r[side]["levels"].pop(i or 1)), (side, i)
		assert torn(3, walk, change(["kernel", "levels", -1], "gfn", flip(1)))
		assert not torn(3, dict(walk, consistent=False), change(["kernel", "levels", -1], "gfn", flip(1)))
		assert torn(6, {"violations": 1}, nothing)
		assert torn(7, {"counts": {"wrong": 1}, "differences": []}, nothing)
		c.execute("quit")
	PY
	ended 0 60
}

# Of each of the machine's threads that is nicer than its main one: by how much, and the processor time, in ticks, that
# it has had.
nicer() {
	local main
	main=$(cut -d' ' -f19 "/proc/$pid/stat")
	awk -v main="$main" '$19 != main { print $19 - main, $14 + $15 }' /proc/"$pid"/task/*/stat
}
used() { nicer | cut -d' ' -f2; }

@test "the control thread gives way where vCPUs are short of processors, and only there" {
	[ "$(nice)" -le 12 ] || skip "we are nice ourselves"
	spinning --cpu soft --cpus "$(nproc)"
	[ "$(nicer | cut -d' ' -f1)" = 7 ]
	# And it is answered all the same.
	client <<<'[c.execute("shadow-dump") for i in range(20)]; c.execute("quit")'
	ended 0 60
	[ "$(nproc)" -gt 1 ] || skip "one processor"
	spinning --cpu soft --cpus 1
	[ -z "$(nicer)" ]
	client <<<'c.execute("quit")'
	ended 0 60
}

@test "clients that ask without pause get no more than the share that is theirs" {
	[ "$(nice)" -le 12 ] || skip "we are nice ourselves"
	spinning --cpu soft --cpus "$(nproc)"
	local before after began cs
	began=$(date +%s%N)
	before=$(used)
	client <<<'
end = time.monotonic() + 4
n = 0
while time.monotonic() < end:
    c.execute("shadow-dump")
    n += 1
assert n > 5, n'
	after=$(used)
	cs=$((($(date +%s%N) - began) / 10000000))
	# 2 % of each processor's time and what is saved up, 0.1 s; as much again for what ticks miss.
	[ $((after - before)) -le $((2 * (cs * $(nproc) / 50 + 10) * $(getconf CLK_TCK) / 100)) ]
	client <<<'c.execute("quit")'
	ended 0 60
}

@test "blame says of a table out of step that stores to it are not seen" {
	start --cpus 4 --scenario mm-storm --append size=20 --cpu soft -S
	client <<-'PY'
		c.execute("trace-event-set-state", name="*", enable=True)
		c.execute("cont")
		seen = set()
		deadline = time.monotonic() + 60
		while seen != {True, False} and time.monotonic() < deadline:
		    time.sleep(0.05)
		    c.execute("stop")
		    for vcpu in range(4):
		        for r in c.execute("shadow-dump", vcpu=vcpu, end="0x7fffffffffff")["regions"][::7]:
		            b = c.execute("shadow-blame", gva=r["gva"], vcpu=vcpu)
		            for e in b["entries"]:
		                assert ("unsync" in e) == (e["side"] == "guest"), e
		                if e["side"] != "guest" or e["level"] > 1:
		                    continue
		                pages = c.execute("query-shadow-page", gfn="%#x" % (int(e["gpa"], 16) >> 12))["pages"]
		                if pages:
		                    assert e["unsync"] == pages[0]["unsync"], (e, pages)
		                assert e["unsync"] == ("out of step: nobody sees" in e["text"]), e
		                seen.add(e["unsync"])
		    c.execute("cont")
		assert seen == {True, False}, seen
		c.execute("quit")
	PY
	ended 0 60
}

# switched ROUNDS WORDS...: each technique off and on, ROUNDS times over, while the guest works. A flush
# is dear where KVM shadows our tables: the gate stores to each of their entries.
switched() {
	local rounds=$1
	shift
	start --cpus 2 "$@"
	ROUNDS=$rounds client <<-'PY'
		times = 0
		try:
		    for i in range(int(os.environ["ROUNDS"])):
		        for o in c.execute("shadow-set")["options"]:
		            if o["changeable"]:
		                c.execute("shadow-set", name=o["name"], value="off")
		                c.execute("shadow-flush")
		                c.execute("shadow-set", name=o["name"], value="on")
		                times += 1
		            else:
		                try:
		                    c.execute("shadow-set", name=o["name"], value="off")
		                    assert False
		                except qmp.Error as e:
		                    assert e.error_class == "DeviceNotActive", e
		        assert c.execute("shadow-audit", stopped=True)["violations"] == 0
		except qmp.Closed:
		    pass
		except qmp.Error as e:
		    assert e.error_class == "DeviceNotActive", e
		assert times > 5, times
	PY
	ended 0 100
	all_ok "$out"
}

@test "shadow-flush and shadow-set while the guest works: it passes all the same" {
	switched 20 --cpu soft
	need_kvm
	switched 1
}

@test "memsave and pmemsave write what is there" {
	spinning
	FILES=$files client <<-'PY'
		name = os.environ["FILES"] + "/m"
		c.execute("pmemsave", val=0x100000, size=8192, filename=name)
		physical = open(name, "rb").read()
		assert len(physical) == 8192 and physical[:4] == bytes.fromhex("02b0ad1b")
		c.execute("memsave", val="0xffff888000100000", size=8192, filename=name)
		assert open(name, "rb").read() == physical
		assert os.stat(name).st_mode & 0o777 == 0o600
		for bad in ({"val": 1 << 60, "size": 1, "filename": name},
		            {"val": 0, "size": 1 << 62, "filename": name},
		            {"val": 0, "size": 1, "filename": "/dev/null"},
		            {"val": 0, "size": 1, "filename": "/nowhere/x"}):
		    try:
		        c.execute("pmemsave", **bad)
		        assert False, bad
		    except qmp.Error as e:
		        assert e.error_class == "GenericError"
		c.execute("quit")
	PY
	ended 0 60
}

@test "a root that has gone, a table that is none, an address that is none" {
	spinning
	client <<-'PY'
		def refused(command, error_class, **arguments):
		    try:
		        c.execute(command, **arguments)
		    except qmp.Error as e:
		        assert e.error_class == error_class, (command, arguments, e)
		    else:
		        assert False, (command, arguments)
		dead = [r["mfn"] for r in c.execute("query-shadow-roots")["roots"] if not r["vcpus"]]
		c.execute("shadow-flush")
		for root in dead + ["0x0", "0xffffffffffffffff"]:
		    for command in "shadow-dump", "shadow-diff":
		        refused(command, "DeviceNotFound", root=root)
		    refused("shadow-walk", "DeviceNotFound", gva="0x0", root=root)
		    refused("query-shadow-page", "DeviceNotFound", table=root)
		refused("query-shadow-page", "GenericError")
		refused("shadow-walk", "GenericError", gva="0x0", root="0x1", vcpu=0)
		refused("shadow-explain", "GenericError", gva="0x0", ring=4)
		refused("shadow-explain", "DeviceNotFound", gva="0x0", vcpu=7)
		x = c.execute("shadow-explain", gva="0x800000000000")
		assert x["outcome"] == "not-canonical" and not x["reasons"], x
		c.execute("quit")
	PY
	ended 0 60
}
