/**
 * The platform of mini-programs, where `globalThis` has no DOM, and events,
 * exceptions and an encoder must be had by hand. The build puts this in the place
 * of platform.ts for their adapters. Sockets and the life of the program are the
 * adapters' to give.
 */
import type { Host } from './host.js';

type Listener = ((event: any) => any) | { handleEvent(event: any): any };

/** What of EventTarget is needed. */
export class Target {
  _listeners: [string, Listener, boolean][] = [];

  addEventListener(type: string, listener: Listener | null, options?: any): void {
    if (!listener || this._listeners.some(([t, l]) => t == type && l == listener)) return;
    this._listeners = [...this._listeners, [type, listener, !!options?.once]];
  }

  removeEventListener(type: string, listener: Listener | null, _options?: any): void {
    this._listeners = this._listeners.filter(([t, l]) => t != type || l != listener);
  }

  dispatchEvent(event: any): boolean {
    event.target = event.currentTarget = this;
    for (const [type, listener, once] of this._listeners) {
      if (type != event.type) continue;
      if (once) this.removeEventListener(type, listener);
      try {
        if (typeof listener == 'function') listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        // It is its listener's own, and none of the others' or ours.
        setTimeout(() => {
          throw error;
        });
      }
    }
    return true;
  }
}

export const makeEvent = (type: string, fields: object): any => ({ type, ...fields });

export const exception = (name: string, message: string): Error =>
  Object.assign(new Error(message), { name });

/** In UTF-8. (Of a lone half of a surrogate pair, which becomes U+FFFD, it misses a byte.) */
export function textSize(text: string): number {
  let size = text.length;
  for (let i = size; i--; ) {
    const unit = text.charCodeAt(i);
    if (unit > 127) size += unit < 2048 || unit >> 11 == 27 ? 1 : 2;
  }
  return size;
}

/** The wall clock, but for its being set back. */
function now(): number {
  const wall = Date.now();
  if (wall < last) back += last - wall;
  last = wall;
  return wall + back;
}
let last = 0;
let back = 0;

export const platformHost = (): Omit<Host, 'WebSocket'> => ({
  now,
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: Math.random,
  hidden: () => false,
  watch: () => () => {},
});
