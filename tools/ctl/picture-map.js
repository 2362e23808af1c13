// SPDX-License-Identifier: BSD-2-Clause
// The map: ruler, one lane per view, the tables' reach, the minimap; panning, zooming, choosing an
// address, and what is told about it. What is drawn is proportional to pixels, never to regions.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

// An element. Strings become text nodes, so no string of the model is ever read as markup.
function el(name, attributes, ...inside) {
	const e = ["svg", "g", "rect", "line", "path", "text", "title", "circle", "pattern", "defs"].includes(name)
		? document.createElementNS(SVG, name) : document.createElement(name);
	for (const [k, v] of Object.entries(attributes || {})) e.setAttribute(k, v);
	e.append(...inside);
	return e;
}
const rect = (x, y, width, height, cls, more) =>
	el("rect", { x: x.toFixed(2), y, width: Math.max(width, 0.01).toFixed(2), height, class: cls, ...more });
const line = (x1, y1, x2, y2, cls) => el("line", { x1, y1, x2, y2, class: cls });
const label = (x, y, cls, string) => el("text", { x, y, class: cls }, string);

function table(caption, heads, rows, mono) {
	const cell = (c, i) => (c instanceof Node ? el("td", {}, c) : el("td", { class: mono.includes(i) ? "mono" : "" }, String(c)));
	return el("table", {}, el("caption", {}, caption),
		el("thead", {}, el("tr", {}, ...heads.map((h) => el("th", { scope: "col" }, h)))),
		el("tbody", {}, ...rows.map((r) => el("tr", {}, ...r.map(cell)))));
}

