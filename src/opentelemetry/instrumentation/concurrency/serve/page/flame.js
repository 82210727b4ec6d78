// A flame graph of where tasks wait: outermost frame at the top; the width is the number of tasks.

import { drawn, isLibrary, number } from "./show.js";

const HEIGHT = 20;
const LEAST_PIXELS = 2;

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
    // In pixels of the screen, so that the text keeps its size on a phone.
    this.width = Math.max(260, this.place.clientWidth || 1200);
    const boxes = [];
    this.narrow = 0;
    const depth = this.box(node, 0, 1, 0, node.count, boxes, this.path);
    const what = `${this.kind.value}s`;
    const others = this.by.value === "stack" || !node.of_another ? "" : ` ${number(node.of_another)} of them are shown with the stack of another ${this.kind.value} created at the same line.`;
    this.told.textContent = node.count ? `${number(node.count)} ${what}${this.path.length ? ` below ${this.path.at(-1)}` : ""}. Select a frame to zoom in.${others}${this.omitted()}` : `No ${what} with such a stack.`;
    this.place.replaceChildren(drawn("svg", { viewBox: `0 0 ${this.width} ${Math.max(1, depth) * HEIGHT}`, role: "group", "aria-label": `Flame graph of ${what}` }, ...boxes));
  }

  // What the picture lacks: frames of less than two pixels, and groups that the process did not send.
  omitted() {
    const groups = this.data.left_out.groups;
    return (this.narrow ? ` ${number(this.narrow)} frame${this.narrow === 1 ? " is" : "s are"} too narrow to show.` : "")
      + (groups ? ` The ${number(groups)} smallest groups are not counted.` : "");
  }

  tree() {
    const root = { name: "all", count: 0, accused: 0, unwakeable: 0, library: false, of_another: 0, children: new Map() };
    for (const group of this.data.groups) {
      const stack = this.by.value === "stack" ? group.stack : group.creation;
      if (group.kind !== this.kind.value || stack === undefined) continue;
      let node = root;
      const frames = this.data.stacks[stack].map((frame) => this.data.frames[frame]).map(([name, path]) => [name, isLibrary(path)]);
      if (this.by.value === "stack") frames.push([`[${group.wait}]`, true]);
      else if (this.data.sites[group.site]?.runs) frames.push([this.data.sites[group.site].runs, false]);
      for (const [name, library] of [[null, false], ...frames]) {
        if (name !== null) {
          let next = node.children.get(name);
          if (!next) node.children.set(name, next = { name, count: 0, accused: 0, unwakeable: 0, library: false, of_another: 0, children: new Map() });
          node = next;
          node.library = library;
        }
        node.count += group.count;
        if (group.verdict) node.accused += group.count;
        if (group.verdict === "unwakeable") node.unwakeable += group.count;
        if (group.creation_sampled) node.of_another += group.count;
      }
    }
    return root;
  }

  box(node, left, width, level, whole, boxes, path) {
    if (!node.count) return level;
    if (width * this.width < LEAST_PIXELS) { this.narrow += 1; return level; }
    const text = `${node.name}, ${number(node.count)} of ${number(whole)}${node.accused ? `, ${number(node.accused)} with a verdict` : ""}`;
    const zoom = () => { this.path = path; this.draw(); };
    const fits = Math.floor(width * this.width / 7.4) - 1;
    boxes.push(drawn("g", { tabindex: "0", role: "button", "aria-label": text, class: colour(node), onclick: zoom, onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); zoom(); } } },
      drawn("title", {}, text), drawn("rect", { x: left * this.width, y: level * HEIGHT, width: Math.max(1, width * this.width), height: HEIGHT, rx: 2 }),
      fits > 2 ? drawn("text", { x: left * this.width + 4, y: level * HEIGHT + 14 }, node.name.length > fits ? `…${node.name.slice(node.name.length - fits + 1)}` : node.name) : null));
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

// By the verdict of most of its tasks; library frames are muted.
function colour(node) {
  const verdict = node.unwakeable * 2 > node.count ? "proven" : node.accused * 2 > node.count ? "accused" : "";
  return `${verdict}${node.library ? " library" : ""}`.trim();
}
