/** The page's life: hidden, frozen, put away, back again; the network gone and back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { platformHost } from '../src/platform.js';
import { connect, open, World } from './world.js';

test('a page that is visible again asks at once', () => {
  const world = new World();
  const heard = open(world);
  world.advance(10_000);
  world.tell('wake');
  assert.deepEqual(world.socket.sent, ['heartbeat']);
  world.tell('wake');
  assert.deepEqual(world.socket.sent, ['heartbeat'], 'one at a time');
  world.advance(20);
  assert.deepEqual(heard.log, ['open', 'beat']);
});

test('after a night\'s sleep a beat that was out has its whole limit again', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.advance(18_750 + 4000);
  world.now += 8 * 3_600_000;
  world.tell('wake');
  world.advance(0);
  world.advance(4999);
  assert.equal(heard.vital.health, 'alive');
  world.advance(1);
  assert.equal(heard.vital.health, 'doubtful');
  world.advance(5000);
  assert.equal(heard.verdicts[0]!.cause, 'SILENT');
});

test('a timer that comes before the page\'s own news of the night convicts nobody either', () => {
  const world = new World();
  const heard = open(world);
  world.advance(18_750);
  world.stall(8 * 3_600_000);
  world.tell('wake');
  world.advance(1000);
  assert.deepEqual(heard.verdicts, []);
});

test('whom a server has told when to come back does not come before, whatever the page does', () => {
  const world = new World();
  open(world);
  world.advance(60_000);
  world.socket.end(1012, 'restarting; retry in 40-60 s');
  for (const what of ['wake', 'offline', 'online', 'wake'] as const) {
    world.advance(12_000);
    world.tell(what);
    assert.equal(world.sockets.length, 1, what);
  }
  world.advance(1999);
  assert.equal(world.sockets.length, 1);
  world.advance(1);
  assert.equal(world.sockets.length, 2, 'after 50 s');
});

test('a page that is back tries at once if it is away, but not more often than every ten seconds', () => {
  const world = new World();
  const heard = connect(world);
  for (let i = 0; i < 5; i++) {
    world.socket.end();
    world.advance(Math.ceil(heard.vital.verdict!.retryMs));
  }
  world.socket.end();
  const { retryMs } = heard.vital.verdict!;
  assert.ok(retryMs > 10_000);
  world.advance(3000);
  world.tell('wake');
  assert.equal(world.sockets.length, 6, 'the last attempt was 3 s ago');
  world.advance(6_999);
  assert.equal(world.sockets.length, 6);
  world.advance(1);
  assert.equal(world.sockets.length, 7);
  world.socket.end();
  world.advance(10_000);
  world.tell('wake');
  assert.equal(world.sockets.length, 8);
});

test('offline: no timers, no beats, no attempts', () => {
  const world = new World();
  const heard = open(world);
  world.tell('offline');
  assert.equal(world.timers, 0);
  world.advance(600_000);
  assert.deepEqual(world.socket.sent, []);
  world.socket.end();
  assert.deepEqual([heard.verdicts[0]!.retryMs, heard.verdicts[0]!.final], [Infinity, false]);
  world.tell('wake');
  world.advance(600_000);
  assert.deepEqual([world.sockets.length, world.timers], [1, 0]);
});

test('online: an open connection is asked, one that is away comes back', () => {
  const world = new World();
  const heard = open(world);
  world.tell('offline');
  world.advance(60_000);
  world.tell('online');
  assert.deepEqual(world.socket.sent, ['heartbeat']);
  world.advance(20);
  world.tell('offline');
  world.socket.end();
  world.advance(60_000);
  world.tell('online');
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(heard.log, ['open', 'beat', 'CUT', 'reconnecting 1']);
});

test('what goes offline while it waits for its next attempt waits for the network', () => {
  const world = new World();
  open(world);
  world.socket.end();
  world.tell('offline');
  world.advance(600_000);
  assert.equal(world.sockets.length, 1);
  world.tell('online');
  assert.equal(world.sockets.length, 2);
});

test('what is sent while offline goes to the socket that is still open', () => {
  const world = new World();
  const { vital } = open(world);
  world.tell('offline');
  vital.send('to localhost perhaps');
  assert.deepEqual(world.socket.sent, ['to localhost perhaps']);
});

test('a page that is put away says goodbye, and waits for nothing', () => {
  const world = new World();
  const heard = open(world);
  world.tell('sleep');
  assert.deepEqual(world.socket.closed, [4001, undefined]);
  const { cause, code, final, retryMs } = heard.verdicts[0]!;
  assert.deepEqual([cause, code, final, retryMs], ['CLOSED_BY_US', 4001, false, Infinity]);
  world.tell('sleep');
  world.advance(600_000);
  assert.deepEqual([world.sockets.length, world.timers, heard.verdicts.length], [1, 0, 1]);
});

test('a page that is taken out again comes back, with what was sent meanwhile', () => {
  const world = new World();
  const heard = open(world);
  world.advance(15_000);
  world.tell('sleep');
  heard.vital.send('from the freezer');
  world.tell('wake');
  assert.equal(world.sockets.length, 2);
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['from the freezer']);
});

test('offline and away: both must be over', () => {
  const world = new World();
  open(world);
  world.advance(15_000);
  world.tell('offline');
  world.tell('sleep');
  world.tell('wake');
  assert.equal(world.sockets.length, 1);
  world.tell('sleep');
  world.tell('online');
  assert.equal(world.sockets.length, 1);
  world.tell('wake');
  assert.equal(world.sockets.length, 2);
});

test('an attempt that is under way as the page is put away is given up', () => {
  const world = new World();
  const heard = connect(world);
  const { onopen } = world.socket;
  world.tell('sleep');
  assert.ok(onopen && world.socket.closed);
  assert.deepEqual(heard.log, ['CLOSED_BY_US']);
});

test('close() holds, whatever the page does then', () => {
  const world = new World();
  const heard = open(world);
  heard.vital.close();
  for (const what of ['sleep', 'wake', 'offline', 'online'] as const) world.tell(what);
  assert.equal(heard.verdicts.length, 0);
  world.advance(5000);
  assert.deepEqual(heard.log, ['open', 'CLOSED_BY_US', 'close 1005']);
  assert.equal(world.watched, 0);
});

test('a tab that is hidden for ten minutes, with timers once a minute, stays connected', () => {
  const world = new World();
  const heard = open(world);
  world.hidden = true;
  world.throttle = 60_000;
  world.advance(600_000);
  assert.deepEqual(heard.verdicts, []);
  assert.equal(heard.vital.readyState, 1);
  assert.ok(world.socket.sent.length >= 9);
});

test('so it does with an answer that takes a while', () => {
  const world = new World();
  const heard = connect(world);
  world.echo(world.socket, 4000);
  world.socket.accept();
  world.hidden = true;
  world.throttle = 60_000;
  world.advance(600_000);
  assert.deepEqual(heard.verdicts, []);
});

test('in a hidden tab our beats follow what the server sends, since that is not slowed down', () => {
  const world = new World();
  open(world);
  world.hidden = true;
  world.throttle = 60_000;
  const socket = world.socket;
  for (let s = 25; s < 600; s += 25) world.plan(s * 1000, () => socket.bring('news'));
  let last = world.now;
  let longest = 0;
  const { server } = socket;
  socket.server = (data) => {
    longest = Math.max(longest, world.now - last);
    last = world.now;
    server(data);
  };
  world.advance(600_000);
  assert.ok(longest < 55_000, `${longest} ms without a beat: a proxy would have ended it`);
});

test('a peer that dies while the tab is hidden is noticed within minutes', () => {
  const world = new World();
  const heard = open(world);
  world.advance(30_000);
  world.socket.server = () => {};
  world.hidden = true;
  world.throttle = 60_000;
  world.advance(330_000);
  assert.deepEqual(heard.verdicts.map((v) => v.cause), ['SILENT']);
});

test('once it has ended nothing of the page is listened to', () => {
  const world = new World();
  const heard = open(world, { reconnect: false });
  assert.equal(world.watched, 1);
  world.socket.end();
  assert.equal(world.watched, 0);
  world.tell('wake');
  assert.equal(heard.log.length, 4);
});

/** A page, as far as its listeners go. */
function fakePage() {
  const listeners = new Map<string, (event: any) => void>();
  const was: [string, PropertyDescriptor | undefined][] = [];
  const put = (name: string, value: unknown): void => {
    was.push([name, Object.getOwnPropertyDescriptor(globalThis, name)]);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  };
  const page = { hidden: false };
  put('document', page);
  put('navigator', { onLine: true });
  put('addEventListener', (type: string, run: any, capture: boolean) => {
    assert.equal(capture, true);
    listeners.set(type, run);
  });
  put('removeEventListener', (type: string, run: any, capture: boolean) => {
    assert.equal(capture, true);
    if (listeners.get(type) === run) listeners.delete(type);
  });
  const restore = (): void => {
    for (const [name, own] of was) {
      if (own) Object.defineProperty(globalThis, name, own);
      else delete (globalThis as any)[name];
    }
  };
  return { page, listeners, restore };
}

