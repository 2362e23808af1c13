// SPDX-License-Identifier: BSD-2-Clause
// What the page knows: lanes of regions and differences, the axis, what is at an address. Nothing here
// draws. Addresses are counted in pages of 4 KiB: 2^52 of them, which a Number holds exactly, as it
// does not 2^64 bytes. The model may say anything (picture.h): what makes no sense is left out and counted.

const model = JSON.parse(document.getElementById("model").textContent);
const PAGES = 2 ** 52;
let leftOut = 0;

const list = (x) => (Array.isArray(x) ? x : []);
const members = (x) => (x && typeof x === "object" && !Array.isArray(x) ? x : {});
const own = (o, k) => (Object.hasOwn(o, k) ? o[k] : undefined);
const objects = (x) => list(x).filter((o) => members(o) === o || (leftOut++, false));
const text = (x) => (typeof x === "string" ? x : x === undefined || x === null ? "" : JSON.stringify(x)).slice(0, 400);
const big = (x) => (typeof x === "string" && /^0x[0-9a-f]{1,16}$/i.test(x) ? BigInt(x) : null);
const hex = (n) => BigInt(n).toString(16).padStart(16, "0");
const address = (page) => hex(BigInt(Math.round(page)) * 4096n);
const shown = (page) => address(page).replace(/^0{4,}(?=.)/, "");

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
function bytes(n) {
	let unit = 0;
	for (; n >= 1024 && unit < UNITS.length - 1; unit++) n /= 1024;
	return `${n >= 100 || Number.isInteger(n) ? Math.round(n) : n.toFixed(1)} ${UNITS[unit]}`;
}
const count = (n, one, many) => `${Number(n).toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;

// Rights, the most telling one last: of several in one pixel the later one is shown.
const RIGHTS = {
	"---": "no access", "r--": "read only", "r-x": "read, execute", "rw-": "read, write",
	"rwx": "write and execute",
};
const CLASSES = Object.keys(RIGHTS);
const STATES = {
	same: "the same", lazy: "lazy: the shadow has not got it yet, or with less",
	held: "held: the direct map withholds access", tracked: "tracked: not writable, it holds a page table",
	unsync: "unsync: the shadow lags until the guest flushes", wrong: "wrong: the shadow permits too much",
};
const KINDS = Object.keys(STATES);
const BITS = {
	P: "present", W: "writable", U: "user", PWT: "write-through", PCD: "not cached", A: "accessed",
	D: "dirty", PS: "large page", PAT: "PAT", G: "global", NX: "no execute",
};
const words = (flags) => text(flags).split(" ").filter(Boolean).reverse().map((f) => own(BITS, f) || f).join(", ");

// A span of pages [from, to), or null if it is none.
function span(o) {
	const at = big(o.gva), pages = typeof o.size === "number" ? Math.ceil(o.size / 4096) : 0;
	if (at === null || !(pages > 0) || !Number.isFinite(pages)) return null;
	const from = Number(at >> 12n);
	return { from, to: Math.min(from + pages, PAGES), raw: o };
}

function spans(array, finish) {
	const result = [];
	for (const o of objects(array)) {
		const s = span(o);
		if (!s) leftOut++;
		else result.push(finish(s, o));
	}
	result.sort((a, b) => a.from - b.from);
	return result.filter((s, i) => !i || s.from >= result[i - 1].to || (leftOut++, false));
}

function region(s, o) {
	const access = text(o.access), rights = access.slice(1, 4);
	s.user = access[0] === "u";
	s.rank = Math.max(0, CLASSES.indexOf(rights));
	s.level = Math.min(Math.max(Math.trunc(Number(o.level)) || 1, 1), 5);
	s.look = CLASSES[s.rank];
	return s;
}

function difference(s, o) {
	s.rank = Math.max(0, KINDS.indexOf(o.kind));
	s.look = KINDS[s.rank];
	return s;
}

const TITLES = {
	guest: ["Guest", "its own tables"], kernel: ["Shadow, kernel", "rings 0 to 2"],
	"kernel-ac": ["Shadow, kernel AC", "user pages open"], user: ["Shadow, user", "ring 3"],
};
const lanes = [];
for (const view of Object.keys(TITLES)) {
	const regions = members(model.views)[view];
	if (!Array.isArray(regions)) continue;
	// Where SMAP makes no difference, its lane would only repeat the one above.
	const twin = view === "kernel-ac" && JSON.stringify(regions) === JSON.stringify(model.views.kernel);
	if (twin) {
		lanes[lanes.length - 1].note = "and kernel AC, the same";
		continue;
	}
	lanes.push({ view, title: TITLES[view][0], note: TITLES[view][1], regions: spans(regions, region),
		diffs: view === "guest" ? [] : spans(members(model.diff)[view], difference) });
}

// The first of the sorted spans that ends after the place. Ends and places are pages or axis units.
function after(sorted, place, end) {
	let low = 0, high = sorted.length;
	while (low < high) {
		const mid = (low + high) >> 1;
		if (sorted[mid][end] > place) high = mid;
		else low = mid + 1;
	}
	return low;
}
function at(sorted, page) {
	const s = sorted[after(sorted, page, "to")];
	return s && s.from <= page ? s : null;
}
function state(lane, page) {
	const d = at(lane.diffs, page);
	return d ? d.look : at(lane.regions, page) && lane.view !== "guest" ? "same" : "";
}

// ---- The axis: pieces of pages, populated or a hole, each with its share of the units from 0 to 1. ----

const SEGMENTS = 48, LARGE_HOLE = 512, PIECES = 3000;

function populated() {
	const all = lanes.flatMap((l) => l.regions.concat(l.diffs)).sort((a, b) => a.from - b.from);
	const union = [];
	for (const s of all) {
		const last = union[union.length - 1];
		if (last && s.from <= last.to) last.to = Math.max(last.to, s.to);
		else union.push({ from: s.from, to: s.to });
	}
	return union.length ? union : [{ from: 0, to: 1 }];
}

// Only the largest holes are left out; the others are empty room between neighbours.
function segments(union) {
	const gaps = union.slice(1).map((s, i) => ({ i: i + 1, size: s.from - union[i].to }));
	const breaks = new Set(gaps.filter((g) => g.size >= LARGE_HOLE).sort((a, b) => b.size - a.size)
		.slice(0, SEGMENTS - 1).map((g) => g.i));
	const result = [];
	union.forEach((s, i) => {
		if (i && !breaks.has(i)) result[result.length - 1].to = s.to;
		else result.push({ from: s.from, to: s.to });
	});
	return result;
}

function boundaries() {
	const set = new Set();
	for (const l of lanes) for (const s of l.regions.concat(l.diffs)) set.add(s.from).add(s.to);
	return [...set].sort((a, b) => a - b);
}

// Two scales: true to size within a segment, or stretched so that each region gets room.
const SEGMENT_LIST = segments(populated());
const CUTS = boundaries();
function makeAxis(stretched) {
	const pieces = [];
	let cut = 0;
	SEGMENT_LIST.forEach((s, i) => {
		if (i) pieces.push({ from: SEGMENT_LIST[i - 1].to, to: s.from, hole: true });
		let from = s.from;
		for (; stretched && cut < CUTS.length && CUTS[cut] < s.to; cut++) {
			if (CUTS[cut] <= from) continue;
			pieces.push({ from, to: CUTS[cut], start: from === s.from });
			from = CUTS[cut];
		}
		pieces.push({ from, to: s.to, start: from === s.from });
	});
	const weight = (p) => (p.hole ? 2.2 : Math.log2(1 + p.to - p.from) + (stretched ? 0.7 : 3));
	const total = pieces.reduce((sum, p) => sum + weight(p), 0);
	let u = 0;
	for (const p of pieces) {
		p.u0 = u;
		u += weight(p) / total;
		p.u1 = u;
	}
	return pieces;
}

let pieces, stretched = CUTS.length <= PIECES;
const canStretch = stretched;
function unit(page) {
	const p = pieces[Math.min(after(pieces, page, "to"), pieces.length - 1)];
	return Math.min(Math.max(p.u0 + ((page - p.from) / (p.to - p.from)) * (p.u1 - p.u0), 0), 1);
}
function pageAt(u) {
	const p = pieces[Math.min(after(pieces, u, "u1"), pieces.length - 1)];
	return Math.min(Math.max(Math.floor(p.from + ((u - p.u0) / (p.u1 - p.u0)) * (p.to - p.from)), p.from), p.to - 1);
}
function setScale(stretch) {
	stretched = stretch && canStretch;
	pieces = makeAxis(stretched);
	for (const l of lanes)
		for (const s of l.regions.concat(l.diffs)) {
			s.u0 = unit(s.from);
			s.u1 = unit(s.to);
		}
}
setScale(true);

// ---- Shadow tables: who leads to whom, and which addresses each is used for. ----

const tables = new Map();
for (const t of objects(model.tables)) {
	const frame = big(t.table);
	if (frame === null) {
		leftOut++;
		continue;
	}
	const role = members(t.role);
	tables.set(frame, { frame, gfn: big(t.gfn), level: Math.min(Math.max(Math.trunc(Number(role.level)) || 1, 1), 5),
		view: text(role.view), raw: t, parents: new Set(), children: new Map(), reach: [], roots: new Set() });
}
for (const t of tables.values())
	for (const e of objects(t.raw.entries)) {
		const entry = big(e.entry), index = Number(e.index);
		const child = entry === null ? null : tables.get((entry & 0xffffffffff000n) >> 12n);
		if (!child || child.level >= t.level || !(index >= 0 && index < 1024)) continue;
		t.children.set(index, child);
		child.parents.add(t);
	}

// Walks that a graph made to be walked for ever would need are cut off.
function reach() {
	let steps = 50000;
	const go = (root, table, from) => {
		if (--steps < 0) return;
		const size = 512 ** table.level;
		table.roots.add(root);
		if (table.reach.length < 64 && !table.reach.includes(from)) table.reach.push(from);
		for (const [index, child] of table.children) {
			let start = from + index * (size / 512);
			if (table === root && table.level >= 4 && index >= 256) start += PAGES - size;
			go(root, child, start);
		}
	};
	for (const t of tables.values()) if (!t.parents.size) go(t, t, 0);
}
reach();
const sharers = (t) => Math.max(t.parents.size, t.roots.size);

// The tables of a view's current root that lead to a page, from the top.
function path(view, page) {
	const roots = list(model.roots).map(members).filter((r) => text(members(r.role).view) === view);
	const root = roots.find((r) => list(r.vcpus).includes(0)) || roots[0];
	const result = [];
	for (let t = root && tables.get(big(root.mfn)); t;) {
		result.push(t);
		t = t.children.get(Math.floor(page / 512 ** (t.level - 1)) % 512);
	}
	return result;
}
