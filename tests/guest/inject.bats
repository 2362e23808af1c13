#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Trouble by the control socket: points that fail and stall while a guest runs. It passes all the same,
# or it was told why it can't.

load common

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

# client: runs the Python program on stdin, with c a negotiated client of the machine.
client() {
	PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1 SOCKET=$socket \
		timeout 100 python3 -c '
import os, sys, time, qmp
c = qmp.Client.wait_for(os.environ["SOCKET"])
c.negotiate()
exec(compile(sys.stdin.read(), "client", "exec"))'
}

@test "inject-fault: the points, arguments, and what is refused" {
	start -S --scenario spin --cpu soft
	client <<-'PY'
		points = c.execute("inject-fault")
		names = [p["point"] for p in points]
		assert len(set(names)) == len(names) >= 16, names
		for n in ("kick", "answer", "shadow-table", "window", "pool-window", "pool-map", "thread-windows",
		          "direct-map", "trace", "grace-period"):
		    assert n in names, n
		for p in points:
		    assert (p["pass"], p["count"], p["stall-ms"], p["hits"]) == (0, 0, 0, 0), p
		r = c.execute("inject-fault", **{"point": "kick", "pass": 3, "count": 2, "stall-ms": 4})
		assert r == [{"point": "kick", "pass": 3, "count": 2, "stall-ms": 4, "hits": 0}], r
		assert c.execute("inject-fault", **{"point": "kick"})[0]["count"] == 0
		for bad, cls in (({"point": "moon"}, "DeviceNotFound"), ({"point": 3}, "GenericError"),
		                 ({"point": "kick", "count": -1}, "GenericError")):
		    try:
		        c.execute("inject-fault", **bad)
		        assert False, bad
		    except qmp.Error as e:
		        assert e.error_class == cls, (bad, e)
		c.execute("quit")
	PY
	ended 0 5
}

@test "tables and records fail now and then: every scenario passes" {
	start -S --cpus 2 --cpu soft
	client <<-'PY'
		c.execute("inject-fault", **{"point": "shadow-table", "pass": 20, "count": 10})
		c.execute("inject-fault", **{"point": "record", "pass": 100, "count": 10})
		c.execute("inject-fault", **{"point": "grace-period", "stall-ms": 5})
		c.execute("cont")
		for i in range(100):
		    try:
		        p = {x["point"]: x for x in c.execute("inject-fault")}
		    except (qmp.Error, OSError, qmp.Closed):
		        break
		    if p["shadow-table"]["hits"] == 10 and p["record"]["hits"] == 10:
		        open(os.environ["BATS_TEST_TMPDIR"] + "/hit", "w").close()
		        break
		    time.sleep(.1)
	PY
	ended 0 100
	[ -e "$BATS_TEST_TMPDIR/hit" ]
}

# No lowmem: all looks at memory are through windows.
@test "windows and what is made late can't be had now and then: every scenario passes, the trace's client is told" {
	start -S --cpus 2 --cpu soft --seed 1 --lowmem 0 --scenario boot-tables,mmap-munmap,cow-fork,smp-fork
	client <<-'PY'
		for point, spare in (("direct-map", 0), ("pool-map", 0), ("thread-windows", 0), ("window", 1000)):
		    c.execute("inject-fault", **{"point": point, "pass": spare, "count": 3})
		c.execute("inject-fault", point="trace", count=1)
		try:
		    c.execute("trace-event-set-state", name="flush", enable=True)
		    assert False
		except qmp.Error as e:
		    assert "memory" in str(e), e
		c.execute("trace-event-set-state", name="flush", enable=True)
		c.execute("cont")
	PY
	ended 0 100
	all_ok "$out"
}

# The host gives no more windows: the machine can't go on, says so and leaves nothing behind.
@test "no windows any more: the machine ends, and says why" {
	for point in window thread-windows; do
		start -S --cpus 2 --cpu soft --seed 1 --lowmem 0
		POINT=$point client <<-'PY'
			c.execute("inject-fault", **{"point": os.environ["POINT"], "count": 1000000})
			c.execute("cont")
		PY
		ended 3 60
		grep -q '^umbra: vCPU 0: .* failed: out of memory' "$err"
	done
}

reported() {
	grep -qE 'umbra: vCPU [01] has not left the guest for another 5 s \(mode 2, requests 0' "$err"
}

# It still ends in what it was asked for: nothing is freed before the vCPU has answered.
@test "a vCPU that does not answer for 5 s is reported with its state, and waited for" {
	start -S --scenario smp-shootdown,smp-mprotect,smp-threads,smp-mremap,smp-share,smp-fork,smp-storm,mm-storm --cpus 2 --cpu soft
	client <<-'PY'
		c.execute("inject-fault", **{"point": "answer", "stall-ms": 5600})
		c.execute("cont")
	PY
	until_true 180 reported
	client <<<'c.execute("inject-fault", point="answer")'
	ended 0 300
}

@test "kicks are lost: they are made again" {
	need_kvm
	start -S --scenario smp-shootdown,smp-mprotect,smp-fork --cpus 2 --cpu kvm
	client <<-'PY'
		c.execute("inject-fault", **{"point": "kick", "count": 50})
		c.execute("cont")
	PY
	ended 0 100
}
