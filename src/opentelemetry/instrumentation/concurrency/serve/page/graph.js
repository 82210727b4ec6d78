// The neighbours of a task in the wait graph, as a tree; deadlocks are marked.

import { age, breakable, element, number, stackOfAnother, stackText } from "./show.js";

export class Graph {
  constructor() {
    this.place = document.getElementById("graph");
    this.serial = document.getElementById("serial");
    this.isEmpty = true;
    this.asked = 0;
    document.getElementById("cycles").addEventListener("click", () => this.showCycles());
    document.getElementById("graph-form").addEventListener("submit", (event) => { event.preventDefault(); this.show(Number(this.serial.value)); });
  }

  // The tasks that await each other in a cycle, one list per cycle.
  async showCycles() {
    this.isEmpty = false;
    const asked = ++this.asked;
    this.place.textContent = "…";
    try {
      const answer = await fetch(`snapshot.json?${new URLSearchParams({ deadlocked: 1, limit: 200 })}`);
      if (!answer.ok) throw new Error(await answer.text());
      const found = await answer.json();
      if (asked !== this.asked) return;
      const cycles = new Map();
      for (const task of found.tasks) {
        const key = [...task.deadlock].sort((one, other) => one - other).join(" ");
        cycles.set(key, [...(cycles.get(key) ?? []), task]);
      }
      const hint = element("p", { class: "quiet" }, "For another task, enter its number, or select it in the details of a site.");
      const title = cycles.size ? `${cycles.size} await cycle${cycles.size === 1 ? "" : "s"}: nothing can wake or cancel these tasks` : "No tasks await each other in a cycle";
      this.place.replaceChildren(element("h2", {}, title), hint, ...rest(found), ...[...cycles.values()].map((tasks) => element("ul", {}, ...tasks.map((task) => element("li", {}, this.task(task, found))))));
    } catch (error) {
      this.place.textContent = `Loading failed: ${error.message}`;
    }
  }

  async show(serial) {
    this.isEmpty = false;
    const asked = ++this.asked;
    this.serial.value = serial;
    this.place.textContent = "…";
    try {
      const answer = await fetch(`snapshot.json?${new URLSearchParams({ kind: "task", around: serial, limit: 200 })}`);
      if (!answer.ok) throw new Error(await answer.text());
      const found = await answer.json();
      if (asked === this.asked) this.draw(serial, found);
    } catch (error) {
      this.place.textContent = `Loading failed: ${error.message}`;
    }
  }

  draw(serial, found) {
    const tasks = new Map(found.tasks.map((task) => [task.serial, task]));
    const start = tasks.get(serial);
    if (!start) { this.place.textContent = `Task ${serial} no longer exists.`; return; }
    const above = [];
    for (const [text, next] of [["It waits for", (task) => (task.waits_for ? [task.waits_for] : [])], ["It is awaited by", (task) => task.owners ?? []]]) {
      const tree = this.branches(next(start), next, tasks, found, new Set([serial]));
      if (tree) above.push(element("h2", {}, text), tree);
    }
    const alone = above.length ? [] : [element("p", { class: "quiet" }, "It waits for no task, and no task waits for it.")];
    const reason = start.reason ? [element("p", {}, start.reason)] : [];
    const stack = element("pre", { tabindex: "0", "aria-label": "where it waits, innermost first" }, stackText(foundAsOverview(found), start.stack));
    this.place.replaceChildren(element("ul", {}, element("li", {}, this.task(start, found))), ...reason, ...created(start, found), stack, ...above, ...alone, ...rest(found));
  }

  branches(serials, next, tasks, found, seen) {
    const items = serials.map((serial) => {
      const task = tasks.get(serial);
      if (!task) return element("li", { class: "quiet" }, `task ${serial}`);
      if (seen.has(serial)) return element("li", {}, this.task(task, found), element("span", { class: "bad" }, " ↺ the circle closes here"));
      return element("li", {}, this.task(task, found), this.branches(next(task), next, tasks, found, new Set([...seen, serial])));
    });
    return items.length ? element("ul", {}, ...items) : null;
  }

  task(task, found) {
    const site = found.sites[task.site];
    return element("span", {},
      element("button", { type: "button", onclick: () => this.show(task.serial) }, `task ${task.serial} “${task.name}”`),
      ` [${task.wait_reason}] ${age(task.age_s)}, `, site.runs ? "runs " : "", breakable(site.runs), site.runs ? ", " : "", "created by ", breakable(`${site.function}:${site.line}`), " ",
      task.deadlock?.length ? element("span", { class: "bad" }, "deadlock ") : null,
      task.verdict ? element("span", { class: task.verdict === "unwakeable" ? "bad" : "warn", title: task.reason ?? "" }, task.verdict) : null);
  }
}

function rest(found) {
  return found.left_out ? [element("p", { class: "quiet" }, `${number(found.left_out)} more tasks not shown.`)] : [];
}

function created(task, found) {
  const through = (found.sites[task.site].via ?? []).map((number) => found.frames[number])
    .map((spawner) => element("p", {}, `through ${spawner.function} `, element("span", { class: "quiet" }, `${spawner.path}:${spawner.line}`)));
  if (task.creation_stack === undefined) return through;
  const heading = task.creation_sampled ? stackOfAnother("task") : "creation stack";
  return [...through, element("details", {}, element("summary", {}, heading), element("pre", { tabindex: "0" }, stackText(foundAsOverview(found), task.creation_stack)))];
}

function foundAsOverview(found) {
  return { stacks: found.stacks, frames: found.frames.map((frame) => [frame.function, frame.path, frame.line]) };
}
