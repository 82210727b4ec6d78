// Opens folded stacks in speedscope, as a person does, and prints its table of functions as JSON: [[weight, name], …].
// node folded.mjs FILE PICTURE

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [file, picture] = process.argv.slice(2);
const speedscope = join(dirname(createRequire(import.meta.url).resolve("speedscope/package.json")), "dist/release");
const types = { html: "text/html", js: "text/javascript", css: "text/css" };
const server = createServer(async (request, response) => {
  const name = new URL(request.url, "http://x").pathname.slice(1) || "index.html";
  try {
    const body = await readFile(name === "profile" ? file : join(speedscope, name));
    response.writeHead(200, { "Content-Type": types[name.split(".").pop()] ?? "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const base = `http://127.0.0.1:${server.address().port}/`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 700 } });
await page.goto(`${base}#profileURL=${encodeURIComponent(`${base}profile`)}&title=tasks`);
await page.click("text=Sandwich");
await page.waitForSelector("tbody tr, table tr >> nth=2");
const rows = await page.locator("table tr").evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.innerText)));
if (picture) await page.screenshot({ path: picture });
console.log(JSON.stringify(rows));
await browser.close();
server.close();
