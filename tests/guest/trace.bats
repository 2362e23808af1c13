#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# Traces of machines: files of each format, what is asked for and no more, blame of an address.

load common
load qmp

setup() {
	common_setup
	need_image
}
teardown() { common_teardown; }

# refused CODE TEXT WORDS...: one line "umbra: ...TEXT...; what to do".
refused() {
	local code=$1 text=$2
	shift 2
	LIMIT=90 ends "$code" --timeout 80 "$@"
	[ "$(wc -l <"$err")" -eq 1 ]
	[[ $(<"$err") == "umbra: "*"$text"*"; "?* ]]
}

@test "text, JSON lines and Chrome's format say the same of runs with one seed" {
	local f events=hidden_fault,true_fault,tracked_write,set_spte,drop_spte
	for f in text jsonl json; do
		ends 0 --cpu soft --seed 3 -m 64 --scenario demand-paging,invlpg \
			--trace "$events:$files/a.$f"
		[ ! -s "$err" ]
	done
	ends 0 --cpu soft --seed 3 -m 64 --scenario demand-paging,invlpg \
		--trace "$events:$files/b.text"
	cmp "$files/a.text" "$files/b.text"
	FILES=$files/a EVENTS=$events python3 -B - <<-'PY'
		import json, os
		path, events = os.environ["FILES"], set(os.environ["EVENTS"].split(","))
		text = open(path + ".text").read().splitlines()
		lines = [json.loads(l) for l in open(path + ".jsonl")]
		chrome = json.load(open(path + ".json"))["traceEvents"]
		chrome = [e for e in chrome if e["ph"] in "Xi"]
		assert len(text) == len(lines) == len(chrome) > 300, (len(text), len(lines), len(chrome))
		assert {l["event"] for l in lines} == events, {l["event"] for l in lines}
		for t, l, c in zip(text, lines, chrome):
		    words = t.split()
		    sec, ns = words[0].split(".")
		    assert int(sec) * 10**9 + int(ns) == l["ns"]
		    assert words[1] == "vcpu%d" % l["vcpu"] and c["tid"] == l["vcpu"]
		    assert words[2] == l["event"] == c["name"]
		    for k, v in l["arguments"].items():
		        assert words[words.index(k) + 1] == str(v) and c["args"][k] == v, (t, l)
		    assert c["args"]["seq"] == l["seq"]
		    assert abs(c["ts"] + c.get("dur", 0) - l["ns"] / 1000) < 1
		assert [l["seq"] for l in lines] == list(range(lines[0]["seq"], lines[0]["seq"] + len(lines)))
	PY
}

@test "a filter by vCPU and address" {
	ends 0 --cpu soft --seed 1 -c 2 -m 64 --scenario smp-threads \
		--trace "all:$files/t.jsonl" --trace-filter vcpu=1,address=10000000-1fffffff
	FILE=$files/t.jsonl python3 -B - <<-'PY'
		import json, os
		lines = [json.loads(l) for l in open(os.environ["FILE"])]
		assert lines
		for l in lines:
		    a = l["arguments"]
		    at = [int(a[k], 16) for k in ("gva", "gpa") if k in a]
		    at += [int(a["gfn"], 16) << 12] if "gfn" in a else []
		    assert l["vcpu"] == 1 and any(0x0ffff001 <= x <= 0x1fffffff for x in at), l
	PY
}

# A guest begins without paging, on the direct map; its first tables lose W there.
@test "frames that become tables, cease to be some, and the direct map that follows" {
	ends 0 --cpu soft --seed 1 -m 64 --scenario cow-fork --trace "*track_page,dmap*,drop_spte:$files/t.jsonl"
	FILE=$files/t.jsonl python3 -B - <<-'PY'
		import json, os
		lines = [json.loads(l) for l in open(os.environ["FILE"])]
		tracked, n = set(), {}
		for l in lines:
		    event, a = l["event"], l["arguments"]
		    n[event] = n.get(event, 0) + 1
		    if event == "track_page":
		        assert l["why"] == "track", l
		        tracked.add(a["gfn"])
		    elif event == "untrack_page":
		        assert a["gfn"] in tracked, l
		        tracked.remove(a["gfn"])
		    elif event == "dmap_change":
		        assert l["why"] == "track" and int(a["old"], 16) ^ int(a["new"], 16) == 2, l
		assert n["track_page"] > 20 and n["untrack_page"] > 10 and n["dmap_change"] >= 1, n
	PY
}

