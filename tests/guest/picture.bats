#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck disable=SC2154 # common_setup sets them
# The picture of a machine in a browser: what it shows, by keyboard and mouse, light, dark and printed,
# and of models that lie.

load common
load qmp

setup() {
	common_setup
	demo=$(realpath "$builddir/tools/ctl/picture-demo")
	[ -x "$demo" ] || skip "no picture-demo is built"
}
teardown() { common_teardown; }

# browse: runs the Python program on stdin, with b a browser and page(MODEL, FRAGMENT) what opens one.
browse() {
	command -v chromium >/dev/null || skip "no chromium"
	PYTHONPATH=$BATS_TEST_DIRNAME PYTHONDONTWRITEBYTECODE=1 DEMO=$demo FILES=$files \
		timeout -k 5 300 python3 -c '
import json, os, subprocess, sys, time, browser, picture_models as models
FILES = os.environ["FILES"]
def write(model):
    with open(FILES + "/page.html", "wb") as f:
        subprocess.run([os.environ["DEMO"]], input=json.dumps(model).encode(), stdout=f, check=True)
def page(model, fragment=""):
    write(model)
    b.open(FILES + "/page.html", fragment)
def rows(selector):
    return b.js("[...document.querySelectorAll(%s + \" tbody tr\")].map((r) => [...r.children].map((c) => c.textContent))"
                % json.dumps(selector))
with browser.Browser() as b:
    exec(compile(sys.stdin.read(), "browse", "exec"))
    assert not b.messages, b.messages
    foreign = [r for r in b.requests if not r.startswith("file://" + FILES) and r != "about:blank"]
    assert not foreign, foreign'
}

@test "the page holds the model, as data and nothing else" {
	PYTHONPATH=$BATS_TEST_DIRNAME DEMO=$demo timeout 60 python3 -B - <<-'PY'
		import json, os, subprocess, picture_models as models
		for model in models.small(), models.hostile(), models.poisoned(models.small()):
		    page = subprocess.run([os.environ["DEMO"]], input=json.dumps(model).encode(),
		                          stdout=subprocess.PIPE, check=True).stdout.decode()
		    start = page.index('id="model">') + 11
		    data = page[start:page.index("</script", start)]
		    assert "<" not in data
		    assert json.loads(data) == json.loads(json.dumps(model))
		    assert page.endswith("</html>\n") and page.count("</script>") == 2, page.count("</script>")
		    outside = page[:start] + page[start + len(data):]
		    assert "http://" not in outside.replace("http://www.w3.org/2000/svg", "") and "https://" not in outside
		for part in "name", "time", "status", "views", "complete", "roots", "diff", "stats", "trace":
		    for bad in {}, {part: None}, {part: 1.5}:
		        model = models.small()
		        del model[part]
		        model.update(bad)
		        done = subprocess.run([os.environ["DEMO"]], input=json.dumps(model).encode(), capture_output=True)
		        assert done.returncode == 1 and not done.stdout, (part, done)
		for text in b"", b"{", b"[]", b"7", b'{"views":{}}', b"\xff\x00", b"[" * 100000:
		    assert subprocess.run([os.environ["DEMO"]], input=text, capture_output=True).returncode == 1, text[:20]
		with open("/dev/full", "wb") as full:
		    done = subprocess.run([os.environ["DEMO"]], input=json.dumps(models.small()).encode(), stdout=full)
		    assert done.returncode == 1
	PY
}

