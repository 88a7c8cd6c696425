/**
 * Random lives over a network that loses, delays and cuts: whatever happens, each
 * message that was accepted was delivered in order, at most once, or reported.
 *
 * A life is the same for a seed. SEED=n node test/run.mjs property replays one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, seeded, World } from './world.js';
import type { FakeSocket, Heard } from './world.js';

const LIVES = 400;
const CUTS = 50;

interface Life {
  world: World;
  heard: Heard;
  random: () => number;
  /** All that was accepted, in order; and what of it arrived at the server. */
  accepted: number[];
  delivered: number[];
  sockets: { socket: FakeSocket; deaf: boolean; handed: number[] }[];
  unconfirmed: number;
  cuts: number;
}

const between = (random: () => number, low: number, high: number): number => low + random() * (high - low);

/** A server behind a network: it echoes beats, and takes the rest, unless the path has died. */
function serve(life: Life, socket: FakeSocket): void {
  const link = { socket, deaf: false, handed: [] as number[] };
  const { world, random } = life;
  life.sockets.push(link);
  socket.server = (data) => {
    const delay = between(random, 1, 400);
    if (data !== 'heartbeat') link.handed.push(+data);
    const arrival = Math.max(world.now + delay, (link as any).last ?? 0); // TCP keeps order
    (link as any).last = arrival;
    world.plan(arrival - world.now, () => {
      if (link.deaf) return;
      if (data !== 'heartbeat') life.delivered.push(+data);
      else world.plan(between(random, 1, 400), () => link.deaf || socket.bring('heartbeat'));
    });
  };
}

/** What a network does to a socket, sooner or later. */
function trouble(life: Life, socket: FakeSocket): void {
  const { world, random } = life;
  const link = life.sockets.find((l) => l.socket === socket)!;
  const alive = (): boolean => socket.onclose !== null;
  const kind = random();
  world.plan(between(random, 0, 90_000), () => {
    if (!alive()) return;
    link.deaf = true; // also what is under way is lost
    if (kind < 0.4) socket.end();
    else if (kind < 0.5) socket.end(1001, 'going');
    else if (kind < 0.6) socket.end(1012);
    else if (kind < 0.7) {
      socket.readyState = 2; // the close frame is here, its event is not yet
      world.plan(200, () => alive() && socket.end(1001));
    } else if (kind < 0.8) {
      world.tell('sleep');
      world.plan(between(random, 0, 60_000), () => world.tell('wake'));
    } else if (kind < 0.9) {
      world.tell('offline');
      if (random() < 0.5) socket.end();
      world.plan(between(random, 0, 60_000), () => world.tell('online'));
    }
    // else it is silent from now on
  });
}

/** New sockets are met by the network as soon as they are there. */
function meet(life: Life): void {
  const { world, random } = life;
  for (const socket of world.sockets.slice(life.sockets.length)) {
    serve(life, socket);
    const fate = random();
    world.plan(between(random, 5, 500), () => {
      if (!socket.onopen) return;
      if (fate < 0.2) socket.end();
      else if (fate < 0.9) {
        socket.accept();
        trouble(life, socket);
      } // else the attempt hangs
    });
  }
}

function live(seed: number, cuts: number): Life {
  const random = seeded(seed);
  const world = new World();
  world.random = random;
  const heard = connect(world, { queue: '2 KiB', heartbeat: { interval: '5s', answerWithin: '2s' } });
  const life: Life = {
    world, heard, random, accepted: [], delivered: [], sockets: [], unconfirmed: 0, cuts: 0,
  };
  heard.vital.addEventListener('verdict', ({ verdict }) => {
    life.cuts++;
    life.unconfirmed += verdict.unconfirmed;
    if (!verdict.final) assert.equal(verdict.unsent, heard.vital.unsent.length);
  });
  let next = 0;
  for (let steps = 0; life.cuts < cuts && steps < 200_000; steps++) {
    meet(life);
    if (random() < 0.1) {
      try {
        heard.vital.send(`${next}`);
        life.accepted.push(next++);
      } catch (error: any) {
        assert.equal(error.name, 'QuotaExceededError');
      }
    }
    if (random() < 0.002) world.stall(between(random, 0, 120_000));
    world.advance(between(random, 0, 500));
  }
  return life;
}

function check(life: Life, seed: number): void {
  const { accepted, delivered, heard, sockets } = life;
  const handed = sockets.flatMap((link) => link.handed);
  const waiting = heard.vital.unsent.map(Number);
  const why = `seed ${seed}`;
  // Each accepted message was given to exactly one socket, in order, or still waits.
  assert.deepEqual([...handed, ...waiting], accepted, why);
  // What arrived is some of what was given, in order, each at most once.
  assert.equal(new Set(delivered).size, delivered.length, why);
  for (const link of sockets) {
    const here = delivered.filter((n) => link.handed.includes(n));
    assert.deepEqual(here, link.handed.slice(0, here.length), `${why}: what arrived is a beginning`);
  }
  // What was given and did not arrive is among what was reported.
  const lost = handed.length - delivered.length;
  const open = heard.vital.readyState < 2 ? life.sockets[life.sockets.length - 1]!.handed.length : 0;
  assert.ok(lost <= life.unconfirmed + open, `${why}: ${lost} lost, ${life.unconfirmed} reported, ${open} under way`);
  assert.ok(life.world.timers <= 1, why);
}

const seeds = process.env.SEED ? [+process.env.SEED] : Array.from({ length: LIVES }, (_, i) => i + 1);

test(`in ${seeds.length} random lives every message is delivered or reported, in order, never twice`, () => {
  const causes = new Set<string>();
  for (const seed of seeds) {
    const life = live(seed, 12);
    check(life, seed);
    life.heard.verdicts.forEach((v) => causes.add(v.cause));
  }
  if (seeds.length > 1) assert.deepEqual([...causes].sort(), ['CLOSED_BY_PEER', 'CLOSED_BY_US', 'CUT', 'SILENT', 'UNREACHABLE']);
});

test(`so it is across ${CUTS} cuts, and the end tells what was not sent`, async () => {
  const life = live(4711, CUTS);
  check(life, 4711);
  assert.ok(life.cuts >= CUTS && life.accepted.length > 100);
  const { vital } = life.heard;
  vital.close();
  life.world.advance(10_000);
  await Promise.resolve();
  const last = vital.verdict!;
  assert.equal(last.final, true);
  assert.equal(last.unsent, vital.unsent.length);
  const handed = life.sockets.flatMap((link) => link.handed);
  assert.equal(handed.length + last.unsent, life.accepted.length);
});

test('no life convicts a peer that answers in time', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = seeded(seed);
    const world = new World();
    world.random = random;
    const heard = connect(world);
    const socket = world.socket;
    socket.server = () => world.plan(between(random, 1, 4900), () => socket.bring('heartbeat'));
    socket.accept();
    for (let i = 0; i < 200; i++) {
      const what = random();
      if (what < 0.1) world.stall(between(random, 0, 4900));
      else if (what < 0.15) world.stall(between(random, 0, 3_600_000));
      else if (what < 0.2) world.tell('wake');
      else if (what < 0.25) {
        world.hidden = !world.hidden;
        world.throttle = world.hidden ? 60_000 : 1;
      } else world.advance(between(random, 0, 60_000));
    }
    assert.deepEqual(heard.verdicts, [], `seed ${seed}`);
  }
});
