import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf } from '../src/options.js';
import { bytes, milliseconds } from '../src/units.js';

test('times have units, or are milliseconds', () => {
  const cases: [number | string, number][] =
    [[250, 250], ['250ms', 250], ['25s', 25_000], ['0.5s', 500], ['2m', 120_000], ['1 h', 3_600_000], [Infinity, Infinity]];
  for (const [text, ms] of cases) assert.equal(milliseconds('x', text), ms, String(text));
});

test('sizes have units, or are bytes', () => {
  assert.equal(bytes('x', '1 MiB'), 1_048_576);
  assert.equal(bytes('x', '64KiB'), 65_536);
  assert.equal(bytes('x', '7 B'), 7);
  assert.equal(bytes('x', 5), 5);
});

test('what is not understood is an error that says what would be', () => {
  for (const wrong of ['25', '25 sec', 's', '', '-1s', '1.2.3s', NaN, -1, undefined, null, {}, '5 MiB']) {
    assert.throws(() => milliseconds('interval', wrong as any), /interval: .* unit of ms,s,m,h/, String(wrong));
  }
  assert.throws(() => bytes('queue', '5s'), /queue: 5s .* B,KiB,MiB/);
  assert.throws(() => policyOf({ heartbeat: { interval: 'often' } }), /interval: often/);
  assert.throws(() => policyOf({ reconnect: { max: '1 day' } }), /max: 1 day/);
});

test('the defaults are those of the C client', () => {
  assert.deepEqual(policyOf({}), {
    message: 'heartbeat', reply: 'heartbeat', interval: 25_000, answerWithin: 10_000, first: 2000, min: 500,
    max: 60_000, stable: 30_000, openWithin: 10_000, queue: 1_048_576, _reconnects: true,
  });
});

test('the answer to a beat is the same text, unless told otherwise', () => {
  assert.equal(policyOf({ heartbeat: { message: 'ping' } }).reply, 'ping');
  assert.equal(policyOf({ heartbeat: { message: 'ping', reply: 'pong' } }).reply, 'pong');
});

test('without a heartbeat there is neither text nor interval', () => {
  const { message, interval } = policyOf({ heartbeat: false });
  assert.deepEqual([message, interval], ['', Infinity]);
});
