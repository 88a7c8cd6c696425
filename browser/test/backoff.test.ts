import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextDelay } from '../src/backoff.js';
import { seeded } from './world.js';

const policy = { first: 2000, min: 500, max: 60_000 };

test('the first delay is drawn from nothing to `first`', () => {
  assert.equal(nextDelay(-1, policy, 0), 0);
  assert.equal(nextDelay(-1, policy, 0.5), 1000);
  assert.equal(nextDelay(-1, policy, 0.999), 1998);
});

test('a later one from `min` to three times the last', () => {
  assert.equal(nextDelay(1000, policy, 0), 500);
  assert.equal(nextDelay(1000, policy, 0.5), 1750);
});

test('the window is clamped before the draw, so that clients do not come back together', () => {
  assert.equal(nextDelay(60_000, policy, 0), 500);
  assert.equal(nextDelay(60_000, policy, 0.5), 30_250);
  const random = seeded(1);
  const delays = Array.from({ length: 1000 }, () => nextDelay(60_000, policy, random()));
  assert.ok(new Set(delays).size > 990, 'even at the longest no two wait the same');
  assert.ok(Math.max(...delays) < 60_000 && Math.max(...delays) > 59_000);
  assert.ok(Math.min(...delays) < 1500);
});

test('a window is never shorter than `min`', () => {
  assert.equal(nextDelay(0, policy, 0.9), 500);
  assert.equal(nextDelay(10, { first: 0, min: 100, max: 50 }, 0.9), 100);
});
