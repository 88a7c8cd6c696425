import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Vital } from '../src/core.js';
import { FakeSocket } from './world.js';

test('the core alone says the cause where the whole says a sentence', () => {
  let socket: any;
  const host = {
    WebSocket: class extends FakeSocket {
      constructor(url: string) {
        super(null as any, url, []);
        socket = this;
      }
    },
    setTimeout: () => 0,
    clearTimeout: () => {},
  };
  const vital = new Vital('ws://test/', [], { host });
  socket.end();
  assert.equal(vital.verdict!.text, 'UNREACHABLE');
});