@test "guest beside shadow: every region, with its colour, and what differs" {
	browse <<-'PY'
		page(models.small())
		lanes = b.js("[...document.querySelectorAll('#map .lane')].map((l) => [l.dataset.view, l.querySelectorAll('.region').length])")
		assert lanes == [["guest", 4], ["kernel", 2], ["user", 1]], lanes
		states = b.js("[...document.querySelectorAll('#map .state')].map((s) => s.getAttribute('fill'))")
		assert states == ["url(#p-lazy)", "url(#p-tracked)", "url(#p-lazy)"], states
		assert "kernel AC" in b.text("#map"), "the twin lane is not named"
		# What is really there: the lane's pixels, between stripes and labels.
		def colour(view, n):
		    x, y = b.js("(() => { const r = document.querySelectorAll('.lane[data-view=%s] .region')[%d].getBoundingClientRect();"
		                "return [r.x + r.width * .15 + .5, r.y + r.height - 2]; })()" % (view, n))
		    return [b.pixel(x + i % 8, y - i // 8) for i in range(24)]
		want = {("guest", 0): (0x2b, 0xa8, 0x84), ("guest", 2): (0x3d, 0x86, 0xc6), ("guest", 3): (0xd9, 0x48, 0x0f),
		        ("kernel", 0): (0x8e, 0xc9, 0xee), ("user", 0): (0x2b, 0xa8, 0x84)}
		for (view, n), rgb in want.items():
		    seen = colour(view, n)
		    like = [p for p in seen if all(abs(a - c) < 6 for a, c in zip(p, rgb))]
		    assert len(like) >= 8, (view, n, seen)
		kinds = [r[0] for r in rows("#diff")]
		assert kinds == ["tracked", "lazy", "lazy"], kinds
		assert rows("#counts") == [["Shadow, kernel", "1", "256", "0", "256", "0", "0"]], rows("#counts")
		assert "pf_taken5,121" in b.text("#stats")
	PY
}

@test "search by address: from the keyboard, from a link, and what is no address" {
	browse <<-'PY'
		page(models.small())
		b.key("/")
		b.type("0xffff888000123456")
		b.key("Enter")
		assert b.text("#details caption") == "ffff888000123456"
		guest, kernel, user = rows("#details")
		assert guest[1] == "ffff888000000000 + 2 MiB" and guest[2] == "000000123456"[-len(guest[2]):], guest
		assert "large page, global, no execute" in guest[5] and guest[4] == "supervisor: read, write", guest
		assert kernel[2].endswith("123456") and kernel[6].startswith("tracked") and "read only" in kernel[4], kernel
		assert user[1] == "not mapped"
		assert "L4 10001 \u2192 L3 10003 (shared \u00d72)" in b.text("#details"), b.text("#details")
		assert b.js("document.activeElement.id") == "map"
		shown = b.js("[address(pageAt(view.from)), address(pageAt(view.to))]")
		assert shown[0] <= "ffff888000123000" <= shown[1], shown
		page(models.small(), "#goto=404008")
		assert b.text("#details caption") == "0000000000404008"
		guest, kernel, user = rows("#details")
		assert guest[2] == "24e008" and "user: read, write" == guest[4] and user[6].startswith("lazy"), (guest, user)
		for nonsense in "zzz", "", "12345678901234567", "-1", "0x":
		    before = b.text("#details")
		    b.js("document.getElementById('address').value = %s; document.getElementById('address').focus()" % json.dumps(nonsense))
		    b.key("Enter")
		    assert "hexadecimal" in b.text("#found") and b.text("#details") == before, nonsense
		for nobody in "0", "ffffffffffffffff", "800000000000":
		    b.js("goTo('%s')" % nobody)
		    assert "mapped in no view" in b.text("#found")
	PY
}

@test "keyboard: order of Tab, pan, zoom, overview, regions, lanes, scale, tables, events" {
	browse <<-'PY'
		page(models.small())
		stops = []
		for i in range(40):
		    b.key("Tab")
		    stops.append(b.js("document.activeElement.id || document.activeElement.dataset.do || document.activeElement.dataset.frame || document.activeElement.tagName"))
		    if stops[-1] == "BODY":
		        break
		wanted = ["address", "BUTTON", "overview", "in", "out", "left", "right", "previous", "next", "scale", "map", "timeline", "10001"]
		assert stops[:len(wanted)] == wanted, stops
		span = lambda: b.js("[view.from, view.to]")
		press = lambda k: (b.key(k), span())[1]
		b.js("document.getElementById('map').focus()")
		whole = span()
		near = press("+")
		assert abs((near[1] - near[0]) * 2 - (whole[1] - whole[0])) < 1e-9
		right = press("ArrowRight")
		assert right[0] > near[0] and abs(right[1] - right[0] - (near[1] - near[0])) < 1e-9
		assert press("ArrowLeft") == near or abs(span()[0] - near[0]) < 1e-9
		assert press("-") == whole
		for i in range(60):
		    b.key("+")
		assert 0 <= span()[0] < span()[1] <= 1
		assert press("Home") == whole == [0, 1]
		b.key("n")
		assert b.text("#details caption") == "0000000000400000"
		b.key("n")
		assert b.text("#details caption") == "0000000000404000"
		b.key("n"); b.key("n"); b.key("n"); b.key("n")
		assert b.text("#details caption") == "ffff888000200000"
		b.key("p")
		assert b.text("#details caption") == "ffff888000000000"
		b.key("ArrowDown")
		b.key("n")
		assert b.text("#details caption") == "ffff888000100000", "the shadow's own regions in its lane"
		b.key("s")
		assert b.js("document.getElementById('scale').getAttribute('aria-pressed')") == "true"
		b.js("document.querySelector('.node').focus()")
		assert "frame 10001" in b.text("#table") and b.text("#table").endswith("Covers 0.")
		b.key("ArrowDown"); b.key("ArrowDown")
		assert "frame 10003" in b.text("#table") and "2 tables and 2 roots lead to it" in b.text("#table"), b.text("#table")
		assert "ffff888000000000" in b.text("#table")
		b.js("document.getElementById('timeline').focus()")
		b.key("n")
		assert b.text("#event").startswith("1 of 40: +0 ns vCPU 0 hidden_fault"), b.text("#event")
		b.key("n"); b.key("n"); b.key("n")
		assert "other thread grace_period took 50.0" in b.text("#event"), b.text("#event")
		b.js("document.querySelector('#event button').click()")
		assert b.text("#details caption") == "ffff888000003000"
	PY
}

@test "mouse: a click chooses, a drag pans, the minimap jumps" {
	browse <<-'PY'
		page(models.small())
		x, y = b.js("(() => { const r = document.querySelectorAll('.lane[data-view=kernel] .region')[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()")
		b.mouse("Moved", x, y)
		assert "kernel -r-- tracked" in b.text("#window"), b.text("#window")
		b.click(x, y)
		assert "tracked" in rows("#details")[1][6] and b.js("view.lane") == 1
		b.js("show(.4, .6)")
		b.mouse("Pressed", 700, y, button="left", clickCount=1)
		b.mouse("Moved", 500, y, button="left")
		b.mouse("Released", 500, y, button="left", clickCount=1)
		assert .42 < b.js("view.from") < .45, b.js("view.from")
		box = b.js("(() => { const r = document.getElementById('minimap').getBoundingClientRect(); return [r.x, r.y, r.width]; })()")
		b.click(box[0] + box[2] * .25, box[1] + 5)
		assert abs(b.js("(view.from + view.to) / 2") - .25) < .02
	PY
}

@test "shared tables and the timeline, or that there is none" {
	browse <<-'PY'
		page(models.small())
		shared = b.js("[...document.querySelectorAll('.node.shared')].map((n) => n.dataset.frame)")
		assert shared == ["10003"], shared
		assert "\u00d72" in b.text(".node.shared")
		assert b.js("document.querySelectorAll('#tables .link').length") == 4
		bars = b.js("[...document.querySelectorAll('.table-bar.shared')].map((n) => n.dataset.table)")
		assert bars == ["10003", "10004", "10005"], bars
		timeline = b.text("#timeline")
		for word in "vCPU 0", "vCPU 1", "other threads", "faults", "table writes", "shootdowns", "grace periods":
		    assert word in timeline, word
		assert b.js("document.querySelectorAll('#timeline .event').length") == 40
		assert b.js("document.querySelectorAll('#timeline .took').length") == 10
		quiet = dict(models.small(), trace=[], tables=[], counts={}, diff={})
		del quiet["views"]["kernel"], quiet["views"]["kernel-ac"], quiet["views"]["user"]
		page(quiet)
		assert "Nothing was traced" in b.text("#trace-about") and not b.js("!!document.getElementById('timeline')")
		assert "names no tables" in b.text("#tables-about")
		page(dict(quiet, views={"guest": []}, stats={}))
		b.js("document.getElementById('map').focus()")
		for key in "n", "p", "+", "-", "ArrowLeft", "ArrowDown", "Home", "s":
		    b.key(key)
	PY
}

@test "light, dark, narrow, printed" {
	browse <<-'PY'
		page(models.small())
		ground = lambda: b.pixel(3, 3)
		assert min(ground()) > 240, ground()
		b.media(dark=True)
		assert max(ground()) < 60, ground()
		b.media(dark=True, printed=True)
		assert min(ground()) > 240, ground()
		assert b.js("getComputedStyle(document.getElementById('search')).display") == "none"
		b.pdf(FILES + "/page.pdf")
		data = open(FILES + "/page.pdf", "rb").read()
		assert data.startswith(b"%PDF") and len(data) > 20000
		b.media()
		for width in 320, 390, 1900, 3000:
		    b.resize(width, 800)
		    b.until("Math.abs(width - document.getElementById('map').clientWidth) <= 1")
		    assert b.js("document.documentElement.scrollWidth") <= width, width
		    assert b.js("document.querySelectorAll('#map .region').length") == 7
	PY
}

@test "a model that lies: its markup is shown, not read, and nothing is asked of anybody" {
	browse <<-'PY'
		for model in models.hostile(), models.poisoned(models.small()), models.poisoned(models.many(300)):
		    page(model)
		    title = b.js("document.title")
		    assert title.startswith("Umbra </script><script>"), title
		    assert b.js("document.querySelectorAll('img, iframe, link, object, body style').length") == 0
		    assert b.js("document.querySelectorAll('script').length") == 2
		    for deed in "next", "previous", "up", "down", "in", "scale", "overview", "left":
		        b.js("DEEDS[%s]()" % json.dumps(deed))
		    b.js("for (const n of document.querySelectorAll('.node')) n.focus()")
		    b.js("tellEvent(3); tellEvent(events.length - 1); moveTime(.001, 0)")
		    assert b.js("document.title") == title
		page(models.hostile())
		assert "made no sense" in b.text("#warnings")
		assert "NaN" not in b.js("document.querySelector('main').outerHTML")
	PY
}

@test "100,000 regions and events: at once there, and quick to move" {
	browse <<-'PY'
		write(models.many(100000))
		t = time.monotonic()
		b.open(FILES + "/page.html")
		assert time.monotonic() - t < 40, time.monotonic() - t
		assert b.js("document.querySelectorAll('*').length") < 30000
		for call in "show(.2, .3)", "show(0, 1)", "goTo('ffff888000300000')", "step(1)", "DEEDS.scale()", "drawTimeline()":
		    ms = b.js("(() => { const t = performance.now(); %s; return performance.now() - t; })()" % call)
		    assert ms < 2000, (call, ms)
		b.js("goTo('ffff888000300000')")
		assert rows("#details")[0][1] == "ffff888000300000 + 4 KiB", rows("#details")
		print("#", time.monotonic() - t)
	PY
}

@test "a machine that runs: what its picture shows is what the machine says" {
	need_image
	command -v chromium >/dev/null || skip "no chromium"
	spinning --cpus 2
	PYTHONPATH=$BATS_TEST_DIRNAME timeout 120 python3 -B "$BATS_TEST_DIRNAME/picture.py" "$socket" >"$files/model"
	client >"$files/gpa" <<-'PY'
		assert c.execute("query-status")["running"]
		for gva in "0xffff888000100000", "0xffff888000345678":
		    print(c.execute("human-monitor-command", command_line="gva2gpa " + gva).strip().split("0x")[1])
		c.execute("quit")
	PY
	ended 0 60
	browse <<-'PY'
		model = json.load(open(FILES + "/model"))
		page(model)
		for view in "guest", "kernel", "user":
		    n = len(model["views"].get(view, []))
		    assert b.js("lanes.find((l) => l.view === '%s')?.regions.length || 0" % view) == n, view
		    drawn = b.js("document.querySelectorAll('.lane[data-view=%s] .region').length" % view)
		    assert min(n, 1) <= drawn <= n, (view, drawn, n)
		gpas = open(FILES + "/gpa").read().split()
		for gva, gpa in zip(("ffff888000100000", "ffff888000345678"), gpas):
		    b.js("goTo('%s')" % gva)
		    assert rows("#details")[0][2] == gpa, (rows("#details"), gpa)
		parents = {}
		for t in model["tables"]:
		    for e in t["entries"]:
		        parents.setdefault(int(e["entry"], 16) >> 12 & 0xfffffffff, set()).add(t["table"])
		frames = {int(t["table"], 16) for t in model["tables"]}
		shared = sorted(f for f, p in parents.items() if f in frames and len(p) > 1)
		seen = sorted(int(x, 16) for x in b.js("[...document.querySelectorAll('.node.shared')].map((n) => n.dataset.frame)"))
		assert seen == shared, (seen, shared)
		assert b.js("document.querySelectorAll('.node').length") == len(frames)
		assert b.text("#warnings") == "", b.text("#warnings")
	PY
}
