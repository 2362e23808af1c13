#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# The control socket of a machine that runs: what it says is so, and what it is told happens.

load common
load qmp

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

@test "greeting, negotiation, query-status, quit" {
	spinning
	PYTHONPATH=$BATS_TEST_DIRNAME SOCKET=$socket python3 -B - <<-'PY'
		import os, qmp
		c = qmp.Client.wait_for(os.environ["SOCKET"])
		assert c.greeting["capabilities"] == ["oob"]
		assert c.greeting["version"]["package"].startswith("umbra ")
		try:
		    c.execute("query-status")
		    assert False
		except qmp.Error as e:
		    assert e.error_class == "CommandNotFound"
		c.negotiate()
		assert c.execute("query-status") == \
		    {"running": True, "singlestep": False, "status": "running"}
		assert c.execute("query-name") == {"name": "t"}
		assert c.execute("quit") == {}
		c.wait_event("SHUTDOWN", 30)
	PY
	ended 0 60
}

@test "the socket: mode 0600, in umbra list while it lives, gone afterwards" {
	spinning
	[ "$(stat -c %a "$socket")" = 600 ]
	run "$UMBRA" list
	[ "$status" -eq 0 ]
	[[ $output =~ ^t\ +running\ +"$socket"$ ]]
	client <<<'c.execute("quit")'
	ended 0 60
	[ ! -e "$socket" ]
	[ "$("$UMBRA" list)" = "no running machines" ]
}

@test "stop and cont: the guest's code stands still in between" {
	spinning --cpus 2
	client <<-'PY'
		def spent():
		    total = 0
		    for cpu in c.execute("query-cpus-fast"):
		        path = "/proc/%s/task/%d/stat" % (os.environ["MACHINE"], cpu["thread-id"])
		        total += sum(map(int, open(path).read().rsplit(")", 1)[1].split()[11:13]))
		    return total
		def grows(seconds):
		    before = spent()
		    time.sleep(seconds)
		    return spent() - before
		def runs():  # on a busy host it may have to wait for its turn
		    return any(grows(0.5) > 5 for i in range(40))
		assert runs()
		c.execute("stop")
		assert c.wait_event("STOP", 30)
		assert c.execute("query-status")["status"] == "paused"
		assert grows(0.5) == 0
		c.execute("stop")
		c.execute("cont")
		assert c.wait_event("RESUME", 30)
		assert c.execute("query-status")["running"]
		assert runs()
		c.execute("quit")
	PY
	ended 0 60
}

@test "a guest that is stopped again and again passes all the same" {
	start --cpus 2
	client <<-'PY'
		times = 0
		try:
		    while True:
		        c.execute("stop")
		        c.execute("cont")
		        times += 1
		        time.sleep(0.005)
		except (qmp.Closed, qmp.Error, OSError):
		    pass
		print("stopped", times, "times")
		assert times > 10
	PY
	ended 0 300
	all_ok "$out"
}

@test "a machine that ends while it is stopped" {
	spinning --timeout 5 --cpus 2
	client <<<'c.execute("stop")'
	ended 124 30
}

@test "query-shadow-roots: live roots, each with its role" {
	spinning
	client <<-'PY'
		reply = c.execute("query-shadow-roots")
		roots = reply["roots"]
		assert roots and reply["generation"] > 0
		assert any(r["vcpus"] == [0] for r in roots)
		for r in roots:
		    assert int(r["mfn"], 16), r
		    role = r["role"]
		    assert role["level"] in (4, 5), r  # the software engine's have 5
		    assert role["view"] in ("kernel", "user"), r
		    # What is left of booting is nobody's.
		    assert not r["pins"] or int(r["gfn"], 16) and role["format"] == "4-level", r
		assert any(r["pins"] for r in roots)
		cr3 = c.execute("shadow-walk", gva="0x0")["guest"]["cr3"]
		assert any(r["pins"] and int(r["gfn"], 16) == int(cr3, 16) >> 12 for r in roots)
		c.execute("quit")
	PY
	ended 0 60
}

