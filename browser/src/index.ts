/** vital.js: what is public. */
import { Vital } from './vital.js';
import { describe } from './words.js';

Vital._words = describe;

export { Vital };
export default Vital;
export type { Address } from './vital.js';
export type {
  VitalBeatEvent, VitalCloseEvent, VitalEvent, VitalEventMap, VitalHealthEvent, VitalMessageEvent,
  VitalReconnectingEvent, VitalVerdictEvent,
} from './events.js';
export type { Health, Pulse } from './heartbeat.js';
export type { Failure, Host, PageEvent, SocketClass, SocketLike } from './host.js';
export type { HeartbeatOptions, ReconnectOptions, VitalOptions } from './options.js';
export type { Data } from './queue.js';
export type { Duration, Size } from './units.js';
export type { Cause, Verdict } from './verdict.js';
