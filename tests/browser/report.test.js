// Reports in a real browser: what a reader clicks, types and hears. The runs are made here, by the program itself.
//   FOVEA_BIN   the program; FOVEA_CHROMIUM   the browser (default: chromium of the path)

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const fovea = resolve(root, process.env.FOVEA_BIN ?? "target/release/fovea");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const experiment = join(root, "experiments/quickstart.toml");
const small = [
  "training.epochs=2", "training.warmup_epochs=1", "dataset.train=64", "dataset.test=32", "evaluation.gaussian=[32]",
  "evaluation.gallery=2", "run.cache=cache",
];

// The program takes every variable FOVEA_... for a setting.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("FOVEA_")));

let folder, browser, page, said, asked;

/** What the program printed; its exit code is that of its trials, one of which is made to diverge. */
function run(...words) {
  try {
    return execFileSync(fovea, words, { cwd: folder, env, encoding: "utf8", stdio: "pipe" });
  } catch (failure) {
    if (failure.status === 1) return failure.stdout;
    throw new Error(`fovea ${words.join(" ")}\n${failure.stderr}`);
  }
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "fovea-browser-"));
  // Two axes, so that there is something to choose by, and a rate that no loss survives.
  run("run", experiment, ...small, 'axes.loss=["none","iou","ria"]', 'axes."training.optimizer.learning_rate"=[0.003,1e25]',
    "axes.seed=[0,1]", 'baseline="loss=none, learning_rate=0.003"', "run.dir=grid", "--quiet");
  run("run", experiment, ...small, 'axes.loss=["none","modified-iou"]', "axes.seed=[0,1]", "run.dir=other", "--quiet");
  run("report", "grid", "other", "--out", "both");
  browser = await chromium.launch({ executablePath: process.env.FOVEA_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** Opens a report; every word on the console and every request is kept. */
async function open(report = "grid", { width = 1280, scheme = "light", script = true } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: script, permissions: ["clipboard-read", "clipboard-write"],
  });
  page = await context.newPage();
  page.setDefaultTimeout(5000);
  said = [];
  asked = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error}`));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`file://${join(folder, report, "report/index.html")}`);
  return page;
}

async function close() {
  const address = page.url().split("#")[0];
  await page.context().close();
  assert.deepEqual(said, [], "the console is silent");
  assert.deepEqual(asked.filter((url) => url !== address && !url.startsWith("data:")), [], "nothing else is asked for");
}

const names = () => page.locator("#leaderboard tbody tr:visible th a").allTextContents();
const column = (heading) => page.locator("#leaderboard thead th").filter({ hasText: heading }).first();
const numbers = async (place) =>
  (await page.locator(`#leaderboard tbody tr:visible td:nth-child(${place}) .value`).allTextContents())
    .map((text) => (text.startsWith("–") ? null : Number.parseFloat(text.replace("−", "-"))));

