import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Queue, sizeOf } from '../src/queue.js';
import { textSize as miniSize } from '../src/platform-mini.js';

test('a message has the size that it has on the wire', () => {
  assert.equal(sizeOf('heartbeat'), 9);
  assert.equal(sizeOf('心跳'), 6);
  assert.equal(sizeOf('é€😀'), 2 + 3 + 4);
  assert.equal(sizeOf(new Blob(['abc', '😀'])), 7);
  assert.equal(sizeOf(new ArrayBuffer(5)), 5);
  assert.equal(sizeOf(new Uint16Array(5)), 10);
});

test('where there is no encoder the size is counted by hand, and is the same', () => {
  for (const text of ['', 'heartbeat', '心跳', 'é€😀', '😀a😀', '\u07ff\u0800\ud7ff\ue000']) {
    assert.equal(miniSize(text), sizeOf(text), text);
  }
});

test('messages come out in order, and their bytes are counted', () => {
  const queue = new Queue();
  queue._push('one');
  queue._push(new ArrayBuffer(10));
  assert.equal(queue._bytes, 13);
  assert.equal(queue._shift(), 'one');
  assert.equal(queue._bytes, 10);
  assert.equal((queue._shift() as ArrayBuffer).byteLength, 10);
  assert.equal(queue._bytes, 0);
});

test('what waits does not change with its owner\'s buffer', () => {
  const queue = new Queue();
  const whole = new Uint8Array([1, 2, 3, 4]);
  queue._push(whole.buffer);
  queue._push(whole.subarray(1, 3));
  queue._push(new DataView(whole.buffer, 2));
  whole.fill(9);
  assert.deepEqual([...new Uint8Array(queue._shift() as ArrayBuffer)], [1, 2, 3, 4]);
  assert.deepEqual([...new Uint8Array(queue._shift() as ArrayBuffer)], [2, 3]);
  assert.deepEqual([...new Uint8Array(queue._shift() as ArrayBuffer)], [3, 4]);
});

test('it takes what fits under the limit, beside what waits elsewhere', () => {
  const queue = new Queue();
  assert.equal(queue._takes(100, 0, 100), true);
  assert.equal(queue._takes(101, 0, 100), false);
  assert.equal(queue._takes(50, 50, 100), true);
  assert.equal(queue._takes(50, 51, 100), false);
});

test('empty messages are bounded too', () => {
  const queue = new Queue();
  let count = 0;
  while (queue._takes(0, queue._bytes, 6400) && count < 1000) {
    queue._push('');
    count++;
  }
  assert.equal(count, 101);
});