test('a page\'s events are told as wake, sleep, online and offline', () => {
  const { page, listeners, restore } = fakePage();
  try {
    const told: string[] = [];
    const host = platformHost();
    const stop = host.watch((what) => told.push(what));
    const fire = (type: string): void => listeners.get(type)!({ type });
    for (const type of ['freeze', 'resume', 'pagehide', 'pageshow', 'offline', 'online']) fire(type);
    page.hidden = true;
    assert.equal(host.hidden(), true);
    fire('visibilitychange');
    page.hidden = false;
    fire('visibilitychange');
    assert.deepEqual(told, ['sleep', 'wake', 'sleep', 'wake', 'offline', 'online', 'wake']);
    stop();
    assert.equal(listeners.size, 0);
    (globalThis.navigator as any).onLine = false;
    host.watch((what) => told.push(what))();
    assert.equal(told.pop(), 'offline');
  } finally {
    restore();
  }
});

test('where there is no page there is nothing to listen to, and timers and time are the host\'s', async () => {
  const host = platformHost();
  host.watch(() => assert.fail())();
  assert.equal(host.hidden(), false);
  const begin = host.now();
  await new Promise<void>((resolve) => host.setTimeout(resolve, 5));
  assert.ok(host.now() - begin >= 4);
  host.clearTimeout(host.setTimeout(() => assert.fail(), 1));
  const random = host.random();
  assert.ok(random >= 0 && random < 1);
});