@test "shadow-walk: both paths end in the same frame" {
	type nm >/dev/null || skip "no nm"
	spin=0x$(nm "$image.elf64" | awk '$3 == "spin" { print $1 }')
	spinning
	export spin
	client <<-'PY'
		FRAME = 0x000ffffffffff000
		def walk(gva):
		    return c.execute("shadow-walk", gva=gva)
		def entry(level):
		    return int(level["entry"], 16)
		# What the guest is running right now: mapped on both sides.
		w = walk(os.environ["spin"])
		guest, shadow = w["guest"], w["kernel"]
		assert guest["result"] == "mapped", w
		assert [l["level"] for l in guest["levels"]] == [4, 3, 2, 1], w
		assert [l["level"] for l in shadow["levels"][-4:]] == [4, 3, 2, 1], w
		assert int(guest["gpa"], 16) == int(os.environ["spin"], 16) & 0x3fffffff, w
		assert entry(shadow["levels"][-1]) & FRAME == int(guest["gpa"], 16) & FRAME, w
		for g, s in zip(guest["levels"], shadow["levels"][-4:]):
		    assert int(g["gpa"], 16) >> 12 == int(s["gfn"], 16), w  # the table it shadows
		assert entry(shadow["levels"][-1]) & 2 == 0, w  # text
		# A large page that the guest need not have touched.
		w = walk("0xffff888000200000")
		guest = w["guest"]
		assert guest["gpa"] == "0x%016x" % 0x200000, w
		assert guest["levels"][-1]["level"] == 2 and entry(guest["levels"][-1]) & 0x80, w
		last = w["kernel"]["levels"][-1]
		if entry(last) & 1:
		    assert entry(last) & FRAME == 0x200000, w
		# What is not mapped, or no address at all.
		w = walk("0x700000000000")
		assert w["guest"]["result"] == "fault" and w["guest"]["error-code"] & 1 == 0, w
		assert walk("0x800000000000")["guest"]["result"] == "not-canonical"
		for bad in ({"gva": "12"}, {"gva": 12}, {"gva": "0x0", "vcpu": 1}, {}):
		    try:
		        c.execute("shadow-walk", **bad)
		        assert False, bad
		    except qmp.Error as e:
		        assert e.error_class in ("GenericError", "DeviceNotFound")
		c.execute("quit")
	PY
	ended 0 60
}

# A machine may end before it was audited often enough: then another.
@test "shadow-audit finds nothing while four CPUs work on their tables" {
	for ((audits = 0, machine = 0; audits <= 5 && machine < 9; machine++)); do
		start --cpus 4 --scenario smp-shootdown,smp-table-writes,smp-fork,smp-threads,smp-mprotect
		client >"$files/audits" <<-'PY'
			audits = 0
			try:
			    while audits < 60:  # then the guest has its processors to itself
			        found = c.execute("shadow-audit", stopped=audits % 2 == 0)
			        assert found["violations"] == 0 and found["report"] == "", found
			        live = c.execute("shadow-audit")
			        assert live["violations"] == 0 and live["mode"] == "live", live
			        audits += 1
			        for vcpu in range(4):
			            c.execute("shadow-walk", gva="0xffff888000100000", vcpu=vcpu)
			        c.execute("query-shadow-roots")
			        time.sleep(0.005)
			except (qmp.Closed, qmp.Error, OSError):
			    pass
			print(audits)
		PY
		ended 0 300
		all_ok "$out"
		audits=$((audits + $(<"$files/audits")))
	done
	[ "$audits" -gt 5 ]
}

