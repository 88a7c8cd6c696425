/** Heartbeats over a socket: what is sent, what is hidden, what is doubted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, open, World } from './world.js';

test('a beat goes out in the silence; its answer is heard as a beat, and is no message', () => {
  const world = new World();
  const heard = open(world);
  world.advance(18_749);
  assert.deepEqual(world.socket.sent, []);
  world.advance(1);
  assert.deepEqual(world.socket.sent, ['heartbeat']);
  world.advance(20);
  assert.deepEqual(heard.log, ['open', 'beat']);
  assert.equal(heard.vital.pulse!.rttMs, 20);
});

test('the beat event carries the round trip', () => {
  const world = new World();
  const { vital } = open(world);
  const rtts: number[] = [];
  vital.onbeat = ({ rttMs }) => rtts.push(rttMs);
  world.advance(60_000);
  assert.deepEqual(rtts, [20, 20]);
});

test('a connection that talks both ways costs no beats', () => {
  const world = new World();
  const { vital } = open(world);
  for (let i = 0; i < 60; i++) {
    vital.send(`${i}`);
    world.advance(10_000);
  }
  assert.ok(!world.socket.sent.includes('heartbeat'));
});

test('one that is quiet for ten minutes costs one beat an interval, and one timer', () => {
  const world = new World();
  open(world);
  world.advance(600_000);
  assert.equal(world.socket.sent.length, 26); // 18.75 s, then every 22.5 s
  assert.equal(world.timers, 1);
});

test('the text, its answer, the interval and the limit are options', () => {
  const world = new World();
  const heard = connect(world, {
    heartbeat: { message: '{"op":"ping"}', reply: '{"op":"pong"}', interval: '1s', answerWithin: '400ms' },
  });
  const socket = world.socket;
  socket.server = (data) => world.plan(10, () => socket.bring(data === '{"op":"ping"}' ? '{"op":"pong"}' : data));
  socket.accept();
  world.advance(750);
  assert.deepEqual(socket.sent, ['{"op":"ping"}']);
  world.advance(10);
  assert.deepEqual(heard.log, ['open', 'beat']);
  socket.server = () => {};
  world.advance(2000);
  assert.deepEqual(heard.log.slice(2, 5), ['doubtful', 'SILENT', 'reconnecting 1']);
});

test('the answer may be whatever a function says', () => {
  const world = new World();
  const heard = connect(world, { heartbeat: { reply: (data) => JSON.parse(data).type === 'pong' } });
  world.socket.accept();
  world.advance(18_750);
  world.socket.bring('{"type":"pong","at":123}');
  world.socket.bring('{"type":"chat"}');
  assert.deepEqual(heard.log, ['open', 'beat', 'message']);
});

test('with "*" any message answers, is shown, and proves no arrival', () => {
  const world = new World();
  const heard = connect(world, { heartbeat: { reply: '*' } });
  world.socket.accept();
  heard.vital.send('mine');
  world.advance(20_000);
  world.socket.bring('news');
  assert.deepEqual(heard.log, ['open', 'beat', 'message']);
  world.socket.end();
  assert.equal(heard.verdicts[0]!.unconfirmed, 1);
});

test('the server\'s own beat is not shown, and not answered where the answer is the beat', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.socket.bring('heartbeat');
  assert.deepEqual([heard.log, world.socket.sent], [['open'], []]);
});

test('the server\'s own beat is answered where the answer differs', () => {
  const world = new World();
  const heard = connect(world, { heartbeat: { message: 'ping', reply: 'pong' } });
  world.socket.accept();
  world.socket.bring('ping');
  world.socket.bring('pong');
  assert.deepEqual([heard.log, world.socket.sent], [['open'], ['pong']]);
});

test('without a heartbeat none is sent, and the text is a message like any other', () => {
  const world = new World();
  const heard = open(world, { heartbeat: false });
  world.advance(600_000);
  heard.vital.probe();
  world.socket.bring('heartbeat');
  world.socket.bring('');
  assert.deepEqual([world.socket.sent, heard.messages], [[], ['heartbeat', '']]);
  assert.equal(heard.log.includes('beat'), false);
});

test('half-way to the limit is doubt; any message ends it', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.advance(18_750 + 5000);
  assert.equal(heard.vital.health, 'doubtful');
  world.socket.bring('still here');
  assert.equal(heard.vital.health, 'alive');
  assert.deepEqual(heard.log, ['open', 'doubtful', 'alive', 'message']);
});

test('in doubt no message is given to the socket; it goes out when the doubt ends', () => {
  const world = new World();
  const { vital } = connect(world);
  world.socket.accept();
  world.advance(18_750 + 5000);
  vital.send('one');
  vital.send('two');
  assert.deepEqual(world.socket.sent, ['heartbeat']);
  world.socket.bring('heartbeat');
  assert.deepEqual(world.socket.sent, ['heartbeat', 'one', 'two']);
});

test('or it goes out on the next socket', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.advance(18_750 + 5000);
  heard.vital.send('held');
  world.advance(5000);
  assert.deepEqual([heard.verdicts[0]!.cause, heard.verdicts[0]!.unsent], ['SILENT', 1]);
  world.socket.accept();
  assert.deepEqual(world.socket.sent, ['held']);
});

test('on a missed answer the old socket is left and the new one opened at once', () => {
  const world = new World();
  const heard = connect(world);
  const old = world.socket;
  old.accept();
  world.advance(28_749);
  assert.equal(world.sockets.length, 1);
  world.advance(1);
  assert.deepEqual(heard.log, ['open', 'doubtful', 'SILENT', 'reconnecting 1']);
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(old.closed, [4408, 'no answer to the heartbeat']);
  assert.deepEqual([old.onopen, old.onmessage, old.onclose], [null, null, null]);
  assert.equal(typeof old.onerror, 'function', 'of some hosts an error without a listener is fatal');
  const { retryMs, final, code, openMs, text } = heard.verdicts[0]!;
  assert.deepEqual([retryMs, final, code, openMs], [0, false, 1006, 28_750]);
  assert.match(text, /^No answer to our heartbeat message for 10 s, .* never answered one\.$/);
});

test('what the old socket still brings is nobody\'s', () => {
  const world = new World();
  const heard = open(world);
  const { onmessage, onclose, onopen } = world.socket;
  world.socket.server = () => {};
  world.advance(18_750 + 10_000);
  const before = [...heard.log];
  for (const handler of [world.sockets[0]!.onmessage, world.sockets[0]!.onclose]) assert.equal(handler, null);
  assert.ok(onmessage && onclose && onopen);
  assert.deepEqual(heard.log, before);
});

test('a server that answers none may be one that only takes them: Infinity insists on no answer', () => {
  const world = new World();
  const heard = connect(world, { heartbeat: { answerWithin: Infinity } });
  world.socket.accept();
  world.advance(600_000);
  assert.deepEqual(heard.log, ['open']);
  assert.equal(world.socket.sent.length, 26);
});

test('once a server has answered, the sentence does not ask whether it can', () => {
  const world = new World();
  const heard = open(world);
  world.advance(20_000);
  world.socket.server = () => {};
  world.advance(60_000);
  assert.match(heard.verdicts[0]!.text, /nothing else was heard: the path or the peer is gone\.$/);
});

test('while data still leaves, the beat behind it is not overdue', () => {
  const world = new World();
  const heard = connect(world);
  const socket = world.socket;
  socket.accept();
  socket.bufferedAmount = 900_000;
  for (let i = 1; i <= 60; i++) world.plan(i * 1000, () => (socket.bufferedAmount -= 15_000));
  world.advance(60_000);
  assert.deepEqual(heard.log, ['open']);
  world.advance(20_000);
  assert.deepEqual(heard.log.slice(1, 3), ['doubtful', 'SILENT']);
});

test('a beat that stands behind data that does not leave is said to', () => {
  const world = new World();
  const heard = connect(world);
  world.socket.accept();
  world.socket.bufferedAmount = 900_000;
  world.advance(30_000);
  assert.match(heard.verdicts[0]!.text, /^Our heartbeat message could not leave for 10 s, and nothing was heard: /);
});

test('a busy script of ours is not the peer\'s death', () => {
  const world = new World();
  const heard = open(world);
  world.advance(18_750);
  world.stall(4_900); // the answer waits behind the timer
  world.advance(300);
  assert.deepEqual(heard.log, ['open', 'beat']);

  world.socket.server = () => {};
  world.advance(24_500);
  assert.equal(heard.vital.health, 'doubtful');
  const socket = world.socket;
  world.plan(2_000, () => socket.bring('heartbeat'));
  world.stall(7_000);
  world.advance(300);
  assert.equal(heard.verdicts.length, 0);
  assert.equal(heard.vital.health, 'alive');
});

test('of a stalled round trip no time is told', () => {
  const world = new World();
  const { vital } = open(world);
  const rtts: number[] = [];
  vital.onbeat = ({ rttMs }) => rtts.push(rttMs);
  world.advance(18_750);
  world.stall(3_600_000);
  world.advance(20);
  assert.deepEqual(rtts, [-1, 20], 'but of the next one it is');
});

test('options that are not understood are an error of the constructor', () => {
  assert.throws(() => connect(new World(), { heartbeat: { interval: 'often' } }), { name: 'RangeError' });
  assert.throws(() => connect(new World(), { queue: 'much' }), { name: 'RangeError' });
});
