/** As a WebSocket: what code written for one expects. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Vital } from '../src/index.js';
import { connect, open, World } from './world.js';

test('it is typed as a WebSocket, so that it goes where one goes', () => {
  const world = new World();
  const socket: WebSocket = new Vital('ws://test/', [], { host: world.host() });
  socket.onmessage = (event: MessageEvent) => event.data;
  socket.onclose = (event: CloseEvent) => event.code;
  assert.ok(socket instanceof EventTarget);
});

test('the constants are on the class and on its objects', () => {
  const world = new World();
  const { vital } = connect(world);
  for (const it of [Vital, vital]) assert.deepEqual([it.CONNECTING, it.OPEN, it.CLOSING, it.CLOSED], [0, 1, 2, 3]);
});

test('url and protocols are the constructor\'s', () => {
  const world = new World();
  const vital = new Vital(new URL('ws://test/a'), ['chat', 'v2'], { host: world.host() });
  assert.equal(world.socket.url, 'ws://test/a');
  assert.deepEqual(world.socket.protocols, ['chat', 'v2']);
  assert.equal(vital.url, 'ws://test/a');
  world.socket.extensions = 'permessage-deflate';
  world.socket.accept('v2');
  assert.equal(vital.protocol, 'v2');
  assert.equal(vital.extensions, 'permessage-deflate');
});

test('what the socket\'s constructor throws, the constructor throws, and nothing is left behind', () => {
  const world = new World();
  const host = { ...world.host(), WebSocket: class { constructor() { throw new SyntaxError('bad url'); } } as any };
  assert.throws(() => new Vital('nonsense', [], { host }), { name: 'SyntaxError', message: 'bad url' });
  assert.deepEqual([world.watched, world.timers], [0, 0]);
});

test('readyState goes through the four states', () => {
  const world = new World();
  const { vital } = connect(world);
  assert.equal(vital.readyState, 0);
  world.socket.accept();
  assert.equal(vital.readyState, 1);
  vital.close();
  assert.equal(vital.readyState, 2);
  world.socket.end(1005);
  assert.equal(vital.readyState, 3);
});

test('an orderly life is open, message, close', () => {
  const world = new World();
  const heard = open(world);
  world.socket.bring('hello');
  heard.vital.close(1000, 'done');
  assert.deepEqual(world.socket.closed, [1000, 'done']);
  world.socket.end(1000, 'done');
  assert.deepEqual(heard.log, ['open', 'message', 'CLOSED_BY_US', 'close 1000']);
});

test('handlers in on... properties are called like listeners, once each', () => {
  const world = new World();
  const { vital } = connect(world);
  assert.equal(vital.onopen, null);
  const calls: string[] = [];
  vital.onopen = function (this: unknown, event) {
    assert.equal(this, vital);
    assert.equal(event.target, vital);
    calls.push(event.type);
  };
  vital.onmessage = ({ data, origin }) => calls.push(`${data} ${origin}`);
  vital.onverdict = ({ verdict }) => calls.push(verdict.cause);
  vital.onclose = ({ code, reason, wasClean, verdict }) =>
    calls.push(`${code} ${reason} ${wasClean} ${verdict!.final}`);
  world.socket.accept();
  world.socket.bring('a');
  world.socket.bring('b');
  world.socket.end(1000, 'bye');
  assert.deepEqual(calls, ['open', 'a ws://test', 'b ws://test', 'CLOSED_BY_PEER', '1000 bye true true']);
});

test('a handler that is taken away is not called', () => {
  const world = new World();
  const { vital } = open(world);
  let calls = 0;
  vital.onmessage = () => calls++;
  world.socket.bring('a');
  vital.onmessage = null;
  world.socket.bring('b');
  assert.equal(calls, 1);
});

test('send takes what WebSocket takes, and makes text of the rest', () => {
  const world = new World();
  const { vital } = open(world);
  const blob = new Blob(['x']);
  const view = new Uint8Array([1, 2]);
  for (const data of ['text', blob, view, view.buffer, 42, null, true]) vital.send(data as any);
  assert.deepEqual(world.socket.sent, ['text', blob, view, view.buffer, '42', 'null', 'true']);
});

test('close() checks its code and its reason as WebSocket does', () => {
  const world = new World();
  const { vital } = open(world);
  for (const code of [0, 999, 1001, 1006, 2999, 5000, NaN]) {
    assert.throws(() => vital.close(code), { name: 'InvalidAccessError' }, String(code));
  }
  assert.throws(() => vital.close(1000, '心'.repeat(42)), { name: 'SyntaxError' });
  assert.equal(vital.readyState, 1);
  vital.close(4999, '心'.repeat(41));
  assert.equal(world.socket.closed![0], 4999);
});

test('close() without a code gives none, and one with a reason alone is 1000', () => {
  for (const [given, sent] of [[[], [undefined, undefined]], [[undefined, 'why'], [1000, 'why']]] as any[]) {
    const world = new World();
    const { vital } = open(world);
    vital.close(...given);
    assert.deepEqual(world.socket.closed, sent);
  }
});

test('close() a second time does nothing', () => {
  const world = new World();
  const heard = open(world);
  heard.vital.close(3001);
  heard.vital.close(3002);
  assert.deepEqual(world.socket.closed, [3001, undefined]);
  world.socket.end(3001);
  heard.vital.close();
  assert.deepEqual(heard.log, ['open', 'CLOSED_BY_US', 'close 3001']);
});

test('while it closes nothing is heard any more, as from a WebSocket', () => {
  const world = new World();
  const heard = open(world);
  heard.vital.close();
  world.socket.bring('late');
  assert.deepEqual(heard.messages, []);
});

test('a peer that does not answer the goodbye is not waited for', () => {
  const world = new World();
  const heard = open(world);
  heard.vital.close(1000);
  world.advance(4999);
  assert.equal(heard.vital.readyState, 2);
  world.advance(1);
  assert.deepEqual(heard.log, ['open', 'CLOSED_BY_US', 'close 1000']);
  assert.match(heard.verdicts[0]!.text, /no answer in time\.$/);
});

test('close() before it is open ends it, a moment later', async () => {
  const world = new World();
  const heard = connect(world);
  heard.vital.send('unheard');
  heard.vital.close(1000, 'changed my mind');
  assert.deepEqual([heard.vital.readyState, heard.log], [2, []]);
  await Promise.resolve();
  assert.deepEqual(heard.log, ['CLOSED_BY_US', 'close 1000']);
  assert.equal(heard.verdicts[0]!.unsent, 1);
  assert.deepEqual(heard.vital.unsent, ['unheard']);
  assert.deepEqual([world.timers, world.watched], [0, 0]);
});

test('after close() a send is an error, and not lost in silence', () => {
  const world = new World();
  const { vital } = open(world);
  vital.close();
  assert.throws(() => vital.send('x'), { name: 'InvalidStateError' });
});

test('binaryType is the socket\'s, and what is set holds for the next socket too', () => {
  const world = new World();
  const { vital } = open(world);
  assert.equal(vital.binaryType, 'blob');
  vital.binaryType = 'arraybuffer';
  assert.equal(world.socket.binaryType, 'arraybuffer');
  world.socket.end();
  world.advance(2000);
  assert.equal(world.sockets.length, 2);
  assert.equal(world.socket.binaryType, 'arraybuffer');
  assert.equal(vital.binaryType, 'arraybuffer');
});

test('bufferedAmount counts what waits here and in the socket', () => {
  const world = new World();
  const { vital } = connect(world);
  vital.send('心跳');
  assert.equal(vital.bufferedAmount, 6);
  world.socket.accept();
  world.socket.bufferedAmount = 100;
  assert.equal(vital.bufferedAmount, 100);
});

test('an error in a listener is its own: what follows is done', (t) => {
  const world = new World();
  const { vital } = connect(world);
  const errors: any[] = [];
  t.mock.method(process, 'nextTick', (run: () => void) => {
    try {
      run();
    } catch (error) {
      errors.push(error);
    }
  });
  vital.onopen = () => {
    throw new Error('mine');
  };
  vital.send('waiting');
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['waiting']);
  assert.equal(errors[0].message, 'mine');
});

test('without reconnect it ends as a WebSocket ends', () => {
  const world = new World();
  const heard = open(world, { reconnect: false });
  world.socket.end();
  assert.deepEqual(heard.log, ['open', 'CUT', 'error', 'close 1006']);
  assert.deepEqual([heard.vital.readyState, world.timers, world.watched], [3, 0, 0]);
});
