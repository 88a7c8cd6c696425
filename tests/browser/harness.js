/**
 * What the cases of page.js stand on: a server of their own, a browser, and waiting
 * for what is to happen with a deadline that only a broken program meets.
 */
import { chromium } from 'playwright-core';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export const PATIENCE_MS = 30_000;
const CASE_MS = 90_000;
const LANES = 3;

/** `vital serve` on a port of its own; stop() it. */
export async function serve(...words) {
  const where = words.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const child = spawn(process.env.VITAL, ['serve', '--json', ...where, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const listening = new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error('vital serve has ended')));
    lines.on('line', (line) => {
      const event = JSON.parse(line);
      if (event.event === 'listening') resolve(event.url);
    });
  });
  const url = (await listening).replace(/^ws/, 'http');
  return {
    url,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}

export class Fixture {
  /** What the consoles of all pages have said that nobody expected. */
  complaints = [];
  #cleanups = [];

  constructor(browser) {
    this.browser = browser;
  }

  async serve(...words) {
    const server = await serve(...words);
    this.#cleanups.push(() => server.stop());
    return server;
  }

  /** A page of its own context; it has been loaded, unless there is no url. */
  async open(url, options = {}) {
    const { hash = '', ...wishes } = options;
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 900 }, ...wishes });
    context.setDefaultTimeout(PATIENCE_MS);
    this.#cleanups.push(() => context.close());
    const page = await context.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
    if (url) await page.goto(url + hash);
    return page;
  }

  /** Done at the end, the last one first. */
  cleanup(undo) {
    this.#cleanups.push(undo);
  }

  async finish() {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }
}

/** One case, from its fixture to its line. Whether it passed. */
async function judge(browser, name, play) {
  const began = Date.now();
  const fixture = new Fixture(browser);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${CASE_MS / 1000} s`)), CASE_MS);
  });
  try {
    await Promise.race([play(fixture), late]);
    if (fixture.complaints.length) throw new Error(`the console says: ${fixture.complaints.join('; ')}`);
    console.log(`ok - ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`not ok - ${name}\n${`${error.stack}`.replace(/^/gm, '# ')}`);
    return false;
  } finally {
    clearTimeout(timer);
    await fixture.finish();
  }
}

/** Runs the cases, {name: async (fixture) => {}}; words pick some. They wait more than
 * they work, so a few run at a time. The exit status. */
export async function run(cases, words) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });
  const picked = Object.entries(cases).filter(([name]) => words.every((word) => name.includes(word)));
  const total = picked.length;
  let passed = 0;
  const lane = async () => {
    while (picked.length) if (await judge(browser, ...picked.shift())) passed++;
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await browser.close();
  if (!total) console.log(`there is no such case: ${words.join(' ')}`);
  console.log(`${passed} passed, ${total ? total - passed : 1} failed`);
  return total && passed === total ? 0 : 1;
}