describe("the leaderboard", () => {
  test("is sorted by clicking and by the keyboard, and whatever has no number comes last", async () => {
    await open();
    const planned = await names();
    assert.equal(planned.length, 6);
    const head = column("RFS");
    const place = 1 + await head.evaluate((th) => th.cellIndex);
    await head.getByRole("button").click();
    assert.equal(await head.getAttribute("aria-sort"), "descending");
    const descending = await numbers(place);
    assert.deepEqual(descending.slice(3), [null, null, null], "three variants diverged");
    assert.deepEqual(descending.slice(0, 3), descending.slice(0, 3).toSorted((a, b) => b - a));
    assert.ok(new Set(descending).size > 2, "there is something to sort");
    await head.getByRole("button").focus();
    await page.keyboard.press("Enter");
    assert.equal(await head.getAttribute("aria-sort"), "ascending");
    const ascending = await numbers(place);
    assert.deepEqual(ascending, [...descending.slice(0, 3).toReversed(), null, null, null]);
    await page.keyboard.press("Space");
    assert.equal(await head.getAttribute("aria-sort"), "none");
    assert.deepEqual(await names(), planned, "the third time gives the order of the grid back");
    await column("variant").getByRole("button").click();
    assert.deepEqual(await names(), planned.toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })));
    assert.match(await page.locator("#leaderboard tr.baseline th").textContent(), /loss=none, learning_rate=0\.003 \(baseline\)/);
    await close();
  });

  test("is filtered by text, axis and status, and says how many rows are left", async () => {
    await open();
    const status = page.locator("#shown");
    assert.equal(await status.getAttribute("role"), "status");
    await page.getByLabel("Filter").fill("ria 0.003");
    assert.deepEqual(await names(), ["loss=ria, learning_rate=0.003"]);
    assert.equal(await status.textContent(), "1 of 6 rows shown");
    await page.getByRole("button", { name: "Reset" }).click();
    await page.waitForFunction(() => document.getElementById("shown").textContent === "");
    assert.equal((await names()).length, 6);
    await page.getByLabel("loss", { exact: true }).selectOption("iou");
    assert.equal((await names()).length, 2);
    await page.getByLabel("with trials").selectOption("diverged");
    assert.deepEqual((await names()).length, 1);
    assert.match((await names())[0], /^loss=iou, learning_rate=1e25|^loss=iou, learning_rate=1/);
    await page.getByLabel("loss", { exact: true }).selectOption("");
    assert.equal(await status.textContent(), "3 of 6 rows shown");
    await close();
  });

  test("shows differences to the baseline, and sorts by them", async () => {
    await open();
    const cell = page.locator("#leaderboard tbody tr").filter({ hasText: "loss=ria, learning_rate=0.003" }).locator("td").first();
    assert.match(await cell.innerText(), /^\d+\.\d ± \d+\.\d/);
    await page.getByLabel(/^differences to/).check();
    assert.match(await cell.innerText(), /^[+−]?\d+\.\d\s*\[[+−]?\d+\.\d, [+−]?\d+\.\d\]/);
    assert.ok(await page.locator(".differences-note").isVisible());
    const head = column("RFS");
    await head.getByRole("button").click();
    const place = 1 + await head.evaluate((th) => th.cellIndex);
    const held = await page.locator(`#leaderboard tbody td:nth-child(${place})`).evaluateAll((cells) => cells.map((c) => c.dataset.delta));
    assert.equal(held.filter(Boolean).length, 2);
    assert.ok(Number(held[0]) >= Number(held[1]) && held[2] === undefined);
    await close();
  });
});

test("every number leads to its trials, which give commands to copy", async () => {
  await open();
  const links = await page.locator('a[href^="#"]').evaluateAll((all) => all.map((a) => a.getAttribute("href").slice(1)));
  const broken = await page.evaluate((ids) => ids.filter((id) => !document.getElementById(id)), links);
  assert.deepEqual(broken, []);
  const block = page.locator("details.variant").nth(4);
  assert.equal(await block.getAttribute("open"), null);
  await page.locator("#leaderboard tbody tr").nth(4).locator("td .value").first().click();
  assert.notEqual(await block.getAttribute("open"), null, "the block opens");
  await block.locator(".commands summary").first().click();
  const code = block.locator("code.copy").first();
  const command = await code.textContent();
  assert.match(command, /^fovea rerun grid --trial [0-9a-f]{16}$/);
  await code.locator("+ button").click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
  const id = command.split(" ").at(-1);
  assert.match(run("show", `grid/${id}`), new RegExp(`trial grid/trials/${id}`), "the other command works");
  await close();

  // Where the clipboard is not to be had, the words are selected.
  await open();
  await page.evaluate(() => {
    Object.defineProperty(navigator, "clipboard", { value: undefined });
    document.execCommand = () => false;
  });
  const last = page.locator("#provenance ~ pre").last();
  await last.getByRole("button").click();
  assert.equal(await page.evaluate(() => getSelection().toString()), "fovea report grid");
  await close();
});

test("the theme follows the system until one is chosen, which is remembered", async () => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await open("grid", { scheme: "dark" });
  const dark = await paper();
  await page.getByLabel("Theme").selectOption("light");
  const light = await paper();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await paper(), light, "remembered");
  await page.getByLabel("Theme").selectOption("auto");
  assert.equal(await paper(), dark);
  await page.emulateMedia({ media: "print" });
  assert.equal(await paper(), "rgb(255, 255, 255)", "paper is white");
  await close();
});

