// The table of sites, and the details of the selected one.

import { age, element, number, place, size, stackOfAnother, stackText, verdictOf } from "./show.js";

const SHOWN_AT_FIRST = 200;
const COLUMNS = [
  { name: "line", text: "Created at", value: (row) => `${row.function} ${row.line}` },
  { name: "kind", text: "Kind", wide: true, value: (row) => row.kind },
  { name: "live", text: "Live", numeric: true, value: (row) => row.live },
  { name: "rate", text: "Created per minute", numeric: true, wide: true, value: (row) => row.rate },
  { name: "created", text: "Created", numeric: true, wide: true, value: (row) => row.created },
  { name: "oldest", text: "Oldest", numeric: true, value: (row) => row.oldest_s },
  { name: "memory", text: "Memory of the leak", numeric: true, wide: true, value: (row) => row.memory ?? -1 },
  { name: "verdict", text: "Verdict", value: (row) => verdictOf(row).rank * 1e9 + row.orphaned + row.unwakeable },
];

export class Sites {
  constructor(showTask) {
    this.showTask = showTask;
    this.sort = { column: COLUMNS[2], down: true };
    this.shown = SHOWN_AT_FIRST;
    this.chosen = null;
    this.before = new Map();
    this.parts = Object.fromEntries(["heads", "rows", "more", "left-out", "detail", "filter", "kind", "accused"].map((id) => [id, document.getElementById(id)]));
    for (const id of ["filter", "kind", "accused"]) this.parts[id].addEventListener("input", () => { this.shown = SHOWN_AT_FIRST; this.draw(); });
    this.parts.more.addEventListener("click", () => { this.shown += 1000; this.draw(); });
    this.parts.filter.form.addEventListener("submit", (event) => event.preventDefault());
    this.drawHeads();
  }

