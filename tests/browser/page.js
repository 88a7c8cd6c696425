/** The page at / of `vital serve`, as its visitors use it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

import { PATIENCE_MS, run } from './harness.js';
import { cases as library } from './library.js';

const root = new URL('../../', import.meta.url).pathname;
const TOKEN = 'a-token-of-24-characters';
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

const text = (page, id) => page.locator(`#${id}`).innerText();
const number = async (page, id) => Number(await text(page, id));

/** Until check(argument), in the page, is true. */
const until = (page, check, argument) => page.waitForFunction(check, argument, { timeout: PATIENCE_MS, polling: 50 });

const beats = (page, least) => until(page, (n) => Number(document.querySelector('#beats').textContent) >= n, least);
const word = (page, is) => until(page, (w) => document.querySelector('#word').textContent === w, is);
const verdictsOf = (page) => page.locator('#verdicts b').allInnerTexts();

/** From now on the page notes each state that it shows, and where its parts stand. */
const watch = (page) =>
  page.evaluate(() => {
    const state = document.querySelector('#state');
    const seen = (window.seen = { states: [], whys: [], places: {} });
    const note = () => {
      if (seen.states.at(-1) !== state.dataset.state) {
        seen.states.push(state.dataset.state);
        seen.whys.push(document.querySelector('#why').textContent);
      }
    };
    new MutationObserver(note).observe(state, { attributes: true });
    const look = () => {
      for (const name of ['#rtt-now', '.strip', '#silence', '.facts', '.columns', '#everybody']) {
        const { left, right, top } = document.querySelector(name).getBoundingClientRect();
        const place = `${name === '#rtt-now' ? right : left} ${top + scrollY}`;
        (seen.places[name] ??= []).includes(place) || seen.places[name].push(place);
      }
      requestAnimationFrame(look);
    };
    look();
  });

const ABOVE = false;
const BELOW = true;

/** Whether something of this colour is drawn in so many columns of the strip, above or below
 * the line. */
const drawn = ([name, below, least]) => {
  const canvas = document.querySelector('#strip');
  const { width, height } = canvas;
  const copy = Object.assign(document.createElement('canvas'), { width, height });
  const probe = copy.getContext('2d', { willReadFrequently: true });
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  probe.clearRect(0, 0, 1, 1);
  probe.drawImage(canvas, 0, 0);
  const { data } = probe.getImageData(0, 0, width, height);
  const base = height * 0.7;
  const margin = (height / 200) * 6;
  let found = 0;
  for (let x = 0; x < width - 40; x++) {
    let hit = false;
    for (let y = 0; y < height; y++) {
      if (below ? y < base + margin : y > base - margin) continue;
      const at = (y * width + x) * 4;
      hit ||= data[at + 3] > 200 && Math.abs(data[at] - r) + Math.abs(data[at + 1] - g) + Math.abs(data[at + 2] - b) < 40;
    }
    found += hit;
  }
  return found >= least;
};

/** The strip is drawn by frames, which a busy machine has when it can. */
const untilDrawn = (page, name, below, least) => until(page, drawn, [name, below, least]);

/** Pairs of texts that lie over one another. */
const overlaps = (page) =>
  page.evaluate(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const boxes = [];
    for (let node; (node = walker.nextNode()); ) {
      const element = node.parentElement;
      if (!node.textContent.trim() || element.closest('script, style, .skip, .scroll, .verdicts')) continue;
      if (!element.checkVisibility()) continue;
      const clip = element.getBoundingClientRect();
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const box of range.getClientRects()) {
        boxes.push({ text: node.textContent, left: box.left, top: box.top + 2, right: Math.min(box.right, clip.right), bottom: box.bottom - 2 });
      }
    }
    const found = [];
    for (const a of boxes) {
      for (const b of boxes) {
        if (a === b || a.text >= b.text) continue;
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) found.push(`${a.text} | ${b.text}`);
      }
    }
    return found;
  });

/** For the whole page the window is made as tall, and everything is laid out anew. */
const shot = async (page, name, fullPage = true) => {
  await mkdir(process.env.SHOTS, { recursive: true });
  await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage });
};

/** A page that has seen something, as it is kept in a picture, and what must hold of it. */
async function look(fixture, server, name, options) {
  const page = await fixture.open(server.url, options);
  await beats(page, 2);
  await page.fill('#text', 'a message that is too long to be shown in full in the box where it is shown');
  await page.press('#text', 'Enter');
  await page.click('#cut');
  await until(page, () => document.querySelector('#verdicts li') && /^Alive/.test(document.querySelector('#word').textContent));
  await beats(page, 5);
  await until(page, () => document.querySelector('#table tbody button'));
  await page.locator('#table tbody button').first().click();
  await shot(page, name);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0, 'it scrolls sideways');
  assert.deepEqual(await overlaps(page), [], name);
  const small = await page.evaluate(() =>
    [...document.querySelectorAll('button, input')]
      .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 36)
      .map((e) => e.outerHTML));
  assert.deepEqual(small, [], 'too small for a finger');
  return page;
}

