/**
 * Messages that wait for a socket, in order and bounded in bytes. Whole messages
 * only: one that was given to a socket is gone from here, and comes back to no
 * other, since the peer may have it.
 */
import { OVERHEAD_BYTES } from './constants.js';
import { textSize } from './platform.js';

export type Data = string | Blob | ArrayBuffer | ArrayBufferView;

export const sizeOf = (data: any): number =>
  typeof data == 'string' ? textSize(data) : data.size ?? data.byteLength;

export class Queue {
  _bytes = 0;
  _items: Data[] = [];

  /** Whether so many bytes more fit under the limit, beside the `used` ones. */
  _takes(size: number, used: number, limit: number): boolean {
    const { length } = this._items;
    return used + size + length * OVERHEAD_BYTES <= limit;
  }

  /** Of a buffer, which its owner may use on, a copy waits. */
  _push(data: any): void {
    if (data.buffer) data = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    else data = data.slice(0);
    this._items.push(data);
    this._bytes += sizeOf(data);
  }

  _shift(): Data {
    const data = this._items.shift()!;
    this._bytes -= sizeOf(data);
    return data;
  }
}
