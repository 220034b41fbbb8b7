// Drives the node's own pages in Chromium. Reads one JSON command a line, answers each with one
// line. What is looked at and what is expected is the test's: this file clicks, types and reads.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: process.argv[2],
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

let context, page, faults, requests;

const commands = {
  async open({ url, width = 1280, height = 800, scale = 1, touch = false, scripts = true }) {
    await context?.close();
    context = await browser.newContext({
      viewport: { width, height }, deviceScaleFactor: scale, hasTouch: touch,
      javaScriptEnabled: scripts,
    });
    context.setDefaultTimeout(60_000);
    page = await context.newPage();
    [faults, requests] = [[], []];
    page.on('pageerror', error => faults.push(error.message));
    page.on('console', message => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('request', request => requests.push(request.url()));
    await page.goto(url);
  },
  // Where a page sends its reader on: once that page and its pictures are there.
  async arrive({ url }) { await page.waitForURL(url); },
  // Asked again and again from here: the page's policy lets nothing in it evaluate text.
  async until({ holds }) {
    for (const end = Date.now() + 60_000; !(await page.evaluate(holds));) {
      if (Date.now() > end) throw new Error(`not within 60 s: ${holds}`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  },
  async run({ script }) { return { value: await page.evaluate(script) }; },
  async press({ key }) { await page.keyboard.press(key); },
  async click({ selector }) { await page.locator(selector).click(); },
  async choose({ selector, value }) { await page.locator(selector).selectOption(value); },
  async fill({ selector, value }) { await page.locator(selector).fill(value); },
  async drag({ path, button = 'left' }) {
    await page.mouse.move(...path[0]);
    await page.mouse.down({ button });
    for (const place of path.slice(1)) await page.mouse.move(...place, { steps: 5 });
    await page.mouse.up({ button });
  },
  async wheel({ at, by }) {
    await page.mouse.move(...at);
    await page.mouse.wheel(0, by);
  },
  // Fingers that go along straight lines, together: [[from, to], …].
  async fingers({ lines }) {
    const session = await context.newCDPSession(page), steps = 8;
    const at = part => lines.map(([from, to], id) => ({
      id, x: from[0] + part * (to[0] - from[0]), y: from[1] + part * (to[1] - from[1]) }));
    await session.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0) });
    for (let i = 1; i <= steps; i++) {
      await session.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(i / steps) });
    }
    await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  },
  async picture({ path }) { await page.screenshot({ path }); },
  async accessibility() {
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => axe.run());
    return { violations: violations.map(({ id, impact, nodes }) =>
      ({ id, impact, nodes: nodes.map(node => node.html) })) };
  },
  async said() { return { faults, requests }; },
};

console.log(JSON.stringify({ ready: browser.version() }));
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...arguments_ } = JSON.parse(line);
  let answer;
  try {
    answer = (await commands[command](arguments_)) ?? {};
  } catch (error) {
    answer = { fault: String(error) };
  }
  console.log(JSON.stringify(answer));
}
await browser.close();
