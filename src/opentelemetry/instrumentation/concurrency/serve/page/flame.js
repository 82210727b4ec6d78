// A flame graph of where tasks wait: outermost frame at the top; the width is the number of tasks.

import { drawn, number } from "./show.js";

const HEIGHT = 20;
const LEAST = 0.002;

export class Flame {
  constructor() {
    this.kind = document.getElementById("flame-kind");
    this.by = document.getElementById("flame-by");
    this.place = document.getElementById("flame");
    this.told = document.getElementById("flame-told");
    this.path = [];
    for (const select of [this.kind, this.by]) select.addEventListener("input", () => { this.path = []; this.draw(); });
    document.getElementById("flame-reset").addEventListener("click", () => { this.path = []; this.draw(); });
  }

  take(data) {
    this.data = data;
    if (!this.place.closest("[hidden]")) this.draw();
  }

  draw() {
    if (!this.data) return;
    let node = this.tree();
    const kept = [];
    for (const name of this.path) {
      const next = node.children.get(name);
      if (!next) break;
      kept.push(name);
      node = next;
    }
    this.path = kept;
    const boxes = [];
    const depth = this.box(node, 0, 1, 0, node.count, boxes, this.path);
    const what = `${this.kind.value}s`;
    const others = this.by.value === "stack" || !node.of_another ? "" : ` ${number(node.of_another)} of them are shown with the stack of another ${this.kind.value} created at the same line.`;
    this.told.textContent = node.count ? `${number(node.count)} ${what}${this.path.length ? ` below ${this.path.at(-1)}` : ""}. Select a frame to zoom in.${others}` : `No ${what} with such a stack.`;
    this.place.replaceChildren(drawn("svg", { viewBox: `0 0 1200 ${Math.max(1, depth) * HEIGHT}`, role: "group", "aria-label": `Flame graph of ${what}` }, ...boxes));
  }

  tree() {
    const root = { name: "all", count: 0, accused: 0, of_another: 0, children: new Map() };
    for (const group of this.data.groups) {
      const stack = this.by.value === "stack" ? group.stack : group.creation;
      if (group.kind !== this.kind.value || stack === undefined) continue;
      let node = root;
      const names = this.data.stacks[stack].map((frame) => this.data.frames[frame][0]);
      if (this.by.value === "stack") names.push(`[${group.wait}]`);
      else if (this.data.sites[group.site]?.runs) names.push(this.data.sites[group.site].runs);
      for (const name of [null, ...names]) {
        if (name !== null) {
          let next = node.children.get(name);
          if (!next) node.children.set(name, next = { name, count: 0, accused: 0, of_another: 0, children: new Map() });
          node = next;
        }
        node.count += group.count;
        if (group.verdict) node.accused += group.count;
        if (group.creation_sampled) node.of_another += group.count;
      }
    }
    return root;
  }

  box(node, left, width, level, whole, boxes, path) {
    if (width < LEAST || !node.count) return level;
    const text = `${node.name}, ${number(node.count)} of ${number(whole)}${node.accused ? `, ${number(node.accused)} with a verdict` : ""}`;
    const zoom = () => { this.path = path; this.draw(); };
    const fits = Math.floor(width * 1200 / 7.4) - 1;
    boxes.push(drawn("g", { tabindex: "0", role: "button", "aria-label": text, class: node.accused * 2 > node.count ? "accused" : "", onclick: zoom, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); zoom(); } } },
      drawn("title", {}, text), drawn("rect", { x: left * 1200, y: level * HEIGHT, width: Math.max(1, width * 1200), height: HEIGHT, rx: 2 }),
      fits > 2 ? drawn("text", { x: left * 1200 + 4, y: level * HEIGHT + 14 }, node.name.length > fits ? `${node.name.slice(0, fits - 1)}…` : node.name) : null));
    let deepest = level + 1;
    let at = left;
    for (const child of [...node.children.values()].sort((one, other) => other.count - one.count)) {
      const share = width * child.count / node.count;
      deepest = Math.max(deepest, this.box(child, at, share, level + 1, whole, boxes, [...path, child.name]));
      at += share;
    }
    return deepest;
  }
}
