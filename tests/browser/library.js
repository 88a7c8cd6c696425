/**
 * vital.js in a real browser: its example page against npm's ws, which only echoes,
 * and what no stand-in can show.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';

import { PATIENCE_MS } from './harness.js';

const browser = new URL('../../browser/', import.meta.url);
const { WebSocketServer } = createRequire(browser)('ws');
const BEAT = 'heartbeat';

/** npm's ws, which sends back what comes. */
async function echo(fixture) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const told = { beats: 0, messages: [], closes: [], url: `ws://127.0.0.1:${server.address().port}/`, server };
  server.on('connection', (socket) => {
    socket.on('message', (data, binary) => {
      if (`${data}` === BEAT) told.beats++;
      else told.messages.push(`${data}`);
      socket.send(data, { binary });
    });
    socket.on('close', (code) => told.closes.push(code));
    socket.on('error', () => {});
  });
  fixture.cleanup(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return told;
}

/** The example page, connected to that server. */
async function open(fixture, told, wishes = {}) {
  const { before, interval = '100ms', within = '2s' } = wishes;
  const page = await fixture.open();
  if (before) await before(page);
  await page.goto(`${new URL('examples/page.html', browser)}?${new URLSearchParams({ url: told.url, interval, within })}`);
  await state(page, 'alive');
  return page;
}

const until = (page, check, argument) => page.waitForFunction(check, argument, { timeout: PATIENCE_MS, polling: 20 });
const state = (page, is) => until(page, (word) => document.querySelector('#state').textContent === word, is);

/** Until it holds here, looked at with each message that the server gets. */
async function heard(told, check) {
  const deadline = AbortSignal.timeout(PATIENCE_MS);
  while (!check()) {
    const [socket] = told.server.clients;
    if (socket) await once(socket, 'message', { signal: deadline });
    else await once(told.server, 'connection', { signal: deadline });
  }
}

export const cases = {
  async 'the example page works against a plain ws server that only echoes'(fixture) {
    const told = await echo(fixture);
    const page = await open(fixture, told);
    await until(page, () => / ms\)$/.test(document.querySelector('#rtt').textContent));
    await page.fill('#text', 'hello');
    await page.press('#text', 'Enter');
    await until(page, () => document.querySelectorAll('li').length > 0);
    await heard(told, () => told.beats > 3);
    assert.deepEqual(await page.locator('li').allInnerTexts(), ['hello'], 'and shows no beat');
  },

  async 'a ws server that freezes is doubted, left, and found again'(fixture) {
    const told = await echo(fixture);
    const page = await open(fixture, told, { within: '600ms' });
    await until(page, () => document.querySelector('#rtt').textContent !== '');
    const [socket] = told.server.clients;
    socket.pause();
    await state(page, 'doubtful');
    await page.fill('#text', 'held in doubt');
    await page.press('#text', 'Enter');
    await until(page, () => /^No answer to our heartbeat message/.test(document.querySelector('#verdict').textContent));
    await state(page, 'alive');
    await until(page, () => document.querySelectorAll('li').length === 1);
    assert.deepEqual(told.messages, ['held in doubt'], 'once');
  },

  async 'a tab that is hidden for ten minutes, as its clock says, stays connected'(fixture) {
    const told = await echo(fixture);
    const page = await open(fixture, told, {
      interval: '25s',
      within: '10s',
      before: async (page) => {
        await page.clock.install();
        await page.addInitScript(() => {
          Object.defineProperty(document, 'hidden', { get: () => globalThis.away === true, configurable: true });
        });
      },
    });
    const hide = (away) =>
      page.evaluate((is) => {
        globalThis.away = is;
        document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
      }, away);
    await hide(true);
    for (let minute = 1; minute <= 10; minute++) {
      const beats = told.beats;
      await page.clock.fastForward(60_000); // what is due comes once, and late
      await heard(told, () => told.beats > beats);
      await until(page, () => vital.pulse && vital.pulse.waitingMs < 0);
    }
    await hide(false);
    await heard(told, () => told.beats > 10);
    assert.equal(await page.evaluate(() => vital.verdict), null);
    assert.deepEqual([told.server.clients.size, told.closes], [1, []]);
  },

  async 'offline it spends nothing, online it is back at once'(fixture) {
    const told = await echo(fixture);
    const page = await open(fixture, told);
    await page.context().setOffline(true);
    await until(page, () => !navigator.onLine);
    for (const socket of told.server.clients) socket.terminate();
    await until(page, () => vital.verdict !== null);
    assert.equal(await page.evaluate(() => vital.verdict.retryMs), Infinity);
    await page.evaluate(() => vital.send('kept'));
    await page.context().setOffline(false);
    await heard(told, () => told.messages.includes('kept'));
    await state(page, 'alive');
  },

  async 'a page that is left says goodbye'(fixture) {
    const told = await echo(fixture);
    const page = await open(fixture, told);
    const [socket] = told.server.clients;
    const closed = once(socket, 'close');
    await page.goto('about:blank');
    assert.equal((await closed)[0], 4001);
  },

  async 'across 50 cuts every message is delivered or reported, in order, and none twice'(fixture) {
    const told = await echo(fixture);
    const page = await open(fixture, told);
    await page.evaluate(() => {
      globalThis.tally = { sent: 0, cuts: 0, unconfirmed: 0 };
      vital.addEventListener('verdict', ({ verdict }) => {
        tally.unconfirmed += verdict.unconfirmed;
        if (verdict.openMs >= 0 && ++tally.cuts === 50) clearInterval(tally.timer);
        if (!verdict.final) queueMicrotask(() => vital.probe()); // 50 delays would take a while
      });
      tally.timer = setInterval(() => vital.send(`${tally.sent++}`), 1);
    });
    const next = () => once(told.server, 'connection', { signal: AbortSignal.timeout(PATIENCE_MS) });
    for (let cut = 0; cut < 50; cut++) {
      const again = next();
      const [socket] = told.server.clients;
      await once(socket, 'message');
      socket.terminate();
      await again;
    }
    await until(page, () => tally.cuts === 50 && vital.readyState === 1);
    await page.evaluate(() => vital.close());
    await until(page, () => vital.readyState === 3);
    const { sent, unconfirmed, unsent } = await page.evaluate(() => ({ ...tally, unsent: vital.unsent.length }));
    const numbers = told.messages.map(Number);
    assert.ok(sent > 50, `${sent} were sent`);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), 'in order, and none twice');
    const lost = sent - numbers.length - unsent;
    assert.ok(lost >= 0 && lost <= unconfirmed, `${lost} of ${sent} lost, ${unconfirmed} reported`);
  },
};
