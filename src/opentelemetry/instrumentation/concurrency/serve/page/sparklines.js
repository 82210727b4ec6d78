// The totals with their history since the page was opened, which only the page stores.

import { age, drawn, element, number } from "./show.js";

const KEPT = 120;
const courses = new Map();

export function drawCards(place, data) {
  const totals = data.totals;
  const delays = Object.values(data.delays_s);
  const delay = delays.length ? Math.max(...delays) : null;
  const cards = [
    ["tasks", totals.tasks, number(totals.tasks), ""],
    ["threads", totals.threads, number(totals.threads), ""],
    ["orphans", totals.orphaned + totals.unwakeable, number(totals.orphaned + totals.unwakeable), totals.orphaned + totals.unwakeable ? "warn" : ""],
    ["unwakeable", totals.unwakeable, number(totals.unwakeable), totals.unwakeable ? "bad" : ""],
    ["growing sites", totals.growing, number(totals.growing), totals.growing ? "warn" : ""],
    ["event-loop delay", delay ?? 0, delay === null ? "–" : age(delay), delay > 0.1 ? "warn" : ""],
  ];
  place.replaceChildren(...cards.map(([name, value, text, kind]) => {
    const course = courses.get(name) ?? [];
    course.push(value);
    if (course.length > KEPT) course.shift();
    courses.set(name, course);
    return element("div", { class: "card" },
      element("span", { class: "quiet" }, name), element("b", { class: kind, "data-total": name }, text), line(name, course));
  }));
}

function line(name, course) {
  const top = Math.max(...course, 1e-9);
  const low = Math.min(...course);
  const text = `${name}: between ${low} and ${Math.max(...course)} since the page was opened`;
  const points = course.map((value, at) => `${(at / Math.max(KEPT - 1, 1)) * 100},${27 - (value / top) * 25}`).join(" ");
  return drawn("svg", { viewBox: "0 0 100 28", preserveAspectRatio: "none", role: "img", "aria-label": text }, drawn("polyline", { points }));
}
