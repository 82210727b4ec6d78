// The leaks as cards, the worst first; the details of a card open in place.

import { Detail } from "./detail.js";
import { age, breakable, element, isOwn, keyOf, number, place, size, verdictOf, waitsAt } from "./show.js";

const SHOWN_AT_FIRST = 12;
const WORDS = { unwakeable: ["proven", "bad"], orphaned: ["orphaned", "warn"], growing: ["growing", "warn"] };

export class Leaks {
  constructor(showTask) {
    this.showTask = showTask;
    this.place = document.getElementById("leaks");
    this.open = new Map();
    this.shown = SHOWN_AT_FIRST;
  }

  take(data) {
    this.data = data;
    const rows = data.sites.map((row, at) => ({ row, at })).filter(({ row }) => verdictOf(row).rank >= 1 && !isOwn(data, row));
    rows.sort((one, other) => weight(other.row) - weight(one.row));
    this.rows = rows;
    this.draw();
    return rows.length;
  }

  draw() {
    const focused = document.activeElement?.dataset?.leak;
    const inDetail = [...this.open].map(([key, detail]) => [key, detail.focused()]).find(([, at]) => at !== null);
    const rows = this.rows;
    const title = element("h2", { id: "leaks-title" }, rows.length ? `${number(rows.length)} leaking site${rows.length === 1 ? "" : "s"}` : "No leaks found");
    if (!rows.length) { this.place.replaceChildren(title, this.nothing()); return; }
    const more = rows.length > this.shown
      ? [element("button", { type: "button", onclick: () => { this.shown += 50; this.draw(); } }, `Show more (${number(rows.length - this.shown)} sites)`)] : [];
    this.place.replaceChildren(title, element("ol", { class: "leaks" }, ...rows.slice(0, this.shown).map(({ row, at }) => this.card(row, at))), ...more);
    if (focused) this.place.querySelector(`[data-leak="${CSS.escape(focused)}"]`)?.focus();
    if (inDetail) this.open.get(inDetail[0]).focus(inDetail[1]);
  }

  nothing() {
    const { uptime_s: uptime, scan_age_s: scanned } = this.data.process;
    const since = new Date(1000 * (this.data.taken_at - uptime)).toLocaleString();
    const last = scanned === null || scanned === undefined ? "" : ` The last scan was ${age(scanned)} ago.`;
    return element("p", { class: "good" }, `No live task or thread is leaking. Watched since ${since}, for ${age(uptime)}.${last}`);
  }

  card(row, at) {
    const key = keyOf(row);
    const isOpen = this.open.has(key);
    const toggle = () => {
      if (isOpen) this.open.delete(key); else this.open.set(key, new Detail(this.showTask));
      this.draw();
    };
    const leaked = row.unwakeable + row.orphaned || row.live;
    const words = [];
    if (row.unwakeable) words.push(["unwakeable", row.unwakeable < leaked ? `${number(row.unwakeable)} ` : ""]);
    if (row.orphaned) words.push(["orphaned", row.orphaned < leaked ? `${number(row.orphaned)} ` : ""]);
    if (row.growing) words.push(["growing", ""]);
    const rate = row.rate >= 0.05 ? ` ${row.rate.toFixed(row.rate < 10 ? 1 : 0)}/min` : "";
    const marks = words.map(([name, count]) => element("span", { class: `mark ${WORDS[name][1]}`, title: name === "unwakeable" ? "nothing that still runs will wake them" : name },
      `${count}${WORDS[name][0]}${name === "growing" ? rate : ""}`));
    if (row.memory !== null) marks.unshift(element("span", { class: "mark" }, size(row.memory)));
    const group = this.data.groups.find((each) => each.site === at && each.verdict) ?? this.data.groups.find((each) => each.site === at);
    const detail = this.open.get(key);
    if (detail) detail.draw(this.data, at, { heading: false });
    return element("li", { class: row.unwakeable ? "leak proven" : "leak" },
      element("h3", {}, `${number(leaked)} ${row.kind}${leaked === 1 ? "" : "s"} from `, element("code", {}, breakable(row.function))),
      element("p", { class: "marks" }, ...marks, element("span", { class: "quiet" }, `oldest ${age(row.oldest_s)}`)),
      element("dl", {}, ...facts(this.data, row, group)),
      element("button", { type: "button", "data-leak": key, "aria-expanded": String(isOpen), onclick: toggle }, isOpen ? "Hide details" : "Details"),
      detail ? detail.element : null);
  }
}

function facts(data, row, group) {
  const at = group ? waitsAt(data, group.stack) : null;
  const pairs = [["created by", [breakable(row.path ? place(row.path, row.line) : row.function)], row.path ? `${row.path}:${row.line}` : ""]];
  if (row.runs) pairs.push(["runs", [breakable(row.runs)], ""]);
  if (at) pairs.push(["waits at", [breakable(at[0]), " ", element("span", { class: "quiet" }, breakable(place(at[1], at[2]))), ` [${group.wait}]`], `${at[1]}:${at[2]}`]);
  for (const [heading, text] of Object.entries(row.impact)) if (heading !== "waits on") pairs.push([heading, [breakable(text)], ""]);
  return pairs.flatMap(([name, value, title]) => [element("dt", {}, name), element("dd", title ? { title } : {}, ...value)]);
}

function weight(row) {
  return verdictOf(row).rank * 1e15 + (row.memory ?? 0) * 10 + row.unwakeable + row.orphaned + row.live / 1e6;
}
