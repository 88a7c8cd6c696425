'use strict';
// The same bytes through vital and through npm's `ws`: the same messages, pings and
// pongs in the same pieces, and the same verdict.
//
// usage: differential.js SEED COUNT [FIRST]
//
// Where they differ, known.js must prove why; what it cannot prove is a failure. A
// failed case is played again by its number: SEED 1 NUMBER. $FEED is vital's side.
const { makeCase } = require('./generator.js');
const { readAll } = require('./ws_side.js');
const { Vital } = require('./vital_side.js');
const { KNOWN, explain } = require('./known.js');
const { difference } = require('./compare.js');

const AT_ONCE = 200;
const SHOWN = 10; // failures

const [seed, count, first] = process.argv.slice(2).map(Number);

async function play(vital, number) {
  const one = makeCase(seed, number);
  const [ours, theirs] = await Promise.all([
    vital.read(one),
    new Promise((resolve) => { readAll(one, resolve); }),
  ]);
  if (ours.closed !== null && ours.closed !== ours.end[0]) {
    return { one, failed: `its close frame has ${ours.closed}, its verdict ${ours.verdict}` };
  }
  const differs = difference(ours, theirs);
  if (differs === null) return { one, ours, known: null };
  const known = await explain(vital, one, ours, theirs);
  return known === null ? { one, failed: differs } : { one, ours, known };
}

function tell({ one, failed }) {
  console.log(`not ok: case ${one.number}, read by a ${one.server ? 'server' : 'client'}, limit `
    + `${one.limit}, ${one.mutations.join(', ') || 'as it should be'}: ${failed}`);
  console.log(`  ${one.stream.subarray(0, 200).toString('hex')} (${one.stream.length} bytes)`);
  console.log(`  in pieces of ${one.pieces.slice(0, 20).join(' ')}`);
  console.log(`  again: make differential SEED=${seed} COUNT=1 FIRST=${one.number}`);
}

async function main() {
  const began = Date.now();
  const vital = new Vital(process.env.FEED);
  const counts = new Map([...KNOWN.keys()].map((name) => [name, 0]));
  const ends = new Map();
  let same = 0;
  let failed = 0;
  let next = first || 0;
  const last = next + count;
  const worker = async () => {
    while (next < last) {
      const result = await play(vital, next++);
      if (result.failed) {
        if (failed++ < SHOWN) tell(result);
        continue;
      }
      if (result.known === null) same++;
      else counts.set(result.known, counts.get(result.known) + 1);
      const end = result.ours.end === null ? 'none' : `${result.ours.violation ? 'failed with' : 'closed with'} ${result.ours.end[0]}`;
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  vital.end();
  console.log(`seed ${seed}, cases ${first || 0} to ${last - 1}: ${same} with the same outcome`);
  for (const [name, reason] of KNOWN) {
    console.log(`${String(counts.get(name)).padStart(8)}  ${name}: ${reason}`);
  }
  console.log('ends: ' + [...ends].sort((a, b) => b[1] - a[1]).map(([e, n]) => `${n} ${e}`).join(', '));
  console.log(`${((Date.now() - began) / 1000).toFixed(1)} s`);
  console.log(`${count - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

main();