const cases = {
  async 'what is committed is what its sources make, at most 60 KB'() {
    const run = promisify(execFile);
    const { stdout } = await run('node', ['browser/page/build.mjs', '--check'], { cwd: root });
    assert.match(stdout, /^the page has \d+ bytes/);
    await run('browser/node_modules/.bin/tsc', ['-p', 'browser/page'], { cwd: root });
  },

  async 'the page comes with a strict policy, and obeys it'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open();
    const answer = await page.goto(server.url);
    const headers = answer.headers();
    assert.equal(headers['content-encoding'], 'gzip');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    const policy = headers['content-security-policy'];
    assert.match(policy, /^default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'sha256-[\w+/=]+'; /);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.ok((await answer.body()).length <= 60_000);
    await beats(page, 1); // its own script runs
    const blocked = await page.evaluate(() => new Promise((resolve) => {
      addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
      document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.foreign = 1' }));
    }));
    assert.equal(blocked, 'script-src-elem');
    assert.equal(await page.evaluate(() => window.foreign), undefined);
    fixture.complaints.length = 0; // which says so
  },

  async 'it loads without complaint, and beats are drawn'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open(server.url);
    await word(page, 'Alive');
    await beats(page, 4);
    await until(page, () => document.querySelectorAll('#own-rtt rect').length > 0);
    await untilDrawn(page, 'alive', ABOVE, 4);
    assert.equal(await page.evaluate(drawn, ['dead', ABOVE, 1]), false);
    assert.match(await text(page, 'rtt-now'), /^[\d.]+ m?s$/);
    assert.match(await page.locator('#own-rtt dd').first().innerText(), /^[\d.]+ m?s$/);
    assert.equal(await number(page, 'sockets'), 1);
    assert.equal(await page.title(), 'vital');
  },

  async 'a frozen server is doubtful, then dead with the reason, then alive without a reload'(fixture) {
    const server = await fixture.serve('--demo');
    const page = await fixture.open(server.url);
    await beats(page, 2);
    await watch(page);
    await page.click('#freeze');
    await word(page, 'Doubtful');
    await shot(page, 'light-doubtful', false);
    await word(page, 'Dead');
    await shot(page, 'light-dead', false);
    await word(page, 'Alive again');
    await beats(page, 4);
    const { states, whys, places } = await page.evaluate(() => window.seen);
    await shot(page, 'light-alive-again');
    assert.deepEqual(states, ['doubtful', 'dead', 'alive']);
    assert.match(whys[1], /^No answer to our heartbeat message for [4-9](\.\d)? s, and nothing else was heard/);
    assert.match(whys[2], /^It was away for .*No answer to our heartbeat/);
    assert.deepEqual(await verdictsOf(page), ['SILENT']);
    assert.equal(await number(page, 'sockets'), 2);
    for (const [name, stood] of Object.entries(places)) assert.equal(stood.length, 1, `${name} jumps: ${stood}`);
  },

  async 'a server that thaws in time was late, and no more'(fixture) {
    const server = await fixture.serve('--demo');
    const page = await fixture.open(server.url);
    await beats(page, 2);
    await page.click('#freeze');
    // Within the page, which is quick enough whatever else the machine does.
    const fate = await page.evaluate(() => new Promise((resolve) => {
      const state = document.querySelector('#state');
      new MutationObserver((_, observer) => {
        if (state.dataset.state !== 'doubtful') return;
        observer.disconnect();
        document.querySelector('#text').value = 'said while it is frozen';
        document.querySelector('#say').requestSubmit();
        document.querySelector('#freeze').click(); // which now says so
        resolve(document.querySelector('#said span').textContent);
      }).observe(state, { attributes: true });
    }));
    assert.equal(fate, 'waits'); // held back by the doubt
    await word(page, 'Alive');
    await until(page, () => /^back after/.test(document.querySelector('#said span').textContent));
    assert.equal(await number(page, 'late'), 1);
    assert.deepEqual(await verdictsOf(page), []);
    await beats(page, 5);
    await untilDrawn(page, 'doubt', BELOW, 1); // the notch
    await shot(page, 'light-late');
  },

  async 'a silenced connection is given up, and replaced'(fixture) {
    const server = await fixture.serve('--demo');
    const page = await fixture.open(server.url);
    await beats(page, 2);
    await page.click('#silence');
    await word(page, 'Dead');
    await word(page, 'Alive again');
    assert.deepEqual(await verdictsOf(page), ['SILENT']);
  },

  async 'a cut is told at once, and what is said meanwhile comes back'(fixture) {
    const server = await fixture.serve('--demo');
    const page = await fixture.open(server.url);
    await beats(page, 2);
    await page.click('#cut');
    await word(page, 'Dead');
    await page.fill('#text', 'said while it is away');
    await page.press('#text', 'Enter');
    await until(page, () => /^back after/.test(document.querySelector('#said span').textContent));
    assert.deepEqual(await verdictsOf(page), ['CUT']);
    assert.match(await page.locator('#verdicts li').innerText(), /ended without a close frame/);
    await until(page, () => /^Alive/.test(document.querySelector('#word').textContent));
  },

  async 'a hidden tab survives ten minutes in which its timers run once a minute'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open();
    await page.clock.install();
    await page.goto(server.url);
    await beats(page, 2);
    const show = (hidden) => page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
      Object.defineProperty(document, 'visibilityState', { configurable: true, value: hidden ? 'hidden' : 'visible' });
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    }, hidden);
    await show(true);
    const before = await number(page, 'beats');
    for (let minute = 1; minute <= 10; minute++) {
      const answered = await page.evaluate(() => window.vital.pulse.beatsAnswered);
      await page.clock.fastForward(60_000);
      await until(page, (n) => window.vital.pulse.beatsAnswered > n, answered);
    }
    await show(false);
    await beats(page, before + 11);
    assert.equal(await text(page, 'word'), 'Alive');
    assert.deepEqual(await verdictsOf(page), []);
    assert.equal(await number(page, 'sockets'), 1);
    assert.ok((await page.evaluate(() => performance.now())) > 600_000);
  },

  async 'offline it spends nothing, and online it looks at once'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open();
    await page.clock.install();
    await page.goto(server.url);
    await beats(page, 2);
    await page.context().setOffline(true);
    await word(page, 'Offline');
    const before = await page.evaluate(() => window.vital.pulse.beatsSent);
    await page.clock.fastForward(60_000); // many beats would have been due
    assert.equal(await page.evaluate(() => window.vital.pulse.beatsSent), before);
    assert.deepEqual(await verdictsOf(page), []);
    await page.context().setOffline(false);
    await word(page, 'Alive');
    await until(page, (n) => window.vital.pulse.beatsAnswered > n, before);
    assert.equal(await number(page, 'sockets'), 1);
  },

  async 'across 50 cuts every message is echoed or reported, and none twice'(fixture) {
    const server = await fixture.serve('--demo');
    const page = await fixture.open();
    await page.clock.install(); // to skip the growing delays
    await page.goto(server.url);
    await beats(page, 1);
    await page.evaluate(() => {
      const { vital } = window;
      const ledger = (window.ledger = { accepted: 0, echoes: [], reported: [], opens: 0, verdicts: 0 });
      window.say = (n) => {
        while (n--) vital.send(`message ${ledger.accepted++}`);
      };
      vital.addEventListener('message', ({ data }) => ledger.echoes.push(Number(data.split(' ')[1])));
      vital.addEventListener('open', () => ledger.opens++);
      vital.addEventListener('verdict', ({ verdict: { unsent, unconfirmed } }) => {
        ledger.verdicts++;
        for (let i = ledger.accepted - unsent - unconfirmed; i < ledger.accepted - unsent; i++) ledger.reported.push(i);
      });
      const control = new WebSocket(vital.url.replace(/\/\?.*/, '/vital/demo'));
      window.cut = () => control.send(JSON.stringify({ do: 'cut', key: vital.url.split('key=')[1] }));
      return new Promise((resolve) => (control.onopen = resolve));
    });
    for (let cut = 1; cut <= 50; cut++) {
      await page.evaluate((cut) => { window.say(cut % 3); window.cut(); window.say(2); }, cut);
      await until(page, (n) => window.ledger.verdicts === n, cut);
      await page.evaluate(() => window.say(2)); // while it is away
      await page.clock.fastForward(61_000);
      await until(page, (n) => window.ledger.opens === n, cut);
      if (cut % 2) continue; // cut again before anything has come back
      await until(page, () => window.ledger.echoes.includes(window.ledger.accepted - 1));
    }
    const { accepted, echoes, reported } = await page.evaluate(() => window.ledger);
    assert.equal(accepted, 51 + 50 * 2 + 50 * 2);
    assert.deepEqual(echoes, [...new Set(echoes)].sort((a, b) => a - b), 'twice, or out of order');
    const known = new Set([...echoes, ...reported]);
    const lost = [...Array(accepted).keys()].filter((i) => !known.has(i));
    assert.deepEqual(lost, [], 'dropped in silence');
    assert.ok(echoes.length >= 25 * 2, `only ${echoes.length} came through`);
    assert.equal((await verdictsOf(page)).filter((cause) => cause === 'CUT').length, 50);
  },

  async 'a server that is gone is waited for, and found again'(fixture) {
    const first = await fixture.serve();
    const page = await fixture.open(first.url);
    await beats(page, 1);
    await first.stop();
    await word(page, 'Dead');
    await fixture.serve('--listen', new URL(first.url).host);
    await word(page, 'Alive again');
    assert.equal((await verdictsOf(page)).at(-1), 'CUT');
    fixture.complaints.length = 0; // the browser's own, about attempts that failed
  },

  async 'all connections are shown, sorted as wished, with a drawer each'(fixture) {
    const server = await fixture.serve('--demo', '--threads', '2');
    const page = await fixture.open(server.url);
    const others = [await fixture.open(server.url), await fixture.open(server.url)];
    const rows = page.locator('#table tbody tr:not(.drawer)');
    await until(page, () => document.querySelectorAll('#table tbody tr:not(.drawer)').length === 3);
    await until(page, () => Number(document.querySelector('#all-beats').textContent) > 1);
    await until(page, () => document.querySelectorAll('#all-rtt rect').length > 0);
    const ids = async () => (await rows.locator('button').allInnerTexts()).map((id) => Number(id.slice(1)));
    assert.deepEqual(await ids(), (await ids()).toSorted((a, b) => b - a));
    await page.click('th button >> text=No.');
    assert.deepEqual(await ids(), (await ids()).toSorted((a, b) => a - b));
    assert.equal(await page.locator('th[aria-sort]').getAttribute('aria-sort'), 'ascending');
    const button = rows.first().locator('button');
    await button.click();
    assert.equal(await button.getAttribute('aria-expanded'), 'true');
    assert.match(await page.locator('.drawer:not([hidden])').innerText(), /Last beat answered/);
    await others[1].context().close();
    await until(page, () => document.querySelectorAll('#table tbody tr:not(.drawer)').length === 2);
    assert.equal(await button.getAttribute('aria-expanded'), 'true');
    await until(page, () => /CLOSED_BY_PEER|CUT/.test(document.querySelector('#causes').textContent));
  },

  async 'while the mouse is over the table no row moves'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open(server.url);
    await until(page, () => document.querySelectorAll('#table tbody tr:not(.drawer)').length === 1);
    await page.hover('#table tbody tr');
    await fixture.open(server.url);
    await until(page, () => document.querySelectorAll('#table tbody tr:not(.drawer)').length === 2);
    const order = () => page.locator('#table tbody tr:not(.drawer) button').allInnerTexts();
    const held = await order();
    assert.ok(Number(held[0].slice(1)) < Number(held[1].slice(1)), 'the new one is not last');
    await page.mouse.move(2, 2);
    await until(page, (first) => document.querySelector('#table tbody button').textContent !== first, held[0]);
  },

  async 'everything can be reached and done by keyboard'(fixture) {
    const server = await fixture.serve('--demo');
    const page = await fixture.open(server.url);
    await until(page, () => document.querySelector('#table tbody button'));
    const stops = [];
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      const stop = await page.evaluate(() => {
        const { activeElement: at } = document;
        return at === document.body ? null : { name: at.id || at.textContent, ring: getComputedStyle(at).outlineStyle };
      });
      if (!stop) break;
      stops.push(stop);
    }
    assert.deepEqual(
      stops.map(({ name }) => name.replace(/^#\d+$/, 'row')),
      ['Skip to the whole server', 'freeze', 'silence', 'cut', 'text', 'Send', 'scroll', 'No.', 'Peer', 'Health',
        'Open for', 'Last heard', 'Round trip', 'Pulse', 'In queue', 'row'],
    );
    for (const { name, ring } of stops) assert.equal(ring, 'solid', `${name} shows no focus`);
    const row = page.locator('#table tbody button');
    await row.focus();
    await page.keyboard.press('Enter');
    assert.equal(await row.getAttribute('aria-expanded'), 'true');
    await page.locator('th button >> text=Round trip').focus();
    await page.keyboard.press('Space');
    assert.equal(await page.locator('th[aria-sort]').innerText(), 'Round trip ↓'.slice(0, -2));
    await page.focus('#text');
    await page.keyboard.type('by hand');
    await page.keyboard.press('Enter');
    await until(page, () => /^back after/.test(document.querySelector('#said span')?.textContent));
    await page.focus('#cut');
    await page.keyboard.press('Enter');
    await word(page, 'Dead');
  },

  async 'what changes is said to a screen reader, and what ticks is not'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open(server.url);
    await beats(page, 2);
    const spoken = await page.evaluate(() => new Promise((resolve) => {
      const said = [];
      const live = document.querySelectorAll('[role=status], [aria-live]');
      for (const region of live) {
        new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true, subtree: true, characterData: true });
      }
      const from = Number(document.querySelector('#beats').textContent);
      setInterval(() => Number(document.querySelector('#beats').textContent) > from + 2 && resolve(said), 100);
    }));
    assert.deepEqual(spoken, []);
    assert.equal(await page.locator('[role=status] #word').count(), 1);
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll('button, input, canvas, section, [role=region]')]
        .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.getAttribute('aria-labelledby')))
        .map((e) => e.outerHTML));
    assert.deepEqual(unnamed, []);
  },

  async 'who asks for less motion sees the strip move once a second'(fixture) {
    const server = await fixture.serve();
    const frames = async (reducedMotion) => {
      const page = await fixture.open(null, { reducedMotion });
      await page.addInitScript(() => {
        window.frames_ = 0;
        const clear = CanvasRenderingContext2D.prototype.clearRect;
        CanvasRenderingContext2D.prototype.clearRect = function (...box) {
          window.frames_++;
          return clear.apply(this, box);
        };
      });
      await page.goto(server.url);
      await beats(page, 1);
      return page.evaluate(() => new Promise((resolve) => {
        const began = performance.now();
        const before = window.frames_;
        const look = () => {
          const seconds = (performance.now() - began) / 1000;
          if (seconds < 2.5) requestAnimationFrame(look);
          else resolve({ seconds, drawn: window.frames_ - before });
        };
        look();
      }));
    };
    const reduced = await frames('reduce');
    assert.ok(reduced.drawn <= reduced.seconds + 1, `${reduced.drawn} in ${reduced.seconds} s`);
    assert.ok((await frames('no-preference')).drawn >= 10);
  },

  async 'without --demo there is nothing to hurt it with, and that is said'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open(server.url);
    await word(page, 'Alive');
    assert.equal(await page.locator('#hurt').isVisible(), false);
    assert.match(await text(page, 'no-demo'), /vital serve --demo/);
  },

  async 'who is not local sees their own connection only, and why'(fixture) {
    const server = await fixture.serve();
    const page = await fixture.open(server.url, { extraHTTPHeaders: { 'X-Forwarded-For': '192.0.2.7' } });
    await beats(page, 1);
    assert.match(await text(page, 'feed-note'), /with a token/);
    assert.equal(await page.locator('#all').isVisible(), false);
  },

  async 'with --token the page asks for it, or takes it from its address'(fixture) {
    const server = await fixture.serve('--token', TOKEN);
    const page = await fixture.open(server.url);
    await beats(page, 1);
    await page.fill('#token', 'a-wrong-token-of-it');
    await page.press('#token', 'Enter');
    await until(page, () => document.querySelector('#feed-note').textContent === 'That is not the token.');
    await page.fill('#token', TOKEN);
    await page.press('#token', 'Enter');
    await until(page, () => document.querySelectorAll('#table tbody tr').length > 0);
    assert.equal(await page.locator('#token-form').isVisible(), false);
    const other = await fixture.open(server.url, { hash: `#token=${TOKEN}` });
    await until(other, () => document.querySelectorAll('#table tbody tr').length > 0);
  },

  async 'in light and dark nothing overlaps or scrolls sideways'(fixture) {
    const server = await fixture.serve('--demo');
    const light = await look(fixture, server, 'light', { colorScheme: 'light' });
    const dark = await look(fixture, server, 'dark', { colorScheme: 'dark' });
    const background = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    assert.notEqual(await background(light), await background(dark));
  },

  async 'on phones and tablets nothing overlaps or scrolls sideways'(fixture) {
    const server = await fixture.serve('--demo');
    await Promise.all([
      look(fixture, server, 'phone', PHONE),
      look(fixture, server, 'phone-small', { ...PHONE, viewport: { width: 320, height: 568 }, colorScheme: 'dark' }),
      look(fixture, server, 'tablet', { viewport: { width: 768, height: 1024 } }),
    ]);
  },
};

process.exitCode = await run({ ...cases, ...library }, process.argv.slice(2));
