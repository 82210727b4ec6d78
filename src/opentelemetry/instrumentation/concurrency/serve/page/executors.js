// The table of executors: workers, limit and queue by the line that created them.

import { age, element, number, place } from "./show.js";

export function drawExecutors(where, rows, leftOut) {
  where.hidden = !rows.length;
  if (!rows.length) { where.replaceChildren(); return; }
  const heads = [["Created at", ""], ["Busy", "number"], ["Limit", "number"], ["Queued", "number"], ["Oldest queued", "number"], ["Executors", "number wide"]];
  where.replaceChildren(element("div", { class: "scroll" }, element("table", {},
    element("caption", {}, "Executors by the line that created them"),
    element("thead", {}, element("tr", {}, ...heads.map(([text, kind]) => element("th", { scope: "col", class: kind }, text)))),
    element("tbody", {}, ...rows.map(drawRow)))),
    ...(leftOut ? [element("p", { class: "quiet" }, `${number(leftOut)} more line${leftOut === 1 ? "" : "s"} with executors not shown.`)] : []));
}

function drawRow(row) {
  return element("tr", {},
    element("td", {}, row.function, element("div", { class: "quiet", title: `${row.path}:${row.line}` }, place(row.path, row.line))),
    element("td", { class: "number" }, number(row.busy)),
    element("td", { class: "number" }, number(row.limit)),
    element("td", { class: row.queued ? "number warn" : "number" }, number(row.queued)),
    element("td", { class: "number" }, row.queued ? age(row.oldest_queued_s) : ""),
    element("td", { class: "number wide" }, number(row.executors)));
}