@test "without a file the trace is on the standard error" {
	ends 0 --cpu soft -m 64 --scenario invlpg --trace invlpg
	[ "$(grep -c ' invlpg ' "$err")" -gt 1 ]
	grep -q '^ok 1' "$out"
}

@test "a black box has the newest records, whatever ends the machine" {
	local box=$files/box
	ends 0 --cpu soft --seed 3 -m 64 --scenario demand-paging,invlpg --blackbox "hidden_fault,invlpg:$box" \
		--trace "hidden_fault:$files/t.jsonl"
	[ ! -s "$err" ]
	[ "$(stat -c %a "$box")" = 600 ]
	"$UMBRA" blackbox --events hidden_fault --format jsonl "$box" | cmp - "$files/t.jsonl"
	# Each format says the same, and the last are the last.
	"$UMBRA" blackbox "$box" >"$files/text"
	grep -q ' invlpg ' "$files/text"
	"$UMBRA" blackbox --last 7 "$box" | cmp - <(tail -n 7 "$files/text")
	"$UMBRA" blackbox --last 3 --events hidden_fault "$box" | cmp - <(grep hidden_fault "$files/text" | tail -n 3)
	"$UMBRA" blackbox --format chrome "$box" | python3 -c 'import json, sys
e = json.load(sys.stdin)["traceEvents"]
assert sum(x["ph"] in "Xi" for x in e) == int(sys.argv[1]), len(e)' "$(wc -l <"$files/text")"
	# While the machine lives, and when a signal has ended it that it could not catch.
	start --cpu soft --scenario bench-switch,bench-fork,spin -c 2 --blackbox "cr3,*_fault:$box"
	until_true 60 guest_is_up
	[ "$("$UMBRA" blackbox --last 10 "$box" | wc -l)" -le 10 ]
	sleep 2
	# Another machine's box of that name is another file.
	mv "$box" "$box.1"
	cp -l "$box.1" "$box"
	timeout 60 "$UMBRA" run --cpu soft -m 64 --scenario invlpg --blackbox "all:$box" >/dev/null </dev/null
	mv "$box.1" "$box"
	kill -KILL "$pid"
	status=0
	wait "$pid" || status=$?
	pid=
	[ "$status" -eq 137 ]
	"$UMBRA" blackbox --last 200 "$box" >"$files/text"
	[ "$(grep -cE '^ *[0-9.]+ vcpu[01] +(cr3|hidden_fault|true_fault|other_fault) ' "$files/text")" -ge 190 ]
	rm -r "$XDG_RUNTIME_DIR/umbra"
}

# no_box TEXT FILE
no_box() {
	status=0
	"$UMBRA" blackbox "$2" >"$out" 2>"$err" || status=$?
	said
	[ "$status" -eq 3 ]
	[[ $(<"$err") == "umbra: cannot read $2: "*"$1"*"; give the one that --blackbox named" ]]
	[ ! -s "$out" ]
}

