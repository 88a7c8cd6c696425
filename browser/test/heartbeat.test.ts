import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heartbeat } from '../src/heartbeat.js';

const policy = { interval: 25_000, answerWithin: 10_000 };
const make = (random = 1, more = {}): Heartbeat => new Heartbeat({ ...policy, ...more }, () => random, 0);

/** One whose first beat left at 25 s. */
function waiting(): Heartbeat {
  const heart = make();
  assert.equal(heart._tick(25_000, 0, false), 'beat');
  heart._spokeAt = 25_000;
  heart._beaten(25_000, 7);
  return heart;
}

test('the first beat is due after half the interval to all of it', () => {
  assert.equal(make(0)._deadline(), 12_500);
  assert.equal(make(1)._deadline(), 25_000);
});

test('later beats are due after four fifths of the interval to all of it', () => {
  for (const [random, due] of [[0, 20_000], [1, 25_000]] as const) {
    const heart = make(random);
    heart._spokeAt = 1000;
    heart._beaten(1000, 0);
    heart._heard(1000);
    heart._answers(1000);
    assert.equal(heart._deadline(), 1000 + due);
  }
});

test('no beat before it is due', () => {
  assert.equal(make()._tick(24_999, 0, false), undefined);
  assert.equal(make()._tick(25_000, 0, false), 'beat');
});

test('a beat is due when either direction has been silent', () => {
  const heart = make();
  heart._heard(20_000);
  assert.equal(heart._deadline(), 25_000, 'we have not spoken');
  heart._spokeAt = 24_000;
  assert.equal(heart._deadline(), 45_000, 'and now it is the peer that is silent longer');
});

test('half the answer limit is doubt, all of it is loss', () => {
  const heart = waiting();
  assert.equal(heart._deadline(), 30_000);
  assert.equal(heart._tick(29_999, 0, false), undefined);
  assert.equal(heart._tick(30_000, 0, false), 'doubt');
  assert.equal(heart.health, 'doubtful');
  assert.equal(heart._deadline(), 35_000);
  assert.equal(heart._tick(34_999, 0, false), undefined);
  assert.equal(heart._tick(35_000, 0, false), 'lost');
});

test('any message ends a doubt, and puts off the verdict', () => {
  const heart = waiting();
  heart._tick(30_000, 0, false);
  assert.equal(heart._heard(32_000), true);
  assert.equal(heart.health, 'alive');
  assert.equal(heart._heard(32_001), false, 'there is none to end');
  assert.notEqual(heart._tick(35_000, 0, false), 'lost');
});

test('a beat that a talking peer does not answer is forgotten, and the next silence asks again', () => {
  const heart = waiting();
  heart._heard(34_000);
  assert.equal(heart._deadline(), 35_000);
  assert.equal(heart._tick(35_000, 0, false), undefined);
  assert.equal(heart._pulse(35_000).waitingMs, -1);
  assert.equal(heart._deadline(), 50_000, 'we spoke last at 25 s');
});

test('after a forgotten beat an answer proves no more than the forgotten one asked', () => {
  const heart = waiting();
  heart._heard(34_000);
  heart._tick(35_000, 0, false);
  heart._beaten(50_000, 99);
  assert.equal(heart._answers(50_010), -1, 'nor is its time a round trip');
  assert.equal(heart._proves, 7);
  heart._beaten(60_000, 100);
  assert.equal(heart._answers(60_020), 20);
  assert.equal(heart._proves, 100);
});

test('an answer gives the round trip and the proof', () => {
  const heart = waiting();
  heart._heard(25_040);
  assert.equal(heart._answers(25_040), 40);
  assert.deepEqual(heart._pulse(26_000), {
    rttMs: 40, heardMs: 960, proofMs: 960, waitingMs: -1, beatsSent: 1, beatsAnswered: 1,
  });
  assert.equal(heart._proves, 7);
});

test('before the first answer the pulse knows nothing', () => {
  assert.deepEqual(make()._pulse(10), {
    rttMs: -1, heardMs: 10, proofMs: -1, waitingMs: -1, beatsSent: 0, beatsAnswered: 0,
  });
  assert.equal(waiting()._pulse(25_500).waitingMs, 500);
});

test('what a late timer would judge is looked at a second time', () => {
  const heart = waiting();
  assert.equal(heart._tick(32_000, 2000, false), undefined, 'the answer may wait behind us');
  assert.equal(heart.health, 'alive');
  assert.equal(heart._deadline(), 32_250);
  assert.equal(heart._tick(32_250, 0, false), 'doubt');
  assert.equal(heart._tick(35_051, 51, false), undefined, 'so it is with the verdict');
  assert.equal(heart._tick(35_301, 0, false), 'lost');
});

test('the second look is not taken before its time', () => {
  const heart = waiting();
  heart._tick(32_000, 2000, false);
  assert.equal(heart._tick(32_100, 0, false), undefined);
});

test('a timer that is late by a trifle judges', () => {
  assert.equal(waiting()._tick(30_050, 50, false), 'doubt');
});

test('a second look that is late too judges: the answer has had its chance', () => {
  const heart = waiting();
  heart._tick(32_000, 2000, false);
  assert.equal(heart._tick(33_000, 750, false), 'doubt');
});

test('what is heard makes the second look unnecessary', () => {
  const heart = waiting();
  heart._tick(32_000, 2000, false);
  heart._heard(32_010);
  heart._answers(32_010);
  assert.equal(heart._deadline(), 50_000);
});

test('after a sleep the whole limit is given anew', () => {
  const heart = waiting();
  heart._tick(30_000, 0, false);
  assert.equal(heart._tick(40_001, 5001, false), undefined);
  assert.equal(heart.health, 'doubtful');
  assert.equal(heart._deadline(), 50_001);
  assert.equal(heart._tick(50_001, 0, false), 'lost');
});

test('a hidden page, whose timers come once a minute, has not slept', () => {
  const heart = waiting();
  assert.equal(heart._tick(85_000, 55_000, true), undefined, 'a second look');
  assert.equal(heart._tick(145_000, 59_750, true), 'doubt');
  assert.equal(heart._tick(205_000, 55_000, true), undefined);
  assert.equal(heart._tick(265_000, 59_750, true), 'lost');
});

test('a hidden page that was late by more has', () => {
  const heart = waiting();
  assert.equal(heart._tick(200_000, 90_001, true), undefined);
  assert.equal(heart._deadline(), 205_000);
});

test('a round trip that was slept through is none', () => {
  const heart = waiting();
  heart._tick(40_000, 10_000, false);
  assert.equal(heart._answers(40_010), -1);
});

test('where no answer is insisted on beats go on, and nothing is judged', () => {
  const heart = make(1, { answerWithin: Infinity });
  heart._spokeAt = 25_000;
  heart._beaten(25_000, 0);
  heart._heard(26_000);
  assert.equal(heart._deadline(), 50_000);
  assert.equal(heart._tick(50_000, 0, false), 'beat');
  assert.equal(heart.health, 'alive');
});

test('without an interval there is no beat', () => {
  assert.equal(make(1, { interval: Infinity })._deadline(), Infinity);
});
