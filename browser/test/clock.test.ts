import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeClock } from '../src/clock.js';

function clocks() {
  const at = { wall: 1_700_000_000_000, steady: 5 };
  return { at, now: makeClock(() => at.wall, () => at.steady) };
}

test('it is as fine as the steady clock', () => {
  const { at, now } = clocks();
  const begin = now();
  at.wall += 1;
  at.steady += 0.25;
  assert.equal(now() - begin, 0.25);
});

test('a sleep, in which the steady clock stands still, counts', () => {
  const { at, now } = clocks();
  const begin = now();
  at.wall += 3_600_000;
  assert.equal(now() - begin, 3_600_000);
  at.wall += 10;
  at.steady += 10;
  assert.equal(now() - begin, 3_600_010, 'once');
});

test('it does not go back when the wall clock is set back, and counts a sleep after that in full', () => {
  const { at, now } = clocks();
  const begin = now();
  at.wall -= 86_400_000;
  at.steady += 20;
  assert.equal(now() - begin, 20);
  at.wall += 60_000;
  at.steady += 1000;
  assert.equal(now() - begin, 60_020);
});