// A colour and a pattern for each kind of right and of state.
const LOOKS = {
	"---": ["c-none", ""], "r--": ["c-r", ""], "r-x": ["c-rx", "M2 2h2v2h-2zM6 6h2v2h-2z"],
	"rw-": ["c-rw", "M0 4H8"], "rwx": ["c-rwx", "M0 0L8 8M8 0L0 8"],
	same: ["s-same", ""], lazy: ["s-lazy", "M0 8L8 0"], held: ["s-held", "M4 0V8"],
	tracked: ["s-tracked", "M0 0L8 8"], unsync: ["s-unsync", "M0 4H8M4 0V8"], wrong: ["s-wrong", "M0 0L8 8M8 0L0 8"],
};
const fill = (look) => ({ fill: `url(#p-${look})` });
function patterns() {
	const tile = (id, cls, d) => el("pattern", { id: `p-${id}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
		el("rect", { width: 8, height: 8, class: cls }), el("path", { d, class: d.includes("z") ? "dot" : "stripe" }));
	return el("defs", {}, ...Object.entries(LOOKS).map(([id, [cls, d]]) => tile(id, cls, d)),
		el("pattern", { id: "p-hole", width: 6, height: 6, patternUnits: "userSpaceOnUse" },
			el("path", { d: "M0 6L6 0", class: "edge" })));
}

const view = { from: 0, to: 1, lane: 0, page: null };
const map = $("map");
const TITLE = 19, SIZES = 10, BAND = 34, STATE = 11, GAP = 9, RULER = 30, BARS = 13;
let width = 1000, height = 0;
const X = (u) => ((u - view.from) / (view.to - view.from)) * width;
const U = (x) => view.from + (x / width) * (view.to - view.from);

// The spans in sight as boxes: those of less than a pixel become one, with the highest rank among them.
function boxes(sorted, key) {
	const result = [];
	let last = null;
	for (let i = after(sorted, view.from, "u1"); i < sorted.length && sorted[i].u0 < view.to; i++) {
		const s = sorted[i], x0 = Math.max(X(s.u0), -4), x1 = Math.min(X(s.u1), width + 4);
		if (x1 - x0 < 1 && last && x0 < last.x1 && last.many) {
			last.many++;
			if (s.rank > last.span.rank) last.span = s;
		} else if (x1 - x0 < 1) {
			last = { x0: Math.floor(x0), x1: Math.floor(x0) + 1, span: s, many: 1 };
			result.push(last);
		} else result.push(last = { x0, x1, span: s, many: 0 });
	}
	return result.reduce((runs, b) => {
		const r = runs[runs.length - 1];
		if (r && b.many && r.many && key(r.span) === key(b.span) && b.x0 <= r.x1) {
			r.x1 = b.x1;
			r.many += b.many;
		} else runs.push(b);
		return runs;
	}, []);
}

const SIZE_NAMES = { 4096: "4K", 2097152: "2M", 4194304: "4M", 1073741824: "1G" };
function drawLane(lane, y) {
	const band = y + TITLE + SIZES, g = el("g", { class: "lane", "data-view": lane.view });
	const title = label(6, y + 14, "", lane.title);
	title.append(el("title", {}, lane.note));
	g.append(title, label(lane.title.length * 7.4 + 14, y + 14, "soft", lane.note), rect(0, band, width, BAND, "well"));
	for (const b of boxes(lane.regions, (s) => s.look + s.user + s.level)) {
		const s = b.span, w = b.x1 - b.x0, tall = 2 + 3 * Math.min(s.level - 1, 2);
		g.append(rect(b.x0, band, w, BAND, w > 5 ? "region cut" : "region", fill(s.look)),
			rect(b.x0, band - 1 - tall, w, tall, "size"));
		if (s.user) g.append(rect(b.x0, band, w, 7, "user", { fill: "#fff", "fill-opacity": 0.55 }));
		const name = own(SIZE_NAMES, s.raw["page-size"]) || "", from = Math.max(b.x0, 0), room = Math.min(b.x1, width) - from;
		const words = (b.many > 1 ? [count(b.many, "region")] : [`${text(s.raw.access)} ${name}`, text(s.raw.access)]).find((t) => room > t.length * 7.4 + 6);
		if (words) g.append(rect(from + room / 2 - words.length * 3.7 - 2, band + 11, words.length * 7.4 + 4, 15, "plate", fillPlate),
			label(from + room / 2, band + 22, "mono on middle", words));
	}
	if (lane.view !== "guest") drawStates(lane, band + BAND + 2, g);
	return g;
}
const fillPlate = { fill: "#fff", "fill-opacity": 0.6, rx: 3 };

function drawStates(lane, y, g) {
	for (const b of boxes(lane.regions, () => 0)) g.append(rect(b.x0, y + 3, b.x1 - b.x0, 3, "s-same"));
	for (const b of boxes(lane.diffs, (s) => s.look))
		g.append(rect(b.x0, y, b.x1 - b.x0, STATE - 1, "state", fill(b.span.look)));
}

// What is left out: hatched in the ruler and in each lane, with its size where there is room.
function drawHoles(bottom) {
	const g = el("g", {});
	for (let i = after(pieces, view.from, "u1"); i < pieces.length && pieces[i].u0 < view.to; i++) {
		const p = pieces[i], x0 = X(p.u0), w = X(p.u1) - x0, from = Math.max(x0, -8), seen = Math.min(x0 + w, width + 8) - from;
		if (!p.hole || w < 1.5) continue;
		for (const l of lanes) g.append(rect(from, l.y + TITLE + SIZES, seen, BAND, "hole"));
		g.append(rect(from, RULER - 7, seen, 6, "hole"));
		if (seen > 46) g.append(label(from + seen / 2, bottom - 4, "soft middle", bytes((p.to - p.from) * 4096)));
	}
	return g;
}

// Addresses where there is room: where segments begin, then where pieces do, then in between.
function drawRuler() {
	const g = el("g", {}), used = [];
	const put = (page) => {
		const x = X(unit(page)), string = shown(page), w = string.length * 7 + 10, left = Math.min(x, width - w);
		if (x < -0.5 || x > width - 8 || used.length > 40 || used.some((o) => left < o.left + o.w && o.left < left + w)) return;
		used.push({ left, w });
		g.append(line(x, RULER - 8, x, RULER, "tick"), label(left + 2, RULER - 11, "mono", string));
	};
	const seen = pieces.slice(after(pieces, view.from, "u1")).filter((p, i) => p.u0 < view.to && !p.hole && i < 4000);
	for (const p of seen) if (p.start) put(p.from);
	for (const p of seen) {
		put(p.from);
		const pixels = X(p.u1) - X(p.u0), step = 2 ** Math.ceil(Math.log2(Math.max(((p.to - p.from) * 140) / pixels, 1)));
		const first = Math.max(p.from, pageAt(Math.max(view.from, p.u0)));
		for (let n = Math.ceil(first / step) * step, k = 0; pixels > 280 && n < p.to && k < 40; n += step, k++) put(n);
	}
	return g;
}

// Each table's reach: which addresses it is used for, one row per level; shared ones stand out.
function drawTables(y) {
	const g = el("g", { class: "bars" }), top = Math.max(1, ...[...tables.values()].filter((t) => t.parents.size).map((t) => t.level));
	if (!tables.size) return { g, bottom: y };
	g.append(label(6, y + 14, "", "Tables"), label(60, y + 14, "soft", "what each covers; filled: shared, \u00d7 roots that lead to it"));
	for (let level = top; level >= 1; level--) {
		const row = y + TITLE + (top - level) * (BARS + 4), ends = new Map();
		const here = [...tables.values()].filter((t) => t.level === level && t.parents.size).sort((a, b) => sharers(b) - sharers(a));
		for (const t of here.slice(0, 3000)) for (const from of t.reach) {
			const x0 = Math.max(X(unit(from)), -2), x1 = Math.min(X(unit(Math.min(from + 512 ** level, PAGES))), width + 2);
			const n = sharers(t), slot = `${Math.round(x0)} ${Math.round(x1)}`;
			if (x1 < 0 || x0 > width || x1 - x0 < 0.5 || ends.has(slot)) continue;
			ends.set(slot, n);
			const bar = rect(x0, row, x1 - x0, BARS, n > 1 ? "table-bar shared" : "table-bar", { "data-table": t.frame.toString(16) });
			bar.append(el("title", {}, tableWords(t)));
			g.append(bar);
			if (n > 1 && x1 - x0 > 34) g.append(label((Math.max(x0, 0) + Math.min(x1, width)) / 2, row + 10.5, "mono middle", `L${level} \u00d7${n}`));
		}
	}
	return { g, bottom: y + TITLE + top * (BARS + 4) + 2 };
}

const laneHeight = (l) => TITLE + SIZES + BAND + (l.view === "guest" ? 0 : STATE + 2) + GAP;
function draw() {
	width = Math.max(map.clientWidth || 1000, 260);
	map.replaceChildren(patterns());
	let y = RULER;
	const body = el("g", {});
	lanes.forEach((l, i) => {
		l.y = y;
		body.append(drawLane(l, y));
		y += laneHeight(l);
	});
	const bars = drawTables(y);
	height = bars.bottom + 18;
	body.append(bars.g);
	map.append(drawRuler(), body, drawHoles(height), drawChosen());
	map.setAttribute("viewBox", `0 0 ${width} ${height}`);
	map.dataset.drawn = map.querySelectorAll(".region").length;
	const first = pageAt(view.from), last = pageAt(view.to);
	$("window").textContent = `${shown(first)} \u2026 ${shown(last)}`;
	drawMinimap();
}

function drawChosen() {
	const g = el("g", {});
	if (view.page === null) return g;
	const lane = lanes[view.lane], s = at(lane.regions, view.page), x = X(unit(view.page));
	g.append(line(x, RULER - 8, x, height, "cursor"));
	const x0 = s ? Math.max(X(s.u0), -5) : x - 4, x1 = s ? Math.min(X(s.u1), width + 5) : x + 4;
	g.append(rect(x0, lane.y + TITLE + SIZES, x1 - x0, BAND, "chosen"));
	return g;
}

function drawMinimap() {
	const mini = $("minimap"), row = 9, keep = { ...view }, high = lanes.length * (row + 2) + 2;
	mini.replaceChildren();
	mini.setAttribute("viewBox", `0 0 ${width} ${high}`);
	Object.assign(view, { from: 0, to: 1 });
	for (const p of pieces) if (p.hole) mini.append(rect(X(p.u0), 0, X(p.u1) - X(p.u0), high, "hole"));
	lanes.forEach((l, i) => {
		for (const b of boxes(l.regions, (s) => s.look)) mini.append(rect(b.x0, 2 + i * (row + 2), b.x1 - b.x0, row, LOOKS[b.span.look][0]));
	});
	Object.assign(view, keep);
	mini.append(rect(view.from * width, 0, Math.max((view.to - view.from) * width, 3), high, "frame"));
}

// ---- Moving ----

function show(from, to) {
	const span = Math.min(Math.max(to - from, 1e-12), 1);
	view.from = Math.min(Math.max(from, 0), 1 - span);
	view.to = view.from + span;
	draw();
}
function zoom(factor, around) {
	const middle = around === undefined ? focusUnit() : around;
	show(middle - (middle - view.from) * factor, middle + (view.to - middle) * factor);
}
function focusUnit() {
	const u = view.page === null ? -1 : unit(view.page);
	return u > view.from && u < view.to ? u : (view.from + view.to) / 2;
}
const pan = (part) => show(view.from + part * (view.to - view.from), view.to + part * (view.to - view.from));

function choose(page, follow) {
	view.page = page;
	const u = unit(page), span = view.to - view.from;
	if (follow && (u < view.from || u > view.to)) return tell(), show(u - span / 2, u + span / 2);
	tell();
	draw();
}
function step(by) {
	const r = lanes[view.lane].regions;
	if (!r.length) return;
	const i = view.page === null ? (by > 0 ? 0 : r.length - 1) : after(r, view.page, "to");
	const inside = view.page !== null && r[i] && r[i].from <= view.page;
	const j = view.page === null ? i : by > 0 ? (inside ? i + 1 : i) : i - 1;
	choose(r[Math.min(Math.max(j, 0), r.length - 1)].from, true);
}
function changeLane(by) {
	view.lane = Math.min(Math.max(view.lane + by, 0), lanes.length - 1);
	choose(view.page === null ? pageAt(view.from) : view.page, true);
}

// goTo: an address as people write them. Where nobody maps it, the nearest that somebody does is shown.
function goTo(string) {
	const clean = string.trim().replace(/^0x/i, "").replace(/[_`' ]/g, "");
	if (!/^[0-9a-f]{1,16}$/i.test(clean)) {
		$("found").textContent = "An address is up to 16 hexadecimal digits.";
		return false;
	}
	const address = BigInt(`0x${clean}`), page = Number(address >> 12n), u = unit(page);
	view.offset = { page, address };
	view.page = page;
	const s = lanes.map((l) => at(l.regions, page)).filter(Boolean), hit = s.length > 0;
	const size = hit ? Math.min(...s.map((r) => r.u1 - r.u0)) : 0.02;
	const span = Math.min(Math.max(size * 6, 1e-9), 0.5);
	view.lane = Math.max(lanes.findIndex((l) => at(l.regions, page)), 0);
	$("found").textContent = hit ? `${hex(address)}: ${lanes.filter((l) => at(l.regions, page)).map((l) => l.title).join("; ")}`
		: `${hex(address)} is mapped in no view.`;
	tell();
	show(u - span / 2, u + span / 2);
	return true;
}

// ---- What is told about the chosen address ----

function row(lane, page, address) {
	const s = at(lane.regions, page), d = at(lane.diffs, page), why = d ? `${STATES[d.look]}` : s && lane.view !== "guest" ? STATES.same : "";
	if (!s) return [lane.title, "not mapped", "", "", "", "", why];
	const gpa = big(s.raw.gpa), offset = address - BigInt(s.from) * 4096n;
	return [lane.title, `${address_(s.from)} + ${bytes((s.to - s.from) * 4096)}`, gpa === null ? "no RAM" : hex(gpa + offset).replace(/^0{4,}/, ""),
		`${bytes(Number(s.raw["page-size"]) || 0)}, level ${s.level}`, `${s.user ? "user: " : "supervisor: "}${RIGHTS[s.look]}`,
		`${text(s.raw.entry)}: ${words(s.raw.flags)}`, why];
}
const address_ = (page) => shown(page);

function tell() {
	const page = view.page, box = $("details");
	if (page === null) {
		box.replaceChildren(el("p", { class: "hint" }, "Choose an address: click the map, or press N in it for the first region."));
		return;
	}
	const exact = view.offset && view.offset.page === page ? view.offset.address : BigInt(page) * 4096n;
	const rows = lanes.map((l) => row(l, page, exact));
	box.replaceChildren(table(hex(exact), ["View", "Region", "Physical", "Page", "Rights", "Entry of the region's first page", "State"], rows, [1, 2, 5]));
	for (const l of lanes) {
		const way = l.view === "guest" ? [] : path(l.view, page);
		if (way.length) box.append(el("p", {}, `${l.title}: `, ...way.flatMap((t, i) => [i ? " \u2192 " : "",
			`L${t.level} ${t.frame.toString(16)}${sharers(t) > 1 ? ` (shared \u00d7${sharers(t)})` : ""}`])));
	}
	box.dataset.address = hex(exact);
}

function legend() {
	const sample = (look) => el("svg", { viewBox: "0 0 26 15" }, el("rect", { width: 26, height: 15, ...fill(look) }));
	const item = (picture, words) => el("span", {}, picture, words);
	const bar = (tall) => el("svg", { viewBox: "0 0 26 15" }, el("rect", { y: 15 - tall, width: 26, height: tall, class: "size" }));
	const pale = el("svg", { viewBox: "0 0 26 15" }, el("rect", { width: 26, height: 15, class: "c-rw" }), el("rect", { width: 26, height: 6, fill: "#fff", "fill-opacity": 0.55 }));
	$("legend").replaceChildren(
		el("div", {}, el("b", {}, "Rights (lane)"), ...CLASSES.map((c) => item(sample(c), RIGHTS[c])), item(pale, "pale edge: user may")),
		el("div", {}, el("b", {}, "Page size (bar above)"), item(bar(2), "4 KiB"), item(bar(5), "2 or 4 MiB"), item(bar(8), "1 GiB")),
		el("div", {}, el("b", {}, "State (strip below)"), ...KINDS.map((k) => item(sample(k), STATES[k].split(":")[0]))));
}

// ---- Keys and the mouse ----

const DEEDS = {
	overview: () => show(0, 1), in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.25), right: () => pan(0.25),
	next: () => step(1), previous: () => step(-1), up: () => changeLane(-1), down: () => changeLane(1),
	scale: () => {
		const page = pageAt(focusUnit()), span = view.to - view.from;
		setScale(!stretched);
		$("scale").setAttribute("aria-pressed", String(!stretched));
		show(unit(page) - span / 2, unit(page) + span / 2);
	},
};
const KEYS = {
	Home: "overview", "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up",
	ArrowDown: "down", n: "next", p: "previous", s: "scale", N: "next", P: "previous", S: "scale",
};

function listen() {
	$("scale").disabled = !canStretch;
	map.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.altKey || e.metaKey || !KEYS[e.key]) return;
		e.preventDefault();
		DEEDS[KEYS[e.key]]();
	});
	$("tools").addEventListener("click", (e) => e.target.dataset.do && DEEDS[e.target.dataset.do]());
	$("search").addEventListener("submit", (e) => {
		e.preventDefault();
		if (goTo($("address").value)) map.focus();
	});
	document.addEventListener("keydown", (e) => {
		if (e.key !== "/" || e.target === $("address")) return;
		e.preventDefault();
		$("address").focus();
	});
	map.addEventListener("wheel", (e) => {
		if (!e.ctrlKey && !e.shiftKey && document.activeElement !== map) return;
		e.preventDefault();
		zoom(e.deltaY > 0 ? 1.3 : 1 / 1.3, U((e.offsetX / map.clientWidth) * width));
	}, { passive: false });
	drag(map, (x, from, start) => show(start.from - ((x - from) / width) * (start.to - start.from),
		start.to - ((x - from) / width) * (start.to - start.from)), click);
	const jump = (x) => show(x / width - (view.to - view.from) / 2, x / width + (view.to - view.from) / 2);
	drag($("minimap"), jump, jump);
	window.addEventListener("hashchange", fromHash);
	new ResizeObserver(() => map.clientWidth && Math.abs(map.clientWidth - width) > 1 && draw()).observe(map);
}

