// SPDX-License-Identifier: BSD-2-Clause
// What stands around the map: the head, the timeline, the tables as a graph, differences, counters; and
// the start of everything.

// ---- The head ----

function head() {
	const when = new Date(Number(model.time) * 1000), roots = list(model.roots).length;
	$("name").textContent = text(model.name);
	document.title = `Umbra ${text(model.name)}`;
	const parts = [text(model.status), isNaN(when) ? "" : when.toISOString().replace("T", " ").slice(0, 19) + " UTC",
		text(model.format) && `${text(model.format)} paging`, count(roots, "shadow root"),
		...lanes.map((l) => `${l.title.toLowerCase()}: ${count(l.regions.length, "region")}`)];
	$("about").textContent = parts.filter(Boolean).join(" \u00b7 ");
	const wrong = lanes.flatMap((l) => l.diffs).filter((d) => d.look === "wrong").length;
	const torn = Object.entries(members(model.complete)).filter(([, whole]) => whole === false).map(([v]) => text(v));
	$("warnings").textContent = [
		wrong && `${count(wrong, "difference")} that must not be: the shadow permits too much.`,
		torn.length && `Not all of one moment: ${torn.join(", ")}.`,
		leftOut && `${count(leftOut, "entry", "entries")} of the model made no sense and ${leftOut === 1 ? "is" : "are"} left out.`,
	].filter(Boolean).join(" ");
}

// ---- The timeline ----

// The rows within a vCPU: where a mark stands says as much as its colour and shape.
const TRACKS = [
	{ name: "faults", match: /fault|walk|paging_element|_bit$/, cls: "s-unsync" },
	{ name: "table writes", match: /write|sync|track_page/, cls: "s-tracked" },
	{ name: "shootdowns", match: /shootdown|flush|invlpg|kick/, cls: "s-wrong" },
	{ name: "grace periods", match: /grace|rcu/, cls: "s-held" },
	{ name: "shadow entries", match: /spte|_page$|split/, cls: "s-lazy" },
	{ name: "other", match: /(?:)/, cls: "s-same" },
];
const trackOf = (name) => Math.max(0, TRACKS.findIndex((t) => t.match.test(name)));
const time = { from: 0, to: 1, first: 0, last: 1, rows: [], chosen: -1 };
const events = [];

function readTrace() {
	for (const e of objects(model.trace)) {
		const ns = Number(e.ns), vcpu = Number(e.vcpu);
		if (!Number.isFinite(ns) || !Number.isInteger(vcpu) || Math.abs(vcpu) > 4096) leftOut++;
		else events.push({ ns, took: Math.max(Number(e.took) || 0, 0), vcpu: Math.max(vcpu, -1), name: text(e.event), track: trackOf(text(e.event)), raw: e });
	}
	events.sort((a, b) => a.ns - b.ns);
	if (!events.length) return;
	time.first = time.from = events[0].ns;
	time.last = time.to = Math.max(events[events.length - 1].ns, time.first + 1);
	time.rows = [...new Set(events.map((e) => e.vcpu))].sort((a, b) => (a < 0) - (b < 0) || a - b).slice(0, 64);
}