test("without scripts the page is complete", async () => {
  await open("grid", { script: false });
  assert.equal(await page.locator("#leaderboard tbody tr").count(), 6);
  assert.ok(!(await page.locator("#controls").isVisible()));
  assert.ok(await page.getByText("Trials without numbers").isVisible());
  await close();
});

test("failures say why, and which command tells more", async () => {
  await open();
  const row = page.locator("table.failures tbody tr").first();
  assert.match(await row.innerText(), /loss=none, learning_rate=.*diverged.*loss/is);
  assert.match(await row.locator("code.copy").textContent(), /^fovea logs grid\/[0-9a-f]{16}$/);
  await close();
});

test("several runs stand in one table", async () => {
  await open("both");
  assert.equal((await names()).length, 8);
  await page.getByLabel("run", { exact: true }).selectOption("other");
  assert.deepEqual(await names(), ["loss=none", "loss=modified-iou"]);
  const trial = await page.locator('a.id[href*="other/trials"]').first().getAttribute("href");
  assert.match(trial, /^\.\.\/\.\.\/other\/trials\/[0-9a-f]{16}\/$/);
  await close();
});

test("a run that goes on says how far it is", async () => {
  const going = spawn(fovea, ["run", experiment, ...small, "training.epochs=400", "loss=none,ria", "axes.seed=[0,1]", "run.dir=going", "--quiet"],
    { cwd: folder, env, stdio: "ignore" });
  try {
    let live = "";
    for (let tries = 0; tries < 60 && !/[1-9]\d* running/.test(live); tries += 1) {
      await new Promise((done) => setTimeout(done, 500));
      try { run("report", "going"); } catch { continue; /* there is no plan yet */ }
      await open("going");
      live = await page.locator("header").innerText();
      await close();
    }
    assert.match(live, /Still going on/);
    assert.match(live, /As of \d{4}-\d\d-\d\d .* UTC \(pid \d+\): 0 of 4 trials done, [1-9]\d* running, \d waiting/);
  } finally {
    going.kill("SIGINT");
    await new Promise((done) => going.on("exit", done));
  }
});

test("at phone width tables scroll, and the page does not", async () => {
  for (const report of ["grid", "both"]) {
    await open(report, { width: 390 });
    await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
    await page.waitForTimeout(100);
    const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(width <= room, `${report}: ${width} of ${room} pixels`);
    assert.ok(await page.evaluate(() => { const r = document.getElementById("leaderboard").parentElement; return r.scrollWidth > r.clientWidth && r.tabIndex === 0; }));
    await close();
  }
});

test("axe finds nothing serious", async (t) => {
  for (const report of ["grid", "both"]) {
    for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [390, "light"], [390, "dark"]]) {
      await open(report, { width, scheme });
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
      if (width > 1000) await page.getByLabel(/^differences to/).check();
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const told = violations.map((v) => `${v.impact} ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html).join(" ")}`);
      const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
      assert.deepEqual(serious.map((v) => v.id), [], `${report} ${width} ${scheme}\n${told.join("\n")}`);
      for (const line of told) t.diagnostic(`${report} ${width} ${scheme}: ${line}`);
      await close();
    }
  }
});

test("a theme of the user's changes what it names and nothing else", async () => {
  const theme = join(root, "tests/browser/theme.html");
  run("report", "grid", "--template", theme);
  await open();
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector("h1")).color), "rgb(138, 43, 226)");
  assert.match(await page.locator("footer").innerText(), /Our laboratory.*Made by Fovea/s);
  assert.equal((await names()).length, 6);
  await close();
  writeFileSync(join(folder, "wrong.html"), "{% extends \"report.html\" %}\n{% block footer %}\n{{ anser.lead }}\n{% endblock %}\n");
  assert.throws(() => run("report", "grid", "--template", "wrong.html"), /wrong\.html:3: undefined value/);
});
