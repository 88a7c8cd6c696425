/** Losses, verdicts and attempts; what becomes of the messages. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Vital } from '../src/index.js';
import { connect, listen, open, World } from './world.js';

const turn = async (times = 5): Promise<void> => {
  for (let i = 0; i < times; i++) await Promise.resolve();
};

test('a cut is told by a verdict, and healed after the backoff', () => {
  const world = new World();
  const heard = open(world);
  world.advance(5000);
  world.socket.end();
  assert.deepEqual(heard.log, ['open', 'CUT']);
  const { cause, code, final, retryMs, openMs, heardMs, rttMs, text } = heard.verdicts[0]!;
  assert.deepEqual([cause, code, final, retryMs, openMs, heardMs, rttMs], ['CUT', 1006, false, 1000, 5000, 5000, -1]);
  assert.equal(text, 'The connection ended without a close frame after 5 s of silence.');
  assert.equal(heard.vital.readyState, 0);
  assert.equal(heard.vital.verdict, heard.verdicts[0]);
  world.advance(999);
  assert.equal(world.sockets.length, 1);
  world.advance(1);
  assert.equal(world.sockets.length, 2);
  world.socket.accept();
  assert.deepEqual(heard.log, ['open', 'CUT', 'reconnecting 1', 'open']);
});

test('attempts that fail are verdicts too, further and further apart', () => {
  const world = new World();
  const heard = connect(world);
  for (let i = 0; i < 6; i++) {
    world.socket.end();
    world.advance(Math.ceil(heard.vital.verdict!.retryMs));
  }
  assert.deepEqual(heard.verdicts.map((v) => [v.cause, v.openMs, v.retryMs]), [
    ['UNREACHABLE', -1, 1000], ['UNREACHABLE', -1, 1750], ['UNREACHABLE', -1, 2875],
    ['UNREACHABLE', -1, 4562.5], ['UNREACHABLE', -1, 7093.75], ['UNREACHABLE', -1, 10_890.625],
  ]);
  assert.deepEqual(heard.log.slice(0, 4), ['UNREACHABLE', 'reconnecting 2', 'UNREACHABLE', 'reconnecting 3']);
});

test('an attempt that leads to nothing is given up in time', () => {
  const world = new World();
  const heard = connect(world);
  const first = world.socket;
  world.advance(9_999);
  assert.equal(heard.verdicts.length, 0);
  world.advance(1);
  assert.equal(heard.verdicts[0]!.text, 'No connection could be made: no answer in time.');
  assert.ok(first.closed, 'and is not left behind');
});

test('an attempt that opened while we were late is not given up', () => {
  const world = new World();
  const heard = connect(world);
  const socket = world.socket;
  world.plan(8000, () => socket.accept());
  world.stall(12_000);
  world.advance(1000);
  assert.deepEqual(heard.log, ['open']);
});

test('the delays start over only after thirty seconds open and an answered beat', () => {
  for (const [openFor, answers, expected] of [[60_000, true, 1000], [29_000, true, 1750], [60_000, false, 1750]] as const) {
    const world = new World();
    const heard = connect(world, { heartbeat: { answerWithin: '200s' } });
    world.socket.end();
    world.advance(1000);
    if (answers) world.echo(world.socket);
    world.socket.accept();
    world.advance(openFor);
    world.socket.end();
    assert.equal(heard.verdicts[1]!.retryMs, expected, `${openFor} ${answers}`);
  }
});

test('without beats thirty seconds open are proof enough', () => {
  const world = new World();
  const heard = connect(world, { heartbeat: false });
  world.socket.end();
  world.advance(1000);
  world.socket.accept();
  world.advance(30_000);
  world.socket.end();
  assert.equal(heard.verdicts[1]!.retryMs, 1000);
});

test('who goes silent again before it has proven stable is waited for', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.advance(28_750);
  assert.equal(world.sockets.length, 2, 'the first time it is at once');
  world.socket.accept();
  world.advance(28_750);
  assert.equal(world.sockets.length, 2);
  assert.equal(heard.verdicts[1]!.retryMs, 1750);
});

test('a peer\'s close is told with its code and its reason, and followed as the table says', () => {
  for (const [code, retryMs] of [[1001, 1000], [1012, 17_500], [1013, 75_000], [4000, 1000], [1011, 1000]] as const) {
    const world = new World();
    const heard = open(world);
    world.socket.end(code, 'why');
    assert.deepEqual(heard.verdicts.map((v) => [v.cause, v.code, v.reason, v.final, v.retryMs]),
      [['CLOSED_BY_PEER', code, 'why', false, retryMs]]);
    world.advance(retryMs);
    assert.equal(world.sockets.length, 2, String(code));
  }
});

test('a close reason that invites is followed, within its window, and said', () => {
  for (const code of [1001, 1012, 1013]) {
    const world = new World();
    const heard = open(world);
    world.socket.end(code, 'new version; retry in 100-200 s');
    const { reason, retryMs, text } = heard.verdicts[0]!;
    assert.deepEqual([reason, retryMs], ['new version; retry in 100-200 s', 150_000]);
    assert.match(text, /, "new version"; it asks us to come back in 100 to 200 s\.$/);
    world.advance(149_999);
    assert.equal(world.sockets.length, 1);
    world.advance(1);
    assert.equal(world.sockets.length, 2);
  }
});

test('where the table says stop it stops, and says what was not sent', () => {
  for (const code of [1000, 1002, 1008, 4401, 4403]) {
    const world = new World();
    const heard = open(world);
    world.socket.readyState = 2; // the browser has its close frame, and we do not know yet
    heard.vital.send('too late');
    world.socket.end(code);
    assert.deepEqual(heard.log, ['open', 'CLOSED_BY_PEER', `close ${code}`]);
    const verdict = heard.verdicts[0]!;
    assert.deepEqual([verdict.final, verdict.retryMs, verdict.unsent], [true, -1, 1]);
    assert.match(verdict.text, / 1 message was not sent\.$/);
    assert.deepEqual(heard.vital.unsent, ['too late']);
    assert.deepEqual([world.timers, world.watched, heard.vital.readyState], [0, 0, 3]);
  }
});

test('a host that knows why says so, and the table follows', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.end(1006, '', { failure: { cause: 'REJECTED', status: 503, retryAfterS: 20, what: 'Service Unavailable' } });
  assert.deepEqual([heard.verdicts[0]!.status, heard.verdicts[0]!.retryMs], [503, 22_500]);
  assert.equal(heard.verdicts[0]!.text, 'The server answered 503 Service Unavailable instead of upgrading.');
  world.advance(22_500);
  world.socket.end(1006, '', { failure: { cause: 'REJECTED', status: 401, what: 'Unauthorized' } });
  assert.deepEqual(heard.log.slice(-3), ['REJECTED', 'error', 'close 1006']);
});

test('what is sent before it is open waits, and goes out in order', () => {
  const world = new World();
  const { vital } = connect(world);
  vital.send('one');
  vital.send('two');
  world.socket.accept();
  vital.send('three');
  assert.deepEqual(world.socket.sent, ['one', 'two', 'three']);
});

test('what is sent while it is away goes out on the return', () => {
  const world = new World();
  const heard = open(world);
  world.socket.end();
  heard.vital.send('away');
  assert.equal(heard.verdicts[0]!.unsent, 0);
  world.advance(1000);
  world.socket.end();
  assert.equal(heard.verdicts[1]!.unsent, 1);
  world.advance(2000);
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['away']);
});

test('what an open listener sends goes first: there one logs in', () => {
  const world = new World();
  const { vital } = connect(world);
  vital.onopen = () => vital.send('login');
  vital.send('waited');
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['login', 'waited']);
  world.socket.end();
  vital.send('waited again');
  world.advance(1000);
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['login', 'waited again']);
});

test('what was given to a lost socket is counted as unconfirmed once, and not sent again', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  heard.vital.send('a');
  heard.vital.send('b');
  world.socket.end();
  world.advance(1000);
  world.socket.end();
  assert.deepEqual(heard.verdicts.map((v) => v.unconfirmed), [2, 0]);
  world.advance(2000);
  world.socket.accept();
  assert.deepEqual(world.socket.sent, []);
});

test('an answered beat proves the arrival of what went before it', () => {
  const world = new World();
  const heard = open(world);
  heard.vital.send('before');
  world.advance(30_000);
  heard.vital.send('after');
  world.socket.end();
  assert.equal(heard.verdicts[0]!.unconfirmed, 1);
});

test('a full queue is an error that says so, and what does not fit is not accepted', () => {
  const world = new World();
  const { vital } = connect(world, { queue: '1 KiB' });
  vital.send('x'.repeat(900));
  assert.throws(() => vital.send('y'.repeat(100)), {
    name: 'QuotaExceededError', message: 'Queue full: 900 + 100 bytes',
  });
  vital.send('z'.repeat(50));
  assert.deepEqual(vital.unsent.map((data: any) => data[0]), ['x', 'z']);
  world.socket.accept();
  assert.equal(vital.bufferedAmount, 0);
  world.socket.bufferedAmount = 1000;
  assert.throws(() => vital.send('y'.repeat(100)), { name: 'QuotaExceededError' });
});

test('close() sends what doubt held back', () => {
  const world = new World();
  const { vital } = connect(world);
  world.socket.accept();
  world.advance(18_750 + 5000);
  vital.send('held');
  vital.close();
  assert.deepEqual(world.socket.sent, ['heartbeat', 'held']);
});

test('close() while away is final', async () => {
  const world = new World();
  const heard = open(world);
  world.socket.end();
  heard.vital.send('lost');
  heard.vital.close();
  await turn();
  assert.deepEqual(heard.log, ['open', 'CUT', 'CLOSED_BY_US', 'close 1005']);
  assert.match(heard.verdicts[1]!.text, /^We closed the connection\. 1 message was not sent\.$/);
  world.advance(100_000);
  assert.deepEqual([world.sockets.length, world.timers], [1, 0]);
});

test('a listener may close, send or probe in a verdict', async () => {
  const world = new World();
  const heard = open(world);
  heard.vital.onverdict = () => {
    heard.vital.onverdict = null;
    heard.vital.send('from the listener');
    heard.vital.probe();
  };
  world.socket.end();
  assert.equal(world.sockets.length, 2, 'at once');
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['from the listener']);
  heard.vital.onverdict = () => heard.vital.close();
  world.socket.end();
  await turn();
  assert.deepEqual(heard.log.slice(-3), ['CUT', 'CLOSED_BY_US', 'close 1005']);
});

test('a listener that closes as the attempt begins is obeyed', async () => {
  const world = new World();
  const heard = open(world);
  heard.vital.onreconnecting = () => heard.vital.close();
  world.socket.end();
  world.advance(2000);
  await turn();
  assert.equal(world.sockets.length, 1);
  assert.equal(heard.vital.readyState, 3);
});

test('the url may be made anew for each attempt, also later', async () => {
  const world = new World();
  let token = 0;
  const heard = connect(world, {}, async () => `ws://test/?token=${++token}`);
  assert.equal(world.sockets.length, 0);
  await turn();
  assert.equal(world.socket.url, 'ws://test/?token=1');
  world.socket.accept();
  world.socket.end();
  world.advance(1000);
  await turn();
  assert.equal(world.socket.url, 'ws://test/?token=2');
  assert.equal(heard.vital.url, 'ws://test/?token=2');
});

test('a url that cannot be made is UNREACHABLE, and tried again', async () => {
  const world = new World();
  let fails = true;
  const heard = connect(world, {}, () => {
    if (fails) throw new Error('not logged in');
    return 'ws://test/';
  });
  await turn();
  assert.equal(heard.verdicts[0]!.text, 'No connection could be made: not logged in.');
  fails = false;
  world.advance(1000);
  await turn();
  assert.equal(world.sockets.length, 1);
});

test('a url that comes after close() is not used', async () => {
  const world = new World();
  let give = (_: string): void => {};
  const heard = connect(world, {}, () => new Promise((resolve) => (give = resolve)));
  await turn();
  heard.vital.close();
  give('ws://test/');
  await turn();
  assert.deepEqual([world.sockets.length, heard.vital.readyState], [0, 3]);
});

test('a url that never comes is given up in time', async () => {
  const world = new World();
  const heard = connect(world, {}, () => new Promise(() => {}));
  await turn();
  world.advance(10_000);
  assert.equal(heard.verdicts[0]!.cause, 'UNREACHABLE');
});

test('a socket whose constructor throws later is UNREACHABLE', () => {
  const world = new World();
  const host = world.host();
  const Real = host.WebSocket;
  let broken = false;
  host.WebSocket = class {
    constructor(url: string) {
      if (broken) throw new Error('five sockets are open already');
      return new Real(url);
    }
  } as any;
  const heard = listen(new Vital('ws://test/', [], { host }));
  world.socket.accept();
  broken = true;
  world.socket.end();
  world.advance(1000);
  assert.equal(heard.verdicts[1]!.text, 'No connection could be made: five sockets are open already.');
  broken = false;
  world.advance(5000);
  assert.equal(world.sockets.length, 2);
});

test('probe() looks at once: a beat where it is open, an attempt where it is away', () => {
  const world = new World();
  const heard = open(world);
  heard.vital.probe();
  heard.vital.probe();
  assert.deepEqual(world.socket.sent, ['heartbeat'], 'one at a time');
  world.advance(20);
  world.socket.end();
  heard.vital.probe();
  assert.equal(world.sockets.length, 2);
  heard.vital.probe();
  assert.equal(world.sockets.length, 2, 'it is under way');
});

test('while it is away there is one timer, and after the end none', () => {
  const world = new World();
  const heard = open(world);
  world.advance(100_000);
  world.socket.end();
  assert.equal(world.timers, 1);
  heard.vital.onverdict = null;
  world.advance(1000);
  world.socket.accept();
  assert.equal(world.timers, 1);
  world.socket.end(1000);
  assert.equal(world.timers, 0);
});

test('a host whose send fails before it returns loses the socket, and the message is reported', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.socket.server = () => world.socket.end();
  heard.vital.send('lost');
  assert.deepEqual([heard.verdicts[0]!.cause, heard.verdicts[0]!.unconfirmed], ['CUT', 1]);
  world.advance(1000);
  world.socket.accept();
  world.socket.server = (data) => data === 'heartbeat' && world.socket.end();
  world.advance(25_000);
  assert.deepEqual([heard.verdicts[1]!.cause, heard.verdicts[1]!.unconfirmed], ['CUT', 0]);
});

test('traffic touches no timer', () => {
  const world = new World();
  const host = world.host();
  let set = 0;
  const { setTimeout } = host;
  host.setTimeout = (run, ms) => {
    set++;
    return setTimeout(run, ms);
  };
  const { vital } = connect(world, { host });
  world.echo(world.socket, 0);
  world.socket.accept();
  set = 0;
  for (let i = 0; i < 1000; i++) {
    vital.send('x');
    world.advance(1);
  }
  assert.equal(set, 0);
});

test('an interval that no timer can hold is waited for in parts', () => {
  const world = new World();
  const host = world.host();
  const { setTimeout } = host;
  host.setTimeout = (run, ms) => {
    assert.ok(ms < 2 ** 31, `${ms} would overflow, and come at once`);
    return setTimeout(run, ms);
  };
  connect(world, { host, heartbeat: { interval: '2000h' } });
  world.echo(world.socket);
  world.socket.accept();
  world.advance(1499 * 3_600_000);
  assert.deepEqual(world.socket.sent, []);
  world.advance(3_600_000);
  assert.deepEqual(world.socket.sent, ['heartbeat']);
});
