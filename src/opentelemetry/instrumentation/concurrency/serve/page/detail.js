// The details of a site: what it runs, its groups with their stacks, and its tasks one by one.

import { age, breakable, element, keyOf, number, size, stackOfAnother, stackText } from "./show.js";

export class Detail {
  constructor(showTask) {
    this.showTask = showTask;
    this.element = element("section", { class: "detail", "aria-label": "Details of the site" });
  }

  // Which of its controls has the focus, so that a redrawn one can take it.
  focused() {
    if (!this.element.contains(document.activeElement)) return null;
    return [...this.element.querySelectorAll(CONTROLS)].indexOf(document.activeElement);
  }

  focus(at) {
    this.element.querySelectorAll(CONTROLS)[at]?.focus();
  }

  // Without heading, it does not repeat what the card above it shows.
  draw(data, at, { heading = true } = {}) {
    this.data = data;
    const detail = this.element;
    const row = data.sites[at];
    const key = keyOf(row);
    const open = new Set([...detail.querySelectorAll("details[open]")].map((each) => each.dataset.group));
    const groups = data.groups.filter((group) => group.site === at);
    const tasks = detail.dataset.of === key ? detail.querySelector(".tasks") : null;
    detail.dataset.of = key;
    detail.replaceChildren(
      heading ? element("h3", {}, `${number(row.live)} ${row.kind}${row.live === 1 ? "" : "s"} created by `, breakable(row.function)) : "",
      element("p", { class: "quiet" }, breakable(`${row.path}:${row.line}`)),
      ...(row.runs && heading ? [element("p", {}, "runs ", breakable(row.runs))] : []),
      ...row.via.map(([name, path, line]) => element("p", {}, "through ", breakable(name), " ", element("span", { class: "quiet" }, breakable(`${path}:${line}`)))),
      ...(row.memory === null || !heading ? [] : [element("p", {}, `memory that only this leak holds: ${size(row.memory)}`)]),
      ...Object.entries(row.impact).filter(([name]) => heading || name === "waits on").map(([name, text]) => element("p", {}, `${name}: `, breakable(text))),
      ...endings(row),
      ...groups.map((group) => this.group(group, open)),
      creation(data, row, groups, open),
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
    const place_ = this.element.querySelector(".tasks");
    place_.textContent = "…";
    try {
      const answer = await fetch(`snapshot.json?${query}`);
      if (!answer.ok) throw new Error(await answer.text());
      const found = await answer.json();
      place_.replaceChildren(this.taskTable(row, found[`${row.kind}s`], found.left_out ?? 0));
    } catch (error) {
      place_.textContent = `Loading failed: ${error.message}`;
    }
  }

  taskTable(row, tasks, leftOut) {
    const head = ["Number", "Name", "Age", "Waits in", "Verdict"].map((text) => element("th", { scope: "col" }, text));
    const rows = tasks.map((task) => element("tr", {},
      element("td", {}, row.kind === "task" ? element("button", { type: "button", onclick: () => this.showTask(task.serial) }, String(task.serial)) : String(task.serial)),
      element("td", {}, task.name), element("td", { class: "number" }, age(task.age_s)), element("td", {}, task.wait_reason),
      element("td", { class: task.verdict === "unwakeable" ? "bad" : "warn", title: task.reason ?? "" }, task.verdict ?? "")));
    const cut = leftOut ? element("p", { class: "quiet" }, `${number(tasks.length)} shown, ${number(leftOut)} more.`) : null;
    return element("div", {}, element("div", { class: "scroll" }, element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows))), cut);
  }
}

const CONTROLS = "summary, button, pre";

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

