// The table of sites; the details of the selected one open below its row.

import { Detail } from "./detail.js";
import { age, breakable, element, isOwn, keyOf, number, place, size, verdictOf } from "./show.js";

const SHOWN_AT_FIRST = 200;
const COLUMNS = [
  { name: "line", text: "Created at", value: (row) => `${row.function} ${row.line}` },
  { name: "kind", text: "Kind", wide: true, value: (row) => row.kind },
  { name: "live", text: "Live", numeric: true, value: (row) => row.live },
  { name: "rate", text: "Created per minute", numeric: true, wide: true, value: (row) => row.rate },
  { name: "created", text: "Created", numeric: true, wide: true, value: (row) => row.created },
  { name: "oldest", text: "Oldest", numeric: true, wide: true, value: (row) => row.oldest_s },
  { name: "memory", text: "Memory of the leak", numeric: true, wide: true, value: (row) => row.memory ?? -1 },
  { name: "verdict", text: "Verdict", value: (row) => verdictOf(row).rank * 1e9 + row.orphaned + row.unwakeable },
];

export class Sites {
  constructor(showTask) {
    this.detail = new Detail(showTask);
    this.detail.element.id = "detail";
    this.sort = { column: COLUMNS[2], down: true };
    this.shown = SHOWN_AT_FIRST;
    this.chosen = null;
    this.before = new Map();
    this.parts = Object.fromEntries(["heads", "rows", "more", "left-out", "filter", "kind", "accused", "own"].map((id) => [id, document.getElementById(id)]));
    for (const id of ["filter", "kind", "accused", "own"]) this.parts[id].addEventListener("input", () => { this.shown = SHOWN_AT_FIRST; this.draw(); });
    this.parts.more.addEventListener("click", () => { this.shown += 1000; this.draw(); });
    this.parts.filter.form.addEventListener("submit", (event) => event.preventDefault());
    this.drawHeads();
  }

  // Before anything is drawn: the rates belong to the cards as well.
  rate(data) {
    for (const row of data.sites) {
      const key = keyOf(row);
      const before = this.before.get(key);
      const seconds = before ? data.taken_at - before.at : 0;
      row.rate = seconds > 0 ? Math.max(0, row.created - before.created) * 60 / seconds : 0;
      if (!before || seconds >= 10) this.before.set(key, { at: data.taken_at, created: row.created });
    }
  }

  take(data) {
    this.data = data;
    this.draw();
  }

  drawHeads() {
    this.parts.heads.replaceChildren(...COLUMNS.map((column) => {
      const sorted = this.sort.column === column;
      const press = () => {
        this.sort = { column, down: sorted ? !this.sort.down : column.numeric || column.name === "verdict" };
        this.drawHeads();
        this.draw();
        document.querySelector(`[data-column="${column.name}"]`).focus();
      };
      const mark = sorted ? (this.sort.down ? " ↓" : " ↑") : "";
      return element("th", { scope: "col", class: classes(column), "aria-sort": sorted ? (this.sort.down ? "descending" : "ascending") : "none" },
        element("button", { type: "button", "data-column": column.name, onclick: press }, column.text + mark));
    }));
  }

  draw() {
    if (!this.data) return;
    const { column, down } = this.sort;
    const wanted = this.parts.filter.value.trim().toLowerCase();
    const rows = this.data.sites.filter((row) => (!this.parts.kind.value || row.kind === this.parts.kind.value)
      && (!this.parts.accused.checked || verdictOf(row).rank)
      && (this.parts.own.checked || !isOwn(this.data, row))
      && (!wanted || `${row.function} ${row.path}:${row.line} ${row.runs}`.toLowerCase().includes(wanted)));
    rows.sort((one, other) => {
      const [first, second] = [column.value(one), column.value(other)];
      const order = first < second ? -1 : first > second ? 1 : 0;
      return (down ? -order : order) || other.live - one.live;
    });
    const focused = document.activeElement?.dataset?.site;
    const inDetail = this.detail.focused();
    const chosen = this.data.sites.findIndex((row) => keyOf(row) === this.chosen);
    if (chosen >= 0) this.detail.draw(this.data, chosen);
    this.parts.rows.replaceChildren(...rows.slice(0, this.shown).flatMap((row) => this.rows(row)));
    if (inDetail !== null) this.detail.focus(inDetail);
    if (focused) this.parts.rows.querySelector(`[data-site="${CSS.escape(focused)}"]`)?.focus();
    this.parts.more.hidden = rows.length <= this.shown;
    this.parts.more.textContent = `Show more (${number(rows.length - this.shown)} sites)`;
    const out = this.data.left_out;
    this.parts["left-out"].textContent = [
      out.sites || out.groups ? `Omitted here, the smallest first: ${number(out.sites)} sites, ${number(out.groups)} groups.` : "",
      out.site_numbers ? `${number(out.site_numbers)} of the smaller sites are shown without created, memory and advice.` : "",
    ].join(" ").trim();
  }

  rows(row) {
    const shown = [this.row(row)];
    if (keyOf(row) === this.chosen) shown.push(element("tr", { class: "detail" }, element("td", { colspan: COLUMNS.length }, this.detail.element)));
    return shown;
  }

  row(row) {
    const key = keyOf(row);
    const verdict = verdictOf(row);
    const choose = () => { this.chosen = this.chosen === key ? null : key; this.draw(); };
    return element("tr", { "aria-selected": this.chosen === key ? "true" : "false" },
      element("td", {}, element("button", { type: "button", "data-site": key, "aria-expanded": this.chosen === key ? "true" : "false", onclick: choose }, breakable(row.function)),
        element("div", { class: "quiet", title: `${row.path}:${row.line}` }, breakable(place(row.path, row.line))),
        row.runs ? element("div", { class: "quiet" }, "runs ", breakable(row.runs)) : null),
      element("td", { class: "wide" }, row.kind),
      element("td", { class: "number" }, number(row.live)),
      element("td", { class: "number wide" }, row.rate ? row.rate.toFixed(row.rate < 10 ? 1 : 0) : ""),
      element("td", { class: "number wide" }, row.created ? number(row.created) : ""),
      element("td", { class: "number wide" }, row.live ? age(row.oldest_s) : ""),
      element("td", { class: "number wide" }, size(row.memory)),
      element("td", { class: `verdict ${verdict.kind}`.trim() }, verdict.text));
  }
}

function classes(column) {
  return [column.numeric ? "number" : "", column.wide ? "wide" : ""].join(" ").trim();
}
