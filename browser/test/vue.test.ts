import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSSRApp, effectScope, h, watchEffect } from 'vue';
import { renderToString } from 'vue/server-renderer';
import { Vital } from '../src/index.js';
import { useVital } from '../src/vue.js';
import type { Snapshot } from '../src/vue.js';
import { World } from './world.js';

const make = (world: World) => () => new Vital('ws://test/', [], { host: world.host() });

test('what happens is seen: status, health, round trip, message, verdict', async () => {
  const world = new World();
  const scope = effectScope();
  const { state, vital, send } = scope.run(() => useVital(make(world)))!;
  assert.deepEqual(state.value, { status: 'connecting', health: 'alive', rttMs: -1, verdict: null, data: undefined });
  world.echo(world.socket);
  world.socket.accept();
  assert.equal(state.value.status, 'open');
  send('hello');
  world.advance(20);
  assert.equal(state.value.data, 'hello');
  world.advance(30_000);
  assert.equal(state.value.rttMs, 20);
  world.socket.server = () => {};
  world.advance(18_000);
  assert.equal(state.value.health, 'doubtful');
  world.socket.end();
  const { status, health, verdict } = state.value as Snapshot;
  assert.deepEqual([status, health, verdict!.cause], ['connecting', 'alive', 'CUT']);
  assert.equal(vital.value!.readyState, 0);
  scope.stop();
});

test('it is reactive', async () => {
  const world = new World();
  const scope = effectScope();
  const seen: string[] = [];
  scope.run(() => {
    const { state } = useVital(make(world));
    watchEffect(() => seen.push(state.value.status), { flush: 'sync' });
  });
  world.socket.accept();
  assert.deepEqual(seen, ['connecting', 'open']);
  scope.stop();
});

test('with its scope the connection ends', () => {
  const world = new World();
  const scope = effectScope();
  const { state } = scope.run(() => useVital(make(world)))!;
  world.socket.accept();
  scope.stop();
  assert.ok(world.socket.closed);
  world.socket.end(1005);
  assert.equal(state.value.status, 'open', 'and nothing is told any more');
  assert.equal(world.timers, 0);
});

test('a server that renders opens no connection, and sending there is an error', async () => {
  const world = new World();
  let sending = (): void => {};
  const app = createSSRApp({
    setup() {
      const { state, vital, send } = useVital(make(world));
      sending = () => send('x');
      return () => h('p', `${state.value.status} ${vital.value}`);
    },
  });
  assert.equal(await renderToString(app), '<p>connecting null</p>');
  assert.equal(world.sockets.length, 0);
  assert.throws(sending, /send\(\) before the component is mounted/);
});

test('a round trip that nobody could measure leaves the last one', () => {
  const world = new World();
  const scope = effectScope();
  const { state } = scope.run(() => useVital(make(world)))!;
  world.echo(world.socket);
  world.socket.accept();
  world.advance(30_000);
  world.advance(11_260);
  world.stall(10_000);
  assert.equal(state.value.rttMs, 20);
  scope.stop();
});
