// Formatting of elements, ages and positions. Text is inserted as text, never as markup.

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A long name that may be broken after its dots, or a path after its slashes, so that the file name stays whole.
export function breakable(text) {
  const made = document.createDocumentFragment();
  const pieces = String(text).split(/[/\\]/.test(text) ? /(?<=[/\\])/ : /(?<=[._])/);
  for (const piece of pieces) made.append(piece, document.createElement("wbr"));
  return made;
}

export function age(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function number(value) {
  return value.toLocaleString("en");
}

// Like size_text() in Python.
export function size(bytes) {
  if (bytes === null) return "";
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  while (value >= 999.5 && units.length > 1) { value /= 1000; units.shift(); }
  return `${value.toFixed(value < 99.95 ? 1 : 0)} ${units[0]}`;
}

export function place(path, line) {
  const parts = path.split("/");
  const short = parts.length > 3 ? `…/${parts.slice(-2).join("/")}` : path;
  return path ? `${short}:${line}` : "";
}

// Innermost frame first; the file is below its function.
export function stackText(document_, stack) {
  return [...document_.stacks[stack]].reverse().map((frame) => {
    const [name, path, line] = document_.frames[frame];
    return `${name}\n    ${path}:${line}`;
  }).join("\n") || "no Python frame";
}

export function keyOf(row) {
  return `${row.kind} ${row.function} ${row.path}:${row.line} ${row.runs}`;
}

// Threads of this package itself.
export function isOwn(data, row) {
  return Boolean(data.own_site) && (row.function === data.own_site || row.function.startsWith(`${data.own_site}.`) || row.runs.startsWith(`${data.own_site}.`));
}

export function isLibrary(path) {
  return /\/(site|dist)-packages\/|\/lib(64)?\/python3\.\d+\/|^<frozen /.test(path);
}

// The innermost frame of the application, or else the innermost one.
export function waitsAt(document_, stack) {
  const frames = [...document_.stacks[stack]].reverse().map((frame) => document_.frames[frame]);
  return frames.find(([, path]) => !isLibrary(path)) ?? frames[0] ?? null;
}

export function stackOfAnother(kind) {
  return `stack of another ${kind} created at this line`;
}

export function verdictOf(row) {
  if (row.unwakeable) return { rank: 3, text: `${number(row.unwakeable)} unwakeable`, kind: "bad" };
  if (row.orphaned) return { rank: 2, text: `${number(row.orphaned)} orphaned`, kind: "warn" };
  if (row.growing) return { rank: 1, text: "growing", kind: "warn" };
  if (row.destroyed) return { rank: 0.5, text: `${number(row.destroyed)} destroyed`, kind: "warn" };
  if (row.unretrieved) return { rank: 0.4, text: `${number(row.unretrieved)} failed, exception never retrieved`, kind: "warn" };
  return { rank: 0, text: "", kind: "" };
}
