// Signs in at the node's pages in Chromium, as an operator would, and acts. Prints what was seen as
// JSON; what is expected is the test's.
//   node operate.mjs CHROMIUM ADDRESS TOKEN PICTURES
import { chromium } from 'playwright-core';

const [executablePath, address, token, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const seen = { errors: [], requests: [], overflow: [] };
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
context.setDefaultTimeout(60_000);
const page = await context.newPage();
page.on('console', (message) => { if (message.type() === 'error') seen.errors.push(message.text()); });
page.on('pageerror', (error) => seen.errors.push(error.message));
page.on('request', (request) => seen.requests.push(request.url()));

// Where nobody is known the page asks who it is, and leads back.
await page.goto(`${address}/lesions?state=failed`);
seen.asked = new URL(page.url()).pathname;
await page.fill('#token', token);
await page.click('main button');
await page.waitForURL((url) => url.pathname === '/lesions');
seen.cookies = (await context.cookies()).map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }));
seen.failed = await page.locator('tbody tr').count();

// By keyboard: choose the first, say why, take it up.
await page.locator('tbody input[type=checkbox]').first().focus();
await page.keyboard.press('Space');
await page.fill('[name=why]', 'more memory now');
await page.locator('button[value=retry]').focus();
await page.keyboard.press('Enter');
await page.waitForSelector('[role=status]');
seen.acted = await page.locator('[role=status]').innerText();

// A page renews itself.
await page.goto(`${address}/running`);
const waiting = () => page.evaluate(() => document.querySelector('a[href="/lesions?state=waiting"]')
  .closest('tr').querySelector('td').innerText);
seen.before = await waiting();
process.stdout.write('renew\n');
await page.waitForFunction((before) => document.querySelector('a[href="/lesions?state=waiting"]')
  .closest('tr').querySelector('td').innerText !== before, seen.before);
seen.after = await waiting();

for (const [width, height] of [[820, 1180], [1440, 900], [3840, 2160]]) {
  await page.setViewportSize({ width, height });
  for (const name of ['studies', 'lesions', 'deliveries', 'destinations', 'rules', 'running', 'configuration']) {
    const answer = await page.goto(`${address}/${name}`);
    if (!answer.ok()) seen.errors.push(`${name}: ${answer.status()}`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    if (wider) seen.overflow.push(`${name} at ${width}`);
    await page.screenshot({ path: `${pictures}/${name}-${width}.png` });
  }
}

await page.click('.who button');
await page.waitForURL('**/sign-in');
await page.goto(`${address}/lesions`);
seen.signedOut = new URL(page.url()).pathname;
await browser.close();
process.stdout.write(`${JSON.stringify(seen)}\n`);