@test "black boxes that are none" {
	local box=$files/box
	no_box 'No such file' "$files/none"
	no_box 'no black box' "$files"
	no_box 'no black box' /dev/null
	: >"$box"
	no_box 'no black box' "$box"
	ends 0 --cpu soft -m 64 --scenario invlpg --blackbox "all:$box"
	"$UMBRA" blackbox "$box" >"$files/good"
	# Cut off; another head; records of garbage, which are left out or whole lines.
	head -c 1000000 "$box" >"$files/short"
	no_box 'no black box' "$files/short"
	printf X | dd of="$box" bs=1 seek=24 conv=notrunc status=none
	no_box 'no black box' "$box"
	ends 0 --cpu soft -m 64 --scenario invlpg --blackbox "all:$box"
	head -c 3000000 /dev/urandom | dd of="$box" bs=4096 seek=1 conv=notrunc status=none
	timeout 60 "$UMBRA" blackbox "$box" >"$files/bad"
	timeout 60 "$UMBRA" blackbox --format jsonl "$box" | python3 -c 'import json, sys
for l in sys.stdin: json.loads(l)'
	refused 2 "'all' names no file" --blackbox all
	refused 2 "no event is called 'x'" --blackbox "x:$box"
	refused 3 "cannot write $files/none/b" --blackbox "all:$files/none/b"
	refused 3 "cannot write /dev/null" --cpu soft --blackbox all:/dev/null
	run -2 "$UMBRA" blackbox
	run -2 "$UMBRA" blackbox "$box" "$box"
	run -2 "$UMBRA" blackbox --events x "$box"
	run -2 "$UMBRA" blackbox --last 0 "$box"
}

@test "bad input" {
	refused 2 "no event is called 'x'" --trace x
	refused 2 "no event is called ''" --trace ''
	refused 2 "no event is called ''" --trace cr3,
	refused 2 "no event is called 'nothing*'" "--trace=all,nothing*:$files/x"
	refused 2 "the file's name is empty" --trace all:
	refused 2 "--trace-filter without --trace" --trace-filter vcpu=0
	refused 2 "'vcpu=64' is no filter" --trace all --trace-filter vcpu=64
	refused 2 "'address=5-4' is no filter" --trace all --trace-filter vcpu=1,address=5-4
	refused 2 "'cpu=1' is no filter" --trace all --trace-filter cpu=1
	refused 3 "cannot write $files/none/t" --trace "all:$files/none/t"
	[ -c /dev/full ] || skip "no /dev/full"
	LIMIT=90 ends 3 --cpu soft -m 64 --scenario invlpg --trace all:/dev/full
	grep -q 'cannot write /dev/full' "$err"
}

@test "events are switched while the guest runs, records read, none silently lost" {
	start --cpu soft --scenario bench-switch,bench-fork,spin
	until_true 60 guest_is_up
	PAGE=$BATS_TEST_DIRNAME/../../docs/umbra.1 client <<-'PY'
		def error(command, **arguments):
		    try:
		        c.execute(command, **arguments)
		    except qmp.Error as e:
		        return e
		    raise AssertionError(command)
		def state(name):
		    return c.execute("trace-event-get-state", name=name)
		assert len(state("*")) > 20 and all(e["state"] == "disabled" for e in state("*"))
		page = open(os.environ["PAGE"]).read().split("\nThe events:\n")[1].split("\n.El\n")[0]
		listed = [l[4:] for l in page.splitlines() if l.startswith(".It ")]
		assert listed == [e["name"] for e in state("*")], listed
		assert c.execute("trace-read") == {"records": [], "next": 0, "lost": 0, "more": False}
		for bad in ({"name": "nothing"}, {"name": "cr"}):
		    assert "unknown event" in error("trace-event-get-state", **bad).desc
		    assert "unknown event" in error("trace-event-set-state", enable=True, **bad).desc
		for bad in ({"max": 0}, {"max": 4097}, {"events": "x"}, {"events": ""}, {"since": -1}):
		    error("trace-read", **bad)
		assert error("trace-read", vcpu=7).error_class == "DeviceNotFound"
		c.execute("trace-event-set-state", name="*", enable=True)
		assert state("cr3")[0]["state"] == "enabled"
		since = got = lost = 0
		end = time.monotonic() + 3
		while time.monotonic() < end:
		    r = c.execute("trace-read", since=since, max=4096)
		    seqs = [x["seq"] for x in r["records"]]
		    assert seqs == sorted(set(seqs)) and (not seqs or since < seqs[0] and seqs[-1] <= r["next"])
		    assert r["next"] - since == len(seqs) + r["lost"], (since, r["next"], len(seqs), r["lost"])
		    since, got, lost = r["next"], got + len(seqs), lost + r["lost"]
		assert got > 1000, got
		c.execute("trace-event-set-state", name="*", enable=False)
		while c.execute("trace-read", since=since)["more"]:
		    since = c.execute("trace-read", since=since)["next"]
		c.execute("quit")
	PY
	ended 0 60
}