  take(data) {
    for (const row of data.sites) {
      const key = keyOf(row);
      const before = this.before.get(key);
      const seconds = before ? data.taken_at - before.at : 0;
      row.rate = seconds > 0 ? Math.max(0, row.created - before.created) * 60 / seconds : 0;
      if (!before || seconds >= 10) this.before.set(key, { at: data.taken_at, created: row.created });
    }
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
      && (!wanted || `${row.function} ${row.path}:${row.line} ${row.runs}`.toLowerCase().includes(wanted)));
    rows.sort((one, other) => {
      const [first, second] = [column.value(one), column.value(other)];
      const order = first < second ? -1 : first > second ? 1 : 0;
      return (down ? -order : order) || other.live - one.live;
    });
    const focused = document.activeElement?.dataset?.site;
    this.parts.rows.replaceChildren(...rows.slice(0, this.shown).map((row) => this.row(row)));
    if (focused) this.parts.rows.querySelector(`[data-site="${CSS.escape(focused)}"]`)?.focus();
    this.parts.more.hidden = rows.length <= this.shown;
    this.parts.more.textContent = `Show more (${number(rows.length - this.shown)} sites)`;
    const out = this.data.left_out;
    this.parts["left-out"].textContent = out.sites || out.groups
      ? `Omitted here, the smallest first: ${number(out.sites)} sites, ${number(out.groups)} groups.` : "";
    this.drawDetail();
  }

  row(row) {
    const key = keyOf(row);
    const verdict = verdictOf(row);
    const choose = () => { this.chosen = this.chosen === key ? null : key; this.draw(); };
    return element("tr", { "aria-selected": this.chosen === key ? "true" : "false" },
      element("td", {}, element("button", { type: "button", "data-site": key, "aria-expanded": this.chosen === key ? "true" : "false", onclick: choose }, row.function),
        element("div", { class: "quiet", title: `${row.path}:${row.line}` }, place(row.path, row.line)),
        row.runs ? element("div", { class: "quiet" }, `runs ${row.runs}`) : null),
      element("td", { class: "wide" }, row.kind),
      element("td", { class: "number" }, number(row.live)),
      element("td", { class: "number wide" }, row.rate ? row.rate.toFixed(row.rate < 10 ? 1 : 0) : ""),
      element("td", { class: "number wide" }, row.created ? number(row.created) : ""),
      element("td", { class: "number" }, row.live ? age(row.oldest_s) : ""),
      element("td", { class: "number wide" }, size(row.memory)),
      element("td", { class: verdict.kind }, verdict.text));
  }

  drawDetail() {
    const detail = this.parts.detail;
    const at = this.data.sites.findIndex((row) => keyOf(row) === this.chosen);
    detail.hidden = at < 0;
    if (at < 0) { detail.replaceChildren(); return; }
    const row = this.data.sites[at];
    const open = new Set([...detail.querySelectorAll("details[open]")].map((each) => each.dataset.group));
    const groups = this.data.groups.filter((group) => group.site === at);
    const tasks = detail.dataset.of === this.chosen ? detail.querySelector(".tasks") : null;
    detail.dataset.of = this.chosen;
    detail.replaceChildren(
      element("h2", {}, `${number(row.live)} ${row.kind}${row.live === 1 ? "" : "s"} created by ${row.function}`),
      element("p", { class: "quiet" }, `${row.path}:${row.line}`),
      ...(row.runs ? [element("p", {}, `runs ${row.runs}`)] : []),
      ...row.via.map(([name, path, line]) => element("p", {}, `through ${name} `, element("span", { class: "quiet" }, `${path}:${line}`))),
      ...(row.memory === null ? [] : [element("p", {}, `memory that only this leak holds: ${size(row.memory)}`)]),
      ...Object.entries(row.impact).map(([heading, text]) => element("p", {}, `${heading} ${text}`)),
      ...endings(row),
      ...groups.map((group) => this.group(group, open)),
      creation(this.data, row, groups, open),
      element("button", { type: "button", onclick: () => this.loadTasks(row) }, `Show ${row.kind === "task" ? "tasks" : "threads"} one by one`),
      tasks ?? element("div", { class: "tasks" }));
  }

  group(group, open) {
    const id = `${group.stack} ${group.wait} ${group.verdict}`;
    const parts = [group.wait, group.stall_s === null ? "" : `for ${age(group.stall_s)}`, `oldest ${age(group.oldest_s)}`, group.note];
    return element("details", { "data-group": id, open: open.has(id) || open.size === 0 },
      element("summary", {}, element("b", {}, `${number(group.count)} × `), parts.filter(Boolean).join(", "), " ",
        element("span", { class: group.verdict === "unwakeable" ? "bad" : "warn" }, group.verdict)),
      element("pre", { tabindex: "0", "aria-label": "where they wait, innermost first" }, stackText(this.data, group.stack)));
  }

  async loadTasks(row) {
    const query = new URLSearchParams({ kind: row.kind, function: row.function, path: row.path, line: row.line, runs: row.runs, limit: 200 });
    const place_ = this.parts.detail.querySelector(".tasks");
    place_.textContent = "…";
    try {
      const answer = await fetch(`snapshot.json?${query}`);
      if (!answer.ok) throw new Error(await answer.text());
      const found = await answer.json();
      place_.replaceChildren(this.taskTable(row, found[`${row.kind}s`]));
    } catch (error) {
      place_.textContent = `Loading failed: ${error.message}`;
    }
  }

  taskTable(row, tasks) {
    const head = ["Number", "Name", "Age", "Waits in", "Verdict"].map((text) => element("th", { scope: "col" }, text));
    const rows = tasks.map((task) => element("tr", {},
      element("td", {}, row.kind === "task" ? element("button", { type: "button", onclick: () => this.showTask(task.serial) }, String(task.serial)) : String(task.serial)),
      element("td", {}, task.name), element("td", { class: "number" }, age(task.age_s)), element("td", {}, task.wait_reason),
      element("td", { class: task.verdict === "unwakeable" ? "bad" : "warn", title: task.reason ?? "" }, task.verdict ?? "")));
    const cut = row.live > tasks.length ? element("p", { class: "quiet" }, `The first ${tasks.length} of ${number(row.live)}.`) : null;
    return element("div", {}, element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows))), cut);
  }
}

function creation(data, row, groups, open) {
  const recorded = groups.filter((group) => group.creation !== undefined);
  const found = recorded.find((group) => !group.creation_sampled) ?? recorded[0];
  if (!found) return element("p", { class: "quiet" }, "No creation stack was recorded at this line.");
  const heading = found.creation_sampled ? stackOfAnother(row.kind) : "creation stack of one of them";
  return element("details", { "data-group": "creation", open: open.has("creation") },
    element("summary", {}, heading), element("pre", { tabindex: "0" }, stackText(data, found.creation)));
}

function endings(row) {
  const texts = [];
  if (row.destroyed) texts.push(`${number(row.destroyed)} destroyed while pending`);
  if (row.unretrieved) texts.push(`${number(row.unretrieved)} failed, exception never retrieved`);
  return texts.length ? [element("p", { class: "warn" }, texts.join(", "))] : [];
}

function keyOf(row) {
  return `${row.kind} ${row.function} ${row.path}:${row.line} ${row.runs}`;
}

function classes(column) {
  return [column.numeric ? "number" : "", column.wide ? "wide" : ""].join(" ").trim();
}
