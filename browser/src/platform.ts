/**
 * The platform of a page, a worker, or a recent Node. Mini-programs have another
 * one (platform-mini.ts), which the build puts in this one's place.
 *
 * The platform's own events are used, so that listeners, `once`, `signal` and
 * errors in listeners are as everywhere else.
 */
import { makeClock } from './clock.js';
import type { Host, PageEvent } from './host.js';

export const Target: new () => EventTarget = EventTarget;

export const makeEvent = (type: string, fields: object): Event =>
  Object.assign(new Event(type), fields);

export const exception = (name: string, message: string): Error => new DOMException(message, name);

/** In UTF-8. */
export const textSize = (text: string): number => new TextEncoder().encode(text).length;

const hidden = (): boolean => typeof document != 'undefined' && document.hidden;

const NEWS: Record<string, PageEvent> = {
  visibilitychange: 'wake',
  pageshow: 'wake',
  resume: 'wake',
  freeze: 'sleep',
  pagehide: 'sleep',
  online: 'online',
  offline: 'offline',
};

function watch(tell: (what: PageEvent) => void): () => void {
  const page = globalThis;
  const hear = ({ type }: Event): void => {
    if (type[0] != 'v' || !hidden()) tell(NEWS[type]!);
  };
  // While they are captured, the document's come by here too.
  const each = (listen?: typeof page.addEventListener): void => {
    for (const type in NEWS) listen?.(type, hear, true);
  };
  each(page.addEventListener);
  if (page.navigator?.onLine === false) tell('offline');
  return () => each(page.removeEventListener);
}

export const platformHost = (): Host => ({
  WebSocket: globalThis.WebSocket as any,
  now: makeClock(Date.now, () => performance.now()),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: Math.random,
  hidden,
  watch,
});