@test "blame names the instruction that wrote an entry, and what set the shadow's" {
	command -v addr2line >/dev/null || skip "no addr2line"
	start --cpu soft --mmu-option unsync=off --mmu-option flood=off --scenario "$(yes bench-fault | head -100 | paste -sd,)" -S
	IMAGE=$image.elf64 client <<-'PY'
		import subprocess
		def error(command, **arguments):
		    try:
		        c.execute(command, **arguments)
		    except qmp.Error as e:
		        return e
		    raise AssertionError(command)
		def blame(gva):
		    return c.execute("shadow-blame", gva=gva)
		c.execute("trace-event-set-state", name="*", enable=True)
		c.execute("cont")
		def stopped_in_a_process():
		    """The last page a process has faulted in; None: it has gone again."""
		    since, found = 0, None
		    c.execute("stop")
		    while True:
		        r = c.execute("trace-read", since=since, max=4096, events="true_fault",
		                      start="0x10000000", end="0x1fffffff")
		        found, since = (r["records"] or [found])[-1], r["next"]
		        if not r["more"]:
		            break
		    walk = found and c.execute("shadow-walk", gva=found["arguments"]["gva"])
		    return walk if walk and walk["guest"]["result"] == "mapped" and "mfn" in walk["user"] else None
		walk, deadline = None, time.monotonic() + 60
		while not walk and time.monotonic() < deadline:
		    c.execute("cont")
		    time.sleep(0.02)
		    walk = stopped_in_a_process()
		gva = walk["gva"]
		b = blame(gva)
		assert b["not-recorded"] == [] and b["consistent"], b
		leaf, mine = walk["guest"]["levels"][-1], [e for e in b["entries"] if e["side"] == "guest"]
		assert [(e["level"], e["gpa"], e["entry"]) for e in mine] == \
		       [(l["level"], l["gpa"], l["entry"]) for l in walk["guest"]["levels"]]
		# The guest's kernel has one function that stores entries.
		writes = [r for r in b["history"] if r["event"] == "tracked_write"
		          and int(r["arguments"]["gpa"], 16) == int(leaf["gpa"], 16)]
		assert writes, b
		def function(rip):
		    return subprocess.run(["addr2line", "-fe", os.environ["IMAGE"], rip],
		                          capture_output=True, text=True, check=True).stdout.split()[0]
		assert function(writes[-1]["rip"]).startswith("pte_"), writes[-1]
		ad = 0x60
		assert int(writes[-1]["arguments"]["new"], 16) | ad == int(leaf["entry"], 16) | ad, (writes, leaf)
		# The shadow's leaf was set for the fault, or because of that write.
		shadow = [e for e in b["entries"] if e["side"] == "user" and e["level"] == 1]
		assert len(shadow) == 1 and shadow[0]["by"]["event"] == "set_spte", b["entries"]
		assert shadow[0]["by"]["why"] in ("fault", "write", "prefetch"), shadow
		assert int(shadow[0]["by"]["arguments"]["new"], 16) == int(shadow[0]["entry"], 16)
		seqs = [r["seq"] for r in b["history"]]
		assert seqs == sorted(seqs)
		assert "not canonical" in error("shadow-blame", gva="0x800000000000").desc
		c.execute("quit")
	PY
	ended 0 60
}
