// Drives the live page of a leaking service in a real browser and prints what it saw as JSON.
// node live_page.mjs URL MANY_URL FOLDER_FOR_PICTURES

import { chromium } from "playwright-core";

const [url, manyUrl, folder] = process.argv.slice(2);
const seen = { errors: [], requests: [] };
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("console", (message) => { if (message.type() === "error") seen.errors.push(message.text()); });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => seen.requests.push(request.url()));
  await page.goto(address);
  await page.waitForSelector("#rows tr");
  return page;
}

const text = (page, selector) => page.locator(selector).first().innerText();
const picture = (page, name) => page.screenshot({ path: `${folder}/${name}.png` });

const page = await open(url);
seen.title = await page.title();
seen.tasks = await text(page, "[data-total=tasks]");
seen.unwakeable = await text(page, "[data-total=unwakeable]");
seen.cards = await page.locator("#leaks .leak").allInnerTexts();
seen.firstRow = await text(page, "#rows tr");
seen.ariaSort = await page.locator("th[aria-sort=descending]").innerText();
await picture(page, "lines");

// By keyboard alone: open the first leak in place; it stays open, with the focus, over a refresh.
await page.focus("#leaks .leak button");
await page.keyboard.press("Enter");
await page.waitForResponse((answer) => answer.url().endsWith("overview.json"));
await page.waitForTimeout(100);
seen.openLeak = await text(page, "#leaks .leak section.detail");
seen.focusOverRefresh = await page.evaluate(() => document.activeElement?.innerText);
await picture(page, "leaks");
await page.keyboard.press("Enter");
seen.closedLeaks = await page.locator("#leaks section.detail").count();
seen.ownThreads = [await page.locator("#rows tr:has-text('instrumentation.concurrency')").count()];
await page.check("#own");
seen.ownThreads.push(await page.locator("#rows tr:has-text('instrumentation.concurrency')").count());
await page.uncheck("#own");

// By keyboard alone: sort by verdict, then open the first line.
await page.focus("[data-column=verdict]");
await page.keyboard.press("Enter");
seen.sortedByVerdict = await text(page, "#rows tr td:last-child");
await page.focus("#rows tr button");
await page.keyboard.press("Enter");
seen.detail = await text(page, "#detail");
await page.click("#detail >> text=Show tasks one by one");
await page.waitForSelector(".tasks table");
seen.taskRows = await page.locator(".tasks tbody tr").count();
// What is open stays open over a refresh.
await page.waitForResponse((answer) => answer.url().endsWith("overview.json"));
seen.openAfterRefresh = await page.locator(".tasks tbody tr").count();

await page.fill("#filter", "__main__.main");
seen.filtered = await page.locator("#rows tr").count();
await page.click("#rows tr:has-text('task') button");
await page.click("#detail >> text=Show tasks one by one");
await page.click(".tasks tbody tr:has-text('in circle') button");
await page.waitForSelector("#graph li");
seen.graph = await text(page, "#graph");
await picture(page, "graph");

await page.click("#tab-flame");
await page.waitForSelector("#flame rect");
seen.flame = await page.locator("#flame g").evaluateAll((all) => all.map((each) => each.getAttribute("aria-label")));
await page.locator("#flame g", { hasText: "wait_for_ever" }).first().click();
seen.zoomed = await text(page, "#flame-told");
await picture(page, "flame");

await page.click("#pause");
const before = seen.requests.length;
await page.waitForTimeout(2500);
seen.requestsWhilePaused = seen.requests.length - before;
await page.click("#theme");
seen.theme = await page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor]);
seen.unlabelled = await page.evaluate(() => [...document.querySelectorAll("button, input, select")]
  .filter((each) => !each.innerText && !each.labels?.length && !each.getAttribute("aria-label")).length);

const dark = await open(url, { colorScheme: "dark" });
seen.dark = await dark.evaluate(() => getComputedStyle(document.body).backgroundColor);
await dark.click("#tab-graph");
await dark.waitForSelector("#graph li");
seen.cyclesFirst = await text(dark, "#graph");
const phone = await open(url, { viewport: { width: 390, height: 844 }, isMobile: true });
await phone.evaluate(() => { document.querySelector("#leaks .leak button").click(); document.querySelector("#rows tr button").click(); });
seen.phoneOverflows = await phone.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
await picture(phone, "phone");

const many = await open(manyUrl);
seen.noLeaks = [await text(many, "#leaks"), await many.title()];
const narrow = await open(manyUrl, { viewport: { width: 390, height: 844 }, isMobile: true });
seen.functions = [await page.locator("#functions").innerText(), await text(many, "#functions"),
  await narrow.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1)];
await picture(narrow, "functions");
const began = Date.now();
await many.fill("#filter", "made_4999");
await many.waitForFunction(() => document.querySelectorAll("#rows tr").length === 1);
seen.manyFilteredAfterMs = Date.now() - began;
await many.fill("#filter", "");
seen.manyShown = await many.locator("#rows tr").count();
await many.click("#more");
seen.manyShownMore = await many.locator("#rows tr").count();

await many.click("#tab-flame");
await many.selectOption("#flame-by", "creation");
seen.narrow = await text(many, "#flame-told");

seen.foreign = seen.requests.filter((each) => !each.startsWith(new URL(url).origin) && !each.startsWith(new URL(manyUrl).origin) && !each.startsWith("data:"));
console.log(JSON.stringify(seen));
await browser.close();
