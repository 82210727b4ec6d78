// What is not a leak but left behind: generators left half way and coroutines never awaited, by function.

import { breakable, element, number, place } from "./show.js";

const SHOWN = 8;
const OTHER = "_OTHER";
const PARTS = [
  {
    list: "generators_left", one: "asynchronous generator left half way", many: "asynchronous generators left half way",
    advice: ["The event loop had to close them later: close them where you break, with ", element("code", {}, "contextlib.aclosing()"), "."],
  },
  {
    list: "never_awaited", one: "coroutine never awaited", many: "coroutines never awaited",
    advice: ["Await the call, or start a task with it."],
  },
];

export function drawFunctions(where, data) {
  const parts = PARTS.filter(({ list }) => data[list]?.length);
  where.hidden = !parts.length;
  where.replaceChildren(...parts.flatMap((part) => [heading(part, data[part.list]), element("p", {}, ...part.advice.map((each) => each.cloneNode?.(true) ?? each)),
    ...list(data[part.list], data.left_out?.[part.list] ?? 0)]));
}

function heading({ one, many }, rows) {
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  return element("h2", {}, `${number(total)} ${total === 1 ? one : many}`);
}

// The process sums what its own list has no room for as one entry, or counts those functions in left_out.
function list(rows, leftOut) {
  const shown = rows.filter((row) => row.function !== OTHER).slice(0, SHOWN);
  const more = rows.filter((row) => !shown.includes(row)).reduce((sum, row) => sum + row.count, 0);
  const rest = [more ? `${number(more)} more in other functions` : "", leftOut ? `${number(leftOut)} further function${leftOut === 1 ? "" : "s"} not counted here` : ""].filter(Boolean);
  return [element("ul", {}, ...shown.map(entry)),
    ...(rest.length ? [element("p", { class: "quiet" }, `${rest.join("; ")}. `, element("code", {}, "otel-concurrency leaks"), " lists more.")] : [])];
}

function entry(row) {
  const dropped = row.dropped?.path ? row.dropped : null;
  return element("li", {}, element("b", {}, `${number(row.count)} × `), element("code", {}, breakable(row.function)), " ", position(row),
    ...(dropped ? [row.count > 1 ? ", most of them dropped in " : ", dropped in ", breakable(dropped.function), " ", position(dropped)] : []));
}

function position({ path, line }) {
  return path ? element("span", { class: "quiet", title: `${path}:${line}` }, breakable(place(path, line))) : "";
}