function drag(target, moved, clicked) {
	let from = null, start, far;
	const place = (e) => ((e.clientX - target.getBoundingClientRect().left) / target.clientWidth) * width;
	target.addEventListener("pointerdown", (e) => {
		if (e.button) return;
		from = place(e);
		start = { ...view };
		far = false;
		target.setPointerCapture(e.pointerId);
	});
	target.addEventListener("pointermove", (e) => {
		if (from === null) return hover(e, target);
		far = far || Math.abs(place(e) - from) > 4;
		if (far) moved(place(e), from, start);
	});
	target.addEventListener("pointerup", (e) => {
		if (from !== null && !far) clicked(place(e), e);
		from = null;
	});
}

// The mouse's place in words, beside the map's range; the whole story comes with a click.
function hover(e, target) {
	if (target !== map) return;
	const u = U(((e.clientX - map.getBoundingClientRect().left) / map.clientWidth) * width);
	const page = pageAt(Math.min(Math.max(u, 0), 1));
	const parts = lanes.map((l) => {
		const s = at(l.regions, page);
		return `${l.title.replace("Shadow, ", "")} ${s ? text(s.raw.access) : "none"}${state(l, page) && state(l, page) !== "same" ? " " + state(l, page) : ""}`;
	});
	$("window").textContent = `${shown(page)}  ${parts.join(" | ")}`;
}
function click(x, e) {
	const y = ((e.clientY - map.getBoundingClientRect().top) / map.clientHeight) * height;
	const i = lanes.findIndex((l) => y >= l.y && y < l.y + laneHeight(l));
	if (i >= 0) view.lane = i;
	map.focus();
	choose(pageAt(Math.min(Math.max(U(x), 0), 1)));
}

// PAGE.html#goto=ffff888000001000 is a link to an address.
function fromHash() {
	const found = /^#goto=([0-9a-fx]{1,18})$/i.exec(location.hash);
	if (!found) return;
	$("address").value = found[1];
	goTo(found[1]);
}