@test "query-shadow-stats: the counts grow" {
	start --scenario demand-paging,cow-fork,fork-tree,fork-storm -S
	client <<-'PY'
		before = c.execute("query-shadow-stats")
		counts = {**before.pop("rcu"), **before}
		assert all(isinstance(v, int) for v in counts.values()), counts
		assert before["pf_taken"] == 0
		c.execute("cont")
		deadline = time.monotonic() + 20
		while True:
		    now = c.execute("query-shadow-stats")
		    if all(now[k] > before[k] for k in ("pf_taken", "pf_fixed", "cr3_loads", "tables_used")):
		        break
		    assert time.monotonic() < deadline, now
		again = c.execute("query-shadow-stats")
		assert again["pf_taken"] >= now["pf_taken"]
		assert again["tables_used"] <= again["tables_limit"]
		c.execute("quit")
	PY
	ended 0 60
}

@test "-S: nothing runs until cont" {
	start -S --scenario boot-tables
	until_true 60 test -S "$socket"
	sleep 0.3
	[ ! -s "$out" ]
	client <<-'PY'
		assert c.execute("query-status")["status"] == "prelaunch"
		assert c.execute("shadow-audit", stopped=True)["violations"] == 0
		c.execute("query-shadow-roots")
		c.execute("shadow-walk", gva="0x100000")
		c.execute("cont")
		c.wait_event("SHUTDOWN", 30)
	PY
	ended 0 60
	all_ok "$out"
}

@test "-S, then quit" {
	start -S
	client <<<'c.execute("quit")'
	ended 0 60
	[ ! -s "$out" ]
}

@test "a crash: GUEST_PANICKED, SHUTDOWN, exit code 4" {
	start -S --scenario crash-triple
	client <<-'PY'
		c.execute("cont")
		c.wait_event("GUEST_PANICKED", 30)
		c.wait_event("SHUTDOWN", 30)
	PY
	ended 4 20
}

@test "--qmp with wait=on starts with the first client" {
	socket=$XDG_RUNTIME_DIR/own.sock
	"$UMBRA" run --qmp "unix:$socket,wait=on" --scenario boot-tables >"$out" 2>"$err" 3>&- &
	pid=$!
	until_true 60 test -S "$socket"
	sleep 0.3
	[ ! -s "$out" ]
	client <<<'c.wait_event("SHUTDOWN", 30)'
	ended 0 30
	all_ok "$out"
}

@test "two machines: one name is one machine's" {
	spinning
	status=0
	timeout 20 "$UMBRA" run --name t --scenario boot-tables >"$files/out" 2>"$files/err" || status=$?
	cat "$files/err"
	[ "$status" -eq 3 ]
	grep -q 'a running machine answers there' "$files/err"
	"$UMBRA" run --name u --scenario boot-tables >"$files/out"
	all_ok "$files/out"
	client <<<'c.execute("quit")'
	ended 0 60
}

@test "a machine that was killed: its socket is replaced" {
	spinning
	kill -KILL "$pid"
	wait "$pid" || true
	[ -S "$socket" ]
	[[ $("$UMBRA" list) =~ ^t\ +not\ answering ]]
	ends 0 --name t --scenario boot-tables
}

@test "clients that send nonsense, hang up or say nothing disturb nobody" {
	spinning
	client <<-'PY'
		silent = [qmp.Client(os.environ["SOCKET"]) for i in range(8)]
		for junk in (b"\xff\xfe{]", b"{" * 4096, b'{"execute":"quit"', b"\0" * 1000, os.urandom(4096)):
		    d = qmp.Client(os.environ["SOCKET"])
		    d.send_raw(junk)
		    d.close()
		assert c.execute("query-status")["running"]
		c.execute("quit")
	PY
	ended 0 60
}

@test "GUEST_REPORT: what the guest reports of itself" {
	start -S --scenario boot-tables
	client <<-'PY'
		c.execute("cont")
		c.wait_event("GUEST_REPORT", 60)
		end = c.wait_event("SHUTDOWN", 60)
		assert end["data"] == {"guest": True, "reason": "guest-shutdown"}, end
		# What was held back for a second comes after it.
		last = c.wait_event("GUEST_REPORT", 60)
		assert "1 passed" in last["data"]["text"], last
	PY
	ended 0 60
}

