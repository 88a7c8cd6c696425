import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Window } from 'happy-dom';
import { act, createElement, StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
import { Vital } from '../src/index.js';
import { useVital } from '../src/react.js';
import type { UsedVital } from '../src/react.js';
import { World } from './world.js';

const window = new Window();
before(() => {
  const page = { window, document: window.document, navigator: window.navigator, IS_REACT_ACT_ENVIRONMENT: true };
  for (const [name, value] of Object.entries(page)) Object.defineProperty(globalThis, name, { value, configurable: true });
});
after(() => window.close());

async function render(world: World) {
  const { createRoot } = await import('react-dom/client');
  const root = createRoot(window.document.createElement('div') as any);
  const seen: UsedVital[] = [];
  function Shows({ url }: { url: string }) {
    seen.push(useVital(() => new Vital(url, [], { host: world.host() }), [url]));
    return null;
  }
  const show = (url: string, wrap: any = null): void =>
    act(() => root.render(wrap ? createElement(wrap, null, createElement(Shows, { url })) : createElement(Shows, { url })));
  return { root, show, last: () => seen[seen.length - 1]! };
}

test('what happens is seen: status, health, round trip, message, verdict', async () => {
  const world = new World();
  const { root, show, last } = await render(world);
  show('ws://test/');
  assert.equal(last().status, 'connecting');
  act(() => {
    world.echo(world.socket);
    world.socket.accept();
  });
  assert.equal(last().status, 'open');
  act(() => {
    last().vital!.send('hello');
    world.advance(20);
  });
  assert.equal(last().data, 'hello');
  act(() => world.advance(30_000));
  assert.equal(last().rttMs, 20);
  act(() => world.socket.end());
  assert.deepEqual([last().status, last().verdict!.cause, last().data], ['connecting', 'CUT', 'hello']);
  act(() => root.unmount());
});

test('with its component the connection ends', async () => {
  const world = new World();
  const { root, show } = await render(world);
  show('ws://test/');
  act(() => world.socket.accept());
  act(() => root.unmount());
  assert.ok(world.socket.closed);
});

test('another url is another connection, the same url the same', async () => {
  const world = new World();
  const { root, show, last } = await render(world);
  show('ws://test/a');
  show('ws://test/a');
  assert.equal(world.sockets.length, 1);
  act(() => world.socket.accept());
  show('ws://test/b');
  assert.deepEqual(world.sockets.map((socket) => socket.url), ['ws://test/a', 'ws://test/b']);
  assert.ok(world.sockets[0]!.closed);
  assert.equal(last().status, 'connecting');
  act(() => root.unmount());
});

test('in strict mode, which tries each effect twice, one connection is left', async () => {
  const world = new World();
  const { root, show, last } = await render(world);
  show('ws://test/', StrictMode);
  assert.deepEqual(world.sockets.map((socket) => socket.closed !== null), [true, false]);
  act(() => world.socket.accept());
  assert.equal(last().status, 'open');
  act(() => root.unmount());
});

test('a server that renders opens no connection', () => {
  const world = new World();
  function Shows() {
    const { status, vital } = useVital(() => new Vital('ws://test/', [], { host: world.host() }));
    return createElement('p', null, `${status} ${vital}`);
  }
  assert.equal(renderToString(createElement(Shows)), '<p>connecting null</p>');
  assert.equal(world.sockets.length, 0);
});