const nanos = (n) => (n >= 1e9 ? `${(n / 1e9).toFixed(3)} s` : n >= 1e6 ? `${(n / 1e6).toFixed(3)} ms` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} \u00b5s` : `${Math.round(n)} ns`);
const LINE = 13, GUTTER = 118;

function drawTimeline() {
	const svg = $("timeline"), w = Math.max(svg.clientWidth || 1000, 260), used = [...new Set(events.map((e) => e.track))].sort();
	const high = used.length * LINE + 10, place = (ns) => GUTTER + ((ns - time.from) / (time.to - time.from)) * (w - GUTTER - 8);
	svg.replaceChildren();
	svg.setAttribute("viewBox", `0 0 ${w} ${24 + time.rows.length * (high + 16)}`);
	for (let i = 0, n = Math.max(2, Math.floor(w / 170)); i < n; i++) {
		const ns = time.from + ((time.to - time.from) * i) / n;
		svg.append(line(place(ns), 4, place(ns), 24 + time.rows.length * (high + 16), "tick"), label(place(ns) + 3, 14, "soft", `+${nanos(ns - time.first)}`));
	}
	time.rows.forEach((vcpu, r) => {
		const y = 24 + r * (high + 16);
		svg.append(label(6, y + 11, "", vcpu < 0 ? "other threads" : `vCPU ${vcpu}`));
		used.forEach((t, i) => svg.append(label(GUTTER - 6, y + 24 + i * LINE, "soft end", TRACKS[t].name),
			line(GUTTER, y + 24 + i * LINE, w, y + 24 + i * LINE, "tick"),
			...marks(vcpu, t, y + 15 + i * LINE, place)));
	});
	const e = events[time.chosen];
	if (e && e.ns >= time.from && e.ns <= time.to) svg.append(line(place(e.ns), 18, place(e.ns), 24 + time.rows.length * (high + 16), "cursor"));
	svg.dataset.drawn = svg.querySelectorAll(".event").length;
}

// One mark per pixel and track, the taller the more events are in it; what took long enough is a bar.
function marks(vcpu, track, y, place) {
	const bins = new Map(), bars = [];
	for (let i = firstEvent(time.from); i < events.length && events[i].ns <= time.to; i++) {
		const e = events[i];
		if (e.vcpu !== vcpu || e.track !== track) continue;
		const x = Math.round(place(e.ns) / 2) * 2, long = x - place(Math.max(e.ns - e.took, time.from));
		if (!bins.has(x) && long > 3) bars.push(rect(x - long, y + 6, long, 4, `took ${TRACKS[track].cls}`));
		bins.set(x, (bins.get(x) || 0) + 1);
	}
	return bars.concat([...bins].map(([x, n]) => {
		const tall = Math.min(4 + Math.log2(n) * 2, 10);
		return rect(x, y + 10 - tall, 1.8, tall, `event ${TRACKS[track].cls}`);
	}));
}
function firstEvent(ns) {
	let low = 0, high = events.length;
	while (low < high) {
		const mid = (low + high) >> 1;
		if (events[mid].ns >= ns) high = mid;
		else low = mid + 1;
	}
	return low;
}

function tellEvent(i) {
	time.chosen = Math.min(Math.max(i, 0), events.length - 1);
	const e = events[time.chosen], rest = Object.entries(e.raw).filter(([k]) => !["ns", "vcpu", "event", "took"].includes(k)).slice(0, 24);
	if (e.ns < time.from || e.ns > time.to) {
		const span = time.to - time.from;
		time.from = Math.max(e.ns - span / 2, time.first);
		time.to = time.from + span;
	}
	const where = rest.map(([k, v]) => ` ${k}=${text(v)}`).join("");
	$("event").replaceChildren(`${time.chosen + 1} of ${events.length}: +${nanos(e.ns - time.first)} ${e.vcpu < 0 ? "other thread" : `vCPU ${e.vcpu}`} `,
		el("b", {}, e.name), e.took ? ` took ${nanos(e.took)}` : "", where);
	if (big(e.raw.gva) !== null) $("event").append(" ", goButton(text(e.raw.gva), "show on the map"));
	drawTimeline();
}

function moveTime(factor, part) {
	const span = Math.min(Math.max((time.to - time.from) * factor, 10), time.last - time.first);
	const e = events[time.chosen], middle = e && factor !== 1 ? e.ns : (time.from + time.to) / 2 + part * (time.to - time.from);
	time.from = Math.min(Math.max(middle - span / 2, time.first), time.last - span);
	time.to = time.from + span;
	drawTimeline();
}
const TIME_KEYS = {
	"+": () => moveTime(0.5, 0), "=": () => moveTime(0.5, 0), "-": () => moveTime(2, 0), Home: () => moveTime(1e18, 0),
	ArrowLeft: () => moveTime(1, -0.25), ArrowRight: () => moveTime(1, 0.25),
	n: () => tellEvent(time.chosen + 1), p: () => tellEvent(time.chosen - 1),
};

function timeline() {
	const svg = $("timeline");
	if (!events.length) {
		svg.remove();
		$("event").remove();
		$("trace-about").textContent = "Nothing was traced in this run.";
		return;
	}
	$("trace-about").textContent = `${count(events.length, "event")} in ${nanos(time.last - time.first)}. Taller marks are several events, bars what took time. Left and right pan, + and \u2212 zoom, Home shows all, N and P go from event to event.`;
	svg.addEventListener("keydown", (e) => {
		const deed = !e.ctrlKey && !e.altKey && !e.metaKey && TIME_KEYS[e.key];
		if (!deed) return;
		e.preventDefault();
		deed();
	});
	svg.addEventListener("click", (e) => {
		const r = svg.getBoundingClientRect(), scale = (time.to - time.from) / (r.width - GUTTER - 8);
		tellEvent(firstEvent(time.from + (e.clientX - r.left - GUTTER - 3) * scale));
	});
	new ResizeObserver(drawTimeline).observe(svg);
	drawTimeline();
}

// ---- The tables as a graph, a column for each level ----

const COLUMN = 60, LINKS = 2000;
const tableWords = (t) => `level ${t.level} ${t.view || "table"}, frame ${t.frame.toString(16)}` +
	(t.gfn === null ? "" : `, shadows guest frame ${t.gfn.toString(16)}`) +
	`, ${count(Number(t.raw.present) || 0, "entry", "entries")} present, ` +
	(t.parents.size ? `${count(t.parents.size, "table")} and ${count(t.roots.size, "root")} lead to it` : "a root") +
	(t.raw.tracked ? ", tracked" : "") + (t.raw.unsync ? ", unsync" : "");

// Neighbours near each other: a table stands where, on average, those that lead to it do.
function columns() {
	const result = [], below = new Map();
	for (const t of [...tables.values()].sort((a, b) => a.level - b.level))
		below.set(t, [...t.children.values()].reduce((n, c) => n + 1 + below.get(c), 0));
	for (let level = 5; level >= 1; level--) {
		let here = [...tables.values()].filter((t) => t.level === level);
		if (!here.length) continue;
		const all = here.length;
		const mean = (t) => [...t.parents].reduce((s, p) => s + (p.order || 0), 0) / (t.parents.size || 1);
		if (all > COLUMN) here = here.sort((a, b) => sharers(b) - sharers(a) || below.get(b) - below.get(a)).slice(0, COLUMN);
		here.sort((a, b) => a.view.localeCompare(b.view) || mean(a) - mean(b)).forEach((t, i) => (t.order = i));
		result.push({ level, here, more: all - here.length });
	}
	return result;
}

function drawTableGraph() {
	const all = columns(), svg = $("tables"), most = Math.max(...all.map((c) => c.here.length));
	const box = { w: 156, h: 26 }, step = 34, w = Math.max(all.length * 250, 700), high = 30 + most * step + 16;
	const links = el("g", {}), nodes = el("g", {}), place = new Map();
	all.forEach((c, i) => {
		const x = 4 + i * ((w - box.w - 8) / Math.max(all.length - 1, 1)), gap = ((most - c.here.length) * step) / 2;
		nodes.append(label(x, 16, "", `Level ${c.level}${i ? "" : ": roots"}`));
		if (c.more) nodes.append(label(x, high - 3, "soft", `and ${c.more} more, which are shared and lead on less`));
		c.here.forEach((t, j) => place.set(t, { x, y: 26 + gap + j * step }));
	});
	for (const [t, p] of place) nodes.append(drawNode(t, p, box));
	for (const [t, p] of place) for (const parent of t.parents) {
		const q = place.get(parent);
		if (!q || links.childElementCount >= LINKS) continue;
		const x0 = q.x + box.w, y0 = q.y + box.h / 2, y1 = p.y + box.h / 2, bend = (p.x - x0) / 2;
		links.append(el("path", { d: `M${x0} ${y0}C${x0 + bend} ${y0} ${p.x - bend} ${y1} ${p.x} ${y1}`, class: t.parents.size > 1 ? "link shared" : "link",
			"data-from": parent.frame.toString(16), "data-to": t.frame.toString(16) }));
	}
	svg.setAttribute("viewBox", `0 0 ${w} ${high}`);
	svg.style.maxWidth = `${w * 1.15}px`;
	svg.style.minWidth = `${Math.min(w, 640)}px`;
	svg.replaceChildren(links, nodes);
}

function drawNode(t, p, box) {
	const shared = t.parents.size > 1, g = el("g", { class: shared ? "node shared" : "node", tabindex: place0(t) ? 0 : -1, role: "button",
		"aria-label": tableWords(t), "data-frame": t.frame.toString(16) });
	g.append(el("rect", { x: p.x, y: p.y, width: box.w, height: box.h, rx: 4 }),
		label(p.x + 7, p.y + 17, "mono", `${t.frame.toString(16)} ${t.view}`),
		label(p.x + box.w - 6, p.y + 17, "mono end", shared ? `\u00d7${t.parents.size}` : t.raw.unsync ? "unsync" : ""), el("title", {}, tableWords(t)));
	return g;
}
const place0 = (t) => t === tables.values().next().value;

function tellTable(node) {
	const t = tables.get(BigInt(`0x${node.dataset.frame}`)), near = new Set([t, ...t.parents, ...t.children.values()]);
	for (const n of $("tables").querySelectorAll(".node")) n.classList.toggle("near", near.has(tables.get(BigInt(`0x${n.dataset.frame}`))));
	for (const l of $("tables").querySelectorAll(".link")) l.classList.toggle("near", l.dataset.from === node.dataset.frame || l.dataset.to === node.dataset.frame);
	$("table").replaceChildren(`${tableWords(t)}. Covers `, ...t.reach.slice(0, 6).flatMap((from, i) => [i ? ", " : "", goButton(address(from), shown(from))]),
		t.reach.length > 6 ? ` and ${t.reach.length - 6} more.` : ".");
}
function goButton(where, words) {
	const b = el("button", { type: "button", class: "link-like" }, words);
	b.addEventListener("click", () => goTo(where) && map.focus());
	return b;
}

// One stop for Tab; the arrow keys go from table to table.
function tableGraph() {
	const shared = [...tables.values()].filter((t) => t.parents.size > 1).length;
	$("tables-about").textContent = tables.size ? `${count(tables.size, "table")}, ${shared} of them with more than one parent (filled, with their number). Tab and the arrow keys go from table to table.` : "This model names no tables.";
	if (!tables.size) return $("tables").remove();
	drawTableGraph();
	const svg = $("tables");
	// On the box around it: listeners for focus make an SVG a stop for Tab itself.
	svg.parentNode.addEventListener("focusin", (e) => e.target.dataset.frame && tellTable(e.target));
	svg.addEventListener("keydown", (e) => {
		const nodes = [...svg.querySelectorAll(".node")], i = nodes.indexOf(e.target), by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
		if (!by || i < 0 || !nodes[i + by]) return;
		e.preventDefault();
		e.target.setAttribute("tabindex", -1);
		nodes[i + by].setAttribute("tabindex", 0);
		nodes[i + by].focus();
	});
}

// ---- Differences and counters ----

const MOST_ROWS = 200;
function differences() {
	const counts = Object.entries(members(model.counts)).filter(([v]) => lanes.some((l) => l.view === v));
	if (counts.length) $("counts").append(table("Pages of 4 KiB", ["View", ...KINDS], counts.map(([v, c]) =>
		[TITLES[v][0], ...KINDS.map((k) => (Number(members(c)[k]) || 0).toLocaleString("en"))]), [1, 2, 3, 4, 5, 6]));
	const all = lanes.flatMap((l) => l.diffs.map((d) => ({ l, d }))).sort((a, b) => b.d.rank - a.d.rank || a.d.from - b.d.from);
	if (!all.length) return $("diff").append(el("p", {}, "None: the shadow holds all that the guest maps."));
	const swatch = (k) => el("span", {}, el("span", { class: "swatch", style: `background: var(--${k})`, "aria-hidden": "true" }), k);
	$("diff").append(table(`${count(all.length, "difference")}${all.length > MOST_ROWS ? `, the worst ${MOST_ROWS}` : ""}`,
		["Kind", "View", "Address", "Size", "Level", "Guest's entry", "Shadow's entry", "Why"],
		all.slice(0, MOST_ROWS).map(({ l, d }) => [swatch(d.look), l.title, goButton(address(d.from), shown(d.from)), bytes((d.to - d.from) * 4096),
			text(d.raw.level), text(d.raw.guest), text(d.raw.shadow), text(d.raw.text)]), [5, 6]));
}

function counters() {
	const of = (name, o) => Object.entries(members(o)).filter(([, v]) => typeof v === "number" || typeof v === "string")
		.map(([k, v]) => [name + k, typeof v === "number" ? v.toLocaleString("en") : text(v), v]);
	const all = [...of("", model.stats), ...of("shootdowns: ", model.shootdowns), ...of("rcu: ", model.rcu)].slice(0, 1000);
	if (!all.length) $("stats").textContent = "This model has none.";
	for (const [name, value, v] of all)
		$("stats").append(el("div", v ? {} : { class: "zero" }, el("span", {}, name), el("span", { class: "mono" }, value)));
}

readTrace();
head();
legend();
tell();
draw();
listen();
timeline();
tableGraph();
differences();
counters();
fromHash();
document.body.dataset.ready = "yes";