@test "every command's reply is what query-qmp-schema says, while the guest works" {
	start --cpus 2 --scenario smp-fork,smp-mprotect,fork-storm,demand-paging
	until_true 60 guest_is_up
	FILES=$files client <<-'PY'
		schema = qmp.Schema(c.execute("query-qmp-schema"))
		assert set(schema.commands) == {x["name"] for x in c.execute("query-commands")}
		done = {"qmp_capabilities", "quit"}
		def run(command, **arguments):
		    done.add(command)
		    reply = c.execute(command, **arguments)
		    schema.check_reply(command, reply)
		    return reply
		plain = [n for n, e in schema.commands.items() if n not in done and all(
		    "default" in m for m in schema.types[e["arg-type"]]["members"])]
		first = ["shadow-flush", "system_reset", "query-shadow-page"]
		roots = run("query-shadow-roots")["roots"]
		used = [r for r in roots if r["vcpus"]][0]
		tables = run("query-shadow-page", gfn=used["gfn"])["pages"]
		assert tables and tables[0]["gfn"] == used["gfn"], tables
		page = run("query-shadow-page", table=used["mfn"], max=1)
		assert len(page["entries"]) <= 1, page
		for command in plain:
		    if command not in first:
		        run(command)
		for ring in 0, 3:
		    for access in "read", "write", "fetch":
		        for gva in "0xffff888000100000", "0x400000", "0xffff800000000000", "0x0":
		            run("shadow-explain", gva=gva, access=access, ring=ring)
		            run("shadow-walk", gva=gva)
		run("shadow-walk", gva="0x0", vcpu=1)
		def regions(view):
		    at, pages = "0x0", 0
		    while at:
		        dump = run("shadow-dump", view=view, start=at, max=50)
		        assert len(dump["regions"]) <= 50
		        at, pages = dump.get("next"), pages + len(dump["regions"])
		    return pages
		assert regions("guest")
		regions("user")
		# A tree that was just made has nothing in it until its vCPU has had a processor.
		deadline = time.monotonic() + 30
		while not regions("kernel"):
		    assert time.monotonic() < deadline
		run("shadow-audit", stopped=True)
		run("query-rcu", measure=True)
		for target in "vm", "vcpu":
		    run("query-stats", target=target)
		path = c.execute("query-cpus-fast")[1]["qom-path"]
		one = run("query-stats", target="vcpu", vcpus=[path],
		          providers=[{"provider": "umbra", "names": ["pf_taken"]}])
		assert [s["name"] for s in one[0]["stats"]] == ["pf_taken"] and len(one) == 1, one
		run("human-monitor-command", command_line="info mem")
		run("memsave", val=0xffff888000100000, size=16, filename=os.environ["FILES"] + "/m")
		run("pmemsave", val=0, size=16, filename=os.environ["FILES"] + "/m")
		run("trace-event-get-state", name="*")
		run("trace-event-set-state", name="set_spte", enable=True)
		run("shadow-blame", gva="0xffff888000100000")
		run("trace-read", since=0)
		run("shadow-set", name="large", value="off")
		run("shadow-flush")
		run("system_reset")
		assert done == set(schema.commands), set(schema.commands) - done
		c.execute("query-status")
		for e in c.events:
		    schema.check(schema.events[e["event"]]["arg-type"], e.get("data", {}), e["event"])
		c.execute("quit")
	PY
	ended 0 60
}

@test "1,000 connections at once: 64 are served, the machine does not mind" {
	ulimit -n 4096 2>/dev/null || skip "no 4096 descriptors"
	spinning
	client <<-'PY'
		import socket
		held = []
		for i in range(1000):
		    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		    s.connect(os.environ["SOCKET"])
		    s.settimeout(10)
		    held.append(s)
		assert c.execute("query-status")["running"]
		greeted = sum(b"QMP" in s.recv(65536) for s in held)
		assert greeted == 63, greeted
		for s in held:
		    s.close()
		c.execute("quit")
	PY
	ended 0 60
}
