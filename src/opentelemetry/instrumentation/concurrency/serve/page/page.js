// The live page: fetches and draws the overview periodically, except while the page is hidden or paused.

import { drawExecutors } from "./executors.js";
import { Flame } from "./flame.js";
import { drawFunctions } from "./functions.js";
import { Graph } from "./graph.js";
import { Leaks } from "./leaks.js";
import { age, element, number } from "./show.js";
import { Sites } from "./sites.js";
import { drawCards } from "./sparklines.js";

const part = (id) => document.getElementById(id);
const tabs = ["sites", "flame", "graph"].map((name) => part(`tab-${name}`));
const graph = new Graph();
const flame = new Flame();
const showTask = (serial) => { graph.show(serial); choose(part("tab-graph")); };
const leaks = new Leaks(showTask);
const sites = new Sites(showTask);
let paused = false;
let timer = 0;
let asking = false;

async function refresh() {
  clearTimeout(timer);
  if (asking) return;
  if (!paused && !document.hidden) {
    asking = true;
    try {
      const answer = await fetch("overview.json", { cache: "no-store" });
      if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).trim()}`);
      take(await answer.json());
    } catch (error) {
      part("status").textContent = `No answer from the process (${error.message}); retrying.`;
      part("status").className = "bad";
    }
    asking = false;
  }
  if (!paused) timer = setTimeout(refresh, 1000 * Number(part("interval").value));
}

function take(data) {
  const process = data.process;
  const name = process.service_name || `process ${process.process_id}`;
  sites.rate(data);
  const found = leaks.take(data);
  document.title = `${name}: ${found ? `${number(found)} leaking site${found === 1 ? "" : "s"}` : "no leaks"}`;
  part("title").textContent = name;
  part("process").textContent = `process ${process.process_id}, Python ${process.python_version}, up ${age(process.uptime_s)}${process.scan_age_s === null ? "" : `, last scan ${age(process.scan_age_s)} ago`}`;
  drawBlocked(part("blocked"), data.silent_loops ?? []);
  drawFunctions(part("functions"), data);
  drawCards(part("cards"), data);
  sites.take(data);
  drawExecutors(part("executors"), data.executors ?? [], data.left_out?.executors ?? 0);
  flame.take(data);
  part("status").className = "quiet";
  part("status").textContent = paused ? "paused" : "";
}

function drawBlocked(where, loops) {
  where.hidden = !loops.length;
  where.replaceChildren(...loops.map((loop) => element("details", {},
    element("summary", { class: "bad" }, `The event loop${loop.thread ? ` of thread ${loop.thread}` : ""} has not answered for ${age(loop.silent_s)}${loop.waiting_at ? `: it is in ${loop.waiting_at}` : ""}.`),
    element("pre", {}, [...(loop.stack ?? [])].reverse().map(([name, path, line]) => `${name}\n    ${path}:${line}`).join("\n")))));
}

function choose(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    part(each.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab === part("tab-flame")) flame.draw();
  if (tab === part("tab-graph") && graph.isEmpty) graph.showCycles();
}

for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(at + step + tabs.length) % tabs.length];
    choose(next);
    next.focus();
  });
}
part("pause").addEventListener("click", () => {
  paused = !paused;
  part("pause").setAttribute("aria-pressed", String(paused));
  part("pause").textContent = paused ? "Resume" : "Pause";
  part("status").textContent = paused ? "paused" : "";
  refresh();
});
part("interval").addEventListener("input", refresh);
part("theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
for (const form of document.querySelectorAll("form")) form.addEventListener("submit", (event) => event.preventDefault());
refresh();
