// Drives pages of OHIF in Chromium. Reads one JSON command a line, answers each with one line.
// What is looked at and what is expected is the test's: this file only clicks, reads and takes
// pictures.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const PATIENCE_MS = 120_000;

const browser = await chromium.launch({
  executablePath: process.argv[2],
  headless: true,
  args: [
    '--no-sandbox',
    // Software rendering: cornerstone needs WebGL, and there is no graphics card.
    '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader',
    '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
// One context, so that scripts are compiled once.
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
context.setDefaultTimeout(PATIENCE_MS);
await context.addInitScript(() => {
  localStorage.setItem('shownTours', '["basicViewerTour"]');
  // Toasts vanish after some seconds: keep the words of each.
  window.toastsShown = [];
  const keep = () => {
    for (const toast of document.querySelectorAll('[data-sonner-toast]')) {
      const words = `${toast.dataset.type}: ${toast.innerText}`;
      if (!window.toastsShown.includes(words)) window.toastsShown.push(words);
    }
  };
  document.addEventListener('DOMContentLoaded', () =>
    new MutationObserver(keep).observe(document.body, { childList: true, subtree: true }));
});

let page, pageErrors, consoleErrors, failures;
// Of all pages: whom they asked for anything.
const origins = new Set();

const commands = {
  async open({ url }) {
    await page?.close();
    page = await context.newPage();
    [pageErrors, consoleErrors, failures] = [[], [], []];
    page.on('pageerror', error => pageErrors.push(error.message));
    page.on('console', message => {
      if (message.type() === 'error') consoleErrors.push(message.text());
    });
    page.on('request', request => {
      const { protocol, origin } = new URL(request.url());
      if (protocol.startsWith('http') || protocol.startsWith('ws')) origins.add(origin);
    });
    page.on('response', response => {
      if (response.status() >= 400) failures.push(`${response.status()} ${response.url()}`);
    });
    await page.goto(url, { waitUntil: 'domcontentloaded' });
  },
  async click({ selector, text, double }) {
    const found = page.locator(selector, text === undefined ? {} : { hasText: text }).first();
    await (double ? found.dblclick() : found.click());
  },
  async press({ key }) {
    await page.keyboard.press(key);
  },
  async read({ selectors }) {
    const texts = {};
    for (const [name, selector] of Object.entries(selectors)) {
      texts[name] = await page.locator(selector).evaluateAll(all => all.map(one => one.innerText));
    }
    const toasts = await page.evaluate(() => window.toastsShown);
    return { texts, toasts, pageErrors, consoleErrors, failures, origins: [...origins] };
  },
  async picture({ path, selector }) {
    await page.screenshot({ path });
    return { box: await page.locator(selector).first().boundingBox() };
  },
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
