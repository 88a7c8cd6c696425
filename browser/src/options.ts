/** What a user may wish, and what that comes to. */
import type { BackoffPolicy } from './backoff.js';
import type { HeartbeatPolicy } from './heartbeat.js';
import type { Host } from './host.js';
import { bytes, milliseconds } from './units.js';
import type { Duration, Size } from './units.js';

export interface HeartbeatOptions {
  /** The text that is sent. Default: 'heartbeat'. */
  message?: string;
  /**
   * Which message is the answer: this text, or whatever the function says is. An
   * answer is not shown to the application. '*': any message answers, and all are
   * shown. Default: the same text as `message`.
   */
  reply?: string | ((data: any) => boolean);
  /** The silence before a beat, jittered down to 4/5 of it. Default: '25s'. */
  interval?: Duration;
  /** Half of it makes the health doubtful. Infinity: no answer is insisted on. Default: '10s'. */
  answerWithin?: Duration;
}

export interface ReconnectOptions {
  /** The first attempt comes within U(0, this). Default: '2s'. */
  first?: Duration;
  /** The shortest later delay. Default: '500ms'. */
  min?: Duration;
  /** The longest later delay. Default: '60s'. */
  max?: Duration;
  /** The delays start over after this long open and one answered beat. Default: '30s'. */
  stable?: Duration;
  /** For one attempt. Default: '10s'. */
  openWithin?: Duration;
}

export interface VitalOptions {
  /** false: none is sent and none is known, and no death is seen. */
  heartbeat?: HeartbeatOptions | false;
  /** false: one socket, then the verdict is final. */
  reconnect?: ReconnectOptions | false;
  /** What may wait to be sent, here and in the socket. Default: '1 MiB'. */
  queue?: Size;
  /** Other sockets, clocks and so on than the page's. */
  host?: Partial<Host>;
}

export interface Policy extends HeartbeatPolicy, BackoffPolicy {
  /** '': there are no beats. */
  readonly message: string;
  readonly reply: string | ((data: any) => boolean);
  readonly stable: number;
  readonly openWithin: number;
  readonly _reconnects: boolean;
  readonly queue: number;
}

const usual = {
  interval: '25s',
  answerWithin: '10s',
  first: '2s',
  min: '500ms',
  max: '60s',
  stable: '30s',
  openWithin: '10s',
};

export function policyOf({ heartbeat, reconnect, queue = '1 MiB' }: VitalOptions): Policy {
  const message = heartbeat === false ? '' : 'heartbeat';
  const policy: any = { message, ...usual, ...heartbeat, ...reconnect };
  policy.reply ??= policy.message;
  policy.queue = bytes('queue', queue);
  policy._reconnects = reconnect !== false;
  for (const name in usual) policy[name] = milliseconds(name, policy[name]);
  if (!policy.message) policy.interval = Infinity;
  return policy;
}
